"""MIX807: where a spec and its lock do not fit, and what drifted: an attribute, a file, a model, a plugin, a library.

`mixwright run --locked` asks of a lock what a plan can tell, and a run compares what it reads with what is pinned.
`mixwright lock --check` reads everything again, and says of a file what is another in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mixwright_compiler.bind.lock import (
    Lock,
    ModelLock,
    SourceLock,
    is_stale,
    model_definition,
    record_changes,
    source_parts,
    source_selection,
)
from mixwright_compiler.load.library import PREFIX, library_identity
from mixwright_compiler.plan.plan import Plan
from mixwright_compiler.plugins.files import short
from mixwright_compiler.program import Attributes, Program, SourceDecl
from mixwright_compiler.suggest import listing
from mixwright_dsl.diagnostic import Diagnostic, error
from mixwright_dsl.source import Span

SELECTING = ("where", "limit", "columns")
LOCATING = ("path", "inputs", "repo", "sql", "model", "base_url")
"""Attributes that say where something is: the place of a finding about what is there."""


def misfits(program: Program, plan: Plan, lock: Lock, found: Lock | None = None) -> tuple[Diagnostic, ...]:
    """Every place of a spec that its lock does not fit, in the order of the spec.

    Args:
        found: what was read just now; without it files are not looked at.
    """
    findings = [
        *_sources(program, plan, lock, found or Lock()),
        *_models(program, plan, lock),
        *_named(program, "plugin", {name: p.identity for name, p in plan.plugins.items()}, lock.plugins),
        *_named(program, "library", _libraries(plan), lock.libraries),
    ]
    order = {id(file): at for at, file in enumerate(program.files)}
    return tuple(
        sorted(findings, key=lambda d: (order.get(id(d.primary.span.source), 0), d.primary.span.start))
    )


def _misfit(program: Program, message: str, span: Span, label: str = "") -> Diagnostic:
    spec = program.source.name
    return error(
        "MIX807", message, span, label, hint=f"look at what changed, then run `mixwright lock {spec}`"
    )


def _not_reached(program: Program, kind: str, name: str, span: Span) -> Diagnostic:
    message = f"{kind} `{name}` was not read again: `mixwright lock` was broken off before it came to it"
    return _misfit(program, message, span, "what the lock has of it is of an earlier lock")


def _sources(program: Program, plan: Plan, lock: Lock, found: Lock) -> Iterator[Diagnostic]:
    for name in plan.sources:
        decl = program.sources[name]
        if decl.entry.is_pinned_by_spec and decl.where is None:
            continue
        locked = lock.sources.get(name)
        if locked is None:
            yield _misfit(
                program, f"source `{name}` is not locked", decl.name_span, "the lock does not name it"
            )
            continue
        if f"source {name}" in lock.unfinished:
            yield _not_reached(program, "source", name, decl.name_span)
        yield from _source(program, decl, locked)
        if name not in found.sources or is_stale(locked, decl.entry, decl.attributes):
            continue  # what is read otherwise is another thing
        if changes := _contents(locked, found.sources[name]):
            yield _misfit(
                program,
                f"what source `{name}` reads is not what was locked: {', '.join(changes)}",
                _place(decl.attributes, decl.name_span),
            )


def _source(program: Program, decl: SourceDecl, locked: SourceLock) -> Iterator[Diagnostic]:
    """What a spec says otherwise of a source than when it was locked, each attribute at its place."""
    is_other_file = is_stale(locked, decl.entry, decl.attributes)
    is_other_part = locked.selection != source_selection(decl.attributes)
    if not is_other_file and not is_other_part:
        return
    now = source_parts(decl.entry, decl.attributes)
    names = [
        name
        for name in dict.fromkeys((*now, *locked.parts))
        if locked.parts and now.get(name) != locked.parts.get(name)
        if (is_other_part if name in SELECTING else is_other_file)
    ]
    for name in names:
        bound = decl.attributes.get(name)
        is_written = bound is not None and not bound.is_default
        words = "was another one" if name in locked.parts else "was not there"
        yield _misfit(
            program,
            f"`{name}` of source `{decl.name}` is not as it was locked",
            bound.span if bound is not None and is_written else decl.name_span,
            words if is_written else f"`{name}` is gone",
        )
    if not names:
        what = (
            "it is read otherwise"
            if is_other_file
            else f"{listing([f'`{n}`' for n in SELECTING])} were others"
        )
        yield _misfit(program, f"source `{decl.name}` is not as it was locked", decl.name_span, what)


def _contents(locked: SourceLock, found: SourceLock) -> list[str]:
    """What is another in a file, in words; nothing of how it is read or what is taken of it."""
    without = (
        ("definition", "selection", "selected") if locked.selection != found.selection else ("definition",)
    )
    return record_changes(locked, found, without=without)


def _models(program: Program, plan: Plan, lock: Lock) -> Iterator[Diagnostic]:
    for name, spec in plan.models.items():
        decl = program.models[name]
        locked: ModelLock | None = lock.models.get(name)
        at = _place(decl.attributes, decl.name_span)
        if locked is None:
            yield _misfit(
                program, f"model `{name}` is not locked", decl.name_span, "the lock does not name it"
            )
        elif f"model {name}" in lock.unfinished:
            yield _not_reached(program, "model", name, decl.name_span)
        elif locked.definition != (now := model_definition(spec.attributes)) and not spec.attributes.get(
            "repo"
        ):
            yield _misfit(program, f"model `{name}` is `{now}`, and was locked as `{locked.definition}`", at)
        elif locked.identity != spec.identity:
            what = "its weights or its settings are others" if locked.digest else "its settings are others"
            yield _misfit(program, f"model `{name}` is not the one that was locked", at, what)


def _named(
    program: Program, kind: str, now: Mapping[str, str], locked: Mapping[str, object]
) -> Iterator[Diagnostic]:
    """Plugins and libraries, which are known by one text each."""
    for name, identity in now.items():
        was = getattr(locked.get(name), "identity", None)
        if was != identity:
            words = (
                "the lock does not name it" if was is None else f"{short(was)} then, {short(identity)} now"
            )
            message = f"{kind} `{name}` is not {'locked' if was is None else 'the one that was locked'}"
            yield _misfit(program, message, _import_of(program, name), words)


def _libraries(plan: Plan) -> dict[str, str]:
    return {file.name: library_identity(file.text) for file in plan.files if file.name.startswith(PREFIX)}


def _place(attributes: Attributes, name: Span) -> Span:
    found = (attributes[each] for each in LOCATING if each in attributes and not attributes[each].is_default)
    return next((bound.span for bound in found), name)


def _import_of(program: Program, name: str) -> Span:
    """The place of the import of a library or a plugin; the first line of the spec for an installed plugin."""
    for file in program.files:
        for text in (f'"{name}"', f'{name}.py"', f'/{name}"'):
            at = file.text.find(text)
            if at >= 0 and "import" in file.text[:at].rpartition("\n")[2]:
                return file.span(at, at + len(text))
    return program.source.span(0, len(program.source.line_text(1)))
