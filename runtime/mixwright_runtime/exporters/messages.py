"""Export of a mixture as JSON lines of chats."""

from __future__ import annotations

from collections.abc import Iterable

from mixwright_runtime.exporters.files import SHARD, write_jsonl
from mixwright_runtime.exporters.protocol import MESSAGES, Job, Written
from mixwright_runtime.mixture.rows import MixtureRow
from mixwright_runtime.plugins.attributes import EXPORT
from mixwright_runtime.plugins.declare import declare


@declare("export", "messages", label="name", reads=("messages",), attributes=EXPORT)
class MessagesExport:
    """Write a mixture as JSON lines that Hugging Face `datasets` and most trainers load as they are.

    Makes `<path>/data/train-00000-of-00001.jsonl`, one example a line in the mixture's order:
    `{"messages": [{"role": "user", "content": "…"}, …], "id": "<hex>", "lineage": "<hex>", "component": "…",
    "source": "…"}`, with an `id` of its own for each row and a `lineage` that rows made of one row share;
    `<path>/README.md`, a dataset card with the realised quotas, licenses, models, decontamination report and
    how to reproduce it; and `<path>/manifest.json` with the row count and the sha256 of every file.

    The directory is written beside its target and moved into place at once: a killed export leaves the old one
    as it was. What the manifest names is replaced, everything else in the directory stays. A directory without a
    manifest, and a data file that was changed by hand, stop the run; `mixwright export --force` writes there too.
    In the card, what you write outside the marked blocks stays; without them the card is yours.
    Memory: one example at a time.

        export hub of tulu3 { format = messages, path = "out/tulu3" }
    """

    data_file = f"data/{SHARD}.jsonl"
    shape = MESSAGES

    @staticmethod
    def write(job: Job, rows: Iterable[MixtureRow]) -> Written:
        (job.directory / "data").mkdir()
        return Written(write_jsonl(job.directory / MessagesExport.data_file, rows))
