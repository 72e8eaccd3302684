"""Runs as processes: killed at random moments, interrupted once and twice, started twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import plans
import pytest

from benchmarks.fake_server import ThreadedServer

ROOT = Path(__file__).resolve().parents[3]
IN_FLIGHT = 16


class Project:
    """A directory with a plan of `rows` rows, run by the installed command."""

    def __init__(self, directory: Path, server: ThreadedServer, rows: int = 400) -> None:
        self.directory = directory
        self.server = server
        plan = plans.plan(
            directory,
            models=[plans.model(server.url, max_in_flight=IN_FLIGHT, timeout=60.0)],
            sources=[plans.numbered(rows)],
            pipelines=[plans.pipeline(plans.generate())],
        )
        self.plan = directory / "plan.json"
        self.store = directory / "store"
        self.plan.write_text(plan.model_dump_json())

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mixwright", "run", str(self.plan), "--json", "--store", str(self.store)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )

    def finish(self) -> dict[str, Any]:
        process = self.start()
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        return dict(json.loads(out))

    def answered(self) -> int:
        return int(self.server.fake.stats["answered"])

    def wait_for(self, enough: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not enough():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def stored(self, what: str) -> int:
        with duckdb.connect(str(self.store / "store.duckdb"), read_only=True) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {what}").fetchall()[0][0])


@pytest.fixture
def project(tmp_path: Path, server: ThreadedServer) -> Iterator[Project]:
    yield Project(tmp_path, server)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_kill_9_loses_no_more_than_what_was_in_flight(project: Project, seed: int) -> None:
    chance = random.Random(seed)
    process = project.start()
    after = chance.randrange(20, 380)
    project.wait_for(lambda: project.answered() >= after)
    time.sleep(chance.random() * 0.05)
    process.kill()
    process.communicate()
    summary = project.finish()
    assert summary["rows"] == {"kept": 400, "dropped": 0, "quarantined": 0, "unfinished": 0}
    # Of both runs together: the server may come to what the first had sent when that is already gone.
    sent_again = project.server.fake.stats["chat"] - 400
    assert 0 <= sent_again <= IN_FLIGHT
    assert summary["reused"] == 400 - summary["requests"]
    assert project.stored("(SELECT key FROM call WHERE status = 'ok' GROUP BY key HAVING count(*) > 1)") == 0


def test_an_answer_that_arrived_is_never_asked_again(project: Project) -> None:
    """Not even when the kill comes before the next transaction."""
    project.server.fake.use({"rules": [{"after": 84, "fault": "hang"}]})
    process = project.start()
    project.wait_for(lambda: project.server.fake.stats["faulted"] >= IN_FLIGHT)
    answered = project.answered()
    process.kill()
    process.communicate()
    project.server.fake.use({})
    assert project.finish()["reused"] == answered


def test_one_sigint_waits_for_requests_in_flight_and_exits_130(project: Project) -> None:
    project.server.fake.use({"latency_ms": 300})
    process = project.start()
    project.wait_for(lambda: project.server.fake.stats["in_flight"] >= IN_FLIGHT)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "'mixwright run' again goes on from there" in err
    assert json.loads(out)["status"] == "stopped"
    sent = project.server.fake.stats["chat"]
    assert sent <= IN_FLIGHT + 2 and project.stored("call WHERE status = 'ok'") == sent
    assert project.stored("run_end WHERE status = 'stopped'") == 1
    project.server.fake.use({"latency_ms": 2})
    assert project.finish()["requests"] == 400 - sent


def test_sigterm_exits_143(project: Project) -> None:
    process = project.start()
    project.wait_for(lambda: project.answered() > 20)
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 143


def test_two_sigints_leave_at_once_and_keep_what_arrived(project: Project) -> None:
    project.server.fake.use({"rules": [{"match": r"number [1-3]\d\d\.", "fault": "hang"}]})
    process = project.start()
    project.wait_for(lambda: project.server.fake.stats["in_flight"] >= IN_FLIGHT)
    answered = project.answered()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None, "it waits for what is in flight"
    process.send_signal(signal.SIGINT)
    # Well below the 60 s that a request may hang.
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert project.stored("call WHERE status = 'ok'") == answered


def test_a_second_run_on_the_same_store_is_refused_with_the_owners_pid(project: Project) -> None:
    project.server.fake.use({"rules": [{"fault": "hang"}]})
    first = project.start()
    project.wait_for(lambda: project.server.fake.stats["in_flight"] >= IN_FLIGHT)
    second = project.start()
    _, err = second.communicate(timeout=30)
    assert (second.returncode, str(first.pid) in err) == (75, True)
    first.kill()
    first.communicate()


UNUSED = (
    "torch",
    "transformers",
    "tokenizers",
    "deepspeed",
    "vllm",
    "sympy",
    "scipy",
    "pandas",
    "langdetect",
    "rich",
)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_a_small_run_is_light(tmp_path: Path, server: ThreadedServer) -> None:
    """A 10-row run takes at most 150 MB and loads nothing that it does not use (its CPU seconds: `benchmarks/`)."""
    small = Project(tmp_path, server, rows=10)
    code = (
        "import sys; from mixwright.cli import main; status = main(sys.argv[1:]); "
        # Not ru_maxrss: a child that was forked starts with its parent's.
        "peak = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')); "
        f"loaded = [name for name in {UNUSED!r} if name in sys.modules]; "
        "print(loaded, int(peak) / 1024, file=sys.stderr); sys.exit(status)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, "run", str(small.plan), "--json", "--store", str(tmp_path / "other")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert found.returncode == 0, found.stderr
    loaded, _, peak_mb = found.stderr.splitlines()[-1].rpartition(" ")
    assert json.loads(found.stdout)["rows"]["kept"] == 10
    assert (loaded, float(peak_mb) <= 150) == ("[]", True), (loaded, peak_mb)
