"""Rows through pipelines: streaming, candidates, retries, breakers, quarantine; and the books that must balance."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import plans
import pytest
import steps_for_tests
from plans import generate, numbered, step
from virtual import ScriptedEngine

from mixwright_compiler.plan.plan import Budget, CountQuota, Expression, From, Step
from mixwright_runtime.engines.protocol import Answer, Finish
from mixwright_runtime.errors import RunError
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions, RunReport, budget_of
from mixwright_runtime.store.store import Store


class Lab:
    """Runs pipelines on a scripted engine and reads the store."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = Store.open(directory / "store")
        self.engine = ScriptedEngine(latency_s=0.001)

    def run(
        self, *pipelines: Any, rows: int = 6, options: RunOptions | None = None, **more: Any
    ) -> RunReport:
        plan = plans.plan(
            self.directory,
            models=[plans.model("http://nowhere")],
            sources=more.pop("sources", [numbered(rows)]),
            pipelines=pipelines,
            **more,
        )
        return run_plan(
            plan,
            store=self.store,
            options=options or RunOptions(exports=False),
            engines={"teacher": self.engine},
        )

    def outcomes(self, pipeline: str = "essays") -> list[tuple[Any, ...]]:
        """(status, step, reason, candidate) of every row of the last run, in start order."""
        return self.store.sql(
            "SELECT status, step, reason, candidate FROM outcome WHERE pipeline = ? AND run_id = "
            "(SELECT max(run_id) FROM run) ORDER BY position, candidate, row_id",
            [pipeline],
        )

    def says(self, *answers: str) -> None:
        """The engine answers a prompt with these texts, one after another, the last one for ever."""
        self.engine.script = lambda text, before: Answer(answers[min(before, len(answers) - 1)], Finish.STOP)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.store.close()


def call(function: Any, **more: Any) -> Step:
    return step("step.test_call", function=steps_for_tests.named(function), **more)


def score(function: Any, **more: Any) -> Step:
    return step(
        "verify.test_score",
        reads=("answer",),
        response="answer",
        score=steps_for_tests.named(function),
        **more,
    )


def is_even(columns: Any) -> Any:
    return {} if columns["n"] % 2 == 0 else False


WHEN_EVEN = Expression(
    sql="", tree=["op", "==", ["col", "even"], ["lit", True]], type="bool", columns=("even",)
)


def test_every_started_row_ends_in_the_outcomes(lab: Lab) -> None:
    report = lab.run(plans.pipeline(call(is_even, id="even"), generate()))
    assert report.summary["rows"] == {"kept": 3, "dropped": 3, "quarantined": 0, "unfinished": 0}
    assert sorted(lab.outcomes()) == [("dropped", "even", "refused", 0)] * 3 + [("kept", "", "", 0)] * 3


def test_a_row_is_verified_while_others_are_still_generated(lab: Lab) -> None:
    """The second row's answer only comes once the first row has been measured."""
    measured = asyncio.Event()

    class Engine(ScriptedEngine):
        async def complete(self, request: Any) -> Answer:
            if self.requests:
                await asyncio.wait_for(measured.wait(), 5)
            return await super().complete(request)

    def mark(_: str) -> int:
        measured.set()
        return 1

    lab.engine = Engine(latency_s=0.001)
    assert lab.run(plans.pipeline(generate(), score(mark)), rows=2).summary["rows"]["kept"] == 2


def test_a_row_that_cannot_be_processed_is_quarantined_and_the_others_go_on(lab: Lab) -> None:
    def fragile(columns: Any) -> Any:
        if columns["n"] == 2:
            return steps_for_tests.row_error("no such thing")
        return ZeroDivisionError("bug") if columns["n"] == 3 else {}

    report = lab.run(plans.pipeline(call(fragile, id="fragile")))
    assert report.summary["quarantined"] == {"row error": 1, "internal error: ZeroDivisionError": 1}
    assert report.summary["rows"]["kept"] == 4
    assert report.exit_code == 1


def test_when_leaves_other_rows_unchanged(lab: Lab) -> None:
    mark = call(lambda columns: {"even": columns["n"] % 2 == 0}, id="mark")
    shout = call(lambda columns: {"loud": True}, id="shout", when=WHEN_EVEN)
    lab.run(plans.pipeline(mark, shout))
    loud = lab.store.sql("SELECT count(*) FROM row_outcome WHERE columns LIKE '%loud%'")
    assert loud == [(3,)]


class TestCandidates:
    def test_survivors_without_a_closing_verifier_go_on_as_rows(self, lab: Lab) -> None:
        report = lab.run(plans.pipeline(generate(samples=4)), rows=2)
        assert report.summary["rows"]["kept"] == 8
        seeds = [request.seed for request in lab.engine.requests]
        assert len(set(seeds)) == 8

    def test_a_closing_verifier_sees_the_whole_group_and_one_goes_on(self, lab: Lab) -> None:
        answers = iter("abbabaab")
        lab.engine.script = lambda text, before: Answer(next(answers), Finish.STOP)
        majority = step("verify.test_majority", reads=("answer",), response="answer")
        report = lab.run(plans.pipeline(generate(samples=4), majority), rows=2)
        assert report.summary["rows"] == {"kept": 2, "dropped": 6, "quarantined": 0, "unfinished": 0}

    def test_candidates_pass_the_steps_between_one_by_one(self, lab: Lab) -> None:
        check = call(lambda columns: {} if columns["answer"] else False, id="check")
        lab.engine.script = lambda text, before: Answer("", Finish.EMPTY) if before == 1 else None
        majority = step("verify.test_majority", id="major", reads=("answer",), response="answer")
        lab.run(plans.pipeline(generate(samples=3), check, majority), rows=1)
        assert sorted(lab.outcomes()) == [
            ("dropped", "major", "not picked", 2),
            ("kept", "", "", 0),
            ("quarantined", "answer", "empty", 1),
        ]

    def test_nested_groups_close_from_the_inside(self, lab: Lab) -> None:
        lab.says("same")
        majority = [
            step("verify.test_majority", id=f"m{i}", reads=("answer",), response="answer") for i in (1, 2)
        ]
        report = lab.run(
            plans.pipeline(generate("draft", samples=2), generate("answer", samples=3), *majority), rows=1
        )
        steps = report.summary["pipelines"]["essays"]["steps"]
        assert (steps["m1"]["in"], steps["m1"]["out"], steps["m2"]["in"], steps["m2"]["out"]) == (6, 2, 2, 1)

    def test_what_agrees_stays_a_group_for_the_next_verifier(self, lab: Lab) -> None:
        """Two look at the same five candidates; the second sees what the first let pass."""
        answers = iter("aabac")
        lab.engine.script = lambda text, before: Answer(next(answers), Finish.STOP)
        majority = [
            step("verify.test_majority", id=f"m{i}", reads=("answer",), response="answer", pick=pick)
            for i, pick in ((1, "all"), (2, "all"), (3, "first"))
        ]
        report = lab.run(plans.pipeline(generate(samples=5), *majority), rows=1)
        steps = report.summary["pipelines"]["essays"]["steps"]
        assert [(steps[m]["in"], steps[m]["out"]) for m in ("m1", "m2", "m3")] == [(5, 3), (3, 3), (3, 1)]
        assert [row for row in lab.outcomes() if row[0] == "kept"] == [("kept", "", "", 0)]

    def test_rows_that_a_verifier_does_not_apply_to_keep_their_place_in_the_group(self, lab: Lab) -> None:
        answers = iter("xay")
        lab.engine.script = lambda text, before: Answer(next(answers), Finish.STOP)
        mark = call(lambda columns: {"even": columns["answer"] == "a"}, id="mark")
        majority = step(
            "verify.test_majority", id="m1", reads=("answer",), response="answer", pick="all", when=WHEN_EVEN
        )
        first = score(lambda text: 1, id="first", pick="first")
        lab.run(plans.pipeline(generate(samples=3), mark, majority, first), rows=1)
        assert [row for row in lab.outcomes() if row[0] == "kept"] == [("kept", "", "", 0)]

    def test_conditional_steps_that_make_one_column_make_one_group(self, lab: Lab) -> None:
        """Whichever of the two made a row's candidates, one of them is picked."""
        lab.says("same")
        odd = WHEN_EVEN.model_copy(update={"tree": ["op", "not", ["col", "even"]]})
        mark = call(lambda columns: {"even": columns["n"] % 2 == 0}, id="mark")
        makers = [
            generate(samples=samples, when=when, id=f"g{samples}")
            for samples, when in ((2, WHEN_EVEN), (3, odd))
        ]
        majority = step("verify.test_majority", id="m", reads=("answer",), response="answer")
        report = lab.run(plans.pipeline(mark, *makers, majority), rows=4)
        assert report.summary["rows"]["kept"] == 4
        assert report.summary["pipelines"]["essays"]["steps"]["m"]["in"] == 10

    def test_a_plan_that_compares_what_stands_alone_is_refused(self, lab: Lab) -> None:
        majority = step("verify.test_majority", id="m", reads=("answer",), response="answer")
        dedup = step("dedup.test_first", on="answer")
        with pytest.raises(
            RunError, match=r"'essays\.m' compares the candidates of a row, and each stands alone"
        ):
            lab.run(plans.pipeline(generate(samples=3), dedup, majority), rows=1)


class TestOnFail:
    def test_generate_retries_what_does_not_parse_and_then_drops_it(self, lab: Lab) -> None:
        lab.says("nothing", "nothing", "Answer: 4", "nothing")
        parse = {"call": "after", "args": ["Answer:"], "keywords": {}}
        retry = {"call": "retry", "args": [2], "keywords": {}}
        lab.run(plans.pipeline(generate(parse=parse, on_fail=retry)), rows=1)
        assert lab.outcomes() == [("kept", "", "", 0)]
        lab.says("nothing")
        lab.run(plans.pipeline(generate(parse=parse)), rows=2, templates=[plans.template("Other {{ n }}")])
        assert lab.outcomes() == [("dropped", "answer", "parse", 0)] * 2

    def test_raising_retry_sends_only_the_new_attempts(self, lab: Lab) -> None:
        parse = {"call": "after", "args": ["Answer:"], "keywords": {}}
        lab.says("nothing", "Answer: 4")
        lab.run(plans.pipeline(generate(parse=parse)), rows=1)
        retry = {"call": "retry", "args": [1], "keywords": {}}
        lab.run(plans.pipeline(generate(parse=parse, on_fail=retry)), rows=1)
        assert len(lab.engine.requests) == 2
        assert lab.outcomes() == [("kept", "", "", 0)]

    def test_a_second_run_sends_nothing_although_a_first_attempt_was_cut_off(self, lab: Lab) -> None:
        lab.engine.script = lambda text, before: Answer("cut", Finish.LENGTH) if before == 0 else None
        retry = {"call": "retry", "args": [1], "keywords": {}}
        for _ in range(2):
            lab.run(plans.pipeline(generate(on_fail=retry)), rows=3)
            assert lab.outcomes() == [("kept", "", "", 0)] * 3
        assert len(lab.engine.requests) == 6

    def test_keep_goes_on_with_a_null_column(self, lab: Lab) -> None:
        lab.engine.script = lambda text, before: Answer("", Finish.EMPTY)
        lab.run(plans.pipeline(generate(on_fail="keep")), rows=1)
        assert lab.store.sql("SELECT columns FROM row_outcome") == [('{"n":0,"answer":null}',)]

    def test_a_verifiers_retry_asks_again_with_a_new_seed(self, lab: Lab) -> None:
        lab.says("bad", "bad", "good")
        retry = {"call": "retry", "args": [3], "keywords": {}}
        shout = call(lambda columns: {"loud": columns["answer"].upper()}, id="shout")
        lab.run(plans.pipeline(generate(), shout, score(lambda text: text == "good", on_fail=retry)), rows=1)
        assert lab.outcomes() == [("kept", "", "", 0)]
        assert len({request.seed for request in lab.engine.requests}) == 3
        ((columns,),) = lab.store.sql("SELECT columns FROM row_outcome")
        assert columns == '{"n":0,"answer":"good","loud":"GOOD"}'

    def test_a_verifiers_retry_ends_at_the_verifier(self, lab: Lab) -> None:
        lab.says("bad")
        retry = {"call": "retry", "args": [2], "keywords": {}}
        report = lab.run(plans.pipeline(generate(), score(lambda text: 0, id="check", on_fail=retry)), rows=2)
        assert len(lab.engine.requests) == 6
        assert lab.outcomes() == [("dropped", "check", "wrong", 0)] * 2
        assert report.summary["pipelines"]["essays"]["steps"]["answer"]["in"] == 2

    def test_a_group_is_asked_again_only_when_nobody_passed(self, lab: Lab) -> None:
        lab.says("bad", "bad", "bad", "good")
        retry = {"call": "retry", "args": [1], "keywords": {}}
        lab.run(
            plans.pipeline(
                generate(samples=2), score(lambda text: text == "good", pick="first", on_fail=retry)
            ),
            rows=1,
        )
        assert len(lab.engine.requests) == 4
        assert sorted(status for status, *_ in lab.outcomes()) == ["dropped", "kept"]

    def test_keep_lets_a_failing_row_go_on_with_its_score(self, lab: Lab) -> None:
        lab.run(plans.pipeline(generate(), score(lambda text: 0, on_fail="keep")), rows=1)
        assert lab.outcomes() == [("kept", "", "", 0)]
        ((scores,),) = lab.store.sql("SELECT scores FROM outcome")
        assert '"score":0.0' in scores


class TestVerifiers:
    def test_scores_are_measured_once(self, lab: Lab) -> None:
        measured: list[str] = []

        def count(text: str) -> int:
            measured.append(text)
            return 1

        for least in (1, 0):
            lab.run(plans.pipeline(generate(), score(count, min=least)), rows=3)
        assert len(measured) == 3

    def test_an_error_of_the_verifier_quarantines_and_never_fails_a_row(self, lab: Lab) -> None:
        bad = score(lambda text: OSError("no disk") if "number 1" in text else 1, id="check")
        lab.run(plans.pipeline(generate(), bad), rows=3)
        assert sorted(lab.outcomes()) == [
            ("kept", "", "", 0),
            ("kept", "", "", 0),
            ("quarantined", "check", "verifier error", 0),
        ]

    def test_a_verifier_that_often_fails_stops_the_run(self, lab: Lab) -> None:
        with pytest.raises(RunError, match=r"'essays.check' failed on (\d+) of \1 rows.*no disk"):
            lab.run(plans.pipeline(generate(), score(lambda text: OSError("no disk"), id="check")), rows=300)
        assert lab.store.last_run().status == "failed"


class TestBreakers:
    def test_rows_reach_a_breaker_in_start_order_however_they_finish(self, lab: Lab) -> None:
        class Engine(ScriptedEngine):
            async def complete(self, request: Any) -> Answer:
                await asyncio.sleep((request.seed % 7) / 1000)
                return await super().complete(request)

        lab.engine = Engine(latency_s=0)
        dedup = step("dedup.test_first", on="answer")
        seen: list[int] = []
        watch = call(lambda columns: seen.append(columns["n"]) or {}, id="watch")
        lab.run(plans.pipeline(generate(), dedup, watch), rows=60)
        order = [
            n
            for (n,) in lab.store.sql(
                "SELECT json_extract(columns, '$.n')::INT FROM row_outcome ORDER BY position"
            )
        ]
        assert seen == order

    def test_the_first_in_start_order_survives_whatever_the_speed(self, lab: Lab) -> None:
        lab.says("same")
        dedup = step("dedup.test_first", id="dedup", on="answer")
        lab.run(plans.pipeline(generate(), dedup), rows=20)
        assert lab.outcomes() == [("kept", "", "", 0)] + [("dropped", "dedup", "duplicate", 0)] * 19

    def test_steps_behind_a_breaker_may_ask_models(self, lab: Lab) -> None:
        dedup = step("dedup.test_first", on="draft")
        improve = plans.template("Improve {{ draft }}", "improve")
        report = lab.run(
            plans.pipeline(generate("draft"), dedup, generate("answer", prompt="improve")),
            rows=30,
            templates=[plans.template(), improve],
        )
        assert report.summary["rows"]["kept"] == 30
        assert report.summary["requests"] == 60


class TestDemand:
    def kept(self, lab: Lab) -> list[int]:
        return [
            n
            for (n,) in lab.store.sql(
                "SELECT json_extract(columns, '$.n')::INT FROM row_outcome r "
                "JOIN selection USING (run_id, pipeline, row_id) "
                "WHERE run_id = (SELECT max(run_id) FROM run) AND status = 'kept' ORDER BY r.position"
            )
        ]

    def third(self, columns: Any) -> Any:
        return {} if columns["n"] % 3 == 0 else False

    def ask_for(self, lab: Lab, count: int, **more: Any) -> RunReport:
        return lab.run(
            plans.pipeline(generate(), call(self.third, id="third")),
            rows=3000,
            mixtures=[plans.mixture(("essays", "pipeline", CountQuota(count=count)), **more)],
        )

    def test_waves_go_on_until_the_quota_is_met(self, lab: Lab) -> None:
        report = self.ask_for(lab, 100)
        assert report.summary["mixtures"]["mix"]["rows"] == 100
        waves = report.summary["pipelines"]["essays"]["waves"]
        assert waves[0][0] == 100 and len(waves) <= 5
        assert report.summary["requests"] < 450
        assert (report.status, report.exit_code) == ("done", 0)

    def test_a_larger_quota_selects_a_superset_and_asks_only_for_the_rest(self, lab: Lab) -> None:
        first = self.ask_for(lab, 60)
        before = self.kept(lab)
        second = self.ask_for(lab, 100)
        assert self.kept(lab)[:60] == before
        assert second.summary["reused"] >= first.summary["requests"] - 16

    def test_an_exhausted_source_is_a_shortfall_that_says_so(self, lab: Lab) -> None:
        report = self.ask_for(lab, 5000)
        assert (report.status, report.exit_code) == ("short", 1)
        assert report.summary["pipelines"]["essays"]["exhausted"]
        assert report.messages == ("mixture 'mix': 4,000 rows are missing: `essays` 4,000 of 5,000",)

    def test_a_spent_budget_ends_the_run_and_says_which(self, lab: Lab) -> None:
        report = self.ask_for(lab, 100, budget=Budget(requests=120), shortfall="warn")
        assert report.summary["requests"] == 120
        assert (report.status, report.exit_code) == ("short", 0)
        assert "budget of 120 requests is spent" in report.messages[0]

    def test_the_budget_of_a_policy_bounds_every_run_and_the_tightest_counts(self, tmp_path: Path) -> None:
        policies = {"release": {"budget": {"requests": 70}}, "notes": {"doc": "x"}}
        mixture = plans.mixture(
            ("essays", "pipeline", CountQuota(count=1)), budget=Budget(requests=90, cost=2.0)
        )
        made = plans.plan(tmp_path, mixtures=[mixture], policies=policies)
        assert budget_of(made, made.mixtures) == Budget(requests=70, cost=2.0)
        assert budget_of(made, {}) == Budget(requests=70)

    def test_repeat_starts_rows_again_with_other_seeds(self, lab: Lab) -> None:
        report = lab.run(
            plans.pipeline(generate(), repeat=5),
            rows=3,
            mixtures=[plans.mixture(("essays", "pipeline", CountQuota(count=12)))],
        )
        assert report.summary["mixtures"]["mix"]["rows"] == 12
        assert len({request.seed for request in lab.engine.requests}) == 12

    def test_a_pipeline_feeds_another_only_as_much_as_it_needs(self, lab: Lab) -> None:
        upstream = plans.pipeline(generate("draft"), name="drafts")
        downstream = plans.pipeline(
            generate("answer", prompt="improve"),
            call(self.third, id="third"),
            start=From(rows="drafts", kind="pipeline", origin=plans.AT),
        )
        report = lab.run(
            upstream,
            downstream,
            rows=2000,
            templates=[plans.template(), plans.template("Improve {{ draft }}", "improve")],
            mixtures=[plans.mixture(("essays", "pipeline", CountQuota(count=50)))],
        )
        assert report.summary["mixtures"]["mix"]["rows"] == 50
        assert report.summary["pipelines"]["drafts"]["started"] < 300

    @pytest.mark.parametrize(("window", "wave"), [(1, 40), (7, 13), (64, 1), (16, 300)])
    def test_the_dataset_depends_neither_on_the_window_nor_on_the_waves(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int, wave: int
    ) -> None:
        monkeypatch.setattr("mixwright_runtime.run.waves.PipelineRun.next_wave", lambda run, missing: wave)
        lab = Lab(tmp_path)
        lab.engine = ScriptedEngine(slots=window, latency_s=0)
        lab.run(
            plans.pipeline(generate(), call(self.third, id="third"), step("dedup.test_first", on="n")),
            rows=300,
            mixtures=[plans.mixture(("essays", "pipeline", CountQuota(count=40)))],
        )
        rows = lab.store.sql(
            "SELECT row_id, columns FROM selection s JOIN row_outcome USING (run_id, pipeline, row_id) "
            "ORDER BY s.position"
        )
        lab.store.close()
        assert blake2b(repr(rows).encode(), digest_size=8).hexdigest() == "b47c96c9d1776d04"


def test_limit_starts_at_most_that_many_rows(lab: Lab) -> None:
    report = lab.run(plans.pipeline(generate()), rows=50, options=RunOptions(exports=False, limit=10))
    assert report.summary["requests"] == 10


def test_measurement_is_part_of_the_row(lab: Lab) -> None:
    lab.run(plans.pipeline(generate(), score(lambda text: 1, id="check")), rows=1)
    ((scores,),) = lab.store.sql("SELECT scores FROM outcome")
    assert scores == '{"check":{"outcome":"measured","score":1.0,"evidence":{}}}'
