"""Which sizes the model of a `train` block has: as written, from its directory, from the hub's cache, or known."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compiler.hardware.shape import Shape, known_shape, shape_of_config


def shape_of(given: Mapping[str, Any], directory: Path) -> tuple[Shape, str] | None:
    """The sizes and the name of the model that a `train` block's attributes start from; None where nothing tells them."""
    sizes = given.get("architecture")
    if sizes:
        vocabulary = int(
            given.get("vocabulary") or _vocabulary(directory / str(given.get("tokenizer") or ""))
        )
        heads = int(sizes["heads"])
        shape = Shape(
            int(sizes["hidden"]),
            int(sizes["layers"]),
            heads,
            int(sizes.get("kv_heads") or heads),
            int(sizes["ffn"]),
            vocabulary,
            bool(sizes.get("tie", True)),
        )
        return shape, "a fresh Llama"
    if given.get("base"):
        config = _json_of(directory / str(given["base"]) / "config.json")
        found = shape_of_config(config) if config else None
        return (found, str(given["base"])) if found else None
    repo, revision = str(given.get("repo") or ""), str(given.get("revision") or "")
    config = _cached_config(repo, revision)
    found = shape_of_config(config) if config else known_shape(repo)
    return (found, repo) if found else None


def _vocabulary(directory: Path) -> int:
    """Entries of a tokenizer.json, special ones included; 32,000 where it cannot be read."""
    document = _json_of(directory / "tokenizer.json") or {}
    words = (document.get("model") or {}).get("vocab")
    added = [token.get("id", 0) for token in document.get("added_tokens") or []]
    if not isinstance(words, dict | list):
        return 32_000
    return max(len(words), max(added, default=-1) + 1)


def _cached_config(repo: str, revision: str) -> dict[str, Any] | None:
    """The `config.json` of a repository in the local Hugging Face cache; None when it was never fetched."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    place = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"models--{repo.replace('/', '--')}"
    if not revision:
        try:
            revision = (place / "refs" / "main").read_text(encoding="utf-8").strip()
        except OSError:
            return None
    return _json_of(place / "snapshots" / revision / "config.json")


def _json_of(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None
