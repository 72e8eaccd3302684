"""What table steps of whole runs hold and cost: `select diverse`, `cluster`, `dedup semantic` and `select deita`.

    python benchmarks/table_memory.py [STEP ...] [--rows 1000000] [--groups 20000] [--stored] [--at DIR]

Each step is a run of its own in a process of its own, over a Parquet file of so many rows (a text of about 350
characters, two to four tags, a score) and a model in the process that gives each text a vector of 384 numbers. The
vectors lie around so many centres, those of one within the bound of each other: a row is compared with as many as there
are groups. All runs have one store, so that vectors are made by the first that wants them and read by the others; with
`--stored` they are there before the first, in an order of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SIZE = 384
STEPS = {
    "diverse": "select diverse { by = tags, count = 10k }",
    "cluster": "cluster group { on = text, model = embedder, min = 0.95 }",
    "semantic": "dedup semantic { on = text, model = embedder, distance = 0.05 }",
    "deita": "select deita { by = score, on = text, model = embedder, count = 50k }",
}

SPEC = """\
edition 2026
source texts parquet { path = "rows.parquet", columns = { text = text, tags = tags, score = score } }
model embedder openai { base_url = "http://127.0.0.1:9/v1", model = "fake", task = embed, max_in_flight = 8 }
pipeline tabled {
  from texts
  STEP
  chat { user = text, assistant = text }
}
mixture all { seed = 1, tabled = all }
"""


class Vectors:
    """An engine in this process: the vector of a text is the centre that its number says, moved a little."""

    slots = 8

    def __init__(self, groups: int) -> None:
        self._groups = groups

    async def start(self) -> None:
        return

    async def embed(self, request: Any) -> Any:
        import numpy as np

        from mixwright_runtime.engines.protocol import Vectors as Found

        await asyncio.sleep(0)
        numbers = [int(text.split()[1]) for text in request.texts]
        vectors = np.stack([self._vector(number) for number in numbers])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Found(vectors.astype(np.float32), 60 * len(numbers))

    def _vector(self, number: int) -> Any:
        import numpy as np

        centre = np.random.default_rng(number % self._groups).standard_normal(SIZE)
        return centre + 0.1 * np.random.default_rng(number).standard_normal(SIZE)

    async def close(self) -> None:
        return


def write_rows(rows: int, folder: Path) -> None:
    """`rows.parquet`."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1, "memory_limit": "1GB"})
    connection.execute(
        f"""COPY (SELECT 'question ' || n || repeat(' ' || md5(n::VARCHAR), 10) AS text,
            ['tag ' || (n % 997), 'tag ' || (n % 1009), 'tag ' || (n % 89)][: 2 + (n % 3)::INT] AS tags,
            (hash(n) % 1000000) / 1e6::DOUBLE AS score
            FROM range({rows}) AS numbers(n))
        TO '{folder / "rows.parquet"}' (FORMAT parquet, ROW_GROUP_SIZE 122880)"""
    )
    connection.close()


def store_vectors(rows: int, groups: int, folder: Path) -> None:
    """The vector of each row's text into the store, in random order."""
    import duckdb
    import numpy as np

    import mixwright
    from mixwright_runtime.calls.keys import vector_key
    from mixwright_runtime.engines.measured import unit_vectors, vector_text
    from mixwright_runtime.store.records import CallRecord
    from mixwright_runtime.store.store import Store

    spec = folder / "stored.mix"
    spec.write_text(SPEC.replace("STEP", STEPS["deita"]), encoding="utf-8")
    model = mixwright.plan(spec).models["embedder"]
    chance = np.random.default_rng(0)
    centres = chance.standard_normal((groups, SIZE))
    texts = duckdb.read_parquet(str(folder / "rows.parquet")).select("text").fetchnumpy()["text"]
    with Store.open(folder / "store") as store:
        for text in map(str, chance.permutation(texts)):
            moved = centres[int(text.split()[1]) % groups] + 0.1 * chance.standard_normal(SIZE)
            [vector] = unit_vectors(moved[None], "vectors")
            store.put_call(
                CallRecord(
                    key=vector_key(model.identity, text),
                    run_id=0,
                    node="tabled.deita",
                    model="embedder",
                    identity=model.identity,
                    request="{}",
                    text=vector_text(vector),
                    reasoning="",
                    finish="stop",
                    status="ok",
                )
            )


def work(name: str, rows: int, groups: int, folder: Path) -> None:
    """One run; the last line that is printed are its figures."""
    import mixwright
    from mixwright_runtime.run.execute import run_plan
    from mixwright_runtime.run.run import RunOptions
    from mixwright_runtime.store.store import Store

    spec = folder / f"{name}.mix"
    spec.write_text(SPEC.replace("STEP", STEPS[name]), encoding="utf-8")
    plan = mixwright.plan(spec)
    before = time.process_time()
    with Store.open(folder / "store") as store:
        engines = {"embedder": Vectors(groups)} if plan.models else {}
        report = run_plan(plan, store=store, options=RunOptions(exports=False), engines=engines)
    assert report.status == "done", report
    spent = time.process_time() - before
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": round(spent, 1), "us a row": round(spent / rows * 1e6), "mb": round(most)}))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(STEPS)}; all by default")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--groups", type=int, default=20_000)
    parser.add_argument(
        "--stored", action="store_true", help="the vectors are in the store before the first run"
    )
    parser.add_argument("--at", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    names = given.steps or list(STEPS)
    if given.inside:
        work(names[0], given.rows, given.groups, given.inside)
        return 0
    with tempfile.TemporaryDirectory(dir=given.at) as folder:
        write_rows(given.rows, Path(folder))
        if given.stored:
            store_vectors(given.rows, given.groups, Path(folder))
        for name in names:
            sizes = ["--rows", str(given.rows), "--groups", str(given.groups)]
            command = [sys.executable, __file__, name, *sizes, "--inside", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{name}: failed\n{done.stderr[-3000:]}")
            print(f"{name:10} {given.rows:>10,} rows  {done.stdout.splitlines()[-1]}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
