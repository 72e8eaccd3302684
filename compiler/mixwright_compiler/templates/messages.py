"""Templates: their messages and inputs, and a check at each place where one is used.

A template is read once where it is declared (Jinja syntax, tags, filters) and checked again at each use, against the
columns there.
"""

from __future__ import annotations

import os

from mixwright_compiler.findings import Reported
from mixwright_compiler.load.world import Declaration, World
from mixwright_compiler.program import Bound, TemplateMessageDecl
from mixwright_compiler.schema import Columns
from mixwright_compiler.suggest import did_you_mean, nearest
from mixwright_compiler.templates.placeholders import Placeholder, check_placeholders, of_template
from mixwright_compiler.templates.text import TemplateText, parse_template, text_of
from mixwright_compiler.templates.walk import Walk
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.lazy_dataclass import dataclass, field
from mixwright_dsl.nodes import Attribute
from mixwright_dsl.source import SourceFile, Span, read_source

ROLES = ("system", "user", "assistant")
MESSAGES = (*ROLES, "file", "doc")


@dataclass
class ParsedTemplate:
    """A template after its own check. `inputs`: the columns it cannot do without, in order of appearance."""

    name: str
    declaration: Declaration
    messages: tuple[TemplateMessageDecl, ...] = ()
    texts: list[TemplateText] = field(default_factory=list)
    inputs: dict[str, None] = field(default_factory=dict)
    reads: dict[str, None] = field(default_factory=dict)
    """Every column that it names, also those it can do without."""
    placeholders: list[tuple[TemplateText, tuple[Placeholder, ...]]] = field(default_factory=list)
    """What looks like another language's `{{ }}` in its messages."""


def parse_messages(world: World, declaration: Declaration, attributes: dict[str, Bound]) -> ParsedTemplate:
    """Read a template's messages and check what can be checked without rows."""
    parsed = ParsedTemplate(declaration.qualified, declaration)
    nodes = {s.name.name: s.value for s in declaration.node.body if isinstance(s, Attribute)}
    messages: list[TemplateMessageDecl] = []
    # What is called otherwise was reported, and may be the message that is missing.
    failed = any(name not in MESSAGES for name in nodes)
    for role in ROLES:
        key = "file" if role == "user" and "file" in attributes else role
        if key not in attributes:
            failed = failed or key in nodes
            continue
        bound = attributes[key]
        try:
            text = _file_text(world, declaration, bound) if key == "file" else text_of(nodes[key])
            if text is None:
                # A constant: it has no place of its own, so findings point at its use.
                value = str(bound.value)
                text = TemplateText(
                    value, bound.span.source, bound.span, characters=(bound.span.start,) * (len(value) + 1)
                )
            messages.append(
                TemplateMessageDecl(role=role, text=text.text, span=text.span, offsets=text.lines)
            )
            parse_template(text, world.findings)
            parsed.texts.append(text)
            walk = Walk(text, None, world.findings, parsed.inputs)
            walk.walk()
            parsed.reads.update(walk.reads)
            if found := of_template(text.text):
                parsed.placeholders.append((text, found))
        except Reported:
            failed = True
    parsed.messages = tuple(messages)
    if "user" in attributes and "file" in attributes:
        world.findings.error(
            "MIX302",
            f"template `{declaration.name}` has both `user` and `file`",
            attributes["file"].span,
            secondary=(Label(attributes["user"].span, "the other one"),),
            hint="delete one of the two",
        )
    elif not failed and not any(m.role == "user" for m in messages):
        world.findings.error(
            "MIX302",
            f"template `{declaration.name}` has no user message",
            declaration.name_span,
            hint='add `user = "…"` or `file = "prompt.j2"`',
        )
    elif not failed and all(not m.text.strip() for m in messages if m.role == "user"):
        world.findings.error(
            "MIX302",
            f"the user message of template `{declaration.name}` is empty",
            next(m.span for m in messages if m.role == "user"),
            hint="write what the model is asked",
        )
    return parsed


def _file_text(world: World, declaration: Declaration, bound: Bound) -> TemplateText:
    path = world.directory / str(bound.value)
    shown = os.path.normpath(os.path.join(os.path.dirname(world.spec.source.name), str(bound.value)))
    try:
        source: SourceFile = read_source(path, shown)
    except (OSError, UnicodeDecodeError):
        near = None
        if path.parent.is_dir():
            near = nearest(path.name, (p.name for p in path.parent.iterdir()))
        raise world.findings.error(
            "MIX202",
            f"no file `{bound.value}`" if not path.exists() else f"cannot read `{bound.value}`",
            bound.span,
            f"template `{declaration.name}` is read from it",
            hint=did_you_mean(near, "a path starts at the directory of the spec"),
        ) from None
    return TemplateText(source.text, source, Span(source, 0, len(source.text)))


def check_use(
    world: World,
    parsed: ParsedTemplate,
    columns: Columns,
    use: Span,
    rows_words: str,
    later: dict[str, Span],
) -> set[str]:
    """Check a template against the columns at a place where it is used; returns those reported as missing."""
    missing: set[str] = set()
    for text in parsed.texts:
        walk = Walk(text, columns, world.findings, {})
        walk.use, walk.rows_words, walk.later = use, rows_words, later
        walk.walk()
        missing |= walk.reported
    for text, found in parsed.placeholders:
        check_placeholders(text, found, columns, parsed.reads, use, world.findings)
    return missing
