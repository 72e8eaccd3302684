"""Export of a mixture as pairs of a better and a worse answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mixwright_runtime.exporters.files import SHARD, names_of, schemas_of
from mixwright_runtime.exporters.protocol import Job, Written, answered, written_lines
from mixwright_runtime.facts.pairs import Rejects
from mixwright_runtime.mixture.messages import ChatError
from mixwright_runtime.mixture.rows import MixtureRow
from mixwright_runtime.plugins.attributes import EXPORT
from mixwright_runtime.plugins.declare import attribute, declare

NONE_WORSE = "no candidate that is worse"
SAME = "the worse answer is the same text"
EMPTY = "no worse answer"


@declare(
    "export",
    "preference",
    label="name",
    reads=("messages",),
    one_of=(("group",), ("against",)),
    goes_with=(
        ("among", "group", "against"),
        ("rejected", "group", "against"),
        ("margin", "group", "against"),
        ("by", "group", "against"),
    ),
    attributes=(
        attribute(
            "group",
            "column",
            "The answers among which one was picked: a column of the candidates, made by `samples` or behind `each`.",
            cls="set",
            holds="candidates",
        ),
        attribute(
            "against",
            "column",
            "A worse answer that each row has already, such as that of a smaller model.",
            cls="set",
            holds="text",
        ),
        attribute(
            "among",
            "enum:failed|all",
            "Which candidates may be the worse one: those that a verifier failed, or also those that passed and were not "
            "picked.",
            default="failed",
            cls="set",
        ),
        attribute(
            "rejected",
            "enum:worst|random|all",
            "Which of them is: that with the worst score, one by chance, or each in a pair of its own.",
            default="worst",
            cls="set",
        ),
        attribute(
            "margin",
            "float",
            "By how much the score of the picked one must be the better.",
            cls="set",
            minimum=0,
        ),
        attribute(
            "by",
            "name",
            "The verifier whose score counts, by its id; without it the one that did not let the candidate go on.",
            cls="set",
        ),
        attribute(
            "shape",
            "enum:trl|open_instruct|smoltalk",
            "What a line looks like: `trl` has prompt, chosen and rejected as messages; the others have whole "
            "conversations, `smoltalk` with the prompt's text and `chat_template_kwargs` besides.",
            default="trl",
            cls="set",
        ),
        *EXPORT,
    ),
)
class PreferenceExport:
    """Write pairs for preference tuning (DPO and its kin).

    A pair is an answer that was picked, and one of the same row that was not.

    Candidates that a verifier dropped are in the store, with what was measured of them, so pairs cost no request and
    other settings none either. The better answer is the one in the mixture's row, whose chat must end with it. The worse
    one comes from the same row, so both answer the same prompt:

    - `group = solution`: of the candidates in column `solution` those that a verifier failed; with `among = all` also
      those that passed and were not picked. Where a reward picks the best and nothing fails, that is what one wants,
      best with a `margin`.
    - `against = weak_answer`: a column of the row, for pairs of a strong and a weak model.

    Of several `rejected` says which. The worst is what an earlier verifier dropped, then what that could not measure,
    then that with the worst score. Of equals the row's identity decides, so a pair is the same in every run. A row
    without a worse answer gives no pair; the card and `manifest.json` say how many rows that are, and why.

    Makes `<path>/data/train-00000-of-00001.jsonl`, the card and the manifest as `messages` does. A line of `trl` is
    `{"prompt": […], "chosen": [{"role": "assistant", …}], "rejected": [{"role": "assistant", …}], …}`, with `id`,
    `lineage`, `component`, `source`, and `margin`, how much better the score is, or null; and with a row's `tools`,
    which the shape of open-instruct has no place for.

        export pairs of solved { format = preference, group = solution, path = "out/pairs" }
    """

    data_file = f"data/{SHARD}.jsonl"
    shape = "`prompt`, `chosen` and `rejected`"

    @staticmethod
    def write(job: Job, rows: Iterable[MixtureRow]) -> Written:
        group = job.export.attributes.get("group")
        worse_of = _worse(job)
        pairs, without = 0, Counter[str]()

        def lines(row: MixtureRow) -> Iterator[dict[str, Any]]:
            nonlocal pairs
            worse = worse_of(row)
            prompt, chosen = answered(row, None if group is None else str(group))
            if not worse:
                without[NONE_WORSE] += 1
            for text, reasoning, margin in worse:
                if not isinstance(text, str) or not text.strip():
                    without[EMPTY] += 1
                elif text.strip() == str(chosen.get("content") or "").strip():
                    without[SAME] += 1
                else:
                    rejected = {"role": "assistant", "content": text}
                    if reasoning:
                        rejected["reasoning_content"] = reasoning
                    pairs += 1
                    yield _line(job, row, prompt, chosen, rejected, margin)

        count = written_lines(job, rows, lines)
        told = f"{pairs:,} pairs of {count:,} rows."
        told += "".join(f" No pair of {number:,}: {reason}." for reason, number in without.most_common())
        facts = {"pairs": pairs, "without_pair": dict(without.most_common())}
        return Written(count, told, facts)


Worse = tuple[Any, Any, float | None]
"""A worse answer: its text, its reasoning, and how much better the score of the row's own is."""


def _worse(job: Job) -> Callable[[MixtureRow], list[Worse]]:
    """The worse answers of a row; called once with each, in the mixture's order."""
    values = job.export.attributes
    if values.get("group") is None or job.candidates is None:
        column = str(values.get("against"))
        return lambda row: [(*_answer_in(row.columns, column), None)]
    column = str(values["group"])
    rejects = Rejects(
        job.candidates.judges(column),
        str(values.get("by") or ""),
        values.get("among") or "failed",
        values.get("rejected") or "worst",
        values.get("margin"),
        job.candidates.plan.mixtures[job.export.mixture].seed,
    )
    beside = job.candidates.beside()
    return lambda row: [
        (*_answer_in(json.loads(other.columns), column), gap) for other, gap in rejects.of(next(beside))
    ]


def _answer_in(columns: Mapping[str, Any], column: str) -> tuple[Any, Any]:
    return columns.get(column), columns.get(f"{column}.reasoning")


def _line(
    job: Job,
    row: MixtureRow,
    prompt: list[dict[str, Any]],
    chosen: dict[str, Any],
    rejected: dict[str, Any],
    margin: float | None,
) -> dict[str, Any]:
    names = {**schemas_of(row), **names_of(row)}
    whole = {"chosen": [*prompt, chosen], "rejected": [*prompt, rejected]}
    asked = next((m.get("content") for m in reversed(prompt) if m["role"] == "user"), "")
    match job.export.attributes.get("shape"):
        case "open_instruct" if row.tools:
            raise ChatError("open-instruct's tuning reads no tools")
        case "open_instruct":
            return {**whole, **names, "margin": margin}
        case "smoltalk":
            return {"prompt": asked, **whole, "chat_template_kwargs": {}, **names, "margin": margin}
    return {"prompt": prompt, "chosen": [chosen], "rejected": [rejected], **names, "margin": margin}
