"""What a small job in a killable worker costs, beside concurrent.futures (which can neither kill nor time out a job).

    python benchmarks/workers_speed.py [--jobs 20000]

CPU time of this process and its children, so the figures hold on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from concurrent.futures import ProcessPoolExecutor
from json import loads

from mixwright_runtime.workers.pool import WorkerPool


def cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


async def mixwright(texts: list[str], *, together: bool) -> None:
    pool = WorkerPool(1, jobs_per_worker=1_000_000)
    try:
        if together:
            await pool.run_many("json:loads", [[text] for text in texts], 5)
        else:
            await asyncio.gather(*(pool.run("json:loads", [text], 5) for text in texts))
    finally:
        await pool.close()


def futures(texts: list[str], chunk: int) -> None:
    with ProcessPoolExecutor(1) as pool:
        list(pool.map(loads, texts, chunksize=chunk))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    jobs = parser.parse_args().jobs
    texts = [f'{{"answer": {n}}}' for n in range(jobs)]
    ways = {
        "WorkerPool.run_many": lambda: asyncio.run(mixwright(texts, together=True)),
        "WorkerPool.run": lambda: asyncio.run(mixwright(texts, together=False)),
        "ProcessPoolExecutor.map": lambda: futures(texts, 1),
        "ProcessPoolExecutor.map, chunks of 64": lambda: futures(texts, 64),
    }
    found = {}
    for name, work in ways.items():
        before, began = cpu_s(), time.perf_counter()
        work()
        found[name] = cpu_s() - before
        wall = time.perf_counter() - began
        print(f"{name:40} {found[name] / jobs * 1e6:7.1f} us CPU a job, {jobs / wall:9,.0f} jobs/s")
    print(
        f"ratio to ProcessPoolExecutor.map: {found['ProcessPoolExecutor.map'] / found['WorkerPool.run_many']:.1f}x less"
    )


if __name__ == "__main__":
    main()
