"""A worker that is a process of the run's own machine: frames on two pipes, each behind its length of four bytes.

Started by `mixwright_runtime/cluster/local.py`, never imported by it. It ends when its input does, and with the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Coroutine
from typing import Any

from mixwright_runtime.cluster.hosting import Host
from mixwright_runtime.cluster.protocol import (
    answers_frame,
    frame,
    items_in,
    read_frame,
    setup_in,
    told_error,
)
from mixwright_runtime.cluster.services import host_of
from mixwright_runtime.errors import RunError, error_of
from mixwright_runtime.workers.boot import end_with_parent
from mixwright_runtime.workers.frames import LENGTH, framed, length_in


def serve() -> None:
    """Answer leases until the input ends."""
    end_with_parent()
    results = os.dup(1)
    # A library that prints must not write into the frames.
    os.dup2(2, 1)
    asyncio.run(_serve(results))


async def _serve(results: int) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    output, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(results, "wb"))
    host: Host | None = None
    jobs: set[asyncio.Task[None]] = set()

    def send(data: bytes) -> None:
        output.write(framed(data))

    def begin(job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(job)
        jobs.add(task)
        task.add_done_callback(ended)

    def ended(task: asyncio.Task[None]) -> None:
        jobs.discard(task)
        error = error_of(task)
        if isinstance(error, Exception):
            # A lease that nobody is at would be waited for: this process ends, and the lease goes to another one.
            reader.set_exception(error)

    async def open_service(service: str) -> None:
        assert host is not None
        told: dict[str, object] = {"did": "open", "service": service}
        try:
            told["slots"] = await host.open(service)
        except RunError as error:
            told |= told_error(error)
        send(frame(told))

    async def answer(head: dict[str, Any], bodies: list[bytes]) -> None:
        assert host is not None
        items = items_in(head, bodies)
        left = len(items)
        async with contextlib.aclosing(host.answers(head["service"], items)) as coming:
            async for results in coming:
                left -= len(results)
                sites = host.sites(head["service"])
                send(answers_frame(head["lease"], results, is_last=not left, sites=sites))

    while (data := await _next(reader)) is not None:
        head, bodies = read_frame(data)
        match head["do"]:
            case "setup":
                told: dict[str, object] = {"did": "setup"}
                try:
                    host = host_of(setup_in(head, bodies))
                except RunError as error:
                    told |= told_error(error)
                send(frame(told))
            case "open":
                begin(open_service(head["service"]))
            case "lease":
                begin(answer(head, bodies))
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    if host is not None:
        await host.close()


async def _next(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame; None when the input has ended."""
    try:
        head = await reader.readexactly(LENGTH)
        return await reader.readexactly(length_in(head))
    except asyncio.IncompleteReadError:
        return None
