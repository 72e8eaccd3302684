"""Runs untrusted Python source as a module and describes what it raises."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

MESSAGE_CHARACTERS = 300


def module(name: str) -> dict[str, Any]:
    """The names of a new module: one that `sys.modules` has, which dataclasses and pickle rely on."""
    made = ModuleType(name)
    sys.modules[name] = made
    return made.__dict__


def load(source: str, name: str, names: dict[str, Any]) -> None:
    exec(compile(source, f"<{name}>", "exec", dont_inherit=True), names)


def described(error: BaseException) -> tuple[str, str]:
    """The type's name and the message's beginning; the exception may be of an untrusted class."""
    kind = type(error).__name__
    try:
        message = str(error)
    except BaseException:
        message = ""
    return kind[:100], message[:MESSAGE_CHARACTERS]


def line_of(error: BaseException, name: str) -> int | None:
    """The innermost line of the module `name` that the exception passed through."""
    line = None
    if isinstance(error, SyntaxError) and error.filename == f"<{name}>":
        line = error.lineno
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == f"<{name}>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
