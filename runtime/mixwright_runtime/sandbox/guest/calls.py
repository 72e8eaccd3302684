"""Loads a candidate and answers calls of it; runs in the job's untrusted process.

    read   {"setup": …, "source": …, "calls": [call, …], "is_open": bool, "limit_bytes": n}
    write  ["loaded"], then for each call ["value", form] | ["raised", type, message] | ["opaque", reason]
    write  ["failed", "setup" | "source", type, message, line] instead of "loaded"

A call is {"function": path, "args": form, "kwargs": form, "with_arguments": bool} or {"expression": text}. A function
that gives a coroutine is waited for. When `is_open`, further calls are read until the channel closes.
"""

from __future__ import annotations

import builtins
import os
from types import CoroutineType
from typing import Any, NoReturn

from mixwright_runtime.sandbox.guest import candidate, frames
from mixwright_runtime.sandbox.plain import NotPlain, form_of, value_of

CHANNEL = 4


def prepare(report: int) -> None:
    """Nothing: the process reads its own work."""


def report(descriptor: int, work: None, status: int, cpu_s: float) -> None:
    """Say how the untrusted process ended. Without `json`: its pages need not be copied for this."""
    body = b'{"status":%d,"cpu_s":%f}' % (status, cpu_s)
    os.write(descriptor, len(body).to_bytes(4, "little") + body)


def run(nothing: None, answers: int = CHANNEL) -> NoReturn:
    """Answer everything, then end at once: exit handlers and threads of the candidate are of no interest.

    `answers` is the descriptor to write to, where it is not the one that is read.
    """
    work = frames.read(CHANNEL)
    names = candidate.module("candidate")
    for where in ("setup", "source"):
        try:
            candidate.load(work[where], where, names)
        except BaseException as error:
            frames.write(
                CHANNEL, ["failed", where, *candidate.described(error), candidate.line_of(error, where)]
            )
            os._exit(0)
    frames.write(answers, ["loaded"])
    for call in work["calls"]:
        frames.write(answers, _answer(call, names, work["limit_bytes"]))
    while work["is_open"]:
        try:
            call = frames.read(CHANNEL)
        except EOFError:
            break
        frames.write(answers, _answer(call, names, work["limit_bytes"]))
    os._exit(0)


def _answer(call: dict[str, Any], names: dict[str, Any], limit_bytes: int) -> list[Any]:
    try:
        value = _value(call, names)
    except BaseException as error:
        return ["raised", *candidate.described(error)]
    try:
        return ["value", form_of(value, limit_bytes)]
    except NotPlain as error:
        return ["opaque", str(error)]
    except BaseException as error:
        return ["opaque", f"{candidate.described(error)[0]} while it was copied"]


def _value(call: dict[str, Any], names: dict[str, Any]) -> Any:
    if "expression" in call:
        return eval(compile(call["expression"], "<call>", "eval", dont_inherit=True), names)
    args, kwargs = value_of(call["args"]), value_of(call["kwargs"])
    value = found(call["function"], names)(*args, **kwargs)
    if type(value) is CoroutineType:
        # Takes longer to import than most calls take.
        import asyncio

        value = asyncio.run(value)
    return (value, args) if call["with_arguments"] else value


def found(path: str, names: dict[str, Any]) -> Any:
    """What a path names: `f`, `Solver.solve`, `Solver().solve`, a new object at each call."""
    value: Any = None
    for at, part in enumerate(path.split(".")):
        name = part.removesuffix("()")
        if at:
            value = getattr(value, name)
        elif name in names:
            value = names[name]
        elif hasattr(builtins, name):
            value = getattr(builtins, name)
        else:
            raise NameError(f"name '{name}' is not defined")
        if part.endswith("()"):
            value = value()
    return value
