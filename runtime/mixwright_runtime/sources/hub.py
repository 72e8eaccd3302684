"""Source kind `hf`: a dataset of the Hugging Face Hub."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mixwright_compiler.plan.plan import SourceSpec
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.attributes import SOURCE
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.sources.delimited import rows_of_delimited
from mixwright_runtime.sources.json_document import rows_of_document
from mixwright_runtime.sources.jsonl import rows_of_lines
from mixwright_runtime.sources.parquet import rows_of_parquet

_ENDINGS = ("parquet", "jsonl", "jsonl.gz", "json", "json.gz", "csv", "csv.gz", "tsv", "tsv.gz")
_REPO = re.compile(r"[\w.-]+(?:/[\w.-]+)?")
_REVISION = re.compile(r"[\w.-]+(?:/[\w.-]+)*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@declare(
    "source",
    "hf",
    attributes=(
        attribute("repo", "text", "the dataset, `owner/name`", default=REQUIRED),
        attribute("split", "text", "the split to read", default="train", given_when="without files"),
        attribute("revision", "text", "commit, tag or branch; a commit makes the dataset reproducible"),
        attribute("config", "text", "the configuration (subset), for datasets that have several"),
        attribute(
            "files", "text", "glob of the files to read, relative to the repository, instead of `split`"
        ),
        *SOURCE,
    ),
)
class HubDataset:
    """Rows of a dataset on the Hugging Face Hub, read from its Parquet, JSON Lines, JSON or CSV files.

    Files come from the local hub cache (`HF_HUB_CACHE`, else `HF_HOME/hub`, else `~/.cache/huggingface/hub`) when the
    revision is there. Otherwise they are downloaded with `huggingface_hub`, unless `HF_HUB_OFFLINE=1`; then the run
    stops with the command that fills the cache. Loading scripts of a dataset are never run.
    """

    def __init__(self, spec: SourceSpec, directory: Path) -> None:
        attributes = spec.attributes
        self.what = f"source '{spec.name}'"
        self.repo = str(attributes["repo"])
        if not _REPO.fullmatch(self.repo):
            raise RunError(f"{self.what}: '{self.repo}' is not a dataset on the hub; write owner/name")
        wanted = (spec.pin.revision if spec.pin else "") or attributes.get("revision") or "main"
        self.snapshot = cached_snapshot(self.repo, wanted) or download(self.repo, wanted, self.what)
        self.revision = self.snapshot.name
        self.files = split_files(
            self.snapshot,
            split=str(attributes.get("split") or "train"),
            config=attributes.get("config"),
            pattern=attributes.get("files"),
        )
        if not self.files:
            asked = attributes.get("files") or f"split '{attributes.get('split') or 'train'}'"
            there = ", ".join(
                f.relative_to(self.snapshot).as_posix() for f in _data_files(self.snapshot)[:10]
            )
            raise RunError(
                f'{self.what}: no file of {self.repo} is {asked}; name them with files = "...". '
                f"There are: {there or 'none that can be read'}"
            )

        named = [(file, f"{self.repo}/{file.relative_to(self.snapshot).as_posix()}") for file in self.files]
        self._named = named
        self.parquet_files = named if all(file.suffix == ".parquet" for file in self.files) else []

    def rows(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Each row with its place, `owner/name/file:line`."""
        for file, name in self._named:
            yield from rows_of_file(file, name, self.what)


def rows_of_file(file: Path, name: str, what: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Rows of a file by its ending: `.parquet`, `.jsonl`, `.json`, `.csv`, `.tsv`, the last four also with `.gz`."""
    match file.name.removesuffix(".gz").rpartition(".")[2]:
        case "parquet":
            return rows_of_parquet(file, name, what)
        case "jsonl":
            return rows_of_lines(file, name, what)
        case "json":
            # Many datasets call JSON Lines `.json`; the document reader takes both.
            return rows_of_document(file, name, what)
        case "tsv":
            return rows_of_delimited(file, name, what, delimiter="\t", names=None, has_header=True)
        case _:
            return rows_of_delimited(file, name, what, delimiter=",", names=None, has_header=True)


def hub_cache() -> Path:
    """Directory of the local hub cache, by the hub's own rules."""
    if cache := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(cache).expanduser()
    cache_home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache_home}/huggingface"
    return Path(home).expanduser() / "hub"


def cached_snapshot(repo: str, revision: str) -> Path | None:
    """The snapshot of a dataset in the local cache at a commit, tag or branch; None when it is not there."""
    folder = hub_cache() / ("datasets--" + repo.replace("/", "--"))
    reference = folder / "refs" / revision
    if not _REVISION.fullmatch(revision) or ".." in revision:
        return None
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else revision
    snapshot = folder / "snapshots" / commit
    return snapshot if _COMMIT.fullmatch(commit) and snapshot.is_dir() else None


def download(repo: str, revision: str, what: str) -> Path:
    """Fetch a dataset's files into the cache and return its snapshot.

    Raises:
        RunError: offline, `huggingface_hub` is not installed, or the hub did not answer; with the command to type.
    """
    command = f"hf download --repo-type dataset {repo} --revision {revision}"
    missing = f"{what}: {repo} at {revision} is not in the hub cache {hub_cache()}"
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise RunError(f"{missing} and HF_HUB_OFFLINE is set; where there is a network, run: {command}")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise RunError(f"{missing}; run: pip install huggingface_hub && {command}") from None
    try:
        patterns = [f"*.{ending}" for ending in _ENDINGS]
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision, allow_patterns=patterns))
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RunError(f"{missing}, and could not be downloaded: {reason}; try: {command}") from None


def split_files(snapshot: Path, *, split: str, config: str | None, pattern: str | None) -> list[Path]:
    """Files of a split, sorted: those that match `pattern`, else those whose path names the split.

    `data/train-00000-of-00002.parquet`, `main/train.jsonl` and `train/part1.csv` name the split train. With `config`
    a folder or the start of the file's name must be it. Files of which none names any split are all of `train`.
    """
    files = _data_files(snapshot)
    if pattern:
        return [f for f in files if PurePosixPath(f.relative_to(snapshot).as_posix()).match(pattern)]
    if config:
        names_config = re.compile(rf"(?:^|/){re.escape(config)}(?:[/._-]|$)")
        files = [f for f in files if names_config.search(f.relative_to(snapshot).as_posix())]
    by_split = [(f, _splits_named(f.relative_to(snapshot).as_posix(), split)) for f in files]
    if split == "train" and not any(named for _, named in by_split):
        return files
    return [f for f, named in by_split if split in named]


def _splits_named(path: str, split: str) -> set[str]:
    known = {split, "train", "test", "validation", "valid", "dev", "eval"}
    return {name for name in known if re.search(rf"(?:^|[/._-]){re.escape(name)}(?:[/._-]|$)", path)}


def _data_files(snapshot: Path) -> list[Path]:
    found = []
    for file in sorted(snapshot.rglob("*")):
        relative = file.relative_to(snapshot)
        is_hidden = any(part.startswith(".") for part in relative.parts)
        if is_hidden or not file.name.endswith(tuple(f".{e}" for e in _ENDINGS)) or not file.is_file():
            continue
        if file.name not in ("dataset_infos.json", "dataset_info.json", "state.json"):
            found.append(file)
    return found
