"""Which sizes the model of a `train` block has: as written, from its directory, from the hub's cache, or known."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mixwright_compiler.catalog.new_tokens import rows_with
from mixwright_compiler.hardware.shape import Shape, known_shape, shape_of_config
from mixwright_dsl.lazy_dataclass import replace

ASSUMED_VOCABULARY = 32_000
"""Chosen: that of LLaMA, for a tokenizer that does not tell its own."""


def shape_of(given: Mapping[str, Any], directory: Path) -> tuple[Shape, str] | None:
    """The sizes and the name of the model that a `train` block's attributes start from; None where nothing tells them."""
    found = _start_of(given, directory)
    new = sum(len(given.get(name) or ()) for name in ("new_tokens", "new_special_tokens"))
    if found is None or not new:
        return found
    shape, name = found
    if given.get("architecture"):
        return replace(shape, vocabulary=shape.vocabulary + new), name
    tokens = _tokens_of(directory / str(given["base"])) if given.get("base") else None
    return replace(shape, vocabulary=rows_with(shape.vocabulary, (tokens or shape.vocabulary) + new)), name


def _start_of(given: Mapping[str, Any], directory: Path) -> tuple[Shape, str] | None:
    sizes = given.get("architecture")
    if sizes:
        if not isinstance(sizes, Mapping):
            return None
        config = {
            "hidden_size": sizes.get("hidden"),
            "num_hidden_layers": sizes.get("layers"),
            "num_attention_heads": sizes.get("heads"),
            "num_key_value_heads": sizes.get("kv_heads"),
            "intermediate_size": sizes.get("ffn"),
            "vocab_size": given.get("vocabulary")
            or _vocabulary(directory / str(given.get("tokenizer") or "")),
            "tie_word_embeddings": sizes.get("tie", True),
        }
        shape = shape_of_config(config)
        return (shape, "a fresh Llama") if shape else None
    if given.get("base"):
        read = _json_of(directory / str(given["base"]) / "config.json")
        found = shape_of_config(read) if read else None
        return (found, str(given["base"])) if found else None
    repo, revision = str(given.get("repo") or ""), str(given.get("revision") or "")
    read = _cached_config(repo, revision)
    found = shape_of_config(read) if read else known_shape(repo)
    return (found, repo) if found else None


def why_no_shape(given: Mapping[str, Any], directory: Path) -> str:
    """What keeps `shape_of` from knowing the sizes, in words."""
    if given.get("architecture"):
        return "`architecture` gives no sizes that make sense"
    if given.get("base"):
        place = str(given["base"])
        read = _json_of(directory / place / "config.json")
        missing = f"{place}/config.json cannot be read"
    else:
        place = str(given.get("repo") or "")
        read = _cached_config(place, str(given.get("revision") or ""))
        missing = f"{place} is not in the local Hugging Face cache"
    if read is None:
        return missing
    return f"the planner does not know how models of type {str(read.get('model_type'))[:40]!r} are laid out"


def _vocabulary(directory: Path) -> int:
    return _tokens_of(directory) or ASSUMED_VOCABULARY


def _tokens_of(directory: Path) -> int | None:
    """Entries of a tokenizer.json, special ones included; None where it cannot be read."""
    document = _json_of(directory / "tokenizer.json") or {}
    model, tokens = document.get("model"), document.get("added_tokens")
    words = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(words, dict | list):
        return None
    listed = tokens if isinstance(tokens, list) else []
    added = [token.get("id") for token in listed if isinstance(token, dict)]
    return max(len(words), *(number + 1 for number in added if isinstance(number, int)))


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
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
