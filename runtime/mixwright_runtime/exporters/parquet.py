"""Export of a mixture as Parquet."""

from __future__ import annotations

from collections.abc import Iterable

from mixwright_runtime.exporters.files import SHARD, write_parquet
from mixwright_runtime.exporters.protocol import MESSAGES, Job, Written
from mixwright_runtime.mixture.rows import MixtureRow
from mixwright_runtime.plugins.attributes import EXPORT
from mixwright_runtime.plugins.declare import declare


@declare("export", "parquet", label="name", reads=("messages",), attributes=EXPORT)
class ParquetExport:
    """Write a mixture as Parquet (zstd) in the layout of a Hugging Face dataset repository.

    Makes `<path>/data/train-00000-of-00001.parquet` with the columns `messages` (list of `{role, content}`),
    `id` and `lineage` (hex), `component` and `source`, in the mixture's order, and the same `README.md` and
    `manifest.json` as `messages`. Replacing an older export works the same way, too.

        export hub of tulu3 { format = parquet, path = "out/tulu3", license = "odc-by" }
    """

    data_file = f"data/{SHARD}.parquet"
    shape = MESSAGES

    @staticmethod
    def write(job: Job, rows: Iterable[MixtureRow]) -> Written:
        (job.directory / "data").mkdir()
        return Written(write_parquet(job.directory / ParquetExport.data_file, rows))
