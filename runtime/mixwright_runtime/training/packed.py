"""Packed sequences on disk: made once before any rank starts, then only mapped into memory.

A directory holds three arrays of shape (bins, context), int32:

    tokens.npy      token ids, the pad token behind the last sequence
    labels.npy      the token where it is trained, else -100; never the first token of a sequence
    positions.npy   0, 1, 2 ... from the start of each sequence, and of the padding

and `bins.jsonl` (the ids and lineages of each bin's sequences, in order) and `manifest.json`. There is no attention mask:
`transformers` derives the borders between sequences from the positions, but only when no mask is given.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mixwright_compiler.load.json_text import Damaged
from mixwright_runtime.errors import RunError
from mixwright_runtime.training.encode import IGNORED, Encoded, EncodingCounts, fates
from mixwright_runtime.training.packing import one_each, pack
from mixwright_runtime.training.settings import TrainSettings
from mixwright_runtime.training.state import MADE_ANEW, read_lines, read_state

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FORMAT = 3


@dataclass(frozen=True)
class PackedManifest:
    """What a packed directory holds. `fill`: share of its token places that are not padding."""

    format: int
    source: str
    """Digest of everything it was made from."""
    digest: str
    """Digest of the arrays."""
    context: int
    bins: int
    examples: int
    tokens: int
    trained_tokens: int
    fill: float
    longest: int
    counts: dict[str, Any]
    """Rows read, and the ids of those that are not trained on whole."""


@dataclass(frozen=True)
class Packed:
    """The arrays of a packed directory, mapped read-only."""

    manifest: PackedManifest
    tokens: NDArray[np.int32]
    labels: NDArray[np.int32]
    positions: NDArray[np.int32]
    used: NDArray[np.int64]
    """Tokens of each bin that are not padding."""


def write_packed(
    sequences: Iterable[Encoded],
    directory: Path,
    *,
    context: int,
    packing: Literal["best_fit", "none"],
    seed: int,
    pad: int,
    source: str,
    counts: EncodingCounts,
) -> PackedManifest:
    """Write a packed directory, whole or not at all, and return its manifest.

    Memory: 16 bytes per sequence and one bin; tokens go through a file.

    Raises:
        RunError: there is no sequence to train on.
    """
    scratch = directory.with_name(directory.name + ".partial")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    lengths: list[int] = []
    names: list[tuple[str, str]] = []
    with (scratch / "flat").open("wb") as flat:
        for sequence in sequences:
            lengths.append(len(sequence.tokens))
            names.append((sequence.id, sequence.lineage))
            flat.write(np.stack((sequence.tokens, sequence.labels)).astype(np.int32).tobytes())
    if not lengths:
        told = [f"{len(ids)} {words}" for words, ids in fates(counts)]
        raise RunError(f"nothing to train on: of {counts.rows} rows, {'; '.join(told) or 'none is left'}")
    sizes = np.asarray(lengths, np.int64)
    bins = pack(sizes, context, seed=seed) if packing == "best_fit" else one_each(len(sizes))
    starts = np.concatenate(([0], np.cumsum(2 * sizes)))
    source_values = np.memmap(scratch / "flat", np.int32, "r")

    shape = (len(bins), context)
    arrays = {
        name: np.lib.format.open_memmap(scratch / f"{name}.npy", "w+", np.int32, shape)
        for name in ("tokens", "labels", "positions")
    }
    hashed = blake2b(digest_size=16)
    with (scratch / "bins.jsonl").open("w", encoding="utf-8") as index:
        for number in range(len(bins)):
            members = bins[number]
            tokens, labels = np.full(context, pad, np.int32), np.full(context, IGNORED, np.int32)
            positions, at = np.zeros(context, np.int32), 0
            for member in members:
                size = int(sizes[member])
                both = source_values[starts[member] : starts[member] + 2 * size].reshape(2, size)
                tokens[at : at + size], labels[at : at + size] = both
                positions[at : at + size] = np.arange(size)
                at += size
            # Padding is an example of its own, which none of the others attends to.
            positions[at:] = np.arange(context - at)
            for name, line in (("tokens", tokens), ("labels", labels), ("positions", positions)):
                arrays[name][number] = line
                hashed.update(line.tobytes())
            ids, lineages = zip(*(names[member] for member in members), strict=True)
            index.write(json.dumps({"used": at, "ids": ids, "lineages": lineages}) + "\n")
    for array in arrays.values():
        array.flush()
    del source_values
    (scratch / "flat").unlink()
    manifest = PackedManifest(
        FORMAT,
        source,
        hashed.hexdigest(),
        context,
        len(bins),
        len(sizes),
        int(sizes.sum()),
        counts.trained_tokens,
        float(sizes.sum() / (len(bins) * context)),
        int(sizes.max()),
        asdict(counts),
    )
    (scratch / "manifest.json").write_text(json.dumps(asdict(manifest), indent=1) + "\n", encoding="utf-8")
    # A kill between the two leaves none, and it is made anew.
    shutil.rmtree(directory, ignore_errors=True)
    scratch.rename(directory)
    return manifest


def packed_source(
    settings: TrainSettings, rows: list[dict[str, Any]], tokenizer: PreTrainedTokenizerBase
) -> str:
    """Digest of everything that decides the packed sequences."""
    hashed = blake2b(digest_size=16)
    hashed.update(tokenizer.backend_tokenizer.to_str().encode())
    shape: list[Any] = [settings.context, settings.packing, settings.overlong, settings.seed]
    # Which tokens begin and end is not in the tokenizer's own file, and templates write them.
    shape += [settings.learn, settings.turns, tokenizer.special_tokens_map]
    hashed.update(json.dumps(["mixwright.packed.v4", tokenizer.chat_template, shape], default=str).encode())
    for row in rows:
        hashed.update(json.dumps([row["id"], row["messages"], row.get("tools")], sort_keys=True).encode())
    return hashed.hexdigest()


def read_manifest(directory: Path) -> PackedManifest | None:
    """The manifest of a complete packed directory of this format, else None."""
    try:
        manifest = read_state(PackedManifest, directory / "manifest.json")
    except (OSError, Damaged):
        return None
    return manifest if manifest.format == FORMAT else None


def open_packed(directory: Path) -> Packed:
    """Map a packed directory.

    Raises:
        RunError: it is missing or of another format.
        Damaged: its files hold something else.
    """
    manifest = read_manifest(directory)
    if manifest is None:
        raise RunError(f"{directory} holds no packed sequences of format {FORMAT}")
    lines = read_lines(directory / "bins.jsonl", {"used": int}, what_to_do=MADE_ANEW)
    tokens, labels, positions = arrays = [
        mapped(directory / f"{name}.npy") for name in ("tokens", "labels", "positions")
    ]
    used = np.asarray([line["used"] for line in lines], np.int64)
    if len(used) != manifest.bins or any(a.shape != (manifest.bins, manifest.context) for a in arrays):
        raise Damaged(f"{directory} is damaged: {MADE_ANEW}")
    return Packed(manifest, tokens, labels, positions, used)


def mapped(path: Path) -> Any:
    """The array of a file, mapped read-only.

    Raises:
        Damaged: the file holds none, or half of one.
    """
    try:
        return np.load(path, mmap_mode="r")
    except (ValueError, EOFError):
        raise Damaged(f"{path} is damaged: {MADE_ANEW}") from None
