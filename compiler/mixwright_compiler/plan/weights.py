"""What a model on this machine is: the digest of the files that decide its text.

Configuration, tokenizer, chat template and safetensors count; a training curve or report in the same directory
does not.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from mixwright_compiler.content_hash import content_hash
from mixwright_dsl.lazy_dataclass import dataclass

FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    "chat_template.json",
)

READ_AT_ONCE_BYTES = 256 * 2**20
"""Weights up to this size are read again by every plan (about a third of a second); larger ones are taken from
the lock while their size is the locked one."""


@dataclass(frozen=True)
class Weights:
    """`digest` is the sha256 (hex) over the names and digests of the files; `size_bytes` their size together."""

    digest: str
    size_bytes: int


def weight_files(directory: Path) -> list[Path]:
    """The files of a model directory that decide its text, by name; empty when there are none."""
    named = [directory / name for name in FILES]
    sharded = [*directory.glob("*.safetensors"), *directory.glob("*.safetensors.index.json")]
    return sorted((p for p in (*named, *sharded) if p.is_file()), key=lambda p: p.name)


def weights_of(directory: Path) -> Weights | None:
    """Digest and size of a model directory; None when no model is there.

    Raises:
        OSError: a file cannot be read.
    """
    files = weight_files(directory)
    if not files:
        return None
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{path.name} {digest}\n".encode())
    return Weights(whole.hexdigest(), sum(p.stat().st_size for p in files))


def weights_identity(directory: Path, locked: Weights | None = None) -> str:
    """A text that changes when the weights do; empty when no model is at `directory`.

    Never stale: small models are read. For larger ones the locked digest holds while the size is the locked one, and
    without a lock names, sizes and times of change stand for the contents.
    """
    files = weight_files(directory)
    try:
        stats = [(path.name, path.stat()) for path in files]
        size = sum(stat.st_size for _, stat in stats)
        if size <= READ_AT_ONCE_BYTES:
            found = weights_of(directory)
            return found.digest if found else ""
    except OSError:
        return ""
    if locked is not None and locked.size_bytes == size:
        return locked.digest
    listing = [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]
    return f"unread:{content_hash('mixwright.weights-listing.v1', listing)}"
