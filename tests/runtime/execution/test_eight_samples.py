"""A hundred problems with eight rated samples each, as published sets have them: rm@8, maj@8, pass@8, the band and the
pairs that the language makes of them are those of a few lines of Python."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

import pytest
from spec_runs import SpecRuns
from test_preference_pairs import exported

PROBLEMS, SAMPLES = 100, 8


@dataclass(frozen=True)
class Sample:
    """What a model wrote: its text, the number it ends with, and how a reward model rates it."""

    text: str
    found: int
    reward: float


@dataclass(frozen=True)
class Problem:
    text: str
    answer: int
    samples: tuple[Sample, ...]

    @property
    def right(self) -> list[Sample]:
        return [sample for sample in self.samples if sample.found == self.answer]

    @property
    def wrong(self) -> list[Sample]:
        return [sample for sample in self.samples if sample.found != self.answer]


def table() -> list[Problem]:
    """Most problems are solved nearly always, some never; ratings of right and wrong samples overlap, as those of a
    reward model do. No two numbers of a problem are said equally often at the top, and no two of its ratings are equal.
    """
    chance = random.Random(8)
    problems = []
    while len(problems) < PROBLEMS:
        a, b = chance.randint(11, 99), chance.randint(11, 99)
        ease = chance.choice([0.0, 0.3, 0.6, 0.9, 1.0, 1.0])
        samples = []
        for n in range(SAMPLES):
            is_right = chance.random() < ease
            found = a + b if is_right else a + b + chance.choice([-10, -1, 1])
            reward = round(chance.gauss(3.3 if is_right else -0.8, 2.0) + n / 1000, 4)
            samples.append(Sample(f"Sample {n}: {a} + {b} is \\boxed{{{found}}}", found, reward))
        said = Counter(sample.found for sample in samples).most_common(2)
        is_tied = len(said) == 2 and said[0][1] == said[1][1]
        if not is_tied and len({sample.reward for sample in samples}) == SAMPLES:
            problems.append(Problem(f"Problem {len(problems)}: {a} + {b}", a + b, tuple(samples)))
    return problems


TABLE = table()
BEST = {p.text: max(p.samples, key=lambda sample: sample.reward) for p in TABLE}
MOST = {p.text: Counter(sample.found for sample in p.samples).most_common(1)[0][0] for p in TABLE}

SPEC = """
source sampled jsonl { path = "sampled.jsonl", license = "cc0-1.0" }
pipeline solved {
  from sampled
  each sample { of = completions, most = 8 }
  derive { solution = sample.text }
  STEPS
  chat { user = problem, assistant = solution }
}
mixture main { seed = 1, solved = all }
"""
MARKED = "verify math { response = solution, answer = answer, on_fail = keep, as = right }"
BANDED = "band = { min = 12.5%, max = 87.5% }"


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    lines = [
        {
            "problem": problem.text,
            "answer": str(problem.answer),
            "completions": [{"text": sample.text, "reward": sample.reward} for sample in problem.samples],
        }
        for problem in TABLE
    ]
    (tmp_path / "sampled.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    made = SpecRuns(tmp_path, lambda prompt: f"on {prompt}")
    yield made
    made.store.close()


def kept(runs: SpecRuns) -> dict[str, dict[str, Any]]:
    """Problem -> its row."""
    rows = [columns for status, _, columns in runs.rows() if status == "kept"]
    found = {columns["problem"]: columns for columns in rows}
    assert len(found) == len(rows)
    return found


def test_best_of_eight_majority_and_any_of_eight(runs: SpecRuns) -> None:
    runs.run(SPEC.replace("STEPS", f"{MARKED}\n  verify value {{ of = sample.reward, pick = best }}"))
    best = kept(runs)
    assert {name: row["solution"] for name, row in best.items()} == {n: s.text for n, s in BEST.items()}
    rm = sum(row["right"]["passes"] for row in best.values())
    assert rm == sum(BEST[p.text].found == p.answer for p in TABLE)

    most = "verify agreement { response = solution, equal = math, agree = 1, pick = majority }"
    runs.run(SPEC.replace("STEPS", f"{MARKED}\n  {most}"))
    voted = kept(runs)
    maj = sum(row["right"]["passes"] for row in voted.values())
    assert len(voted) == PROBLEMS and maj == sum(MOST[p.text] == p.answer for p in TABLE)

    report = runs.run(
        SPEC.replace(
            "STEPS", "verify math { response = solution, answer = answer, pick = first, as = right }"
        )
    )
    rated = report.summary["pipelines"]["solved"]["steps"]["verify_math"]["rated"]
    assert len(kept(runs)) == sum(bool(p.right) for p in TABLE), "pass@8, in problems"
    assert (rated["rows"], rated["candidates"]) == (PROBLEMS, SAMPLES)
    for k in (1, 2, 4, 8):
        by_hand = sum(1 - comb(len(p.wrong), k) / comb(SAMPLES, k) for p in TABLE) / PROBLEMS
        assert rated["pass_at"][str(k)] == pytest.approx(by_hand, abs=1e-6)
    # The three differ, so that none of them can stand for another.
    assert len({rm, maj, len(kept(runs))}) == 3


def test_the_band_keeps_problems_that_are_neither_too_hard_nor_too_easy(runs: SpecRuns) -> None:
    step = f"verify math {{ response = solution, answer = answer, {BANDED}, pick = first, as = right }}"
    runs.run(SPEC.replace("STEPS", step))
    found = {name: (row["solution"], row["right"]["rate"]) for name, row in kept(runs).items()}
    assert found == {
        p.text: (p.right[0].text, len(p.right) / SAMPLES) for p in TABLE if 1 <= len(p.right) <= 7
    }
    assert 20 < len(found) < 80


def test_a_pair_is_the_best_rated_right_sample_and_a_wrong_one_of_the_same_problem(runs: SpecRuns) -> None:
    steps = "verify math { response = solution, answer = answer }\n"
    steps += "  verify value { of = sample.reward, pick = best }"
    export = "format = preference, group = solution, card = false"
    lines, _ = exported(runs, export, SPEC.replace("STEPS", steps))
    pairs = {}
    for line in lines:
        [asked], [chosen], [rejected] = line["prompt"], line["chosen"], line["rejected"]
        pairs[asked["content"]] = (chosen["content"], rejected["content"])
    expected = {p.text: p for p in TABLE if p.right and p.wrong}
    assert len(lines) == len(pairs) and pairs.keys() == expected.keys()
    for name, (chosen, rejected) in pairs.items():
        problem = expected[name]
        assert chosen == max(problem.right, key=lambda sample: sample.reward).text
        assert rejected in [sample.text for sample in problem.wrong]
