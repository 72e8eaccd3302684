"""A verifier that does not ship with Mixwright and asks models: planned, priced and run by what it declares."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from spec_runs import HEAD
from virtual import ScriptedEngine

from mixwright_compiler.catalog.catalog import Asks, Catalog, builtin_catalog
from mixwright_compiler.plan.forecast import forecast_of
from mixwright_compiler.plan.lower import lower
from mixwright_compiler.plan.plan import Plan, plan_from_json
from mixwright_compiler.stages import compile_file
from mixwright_runtime.engines.protocol import Answer, Finish
from mixwright_runtime.plugins.attributes import PICK, VERIFIER
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare, entry_of
from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store
from mixwright_runtime.values.rows import Dropped, Row


@declare(
    "verify",
    "test_polite",
    asks=(
        Asks("critics", template="question", times=("rounds",), twice="with doubted", max_tokens="longest"),
    ),
    compares="pick = majority",
    attributes=(
        attribute("response", "column", "what is judged", default=REQUIRED),
        attribute("critics", "list[ref:model]", "who is asked", default=REQUIRED),
        attribute("question", "ref:template", "what they are asked", default=REQUIRED),
        attribute("rounds", "count", "how often", default=1),
        attribute("doubted", "bool", "ask once more", default=False),
        attribute("longest", "count", "longest answer, in tokens", default=10),
        PICK,
        *VERIFIER,
    ),
)
class Polite(Measure):
    """Passes what all critics call polite."""

    def __init__(self, step: Any, context: Any) -> None:
        self.id, self.attributes = step.id, step.attributes
        self.calls, self.question = context.calls, context.template(step.attributes["question"])

    async def measure(self, row: Row) -> Measurement:
        messages = self.question(row.columns).messages
        times = self.attributes["rounds"] * (2 if self.attributes["doubted"] else 1)
        said = await asyncio.gather(
            *(
                self.calls.ask(critic, messages, {"max_tokens": 10}, sample=n)
                for critic in self.attributes["critics"]
                for n in range(times)
            )
        )  # fmt: skip
        return Measurement.of(all(one.text == "polite" for one in said))

    def decide(self, rows: Sequence[Row], measurements: Sequence[Measurement]) -> list[Row | Dropped]:
        return [
            row if found.score else Dropped(row, self.id, "rude")
            for row, found in zip(rows, measurements, strict=True)
        ]


SPEC = (
    HEAD
    + """
model second openai { base_url = "http://localhost:1/v1", model = "s", price_in = $1000, price_out = $2000 }
source notes inline { rows = [{ note = "thanks" }, { note = "off" }] }
template ask { user = "Is it polite? {{ note }}" }
pipeline kept {
  from notes
  verify test_polite { response = note, question = ask, critics = [teacher, second], rounds = 3, doubted = true }
}
"""
)


def planned(directory: Path, spec: str = SPEC) -> Plan:
    path = directory / "spec.mix"
    path.write_text(spec, encoding="utf-8")
    ours = {"verify.test_polite": entry_of("verify.test_polite")}
    result = compile_file(path, catalog=Catalog({**builtin_catalog().entries, **ours}))
    assert result.program is not None, result.errors
    return lower(result.program, root=directory, directory=directory)


def test_its_requests_and_their_cost_are_planned(tmp_path: Path) -> None:
    plan = plan_from_json(planned(tmp_path).model_dump_json())
    (verifier,) = plan.pipelines["kept"].steps
    assert verifier.traits is not None and verifier.traits.requests == 2 * 3 * 2
    estimate = next(e for e in plan.estimates if e.node == "kept.verify_test_polite")
    assert (estimate.requests, estimate.output_tokens) == (24, 240)
    # Half of them go to the model that has a price, per million tokens.
    assert estimate.prompt_tokens is not None
    assert forecast_of(plan).cost == pytest.approx((estimate.prompt_tokens * 1000 + 240 * 2000) / 2 / 1e6)


def test_a_run_asks_as_often_as_was_planned(tmp_path: Path) -> None:
    def answer(text: str, _: int) -> Answer:
        return Answer("polite" if "thanks" in text else "rude", Finish.STOP)

    plan, engine = planned(tmp_path), ScriptedEngine(answer, latency_s=0)
    with Store.open(tmp_path / "store") as store:
        engines = dict.fromkeys(plan.models, engine)
        run_plan(plan, store=store, options=RunOptions(exports=False), engines=engines)
        rows = store.sql("SELECT status, reason FROM row_outcome ORDER BY status DESC")
    assert (len(engine.requests), rows) == (24, [("kept", ""), ("dropped", "rude")])


def test_its_majority_needs_candidates(tmp_path: Path) -> None:
    path = tmp_path / "spec.mix"
    path.write_text(SPEC.replace("rounds = 3", "pick = majority"), encoding="utf-8")
    ours = {"verify.test_polite": entry_of("verify.test_polite")}
    found = compile_file(path, catalog=Catalog({**builtin_catalog().entries, **ours})).errors
    assert [d.code for d in found] == ["MIX502"]


@pytest.mark.parametrize(
    ("traits", "problem"),
    [
        ({"compares": "without anser"}, "`compares` names `anser`, which is no attribute of it"),
        ({"compares": "sometimes"}, "no condition: 'sometimes'"),
        ({"asks": (Asks("answer"),)}, "it asks `answer`, which is no attribute of type `ref:model`"),
        ({"asks": (Asks("model", times=("sample",)),)}, "`asks` names `sample`, which is no attribute of it"),
        ({"asks": (Asks("model", twice="with swap"),)}, "`asks` names `swap`, which is no attribute of it"),
    ],
)
def test_a_misspelt_trait_fails_where_it_is_declared(traits: dict[str, Any], problem: str) -> None:
    attributes = (attribute("answer", "column", ""), attribute("model", "ref:model", ""))
    with pytest.raises(ValueError, match=problem):
        declare("verify", "test_misspelt", attributes=attributes, **traits)(Polite)
