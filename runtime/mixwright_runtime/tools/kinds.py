"""What a kind of tool is to the toolbox: a class that is declared under family `tool`, one for each `tool` of a plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import ToolSpec
from mixwright_runtime.plugins.protocol import CallResult
from mixwright_runtime.values.rows import Rendered

Ask = Callable[[str, Sequence[Mapping[str, str]], Mapping[str, object]], Awaitable[CallResult]]
"""Asks a model: its name, messages, sampling."""


class ToolError(Exception):
    """The call failed by what was asked, as it would again: the message is the result, which the model reads."""


@dataclass(frozen=True)
class Surroundings:
    """What tools may use, as `mixwright_runtime.plugins.protocol.StepContext` has it."""

    directory: Path
    workers: Callable[[], Any]
    sandbox: Callable[[], Any]
    rows_of: Callable[[str], Iterable[Mapping[str, Any]]]
    beside: Callable[[Callable[[], Any]], Awaitable[Any]]
    template: Callable[[str], Callable[[Mapping[str, Any]], Rendered]]


@dataclass(frozen=True)
class ToolCall:
    """One call that is to be made.

    function: which of the tool's functions. arguments: they fit its parameters. given: see `Tool.given`. time_limit_s:
    seconds by the clock that whoever calls allows, None for no limit of its own. ask: asks models for who calls.
    """

    function: str
    arguments: Mapping[str, Any]
    given: Mapping[str, Any]
    time_limit_s: float | None
    ask: Ask


class Tool(ABC):
    """A tool of the plan, made once for a run."""

    def __init__(self, spec: ToolSpec, around: Surroundings) -> None:
        self.spec = spec
        self.around = around

    async def prepare(self) -> None:
        """Called once, before the first call.

        Raises:
            RunError: it cannot work here; says what to do.
        """
        return

    def given(self, columns: Mapping[str, Any]) -> Mapping[str, Any]:
        """What decides a result besides the arguments and the tool as it is declared: of the row, or of what it found
        when it was prepared. Plain JSON; a part of the call's name."""
        return {}

    @abstractmethod
    async def run(self, call: ToolCall) -> str:
        """The result of a call.

        Raises:
            ToolError: there is none, by what was asked.
            RowError: there is none, by a fault of the machine or of a model: the call is not kept.
            RunStopped: the run is stopping.
        """

    async def close(self) -> None:
        """Let go of what it holds; called once."""
        return
