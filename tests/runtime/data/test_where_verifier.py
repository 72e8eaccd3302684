"""`verify where`: which part of an expression was not true, and why, in the words of the spec."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from made import built, candidates, row

from mixwright_compiler.bind.plain import plain
from mixwright_compiler.stages import compile_file
from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.values.expression_text import text_of_expression
from mixwright_runtime.values.rows import Row

SPEC = """edition 2026
source rows inline {{
  rows = [{{ a = 1, b = 2.5, t = "x", tags = ["x"], home = {{ city = "Rome" }}, ok = true }}]
}}
pipeline p {{
  from rows
  verify where {{
    expr = {expr}
  }}
}}
"""


def expression(tmp_path: Path, text: str) -> dict[str, Any]:
    """An expression as the plan has it."""
    spec = tmp_path / "spec.mix"
    spec.write_text(SPEC.format(expr=text), encoding="utf-8")
    program = compile_file(spec).program
    assert program is not None
    return dict(plain(program.pipelines["p"].steps[0].attributes["expr"]))


def measured(tmp_path: Path, text: str, **columns: Any) -> Measurement:
    step = built("verify.where", expr=expression(tmp_path, text))
    return asyncio.run(step.measure(row(**columns)))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "text",
    [
        "a > 0 and not ok or b + 1 < 3",
        '(a > 0 or ok) and not (ok and t == "x")',
        "a - (a - 1) == 1 and -a < b * (b + 2)",
        'home.city in ["Rome", "Oslo"] and len(tags) >= 1',
        'contains(lower(t), "as an \\"AI\\"") == false',
        "a / 2 / 3 > 0 and a / (2 / 3) > 0",
    ],
)
def test_an_expression_is_written_as_the_spec_has_it(tmp_path: Path, text: str) -> None:
    written = text_of_expression(expression(tmp_path, text)["tree"])
    again = expression(tmp_path, written)
    assert again["tree"] == expression(tmp_path, text)["tree"]
    assert written == text


def test_failing_parts_are_shown_with_their_values(tmp_path: Path) -> None:
    found = measured(
        tmp_path, 'a > 0 and len(t) < 3 and home.city == "Oslo"', a=-1, t="four", home={"city": "Rome"}
    )
    assert (found.outcome, found.score) == ("measured", 0.0)
    assert found.evidence == {
        "failing": [
            {"expr": "a > 0", "is": False, "values": {"a": -1}},
            {"expr": "len(t) < 3", "is": False, "values": {"len(t)": 4}},
            {"expr": 'home.city == "Oslo"', "is": False, "values": {"home.city": "Rome"}},
        ]
    }


def test_the_score_is_the_share_of_parts_that_hold(tmp_path: Path) -> None:
    assert measured(tmp_path, "a > 0 and b > 0 and ok", a=1, b=-1.0, ok=True).score == pytest.approx(2 / 3)
    assert measured(tmp_path, "a > 0 and b > 0 and ok", a=1, b=1.0, ok=True) == Measurement(
        "measured", 1.0, {}
    )


def test_of_alternatives_all_are_shown_and_of_not_what_it_denies(tmp_path: Path) -> None:
    found = measured(tmp_path, '(a > 5 or b > 5) and not contains(t, "x")', a=1, b=2.0, t="xy")
    assert found.evidence["failing"] == [
        {"expr": "a > 5", "is": False, "values": {"a": 1}},
        {"expr": "b > 5", "is": False, "values": {"b": 2.0}},
        {"expr": 'not contains(t, "x")', "is": False, "values": {"t": "xy"}},
    ]


def test_null_is_not_false(tmp_path: Path) -> None:
    found = measured(tmp_path, "a > 0 and b > 0", a=None, b=1.0)
    assert (found.outcome, found.evidence["failing"]) == (
        "unmeasurable",
        [{"expr": "a > 0", "is": None, "values": {"a": None}}],
    )
    assert measured(tmp_path, "a > 0 and b > 0", a=None, b=-1.0).outcome == "measured"


def test_long_values_are_cut(tmp_path: Path) -> None:
    found = measured(tmp_path, 'starts_with(t, "y")', t="x" * 1_000_000)
    assert len(found.evidence["failing"][0]["values"]["t"]) == 200


def test_pick_takes_the_first_that_holds(tmp_path: Path) -> None:
    step = built("verify.where", expr=expression(tmp_path, "a > 1"), pick="first")
    rows = candidates("a", [1, None, 2, 3])
    verdicts = step.decide(rows, [asyncio.run(step.measure(one)) for one in rows])
    shown = ["passes" if isinstance(v, Row) else v.reason for v in verdicts]
    assert shown == ["where: not true", "where: null", "passes", "where: not picked"]
