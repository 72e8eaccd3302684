"""Export of a mixture as prompts with what their answers are checked against."""

from __future__ import annotations

from collections.abc import Iterable

from mixwright_runtime.exporters.files import SHARD, line_of
from mixwright_runtime.exporters.protocol import Job, Written, refused
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
    in the rows are left out: a policy writes its own. A row whose `ground_truth` is null or empty stops the export and
    is named: no answer to it could earn anything.

        export rl of solved { format = rlvr, ground_truth = answer, dataset = "math", path = "out/rl" }
    """

    data_file = f"data/{SHARD}.jsonl"
    shape = "`messages`, `ground_truth` and `dataset`"

    @staticmethod
    def write(job: Job, rows: Iterable[MixtureRow]) -> Written:
        (job.directory / "data").mkdir()
        column, dataset = (str(job.export.attributes[name]) for name in ("ground_truth", "dataset"))
        count, problems = 0, list[tuple[str, str]]()
        with (job.directory / RlvrExport.data_file).open("wb") as file:
            for row in rows:
                count += 1
                truth = row.columns.get(column)
                prompt = [*row.messages]
                if prompt and prompt[-1]["role"] == "assistant":
                    prompt.pop()
                if truth is None or truth in ("", [], {}):
                    problems.append((row.id, f"its `{column}` is empty"))
                    continue
                if not prompt:
                    problems.append((row.id, "nothing stands before the assistant's answer"))
                    continue
                line = {
                    "messages": prompt,
                    "ground_truth": truth if isinstance(truth, str) else canonical_json(truth),
                    "dataset": dataset,
                    "id": row.id,
                    "lineage": row.lineage,
                    "component": row.component,
                    "source": row.source,
                }
                file.write(line_of(line))
        if problems:
            raise refused(job, problems)
        return Written(count)
