"""Whole runs against a server that misbehaves: what is kept, what is sent again, and how the run ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plans
import pytest

from benchmarks.fake_server import ThreadedServer
from mixwright_runtime.calls.fault import BreakerPolicy, RetryPolicy
from mixwright_runtime.errors import EngineUnavailable, RunError
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions, RunReport
from mixwright_runtime.store.store import Store

QUICK = RunOptions(
    exports=False, grace_s=0.2, retry=RetryPolicy(base_s=0.002), breaker=BreakerPolicy(patience_s=0.2)
)
FOUR_OF_200 = r"number (49|99|149|199)\."


class Site:
    """A server, a store, and the plan of 200 rows that a run works on."""

    def __init__(self, directory: Path, server: ThreadedServer) -> None:
        self.directory = directory
        self.server = server
        self.store = Store.open(directory / "store")

    def run(
        self, rows: int = 200, *, options: RunOptions = QUICK, policies: Any = None, **model: Any
    ) -> RunReport:
        plan = plans.plan(
            self.directory,
            models=[plans.model(self.server.url, **model)],
            sources=[plans.numbered(rows)],
            pipelines=[plans.pipeline(plans.generate())],
            policies=policies or {},
        )
        return run_plan(plan, store=self.store, options=options)

    def count(self, what: str) -> int:
        return int(self.store.sql(f"SELECT count(*) FROM {what}")[0][0])


@pytest.fixture
def site(tmp_path: Path, server: ThreadedServer) -> Iterator[Site]:
    made = Site(tmp_path, server)
    yield made
    made.store.close()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("500", "server"),
        ("503", "server"),
        ("400", "bad_request"),
        ("reset", "connection"),
        ("malformed", "malformed"),
        ("html", "malformed"),
        ("empty", "empty"),
        ("length", "length"),
        ("refusal", "refused"),
        ("hang", "timeout"),
    ],
)
def test_4_of_200_failing_for_ever_leave_196_and_4_reasons(site: Site, fault: str, reason: str) -> None:
    site.server.fake.use({"rules": [{"match": FOUR_OF_200, "fault": fault}]})
    report = site.run(timeout=0.3)
    assert report.summary["rows"] == {"kept": 196, "dropped": 0, "quarantined": 4, "unfinished": 0}
    assert report.summary["quarantined"] == {reason: 4}
    assert report.exit_code == 1
    assert "4 of 200 rows were quarantined" in report.messages[0]
    assert site.count("call WHERE status = 'ok'") == 196


def test_the_policy_may_allow_the_four(site: Site) -> None:
    site.server.fake.use({"rules": [{"match": FOUR_OF_200, "fault": "400"}]})
    report = site.run(policies={"p": {"max_quarantined": 0.05}})
    assert (report.status, report.exit_code, report.messages) == ("done", 0, ())


def test_the_next_run_asks_only_for_the_four_and_can_be_whole(site: Site) -> None:
    site.server.fake.use({"rules": [{"match": FOUR_OF_200, "fault": "500"}]})
    site.run()
    site.server.fake.reset()
    site.server.fake.use({})
    report = site.run()
    assert report.summary["rows"]["kept"] == 200
    assert site.server.fake.stats["chat"] == 4
    assert report.exit_code == 0


def test_faults_that_pass_leave_no_trace_in_the_rows(site: Site) -> None:
    site.server.fake.use({"rules": [{"match": "number 1", "fault": "500", "times": 2}]})
    report = site.run()
    assert (report.summary["rows"]["kept"], report.exit_code) == (200, 0)
    assert report.summary["calls"]["essays.answer"]["faults"] == {"server": 222}


def test_rate_limits_cost_no_row(site: Site) -> None:
    site.server.fake.use({"rules": [{"match": "number 7", "fault": "429", "retry_after": 0.05, "times": 1}]})
    report = site.run()
    assert (report.summary["rows"]["kept"], report.exit_code) == (200, 0)


def test_an_endpoint_that_dies_keeps_what_it_answered_and_the_next_run_sends_the_rest(site: Site) -> None:
    site.server.fake.use({"rules": [{"after": 100, "fault": "503"}]})
    with pytest.raises(EngineUnavailable, match=r"HTTP 503.*again sends only what is missing"):
        site.run()
    assert site.store.last_run().status == "failed"
    answered = site.server.fake.stats["answered"]
    assert site.count("call WHERE status = 'ok'") == answered
    assert site.count("outcome WHERE status = 'quarantined'") == 0
    site.server.fake.reset()
    site.server.fake.use({})
    report = site.run()
    assert report.summary["rows"]["kept"] == 200
    assert site.server.fake.stats["chat"] == 200 - answered


def test_many_poisoned_rows_at_the_end_are_no_outage(site: Site) -> None:
    site.server.fake.use({"rules": [{"match": r"number 1[0-4]\d\.", "fault": "500"}]})
    for _ in range(2):
        report = site.run()
        assert report.summary["rows"] == {"kept": 150, "dropped": 0, "quarantined": 50, "unfinished": 0}


def test_no_access_stops_before_more_than_one_round(site: Site) -> None:
    site.server.fake.use({"rules": [{"fault": "401", "message": "bad key"}]})
    with pytest.raises(EngineUnavailable, match="HTTP 401: bad key"):
        site.run()
    assert site.server.fake.stats["chat"] <= 18


def test_another_model_behind_the_same_address_stops_the_run_and_stores_nothing_of_it(site: Site) -> None:
    site.server.fake.use({"answer_as": "cheaper", "answer_as_after": 50})
    with pytest.raises(EngineUnavailable, match="now answers as 'cheaper'"):
        site.run()
    assert site.count("call WHERE engine LIKE '%cheaper%'") == 0


def test_a_second_run_asks_nothing(site: Site) -> None:
    site.run()
    site.server.fake.reset()
    report = site.run(base_url=site.server.url.replace("127.0.0.1", "localhost"))
    assert (report.summary["reused"], site.server.fake.stats) == (
        200,
        site.server.fake.stats | {"chat": 0, "other": 0},
    )


def test_a_secret_that_is_not_set_is_told_before_anything_runs(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEACHER_KEY", raising=False)
    with pytest.raises(RunError, match="TEACHER_KEY is not set"):
        site.run(api_key={"env": "TEACHER_KEY"})
    assert site.count("run") == 0


def test_a_secret_is_written_nowhere(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", "canary-5f1c")
    site.server.fake.use({"rules": [{"match": "number 3", "fault": "400"}]})
    site.run(20, api_key={"env": "TEACHER_KEY"})
    assert site.server.fake.last_headers["authorization"] == "Bearer canary-5f1c"
    site.store.close()
    for file in site.directory.rglob("*"):
        assert not file.is_file() or b"canary-5f1c" not in file.read_bytes()
