"""A verifier declares what its evidence may hold: a template of `repair` is checked against it before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from spec_runs import SpecRuns

import mixwright

SPEC = """
source sums inline {{ rows = [{{ n = "5" }}] }}
template solve {{ user = "What is {{{{ n }}}}?" }}
template fix {{ user = "{{{{ n }}}}: {shown}" }}
pipeline solved {{
  from sums
  generate solution {{ prompt = solve, model = teacher }}
  verify {verifier}, on_fail = repair(fix) }}
}}
"""
MATH = "math { response = solution, answer = n"


@pytest.mark.parametrize(
    ("verifier", "field", "meant"),
    [
        (MATH, "verdict.evidence.fuond", "found"),
        ("schema { response = solution, schema = {}", "verdict.evidence.violations[0].pth", "path"),
        ("refusal { response = solution", "verdict.evidence.phrse", "phrase"),
    ],
)
def test_a_misspelt_field_of_the_evidence_is_found_before_the_run(
    tmp_path: Path, verifier: str, field: str, meant: str
) -> None:
    path = tmp_path / "spec.mix"
    head = 'edition 2026\nmodel teacher openai { base_url = "http://localhost:1/v1", model = "tiny" }\n'
    path.write_text(head + SPEC.format(shown="{{ " + field + " }}", verifier=verifier), encoding="utf-8")
    [finding] = [found for found in mixwright.check(path) if found.code == "MIX309"]
    assert meant in str(finding.hint)


def test_a_declared_field_that_a_measurement_lacks_is_null(tmp_path: Path) -> None:
    runs = SpecRuns(tmp_path, lambda prompt: "4" if prompt.startswith("What") else "5")
    shown = "{% if verdict.evidence.gold_as %}as {{ verdict.evidence.gold_as }}{% endif %}{{ verdict.evidence.found }}"
    runs.run(SPEC.format(shown=shown, verifier=MATH))
    assert runs.prompts == ["What is 5?", "5: 4"]
    assert [status for status, _, _ in runs.rows()] == ["kept"]
