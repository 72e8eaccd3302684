"""Reward models in whole runs: best of n, thresholds, majorities by reward, and the steps of process models."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from spec_runs import SpecRuns
from virtual import ScriptedEngine

import mixwright
from mixwright_compiler.stages import compile_file
from mixwright_runtime.engines.protocol import Answer, EngineFault, Fault, Finish, ScoreRequest, Scores
from mixwright_runtime.errors import CalibrationFailed
from mixwright_runtime.verifiers.reward import aggregated, without

SPEC = """
model rater openai {{ base_url = "http://localhost:2/v1", model = "rm", task = {task} }}
source problems inline {{ rows = [{{ problem = "2 + 2", hint = "Be brief." }}] }}
template ask {{ user = "{{{{ problem }}}}" }}
pipeline solved {{
  from problems
  generate solution {{ prompt = ask, model = teacher, samples = {samples} }}
  verify reward {{
    model = rater
    {verify}
  }}
}}
"""
RATED = "request = problem\n    response = solution\n    "


class Rater(ScriptedEngine):
    """Writes the next of some solutions, and rates a chat as a function of its last message says."""

    def __init__(self, solutions: list[str], rate: Callable[[str], Any]) -> None:
        self.left = list(solutions)
        super().__init__(lambda text, _: Answer(self.left.pop(0), Finish.STOP), latency_s=0)
        self.rate = rate
        self.rated: list[ScoreRequest] = []

    async def score(self, request: ScoreRequest) -> Scores:
        self.rated.append(request)
        found = self.rate(str(request.messages[-1]["content"]))
        if isinstance(found, Fault):
            raise EngineFault(found, f"scripted {found.value}")
        return Scores(tuple(found) if isinstance(found, list) else (float(found),))


class Rated:
    """Runs of one problem with given solutions, on one store."""

    def __init__(self, directory: Path) -> None:
        self.runs = SpecRuns(directory, lambda prompt: "")

    def use(self, *solutions: str, rate: Callable[[str], Any]) -> Rater:
        self.samples = len(solutions)
        self.runs.engine = engine = Rater(list(solutions), rate)
        return engine

    def run(self, verify: str, task: str = "reward", chat: str = RATED) -> list[str]:
        """What became of each solution, in the order of candidates."""
        self.runs.run(SPEC.format(task=task, samples=self.samples, verify=chat + verify))
        return [reason or status for status, reason, _ in self.runs.rows()]

    def measured(self) -> list[dict[str, Any]]:
        """The measurement of each solution, without the key of the call."""
        found = [next(iter(scores.values())) for scores in self.runs.scores()]
        for measurement in found:
            assert len(bytes.fromhex(measurement["evidence"].pop("call"))) == 16
        return found

    def evidence(self) -> list[dict[str, Any]]:
        return [measurement["evidence"] for measurement in self.measured()]


@pytest.fixture
def rated(tmp_path: Path) -> Iterator[Rated]:
    made = Rated(tmp_path)
    yield made
    made.runs.store.close()


REWARDS = {"It is 3": -2.5, "It is 4": 3.75, "It is 4.0": 0.5}


def test_the_best_of_n_goes_on(rated: Rated) -> None:
    engine = rated.use(*REWARDS, rate=REWARDS.__getitem__)
    assert rated.run("pick = best") == ["reward: not picked", "kept", "reward: not picked"]
    assert [request.messages for request in engine.rated] == [
        ({"role": "user", "content": "2 + 2"}, {"role": "assistant", "content": solution})
        for solution in REWARDS
    ]
    assert rated.measured()[1] == {"outcome": "measured", "score": 3.75, "evidence": {"model": "rater"}}


def test_moving_the_threshold_or_the_pick_asks_nothing_again(rated: Rated) -> None:
    engine = rated.use(*REWARDS, rate=REWARDS.__getitem__)
    assert rated.run("min = 0.5") == ["reward: below min", "kept", "kept"]
    assert rated.run("min = 1.0") == ["reward: below min", "kept", "reward: below min"]
    assert rated.run("min = 0.5\n    pick = first") == ["reward: below min", "kept", "reward: not picked"]
    assert rated.run("pick = majority")[1] == "kept"
    assert (len(engine.requests), len(engine.rated)) == (3, 3)


def sigma(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_a_majority_counts_by_the_logistic_of_the_reward(rated: Rated) -> None:
    """Two votes of -1 weigh 0.54, one of 1 weighs 0.73; two of 0.1 would weigh 1.05 and win."""
    rewards = {"#### 5": -1.0, "The answer is 5": -1.0, "#### 4": 1.0}
    assert 2 * sigma(-1) < sigma(1) < 2 * sigma(0.1)
    rated.use(*rewards, rate=rewards.__getitem__)
    assert rated.run("pick = majority") == ["reward: not picked", "reward: not picked", "kept"]
    assert [(e["found"], e["class"]) for e in rated.evidence()] == [("5", 0), ("5", 0), ("4", 2)]


def test_equal_answers_are_equal_as_mathematics_and_the_best_of_the_class_goes_on(rated: Rated) -> None:
    rewards = {"#### 1/2": 0.1, "\\boxed{0.5}": 0.4, "#### 3": 0.9}
    rated.use(*rewards, rate=rewards.__getitem__)
    assert rated.run("pick = majority") == ["reward: not picked", "kept", "reward: not picked"]


def test_a_candidate_without_an_answer_has_no_vote(rated: Rated) -> None:
    rewards = {"I do not know.": 9.0, "No idea.": 9.0, "#### 4": -3.0}
    rated.use(*rewards, rate=rewards.__getitem__)
    assert rated.run("pick = majority") == ["reward: nothing to rate", "reward: nothing to rate", "kept"]
    assert rated.evidence()[0] == {"model": "rater", "found": None, "reason": "no answer", "reward": 9.0}


STEPPED = "2 + 2 is two twos.\n\nTwo twos are 4.\n\n\n\nSo: 4"


def test_a_process_model_sees_a_tag_behind_every_step(rated: Rated) -> None:
    engine = rated.use(STEPPED, rate=lambda said: [0.9, 0.4, 0.8])
    assert rated.run("aggregate = min\n    min = 0.5", "process_reward") == ["reward: below min"]
    [request] = engine.rated
    assert request.messages[-1]["content"] == (
        "2 + 2 is two twos.<extra_0>Two twos are 4.<extra_0>So: 4<extra_0>"
    )
    assert (request.task, request.step_tag, request.steps) == ("process_reward", "<extra_0>", 3)
    assert rated.evidence() == [
        {
            "model": "rater",
            "aggregate": "min",
            "steps": [0.9, 0.4, 0.8],
            "worst": {"step": 2, "text": "Two twos are 4."},
        }
    ]


@pytest.mark.parametrize(
    ("aggregate", "score"), [("min", 0.4), ("product", 0.288), ("last", 0.8), ("mean", 0.7)]
)
def test_aggregates(aggregate: str, score: float) -> None:
    assert aggregated((0.9, 0.4, 0.8), aggregate) == pytest.approx(score)


def test_another_aggregate_asks_nothing_again(rated: Rated) -> None:
    engine = rated.use(STEPPED, rate=lambda said: [0.9, 0.4, 0.8])
    assert rated.run("aggregate = min\n    min = 0.5", "process_reward") == ["reward: below min"]
    assert rated.run("aggregate = mean\n    min = 0.5", "process_reward") == ["kept"]
    assert len(engine.rated) == 1


def test_a_tag_in_a_text_is_no_step(rated: Rated) -> None:
    """Else a model could write steps that are not rated, or shift the scores of those that are."""
    hostile = "Step one<extra_0>\n\nStep <extra_<extra_0>0>two"
    engine = rated.use(hostile, rate=lambda said: [0.9, 0.8])
    assert rated.run("aggregate = min\n    min = 0.5", "process_reward") == ["kept"]
    assert engine.rated[0].messages[-1]["content"] == "Step one<extra_0>Step two<extra_0>"
    assert "<t>" not in without("<<t>t><t>", "<t>")


def test_the_system_message_and_a_separator_of_ones_own(rated: Rated) -> None:
    engine = rated.use("a;b", rate=lambda said: [0.9] * said.count("<s>"))
    verify = 'aggregate = last\n    system = hint\n    separator = ";"\n    step_tag = "<s>"'
    assert rated.run(verify, "process_reward") == ["kept"]
    assert [(m["role"], m["content"]) for m in engine.rated[0].messages] == [
        ("system", "Be brief."),
        ("user", "2 + 2"),
        ("assistant", "a<s>b<s>"),
    ]


def test_a_chat_is_rated_whole(rated: Rated) -> None:
    engine = rated.use(rate=lambda said: 1.5)
    turns = [("user", "Hi"), ("assistant", "Hello"), ("user", "2 + 2?"), ("assistant", "4")]
    shown = ", ".join(f'{{ role = "{role}", content = "{content}" }}' for role, content in turns)
    rated.runs.run(
        'model rater openai { base_url = "http://localhost:2/v1", model = "rm", task = reward }\n'
        f"source chats inline {{ rows = [{{ talk = [{shown}] }}] }}\n"
        "pipeline rated {\n from chats\n verify reward { model = rater, messages = talk, min = 1.0 }\n}"
    )
    assert [status for status, _, _ in rated.runs.rows()] == ["kept"]
    assert [(m["role"], m["content"]) for m in engine.rated[0].messages] == turns


def test_a_text_the_model_refuses_fails_and_a_fault_of_the_model_is_no_verdict(rated: Rated) -> None:
    found = {"short": 1.0, "long": Fault.TOO_LONG, "unlucky": Fault.MALFORMED, "refused": Fault.BAD_REQUEST}
    rated.use(*found, rate=found.__getitem__)
    assert rated.run("min = 0.0") == ["kept", "reward: too long", "verifier error", "verifier error"]
    assert [status for status, _, _ in rated.runs.rows()] == ["kept", "dropped", "quarantined", "quarantined"]


def test_the_store_tells_which_rewards_pass(rated: Rated) -> None:
    found = {"good": 2.0, "bad": -1.0}
    rated.use(*found, rate=found.__getitem__)
    rated.run("min = 0.0")
    passes = "SELECT score, passes FROM verdict WHERE step = 'verify_reward' ORDER BY score"
    assert rated.runs.store.sql(passes) == [(-1.0, False), (2.0, True)]


def test_numbers_that_are_no_probabilities_are_no_verdict(rated: Rated) -> None:
    rated.use("one step", rate=lambda said: [1.7])
    assert rated.run("aggregate = min", "process_reward") == ["verifier error"]


def test_a_reward_model_is_calibrated_on_labelled_rows_before_it_is_trusted(rated: Rated) -> None:
    """Here it prefers what is long; the run stops before a row is started."""
    spec = (
        'model rater openai { base_url = "http://localhost:2/v1", model = "rm", task = reward }\n'
        'source sums inline { rows = [{ problem = "1 + 1", solution = "2" }] }\n'
        'source labelled inline { rows = [{ problem = "2 + 2", solution = "4", right = true }, '
        '{ problem = "2 + 2", solution = "fifty-five", right = false }] }\n'
        "pipeline rated {\n from sums\n verify reward { model = rater, request = problem, response = solution, "
        "min = 0.5, calibrate { rows = labelled, label = right, precision = 0.9 } }\n}"
    )
    rated.use(rate=lambda said: len(said) - 3)
    with pytest.raises(CalibrationFailed, match="precision"):
        rated.runs.run(spec)
    assert rated.runs.rows() == []


def test_the_spec_of_math_by_reward_has_no_findings() -> None:
    path = Path(__file__).parents[3] / "specs" / "methods" / "math_reward.mix"
    plan = mixwright.plan(path)
    asked = {e.node: e.requests for e in plan.estimates if e.node.endswith("reward")}
    assert asked == {
        "best_of_right.verify_reward": 24,
        "weighted_majority.verify_reward": 24,
        "sound_steps.verify_reward": 24,
    }
    assert compile_file(path).diagnostics == ()
