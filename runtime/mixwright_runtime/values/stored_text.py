"""Texts and JSON as they can be stored and hashed: whatever a model or a source gave."""

from __future__ import annotations

import math
from typing import Any

from mixwright_runtime.values.json_encoding import encoder

_encode = encoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def clean_text(text: str) -> str:
    """`text` with every lone surrogate replaced by U+FFFD; the same object when there is none.

    Such a string comes of `json.loads('"\\\\ud800"')`, cannot be encoded as UTF-8, and so can neither be stored nor
    hashed. Apply it where text enters (an engine's answer, a source's row): then what a run uses is what it stores.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def json_of(value: object) -> str:
    """JSON text that any reader accepts: infinite numbers and NaN become null, lone surrogates U+FFFD, and what
    JSON has no form for its `str()`."""
    return json_and_loss(value)[0]


def json_and_loss(value: object) -> tuple[str, bool]:
    """`json_of` a value, and whether some of it is another value there."""
    try:
        text = _encode(value)
    except (ValueError, TypeError):
        return clean_text(_encode(_plain(value))), True
    clean = clean_text(text)
    return clean, clean is not text


def _plain(value: object) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | int):
        return value
    return str(value)
