"""Accuracy on held-out problems: greedy answers of a model, graded by the verifiers of an `evaluate` block."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from mixwright_compiler.load.json_text import json_of
from mixwright_compiler.plan.plan import Evaluation, Plan
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.loading import load_plugins
from mixwright_runtime.training.grading import REPLY, Grade, graded
from mixwright_runtime.values.opinions import wilson

SHOWN = 5
"""Wrong replies kept as examples."""
MOST_FAILED = 0.05
"""Share of replies that a verifier may fail on, of sets too small for its error budget
(`mixwright_runtime.stream.measuring`); an accuracy over what is left of more would say something else."""
LETTERS = {"right": "1", "wrong": "0", "unanswered": "u", "failed": "x", "not asked": "-"}
"""Verdicts as one letter each."""


@dataclass(frozen=True)
class Problem:
    """A rendered prompt, and the columns that verifiers compare the reply with."""

    messages: tuple[Mapping[str, str], ...]
    columns: Mapping[str, Any]
    kind: str = ""


@dataclass(frozen=True)
class Accuracy:
    """How many problems were answered rightly by one verifier. Shares are 0..1, of the problems it did not fail on."""

    asked: int
    right: int
    unanswered: int
    """Replies that are empty or hold no answer; they count as wrong."""
    failed: int
    """Replies that the verifier failed on or ran out of time with; left out of all shares."""
    accuracy: float
    low: float
    high: float
    """The accuracy's 95% interval (Wilson 1927), for other problems of the same kind."""
    by_kind: dict[str, float]
    """Accuracy for each value of the column `by`; empty without it."""
    followed: float | None
    """Of constraints: share of single ones followed over all replies, IFEval's instruction-level accuracy."""
    verdicts: str
    """A letter for each problem in the order of its set, as `LETTERS` has them."""
    wrong: tuple[dict[str, str], ...]
    """The first wrong replies: prompt, reply, why."""
    failures: tuple[str, ...]
    """The first reasons of failed verdicts."""


def held_out_problems(plan: Plan, wanted: Evaluation) -> list[Problem]:
    """The problems of an `evaluate` block, in the order of its source, at most `limit`.

    Raises:
        RunError: the source has no such column, or no rows.
    """
    from mixwright_runtime.sources.reader import read_rows
    from mixwright_runtime.values.templates import compile_template

    load_plugins(plan)
    source = plan.sources[wanted.on]
    render = compile_template(plan.templates[wanted.prompt])
    read = {name for step in wanted.steps for name in step.reads if name != REPLY}
    problems = []
    for row in islice(read_rows(source, Path(plan.directory)), wanted.limit):
        for name in sorted(read | ({wanted.by} if wanted.by else set())):
            if name not in row.columns:
                raise RunError(f"evaluate: source '{source.name}' has no column `{name}`")
        kind = str(row.columns[wanted.by]) if wanted.by else ""
        problems.append(Problem(render(row.columns).messages, row.columns, kind))
    if not problems:
        raise RunError(f"evaluate: source '{source.name}' has no rows")
    return problems


def problems_digest(plan: Plan, evaluations: Sequence[Evaluation]) -> str:
    """Hex digest of the problems of all evaluations, and of what grades them."""
    found = [
        [
            evaluation.model_dump(mode="json", exclude={"origin": True, "steps": {"__all__": {"origin"}}}),
            [[list(p.messages), p.columns] for p in held_out_problems(plan, evaluation)],
        ]
        for evaluation in evaluations
    ]
    return blake2b(json.dumps(found, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()


def measured(
    plan: Plan,
    evaluations: Sequence[Evaluation],
    model: str | Path,
    *,
    context: int,
    kept: Path,
    moment: str,
    revision: str = "",
    template: str | None = None,
    sandbox: str = "bwrap",
    says: Callable[[str], None] = lambda text: None,
) -> dict[str, dict[str, Any]]:
    """For each measure (`gsm8k`; `ifeval.strict` of an evaluation with several verifiers) its `Accuracy` as a dict, with
    the evaluation's name as `set`.

    Replies and accuracies are kept in the directory `kept` under the `moment`: what was asked is not asked again, what
    was graded by the same verifiers not graded again.

    Raises:
        RunError: a set has no rows or lacks a column, or a verifier cannot work here or fails too often.
    """
    found: dict[str, dict[str, Any]] = {}
    loaded: list[GreedyModel] = []

    def ask(problems: Sequence[Problem], max_tokens: int) -> list[str]:
        if not loaded:
            loaded.append(GreedyModel(model, revision=revision, template=template))
        return loaded[0].replies(problems, context=context, max_tokens=max_tokens)

    for evaluation in evaluations:
        problems = held_out_problems(plan, evaluation)
        asked = _digest([[list(p.messages) for p in problems], evaluation.max_tokens, context])
        by = _digest(
            [
                asked,
                evaluation.by,
                [[step.id, step.fingerprint.row, step.fingerprint.set] for step in evaluation.steps],
                [[p.kind, p.columns] for p in problems],
            ]
        )
        measures = _kept(kept / f"accuracy-{moment}-{by}.json")
        if measures is None:
            replies = _kept(kept / f"replies-{moment}-{asked}.json")
            if replies is None:
                says(f"asking {len(problems):,} problems of {evaluation.name} {moment} training")
                replies = ask(problems, evaluation.max_tokens)
                replies = _keep(kept / f"replies-{moment}-{asked}.json", replies)
            rows = [{**p.columns, REPLY: reply} for p, reply in zip(problems, replies, strict=True)]
            grades = graded(plan, evaluation.steps, rows, sandbox=sandbox, kept=kept / "calls")
            found_here = {
                step_id: asdict(accuracy_of(f"{evaluation.name}.{step_id}", problems, replies, of))
                for step_id, of in grades.items()
            }
            measures = _keep(kept / f"accuracy-{moment}-{by}.json", found_here)
        for step_id, accuracy in measures.items():
            name = evaluation.name if len(measures) == 1 else f"{evaluation.name}.{step_id}"
            found[name] = {"set": evaluation.name, **accuracy}
    return found


def accuracy_of(
    name: str, problems: Sequence[Problem], replies: Sequence[str], grades: Sequence[Grade]
) -> Accuracy:
    """The grades of one verifier, counted.

    Raises:
        RunError: it failed on more than 5% of the replies, or was asked about none.
    """
    verdicts = Counter(grade.verdict for grade in grades)
    asked = len(grades) - verdicts["not asked"]
    failures = tuple(
        str(grade.measurement.evidence.get("reason") or grade.measurement.outcome)[:300]
        for grade in grades
        if grade.verdict == "failed"
    )
    if not asked:
        raise RunError(
            f"evaluate: {name} grades none of {len(grades):,} replies: its `when` holds of no problem"
        )
    if verdicts["failed"] > MOST_FAILED * asked:
        raise RunError(
            f"evaluate: {name} failed on {verdicts['failed']:,} of {asked:,} replies, which says nothing about them; "
            f"the first: {failures[0]}"
        )
    counted = asked - verdicts["failed"]
    low, high = wilson(verdicts["right"], counted)
    kinds: dict[str, list[bool]] = {}
    for problem, grade in zip(problems, grades, strict=True):
        if problem.kind and grade.verdict not in ("failed", "not asked"):
            kinds.setdefault(problem.kind, []).append(grade.verdict == "right")
    wrong = [
        {
            "prompt": problem.messages[-1]["content"],
            "reply": reply,
            "why": json.dumps(dict(grade.measurement.evidence), ensure_ascii=False, default=str)[:1000],
        }
        for problem, reply, grade in zip(problems, replies, grades, strict=True)
        if grade.verdict in ("wrong", "unanswered")
    ]
    return Accuracy(
        asked=asked,
        right=verdicts["right"],
        unanswered=verdicts["unanswered"],
        failed=verdicts["failed"],
        accuracy=verdicts["right"] / counted,
        low=low,
        high=high,
        by_kind={kind: sum(right) / len(right) for kind, right in sorted(kinds.items())},
        followed=_followed(grades),
        verdicts="".join(LETTERS[grade.verdict] for grade in grades),
        wrong=tuple(wrong[:SHOWN]),
        failures=failures[:SHOWN],
    )


def _followed(grades: Sequence[Grade]) -> float | None:
    """Share of single constraints followed; an empty reply follows none. None for verifiers of other things."""
    followed = of = 0
    for grade in grades:
        evidence = grade.measurement.evidence
        if "followed" in evidence and "of" in evidence:
            of += int(evidence["of"])
            followed += int(evidence["followed"]) if grade.verdict != "unanswered" else 0
    return followed / of if of else None


class GreedyModel:
    """A model that answers by its likeliest tokens, by the loop of the `transformers` engine, in fp32."""

    def __init__(self, place: str | Path, *, revision: str = "", template: str | None = None) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        options: dict[str, Any] = {"trust_remote_code": False, **({"revision": revision} if revision else {})}
        self._tokenizer = AutoTokenizer.from_pretrained(place, **options)
        if template is not None:
            self._tokenizer.chat_template = template
        self._model = AutoModelForCausalLM.from_pretrained(
            place, dtype=torch.float32, use_safetensors=True, **options
        )
        self._model.eval().to("cuda" if torch.cuda.is_available() else "cpu")

    def replies(
        self, problems: Sequence[Problem], *, context: int, max_tokens: int, batch_size: int = 64
    ) -> list[str]:
        """The reply to each problem; empty where its prompt leaves no room in `context`."""
        from mixwright_runtime.engines.decoding import Prompt, completions, end_tokens_of

        prompts = [
            Prompt(
                self._tokenizer.apply_chat_template(
                    [dict(message) for message in problem.messages],
                    add_generation_prompt=True,
                    tokenize=True,
                    return_dict=True,
                )["input_ids"],
                max_tokens=max_tokens,
            )
            for problem in problems
        ]
        replies = [""] * len(prompts)
        fitting = [i for i, prompt in enumerate(prompts) if len(prompt.tokens) < context]
        by_length = sorted(fitting, key=lambda i: len(prompts[i].tokens))
        for at in range(0, len(by_length), batch_size):
            batch = by_length[at : at + batch_size]
            for index, completion in completions(
                self._model,
                self._tokenizer,
                [prompts[i] for i in batch],
                context=context,
                end_tokens=end_tokens_of(self._model, self._tokenizer),
            ):
                replies[batch[index]] = completion.text
        return replies


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return blake2b(text.encode(), digest_size=6).hexdigest()


def _kept(path: Path) -> Any:
    """What `_keep` wrote; None where there is nothing whole."""
    try:
        return json_of(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _keep(path: Path, value: object) -> Any:
    """The value as it is read back."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(value, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
    new.replace(path)
    return _kept(path)
