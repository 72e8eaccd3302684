"""What growing costs: CPU seconds and memory of each part at growing sizes, with the exponent of their growth.

    python benchmarks/scale.py [PART ...] [--sizes 10000,30000] [--counted] [--check] [--at DIR]

Each figure is of a process of its own: CPU seconds of the work alone, imports and the making of its data left out, and
the most memory that the process ever held. The exponent is the slope of log(CPU) over log(size), by least squares: 1 is
what costs the same a row at any size. With `--check` the exit status is 1 where an exponent is above 1.15. Data is made
under `--at` (a temporary folder by default) and removed.

Seconds hang on what else the machine does, so `--counted` counts instead (`counted_work.py`): calls of functions, and
rows that queries of the store scan, as if each scanned as many as there are. It takes three sizes, each as many times the
one before it. The tests run it so.

| part | what is done |
|---|---|
| `rerun` | a run of which every call is in the store |
| `keys` | 20,000 calls at random of so many in the store, found by key, each awaited by a task of its own |
| `client` | a run that asks an engine in the same process for every row |
| `server` | the same, over HTTP from `fake_server.py` at 5 ms, 64 at once; the cost is the client's alone |
| `limit` | `from rows { limit = 1000 }` of a Parquet file of so many rows |
| `source` | a Parquet file of so many rows: lock, plan, and a run that takes 50,000 of them (a tenth, if that is less) |
| `selection` | a tenth of so many rows selected, balanced over 30 values |
| `minhash` | `dedup minhash` of so many rows of 60 words |
| `loop` | a mixture-wide dedup of so many rows; how long the event loop did nothing else, in CPU seconds of its thread |
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.counted_work import counting

CEILING = 1.15
"""The largest exponent that `--check` lets pass."""
SOUGHT_KEYS = 20_000
WORDS = [
    "river",
    "train",
    "star",
    "engine",
    "garden",
    "letter",
    "window",
    "paper",
    "bridge",
    "mountain",
    "signal",
]
WORDS += [
    "harbour",
    "copper",
    "winter",
    "number",
    "question",
    "answer",
    "reason",
    "simple",
    "measure",
    "table",
    "green",
]

SPEC = """\
edition 2026
source texts {source}
model teacher openai {{ base_url = "http://127.0.0.1:9/v1", model = "fake", max_in_flight = 64 }}
template ask {{ user = "Rewrite: {{{{ text }}}}" }}
pipeline rewritten {{
  from texts {start}
  generate answer {{ prompt = ask, model = teacher, max_tokens = 512 }}
  chat {{ user = text, assistant = answer }}
}}
mixture all {{ seed = 1, rewritten = {quota} }}
"""

PLAIN = """\
edition 2026
source texts {source}
pipeline plain {{
  from texts {start}
  chat {{ user = text, assistant = answer }}
}}
mixture all {{ seed = 1{steps}, {component} = {quota} }}
"""


@dataclass(frozen=True)
class Part:
    """One thing that is measured. prepare: makes its data, in a process of its own; returns what `work` is given."""

    sizes: Sequence[int]
    prepare: Callable[[int, Path], None]
    work: Callable[[int, Path], dict[str, Any]]


def text_of(number: int, words: int = 60) -> str:
    """A text that no other number has."""
    chance = random.Random(number)
    return f"{number} " + " ".join(chance.choices(WORDS, k=words))


def write_lines(size: int, folder: Path) -> None:
    """`rows.jsonl`, a text of log-normal length a row, about 350 characters."""
    chance = random.Random(0)
    with open(folder / "rows.jsonl", "w", encoding="utf-8") as file:
        for number in range(size):
            words = int(min(400, chance.lognormvariate(3.7, 0.7)))
            file.write(json.dumps({"text": text_of(number, words)}) + "\n")


def write_parquet(size: int, folder: Path) -> None:
    """`rows.parquet`, two texts and a number a row; about 350 characters."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1, "memory_limit": "1GB"})
    connection.execute(
        f"""COPY (SELECT n, 'question ' || n || repeat(' ' || md5(n::VARCHAR), 4) AS text,
            'answer ' || n || repeat(' ' || md5((n + 1)::VARCHAR), 5) AS answer
            FROM range({size}) AS numbers(n))
        TO '{folder / "rows.parquet"}' (FORMAT parquet, ROW_GROUP_SIZE 122880)"""
    )
    connection.close()


def write_spec(folder: Path, text: str, **fields: Any) -> Path:
    """`spec.mix` in the folder."""
    spec = folder / "spec.mix"
    spec.write_text(text.format(**fields), encoding="utf-8")
    return spec


class Echo:
    """An engine in this process that answers at once; `answers` False: it must not be asked."""

    slots = 64

    def __init__(self, *, answers: bool = True) -> None:
        self._answers = answers

    async def start(self) -> None:
        return

    async def complete(self, request: Any) -> Any:
        from mixwright_runtime.engines.protocol import Answer, Finish

        assert self._answers, "asked again what is in the store"
        await asyncio.sleep(0)
        return Answer(request.messages[-1]["content"][::-1], Finish.STOP, 80, 80)

    async def close(self) -> None:
        return


def run_spec(folder: Path, *, watch: Any = None, answers: bool = True, served: bool = False) -> Any:
    """Run the folder's spec in its store. served: by the models that it names, else by an engine in this process."""
    import mixwright
    from mixwright_runtime.run.execute import run_plan
    from mixwright_runtime.run.run import RunOptions
    from mixwright_runtime.store.store import Store

    plan = mixwright.plan(folder / "spec.mix")
    with Store.open(folder / "store") as store:
        engines = {"teacher": Echo(answers=answers)} if plan.models and not served else None
        report = run_plan(plan, store=store, options=RunOptions(exports=False, watch=watch), engines=engines)
        assert report.status == "done", report
    return report


def prepare_rerun(size: int, folder: Path) -> None:
    prepare_client(size, folder)
    run_spec(folder)


def prepare_client(size: int, folder: Path) -> None:
    write_lines(size, folder)
    source = 'jsonl { path = "rows.jsonl", columns = { text = text } }'
    write_spec(folder, SPEC, source=source, start="", quota=size)


def rerun(size: int, folder: Path) -> dict[str, Any]:
    run_spec(folder, answers=False)
    return {}


def client(size: int, folder: Path) -> dict[str, Any]:
    run_spec(folder)
    return {}


def server(size: int, folder: Path) -> dict[str, Any]:
    fake = Path(__file__).with_name("fake_server.py")
    with subprocess.Popen(
        [sys.executable, fake, "--latency-ms", "5"], stdout=subprocess.PIPE, text=True
    ) as serving:
        try:
            assert serving.stdout is not None
            port = serving.stdout.readline().split()[1]
            spec = folder / "spec.mix"
            written = spec.read_text(encoding="utf-8")
            spec.write_text(written.replace("127.0.0.1:9/", f"127.0.0.1:{port}/"), encoding="utf-8")
            run_spec(folder, served=True)
        finally:
            serving.terminate()
    return {}


def key_of(number: int) -> bytes:
    """The key of a stored call, spread over all keys, as DuckDB makes it below."""
    from hashlib import md5

    return md5(str(number).encode(), usedforsecurity=False).digest()


def prepare_keys(size: int, folder: Path) -> None:
    from mixwright_runtime.store.database import attach, make_empty

    (folder / "store").mkdir()
    path = make_empty(folder / "store" / "store.duckdb")
    connection = attach(path, read_only=False)
    connection.execute(
        f"""INSERT INTO call SELECT unhex(md5(n::VARCHAR)), 1, 'p.s', 'teacher', 'fake-1',
            '{{"messages":[{{"role":"user","content":"' || repeat(md5(n::VARCHAR) || ' ', 6) || '"}}]}}',
            repeat(md5((n + 1)::VARCHAR) || ' ', 10), '', 'stop', 'ok', '', 60, 80, 0, n, '{{}}', 0, 0, 1
        FROM range({size}) AS numbers(n)"""
    )
    connection.execute("CHECKPOINT store")
    connection.close()


def keys(size: int, folder: Path) -> dict[str, Any]:
    """Find them with Python's garbage collector as a run has it; and what as many tasks cost that find nothing."""
    from mixwright_runtime.run.collecting import collecting_rarely
    from mixwright_runtime.store.store import Store

    before = time.process_time()
    sought = [key_of(n) for n in random.Random(size).sample(range(size), min(size, SOUGHT_KEYS))]

    async def find_all(store: Any) -> int:
        async def find(key: bytes) -> int:
            return len(await store.find_calls([key]))

        return sum(await asyncio.gather(*map(find, sought)))

    with collecting_rarely():
        with Store.open(folder / "store") as store:
            found = asyncio.run(find_all(store))
        spent = time.process_time() - before
        asyncio.run(bare_tasks(len(sought)))
    assert found == len(sought), (found, len(sought))
    bare = round(time.process_time() - before - spent, 2)
    return {"cpu": spent, "keys": found, "of which bare tasks CPU s": bare}


async def bare_tasks(count: int) -> None:
    """Gather tasks each of which awaits a future of its own, and nothing else."""
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(count)]

    async def waits(future: asyncio.Future[None]) -> None:
        await future

    loop.call_soon(lambda: [future.set_result(None) for future in futures])
    await asyncio.gather(*map(waits, futures))


def prepare_limit(size: int, folder: Path) -> None:
    write_parquet(size, folder)
    columns = "columns = { text = text, answer = answer }"
    write_spec(
        folder,
        PLAIN,
        source=f'parquet {{ path = "rows.parquet", {columns} }}',
        start="{ limit = 1000 }",
        steps="",
        component="plain",
        quota=1000,
    )


def limit(size: int, folder: Path) -> dict[str, Any]:
    run_spec(folder)
    return {}


def prepare_source(size: int, folder: Path) -> None:
    write_parquet(size, folder)
    write_spec(
        folder,
        PLAIN,
        source='parquet { path = "rows.parquet", license = "CC0-1.0" }',
        start="",
        steps="",
        component="texts",
        quota=f"take({min(50_000, size // 10)})",
    )


def source(size: int, folder: Path) -> dict[str, Any]:
    """Lock, plan and run, and what each took."""
    from mixwright.cli import main

    spent: dict[str, Any] = {}
    for command in ("lock", "plan"):
        before = time.process_time()
        status = main([command, str(folder / "spec.mix")])
        assert not status, (command, status)
        spent[f"{command} CPU s"] = round(time.process_time() - before, 2)
    before = time.process_time()
    run_spec(folder)
    spent["run CPU s"] = round(time.process_time() - before, 2)
    return spent


def no_data(size: int, folder: Path) -> None:
    return


def selection(size: int, folder: Path) -> dict[str, Any]:
    from mixwright_compiler.plan.plan import Component, Mixture, Origin, TakeQuota
    from mixwright_runtime.mixture import Candidates, required_rows, select
    from mixwright_runtime.values.row_ids import RowIds
    from mixwright_runtime.values.rows import digest

    origin = Origin(file="benchmark.mix", line=1, column=1)
    quota = TakeQuota(count=size // 10, balance="value")
    component = Component(rows="web", kind="source", quota=quota, origin=origin)
    mixture = Mixture(name="mix", seed=42, components=(component,), columns={}, origin=origin)
    # As a run holds them: identities one behind the other, equal values once.
    row_ids = RowIds()
    for start in range(0, size, 100_000):
        row_ids.extend(digest("benchmark", n) for n in range(start, min(start + 100_000, size)))
    names = [f"value {number:02}" for number in range(30)]
    values = [names[first % 30] for first in row_ids.view[::16]]
    candidates = {"web": Candidates(row_ids, None, {"value": values})}
    before = time.process_time()
    required_rows(mixture, candidates)
    assert len(select(mixture, candidates)) == size // 10
    return {"cpu": time.process_time() - before}


def minhash(size: int, folder: Path) -> dict[str, Any]:
    from mixwright_compiler.plan.plan import Fingerprint, Origin, Step
    from mixwright_runtime.steps.dedup import MinhashDedup
    from mixwright_runtime.values.rows import Row, source_row_id

    step = Step(
        id="dedup",
        operation="dedup.minhash",
        version=1,
        attributes={"on": "text"},
        columns={"text": "text"},
        fingerprint=Fingerprint(row="", set="", meta=""),
        origin=Origin(file="benchmark", line=1, column=1),
    )
    dedup = MinhashDedup(step, SimpleNamespace(scratch=folder))  # type: ignore[arg-type]
    cpu = 0.0
    before_rss = rss_mb()
    for start in range(0, size, 1_000):
        rows = []
        for number in range(start, start + 1_000):
            columns = {"text": text_of(number)}
            row_id = source_row_id(columns, 0)
            rows.append(Row(row_id, columns, row_id, number))
        before = time.process_time()
        dedup.keep(rows)
        cpu += time.process_time() - before
    return {"cpu": cpu, "bytes a row": round((rss_mb() - before_rss) * 1e6 / size)}


def prepare_loop(size: int, folder: Path) -> None:
    write_lines(size, folder)
    lines = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    with open(folder / "rows.jsonl", "w", encoding="utf-8") as file:
        for line in lines:
            row = json.loads(line)
            file.write(json.dumps({**row, "answer": row["text"][:40]}) + "\n")
    write_spec(
        folder,
        PLAIN,
        source='jsonl { path = "rows.jsonl", columns = { text = text, answer = answer } }',
        start="",
        steps=", dedup minhash { on = messages }",
        component="plain",
        quota="all",
    )


def loop(size: int, folder: Path) -> dict[str, Any]:
    longest = 0.0

    async def watch(run: Any) -> None:
        nonlocal longest
        while True:
            # Of this thread's own time: on a busy machine the clock goes on while nothing is done.
            before = time.thread_time()
            await asyncio.sleep(0.01)
            longest = max(longest, time.thread_time() - before)

    run_spec(folder, watch=watch)
    return {"loop held CPU s": round(longest, 3)}


def rss_mb() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


PARTS: dict[str, Part] = {
    "rerun": Part((5_000, 20_000), prepare_rerun, rerun),
    "keys": Part((100_000, 300_000), prepare_keys, keys),
    "client": Part((5_000, 20_000), prepare_client, client),
    "server": Part((5_000, 20_000), prepare_client, server),
    "limit": Part((100_000, 300_000), prepare_limit, limit),
    "source": Part((100_000, 300_000), prepare_source, source),
    "selection": Part((100_000, 1_000_000), no_data, selection),
    "minhash": Part((5_000, 20_000), no_data, minhash),
    "loop": Part((5_000, 20_000), prepare_loop, loop),
}


def measured(name: str, size: int, at: Path, more: Sequence[str] = ()) -> dict[str, Any]:
    """One part at one size: its data made in one process, and worked on in another. more: options."""
    with tempfile.TemporaryDirectory(dir=at) as folder:
        for stage in ("prepare", "work"):
            command = [
                sys.executable,
                __file__,
                name,
                "--stage",
                stage,
                "--sizes",
                str(size),
                "--at",
                folder,
                *more,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{name} at {size:,}: {stage} failed\n{done.stderr[-3000:]}")
        return json.loads(done.stdout.splitlines()[-1])


def stage_of(name: str, stage: str, size: int, folder: Path, *, is_counted: bool) -> None:
    """What a process of one stage does; the last line that it prints is its figures."""
    part = PARTS[name]
    if stage == "prepare":
        part.prepare(size, folder)
        return
    import duckdb  # noqa: F401
    import numpy  # noqa: F401

    import mixwright  # noqa: F401
    import mixwright_runtime.run.execute
    import mixwright_runtime.store.store  # noqa: F401

    if is_counted:
        with counting() as counted:
            part.work(size, folder)
        print()
        print(json.dumps({"calls": counted.calls, "scans": counted.queries * size}))
        return
    before = time.process_time()
    found = part.work(size, folder)
    cpu = found.pop("cpu", time.process_time() - before)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print()
    print(json.dumps({"cpu": round(cpu, 3), "mb": round(most), **found}))


def exponent(points: Sequence[tuple[int, float]]) -> float:
    """The slope of log(seconds) over log(size), by least squares."""
    sizes = [math.log(size) for size, _ in points]
    costs = [math.log(max(cost, 1e-3)) for _, cost in points]
    mean_size, mean_cost = sum(sizes) / len(sizes), sum(costs) / len(costs)
    spread = sum((size - mean_size) ** 2 for size in sizes)
    return sum((s - mean_size) * (c - mean_cost) for s, c in zip(sizes, costs, strict=True)) / spread


def timed(name: str, sizes: Sequence[int], at: Path) -> dict[str, float]:
    """Exponents of one part, each with what it is of; a line for each size."""
    points = []
    for size in sizes:
        found = measured(name, size, at)
        cpu, most = found.pop("cpu"), found.pop("mb")
        points.append((size, cpu))
        more = "".join(f", {what} {value:,}" for what, value in found.items())
        print(
            f"{name:10} {size:>12,} rows  {cpu:9.2f} CPU s  {cpu / size * 1e6:8.1f} us a row  {most:6,} MB{more}",
            flush=True,
        )
    return {"": exponent(points)} if len(points) > 1 else {}


def counted(name: str, sizes: Sequence[int], at: Path) -> dict[str, float]:
    """As `timed`, of what is counted. Each size is as many times the one before it: what is the same at any size, such as
    imports, goes with the difference of two."""
    found = [measured(name, size, at, ["--counted"]) for size in sizes]
    for size, counts in zip(sizes, found, strict=True):
        told = "".join(f"  {what} {count / size:10.1f} a row" for what, count in counts.items())
        print(f"{name:10} {size:>12,} rows{told}", flush=True)
    pairs = list(zip(sizes, pairwise(found), strict=False))
    return {
        f" of {what}": exponent([(size, after[what] - before[what]) for size, (before, after) in pairs])
        for what in (found[0] if len(pairs) > 1 else ())
    }


def main() -> int:
    """Print a line for each part and size; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--sizes", help="instead of the parts' own, with commas")
    parser.add_argument(
        "--counted", action="store_true", help="count calls and scanned rows instead of seconds"
    )
    parser.add_argument("--check", action="store_true", help=f"exit 1 at an exponent above {CEILING}")
    parser.add_argument("--at", type=Path, help="where data is made; a temporary folder by default")
    parser.add_argument("--stage", choices=("prepare", "work"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := [name for name in options.parts if name not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}; there are: {', '.join(PARTS)}")
    sizes = [int(size) for size in options.sizes.split(",")] if options.sizes else None
    if options.stage:
        assert sizes is not None
        stage_of(options.parts[0], options.stage, sizes[0], options.at, is_counted=options.counted)
        return 0
    steep = []
    for name in options.parts or PARTS:
        look = counted if options.counted else timed
        at = options.at or Path(tempfile.gettempdir())
        for what, slope in look(name, sizes or PARTS[name].sizes, at).items():
            print(f"{name:10} exponent{what} {slope:.2f}", flush=True)
            if slope > CEILING:
                steep.append(f"{name}{what} {slope:.2f}")
    if steep:
        print(f"above {CEILING}: {', '.join(steep)}", file=sys.stderr)
    return 1 if steep and options.check else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main())
