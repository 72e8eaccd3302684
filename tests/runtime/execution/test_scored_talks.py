"""DEITA's score of a conversation, against a server whose probabilities a test writes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from picky_server import PickyServer, Reply, Seen
from test_beyond_chat import run, scorer, told

SPEC = """
import "std:deita" as deita
source talks jsonl { path = "talks.jsonl" }
pipeline p {
  from talks
  use deita.scored_talk { scorer = scorer }
}
"""
TALKS = [
    ["Be brief.", ("Q1", "A1"), ("Q2", "A2"), ("Thanks.",)],
    [("Q1", "A1"), ("Q2", "unheard of")],
    ["Be brief.", ("Q1",)],
]
COMPLEXITY = {"Q1": {2: 0.25, 6: 0.75}, "Q2": {1: 0.5, 3: 0.5}}
QUALITY = {"A1": {4: 0.9, 5: 0.1}, "A2": {6: 0.5, 1: 0.5}}
BY_HAND = (2 * 0.25 + 6 * 0.75) * (4 * 0.9 + 5 * 0.1) + (1 * 0.5 + 3 * 0.5) * (6 * 0.5 + 1 * 0.5)


def messages(talk: list[str | tuple[str, ...]]) -> list[dict[str, str]]:
    system = [{"role": "system", "content": said} for said in talk if isinstance(said, str)]
    turns = [turn for turn in talk if not isinstance(turn, str)]
    return system + [
        {"role": role, "content": said}
        for turn in turns
        for role, said in zip(("user", "assistant"), turn, strict=False)
    ]


def probabilities(seen: Seen) -> Reply:
    """How likely a scorer finds each label, by what it is asked about; of an answer that is unheard of one alone."""
    prompt = seen.body["messages"][-1]["content"]
    if "unheard of" in prompt:
        return told(_1=-0.1, x=-9.0)(seen)
    known = QUALITY if "Answer:" in prompt else COMPLEXITY
    likely = next((shares for name, shares in known.items() if name in prompt), {1: 1.0})
    return told(**{f"_{n}": math.log(likely.get(n, 1e-12)) for n in range(1, 7)})(seen)


def test_products_are_of_a_request_and_its_own_answer_and_are_summed_up(tmp_path: Path) -> None:
    lines = [json.dumps({"messages": messages(talk)}) for talk in TALKS]
    (tmp_path / "talks.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with PickyServer(probabilities) as server:
        report, rows = run(tmp_path, scorer(server) + SPEC)
        asked = [seen.body["messages"][-1]["content"] for seen in server.seen]
    assert report.status == "done"
    ends = {len(columns["messages"]): (status, reason, columns) for status, reason, columns in rows}
    status, _, whole = ends[6]
    assert (status, whole["turns"]) == ("kept", 2)
    assert whole["evol_score"] == pytest.approx(BY_HAND) == pytest.approx(27.5)
    # A turn that could not be scored takes its conversation along; one without any answer has nothing to score.
    assert (ends[4][:2], ends[2][:2]) == (("dropped", "filter"), ("dropped", "fold: too few"))
    # Each is asked about alone, and a last word that nobody answers is no turn.
    assert not any("Thanks." in prompt or ("Q1" in prompt and "Q2" in prompt) for prompt in asked)
