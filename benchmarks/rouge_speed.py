"""ROUGE-L dedup of a file of instructions: CPU seconds and pairs, beside `rouge_score` on a sample of the pairs.

    python benchmarks/rouge_speed.py INSTRUCTIONS.jsonl --seeds SEEDS.jsonl --rows 52002

Both files have a text `instruction` in each line. Without the package `rouge_score` its column is left out; with it the
F-measures of random pairs must be equal.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

from mixwright_runtime.steps.rouge_index import RougeIndex, lcs_length, rouge_tokens

PAIRS = 2_000


def instructions(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [text for line in lines if (text := json.loads(line).get("instruction"))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", type=Path)
    parser.add_argument("--rows", type=int, default=52_002)
    parser.add_argument("--threshold", type=float, default=0.7)
    arguments = parser.parse_args()
    seeds = instructions(arguments.seeds) if arguments.seeds else []
    texts = instructions(arguments.file)[: arguments.rows]
    index = RougeIndex(arguments.threshold)
    for text in seeds:
        index.add(rouge_tokens(text, "words"))
    dropped = pairs = 0
    began = time.process_time()
    for text in texts:
        tokens = rouge_tokens(text, "words")
        pairs += len(index)
        if index.above(tokens):
            dropped += 1
        else:
            index.add(tokens)
    seconds = time.process_time() - began
    print(f"{len(texts):,} rows against {len(seeds):,} seeds and each other: {dropped:,} dropped")
    print(
        f"{pairs:,} pairs, {index.compared:,} computed, {seconds:.1f} CPU s, {pairs / seconds:,.0f} pairs/s"
    )
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        print("rouge_score is not installed: nothing to compare with")
        return
    chance = random.Random(1)
    sample = [(chance.choice(texts), chance.choice(texts)) for _ in range(PAIRS)]
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    began = time.process_time()
    theirs = [scorer.score(first, second)["rougeL"].fmeasure for first, second in sample]
    their_seconds = time.process_time() - began
    differing = 0
    for (first, second), expected in zip(sample, theirs, strict=True):
        a, b = rouge_tokens(first, "words"), rouge_tokens(second, "words")
        measured = 2 * lcs_length(a, b) / (len(a) + len(b)) if a and b else 0.0
        differing += abs(measured - expected) > 1e-12
    ratio = pairs / seconds / (PAIRS / their_seconds)
    print(
        f"rouge_score: {PAIRS / their_seconds:,.0f} pairs/s (this is {ratio:,.0f}x); {differing} of {PAIRS:,} differ"
    )


if __name__ == "__main__":
    main()
