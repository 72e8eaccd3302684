"""Run Mixwright through a peer benchmark folder, beside its peers, on one machine in one go.

    python benchmarks/peerbench/run.py DIR throughput [--peers aiohttp,curator,datadesigner,distilabel] [--reps 3]
    python benchmarks/peerbench/run.py DIR behave      # kill, stale, fault, outage
    python benchmarks/peerbench/run.py DIR defects     # eight seeded spec defects
    python benchmarks/peerbench/run.py DIR small       # a run of 10 rows: CPU and memory of the whole process

DIR holds `fake_server.py`, `measure.py`, `behave.py` and `defects.py`; it is copied, never written. Peers need the
virtual environments that its README describes; one that is missing is left out and said so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from json import loads
from pathlib import Path

HERE = Path(__file__).parent
VENVS = os.environ.get("PEER_VENVS", str(Path.home() / ".peerbench" / "venv-"))
PEERS = {
    "aiohttp": ("curator", "baseline_aiohttp.py"),
    "curator": ("curator", "peer_curator.py"),
    "datadesigner": ("dd", "peer_datadesigner.py"),
    "distilabel": ("distilabel", "peer_distilabel.py"),
    "sdghub": ("sdg", "peer_sdghub.py"),
}
PORT = int(os.environ.get("FAKE_PORT", "18480"))


def work_copy(peerbench: Path) -> Path:
    """A writable copy of the benchmark folder with our adapters in it and `mixwright` among its peers."""
    work = Path(tempfile.mkdtemp(prefix="peerbench-"))
    for file in peerbench.iterdir():
        if file.suffix in (".py", ".sh"):
            shutil.copyfile(file, work / file.name)
    for file in HERE.glob("*.py"):
        if file.name != "run.py":
            shutil.copyfile(file, work / file.name)
    for name, mark in (("behave.py", "PEERS={"), ("defects.py", "P={")):
        text = (work / name).read_text(encoding="utf-8")
        text = text.replace(mark, mark + '"mixwright":"mixwright",', 1)
        text = text.replace("NA={", 'NA={"mixwright":[],', 1)
        (work / name).write_text(text, encoding="utf-8")
    (work / "logs").mkdir()
    venvs = work / "venvs"
    venvs.mkdir()
    (venvs / "venv-mixwright" / "bin").mkdir(parents=True)
    ours = venvs / "venv-mixwright" / "bin" / "python"
    ours.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    ours.chmod(0o755)
    for name in {venv for venv, _ in PEERS.values()}:
        target = Path(VENVS + name)
        if target.is_dir():
            (venvs / f"venv-{name}").symlink_to(target)
    return work


def serve(work: Path) -> subprocess.Popen[bytes]:
    """The folder's fake server on PORT with 50 ms latency, ready to answer."""
    server = subprocess.Popen(
        [sys.executable, "fake_server.py", str(PORT), "50"], cwd=work, stdout=subprocess.DEVNULL
    )
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/stats", timeout=1).read()
            return server
        except OSError:
            time.sleep(0.05)
    server.kill()
    raise SystemExit("the fake server did not start")


def environment(work: Path) -> dict[str, str]:
    return {**os.environ, "FAKE_PORT": str(PORT), "PEER_VENVS": str(work / "venvs" / "venv-")}


def throughput(work: Path, peers: list[str], reps: int, rows: int, in_flight: list[int]) -> None:
    """Print the median of every figure and the ratio to the aiohttp floor."""
    chosen = [p for p in peers if (work / "venvs" / f"venv-{PEERS[p][0]}").exists()]
    for missing in sorted(set(peers) - set(chosen)):
        print(f"left out: {missing} (no environment)")
    for _ in range(reps):
        for wanted in in_flight:
            for label in [*chosen, "mixwright"]:
                venv, script = PEERS.get(label, ("mixwright", "peer_mixwright.py"))
                python = work / "venvs" / f"venv-{venv}" / "bin" / "python"
                arguments = [label, str(rows), str(wanted), str(python), str(work / script)]
                subprocess.run(
                    [sys.executable, "measure.py", *arguments],
                    cwd=work,
                    env=environment(work),
                    check=False,
                    stdout=subprocess.DEVNULL,
                )
    table: dict[tuple[int, str], list[dict[str, float]]] = defaultdict(list)
    for line in (work / "results.jsonl").read_text(encoding="utf-8").splitlines():
        record = loads(line)
        table[record["C"], record["label"]].append(record)
    fields = ("rows", "rows_per_s_gen", "cpu_gen_s", "wall_s", "cpu_s", "peak_rss_mb", "max_inflight")
    print(f"{'in flight':>9} {'who':<13}" + "".join(f"{f:>16}" for f in fields))
    for (wanted, label), records in sorted(table.items()):
        medians = [statistics.median([r[f] or 0 for r in records]) for f in fields]
        print(f"{wanted:>9} {label:<13}" + "".join(f"{m:>16.2f}" for m in medians))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peerbench", type=Path)
    parser.add_argument("what", choices=("throughput", "behave", "defects", "small"))
    parser.add_argument("--peers", default="aiohttp,curator,datadesigner,distilabel")
    parser.add_argument("--who", default="mixwright", help="peers of behave and defects, space-separated")
    parser.add_argument("--tests", default="kill,stale,fault,outage", help="which of behave")
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1000)
    arguments = parser.parse_args()
    work = work_copy(arguments.peerbench)
    server = serve(work)
    try:
        match arguments.what:
            case "throughput":
                throughput(work, arguments.peers.split(","), arguments.reps, arguments.rows, [64, 256])
            case "small":
                throughput(work, [], arguments.reps, 10, [10])
            case "behave":
                for test in arguments.tests.split(","):
                    command = [sys.executable, "behave.py", test, *arguments.who.split()]
                    subprocess.run(command, cwd=work, env=environment(work), check=True)
            case "defects":
                command = [sys.executable, "defects.py", *arguments.who.split()]
                subprocess.run(command, cwd=work, env=environment(work), check=True)
    finally:
        server.kill()
    print(f"logs: {work / 'logs'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
