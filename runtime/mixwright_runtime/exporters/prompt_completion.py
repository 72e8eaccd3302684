"""Export of a mixture as prompts and completions."""

from __future__ import annotations

from collections.abc import Iterable

from mixwright_runtime.exporters.files import SHARD, line_of
from mixwright_runtime.exporters.protocol import Job, Written, answered, refused
from mixwright_runtime.mixture.messages import ChatError
from mixwright_runtime.mixture.rows import MixtureRow
from mixwright_runtime.plugins.attributes import EXPORT
from mixwright_runtime.plugins.declare import declare


@declare("export", "prompt_completion", label="name", reads=("messages",), attributes=EXPORT)
class PromptCompletionExport:
    """Write a mixture as prompts and completions, on the second of which alone TRL trains by itself.

    Makes what `messages` makes, with lines `{"prompt": [all messages but the last], "completion": [the last], …}`. A
    chat must end with an answer of the assistant, so of a conversation the last answer alone is learnt.

        export hub of tulu3 { format = prompt_completion, path = "out/tulu3" }
    """

    data_file = f"data/{SHARD}.jsonl"
    shape = "`prompt` and `completion`: role and content"

    @staticmethod
    def write(job: Job, rows: Iterable[MixtureRow]) -> Written:
        (job.directory / "data").mkdir()
        count, problems = 0, list[tuple[str, str]]()
        with (job.directory / PromptCompletionExport.data_file).open("wb") as file:
            for row in rows:
                count += 1
                try:
                    prompt, last = answered(row)
                except ChatError as error:
                    problems.append((row.id, str(error)))
                    continue
                names = {
                    "id": row.id,
                    "lineage": row.lineage,
                    "component": row.component,
                    "source": row.source,
                }
                file.write(line_of({"prompt": prompt, "completion": [last], **names}))
        if problems:
            raise refused(job, problems)
        return Written(count)
