"""IFEval and IFBench verdicts beside those of the published checkers, and what one response costs.

    python benchmarks/ifeval_parity.py --data DIR [--nltk-data] [--google DIR]

DIR has `ifeval/` and `ifbench/` with prompts, published responses and the verdicts of the original checkers for half of
them. With `--nltk-data` English sentences and first words go by NLTK's parameters in the user's nltk_data. For the
cost, Google's checkers run beside ours where they are: in `--google DIR` (the folder that has
`instruction_following_eval/`), or the copy in an installed `lm_eval`; they need nltk's `punkt_tab`.

Exit status 1 when a verdict of IFEval differs from a deterministic one of the original.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
import time
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mixwright_compiler.catalog.constraint_kinds import Constraint
from mixwright_runtime.verifiers.constraints.check import check
from mixwright_runtime.verifiers.constraints.text import Rules, variants

PUBLISHED = "415 / 696 / 429 / 712 without the two random verdicts, 417 / 698 / 431 / 714 with both"
ROUNDS = 5
"""The fastest of so many rounds is the cost: others had the machine to share."""

Item = tuple[str, str, list[Constraint]]
"""Key, response, constraints."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--google", type=Path, help="the folder that has instruction_following_eval/")
    parser.add_argument("--nltk-data", action="store_true", help="parameters out of the user's nltk_data")
    options = parser.parse_args()
    rules = Rules(is_original=True, uses_nltk=options.nltk_data)

    items = list(ifeval_items(options.data / "ifeval"))
    differing = compared("IFEval", items, options.data / "ifeval", rules)
    print(f"  published: {PUBLISHED}")
    compared("IFBench", list(ifbench_items(options.data / "ifbench")), options.data / "ifbench", rules)

    cost(items, rules, google_registry(options.google))
    return 1 if differing else 0


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def ifeval_items(directory: Path) -> Iterator[Item]:
    """Prompts and responses, joined by position: the text of one prompt was edited after the model had answered."""
    responses = rows_of(directory / "input_response_data_gpt4_20231107_145030.jsonl")
    for row, answered in zip(rows_of(directory / "input_data.jsonl"), responses, strict=True):
        yield str(row["key"]), answered["response"], constraints_of(row)


def ifbench_items(directory: Path) -> Iterator[Item]:
    """Prompts and responses, joined by the prompt's text, white space at its ends aside; some were not answered."""
    responses = {row["prompt"].strip(): row["response"] for row in rows_of(directory / "sample_output.jsonl")}
    for row in rows_of(directory / "IFBench_test.jsonl"):
        if row["prompt"].strip() in responses:
            yield str(row["key"]), responses[row["prompt"].strip()], constraints_of(row)


def constraints_of(row: dict[str, Any]) -> list[Constraint]:
    return [
        Constraint(id, {name: value for name, value in kwargs.items() if value is not None})
        for id, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True)
    ]


def compared(name: str, items: list[Item], directory: Path, rules: Rules) -> int:
    """Print totals and the verdicts that differ from the reference; returns how many do."""
    reference = {str(row["key"]): row for row in rows_of(directory / "reference_verdicts.jsonl")}
    totals: Counter[str] = Counter()
    equal, random, differing = 0, [], []
    for key, response, constraints in items:
        verdicts = {
            mode: [found.follows for found in check(response, constraints, rules, is_loose=mode == "loose")]
            for mode in ("strict", "loose")
        }
        for mode, followed in verdicts.items():
            totals[f"{mode} prompts"] += all(followed)
            totals[f"{mode} instructions"] += sum(followed)
        totals["prompts"] += 1
        totals["instructions"] += len(constraints)
        for i, constraint in enumerate(constraints if key in reference else ()):
            wanted = (reference[key]["strict"][i], reference[key]["loose"][i])
            found = (verdicts["strict"][i], verdicts["loose"][i])
            if None in wanted:
                random.append(f"{key} {constraint.id} {constraint.arguments}: counted literally, {found}")
            elif found == wanted:
                equal += 1
            else:
                differing.append(f"{key} {constraint.id}: {found}, the original {wanted} (strict, loose)")
    print(f"{name}: {equal} of {equal + len(differing)} reference verdicts equal, strict and loose")
    for line in (*differing, *random):
        print(f"  {line}")
    print(
        f"  totals: prompts {totals['strict prompts']} strict, {totals['loose prompts']} loose of {totals['prompts']}; "
        f"instructions {totals['strict instructions']} strict, {totals['loose instructions']} loose "
        f"of {totals['instructions']}"
    )
    return len(differing)


def cost(items: list[Item], rules: Rules, registry: Any) -> None:
    """Print the CPU time of one response, strict and loose, and the ratio to Google's checkers."""

    def ours(response: str, constraints: list[Constraint]) -> None:
        check(response, constraints, rules)
        check(response, constraints, rules, is_loose=True)

    def google(response: str, constraints: list[Constraint]) -> None:
        for readings in ((response,), variants(response)):
            for constraint in constraints:
                checker = registry.INSTRUCTION_DICT[constraint.id](constraint.id)
                checker.build_description(**constraint.arguments)
                any(reading.strip() and checker.check_following(reading) for reading in readings)

    own = fastest(ours, items)
    print(f"CPU of one response, strict and loose: {own * 1000:.3f} ms")
    if registry is None:
        print("  Google's checkers are not here: give --google DIR, or install lm_eval, for the ratio")
        return
    theirs = fastest(google, items)
    print(f"  Google's checkers: {theirs * 1000:.3f} ms, {theirs / own:.2f} times ours")
    for needs_language in (False, True):
        some = [item for item in items if is_about_language(item[2]) == needs_language]
        own, theirs = fastest(ours, some), fastest(google, some)
        word = "with" if needs_language else "without"
        print(
            f"  {len(some)} {word} a language to detect: {own * 1000:.3f} ms, theirs {theirs / own:.2f} times that"
        )


def is_about_language(constraints: Iterable[Constraint]) -> bool:
    return any(c.id.startswith(("language:", "change_case:english")) for c in constraints)


def fastest(run: Callable[[str, list[Constraint]], None], items: list[Item]) -> float:
    """CPU seconds an item, of the fastest round; the first round, which loads things, is not counted."""
    seconds = []
    for _ in range(ROUNDS + 1):
        start = time.process_time()
        for _, response, constraints in items:
            run(response, constraints)
        seconds.append(time.process_time() - start)
    return min(seconds[1:]) / len(items)


def google_registry(directory: Path | None) -> Any:
    """Google's registry of checkers; None where it cannot be had."""
    try:
        if directory is not None:
            sys.path.insert(0, str(directory))
            return importlib.import_module("instruction_following_eval.instructions_registry")
        spec = importlib.util.find_spec("lm_eval")
        if spec is None or not spec.submodule_search_locations:
            return None
        # The package itself imports torch; its copy of the checkers does not.
        root = Path(spec.submodule_search_locations[0])
        for name in ("lm_eval", "lm_eval.tasks", "lm_eval.tasks.ifeval"):
            package = types.ModuleType(name)
            package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
            sys.modules[name] = package
        return importlib.import_module("lm_eval.tasks.ifeval.instructions_registry")
    except (ImportError, LookupError) as error:
        print(f"Google's checkers cannot be loaded: {error}", file=sys.stderr)
        return None


if __name__ == "__main__":
    sys.exit(main())
