"""The inside of one worker process: runs one function at a time on plain data until its input ends.

Started by `mixwright_runtime/workers/pool.py`, never imported by it. Jobs and results are frames on two pipes: a
length of four bytes, then JSON. Nothing is pickled: a job's arguments hold model output.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from typing import Any, BinaryIO

from mixwright_runtime.workers.boot import end_with_parent
from mixwright_runtime.workers.frames import LENGTH, framed, length_in
from mixwright_runtime.workers.no_network import forbid_sockets

MEMORY_LIMIT_BYTES = 4 * 1024**3
"""Address space of a worker; SymPy needs 0.4 GiB, a runaway expression any amount."""
FRAME_LIMIT_BYTES = 64 * 1024 * 1024


def serve() -> None:
    """Answer jobs on standard input until it ends; results go to what was standard output.

    A frame in is a list of jobs, `[function, arguments]`; a frame out is one job's result, `[1, value, cpu]` or
    `[0, error type, message, cpu]`, written as soon as it is there; `cpu` are the process's CPU seconds until now.
    """
    _limit_resources()
    forbid_sockets()
    answer_jobs()


def answer_jobs() -> None:
    """See `serve`; without its limits."""
    end_with_parent()
    results = os.fdopen(os.dup(1), "wb")
    # A library that prints must not write into the frames.
    os.dup2(2, 1)
    loaded: dict[str, Any] = {}
    while (jobs := read_frame(sys.stdin.buffer)) is not None:
        for name, args in jobs:
            write_frame(results, _answer(name, args, loaded))


def _answer(name: str, args: list[Any] | None, loaded: dict[str, Any]) -> list[Any]:
    try:
        if name not in loaded:
            module, _, function = name.rpartition(":")
            loaded[name] = getattr(_module(module), function)
        return [1, None if args is None else loaded[name](*args)]
    except MemoryError:
        return [0, "MemoryError", "out of memory"]
    except Exception as error:
        return [0, type(error).__name__, str(error)[:2000]]


def _module(name: str) -> Any:
    if " " not in name:
        return importlib.import_module(name)
    from mixwright_runtime.plugins.modules import module_of_job

    return module_of_job(name)


def read_frame(stream: BinaryIO) -> Any:
    """The next frame's value; None when the stream has ended."""
    head = stream.read(LENGTH)
    if len(head) < LENGTH:
        return None
    body = stream.read(length_in(head))
    return json.loads(body)


def write_frame(stream: BinaryIO, value: list[Any]) -> None:
    try:
        body = json.dumps([*value, time.process_time()]).encode()
    except (TypeError, ValueError) as error:
        body = json.dumps([0, type(error).__name__, str(error)[:2000], time.process_time()]).encode()
    if len(body) > FRAME_LIMIT_BYTES:
        body = json.dumps([0, "ValueError", "the result is too large", time.process_time()]).encode()
    stream.write(framed(body))
    stream.flush()


def _limit_resources() -> None:
    """Bound memory, write no core files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limits = [v for v in (soft, hard, MEMORY_LIMIT_BYTES) if v != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
