"""What starting long rows first saves, on a server that takes longer for longer prompts.

    python benchmarks/order_speed.py [--rows 400] [--in-flight 32] [--waves 4]

The same rows run in start order and longest first, against `fake_server.py`, with prompts of log-normal length. Each
figure is the wall time of the fastest of three runs; rows that a quota asks for end once a wave. With `unrelated` the
server's time does not depend on the prompt: the order must then cost nothing. The rows that come out are compared.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

from fake_server import ThreadedServer

import mixwright
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import Run, RunOptions
from mixwright_runtime.store.store import Store

SPEC = """\
edition 2026
source texts jsonl {{ path = "rows.jsonl", columns = {{ text = text }} }}
model teacher openai {{ base_url = "{url}", model = "fake", max_in_flight = {in_flight} }}
template ask {{ user = "Rewrite: {{{{ text }}}}" }}
pipeline rewritten {{
  from texts
  generate answer {{ prompt = ask, model = teacher, max_tokens = 4096 }}
  chat {{ user = text, assistant = answer }}
}}
mixture all {{ seed = 1, rewritten = {rows} }}
"""


def timed(spec: Path, *, waves: int, rows: int) -> tuple[float, list[tuple]]:
    """Seconds of one run into a new store, and what it kept."""
    from mixwright_runtime.run.waves import PipelineRun

    PipelineRun.next_wave = lambda run, missing: -(-rows // waves)  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as directory:
        store = Store.open(Path(directory) / "store")
        plan = mixwright.plan(spec)
        start = time.monotonic()
        run_plan(plan, store=store, options=RunOptions(exports=False))
        seconds = time.monotonic() - start
        kept = store.sql("SELECT position, columns FROM row_outcome ORDER BY position")
        store.close()
    return seconds, kept


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--waves", type=int, default=4)
    options = parser.parse_args()
    chance = random.Random(1)
    ordered = Run._order
    with tempfile.TemporaryDirectory() as directory, ThreadedServer(text="ok ") as server:
        lengths = [int(min(4_000, chance.lognormvariate(5.5, 0.9))) for _ in range(options.rows)]
        (Path(directory) / "rows.jsonl").write_text(
            "".join(
                json.dumps({"n": n, "text": f"{n:06}" + "x" * size}) + "\n" for n, size in enumerate(lengths)
            )
        )
        spec = Path(directory) / "spec.mix"
        spec.write_text(SPEC.format(url=server.url, in_flight=options.in_flight, rows=options.rows))
        for name, script in (
            ("by length", {"latency_ms": 5, "latency_ms_per_character": 0.5}),
            ("unrelated", {"latency_ms": 100}),
        ):
            server.fake.use(script)
            runs: dict[str, list] = {"start order": [], "longest first": []}
            for _ in range(3):
                for order, made in (("longest first", ordered), ("start order", lambda *_: None)):
                    Run._order = made  # type: ignore[method-assign]
                    runs[order].append(timed(spec, waves=options.waves, rows=options.rows))
            found = {order: min(timings, key=lambda run: run[0]) for order, timings in runs.items()}
            (plain, rows), (first, same) = found["start order"], found["longest first"]
            assert rows == same, "the order changed what came out"
            total = sum(
                script["latency_ms"] + script.get("latency_ms_per_character", 0) * (n + 15) for n in lengths
            )
            bound = total / 1000 / options.in_flight
            print(
                f"{name:10} start order {plain:6.2f} s, longest first {first:6.2f} s: {plain / first:.2f} times as fast; "
                f"no order can do it under {bound:.2f} s"
            )


if __name__ == "__main__":
    main()
