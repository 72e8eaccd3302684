"""Reading what a server sends: JSON as its standard has it, and counts that can be added up.

Whatever else comes is `Fault.MALFORMED`, asked again like any fault of a server, and in no total: Python's reader takes
`NaN` and the last of two equal names, and a broken proxy or a hostile server may send any of these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from mixwright_runtime.engines.protocol import EngineFault, Fault

MOST_TOKENS = 10**9
"""In one request; no model reads or writes nearly as many."""

LONGEST_NAME = 200
"""Characters kept of a name that a server gives, such as that of its model."""

_SHOWN_BYTES = 80


def document_of(body: bytes, what: str, *, once: str = "") -> dict[str, Any]:
    """The JSON object in a body. `once`: a name at the top that must not be there twice.

    Raises:
        EngineFault: it is not UTF-8, not JSON, nested too deeply, not an object, or has `once` twice.
    """
    try:
        document = _DECODER.decode(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise malformed(body, what, error) from None
    if not isinstance(document, dict):
        raise malformed(body, what, "no object")
    # A name in a text has its quotes escaped; only where there are two is it worth reading again.
    if once and body.count(f'"{once}"'.encode()) > 1 and _is_twice(body, once):
        raise malformed(body, what, f"two `{once}`")
    return document


def malformed(body: bytes, what: str, why: object) -> EngineFault:
    """The fault of a body that is not what the protocol says, with its first bytes."""
    shown = body[:_SHOWN_BYTES].decode("utf-8", "replace")
    return EngineFault(Fault.MALFORMED, f"not {what} ({why!s:.200}): {shown!r}")


def tokens_in(document: Mapping[str, object], name: str) -> int:
    """A count of `usage`; 0 where the server does not count.

    Raises:
        ValueError: it is there, and is no number of tokens.
    """
    usage = document.get("usage")
    if usage is None:
        return 0
    if not isinstance(usage, dict):
        raise ValueError("`usage` is no object")
    count = usage.get(name)
    if count is None:
        return 0
    if isinstance(count, float) and count.is_integer():
        count = int(count)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MOST_TOKENS:
        raise ValueError(f"`{name}` is no number of tokens")
    return count


def name_in(document: Mapping[str, object], key: str) -> str:
    """A name that a server gives; empty where it gives none.

    Raises:
        ValueError: it is there, and is no text.
    """
    name = document.get(key)
    if name is None:
        return ""
    if not isinstance(name, str):
        raise ValueError(f"`{key}` is no text")
    return name[:LONGEST_NAME]


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _is_twice(body: bytes, name: str) -> bool:
    tops: list[list[str]] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        tops.append([key for key, _ in found])
        return dict(found)

    json.loads(body.decode("utf-8-sig"), object_pairs_hook=pairs)
    return tops[-1].count(name) > 1  # objects are made from the inside out


_DECODER = json.JSONDecoder(parse_constant=_refused)
