"""Judges and guards that cannot work, found before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from front_specs import compiled, found

HEAD = """edition 2026
source tasks inline { rows = [{ q = "2 + 2?", a = "4", b = "5", n = 1 }] }
model one openai { base_url = "http://localhost/v1", model = "a" }
model two openai { base_url = "http://localhost/v1", model = "b" }
model local transformers { path = "weights", context = 256 }
model scorer openai { base_url = "http://localhost/v1", model = "c", task = classify }
template grade { user = "Rate {{ a }}" }
template maybe { user = "{% if a %}Rate {{ a }}{% endif %} for {{ q }}" }
template mentions { user = "Rate {a} and say why" }
template both { user = "A: {{ a }} B: {{ b }}" }
pipeline p {
  from tasks
  verify """


def codes(tmp_path: Path, verify: str) -> list[str]:
    (tmp_path / "weights").mkdir(exist_ok=True)
    result = compiled(tmp_path, f"{HEAD}{verify}\n}}\n")
    return [code for _, severity, code in found(result) if severity == "error" or code.startswith("MIX85")]


@pytest.mark.parametrize(
    "verify",
    [
        "judge { response = a, rubric = grade, models = [one], min = 8 }",
        "judge { response = a, rubric = maybe, models = [one], min = 8 }",
        "judge { response = a, rubric = grade, models = [one], pick = best }",
        "judge { response = a, rubric = grade, models = [one, two], verdict = pass, combine = majority, min = 1 }",
        "judge { response = a, rubric = grade, models = [one], scale = [0, 0.5], min = 0.2 }",
        "judge { response = a, against = b, rubric = both, models = [one], min = 0.5, swap = false }",
        "judge { response = a, rubric = grade, models = [one], samples = 3, temperature = 0.7, min = 8 }",
        "safety { response = a, model = one }",
        "safety { response = a, request = q, model = one, format = qwen3guard, min = 0.6 }",
        "safety { response = a, model = local, prompt = grade, format = yes_no }",
        "safety { response = a, model = scorer, labels = [1, 2] }",
    ],
)
def test_what_works(tmp_path: Path, verify: str) -> None:
    assert codes(tmp_path, verify) == []


@pytest.mark.parametrize(
    ("verify", "code"),
    [
        ("judge { response = b, rubric = grade, models = [one], min = 8 }", "MIX853"),
        ("judge { response = a, against = b, rubric = grade, models = [one], min = 0.5 }", "MIX853"),
        ("safety { response = b, model = one, prompt = grade }", "MIX853"),
        ("judge { response = a, rubric = mentions, models = [one], min = 8 }", "MIX853"),
        ("judge { response = a, rubric = grade, models = [one], min = 11 }", "MIX854"),
        ("judge { response = a, rubric = grade, models = [one], verdict = pass, min = 8 }", "MIX854"),
        ("judge { response = a, against = b, rubric = both, models = [one], min = 8 }", "MIX854"),
        ("judge { response = a, rubric = grade, models = [one], scale = [10, 1], min = 8 }", "MIX854"),
        ("judge { response = a, rubric = grade, models = [one], scale = [10], min = 8 }", "MIX854"),
        ("judge { response = a, against = a, rubric = grade, models = [one], min = 0.5 }", "MIX855"),
        ("judge { response = a, rubric = grade, models = [one], swap = true, min = 8 }", "MIX855"),
        ("judge { response = a, rubric = grade, models = [one], aspects = [reason], min = 8 }", "MIX855"),
        ("judge { response = a, rubric = grade, models = [one], aspects = [x, x], min = 8 }", "MIX855"),
        (
            "judge { response = a, rubric = grade, models = [one], verdict = pass, aspects = [x], min = 1 }",
            "MIX855",
        ),
        ("judge { response = a, rubric = grade, models = [], min = 8 }", "MIX117"),
        ("judge { response = a, rubric = grade, models = [one, one], min = 8 }", "MIX856"),
        ("judge { response = a, rubric = grade, models = [one], samples = 3, min = 8 }", "MIX404"),
        ("judge { response = a, rubric = grade, models = [scorer], min = 8 }", "MIX880"),
        ("judge { response = a, rubric = grade, models = one, min = 8 }", "MIX107"),
        ("safety { response = a, request = q, model = local }", "MIX859"),
        ("safety { response = a, model = one, labels = [1] }", "MIX859"),
        ("safety { response = a, model = scorer, format = yes_no }", "MIX859"),
        ("safety { response = n, model = one }", "MIX503"),
        ("repetition { response = n }", "MIX503"),
        ("refusal { response = a, min = 2 }", "MIX117"),
        ("truncation { response = a, max = -1 }", "MIX117"),
        ("where { expr = len(a) }", "MIX123"),
        ("where { expr = c > 1 }", "MIX401"),
    ],
)
def test_what_cannot_work(tmp_path: Path, verify: str, code: str) -> None:
    assert codes(tmp_path, verify) == [code]


def test_an_expression_that_reads_nothing_is_reported(tmp_path: Path) -> None:
    result = compiled(tmp_path, f"{HEAD}where {{ expr = 1 > 0 }}\n}}\n")
    assert (13, "warning", "MIX418") in found(result)
