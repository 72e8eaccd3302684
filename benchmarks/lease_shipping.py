"""What steps over rows cost a run, and what it costs the run to have them done in leases instead.

    python benchmarks/lease_shipping.py [--rows 2000] [--at-once 500]

CPU µs a row of the run's own process, the least of several turns: doing the step, and shipping it as a job of the
workers' pool (`cluster/ranges.py`): the frame with a range is written, the value that comes back is read. What a
worker spends is not counted, nor what a lease costs by itself, which so many rows share.
"""

from __future__ import annotations

import argparse
import importlib
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.scale import text_of
from mixwright_runtime.cluster.exchanges import told_in
from mixwright_runtime.cluster.jobs import pool_job_frame, value_frame
from mixwright_runtime.mixture.rows import mixture_row
from mixwright_runtime.steps.minhash import bands_of
from mixwright_runtime.steps.ngram_ranges import ngram_work
from mixwright_runtime.steps.ngrams import NgramIndex
from mixwright_runtime.steps.sketch_ranges import Sketching, sketch_work
from mixwright_runtime.training.preview import load_tokenizer
from mixwright_runtime.training.token_ranges import token_work
from mixwright_runtime.training.tokenizer import train_tokenizer
from mixwright_runtime.values.ranges import RangeWork

TURNS = 5


def least(work: Callable[[], object], rows: int) -> float:
    """CPU µs a row."""
    found = []
    for _ in range(TURNS):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return 1e6 * min(found) / rows


def told(name: str, work: RangeWork[Any, Any], ranges: Sequence[Sequence[object]]) -> None:
    """Print what the run spends on the rows of some ranges: doing the work, and having it done."""
    rows = sum(map(len, ranges))
    module, _, function = work.function.partition(":")
    with tempfile.NamedTemporaryFile() as file:
        file.write(work.shared())
        file.flush()
        there = getattr(importlib.import_module(module), function)
        answers = [value_frame(there(file.name, work.sent(given))) for given in ranges]  # by a worker

    def ship() -> None:
        for given, answer in zip(ranges, answers, strict=True):
            pool_job_frame([work.sent(given)], 60.0, "shared")
            work.came(given, told_in(answer)[0]["value"])

    does = least(lambda: [work.here(given) for given in ranges], rows)
    ships = least(ship, rows)
    print(f"{name}: {does:.0f} µs a row to do, {ships:.0f} to ship, {ships / does:.2f} of it")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--at-once", type=int, default=500)
    arguments = parser.parse_args()
    chance = random.Random(0)
    texts = [
        text_of(number, int(min(400, chance.lognormvariate(3.7, 0.7)))) for number in range(arguments.rows)
    ]
    ranges = [texts[at : at + arguments.at_once] for at in range(0, len(texts), arguments.at_once)]
    index = NgramIndex(8)
    for number in range(5_000):
        index.add("held_out", number, [text_of(-1 - number, 60)])
    told("decontamination", ngram_work("", index.table(), lambda text: [text]), ranges)
    told("sketches", sketch_work("", Sketching(128, 0, 5, *bands_of(0.8, 128)), lambda texts: texts), ranges)
    with tempfile.TemporaryDirectory() as name:
        train_tokenizer(texts, Path(name), vocabulary=2_000, context=2_048)
        settings = SimpleNamespace(
            tokenizer=name,
            revision="",
            chat_template=None,
            new_tokens=None,
            context=2_048,
            overlong="truncate",
            learn=("answers",),
            turns="all",
        )
        work = token_work("", settings, load_tokenizer(name))  # type: ignore[arg-type]
        rows = [
            [
                mixture_row(
                    number.to_bytes(16),
                    {
                        "messages": [
                            {"role": "user", "content": text[:100]},
                            {"role": "assistant", "content": text},
                        ]
                    },
                    component="texts",
                )
                for number, text in enumerate(given)
            ]
            for given in ranges
        ]
        lengths = [len(one.tokens) for given in rows for one in work.here(given).sequences]
        told(f"tokenising, {np.mean(lengths):.0f} tokens a row", work, rows)


if __name__ == "__main__":
    main()
