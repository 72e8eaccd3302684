"""Accuracy on held-out problems: greedy answers of a model, compared with the gold ones as `verify math` does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from compiler.plan import Fingerprint, Origin, Plan, Step
from runtime.plugin import RunError, implementation
from runtime.rows import Row
from runtime.steps.protocol import Measurement, StepContext

_SHOWN = 5


@dataclass(frozen=True)
class Problem:
    """A rendered prompt and the text with the right answer."""

    messages: tuple[Mapping[str, str], ...]
    gold: str
    kind: str = ""


@dataclass(frozen=True)
class Accuracy:
    """How many problems were answered rightly. `unanswered` replies held no answer and count as wrong."""

    asked: int
    right: int
    unanswered: int
    accuracy: float
    by_kind: dict[str, float]
    """Accuracy for each value of the column `by`; empty without it."""
    wrong: tuple[dict[str, str], ...]
    """The first wrong replies: prompt, reply, gold."""


def held_out_problems(plan: Plan, wanted: Mapping[str, Any]) -> list[Problem]:
    """The problems of an `evaluate` block, in the order of its source, at most `limit`.

    Raises:
        RunError: the source has no such column, or no rows.
    """
    from runtime.sources.reader import read_rows
    from runtime.templates import compile_template

    source, column, by = plan.sources[wanted["on"]], str(wanted["answer"]), wanted.get("by")
    render = compile_template(plan.templates[wanted["prompt"]])
    problems = []
    for row in islice(read_rows(source, Path(plan.directory)), int(wanted["limit"])):
        for name in filter(None, (column, by)):
            if name not in row.columns:
                raise RunError(f"evaluate: source '{source.name}' has no column `{name}`")
        kind = str(row.columns[by]) if by else ""
        problems.append(Problem(render(row.columns).messages, str(row.columns[column]), kind))
    if not problems:
        raise RunError(f"evaluate: source '{source.name}' has no rows")
    return problems


def accuracy_of(
    model: Path, problems: Sequence[Problem], *, context: int, max_tokens: int, batch_size: int = 64
) -> Accuracy:
    """Ask a model every problem by greedy decoding and grade its replies. A prompt over `context` is unanswered."""
    replies = greedy_replies(model, problems, context=context, max_tokens=max_tokens, batch_size=batch_size)
    measured = asyncio.run(_grades(replies, [problem.gold for problem in problems]))
    broken = [m for m in measured if m.outcome in ("error", "timeout")]
    if broken:
        raise RunError(f"evaluate: {len(broken)} replies could not be graded: {dict(broken[0].evidence)}")
    is_right = [m.outcome == "measured" and m.score == 1 for m in measured]
    wrong = [
        {"prompt": problem.messages[-1]["content"], "reply": reply, "gold": problem.gold}
        for problem, reply, right in zip(problems, replies, is_right, strict=True)
        if not right
    ]
    return Accuracy(
        len(problems),
        sum(is_right),
        sum(m.outcome == "unmeasurable" for m in measured),
        sum(is_right) / len(problems),
        _by_kind(problems, is_right),
        tuple(wrong[:_SHOWN]),
    )


def _by_kind(problems: Sequence[Problem], is_right: Sequence[bool]) -> dict[str, float]:
    kinds: dict[str, list[bool]] = {}
    for problem, right in zip(problems, is_right, strict=True):
        if problem.kind:
            kinds.setdefault(problem.kind, []).append(right)
    return {kind: sum(found) / len(found) for kind, found in sorted(kinds.items())}


def greedy_replies(
    place: Path, problems: Sequence[Problem], *, context: int, max_tokens: int, batch_size: int
) -> list[str]:
    """The model's likeliest reply to each problem, by the loop of the `transformers` engine."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from runtime.engines.decoding import Prompt, completions, end_tokens_of

    tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    model = AutoModelForCausalLM.from_pretrained(
        place, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
    )
    model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
    prompts = [
        Prompt(
            tokenizer.apply_chat_template(
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
            model,
            tokenizer,
            [prompts[i] for i in batch],
            context=context,
            end_tokens=end_tokens_of(model, tokenizer),
        ):
            replies[batch[index]] = completion.text
    return replies


async def _grades(replies: Sequence[str], golds: Sequence[str]) -> list[Measurement]:
    """What `verify math { response = reply, answer = gold }` measures on each reply."""
    from runtime.workers import WorkerPool

    origin = Origin(file="evaluate", line=1, column=1)
    step = Step(
        id="evaluate",
        operation="verify.math",
        version=1,
        attributes={
            "response": "reply",
            "answer": "gold",
            "agree": None,
            "extract": "auto",
            "on_fail": {"call": "drop", "args": [], "keywords": {}},
            "pick": "all",
        },
        columns={"reply": "text", "gold": "text"},
        fingerprint=Fingerprint(row="", set="", meta=""),
        origin=origin,
    )
    pool = WorkerPool()
    unused: Any = None  # a verifier of replies needs no plan, templates, models or other rows
    context = StepContext(unused, Path("."), 0, unused, unused, unused, lambda: pool, unused)
    verifier = implementation("verify.math")(step, context)
    try:
        rows = [
            Row(b"%d" % i, {"reply": reply, "gold": gold}, b"", i)
            for i, (reply, gold) in enumerate(zip(replies, golds, strict=True))
        ]
        return list(await asyncio.gather(*(verifier.measure(row) for row in rows)))
    finally:
        await pool.close()
