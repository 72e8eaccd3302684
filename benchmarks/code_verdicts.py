"""Verdicts of `verify code` beside the truth: HumanEval, MBPP, and HumanEval in six other languages, with mutants.

    python benchmarks/code_verdicts.py --data DIR [--tasks 0] [--per-language 20] [--mutants 3] [--only mbpp ...]

DIR holds `humaneval/HumanEval.jsonl.gz`, `mbpp/mbpp.jsonl` and `humaneval_multi/humaneval-*.jsonl`. For each task the
reference solution and some mutants of it (a wrong constant, off by one, a deleted line) are judged; the truth is found
by running candidate and tests in one process of a throw-away bubblewrap box with limits, whose exit status says it.

MultiPL-E has tests and no solutions. Two stand in: a table made of each task's own tests, which passes by construction
(`code_acceptance/tables.py`), and eight solutions a language written by hand (`code_acceptance/translated`).

Ends with status 1 where a verdict differs from the truth, or a reference does not pass though the truth says it does.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.code_acceptance.mutants import python_mutants, text_mutants
from benchmarks.code_acceptance.tables import entries_of, table_body, table_mutants
from benchmarks.code_acceptance.truth import passes
from mixwright_runtime.sandbox.pool import Sandbox
from mixwright_runtime.sandbox.toolchains import machine_options
from mixwright_runtime.verifiers.code.foreign import printer
from mixwright_runtime.verifiers.code.judge import CodeJudge, Question
from mixwright_runtime.verifiers.code.scanning import Unreadable
from mixwright_runtime.verifiers.code.verdict import Verdict
from mixwright_runtime.workers.pool import WorkerPool

ENDINGS = {"javascript": "js", "cpp": "cpp", "java": "java", "rust": "rs", "go": "go", "bash": "sh"}
COMPILED_LIMIT_S = 60.0
TRANSLATED = Path(__file__).parent / "code_acceptance" / "translated"


@dataclass(frozen=True)
class Case:
    """One candidate: what Mixwright is asked, and the program whose exit status is the truth."""

    task: str
    kind: str
    question: Question
    program: str
    language: str = "python"


@dataclass
class Tally:
    """What was found of one kind of candidate."""

    agree: int = 0
    differ: list[str] = field(default_factory=list)
    true_passes: int = 0
    grades: Counter[str] = field(default_factory=Counter)
    unmeasurable: list[str] = field(default_factory=list)


def humaneval(data: Path, tasks: int, mutants: int) -> Iterator[Case]:
    with gzip.open(data / "humaneval" / "HumanEval.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for row in rows[: tasks or None]:
        name, entry = row["task_id"], row["entry_point"]
        code = row["prompt"] + row["canonical_solution"]
        tests = f"{row['test']}\ncheck({entry})\n"
        reference = Question(row["canonical_solution"], row["test"], entry, row["prompt"])
        yield Case(name, "reference", reference, f"{code}\n{tests}")
        for kind, text in python_mutants(code, mutants, name):
            yield Case(name, kind, Question(text, row["test"], entry), f"{text}\n{tests}")


def mbpp(data: Path, tasks: int, mutants: int) -> Iterator[Case]:
    lines = (data / "mbpp" / "mbpp.jsonl").read_text(encoding="utf-8").splitlines()
    for row in [json.loads(line) for line in lines][: tasks or None]:
        tests, setup = row["test_list"] + row["challenge_test_list"], row["test_setup_code"]
        outside = "\n".join([setup, *tests])
        for kind, code in [
            ("reference", row["code"]),
            *python_mutants(row["code"], mutants, str(row["task_id"])),
        ]:
            question = Question(code, tests, setup=setup)
            yield Case(f"MBPP/{row['task_id']}", kind, question, f"{code}\n{outside}\n")


def multi(data: Path, language: str, per_language: int, mutants: int) -> Iterator[Case]:
    path = data / "humaneval_multi" / f"humaneval-{ENDINGS[language]}.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    step = max(1, len(rows) // per_language) if per_language else 1
    for number, row in enumerate(rows):
        translated = TRANSLATED / f"{row['name']}.{ENDINGS[language]}"
        if translated.exists():
            body = translated.read_text(encoding="utf-8")
            yield _multi_case(row, language, "translated", body)
            for kind, text in text_mutants(body, mutants, row["name"]):
                yield _multi_case(row, language, kind, text)
        if number % step:
            continue
        try:
            entries = entries_of(language, row["tests"])
            yield _multi_case(row, language, "table", table_body(language, row["prompt"], entries))
            for kind, changed in table_mutants(entries)[:mutants]:
                yield _multi_case(row, language, kind, table_body(language, row["prompt"], changed))
        except (Unreadable, ValueError) as error:
            print(f"  {language} {row['name']}: no table: {error}", file=sys.stderr)


def _multi_case(row: dict[str, Any], language: str, kind: str, body: str) -> Case:
    question = Question(body, row["tests"], prefix=row["prompt"])
    return Case(row["name"], kind, question, f"{row['prompt']}{body}{row['tests']}", language)


def truth_of(case: Case, limit_s: float) -> bool:
    """What running candidate and tests in one process says."""
    names = ("Tuple", "Unit", "Pair", "Triplet", "Quartet", "Quintet")
    tuples = {f"org/javatuples/{name}.java": printer(f"org/javatuples/{name}.java") for name in names}
    files = tuples if case.language == "java" else {}
    is_compiled = case.language not in ("python", "javascript", "bash")
    return passes(
        case.language, case.program, limit_s=COMPILED_LIMIT_S if is_compiled else limit_s, files=files
    )


async def verdicts_of(
    cases: Sequence[Case], language: str, limit_s: float, at_once: int, cache: Path
) -> list[Verdict]:
    """What Mixwright says, with a sandbox and workers of its own that have ended when this returns."""
    gate = asyncio.Semaphore(at_once)
    sandbox, workers = Sandbox(machine_options()), WorkerPool(1)
    judge = CodeJudge(lambda: sandbox, lambda: workers, language=language, time_limit_s=limit_s, cache=cache)

    async def verdict(case: Case) -> Verdict:
        async with gate:
            return await judge.verdict(case.question)

    try:
        await judge.prepare()
        return list(await asyncio.gather(*map(verdict, cases)))
    finally:
        await sandbox.close()
        await workers.close()


async def truths_of(cases: Sequence[Case], limit_s: float, at_once: int) -> list[bool]:
    gate = asyncio.Semaphore(at_once)

    async def truth(case: Case) -> bool:
        async with gate:
            return await asyncio.to_thread(truth_of, case, limit_s)

    return list(await asyncio.gather(*map(truth, cases)))


def report(name: str, cases: Sequence[Case], verdicts: Sequence[Verdict], truths: Sequence[bool]) -> bool:
    """Print a table by kind of candidate; True when every verdict is the truth."""
    tallies: dict[str, Tally] = {}
    for case, verdict, truth in zip(cases, verdicts, truths, strict=True):
        tally = tallies.setdefault(case.kind, Tally())
        tally.true_passes += truth
        tally.grades[verdict.grade or "not run"] += 1
        if verdict.outcome != "measured":
            tally.unmeasurable.append(f"{case.task}: {json.dumps(verdict.evidence())[:200]}")
        elif (verdict.score == 1.0) == truth:
            tally.agree += 1
        else:
            found = "passes here" if verdict.score == 1.0 else "fails here"
            tally.differ.append(f"{case.task} ({case.kind}): {found}, {json.dumps(verdict.evidence())[:400]}")
    for kind, tally in tallies.items():
        total = tally.agree + len(tally.differ) + len(tally.unmeasurable)
        grades = ", ".join(f"{count} {grade}" for grade, count in tally.grades.most_common())
        print(
            f"| {name} | {kind} | {total} | {tally.true_passes} | {tally.agree} | {len(tally.differ)} "
            f"| {len(tally.unmeasurable)} | {grades} |"
        )
    for tally in tallies.values():
        for line in [*tally.differ, *tally.unmeasurable]:
            print(f"  {line}", file=sys.stderr)
    return not any(tally.differ for tally in tallies.values())


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tasks", type=int, default=0, help="of HumanEval and MBPP, 0 for all")
    parser.add_argument("--per-language", type=int, default=20, help="tables of each language, 0 for all")
    parser.add_argument("--mutants", type=int, default=3, help="of each solution")
    parser.add_argument("--only", nargs="*", default=["humaneval", "mbpp", *ENDINGS])
    parser.add_argument(
        "--limit", type=float, default=3.0, help="CPU seconds; one reference of MBPP needs more than 3"
    )
    parser.add_argument("--at-once", type=int, default=2)
    arguments = parser.parse_args()
    is_right = True
    print("| tests | candidates | judged | pass in truth | as in truth | otherwise | unmeasurable | grades |")
    print("|---|---|---:|---:|---:|---:|---:|---|")
    for name in arguments.only:
        if name in ENDINGS:
            cases = list(multi(arguments.data, name, arguments.per_language, arguments.mutants))
        else:
            made = humaneval if name == "humaneval" else mbpp
            cases = list(made(arguments.data, arguments.tasks, arguments.mutants))
        language = name if name in ENDINGS else "python"
        limit_s = arguments.limit if language in ("python", "javascript", "bash") else 10.0
        with tempfile.TemporaryDirectory() as cache:
            verdicts = await verdicts_of(cases, language, limit_s, arguments.at_once, Path(cache))
        truths = await truths_of(cases, arguments.limit, arguments.at_once)
        is_right &= report(name, cases, verdicts, truths)
    return 0 if is_right else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
