"""What a row costs the process that a run is, when it asks a server itself and when workers of this machine do.

    python benchmarks/cluster_cost.py [--rows 2000,10000] [--lease 128]

CPU seconds of the run's own process at two sizes; the cost of a row is the slope between them, so that starting counts
for nothing. The server is a process of its own (`fake_server.py`) and answers at once; what workers spend is not counted.
The last line is what a vector costs to travel, as bytes and as the base64 in JSON that it was before.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SPEC = """\
edition 2026
source texts jsonl {{ path = "rows.jsonl", columns = {{ text = text }} }}
model teacher openai {{ base_url = "http://127.0.0.1:{port}/v1", model = "fake", max_in_flight = 512 }}
template ask {{ user = "Rewrite: {{{{ text }}}}" }}
pipeline rewritten {{
  from texts
  generate answer {{ prompt = ask, model = teacher, max_tokens = 512 }}
  chat {{ user = text, assistant = answer }}
}}
mixture all {{ seed = 1, rewritten = {rows} }}
"""


def run_once(rows: int, port: int, cluster: str, lease: int) -> None:
    """Print the CPU seconds of a run of so many rows in this process, and the items of a lease."""
    sys.path[:0] = [str(ROOT), *(str(ROOT / part) for part in ("dsl", "compiler", "runtime"))]
    import mixwright
    from benchmarks.scale import text_of
    from mixwright_runtime.cluster.durations import LeasePolicy
    from mixwright_runtime.run.execute import run_plan
    from mixwright_runtime.run.run import RunOptions
    from mixwright_runtime.store.store import Store

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = (json.dumps({"text": text_of(number)}) + "\n" for number in range(rows))
        (folder / "rows.jsonl").write_text("".join(texts), encoding="utf-8")
        (folder / "spec.mix").write_text(SPEC.format(port=port, rows=rows), encoding="utf-8")
        plan = mixwright.plan(folder / "spec.mix")
        options = RunOptions(exports=False, cluster=cluster, leases=LeasePolicy(least=lease, most=lease))
        with Store.open(folder / "store") as store:
            began = time.process_time()
            report = run_plan(plan, store=store, options=options)
            spent = time.process_time() - began
    assert report.status == "done", report.messages
    leases = report.summary["cluster"]["leases"] if cluster else {"items": 1, "leases": 1}
    print(json.dumps([spent, leases["items"] / leases["leases"]]))


def cost(cluster: str, sizes: list[int], port: int, lease: int) -> tuple[float, float]:
    """Microseconds a row, and items a lease at the larger size."""
    found = []
    for rows in sizes:
        command = [sys.executable, __file__, "--once", f"{rows},{port},{lease}", "--cluster", cluster]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found.append(json.loads(out.splitlines()[-1]))
    return 1e6 * (found[-1][0] - found[0][0]) / (sizes[-1] - sizes[0]), found[-1][1]


def each_us(work: Callable[[], object], times: int = 2_000) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return 1e6 * (time.process_time() - began) / times


def vectors() -> str:
    """What 1,024 numbers cost, there and back."""
    sys.path[:0] = [str(ROOT), *(str(ROOT / part) for part in ("dsl", "compiler", "runtime"))]
    import numpy as np

    from mixwright_runtime.cluster.exchanges import answer_frame, engine_answer
    from mixwright_runtime.engines.protocol import Vectors

    numbers = np.random.default_rng(0).random((1, 1024), dtype=np.float32)
    answer = Vectors(numbers, 10)

    def as_json() -> object:
        rows = {"vectors": base64.b64encode(numbers.tobytes()).decode(), "shape": [1, 1024], "tokens": 10}
        found = json.loads(json.dumps(rows).encode())
        return np.frombuffer(base64.b64decode(found["vectors"]), dtype="<f4").reshape(found["shape"])

    sizes = len(answer_frame("embed", answer)), len(base64.b64encode(numbers.tobytes()))
    now, before = each_us(lambda: engine_answer("embed", answer_frame("embed", answer))), each_us(as_json)
    return f"a vector of 1,024: {now:.0f} µs and {sizes[0]:,} B as bytes, {before:.0f} µs and {sizes[1]:,} B as base64"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default="2000,10000")
    parser.add_argument("--lease", type=int, default=128)
    parser.add_argument("--once", help=argparse.SUPPRESS)
    parser.add_argument("--cluster", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        rows, port, lease = map(int, arguments.once.split(","))
        run_once(rows, port, arguments.cluster, lease)
        return
    command = [sys.executable, str(ROOT / "benchmarks" / "fake_server.py"), "--latency-ms", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().split()[1])
        sizes = [int(size) for size in arguments.rows.split(",")]
        alone, _ = cost("", sizes, port, arguments.lease)
        leased, items = cost("local:2", sizes, port, arguments.lease)
    finally:
        server.terminate()
        server.wait()
    print(f"the run's own process, µs of CPU a row: {alone:.0f} alone, {leased:.0f} with local:2")
    print(f"ratio {alone / leased:.2f}; {items:.0f} items a lease")
    print(vectors())


if __name__ == "__main__":
    main()
