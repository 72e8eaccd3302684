"""What the compiler and the runtime both know of translations."""

from __future__ import annotations

from mixwright_compiler.checks import multilingual
from mixwright_runtime.verifiers import separation
from mixwright_runtime.verifiers.verify_translation import DEFAULT_CHECKS, LEAST


def test_compiler_and_runtime_agree() -> None:
    assert multilingual.FEWEST_PAIRS == separation.FEWEST_PAIRS
    assert {*LEAST} == {*DEFAULT_CHECKS, "glossary", "back"}
