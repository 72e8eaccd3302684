"""Mixtures in a run: rows fed as they are demanded, steps over the whole mixture, mixtures inside mixtures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plans
import pytest
import steps_for_tests
from plans import generate, inline, step
from virtual import ScriptedEngine

from mixwright_compiler.plan.plan import AllQuota, CountQuota, Mixture, Pipeline
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions, RunReport
from mixwright_runtime.store.store import Store

assert steps_for_tests


class Kitchen:
    """Two pipelines of 200 rows each over the same 40 topics, and mixtures of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = Store.open(directory / "store")

    def run(self, *mixtures: Mixture, window: int = 16, **options: Any) -> RunReport:
        def rows(kind: str) -> list[dict[str, Any]]:
            return [{"n": n, "topic": f"topic {n % 40}", "kind": kind} for n in range(200)]

        def pipeline(name: str, source: str) -> Pipeline:
            return plans.pipeline(
                generate(),
                name=name,
                start=plans.From(rows=source, kind="source", origin=plans.AT),
            )

        plan = plans.plan(
            self.directory,
            models=[plans.model("http://nowhere")],
            sources=[inline(rows("a"), "first"), inline(rows("b"), "second"), inline(rows("c"), "given")],
            templates=[plans.template("{{ kind }} {{ n }}")],
            pipelines=[pipeline("essays", "first"), pipeline("letters", "second")],
            mixtures=mixtures,
        )
        engine = ScriptedEngine(slots=window, latency_s=0)
        return run_plan(
            plan, store=self.store, options=RunOptions(exports=False, **options), engines={"teacher": engine}
        )

    def chosen(self, mixture: str = "mix") -> list[tuple[str, bytes]]:
        return self.store.sql(
            "SELECT component, row_id FROM selection WHERE mixture = ? AND run_id = (SELECT max(run_id) FROM run) "
            "ORDER BY position",
            [mixture],
        )


@pytest.fixture
def kitchen(tmp_path: Path) -> Iterator[Kitchen]:
    made = Kitchen(tmp_path)
    yield made
    made.store.close()


def by_topic(**more: Any) -> Mixture:
    return plans.mixture(
        ("essays", "pipeline", CountQuota(count=15)),
        ("letters", "pipeline", CountQuota(count=10)),
        steps=(step("dedup.test_first", id="dedup", on="topic"),),
        **more,
    )


def test_rows_that_a_mixture_wide_step_drops_are_made_up_for(kitchen: Kitchen) -> None:
    report = kitchen.run(by_topic())
    mixture = report.summary["mixtures"]["mix"]
    assert (report.status, mixture["rows"]) == ("done", 25)
    assert sum(mixture["dropped"]["dedup"].values()) > 0
    topics = kitchen.store.sql(
        "SELECT count(DISTINCT json_extract(columns, '$.topic')) FROM selection "
        "JOIN row_outcome USING (run_id, pipeline, row_id)"
    )
    assert topics == [(25,)]


def test_what_a_mixture_holds_does_not_depend_on_speed_or_waves(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    kitchen.run(by_topic())
    expected = kitchen.chosen()
    for window, wave in ((1, 7), (64, 90)):
        monkeypatch.setattr(
            "mixwright_runtime.run.waves.PipelineRun.next_wave", lambda run, missing, wave=wave: wave
        )
        kitchen.run(by_topic(), window=window)
        assert kitchen.chosen() == expected


def test_a_quota_that_no_row_can_fill_is_a_shortfall(kitchen: Kitchen) -> None:
    # 40 topics can never make 50 rows.
    report = kitchen.run(
        plans.mixture(
            ("essays", "pipeline", CountQuota(count=50)),
            steps=(step("dedup.test_first", id="dedup", on="topic"),),
        )
    )
    assert (report.status, report.exit_code) == ("short", 1)
    assert report.summary["mixtures"]["mix"]["components"]["essays"]["got"] == 40


def test_a_source_can_be_a_component_without_a_pipeline(kitchen: Kitchen) -> None:
    report = kitchen.run(
        plans.mixture(("given", "source", CountQuota(count=30)), ("essays", "pipeline", CountQuota(count=5)))
    )
    assert report.summary["mixtures"]["mix"]["rows"] == 35
    assert report.summary["requests"] == 5
    assert kitchen.store.sql("SELECT count(*) FROM outcome WHERE pipeline = 'given' AND status = 'kept'") == [
        (30,)
    ]


def test_a_mixture_inside_another_gives_its_rows(kitchen: Kitchen) -> None:
    inner = plans.mixture(("letters", "pipeline", CountQuota(count=12)), name="inner")
    outer = plans.mixture(("inner", "mixture", AllQuota()), ("essays", "pipeline", CountQuota(count=8)))
    report = kitchen.run(inner, outer)
    assert report.summary["mixtures"]["mix"]["rows"] == 20
    assert {row for _, row in kitchen.chosen("inner")} < {row for _, row in kitchen.chosen()}


def test_variants_share_their_rows_and_run_only_when_named(kitchen: Kitchen) -> None:
    both = plans.mixture(
        ("essays", "pipeline", CountQuota(count=9)), ("letters", "pipeline", CountQuota(count=9))
    )
    one = plans.mixture(("essays", "pipeline", CountQuota(count=9)), name="one", variant_of="mix")
    first = kitchen.run(both, one)
    assert (list(first.summary["mixtures"]), first.summary["requests"]) == (["mix"], 18)
    essays = [row for component, row in kitchen.chosen() if component == "essays"]
    second = kitchen.run(both, one, mixtures=("one",))
    assert (list(second.summary["mixtures"]), second.summary["requests"]) == (["one"], 0)
    assert [row for _, row in kitchen.chosen("one")] == essays
