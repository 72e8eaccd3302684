"""Waiting for jobs side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar, cast

Made = TypeVar("Made")


async def gather_all(jobs: Iterable[Coroutine[Any, Any, Made]]) -> list[Made]:
    """Results in order. When one job fails the others are awaited first, so that none runs on unobserved."""
    results = await asyncio.gather(*jobs, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast(list[Made], results)
