"""Reading what models wrote without holding up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

LONG_CHARACTERS = 100_000
"""Longer texts are read in a thread: the loop goes on meanwhile, and hears signals."""


async def read_beside(read: Callable[[str], Found], text: str) -> Found:
    """What `read` finds in a text; it takes linear time. Errors of `read` come through."""
    return read(text) if len(text) <= LONG_CHARACTERS else await asyncio.to_thread(read, text)
