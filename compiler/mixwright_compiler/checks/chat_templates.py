"""MIX202, MIX764: the chat template that a `train` block states."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mixwright_compiler.bind.place import Place, place_path
from mixwright_compiler.checks.checked import Checked
from mixwright_compiler.findings import Reported
from mixwright_compiler.program import Bound, TrainDecl
from mixwright_compiler.suggest import did_you_mean, nearest, replace_fix
from mixwright_compiler.templates.chat_template import (
    NAMES,
    TemplateProblem,
    file_text,
    is_a_file,
    rendering_problem,
    syntax_problem,
)
from mixwright_compiler.templates.text import TemplateText, text_of
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Attribute, Expression, Text
from mixwright_dsl.source import SourceFile, Span


def check_chat_templates(checked: Checked) -> None:
    """MIX202: a template's file that cannot be read. MIX764: no Jinja, or one that cannot write a conversation."""
    for train in checked.program.trains.values():
        bound = train.attributes.get("chat_template")
        if bound is None or not bound.value or not checked.clean(train.span):
            continue
        try:
            template = _text(checked, train, bound)
        except Reported:
            continue
        problem = syntax_problem(template.text) or rendering_problem(template.text)
        if problem is not None:
            _report(checked, train, bound, template, problem)


def _report(
    checked: Checked, train: TrainDecl, bound: Bound, template: TemplateText, problem: TemplateProblem
) -> None:
    at = bound.span
    if problem.line is not None and template.is_mapped:
        at = template.line_span(problem.line)
    missing = re.search(r"'(\w+)' is undefined", problem.message)
    near = nearest(missing[1], NAMES) if missing is not None else None
    if missing is not None and near is not None and template.is_mapped:
        at = template.name_span(missing[1], problem.line or 1)
    is_elsewhere = at.source is not bound.span.source
    checked.findings.error(
        "MIX764",
        f"the chat template {problem.message}",
        at,
        f"of `{train.name}`",
        secondary=(Label(bound.span, "named here"),) if is_elsewhere else (),
        hint=did_you_mean(
            near, "write it as `transformers` reads it, or delete `chat_template` for the tokenizer's own"
        ),
        fix=replace_fix(at, near)
        if near is not None and missing is not None and at.text == missing[1]
        else None,
    )


def _text(checked: Checked, train: TrainDecl, bound: Bound) -> TemplateText:
    """The template with its place.

    Raises:
        Reported: its file is not there, or outside the project.
    """
    written, node = str(bound.value), _node(checked, train)
    if not is_a_file(written):
        inline = text_of(node) if node is not None else None
        # A constant has no place of its own, so findings point at its use.
        return inline or TemplateText(
            written, bound.span.source, bound.span, characters=(bound.span.start,) * (len(written) + 1)
        )
    world = checked.world
    if isinstance(node, Text):
        place_path(Place(world, world.spec), written, bound.span)
    path = world.directory / written
    try:
        text = file_text(path)
    except (OSError, UnicodeDecodeError, ValueError):
        near = nearest(path.name, (p.name for p in path.parent.iterdir())) if path.parent.is_dir() else None
        raise checked.findings.error(
            "MIX202",
            f"no file `{written}`" if not path.exists() else f"cannot read `{written}`",
            bound.span,
            f"`chat_template` of `{train.name}` is read from it",
            hint=did_you_mean(near)
            if near and near != path.name
            else "a path starts at the directory of the spec; a template's own text has `{{ }}`",
        ) from None
    shown = os.path.normpath(os.path.join(os.path.dirname(world.spec.source.name), written))
    source = SourceFile(shown, text, Path(path))
    return TemplateText(text, source, Span(source, 0, len(text)))


def _node(checked: Checked, train: TrainDecl) -> Expression | None:
    for block in checked.world.spec.unnamed:
        if block.span == train.span:
            for statement in block.body:
                if isinstance(statement, Attribute) and statement.name.name == "chat_template":
                    return statement.value
    return None
