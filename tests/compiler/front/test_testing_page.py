"""The examples of docs/language/testing.md are specs whose tests pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from front_specs import compiled

from mixwright.testing.running import run_tests
from mixwright_compiler.bind.lock import Lock
from tests.checkout import ROOT

PAGE = (ROOT / "docs/language/testing.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```mix\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_of_the_page_passes(example: str, tmp_path: Path) -> None:
    program = compiled(tmp_path, example).program
    assert program is not None
    runs = list(run_tests(program, tmp_path / "spec.mix", Lock(), list(program.tests.values())))
    assert [(run.test.name, run.failures) for run in runs if run.failures] == []
    assert len(runs) == example.count("\ntest ") > 0
