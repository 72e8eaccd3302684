"""`verify math` on GSM8K: is it right, and how many pairs a second, beside math-verify alone.

    python benchmarks/math_pairs.py --data DIR [--alone N]

DIR holds `gsm8k/{train,test,example_model_solutions}.jsonl`. Printed are the share of gold answers that gold
solutions meet, the share that wrong answers made from them meet, how verdicts agree with the labels of the stored
model solutions, and pairs per CPU second of one core. math-verify alone reads the whole solution, as it is meant to
be used; `--alone` says on how many pairs it is timed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from mixwright_runtime.verifiers.math.answers import answer_in, gold_in
from mixwright_runtime.verifiers.math.equivalence import Equivalence
from mixwright_runtime.workers.pool import WorkerPool

PAIRS = Path(__file__).resolve().parents[1] / "tests" / "data" / "answer_pairs.tsv"
Pair = tuple[str, str]
"""The text with the right answer, and the solution."""


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def wrong_answers(number: str, chance: random.Random) -> list[str]:
    """Wrong answers near a right one: next to it, ten times, other sign, two digits swapped, a digit changed, cut."""
    value = float(number.replace(",", ""))
    digits = [c for c in number if c.isdigit()]
    changed = list(digits)
    at = chance.randrange(len(digits))
    changed[at] = str((int(changed[at]) + chance.randrange(1, 10)) % 10)
    made = {
        f"{value + 1:g}" if value < 1e5 else str(int(value) + 1),
        str(int(value) * 10),
        f"{value + 0.01:.2f}",
        "-" + number,
        "".join(reversed(digits)),
        "".join(changed),
        number + "0",
        f"\\frac{{{int(value)}}}{{7}}",
    }
    return [text for text in sorted(made) if not _is_same(text, value)]


def _is_same(text: str, value: float) -> bool:
    try:
        return float(text.replace(",", "")) == value
    except ValueError:
        return value == 0


async def verdicts(pairs: Sequence[Pair], pool: WorkerPool) -> list[str]:
    """`equal`, `different`, ... of each pair, as the verifier finds them."""
    equivalence = Equivalence(lambda: pool)
    found = []
    for gold, solution in pairs:
        right, answer = gold_in(gold), answer_in(solution)
        if right is None or answer is None:
            found.append("no answer")
        else:
            found.append((await equivalence.compare(gold=right, found=answer)).outcome)
    return found


def alone(pairs: Sequence[Pair]) -> list[bool]:
    """math-verify by itself, on the whole solution. Its limits are off, so that their cost is not counted."""
    from math_verify import parse, verify

    return [
        bool(
            verify(
                parse(right, parsing_timeout=None), parse(text, parsing_timeout=None), timeout_seconds=None
            )
        )
        for right, text in pairs
    ]


def share(outcomes: Sequence[str]) -> str:
    counts = Counter(outcomes)
    return f"{100 * counts['equal'] / len(outcomes):.3f} % of {len(outcomes):,} equal   {dict(counts)}"


def labelled(path: Path) -> Iterator[tuple[Pair, bool]]:
    for row in rows_of(path):
        for made in row.values():
            if isinstance(made, dict):
                yield (row["ground_truth"], made["solution"]), made["is_correct"]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--alone", type=int, default=1_000)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    asyncio.run(report(options.data / "gsm8k", options.alone))


async def report(data: Path, alone_count: int) -> None:
    pool = WorkerPool(1)
    chance = random.Random(0)
    try:
        solutions = [row["answer"] for name in ("train", "test") for row in rows_of(data / f"{name}.jsonl")]
        golds = [text.rpartition("####")[2].strip() for text in solutions]
        right = list(zip(golds, solutions, strict=True))
        print("gold solutions:  ", share(await verdicts(right, pool)))
        boxed = [(gold, f"So it is $\\boxed{{{gold}}}$.") for gold in golds]
        print("boxed:           ", share(await verdicts(boxed, pool)))
        wrong = [
            (solution, f"The answer is {answer}.")
            for gold, solution in right
            for answer in wrong_answers(gold, chance)
        ]
        print("wrong answers:   ", share(await verdicts(wrong, pool)))
        pairs_and_labels = list(labelled(data / "example_model_solutions.jsonl"))
        found = await verdicts([pair for pair, _ in pairs_and_labels], pool)
        counts = Counter(
            (outcome, label) for outcome, (_, label) in zip(found, pairs_and_labels, strict=True)
        )
        agreeing = sum(n for (outcome, label), n in counts.items() if (outcome == "equal") == label)
        print(f"model solutions:  {agreeing} of {len(found)} agree with their labels")
        for (outcome, label), count in sorted(counts.items()):
            print(f"    labelled {'right' if label else 'wrong':5}  found {outcome:10}  {count}")
        for (pair, label), outcome in zip(pairs_and_labels, found, strict=True):
            if (outcome == "equal") != label:
                print(f"    {gold_in(pair[0])!r} and {answer_in(pair[1])!r}: {outcome}, labelled {label}")

        easy = [pair for pair, _ in pairs_and_labels]
        start = time.process_time()
        await verdicts(easy, pool)
        ours = len(easy) / (time.process_time() - start)
        few = [(gold.rpartition("\n")[2], text) for gold, text in easy[:alone_count]]
        alone(few[:20])
        start = time.process_time()
        theirs_verdicts = alone(few)
        theirs = len(few) / (time.process_time() - start)
        same = sum((a == "equal") == b for a, b in zip(found, theirs_verdicts, strict=False))
        print(f"whole solutions:  {ours:,.0f} pairs per CPU second; math-verify alone {theirs:,.0f}")
        print(f"    {ours / theirs:.1f} times as many, on one core")
        print(f"    same verdict on {same} of {len(few)}")
        await by_hand(pool)
    finally:
        await pool.close()


async def by_hand(pool: WorkerPool) -> None:
    """The pairs that are labelled by hand, beside math-verify alone."""
    lines = (line for line in PAIRS.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    labelled_pairs = [line.split("\t")[:3] for line in lines]
    equivalence = Equivalence(lambda: pool)
    start = time.process_time()
    ours = [
        (await equivalence.compare(gold=gold, found=found)).outcome == "equal"
        for _, gold, found in labelled_pairs
    ]
    in_process = time.process_time() - start
    theirs = alone([(gold, f"\\boxed{{{found}}}") for _, gold, found in labelled_pairs])
    for name, verdicts_ in (("verify math", ours), ("math-verify alone", theirs)):
        labels = [verdict == "equal" for verdict, _, _ in labelled_pairs]
        wrongly = sum(is_equal and not label for is_equal, label in zip(verdicts_, labels, strict=True))
        missed = sum(label and not is_equal for is_equal, label in zip(verdicts_, labels, strict=True))
        print(f"by hand, {name:18} {len(labels)} pairs: {wrongly} false positives, {missed} false negatives")
    print(f"    {in_process:.2f} CPU seconds in the main process, workers not counted")


if __name__ == "__main__":
    main()
