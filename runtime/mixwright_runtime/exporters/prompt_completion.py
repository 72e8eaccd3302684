"""Export of a mixture as prompts and completions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mixwright_runtime.exporters.files import SHARD, names_of, schemas_of
from mixwright_runtime.exporters.protocol import Job, Written, answered, written_lines
from mixwright_runtime.mixture.rows import MixtureRow
from mixwright_runtime.plugins.attributes import EXPORT
from mixwright_runtime.plugins.declare import declare


@declare("export", "prompt_completion", label="name", reads=("messages",), attributes=EXPORT)
class PromptCompletionExport:
    """Write a mixture as prompts and completions, on the second of which alone TRL trains by itself.

    Makes what `messages` makes, with lines `{"prompt": [all messages but the last], "completion": [the last], …}`. A
    chat must end with an answer of the assistant, so of a conversation the last answer alone is learnt. A row's `tools`
    go along.

        export hub of tulu3 { format = prompt_completion, path = "out/tulu3" }
    """

    data_file = f"data/{SHARD}.jsonl"
    shape = "`prompt` and `completion`: role and content"

    @staticmethod
    def write(job: Job, rows: Iterable[MixtureRow]) -> Written:
        return Written(written_lines(job, rows, _lines))


def _lines(row: MixtureRow) -> list[dict[str, Any]]:
    prompt, last = answered(row)
    return [{"prompt": prompt, "completion": [last], **schemas_of(row), **names_of(row)}]
