"""Export of a mixture as prompts with what their answers are checked against."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mixwright_runtime.exporters.files import SHARD, names_of, schemas_of
from mixwright_runtime.exporters.protocol import Job, Written, written_lines
from mixwright_runtime.mixture.messages import ChatError
from mixwright_runtime.mixture.rows import MixtureRow
from mixwright_runtime.plugins.attributes import EXPORT
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.values.rows import canonical_json


@declare(
    "export",
    "rlvr",
    label="name",
    reads=("messages",),
    attributes=(
        attribute(
            "ground_truth",
            "column",
            "What an answer is checked against: the right one, tests, or constraints. As JSON where it is no text.",
            default=REQUIRED,
            cls="set",
        ),
        attribute(
            "dataset",
            "text",
            "Which check the trainer makes, by the name that it has for it: `gsm8k`, `math`, `ifeval`, `code`.",
            default=REQUIRED,
            cls="set",
        ),
        *EXPORT,
    ),
)
class RlvrExport:
    """Write prompts for reinforcement learning with rewards that can be verified (RLVR), in open-instruct's shape.

    A line is `{"messages": [what is said before the last answer], "ground_truth": "…", "dataset": "…", …}`. The answers
    in the rows are left out: a policy writes its own. A row's `tools` go along. One whose `ground_truth` is null or
    empty stops the export and is named: no answer to it could earn anything.

        export rl of solved { format = rlvr, ground_truth = answer, dataset = "math", path = "out/rl" }
    """

    data_file = f"data/{SHARD}.jsonl"
    shape = "`messages`, `ground_truth` and `dataset`"

    @staticmethod
    def write(job: Job, rows: Iterable[MixtureRow]) -> Written:
        column, dataset = (str(job.export.attributes[name]) for name in ("ground_truth", "dataset"))

        def lines(row: MixtureRow) -> list[dict[str, Any]]:
            truth = row.columns.get(column)
            if truth is None or truth in ("", [], {}):
                raise ChatError(f"its `{column}` is empty")
            is_answered = bool(row.messages) and row.messages[-1]["role"] == "assistant"
            prompt = row.messages[:-1] if is_answered else row.messages
            if not prompt:
                raise ChatError("nothing stands before the assistant's answer")
            told = truth if isinstance(truth, str) else canonical_json(truth)
            checked = {"messages": prompt, "ground_truth": told, "dataset": dataset}
            return [{**checked, **schemas_of(row), **names_of(row)}]

        return Written(written_lines(job, rows, lines))
