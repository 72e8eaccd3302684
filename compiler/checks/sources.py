"""2xx: files, revisions, locks and SQL of sources; and attributes of which exactly one must be given."""

from __future__ import annotations

import os
import re
from glob import glob

from compiler.catalog import Entry
from compiler.checks.checked import Checked, is_written, value_of
from compiler.program import Attributes, Bound, SourceDecl
from compiler.suggest import listing, nearest
from compiler.template_text import TemplateText, text_of
from dsl.diagnostic import Label
from dsl.nodes import Attribute
from dsl.source import Span

IMMUTABLE = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}|sha256:[0-9a-f]{64}")
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
        if bound is not None and not (checked.world.directory / str(bound.value)).exists():
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
        hint=f"did you mean `{shown}`?" if near else "a path starts at the directory of the spec",
    )


def check_revisions(checked: Checked) -> None:
    """MIX201: a written revision that can move."""
    for declared in (
        *checked.program.sources.values(),
        *checked.program.models.values(),
        *checked.program.trains.values(),
    ):
        revision = declared.attributes.get("revision")
        if revision is None or "repo" not in declared.attributes:
            continue
        if not IMMUTABLE.fullmatch(str(revision.value)):
            checked.findings.error(
                "MIX201",
                f"revision `{revision.value}` can move",
                revision.span,
                "not a full commit id",
                hint="write the 40 digits of the commit, or no revision: `mixwright lock` then pins it",
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


def _within(inner: Span, outer: Span) -> bool:
    return inner.source is outer.source and outer.start <= inner.start < outer.end


_WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_STARTS = ("select", "with", "from", "values")
_WRITES = frozenset(
    ("insert", "update", "delete", "create", "drop", "alter", "copy", "attach", "install", "load", "pragma")
)
_READS = re.compile(
    r"\b(read_(?:csv|csv_auto|json|json_auto|json_objects|ndjson|ndjson_auto|parquet|text|blob|xlsx)|parquet_scan|glob)\s*\(",
    re.IGNORECASE,
)


def check_sql(checked: Checked) -> None:
    """MIX209: SQL of a source that writes, reads a file by name, or is not one SELECT."""
    for source in checked.program.sources.values():
        if "sql" not in source.attributes or not checked.clean(source.span):
            continue
        text = _sql_text(checked, source)
        if text is None:
            continue
        problem = _sql_problem(text.text)
        if problem is not None:
            message, index, length, hint = problem
            checked.findings.error(
                "MIX209",
                f"SQL of source `{source.name}` {message}",
                text.span_of(index, length),
                hint=hint,
            )


def _sql_text(checked: Checked, source: SourceDecl) -> TemplateText | None:
    for statement in checked.world.by_name[source.name].node.body:
        if isinstance(statement, Attribute) and statement.name.name == "sql":
            return text_of(statement.value)
    return None


def _blanked(sql: str) -> str:
    """The SQL with strings, quoted names and comments blanked out, offsets unchanged."""
    pattern = r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|\$\$.*?\$\$"
    return re.sub(pattern, lambda m: " " * len(m[0]), sql, flags=re.DOTALL)


def _sql_problem(sql: str) -> tuple[str, int, int, str] | None:
    blank = _blanked(sql)
    words = list(_WORD.finditer(blank))
    if not words:
        return "is empty", 0, max(1, len(sql)), "write `SELECT …`"
    first = words[0]
    if first[0].lower() not in _STARTS:
        return (
            f"is no SELECT: it starts with `{first[0]}`",
            first.start(),
            len(first[0]),
            "write one `SELECT …`",
        )
    semicolon = blank.find(";")
    if semicolon >= 0 and blank[semicolon + 1 :].strip():
        rest = _WORD.search(blank, semicolon) or first
        return "is more than one statement", rest.start(), len(rest[0]), "write one `SELECT …`"
    if first[0].lower() == "with":
        for word in words:
            follows = blank[word.end() :].lstrip()[:4].lower()
            before = blank[: word.start()].rstrip()[-1:]
            if (word[0].lower() in _WRITES and before == ")" and follows in ("into", "from")) or (
                word[0].lower() == "update" and before == ")"
            ):
                return "writes", word.start(), len(word[0]), "end the `WITH` in a `SELECT`"
    reads = _READS.search(blank)
    if reads:
        return (
            "reads a file by name",
            reads.start(1),
            len(reads[1]),
            'name the file in `inputs = { rows = "file.csv" }` and select from `rows`',
        )
    return None


def check_choices(checked: Checked) -> None:
    """MIX126: none, or more than one, of attributes that exclude each other."""
    program = checked.program
    for declared in (*program.models.values(), *program.trains.values()):
        if checked.clean(declared.span):
            _check_choice(checked, declared.entry, declared.attributes, declared.name_span, declared.name)
    for _, _, step in checked.clean_steps():
        _check_choice(
            checked, step.entry, step.attributes, step.label_span or step.kind_span, step.entry.name
        )


def _check_choice(checked: Checked, entry: Entry, attributes: Attributes, span: Span, name: str) -> None:
    choices = entry.one_of
    if not choices:
        return
    given = [c for c in choices if any(is_written(attributes, a) for a in c)]
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

    for extra, chosen, other in entry.goes_with:
        if len(given) == 1 and is_written(attributes, extra) and is_written(attributes, other):
            checked.findings.error(
                "MIX126",
                f"`{extra}` goes with `{chosen}`, and this `{name}` has `{other}`",
                attributes[extra].span,
                f"means nothing beside `{other}`",
                secondary=(Label(attributes[other].span, "the other one"),),
                hint=f"delete `{extra}`",
            )


def _first(attributes: Attributes, choice: tuple[str, ...]) -> Bound:
    return next(attributes[a] for a in choice if is_written(attributes, a))
