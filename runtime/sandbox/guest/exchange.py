"""Runs a test program whose calls of the candidate are answered by another job.

    read   {"setup": …, "test": …, "functions": {name: path}, "limit_bytes": n}
    write  ["call", path, args, kwargs], read an answer of `calls.py`; as often as the test program calls
    write  ["passed"] | ["failed", "setup" | "test" | "candidate", type, message, line]

The answer is decoded to exact standard types, so no code of the candidate ever runs here.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from typing import Any, NoReturn

from runtime.sandbox.guest import candidate, frames
from runtime.sandbox.guest.calls import CHANNEL, prepare, report
from runtime.sandbox.plain import NotPlain, form_of, value_of

__all__ = ["prepare", "report", "run"]


class Unanswered(BaseException):
    """The candidate's value or the test's argument is not plain data; a BaseException, so that no test swallows it."""


def run(nothing: None, answers: int = CHANNEL) -> NoReturn:
    """Run the test program, say how it went, and end at once."""
    work = frames.read(CHANNEL)
    names = candidate.module("test")
    where = "setup"
    try:
        candidate.load(work["setup"], "setup", names)
        for name, path in work["functions"].items():
            names[name] = _stand_in(name, path, work["limit_bytes"], answers)
        where = "test"
        candidate.load(work["test"], "test", names)
    except Unanswered as error:
        line = candidate.line_of(error, "test")
        frames.write(answers, ["failed", error.args[0], "NotPlain", error.args[1], line])
    except BaseException as error:
        frames.write(answers, ["failed", where, *candidate.described(error), candidate.line_of(error, where)])
    else:
        frames.write(answers, ["passed"])
    os._exit(0)


def _stand_in(name: str, path: str, limit_bytes: int, answers: int) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            forms = form_of(args, limit_bytes), form_of(kwargs, limit_bytes)
        except NotPlain as error:
            raise Unanswered("test", f"an argument of {name}: {error}") from None
        frames.write(answers, ["call", path, *forms])
        kind, *rest = frames.read(CHANNEL)
        if kind == "raised":
            raise _exception(rest[0], rest[1])
        try:
            if kind != "value":
                raise NotPlain(rest[0])
            return value_of(rest[0])
        except NotPlain as error:
            raise Unanswered("candidate", f"the value of {name}: {error}") from None

    call.__name__ = call.__qualname__ = name
    return call


def _exception(name: str, message: str) -> BaseException:
    """The built-in exception of that name, or one of a new class of that name."""
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(message)
        except TypeError:
            # UnicodeDecodeError and the like take more than a message.
            pass
    made: type[Exception] = type(name, (Exception,), {})
    return made(message)
