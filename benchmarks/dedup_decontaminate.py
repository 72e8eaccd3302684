"""Near-duplicate removal and decontamination on real rows: recall against brute force, rows a second, memory.

    python benchmarks/dedup_decontaminate.py --rows alpaca.jsonl --text instruction --text output \\
        --evaluation gsm8k_test.jsonl --evaluation-text question

Copies of some rows with a few words changed are planted, and some evaluation rows are hidden in longer rows. Printed
are the planted pairs that reach the threshold and how many of them were found, and, with `--peer`, the ratio of CPU
seconds to `datasketch` on the same shingles, when that is installed.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from mixwright_compiler.plan.plan import Fingerprint, Origin, Step
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Keep
from mixwright_runtime.steps.decontaminate import NgramDecontamination
from mixwright_runtime.steps.dedup import ExactDedup, MinhashDedup
from mixwright_runtime.steps.minhash import jaccard
from mixwright_runtime.values.rows import Dropped, Row, source_row_id
from mixwright_runtime.values.texts import ngram_hashes, tokens_of

THRESHOLD, NGRAM = 0.8, 5


def step(operation: str, attributes: dict[str, Any]) -> Step:
    return Step(
        id=operation,
        operation=operation,
        version=1,
        attributes=attributes,
        columns={"text": "text"},
        fingerprint=Fingerprint(row="", set="", meta=""),
        origin=Origin(file="benchmark", line=1, column=1),
    )


def context(rows: dict[str, list[dict[str, Any]]]) -> StepContext:
    return StepContext(
        plan=None,  # type: ignore[arg-type]
        directory=Path(),
        seed=0,
        expression=None,  # type: ignore[arg-type]
        template=None,  # type: ignore[arg-type]
        calls=None,  # type: ignore[arg-type]
        workers=lambda: None,
        rows_of=lambda name: rows[name],
    )


def rows_of(texts: list[str]) -> list[Row]:
    ids = [source_row_id({"text": text}, i) for i, text in enumerate(texts)]
    return [Row(i, {"text": t}, i, n) for n, (i, t) in enumerate(zip(ids, texts, strict=True))]


def edited(text: str, chance: random.Random) -> str:
    """The text with one word in about forty replaced."""
    words = text.split()
    for _ in range(max(1, len(words) // 40)):
        words[chance.randrange(len(words))] = "replaced"
    return " ".join(words)


def texts_in(path: Path, columns: list[str]) -> list[str]:
    with path.open(encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines if line.strip()]
    return ["\n".join(str(row.get(column) or "") for column in columns) for row in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=Path, required=True, help="JSON Lines of rows")
    parser.add_argument(
        "--text", action="append", required=True, help="column to compare; several are joined"
    )
    parser.add_argument("--evaluation", type=Path, required=True, help="JSON Lines of evaluation rows")
    parser.add_argument("--evaluation-text", default="question")
    parser.add_argument("--planted", type=int, default=1_000)
    parser.add_argument("--peer", action="store_true", help="also measure datasketch")
    options = parser.parse_args()
    chance = random.Random(0)

    texts = [text for text in texts_in(options.rows, options.text) if text.strip()]
    originals = [i for i, text in enumerate(texts) if len(text.split()) >= 20]
    originals = chance.sample(originals, min(options.planted, len(originals)))
    copies = [edited(texts[i], chance) for i in originals]
    everything = rows_of(texts + copies)

    def shingles(text: str) -> Any:
        tokens = tokens_of(text) or [text]
        return np.unique(ngram_hashes(tokens, min(NGRAM, len(tokens))))

    similar = {
        len(texts) + n
        for n, (i, copy) in enumerate(zip(originals, copies, strict=True))
        if jaccard(shingles(texts[i]), shingles(copy)) >= THRESHOLD
    }

    timed("dedup exact", ExactDedup(step("dedup.exact", {"on": "text"}), context({})), everything)
    attributes = {"on": "text", "threshold": THRESHOLD, "ngram": NGRAM, "permutations": 128, "seed": 1}
    minhash = MinhashDedup(step("dedup.minhash", attributes), context({}))
    decided, used_s = timed("dedup minhash", minhash, everything)
    removed = {i for i, result in enumerate(decided) if isinstance(result, Dropped)}
    print(f"  planted pairs at or above {THRESHOLD}: {len(similar)}, found {len(similar & removed)}")
    print(f"  removed before the planted copies: {sum(i < len(texts) for i in removed)}")
    if options.peer:
        peer_s = datasketch_cpu_s(texts + copies)
        print(f"  datasketch: {peer_s:.1f} CPU s, {peer_s / used_s:.1f} times ours")

    evaluation = texts_in(options.evaluation, [options.evaluation_text])
    hidden = chance.sample(range(len(evaluation)), min(200, len(evaluation)))
    bait = [f"{texts[n]}\n{evaluation[i]}\n{texts[n + 1]}" for n, i in enumerate(hidden)]
    sets = {"evaluation": [{"text": text} for text in evaluation]}
    attributes = {"against": ["evaluation"], "n": 8, "overlap": 0.5}
    clean = NgramDecontamination(step("decontaminate.ngram", attributes), context(sets))
    clean.report()  # builds the index outside the measured time
    decided, _ = timed("decontaminate ngram", clean, rows_of(texts + bait))
    found = sum(isinstance(result, Dropped) for result in decided[len(texts) :])
    others = sum(isinstance(result, Dropped) for result in decided[: len(texts)])
    print(f"  hidden evaluation rows: {len(bait)}, found {found}; rows removed besides: {others}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def timed(name: str, built: Any, rows: list[Row]) -> tuple[list[Row | Dropped], float]:
    began = time.process_time()
    decided = built.keep(rows) if isinstance(built, Keep) else [built.apply(row) for row in rows]
    used_s = time.process_time() - began
    removed = sum(isinstance(result, Dropped) for result in decided)
    print(
        f"{name}: {len(rows)} rows, {removed} removed, {used_s:.2f} CPU s, {len(rows) / used_s:,.0f} rows/s"
    )
    return decided, used_s


def datasketch_cpu_s(texts: list[str]) -> float:
    from datasketch import MinHash, MinHashLSH

    began = time.process_time()
    index = MinHashLSH(threshold=THRESHOLD, num_perm=128)
    for number, text in enumerate(texts):
        tokens = tokens_of(text) or [text]
        size = min(NGRAM, len(tokens))
        sketch = MinHash(num_perm=128)
        sketch.update_batch([" ".join(tokens[i : i + size]).encode() for i in range(len(tokens) - size + 1)])
        if not index.query(sketch):
            index.insert(str(number), sketch)
    return time.process_time() - began


if __name__ == "__main__":
    main()
