"""What steps over rows cost a run, and what it would cost the run to have them done in leases instead.

    python benchmarks/lease_shipping.py [--rows 2000] [--at-once 250]

CPU µs a row of the run's own process, the least of several turns: doing the step, and shipping it as a job of the
workers' pool (`cluster/jobs.py`): the frame with the texts is written, the value that comes back is read. What a
worker spends is not counted, nor what a lease costs by itself, which so many rows share. The gradient that LESS keeps of
a row, 8,192 numbers, is only shipped: to make it takes a model.
"""

from __future__ import annotations

import argparse
import base64
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scale import text_of
from mixwright_runtime.cluster.exchanges import told_in
from mixwright_runtime.cluster.jobs import value_frame
from mixwright_runtime.cluster.protocol import frame
from mixwright_runtime.steps.minhash import BandIndex, Sketcher, bands_of
from mixwright_runtime.steps.ngrams import NgramIndex
from mixwright_runtime.training.encode import EncodingCounts, encode
from mixwright_runtime.training.tokenizer import train_tokenizer
from mixwright_runtime.values.texts import ngram_sets, tokens_of

TURNS = 5


def least(work: Callable[[], object], rows: int) -> float:
    """CPU µs a row."""
    found = []
    for _ in range(TURNS):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return 1e6 * min(found) / rows


def shipped(given: Sequence[object], value: object) -> Callable[[], object]:
    """What the run does for one job."""
    answer = value_frame(value)  # by the worker
    return lambda: (frame({"args": [given], "limit_s": 60.0}), told_in(answer))


def as_text(array: Any) -> str:
    return base64.b64encode(array.tobytes()).decode()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--at-once", type=int, default=250)
    arguments = parser.parse_args()
    chance = random.Random(0)
    texts = [
        text_of(number, int(min(400, chance.lognormvariate(3.7, 0.7)))) for number in range(arguments.rows)
    ]
    batches = [texts[at : at + arguments.at_once] for at in range(0, len(texts), arguments.at_once)]

    def told(name: str, work: Callable[[list[str]], object], value: Callable[[list[str]], object]) -> None:
        sent = [shipped(batch, value(batch)) for batch in batches]
        does = least(lambda: [work(batch) for batch in batches], len(texts))
        ships = least(lambda: [send() for send in sent], len(texts))
        print(f"{name}: {does:.0f} µs a row to do, {ships:.0f} to ship, {ships / does:.2f} of it")

    index = NgramIndex(8)
    for number in range(5_000):
        index.add("held_out", number, [text_of(-1 - number, 60)])
    told(
        "decontamination",
        lambda batch: [index.matches([text]) for text in batch],
        lambda batch: [0] * len(batch),
    )

    permutations = 128
    sketcher = Sketcher(permutations, 0)
    keys_of = BandIndex(*bands_of(0.8, permutations), scratch=None).keys

    def sketched(batch: list[str]) -> tuple[Any, Any]:
        flat, starts = ngram_sets(list(map(tokens_of, batch)), 5)
        return keys_of(sketcher.sketches(flat, starts)), flat

    told("sketches", sketched, lambda batch: [as_text(array) for array in sketched(batch)])

    with tempfile.TemporaryDirectory() as name:
        train_tokenizer(texts, Path(name), vocabulary=2_000, context=2_048)
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(name)

    def tokenised(batch: list[str]) -> list[Any]:
        rows = [
            {
                "id": str(number),
                "messages": [{"role": "user", "content": text[:100]}, {"role": "assistant", "content": text}],
            }
            for number, text in enumerate(batch)
        ]
        return list(encode(rows, tokenizer, context=2_048, overlong="truncate", counts=EncodingCounts()))

    lengths = [len(one.tokens) for one in tokenised(texts)]
    told(
        f"tokenising, {np.mean(lengths):.0f} tokens a row",
        tokenised,
        lambda batch: [[one.id, as_text(one.tokens), as_text(one.labels)] for one in tokenised(batch)],
    )
    gradients = as_text(np.zeros((arguments.at_once, 8_192), dtype=np.float16))
    each = least(shipped(list(range(arguments.at_once)), gradients), arguments.at_once)
    print(f"a gradient of LESS: {each:.0f} µs a row to ship")


if __name__ == "__main__":
    main()
