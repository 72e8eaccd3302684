"""Cases in the language: how their files read, and what the compiler makes of one. CONTRIBUTING.md shows how to add one.

A `.cases` file is about one theme. What stands before its first `== title` is shared: it goes in front of each of
its cases, except of those that begin with an `edition` of their own. Beneath a line of a case stands what must be
found in it, the carets under the place:

    dedup exact { on = textt }
                       ^^^^^ error[MIX401]: no column `textt`
                       = hint: did you mean `text`?

A part of a message is enough, and a hint need not be written. Once a case shows one place that a finding points at
besides (`~~~~~ declared here`), it shows all of them. A line `-- NAME --` begins a section: another file of the case,
or one of SECTIONS.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from mixwright.compiling import held_to_budgets
from mixwright_compiler.bind.lock import Lock, SourceLock, source_definition
from mixwright_compiler.catalog.catalog import Catalog, builtin_catalog
from mixwright_compiler.plan.lower import lower
from mixwright_compiler.plan.plan import Plan
from mixwright_compiler.stages import Compilation, compile_source
from mixwright_dsl.diagnostic import Applicability, Diagnostic, Label
from mixwright_dsl.formatter import format_text
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile

SECTIONS = {
    "command": "what is typed, `mixwright plan spec.mix -p scale=2 --variant small`: without it no parameter is given",
    "lock": "what was counted: `rows: 10 rows, question text`, a line a source",
    "plan": "facts of the plan, `path = value`: only those that the case is about",
    "fmt": "what `mixwright fmt` makes of the case; such a case is read and not compiled",
    "fixed": "the case after all fixes that need no second look",
}

TITLE = re.compile(r"== (.+)")
SECTION = re.compile(r"-- (.+) --")
FINDING = re.compile(r" *(\^+) (error|warning|lint)\[(MIX\d{3})\](?:: (.*))?")
HINT = re.compile(r" *= hint: (.*)")
PLACE = re.compile(r" *(~+)(?: (.*))?")


@dataclass(frozen=True)
class Mark:
    """What is written beneath a line: a finding, or a further place of one (no code). Columns count from 0."""

    column: int
    width: int
    message: str
    severity: str = ""
    code: str = ""
    hint: str | None = None

    def allows(self, found: Mark) -> bool:
        """Is the finding what is written here?"""
        same = (self.column, self.width, self.severity, self.code)
        return (
            same == (found.column, found.width, found.severity, found.code)
            and self.message in found.message
            and (self.hint is None or self.hint in (found.hint or ""))
        )

    def lines(self) -> Iterator[str]:
        indent = " " * self.column
        if not self.code:
            yield f"{indent}{'~' * self.width} {self.message}".rstrip()
            return
        message = f": {self.message}" if self.message else ""
        yield f"{indent}{'^' * self.width} {self.severity}[{self.code}]{message}"
        if self.hint:
            yield f"{indent}= hint: {self.hint}"


@dataclass(frozen=True)
class Marked:
    """A text as the compiler gets it, and beneath its lines (from 1) what is expected there."""

    lines: tuple[str, ...] = ()
    marks: dict[int, list[Mark]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + ("\n" if self.lines and self.lines[-1] else "")

    def with_marks(self, found: dict[int, list[Mark]]) -> Marked:
        """The same text with what was found; what is written and right stays as it is written."""
        lines = self.lines + ("",) * (max(found, default=0) - len(self.lines))
        marks = {}
        for line, at_line in found.items():
            written = list(self.marks.get(line, ()))
            marks[line] = []
            for mark in sorted(at_line, key=lambda m: (m.code == "", m.column, m.code)):
                kept = next((w for w in written if w.allows(mark)), None)
                if kept is not None:
                    written.remove(kept)
                marks[line].append(kept or mark)
        return Marked(lines, marks)

    def written(self) -> list[str]:
        lines: list[str] = []
        for number, line in enumerate(self.lines, start=1):
            lines.append(line)
            for mark in self.marks.get(number, ()):
                lines += mark.lines()
        return lines


@dataclass(frozen=True)
class Case:
    """One case: its title, the line of it, the text shared with others, its own, and its sections in their order."""

    title: str
    line: int
    shared: str
    spec: Marked
    sections: dict[str, Marked]

    @property
    def text(self) -> str:
        """The spec that is compiled."""
        return self.before + self.spec.text

    @property
    def before(self) -> str:
        own = next((line for line in self.spec.lines if line and not line.startswith("#")), "")
        return "" if own.startswith("edition") else self.shared

    def written(self) -> list[str]:
        """Its lines as they stand in the file."""
        lines = [f"== {self.title}", *self.spec.written()]
        for name, section in self.sections.items():
            lines += [f"-- {name} --", *section.written()]
        return lines


def cases_of(path: Path) -> list[Case]:
    """The cases of a file."""
    lines = path.read_text(encoding="utf-8").split("\n")
    starts = [number for number, line in enumerate(lines) if TITLE.fullmatch(line)]
    shared = "\n".join(lines[: starts[0]]).rstrip("\n")
    shared = f"{shared}\n" if shared else ""
    return [
        case_of(lines[start:end], start + 1, shared)
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)
    ]


def case_of(lines: list[str], line: int, shared: str) -> Case:
    title = lines[0].removeprefix("== ")
    sections: dict[str, list[str]] = {"": []}
    name = ""
    for text in lines[1:]:
        if found := SECTION.fullmatch(text):
            name = found[1]
            sections[name] = []
        else:
            sections[name].append(text)
    spec, *others = [(name, marked(body)) for name, body in sections.items()]
    return Case(title, line, shared, spec[1], dict(others))


def marked(lines: list[str]) -> Marked:
    """The lines without what is expected of them; empty lines at the end are no part of it."""
    while lines and not lines[-1]:
        lines = lines[:-1]
    kept: list[str] = []
    marks: dict[int, list[Mark]] = {}
    for line in lines:
        at = marks.setdefault(len(kept), [])
        if found := FINDING.fullmatch(line):
            at.append(Mark(found.start(1), len(found[1]), found[4] or "", found[2], found[3]))
        elif (found := HINT.fullmatch(line)) and at:
            at[-1] = replace(at[-1], hint=found[1])
        elif found := PLACE.fullmatch(line):
            at.append(Mark(found.start(1), len(found[1]), found[2] or ""))
        else:
            kept.append(line)
    return Marked(tuple(kept), {number: found for number, found in marks.items() if found})


@cache
def catalog() -> Catalog:
    """The shipped catalog as if every extra were installed."""
    shipped = builtin_catalog()
    return replace(
        shipped, entries={key: replace(entry, modules=()) for key, entry in shipped.entries.items()}
    )


def answered(case: Case, directory: Path) -> Case:
    """The case as it would be written if all that the compiler says of it were right."""
    if "fmt" in case.sections:
        source = SourceFile("spec.mix", case.spec.text)
        result = format_text(source)
        return _with(case, {"fmt": result.text}, {"": [_as_found(d, 0) for d in parse(source).diagnostics]})
    (directory / ".mixwright").mkdir(parents=True, exist_ok=True)
    for name, section in case.sections.items():
        if name not in SECTIONS:
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(section.text, encoding="utf-8")
    result, lock = _compiled(case, directory)
    texts = {}
    if "plan" in case.sections:
        plan = None
        if result.program is not None:
            plan = lower(
                result.program, root=directory, directory=directory, lock=lock, variant=_typed(case)[1]
            )
        texts["plan"] = _facts_of(case.sections["plan"].lines, plan)
    if "fixed" in case.sections:
        texts["fixed"] = fixed(case, result.diagnostics)
    return _with(case, texts, _by_section(case, result.diagnostics, directory))


def fixed(case: Case, findings: tuple[Diagnostic, ...]) -> str:
    """The case's own text after every fix that a tool may apply unasked."""
    text, taken = case.text, len(case.text) + 1
    fixes = [d.fix for d in findings if d.fix and d.fix.applicability is Applicability.MACHINE]
    edits = {(e.span.start, e.span.end, e.replacement) for fix in fixes for e in fix.edits}
    for start, end, replacement in sorted(edits, reverse=True):
        if end <= taken:
            text, taken = text[:start] + replacement + text[end:], start
    return text.removeprefix(case.before)


def _with(case: Case, texts: dict[str, str], found: dict[str, list[tuple[int, Mark]]]) -> Case:
    """The case with other texts in some sections, and with these findings beneath its lines."""

    def answered_part(name: str, part: Marked) -> Marked:
        if name in texts:
            return Marked(tuple(texts[name].rstrip("\n").split("\n")))
        by_line: dict[int, list[Mark]] = {}
        for line, mark in found.get(name, ()):
            by_line.setdefault(line, []).append(mark)
        return part.with_marks(by_line)

    spec = answered_part("", case.spec)
    sections = {name: answered_part(name, part) for name, part in case.sections.items()}
    return replace(case, spec=spec, sections=sections)


def _compiled(case: Case, directory: Path) -> tuple[Compilation, Lock | None]:
    """The case's spec, compiled from memory with what its command and its lock say; and that lock."""
    path = directory / "spec.mix"
    params, variant = _typed(case)
    source = SourceFile("spec.mix", case.text, path)
    lock = None
    if "lock" in case.sections:
        draft = compile_source(source, params=params, catalog=catalog()).draft
        assert draft is not None
        lock = Lock(sources=dict(_locked(line, draft.sources) for line in case.sections["lock"].lines))
    result = compile_source(source, params=params, variant=variant, lock=lock, catalog=catalog())
    return held_to_budgets(result, path, lock), lock


def _typed(case: Case) -> tuple[dict[str, str], str | None]:
    """The parameters and the variant of its command."""
    words = iter(shlex.split(" ".join(case.sections.get("command", Marked()).lines)))
    params: dict[str, str] = {}
    variant = None
    for word in words:
        if word == "-p":
            name, _, value = next(words).partition("=")
            params[name] = value
        elif word == "--variant":
            variant = next(words)
    return params, variant


def _locked(line: str, sources: Any) -> tuple[str, SourceLock]:
    name, _, said = line.partition(": ")
    rows, *columns = said.split(", ")
    source = sources[name]
    return name, SourceLock(
        digest="sha256:0",
        rows=int(rows.removesuffix(" rows")),
        columns=dict(column.split(" ", 1) for column in columns),
        definition=source_definition(source.entry, source.attributes),
        license="mit",
    )


def _as_found(finding: Diagnostic, lines_before: int) -> tuple[int, Mark]:
    place = finding.primary
    mark = _mark(place, finding.message)
    line = place.span.position.line - lines_before
    return line, replace(
        mark, severity=finding.severity.value, code=finding.code, hint=finding.hint.split("\n")[0] or None
    )


def _mark(place: Label, message: str) -> Mark:
    first = place.span.text.split("\n")[0]
    return Mark(place.span.position.column - 1, max(1, len(first)), message)


def _by_section(
    case: Case, findings: tuple[Diagnostic, ...], directory: Path
) -> dict[str, list[tuple[int, Mark]]]:
    """Findings and, where the case shows any, their further places, by the section that they are in."""
    found: dict[str, list[tuple[int, Mark]]] = {}
    parts = [case.spec, *case.sections.values()]
    shows_places = any(not m.code for part in parts for marks in part.marks.values() for m in marks)
    lines_before = case.before.count("\n")
    for finding in findings:
        section, offset = _section_of(finding.primary, directory, lines_before)
        line, mark = _as_found(finding, offset)
        if section == "command":
            line, mark = _on_command(case, finding, mark)
        if line < 1:
            # Shared lines are right, and a case need not use them.
            if finding.code != "MIX104":
                text = f"in the shared lines: {mark.message}"
                found.setdefault("", []).append((1, replace(mark, message=text)))
            continue
        found.setdefault(section, []).append((line, mark))
        for place in finding.secondary if shows_places else ():
            section, offset = _section_of(place, directory, lines_before)
            line = place.span.position.line - offset
            if line >= 1 and _mark(place, place.message) not in [
                m for at, m in found.get(section, ()) if at == line
            ]:
                found.setdefault(section, []).append((line, _mark(place, place.message)))
    return found


def _section_of(place: Label, directory: Path, lines_before: int) -> tuple[str, int]:
    """The section that a place is in, and how many lines of its file stand before it."""
    source = place.span.source
    if source.path is None:
        return "command", 0
    name = source.path.resolve().relative_to(directory.resolve()).as_posix()
    return ("", lines_before) if name == "spec.mix" else (name, 0)


def _on_command(case: Case, finding: Diagnostic, mark: Mark) -> tuple[int, Mark]:
    typed = "\n".join(case.sections.get("command", Marked()).lines)
    text = finding.primary.span.source.text.removeprefix("-p ")
    return 1, replace(
        mark,
        column=max(0, typed.find(text)) + mark.column - (len(finding.primary.span.source.text) - len(text)),
    )


def _facts_of(lines: tuple[str, ...], plan: Plan | None) -> str:
    """The lines with the values that the plan has."""
    if plan is None:
        return "there is no plan\n"
    facts = dict(_flat(_shaped(plan.model_dump(mode="json"))))
    written = []
    for line in lines:
        path = line.partition(" = ")[0].strip()
        written.append(f"{path} = {facts.get(path) or _near(path, facts)}")
    return "\n".join(written) + "\n"


def _near(path: str, facts: dict[str, str]) -> str:
    """What is said where the plan has no such path: the names beside it, as far as it is right."""
    while path:
        path = path.rpartition(".")[0]
        below = f"{path}." if path else ""
        beside = [
            n.removeprefix(below) for n in facts if n.startswith(below) and "." not in n.removeprefix(below)
        ]
        if beside:
            return f"nothing; {path or 'the plan'} has: {', '.join(beside)}"
    return "nothing"


def _shaped(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan by the names of its declarations: steps by id, components by group and rows, estimates where they are of."""
    named: dict[str, Any] = {"edition": plan["edition"], "extras": plan["extras"], "params": plan["params"]}
    for kind in ("models", "sources", "exports", "trains", "policies"):
        for name, one in plan[kind].items():
            named[name] = {**one, **one.get("attributes", {})}
    for name, one in plan["templates"].items():
        named[name] = {m["role"]: m["text"] for m in one["messages"]} | {"inputs": one["inputs"]}
    for name, one in plan["pipelines"].items():
        steps = {step["id"]: {**step, **step["attributes"]} for step in one["steps"]}
        named[name] = {**one, "steps": list(steps), "from": one["start"], **steps}
    for name, one in plan["mixtures"].items():
        parts = {
            ".".join(filter(None, (c["group"], c["rows"]))): {**c, **c["quota"]} for c in one["components"]
        }
        steps = {step["id"]: {**step, **step["attributes"]} for step in one["steps"]}
        tags = [f"{tag['name']}: {' '.join(tag['rows'])}" for tag in one["tags"]]
        named[name] = {**one, "components": list(parts), "tags": tags, "steps": list(steps), **parts, **steps}
    for estimate in plan["estimates"]:
        owner, _, node = estimate["node"].rpartition(".")
        for path, there in named.get(owner, {}).items():
            if path.rpartition(".")[2] == node and isinstance(there, dict):
                there["rows_in"], there["rows_out"] = estimate["rows_in"], estimate["rows_out"]
                there["requests"] = estimate["requests"]
    return named


def _flat(value: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, item in value.items():
        here = f"{path}.{name}" if path else name
        yield here, _shown(item)
        if isinstance(item, dict):
            yield from _flat(item, here)


def _shown(value: Any) -> str:
    """A value on one line: expressions as SQL, calls as they are written."""
    match value:
        case {"sql": sql}:
            return str(sql)
        case {"call": name, "args": args, "keywords": keywords}:
            given = [_shown(a) for a in args] + [f"{k} = {_shown(v)}" for k, v in keywords.items()]
            return f"{name}({', '.join(given)})"
        case dict():
            return "{" + ", ".join(f"{k}: {_shown(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(_shown(v) for v in value) + "]"
        case None | bool():
            return str(value).lower().replace("none", "null")
        case str():
            return repr(value) if value != value.strip() or "\n" in value or not value else value
        case _:
            return str(value)
