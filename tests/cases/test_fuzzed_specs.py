"""Damaged specs through parser, formatter, check, fix, diff and editor; `benchmarks/fuzz.py` goes on for minutes."""

from __future__ import annotations

from itertools import islice

import pytest

from benchmarks import fuzz
from mixwright.fixing import fixed
from mixwright_dsl.source import SourceFile

SMALL = 5_000
"""Characters of the specs that are damaged here."""


def test_no_damaged_spec_raises_or_breaks_a_promise() -> None:
    files = [file for file in fuzz.specs(fuzz.SPECS) if len(file.text) < SMALL]
    made = islice(fuzz.cases(files, 1), 25)
    outcomes = fuzz.fuzz(made, list(fuzz.PARTS), lambda _: False)
    assert {name: outcome.texts for name, outcome in outcomes.items()} == dict.fromkeys(fuzz.PARTS, 25)
    assert {name: outcome.failures for name, outcome in outcomes.items() if outcome.failures} == {}


def test_a_failure_is_told_with_the_seed_of_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(case: fuzz.Case) -> None:
        raise ValueError("broken")

    monkeypatch.setitem(fuzz.PARTS, "parser", broken)
    outcome = fuzz.fuzz(islice(fuzz.cases(fuzz.specs(fuzz.SPECS), 7), 2), ["parser"], lambda _: False)[
        "parser"
    ]
    ((key, told),) = outcome.failures.items()
    assert key.startswith("ValueError in test_fuzzed_specs.py") and told.startswith("seed 7 of ")


def test_a_fix_that_helps_only_after_another_one_is_made_in_the_same_run() -> None:
    text = 'edition 2026\nsource a inline {\n  rows = [\n    { x = "f{\n g", y = "1" },\n    { x = "2" }\n  ]\n}\n'
    source = SourceFile("a.mix", text)
    once = fixed(source, params={}, guesses=True).text
    assert fixed(SourceFile("a.mix", once), params={}, guesses=True).text == once
