"""Tokenizers out of a directory, or the hub's cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixwright_runtime.errors import not_loaded, require


class NoTokenizer(Exception):
    """There is none, or it cannot be read; says why."""


def tokenizer_at(
    place: Path | str, what: str, *, extra: str = "transformers", revision: str = "", is_local: bool = True
) -> Any:
    """The tokenizer in a place. what: who needs it. is_local: nothing is fetched. No code of a repository is run.

    Raises:
        MissingExtra: transformers is not installed.
        NoTokenizer: it cannot be loaded.
    """
    transformers = require("transformers", extra, what)
    options = {"revision": revision} if revision else {}
    try:
        return transformers.AutoTokenizer.from_pretrained(
            str(place), trust_remote_code=False, local_files_only=is_local, **options
        )
    except Exception as error:  # tokenizers raises bare exceptions on a broken file
        raise NoTokenizer(not_loaded(error)) from error
