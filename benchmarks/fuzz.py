"""Damaged specs through everything that reads one, looking for what raises, hangs or breaks a promise.

    python benchmarks/fuzz.py [--minutes 10] [--seed 1] [--only NAME ...] [--texts DIRECTORY]

A text is a spec of `specs/`, or a `.mix` file below DIRECTORY, with one to eight mutations of benchmarks/mutations.py, or
pieces of another one put in, or cut off anywhere. What must hold of each:

    parser     it ends, and its findings stand in the text
    formatter  a text that parses keeps its tokens, and formatting it again changes nothing
    check      every finding has a known code and a place, and no word of a library's
    fix        no error more than before, and the same again changes nothing
    diff       against the text before: every part of the report can be written
    editor     typed in, hovered over, completed, renamed and all else that an editor asks, at random places; what
               is told right after a keystroke is what is told of the whole text, where that has no mistakes

Printed is how many texts each of them took, the slowest one, and each failure with the seed of its text: the same seed
makes the same text. Exit status 1 when there was any.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.mutations import PARAMS, SPECS, mutations
from mixwright.changes.facts import report, spec_diff
from mixwright.changes.markdown import diff_markdown
from mixwright.changes.sides import Side
from mixwright.changes.text import diff_text
from mixwright.compiling import plan_of
from mixwright.fixing import fixed
from mixwright_compiler.bind.lock import Lock
from mixwright_compiler.codes import titles
from mixwright_compiler.stages import compile_source
from mixwright_dsl.formatter import format_text
from mixwright_dsl.grammar import lex
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile, read_source

SLOW = 10.0
"""Chosen: CPU seconds after which a text counts as one that hangs; the longest spec takes a twentieth of it."""

FOREIGN = ("pydantic", "jinja2", "Traceback", "KeyError", "duckdb.")
"""Words that no message of ours has."""


@dataclass(frozen=True)
class Case:
    """A damaged text in the place of a spec: its imports and templates are found. `seed`: what made it."""

    seed: int
    before: SourceFile
    source: SourceFile

    @property
    def params(self) -> dict[str, str]:
        return PARAMS.get(Path(self.source.name).name, {})

    def chance(self, name: str) -> random.Random:
        return random.Random(f"{self.seed} {name}")


@dataclass
class Outcome:
    """Of one part: texts that it took, the slowest one in CPU seconds, and the failures by what failed."""

    texts: int = 0
    slowest: float = 0.0
    seed_of_slowest: int = 0
    failures: dict[str, str] = field(default_factory=dict)


def cases(files: list[SourceFile], seed: int) -> Iterator[Case]:
    """Damaged texts without end, each by a seed of its own."""
    while True:
        yield case(files, seed)
        seed += 1


def case(files: list[SourceFile], seed: int) -> Case:
    """The text that a seed makes."""
    chance = random.Random(seed)
    before = chance.choice(files)
    text = before.text
    for _ in range(chance.choice((1, 1, 2, 3, 5, 8))):
        match chance.randrange(8):
            case 0:
                other = chance.choice(files).text
                start = chance.randrange(len(other))
                at = chance.randrange(len(text) + 1)
                text = text[:at] + other[start : start + chance.choice((1, 3, 20, 300))] + text[at:]
            case 1:
                at = chance.randrange(len(text) + 1)
                text = text[:at] + text[at + chance.choice((1, 5, 100)) :]
            case 2:
                text = text[: chance.randrange(len(text) + 1)]
            case 3:
                at = chance.randrange(len(text) + 1)
                text = text[:at] + chance.choice("{}[]()\"'#\\<=.,é日\u200b\t\r\x00\U0001f600") + text[at:]
            case _ if len(lex(text)) > 4:
                source = SourceFile(before.name, text, before.path)
                text = next(mutations([source], chance.randrange(10**9), 1)).text
    return Case(seed, before, SourceFile(before.name, text, before.path))


def try_parser(case: Case) -> None:
    """Text to tree."""
    end = len(case.source.text) + 1
    for finding in parse(case.source).diagnostics:
        assert 0 <= finding.primary.span.start <= finding.primary.span.end <= end, finding
        assert "\n" not in finding.message, finding


def try_formatter(case: Case) -> None:
    """The canonical layout."""
    once = format_text(case.source)
    if once.diagnostics:
        assert once.text == case.source.text, "a text that does not parse was changed"
        return
    again = format_text(SourceFile(case.source.name, once.text, case.source.path))
    assert again.text == once.text, "formatting again changes it"


def try_check(case: Case) -> None:
    """All findings."""
    known = titles()
    for finding in compile_source(case.source, params=case.params).diagnostics:
        assert finding.code in known, finding.code
        words = finding.message + finding.primary.message + finding.hint
        assert not [word for word in FOREIGN if word in words and word not in case.source.text], words
        assert finding.primary.span.position.line >= 1


def try_fix(case: Case) -> None:
    """Fixes, the sure ones and guesses too."""
    for guesses in (False, True):
        before = compile_source(case.source, params=case.params)
        once = fixed(case.source, params=case.params, guesses=guesses)
        if before.program is not None:
            assert not [finding for finding in once.findings if finding.is_error], "a fix broke it"
        source = SourceFile(case.source.name, once.text, case.source.path)
        assert fixed(source, params=case.params, guesses=guesses).text == once.text, "fixing again changes it"


def try_diff(case: Case) -> None:
    """What a change does."""
    sides = [_side(case, source) for source in (case.before, case.source)]
    for old, new in (sides, reversed(sides)):
        found = [spec_diff(case.source.name, old, new)]
        report(found, "old", "new")
        diff_text(found, "old", "new", color=True)
        diff_markdown(found, "old", "new")


def _side(case: Case, source: SourceFile) -> Side:
    result = compile_source(source, params=case.params)
    if result.program is None:
        return Side(problems=result.errors)
    assert source.path is not None
    return Side(plan_of(result.program, source.path, Lock(), None), result.program)


def try_editor(case: Case) -> None:
    """What an editor asks while the text is typed."""
    from mixwright.language_server import changes, outline
    from mixwright.language_server.completion import Known, completions
    from mixwright.language_server.cursor import cursor_at
    from mixwright.language_server.documents import Documents
    from mixwright.language_server.hover import hover_text
    from mixwright.language_server.places import place_at

    path = case.source.path
    assert path is not None
    chance, documents, written = case.chance("editor"), Documents(), Documents()
    for text in (case.before.text, case.source.text):
        documents.change(path, text)
        analysis = documents.analysis(path)
        written.change(path, text)
        soon = written.reading(path)
    program, draft = documents.program(path), documents.draft(path)
    for told_of in (
        lambda of, program: outline.symbols(of),
        lambda of, program: outline.folds(of),
        outline.semantic_tokens,
        lambda of, program: outline.inlay_hints(of, 0, 10_000),
    ):
        found = told_of(analysis, program)
        assert found == told_of(soon, soon.compilation.draft or program), "not the same soon"
    changes.formatting(analysis.source)
    known = Known(documents.catalog(path), program, draft.module if draft is not None else None, path.parent)
    for nth in range(30):
        offset = chance.randrange(len(analysis.source.text) + 1)
        completions(cursor_at(analysis.source, offset), known)
        place = place_at(analysis, program, offset)
        if nth < 3:  # right after a keystroke: of a text that is right the same is told from the part of it
            just_typed = Documents()
            just_typed.change(path, case.source.text)
            part = just_typed.analysis_around(path, offset)
            of_part = place_at(part, part.compilation.draft, part.there(offset))
            if analysis.compilation.program is not None:
                told = hover_text(place, program) if place is not None else None
                again = hover_text(of_part, part.compilation.draft) if of_part is not None else None
                assert told == again, f"at {offset} a part tells {again!r}, the whole text {told!r}"
        if place is not None:
            hover_text(place, program)
            try:
                changes.renamed_span(place, analysis.source)
            except changes.CannotRename:
                continue


PARTS: dict[str, Callable[[Case], None]] = {
    "parser": try_parser,
    "formatter": try_formatter,
    "check": try_check,
    "fix": try_fix,
    "diff": try_diff,
    "editor": try_editor,
}


@cache
def specs(directory: Path) -> list[SourceFile]:
    """The specs that are damaged."""
    return [read_source(path) for path in sorted(directory.rglob("*.mix"))]


def fuzz(made: Iterator[Case], parts: list[str], until: Callable[[int], bool]) -> dict[str, Outcome]:
    """Try every part on each text until `until`, given how many there were, says that it is enough."""
    outcomes = {name: Outcome() for name in parts}
    for count, each in enumerate(made):
        if until(count):
            return outcomes
        for name in parts:
            _tried(outcomes[name], PARTS[name], each)
    return outcomes


def _tried(outcome: Outcome, part: Callable[[Case], None], case: Case) -> None:
    started = time.process_time()
    try:
        part(case)
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        key = f"{type(error).__name__} in {Path(at.filename).name}:{at.lineno}: {str(error)[:200]}"
        outcome.failures.setdefault(key, f"seed {case.seed} of {case.source.name}\n{traceback.format_exc()}")
    took = time.process_time() - started
    outcome.texts += 1
    if took > outcome.slowest:
        outcome.slowest, outcome.seed_of_slowest = took, case.seed
    if took > SLOW:
        outcome.failures.setdefault(f"slow {case.source.name}", f"seed {case.seed} took {took:.1f} s")


def main() -> int:
    """Fuzz for some minutes; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1, help="of the first text [1]")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--texts", type=Path, default=SPECS, help="folder of the specs to damage [specs/]")
    arguments: Any = parser.parse_args()
    end = time.monotonic() + 60 * arguments.minutes
    outcomes = fuzz(
        cases(specs(arguments.texts), arguments.seed), arguments.only, lambda _: time.monotonic() > end
    )
    for name, outcome in outcomes.items():
        print(
            f"{name:10} {outcome.texts:6} texts, {len(outcome.failures)} failures, "
            f"slowest {outcome.slowest:.2f} s CPU (seed {outcome.seed_of_slowest})"
        )
        for key, told in outcome.failures.items():
            print(f"\n{name}: {key}\n{told}")
    return int(any(outcome.failures for outcome in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
