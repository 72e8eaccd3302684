"""Runs with workers that are processes of this machine: the same rows, though workers are killed and stopped."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import plans
import pytest

import mixwright
from benchmarks.fake_server import ThreadedServer
from mixwright.cluster_text import address_lines
from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.cluster.durations import LeasePolicy
from mixwright_runtime.cluster.engine import LeasedEngine, is_of_each_worker
from mixwright_runtime.cluster.keeping import KeptCluster
from mixwright_runtime.cluster.local import LocalCluster, LocalWorker
from mixwright_runtime.cluster.named import local_count
from mixwright_runtime.errors import RunError
from mixwright_runtime.facts.status import status_of
from mixwright_runtime.run.execute import execute, run_plan
from mixwright_runtime.run.run import Run, RunOptions, RunReport
from mixwright_runtime.store.status import read_status
from mixwright_runtime.store.store import Store

SPEC = """edition 2026
source words inline { rows = [ROWS] }
template ask { user = "Define {{ word }}." }
model teacher openai { base_url = "URL", model = "fake" }
pipeline answers {
  from words
  generate answer { prompt = ask, model = teacher, samples = 2 }
  chat { user = word, assistant = answer }
}
mixture all_of_it {
  seed = 1
  answers = 40
}
export files of all_of_it { format = messages, path = "out" }
""".replace("ROWS", ", ".join(f'{{ word = "w{n}" }}' for n in range(30)))


def plan_of(directory: Path, server: ThreadedServer, rows: int = 250, **model: Any) -> Plan:
    directory.mkdir(exist_ok=True)
    return plans.plan(
        directory,
        models=[plans.model(server.url, **model)],
        sources=[plans.numbered(rows)],
        pipelines=[plans.pipeline(plans.generate())],
    )


def rows_of(store: Store) -> list[tuple[Any, ...]]:
    return list(store.sql("SELECT row_id, status, reason, columns FROM row_outcome ORDER BY position"))


def alone(directory: Path, server: ThreadedServer, rows: int = 250) -> list[tuple[Any, ...]]:
    with Store.open(directory / "store") as store:
        run_plan(plan_of(directory, server, rows), store=store, options=RunOptions(exports=False))
        return rows_of(store)


def exported(directory: Path, server: ThreadedServer, *clusters: str) -> dict[str, bytes]:
    """What a run writes, the same with each of these clusters."""
    spec = directory / "spec.mix"
    spec.write_text(SPEC.replace("URL", server.url), encoding="utf-8")
    made = []
    for cluster in clusters:
        shutil.rmtree(directory / "out", ignore_errors=True)
        with Store.open(directory / f"store{cluster}") as store:
            report = run_plan(mixwright.plan(spec), store=store, options=RunOptions(cluster=cluster))
        assert (report.status, report.summary["requests"]) == ("done", 40)
        assert ("cluster" in report.summary) == bool(cluster)
        made.append({path.name: path.read_bytes() for path in (directory / "out").rglob("*.jsonl")})
    assert made[0] and all(each == made[0] for each in made)
    return made[0]


def children_of(pid: int) -> list[int]:
    """Workers of a cluster that a process started."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and b"cluster.process" in (entry / "cmdline").read_bytes():
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(stat[1]) == pid and stat[0] != "Z":
                    found.append(int(entry.name))
        except OSError:
            continue
    return found


def is_gone(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_for(enough: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not enough():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def sending(number: signal.Signals) -> Callable[[Any], None]:
    """Sends a worker's process a signal."""
    return lambda worker: os.kill(worker.pid, number)


def run_and_harm(
    plan: Plan,
    store: Store,
    server: ThreadedServer,
    harm: Callable[[Any], Any],
    cluster: KeptCluster,
    at: int = 40,
    **policy: Any,
) -> RunReport:
    """A run on several workers, of which one that is at work is harmed once the server has answered so many requests."""

    async def watch(run: Run) -> None:
        engine = run.engines["teacher"]
        assert isinstance(engine, LeasedEngine)
        table = engine.leasing.table
        while server.fake.stats["answered"] < at or not any(map(table.open_at, cluster.places)):
            await asyncio.sleep(0.001)
        harmed = harm(next(cluster.workers[place] for place in cluster.places if table.open_at(place)))
        if harmed is not None:
            await harmed

    async def job() -> RunReport:
        options = RunOptions(exports=False, watch=watch, leases=LeasePolicy(**policy))
        try:
            return await execute(plan, store=store, options=options, cluster=cluster)
        finally:
            await cluster.close()

    return asyncio.run(job())


def test_exports_are_the_same_bytes_as_without_workers(tmp_path: Path, server: ThreadedServer) -> None:
    assert exported(tmp_path, server, "") == exported(tmp_path, server, "local:1", "local:3")


def test_a_worker_that_is_killed_costs_its_leases_and_no_row(tmp_path: Path, server: ThreadedServer) -> None:
    expected = alone(tmp_path / "alone", server)
    server.fake.use({"latency_ms": 60})
    server.fake.reset()
    with Store.open(tmp_path / "store") as store:
        kill = sending(signal.SIGKILL)
        report = run_and_harm(plan_of(tmp_path, server), store, server, kill, LocalCluster(2))
        assert rows_of(store) == expected
    leases = report.summary["cluster"]["leases"]
    assert leases["lost"] >= 1 and leases["poisoned"] == 0
    # Sixteen are under way at most, on both workers together.
    assert server.fake.stats["chat"] - 250 <= leases["re_leased"] <= 16
    assert report.summary["requests"] == 250 + leases["re_leased"]
    assert not children_of(os.getpid())


def test_workers_tell_what_each_address_was_asked_and_which_does_not_answer(
    tmp_path: Path, server: ThreadedServer
) -> None:
    with ThreadedServer() as other, Store.open(tmp_path / "store") as store:
        server.fake.use({"latency_ms": 20})
        plan = plan_of(tmp_path, server)
        plan = plan.model_copy(update={"models": {"teacher": plans.model([server.url, other.url])}})  # type: ignore[arg-type]
        kill = lambda _: other.kill()  # noqa: E731
        report = run_and_harm(plan, store, server, kill, LocalCluster(2))
        assert report.summary["rows"]["kept"] == 250
        run = store.last_run()
        assert run is not None
        shown = status_of(store, run)["addresses"]
    told = {found["address"]: found for found in shown}
    assert (told[server.url]["answers"], told[other.url]["answers"]) == (True, False)
    # A request that found nobody listening is one that was sent as well.
    assert told[server.url]["requests"] == server.fake.stats["chat"]
    assert told[other.url]["requests"] >= other.fake.stats["chat"] > 0
    assert f"1 of 2 addresses do not answer: {other.url}" in report.messages[0]
    lines = address_lines(shown)
    assert lines == [
        f"model teacher: {told[server.url]['requests']:,} requests to {server.url}, "
        f"{told[other.url]['requests']:,} to {other.url} (does not answer)"
    ]


def test_a_worker_that_is_stopped_is_left_aside_and_comes_to_an_end(
    tmp_path: Path, server: ThreadedServer
) -> None:
    expected = alone(tmp_path / "alone", server)
    server.fake.use({"latency_ms": 60})
    server.fake.reset()
    with Store.open(tmp_path / "store") as store:
        stop = sending(signal.SIGSTOP)
        plan = plan_of(tmp_path, server)
        report = run_and_harm(plan, store, server, stop, LocalCluster(2), least_deadline_s=1.0)
        assert rows_of(store) == expected
    leases = report.summary["cluster"]["leases"]
    assert leases["late"] >= 1 and 1 <= leases["re_leased"] <= 32
    assert not children_of(os.getpid()), "a stopped process ends as well"


class Command:
    """A plan run as a command on two workers."""

    def __init__(self, directory: Path, server: ThreadedServer, rows: int = 250) -> None:
        self.store = directory / "store"
        self.plan = directory / "plan.json"
        self.plan.write_text(plan_of(directory, server, rows, timeout=60.0).model_dump_json())

    def start(self, *more: str) -> subprocess.Popen[str]:
        run = ["run", str(self.plan), "--json", "--store", str(self.store), "--cluster", "local:2", *more]
        return subprocess.Popen(
            [sys.executable, "-m", "mixwright", *run],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[3],
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_run(tmp_path: Path, server: ThreadedServer, number: signal.Signals) -> None:
    command = Command(tmp_path, server)
    server.fake.use(
        {"rules": [{"after": 30, "fault": "hang"}]} if number == signal.SIGKILL else {"latency_ms": 100}
    )
    process = command.start()
    wait_for(lambda: server.fake.stats["answered"] >= 20)
    workers = children_of(process.pid)
    assert len(workers) == 2
    if number == signal.SIGKILL:
        wait_for(lambda: (read_status(command.store / "status.json") or {}).get("cluster") is not None)
        shown = subprocess.run(
            [sys.executable, "-m", "mixwright", "status", "--store", str(command.store)],
            capture_output=True,
            text=True,
        ).stdout
        assert "cluster local:2: " in shown and "local-2" in shown
        os.kill(workers[0], signal.SIGSTOP)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -9), err
    wait_for(lambda: all(map(is_gone, workers)))


def test_a_secret_is_in_no_lease_and_in_the_request(
    tmp_path: Path, server: ThreadedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEACHER_KEY", "sk-secret-of-the-test")
    sent: list[bytes] = []
    original = LocalWorker._send
    monkeypatch.setattr(LocalWorker, "_send", lambda self, data: (sent.append(data), original(self, data))[1])
    plan = plan_of(tmp_path, server, rows=3, api_key={"env": "TEACHER_KEY"})
    server.fake.use({"rules": [{"match": "number 1", "fault": "401"}]})
    with Store.open(tmp_path / "store") as store, pytest.raises(RunError) as failed:
        run_plan(plan, store=store, options=RunOptions(exports=False, cluster="local:1"))
    assert sent and not any(b"sk-secret" in data for data in sent)
    assert "sk-secret" not in str(failed.value)
    monkeypatch.delenv("TEACHER_KEY")
    with Store.open(tmp_path / "store") as store, pytest.raises(RunError, match="TEACHER_KEY is not set"):
        run_plan(plan, store=store, options=RunOptions(exports=False, cluster="local:1"))


def test_an_engine_that_cannot_start_says_so_as_without_workers(
    tmp_path: Path, server: ThreadedServer
) -> None:
    plan = plan_of(tmp_path, server, rows=3, model="another")
    with Store.open(tmp_path / "store") as store, pytest.raises(RunError, match="does not serve 'another'"):
        run_plan(plan, store=store, options=RunOptions(exports=False, cluster="local:2"))
    assert not children_of(os.getpid())


def test_workers_that_never_come_up_stop_the_run(
    tmp_path: Path, server: ThreadedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = "import sys; sys.exit('no such thing')"
    monkeypatch.setattr(
        "mixwright_runtime.cluster.local.command_of", lambda module: [sys.executable, "-c", broken]
    )
    with Store.open(tmp_path / "store") as store, pytest.raises(RunError) as failed:
        run_plan(
            plan_of(tmp_path, server, rows=3),
            store=store,
            options=RunOptions(exports=False, cluster="local:1"),
        )
    assert "worker local-1 ended with status 1: no such thing" in str(failed.value)


@pytest.mark.parametrize(
    "name",
    [
        "local",
        "local:",
        "local:0",
        "local:02",
        "local:x",
        "local:1000",
        "nowhere",
        "host:0",
        "host:70000",
        "ray://h:1",
    ],
)
def test_a_name_of_no_cluster_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="local:"):
        local_count(name)


@pytest.mark.parametrize("name", ["auto", "10.0.0.1:6379", "head.example:6379"])
def test_other_names_are_of_a_ray_cluster(name: str) -> None:
    assert local_count(name) == 0


@pytest.mark.parametrize(
    ("urls", "is_each"),
    [
        ("http://localhost:8000/v1", True),
        ("http://127.0.0.1:8000/v1", True),
        ("http://gpu1:8000/v1", False),
        (["http://localhost:8000/v1", "http://localhost:8001/v1"], True),
        (["http://localhost:8000/v1", "http://gpu1:8000/v1"], False),
    ],
)
def test_a_server_at_the_loopback_address_is_one_of_each_node(urls: str | list[str], is_each: bool) -> None:
    elsewhere = LocalCluster(2)
    elsewhere.shares_machine = False
    assert is_of_each_worker(plans.model(urls), elsewhere) is is_each  # type: ignore[arg-type]
    assert not is_of_each_worker(plans.model(urls), LocalCluster(2))  # type: ignore[arg-type]
