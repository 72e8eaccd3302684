"""2xx: files, revisions, locks and SQL of sources; and attributes of which exactly one must be given."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from glob import glob

from mixwright_compiler.bind.values import example_of
from mixwright_compiler.catalog.catalog import AttributeSchema, Entry
from mixwright_compiler.catalog.conditions import attributes_in, holds, terms_of
from mixwright_compiler.checks.checked import Checked, is_written, value_of
from mixwright_compiler.expressions.source_sql import sql_problem
from mixwright_compiler.load.library import library_identity
from mixwright_compiler.plugins.files import short
from mixwright_compiler.program import Attributes, Bound, Declared, SourceDecl
from mixwright_compiler.suggest import did_you_mean, listing, nearest
from mixwright_compiler.templates.text import TemplateText, text_of
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Attribute
from mixwright_dsl.source import Span

IMMUTABLE = r"[0-9a-f]{40}|[0-9a-f]{64}|sha256:[0-9a-f]{64}"
"""A full commit id or a digest; anything shorter or worded can come to mean something else."""


def check_files(checked: Checked) -> None:
    """MIX202: a source's file, or MIX213: a model's directory, that is not there."""
    for source in checked.program.sources.values():
        if not checked.clean(source.span):
            continue
        if "path" in source.attributes:
            _check_file(checked, source, str(source.attributes["path"].value), source.attributes["path"].span)
        for path in (value_of(source.attributes, "inputs") or {}).values():
            _check_file(checked, source, str(path), source.attributes["inputs"].span)
    for model in checked.program.models.values():
        bound = model.attributes.get("path")
        if (
            bound is not None
            and _is_read(model)
            and not (checked.world.directory / str(bound.value)).exists()
        ):
            checked.findings.warning(
                "MIX213",
                f"no directory `{bound.value}`",
                bound.span,
                f"model `{model.name}` is read from it",
                hint="train or download the model first; the path starts at the directory of the spec",
            )


def _check_file(checked: Checked, source: SourceDecl, text: str, span: Span) -> None:
    path = checked.world.directory / text
    if path.is_dir():
        checked.findings.error(
            "MIX202",
            f"`{text}` is a directory",
            span,
            f"source `{source.name}` is read from files",
            hint=f"name its files: `{text.rstrip('/')}/*.{source.kind}`",
        )
        return
    if path.exists() or (any(c in text for c in "*?[") and glob(str(path), recursive=True)):
        return
    near = None
    if path.parent.is_dir():
        near = nearest(path.name, (p.name for p in path.parent.iterdir()))
    shown = os.path.join(os.path.dirname(text), near) if near else ""
    checked.findings.error(
        "MIX202",
        f"no file `{text}`",
        span,
        f"source `{source.name}` is read from it",
        hint=did_you_mean(near and shown, "a path starts at the directory of the spec"),
    )


def _is_read(declared: Declared) -> bool:
    """Is it said where its rows or weights come from, and once? MIX126 says so where it is not."""
    return len(chosen(declared.entry, declared.attributes)) <= 1


def check_revisions(checked: Checked) -> None:
    """MIX201: a written revision that can move."""
    for declared in (
        *checked.program.sources.values(),
        *checked.program.models.values(),
        *checked.program.trains.values(),
    ):
        revision = declared.attributes.get("revision")
        if revision is None or "repo" not in declared.attributes or not _is_read(declared):
            continue
        if not re.fullmatch(IMMUTABLE, str(revision.value)):
            checked.findings.error(
                "MIX201",
                f"revision `{revision.value}` can move",
                revision.span,
                "not a full commit id",
                hint="delete it: `mixwright lock` then pins the commit; or write its 40 digits",
            )


def check_locks(checked: Checked) -> None:
    """MIX211: sources whose columns are unknown for want of a lock. MIX805: a lock older than the spec."""
    lock = checked.world.lock
    open_sources = [
        s for s in checked.program.sources.values() if s.columns is None and checked.clean(s.span)
    ]
    spec = checked.world.spec.source.name
    stale = [s for s in open_sources if lock is not None and s.name in lock.sources]
    for source in stale:
        checked.findings.warning(
            "MIX805",
            f"the lock is older than source `{source.name}`",
            source.name_span,
            "it was locked with other attributes",
            hint=f"run `mixwright lock {spec}`",
        )
    for source in checked.program.sources.values():
        if lock is not None and f"source {source.name}" in lock.unfinished and source.name in lock.sources:
            checked.findings.warning(
                "MIX805",
                f"`mixwright lock` was broken off before it read source `{source.name}` again",
                source.name_span,
                "what the lock has of it is of an earlier lock",
                hint=f"run `mixwright lock {spec}`: it goes on where it was",
            )
        if not source.is_counted and checked.clean(source.span):
            checked.findings.warning(
                "MIX805",
                f"source `{source.name}` takes other rows than when it was locked",
                source.name_span,
                "its `where`, `limit` or `columns` were others",
                hint=f"run `mixwright lock {spec}`: how many rows it gives is not known",
            )
    errors = [d.primary.span for d in checked.findings.items if d.is_error]
    # What cannot be read cannot be locked either.
    unknown = [s for s in open_sources if s not in stale and not any(_within(e, s.span) for e in errors)]
    if unknown:
        names = listing(f"`{s.name}`" for s in unknown)
        checked.findings.lint(
            "MIX211",
            f"the columns of {names} are not known, so nothing about them is checked",
            unknown[0].name_span,
            "not locked",
            hint=f"run `mixwright lock {spec}`",
        )


def check_plugin_locks(checked: Checked) -> None:
    """MIX805: a plugin that is another one, or an edited one, than when the spec was locked."""
    world = checked.world
    locked = world.lock.plugins if world.lock is not None else {}
    for name in sorted(world.used_plugins & set(locked)):
        plugin, was = world.plugins[name], locked[name].identity
        if plugin.identity == was:
            continue
        at = next((m.plugin_spans[name] for m in world.modules if name in m.plugin_spans), None)
        checked.findings.warning(
            "MIX805",
            f"plugin `{name}` is not the one that was locked",
            at or Span(world.spec.source, 0, 0),
            f"{short(was)} then, {short(plugin.identity)} now",
            hint=f"look at what changed, then run `mixwright lock {world.spec.source.name}`",
        )


def check_library_locks(checked: Checked) -> None:
    """MIX806: a library that is another one than when the spec was locked."""
    world = checked.world
    locked = world.lock.libraries if world.lock is not None else {}
    for library in world.modules:
        was = locked.get(library.library)
        now = library_identity(library.source.text) if was is not None else ""
        if was is None or was.identity == now:
            continue
        named = [
            m.import_spans[name]
            for m in world.modules
            for name, found in m.imports.items()
            if found is library
        ]
        checked.findings.warning(
            "MIX806",
            f"`{library.library}` is not the one that was locked",
            named[0],
            f"{short(was.identity)} then, {short(now)} now",
            hint=f"look at `mixwright plan`, then run `mixwright lock {world.spec.source.name}`; "
            f"`mixwright vendor {library.library}` copies the library into the project",
        )


def _within(inner: Span, outer: Span) -> bool:
    return inner.source is outer.source and outer.start <= inner.start < outer.end


def check_sql(checked: Checked) -> None:
    """MIX209: SQL of a source that is not one SELECT, or reads a file or a table that is no input."""
    for source in checked.program.sources.values():
        bound = source.attributes.get("sql")
        if bound is None or not checked.clean(source.span):
            continue
        inputs = value_of(source.attributes, "inputs")  # None where it was reported: any table may be one
        problem = sql_problem(str(bound.value), inputs)
        _check_views(checked, source, inputs)
        if problem is not None:
            text = _sql_text(checked, source)
            checked.findings.error(
                "MIX209",
                f"SQL of source `{source.name}` {problem.message}",
                bound.span if text is None else text.span_of(problem.index, problem.length),
                hint=problem.hint,
            )


def _check_views(checked: Checked, source: SourceDecl, inputs: Mapping[str, str] | None) -> None:
    """MIX101: names of columns for an input that there is not."""
    named = value_of(source.attributes, "names") or {}
    for view in (name for name in named if inputs is not None and name not in inputs):
        near = nearest(view, inputs or ())
        checked.findings.error(
            "MIX101",
            f"source `{source.name}` has no input `{view}`",
            source.attributes["names"].span,
            f"inputs are: {listing(inputs or ())}" if inputs else "it has no inputs",
            hint=did_you_mean(near, f'name its file: `inputs = {{ {view} = "{view}.csv" }}`'),
        )


def _sql_text(checked: Checked, source: SourceDecl) -> TemplateText | None:
    """The SQL with its places; None where a constant gives it."""
    for statement in checked.world.by_name[source.name].node.body:
        if isinstance(statement, Attribute) and statement.name.name == "sql":
            return text_of(statement.value)
    return None


def check_choices(checked: Checked) -> None:
    """MIX126: none, or more than one, of attributes that exclude each other; one that goes with another."""
    program = checked.program
    tables = (program.models, program.sources, program.tools, program.trains, program.exports)
    for declared in (one for table in tables for one in table.values()):
        if checked.clean(declared.span):
            _check_choice(checked, declared.entry, declared.attributes, declared.name_span, declared.name)
    for _, _, step in checked.clean_steps():
        _check_choice(
            checked, step.entry, step.attributes, step.label_span or step.kind_span, step.entry.name
        )


def chosen(entry: Entry, attributes: Attributes) -> list[tuple[str, ...]]:
    """The alternatives of which anything is written; more than one is MIX126."""
    return [choice for choice in entry.one_of if any(is_written(attributes, name) for name in choice)]


def _check_given(checked: Checked, entry: Entry, attributes: Attributes, span: Span) -> None:
    """Attributes that are given when another one says so, and only then."""
    values = {name: bound.value for name, bound in attributes.items()}
    for schema in entry.attributes:
        if schema.only_when is not None and is_written(attributes, schema.name):
            _check_only(checked, entry, attributes, schema)
        if schema.given_when is None:
            continue
        is_due, is_there = holds(schema.given_when, entry, values), is_written(attributes, schema.name)
        *_, other = attributes_in(schema.given_when)
        words = _words(schema.given_when, entry)
        if is_there and not is_due and words.startswith("no "):
            _say_beside(checked, attributes[schema.name], schema.name, attributes[other], other)
        elif is_there and not is_due:
            checked.findings.error(
                "MIX126",
                f"`{schema.name}` goes with {words} alone",
                attributes[schema.name].span,
                "means nothing without it",
                hint=f"write {words}, or delete `{schema.name}`",
            )
        elif is_due and not is_there and schema.default is None:
            checked.findings.error(
                "MIX126",
                f"{words} needs `{schema.name}`",
                attributes[other].span if is_written(attributes, other) else span,
                f"`{schema.name}` is missing",
                hint=f"add `{schema.name} = {example_of(schema)}`",
            )


def _check_only(checked: Checked, entry: Entry, attributes: Attributes, schema: AttributeSchema) -> None:
    """An attribute that means something under a condition alone."""
    values = {name: bound.value for name, bound in attributes.items()}
    failing = next(
        (term for term in terms_of(schema.only_when or "") if not holds(term, entry, values)), None
    )
    if failing is None:
        return
    (other,) = attributes_in(failing)
    at = attributes.get(other)
    words = _words(failing, entry)
    if failing.startswith("without ") and at is not None:
        _say_beside(checked, attributes[schema.name], schema.name, at, other)
        return
    checked.findings.error(
        "MIX126",
        f"`{schema.name}` goes with {words} alone",
        attributes[schema.name].span,
        "means nothing without it",
        secondary=(Label(at.span, "the other one"),) if at is not None and not at.is_default else (),
        hint=f"write {words}, or delete `{schema.name}`",
    )


def _say_beside(checked: Checked, bound: Bound, name: str, by: Bound, other: str) -> None:
    checked.findings.error(
        "MIX126",
        f"`{name}` means nothing beside `{other}`",
        bound.span,
        "excludes the other",
        secondary=(Label(by.span, "the other one"),),
        hint="delete one of the two",
    )


def _words(condition: str, entry: Entry) -> str:
    """A condition as it is written in a spec."""
    first, _, name = condition.partition(" ")
    if first == "several":
        return f"a list in `{name}`"
    if first not in ("with", "without"):
        return f"`{condition}`"
    schema = entry.attribute(name)
    if schema is not None and schema.type == "bool":
        return f"`{name} = {'true' if first == 'with' else 'false'}`"
    return f"`{name}`" if first == "with" else f"no `{name}`"


def _check_choice(checked: Checked, entry: Entry, attributes: Attributes, span: Span, name: str) -> None:
    _check_given(checked, entry, attributes, span)
    choices = entry.one_of
    if not choices:
        return
    given = chosen(entry, attributes)
    shapes = " or ".join("`" + "` and `".join(c) + "`" for c in choices)
    if len(given) > 1:
        first, second = (_first(attributes, c) for c in given[:2])
        checked.findings.error(
            "MIX126",
            f"`{name}` takes {shapes}, not both" if len(choices) == 2 else f"`{name}` takes one of {shapes}",
            second.span,
            "excludes the other",
            secondary=(Label(first.span, "the other one"),),
            hint="delete one of the two",
        )
    elif not given:
        checked.findings.error(
            "MIX126",
            f"`{name}` needs {shapes}",
            span,
            "none is given",
            hint=f"add `{choices[0][0]} = …`",
        )
    elif missing := [a for a in given[0] if not is_written(attributes, a)]:
        checked.findings.error(
            "MIX126",
            f"`{name}` needs {shapes}",
            span,
            f"`{missing[0]}` is missing",
            hint=f"add `{missing[0]} = …`",
        )

    for extra, partner, other in entry.goes_with:
        if len(given) == 1 and is_written(attributes, extra) and is_written(attributes, other):
            checked.findings.error(
                "MIX126",
                f"`{extra}` goes with `{partner}`, and this `{name}` has `{other}`",
                attributes[extra].span,
                f"means nothing beside `{other}`",
                secondary=(Label(attributes[other].span, "the other one"),),
                hint=f"delete `{extra}`",
            )


def _first(attributes: Attributes, choice: tuple[str, ...]) -> Bound:
    return next(attributes[a] for a in choice if is_written(attributes, a))
