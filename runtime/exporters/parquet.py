"""Export of a mixture as Parquet."""

from __future__ import annotations

from runtime.exporters.attributes import EXPORT_ATTRIBUTES
from runtime.plugin import declare


@declare("export", "parquet", label="name", attributes=EXPORT_ATTRIBUTES)
class ParquetExport:
    """Write a mixture as Parquet (zstd) in the layout of a Hugging Face dataset repository.

    Makes `<path>/data/train-00000-of-00001.parquet` with the columns `messages` (list of `{role, content}`),
    `id` (hex), `component` and `source`, in the mixture's order, and the same `README.md` and `manifest.json`
    as `messages`. Replacing an older export works the same way, too.

        export hub of tulu3 { format = parquet, path = "out/tulu3", license = "odc-by" }
    """

    format = "parquet"
    suffix = "parquet"
