"""A fault at a named point of a run with real workers: the next run goes on, and writes the same bytes.

`MIXWRIGHT_SEEDS=1000` goes through all points but `late` and `lost`, and through those of leases, and of a worker that
joins, the second time that they are passed.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from named_faults import OF_STORE, OF_WORKERS
from test_local_cluster import SPEC
from test_simulated_cluster import SEEDS

from benchmarks.fake_server import ThreadedServer
from mixwright_runtime.store.store import Store
from tests.killing import Ended, killing

ROWS = 40
AT_ONCE = 4
"""Requests under way, of all workers together; none of a lease waits for its turn."""
KILLED = -signal.SIGKILL
OF_COORDINATORS = [("told", 2, "kill"), ("commit", 1, "kill"), ("joined", 1, "raise")]
AS_WORKERS_CHANGE = [("left", 1, "kill")]
AT_WORKERS = [("received", 1, "kill"), ("sent", 1, "raise")]
if SEEDS > 100:
    ways = ("raise", "kill")
    OF_COORDINATORS = [*product(("lease", "answer", "told"), (1, 2), ways)]
    OF_COORDINATORS += product((*OF_STORE, "joined"), (1,), ways)
    AS_WORKERS_CHANGE = [(*passed, way) for passed in (("left", 1), ("joined", 2)) for way in ways]
    AT_WORKERS = [*product(OF_WORKERS, (1,), ways), *product(OF_WORKERS[2:], (2,), ways)]


@pytest.fixture(scope="module")
def run() -> Iterator[Ended]:
    with killing("named_faults", "run_harmed", Path(__file__).parent) as ended:
        yield ended


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedServer]:
    with ThreadedServer(latency_s=0.02) as running:
        yield running


def spec_in(directory: Path, server: ThreadedServer) -> Path:
    spec = directory / "spec.mix"
    text = SPEC.replace("URL", server.url).replace('"fake"', f'"fake", max_in_flight = {AT_ONCE}')
    spec.write_text(text, encoding="utf-8")
    server.fake.reset()
    return spec


def made(spec: Path) -> tuple[object, ...]:
    """What is exported and the rows, after it was seen that each row and each answer is there once."""
    with Store.open(spec.with_name("store"), read_only=True) as store:
        ((last,),) = store.sql("SELECT max(run_id) FROM run")
        store.check_accounting(last, complete=True)
        assert store.sql("SELECT count(*), count(DISTINCT key) FROM call") == [(ROWS, ROWS)]
        rows = store.sql(
            f"SELECT row_id, status, columns FROM row_outcome WHERE run_id = {last} ORDER BY ALL"
        )
    files = {path.name: path.read_bytes() for path in (spec.parent / "out").rglob("*.jsonl")}
    assert files
    return files, rows


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, run: Ended, server: ThreadedServer) -> tuple[object, ...]:
    """What a run without workers and faults makes."""
    spec = spec_in(tmp_path_factory.mktemp("whole"), server)
    assert run(spec, 0, "", "") == 0
    return made(spec)


@pytest.mark.parametrize(("point", "hit", "action"), OF_COORDINATORS)
def test_a_run_that_fails_at_a_point_is_gone_on_with(
    tmp_path: Path, run: Ended, server: ThreadedServer, whole: object, point: str, hit: int, action: str
) -> None:
    gone_on_with(spec_in(tmp_path, server), run, server, whole, (point, hit, action), "")


@pytest.mark.parametrize(("point", "hit", "action"), AS_WORKERS_CHANGE)
def test_a_run_that_fails_as_one_worker_follows_another_is_gone_on_with(
    tmp_path: Path, run: Ended, server: ThreadedServer, whole: object, point: str, hit: int, action: str
) -> None:
    at_worker = f"received 1 kill {tmp_path / 'killed'}"
    gone_on_with(spec_in(tmp_path, server), run, server, whole, (point, hit, action), at_worker)
    assert (tmp_path / "killed").exists()


def gone_on_with(
    spec: Path,
    run: Ended,
    server: ThreadedServer,
    whole: object,
    fault: tuple[str, int, str],
    at_worker: str,
) -> None:
    """A run with a fault, of its worker too, ends by its own; the next makes the rest."""
    mark = spec.with_name("mark")
    point, hit, action = fault
    assert run(spec, 1, f"{point} {hit} {action} {mark}", at_worker) == (KILLED if action == "kill" else 1)
    assert mark.exists()
    assert run(spec, 0, "", "") == 0
    assert made(spec) == whole
    # Those under way, and those whose answers had come and were not written yet.
    assert server.fake.stats["chat"] <= ROWS + 2 * AT_ONCE


@pytest.mark.parametrize(("point", "hit", "action"), AT_WORKERS)
def test_a_run_whose_worker_fails_at_a_point_goes_on(
    tmp_path: Path, run: Ended, server: ThreadedServer, whole: object, point: str, hit: int, action: str
) -> None:
    spec = spec_in(tmp_path, server)
    mark = tmp_path / "mark"
    assert run(spec, 1, "", f"{point} {hit} {action} {mark}") == 0
    assert mark.exists()
    assert made(spec) == whole
    assert server.fake.stats["chat"] <= ROWS + AT_ONCE
