"""SIGKILL a run at random moments until it is through, and count what was lost, sent twice or doubled.

    python benchmarks/kill_loop.py [--kills 30] [--rows 8000] [--in-flight 64] [--latency-ms 20] [--seed 1]

Starts the fake server and `mixwright run` as processes of their own, kills the run (its whole process group) after a
random number of requests and a moment more, reads what the store holds, and starts it again. Prints one JSON line
a kill and one at the end:

    lost       answers that the store or its journal had after a kill and that are not there any more  must be 0
    open       requests sent whose answer the kill lost, which the next run sends again                at most --in-flight
    doubled    rows or answers that the store holds twice                                              must be 0

Exit status 0 when all three hold and every row is there in the end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import duckdb

from mixwright_runtime.store.journal import journal_files, read_journal

HERE = Path(__file__).resolve().parent
SPEC = """edition 2026

model teacher openai {{ base_url = "http://127.0.0.1:{port}/v1", model = "fake", max_in_flight = {in_flight} }}

source numbers duckdb {{ sql = "SELECT range AS n FROM range({rows}) ORDER BY n" }}

template ask {{ user = "Write about number {{{{ n }}}}." }}

pipeline essays {{
  from numbers
  generate answer {{ prompt = ask, model = teacher }}
}}
"""


def _get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return json.load(answer)


def _start(directory: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "mixwright", "run", str(directory / "loop.mix"), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=directory,
        start_new_session=True,
    )


def _stored(directory: Path) -> tuple[set[bytes], int]:
    """Keys of the good answers, committed or in the journal, and how many keys or rows are committed twice.

    Reads only: what the kill left in the journal is for the next run to recover, and for its kill to disturb.
    """
    file = directory / ".mixwright" / "store.duckdb"
    if not file.exists():
        return set(), 0
    with duckdb.connect(str(file), read_only=True) as store:
        keys = [key for (key,) in store.execute("SELECT key FROM call WHERE status = 'ok'").fetchall()]
        rows = store.execute(
            "SELECT count(*) FROM (SELECT 1 FROM outcome GROUP BY run_id, pipeline, row_id HAVING count(*) > 1)"
        ).fetchall()
    journaled = {
        record.key
        for path in journal_files(file.parent)
        for record in read_journal(path, None).records
        if record.status == "ok"
    }
    return set(keys) | journaled, len(keys) - len(set(keys)) + int(rows[0][0])


def _killed(run: subprocess.Popen[bytes], port: int, answers: int, delay_s: float) -> bool:
    """Kill a run once it has sent `answers` more requests, and a moment later; False when it ended before that."""
    goal = _get(port, "/stats")["chat"] + answers
    while answers and _get(port, "/stats")["chat"] < goal:
        if run.poll() is not None:
            return False
        time.sleep(0.002)
    time.sleep(delay_s)
    if run.poll() is not None:
        return False
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    return True


def main(arguments: argparse.Namespace) -> int:
    chance = random.Random(arguments.seed)
    directory = Path(tempfile.mkdtemp(prefix="mixwright-kill-"))
    (directory / ".mixwright").mkdir()
    server = subprocess.Popen(
        [sys.executable, str(HERE / "fake_server.py"), "--latency-ms", str(arguments.latency_ms)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    port = int(server.stdout.readline().split()[1])
    spec = SPEC.format(port=port, rows=arguments.rows, in_flight=arguments.in_flight)
    (directory / "loop.mix").write_text(spec)
    kills = lost = doubled = most_open = 0
    committed: set[bytes] = set()
    try:
        while kills < arguments.kills:
            # One kill in five comes while the run starts up, recovers the store or looks answers up.
            answers = (
                chance.randrange(1, 2 * arguments.rows // arguments.kills) if chance.random() < 0.8 else 0
            )
            if not _killed(_start(directory), port, answers, chance.random() * (0.05 if answers else 0.8)):
                print("the run ended before it was killed: give it more --rows", file=sys.stderr)
                return 2
            kills += 1
            time.sleep(0.1)
            found, twice = _stored(directory)
            open_requests = _get(port, "/stats")["distinct"] - len(found)
            lost, doubled, most_open = (
                lost + len(committed - found),
                doubled + twice,
                max(most_open, open_requests),
            )
            committed |= found
            print(json.dumps({"kill": kills, "kept": len(found), "open": open_requests}), flush=True)
        run = _start(directory)
        out, err = run.communicate()
        if run.returncode != 0:
            print(err.decode(), file=sys.stderr)
            return 2
        stats = _get(port, "/stats")
        found, twice = _stored(directory)
        summary = {
            "kills": kills,
            "rows": json.loads(out)["rows"]["kept"],
            "lost": lost + len(committed - found),
            "most_open": most_open,
            "in_flight": arguments.in_flight,
            "resent": stats["chat"] - stats["distinct"],
            "doubled": doubled + twice,
        }
        print(json.dumps(summary))
        is_whole = summary["rows"] == arguments.rows and not summary["lost"] and not summary["doubled"]
        return 0 if is_whole and most_open <= arguments.in_flight else 1
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--latency-ms", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    sys.exit(main(parser.parse_args()))
