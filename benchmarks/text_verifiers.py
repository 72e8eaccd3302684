"""Verifiers of text on real rows: CPU time of each beside what a user would use instead, and how often each is right.

    python benchmarks/text_verifiers.py --data DIR      DIR: a folder with alpaca/, alpaca_zh/ and coconot/

- schema: JSON written by no model, plain and after reasoning, beside `json.loads` and a compiled `jsonschema` validator
  where that is installed
- repetition: answers of Alpaca, beside duplicate 10-grams as they are usually counted (joined texts in a dictionary)
- truncation: whole answers, and the same cut at a random place, beside `does it end with a full stop`
- refusal: answers labelled by hand (`refusal_labels.json`, by id), beside a search for the usual phrases
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from mixwright_runtime.values.json_in_text import last_json
from mixwright_runtime.values.json_schema import compiled_schema
from mixwright_runtime.verifiers.text.endings import signs_of_cutting
from mixwright_runtime.verifiers.text.refusals import refusal_in
from mixwright_runtime.verifiers.text.repeats import repeats_of

LABELS = Path(__file__).with_name("refusal_labels.json")
SCHEMA = {
    "type": "object",
    "properties": {
        "instruction": {"type": "string", "minLength": 1},
        "input": {"type": "string"},
        "output": {"type": "string"},
        "id": {"type": "integer", "minimum": 0},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
    },
    "required": ["instruction", "output", "id"],
}
PHRASES = (
    *(
        "i'm sorry",
        "i am sorry",
        "i apologize",
        "i cannot",
        "i can't",
        "i'm unable",
        "i am unable",
        "i'm not able",
    ),
    *("as an ai", "as a language model", "i won't", "not appropriate", "抱歉", "对不起", "我无法", "我不能"),
)
"""What a search for refusals usually looks for, anywhere in the answer."""
WHOLE_CHARACTERS, WHOLE_CHARACTERS_ZH = 200, 80
"""Shorter answers are titles and single words."""


def cpu_us(work: Callable[[Any], Any], items: Sequence[Any]) -> tuple[float, list[Any]]:
    """CPU microseconds an item, and the results."""
    before = time.process_time()
    results = [work(item) for item in items]
    return (time.process_time() - before) / len(items) * 1e6, results


def beside(name: str, ours: float, other: str, theirs: float) -> None:
    print(f"  {name} {ours:8.2f} us   {other} {theirs:8.2f} us   ratio {theirs / ours:.2f}")


def schema(rows: list[dict[str, Any]]) -> None:
    print(f"schema, {len(rows):,} objects")
    values = [{**row, "id": i, "tags": ["a", "b"]} for i, row in enumerate(rows)]
    plain = [json.dumps(value) for value in values]
    reasoned = [f"Let me think {{about}} it.\n```json\n{text}\n```\nThat is [1]." for text in plain]
    ours = compiled_schema(SCHEMA, "benchmark")
    parsing, parsed = cpu_us(json.loads, plain)
    validating, verdicts = cpu_us(ours.is_valid, parsed)
    whole, found = cpu_us(lambda text: ours.is_valid(last_json(text, SCHEMA)), plain)
    fenced, found_fenced = cpu_us(lambda text: ours.is_valid(last_json(text, SCHEMA)), reasoned)
    assert verdicts == found == found_fenced
    print(f"  json.loads alone {parsing:.2f} us; after reasoning, in a fence {fenced:.2f} us")
    if importlib.util.find_spec("jsonschema") is None:
        print("  (jsonschema is not installed)")
        return
    from jsonschema import Draft202012Validator

    peer = Draft202012Validator(SCHEMA)
    theirs, theirs_found = cpu_us(peer.is_valid, parsed)
    assert theirs_found == verdicts
    beside("validating", validating, "jsonschema", theirs)
    beside("finding, parsing and validating", whole, "json.loads and jsonschema", parsing + theirs)


def usual_repetition(text: str) -> float:
    """Share of characters in duplicate 10-grams, with joined texts in a dictionary."""
    words = text.split()
    seen: dict[str, int] = {}
    repeated: set[int] = set()
    for i in range(len(words) - 9):
        gram = " ".join(words[i : i + 10])
        if gram in seen:
            repeated.update(range(i, i + 10))
        seen[gram] = i
    return sum(len(words[i]) for i in repeated) / max(1, sum(map(len, words)))


def repetition(texts: list[str]) -> None:
    print(f"repetition, {len(texts):,} answers")
    ours, found = cpu_us(lambda text: repeats_of(text, 10), texts)
    theirs, usual = cpu_us(usual_repetition, texts)
    beside("all three measures", ours, "duplicate 10-grams alone", theirs)
    shares = [repeats.share for repeats in found if repeats is not None]
    for bound in (0.1, 0.2, 0.3):
        print(
            f"  above {bound}: {sum(share > bound for share in shares) / len(texts):.2%} "
            f"(10-grams alone {sum(share > bound for share in usual) / len(texts):.2%})"
        )


def ends_without_stop(text: str) -> bool:
    return text.rstrip()[-1:] not in ".!?。！？\"'”’)"


def truncation(name: str, texts: list[str], rng: random.Random) -> None:
    cut = [text[: rng.randrange(len(text) // 3, len(text) - 5)] for text in texts]
    ours, whole_found = cpu_us(signs_of_cutting, texts)
    _, cut_found = cpu_us(signs_of_cutting, cut)
    print(f"truncation, {name}: {len(texts):,} answers, {ours:.1f} us each")

    def share(found: Iterable[Any], fails: Callable[[Any], bool]) -> float:
        return sum(map(fails, found)) / len(texts)

    def cut_off(signs: Any) -> bool:
        return bool(signs) and signs[0].score > 0.5

    print(
        f"  taken for cut off: whole {share(whole_found, cut_off):.2%}, cut {share(cut_found, cut_off):.1%}"
    )
    print(
        f"  no full stop at the end: whole {share(texts, ends_without_stop):.2%}, "
        f"cut {share(cut, ends_without_stop):.1%}"
    )


def refusal(pairs: list[dict[str, Any]], others: dict[str, list[str]]) -> None:
    answers = {f"{row['id']}.{side}": str(row[side]) for row in pairs for side in ("chosen", "rejected")}

    def phrases(text: str) -> bool:
        folded = text.lower()
        return any(phrase in folded for phrase in PHRASES)

    print("refusal")
    for part, labels in json.loads(LABELS.read_text(encoding="utf-8")).items():
        wanted = [label == "refuses" for label in labels.values()]
        texts = [answers[name] for name in labels]
        for method, work in (("verifier", lambda t: refusal_in(t).score >= 0.5), ("phrases", phrases)):
            found = [work(text) for text in texts]
            right = sum(f and w for f, w in zip(found, wanted, strict=True))
            print(
                f"  {part}, {method}: precision {right / max(1, sum(found)):.2f}, "
                f"recall {right / sum(wanted):.2f} of {sum(wanted)} refusals among {len(wanted)}"
            )
    for name, texts in others.items():
        ours, found = cpu_us(lambda text: refusal_in(text).score >= 0.5, texts)
        theirs, usual = cpu_us(phrases, texts)
        beside(f"{name}, {len(texts):,} answers:", ours, "phrases", theirs)
        print(f"  called refusals: {sum(found)} (phrases {sum(usual)})")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    data: Path = parser.parse_args().data
    rng = random.Random(0)
    rows = [json.loads(line) for line in (data / "alpaca/alpaca_data_52k.jsonl").open(encoding="utf-8")]
    english = [text for row in rows if isinstance(text := row["output"], str) and text.strip()]
    chinese = []
    for file in sorted((data / "alpaca_zh").glob("alpaca_zh_*.json")):
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except json.JSONDecodeError:
            continue  # one shard is cut off in its source
        chinese += [text for row in found if isinstance(text := row.get("output"), str) and text.strip()]
    pairs = [json.loads(line) for line in (data / "coconot/coconot_pref.jsonl").open(encoding="utf-8")]
    schema(
        [
            {name: str(row.get(name) or "") for name in ("instruction", "input", "output")}
            for row in rows[:20_000]
        ]
    )
    repetition(english)
    stripped = [text.strip() for text in english]
    truncation("Alpaca", [text for text in stripped if len(text) >= WHOLE_CHARACTERS], rng)
    stripped = [text.strip() for text in chinese]
    truncation("Chinese Alpaca", [text for text in stripped if len(text) >= WHOLE_CHARACTERS_ZH], rng)
    refusal(pairs, {"Alpaca": english, "Chinese Alpaca": chinese})


if __name__ == "__main__":
    main()
