"""Runs a test program whose calls of the candidate are answered by another job.

    read   {"setup": …, "test": …, "functions": {name: path}, "awaited": [name], "called": [name], "limit_bytes": n}
    write  ["call", path, args, kwargs, with_arguments], read an answer of `calls.py`; as often as the program calls
    write  ["passed", n], n assertions about the candidate were evaluated
           ["failed", "setup" | "test" | "raised" | "candidate", type, message, line]: `raised` is the candidate's own
           exception, `candidate` a value of it that is not plain data
           ["unusable", why]: what the program needs is not here

The answer is decoded to exact standard types, so no code of the candidate ever runs here.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NoReturn

from mixwright_runtime.sandbox.guest import candidate, frames, trial
from mixwright_runtime.sandbox.guest.calls import CHANNEL, prepare, report
from mixwright_runtime.sandbox.plain import NotPlain, form_of, value_of

__all__ = ["prepare", "report", "run"]

MODULE = "_mixwright_module"
"""What `import solution` binds in the test program."""


class Unanswered(BaseException):
    """The candidate's value or the test's argument is not plain data; a BaseException, so that no test swallows it."""


class _Candidate:
    """Calls of the candidate, and what went wrong with them."""

    def __init__(self, answers: int, limit_bytes: int) -> None:
        self.ledger = trial.Ledger()
        self.unanswered: Unanswered | None = None
        self._answers = answers
        self._limit_bytes = limit_bytes

    def stand_in(self, name: str, path: str, *, is_awaited: bool) -> Callable[..., Any]:
        def call(*args: object, **kwargs: object) -> Any:
            try:
                return self._value(name, path, args, kwargs)
            except Unanswered as error:
                self.unanswered = self.unanswered or error
                raise

        async def awaited(*args: object, **kwargs: object) -> Any:
            return call(*args, **kwargs)

        function: Callable[..., Any] = awaited if is_awaited else call
        function.__name__ = function.__qualname__ = name
        return function

    def _value(self, name: str, path: str, args: tuple[object, ...], kwargs: dict[str, Any]) -> Any:
        try:
            forms = form_of(args, self._limit_bytes), form_of(kwargs, self._limit_bytes)
        except NotPlain as error:
            raise Unanswered("test", f"an argument of {name}: {error}") from None
        is_changeable = any(type(arg) in _CHANGED for arg in args)
        frames.write(self._answers, ["call", path, *forms, is_changeable])
        kind, *rest = frames.read(CHANNEL)
        if kind == "raised":
            theirs = _exception(rest[0], rest[1])
            self.ledger.raised.append(theirs)
            raise theirs
        try:
            if kind != "value":
                raise NotPlain(rest[0])
            value = value_of(rest[0])
        except NotPlain as error:
            raise Unanswered("candidate", f"the value of {name}: {error}") from None
        if is_changeable:
            if type(value) is not tuple or len(value) != 2 or len(value[1]) != len(args):
                raise Unanswered("candidate", f"the value of {name}: not as it was asked for")
            value, after = value
            for arg, changed in zip(args, after, strict=True):
                if type(arg) in _CHANGED and type(changed) is type(arg):
                    _CHANGED[type(arg)](arg, changed)
        return value


def _changed_list(arg: Any, changed: Any) -> None:
    arg[:] = changed


def _changed_table(arg: Any, changed: Any) -> None:
    arg.clear()
    arg.update(changed)


_CHANGED: dict[type, Callable[[Any, Any], None]] = {
    list: _changed_list,
    bytearray: _changed_list,
    dict: _changed_table,
    set: _changed_table,
}
"""How an argument that the candidate changed in its own process is changed here."""


def run(nothing: None, answers: int = CHANNEL) -> NoReturn:
    """Run the test program, say how it went, and end at once."""
    work = frames.read(CHANNEL)
    names = candidate.module(trial.MODULE)
    theirs = _Candidate(answers, work["limit_bytes"])
    where = "setup"
    try:
        candidate.load(work["setup"], "setup", names)
        stand_ins = {
            name: theirs.stand_in(name, path, is_awaited=name in work["awaited"])
            for name, path in work["functions"].items()
        }
        names.update(stand_ins)
        names[MODULE] = SimpleNamespace(**stand_ins)
        where = "test"
        trial.run(work["test"], names, theirs.ledger, work["called"])
    except BaseException as error:
        frames.write(answers, _failed(error, where, theirs))
    else:
        frames.write(answers, _failed(None, where, theirs))
    os._exit(0)


def _failed(error: BaseException | None, where: str, theirs: _Candidate) -> list[Any]:
    """How the program went, as a frame; `error` is what it ended by."""
    ledger = theirs.ledger
    if isinstance(error, trial.Unusable):
        return ["unusable", str(error)]
    if theirs.unanswered is not None:
        whose, what = theirs.unanswered.args
        return ["failed", whose, "NotPlain", what, candidate.line_of(theirs.unanswered, "test")]
    cause = error
    while cause is not None and all(cause is not one for one in ledger.raised):
        cause = cause.__cause__ or cause.__context__
    if error is not None and cause is None:
        return ["failed", where, *candidate.described(error), candidate.line_of(error, where)]
    if cause is None and ledger.failures:
        message, line = ledger.failures[0]
        return ["failed", "test", "AssertionError", message[: candidate.MESSAGE_CHARACTERS], line]
    if cause is None and ledger.raised:
        cause = ledger.raised[0]
    if cause is not None:
        return ["failed", "raised", *candidate.described(cause), candidate.line_of(cause, "test")]
    return ["passed", ledger.asserted]


def _exception(name: str, message: str) -> BaseException:
    """The built-in exception of that name, or one of a new class of that name."""
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, BaseException):
        try:
            return kind(message)
        except TypeError:
            # UnicodeDecodeError and the like take more than a message.
            pass
    made: type[Exception] = type(name, (Exception,), {})
    return made(message)
