"""Source kind `hf`: a dataset of the Hugging Face Hub."""

from __future__ import annotations

from runtime.plugin import REQUIRED, attribute, declare
from runtime.sources.attributes import COMMON


@declare(
    "source",
    "hf",
    attributes=(
        attribute("repo", "text", "the dataset, `owner/name`", default=REQUIRED),
        attribute("split", "text", "the split to read", default="train"),
        attribute("revision", "text", "commit, tag or branch; a commit makes the dataset reproducible"),
        attribute("config", "text", "the configuration (subset), for datasets that have several"),
        attribute(
            "files", "text", "glob of the files to read, relative to the repository, instead of `split`"
        ),
        *COMMON,
    ),
)
class HubDataset:
    """Rows of a dataset on the Hugging Face Hub, read from its Parquet, JSON Lines, JSON or CSV files.

    Files come from the local hub cache (`HF_HUB_CACHE`, else `HF_HOME/hub`, else `~/.cache/huggingface/hub`) when the
    revision is there. Otherwise they are downloaded with `huggingface_hub`, unless `HF_HUB_OFFLINE=1`; then the run
    stops with the command that fills the cache. Loading scripts of a dataset are never run.
    """
