"""The errors that a run can end with.

RunError                 the run cannot go on; says what was kept and what to type next   (exit 2)
├── MissingExtra         a package is not installed; names the install command
├── StoreLocked          another run holds the store; carries its pid                     (exit 75)
├── StoreBroken          the store cannot be read or written; nothing was deleted
├── SourceChanged        a source is not what the lock pinned
├── CalibrationFailed    a verifier is not as good as its `calibrate` demands                (exit 1)
├── ReviewFailed         people found a pipeline's rows worse than its `review` demands      (exit 1)
├── EngineUnavailable    the engine cannot answer at all: breaker open, wrong model, no access
└── PluginFails, PluginChanged   a plugin's code fails, or is not what was planned, see `plugins.loading`
RowError                 one row cannot be processed: it is quarantined with the reason
RunStopped               the run is stopping; what asks for more work ends with it
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Future


class RunError(Exception):
    """The run cannot go on. The message says what was kept and how to go on."""

    exit_code = 2


class MissingExtra(RunError):
    """A package of an extra is not installed."""


class StoreLocked(RunError):
    """Another process holds the store; `pid` is that process where it is known."""

    exit_code = 75
    pid: int | None = None


class StoreBroken(RunError):
    """The store cannot be read or written."""


class SourceChanged(RunError):
    """A source's bytes differ from what the lock file pins."""


class CalibrationFailed(RunError):
    """A verifier's verdicts on labelled rows are not as good as its `calibrate` demands."""

    exit_code = 1


class ReviewFailed(RunError):
    """What people say of a sample of the rows is not as good as its `review` demands, or they have not said it yet."""

    exit_code = 1


class EngineUnavailable(RunError):
    """The engine does not answer; what was answered is kept."""


class RowError(Exception):
    """One row cannot be processed; it is quarantined with this reason."""


class RunStopped(Exception):
    """The run is stopping: this request is not sent, its row stays unfinished and starts again in the next run."""


def in_words(error: BaseException) -> str:
    """An error as `Type: message`, in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def not_loaded(error: Exception) -> str:
    """Why transformers did not load a model, in one line."""
    text = " ".join(str(error).split())
    if "trust_remote_code" in text:
        return (
            "it brings code of its own (`auto_map`), which is never run; use a model that transformers knows"
        )
    return text if len(text) <= 300 else text[:299] + "…"


def require(module: str, extra: str, what: str) -> ModuleType:
    """Import a package of an extra.

    Raises:
        MissingExtra: it is not installed; the message is `engine 'vllm' needs: pip install 'mixwright[vllm]'`.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(f"{what} needs: pip install 'mixwright[{extra}]' ({error})") from error


def error_of(done: Future[Any]) -> BaseException | None:
    """What a future or task that is done ended with; None when it has a result or was cancelled."""
    return None if done.cancelled() else done.exception()
