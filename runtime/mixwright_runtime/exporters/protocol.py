"""What an export format is given, and what it gives back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mixwright_compiler.plan.plan import Export, Plan, Train
from mixwright_runtime.errors import RunError
from mixwright_runtime.exporters.files import SHARD, LineFile
from mixwright_runtime.facts.pairs import CandidatesOf
from mixwright_runtime.mixture.messages import ChatError
from mixwright_runtime.mixture.rows import MixtureRow
from mixwright_runtime.values.ranges import HERE, Ranges

MESSAGES = "`messages`: role and content"


@dataclass(frozen=True)
class Job:
    """An export to write. `directory`: empty, to write into. `target`: where it will be. `root`: paths start there.

    `candidates`: those that were made beside the mixture's rows, and not taken. `ranges`: who does what is done of many
    rows.
    """

    export: Export
    train: Train | None
    directory: Path
    target: Path
    root: Path
    candidates: CandidatesOf | None = None
    ranges: Ranges = HERE

    def path_from_target(self, path: Path) -> str:
        """A path as files in the export name it: relative to it, so that none holds a path of this machine."""
        return os.path.relpath(os.path.normpath(path), os.path.normpath(self.target))


@dataclass(frozen=True)
class Written:
    """What was written. `rows`: of the mixture that went in, all of them.

    instructions: Markdown for the card, how a trainer is started and what differs. facts: JSON for the manifest.
    """

    rows: int
    instructions: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


class Format(Protocol):
    """An export format. `data_file`: where the rows are. `shape`: what a row holds, for the card."""

    data_file: str
    shape: str

    @staticmethod
    def write(job: Job, rows: Iterable[MixtureRow]) -> Written:
        """Write the export's files; the card and the manifest come after.

        Raises:
            RunError: a row that the format cannot hold, by its id.
        """
        ...


def train_of(plan: Plan, export: Export) -> Train | None:
    """The train block of an export: the one it names, else the only one on its mixture; None for a format that is made
    from none.

    Raises:
        RunError: it names none that is on the mixture, or does not say which of several.
    """
    if "train" not in export.attributes:
        return None
    there = [train for train in plan.trains.values() if train.mixture == export.mixture]
    name = export.attributes.get("train")
    if name is not None:
        there = [train for train in there if train.name == name]
        if not there:
            raise RunError(f"export '{export.name}': no train '{name}' is on mixture '{export.mixture}'")
    if len(there) > 1:
        names = ", ".join(train.name for train in there)
        raise RunError(f"export '{export.name}': add `train = …`, one of {names}")
    return there[0] if there else None


def refused(job: Job, problems: Sequence[tuple[str, str]]) -> RunError:
    """The error of rows that a format cannot hold: (row id, reason), the first in full."""
    row, reason = problems[0]
    others = "" if len(problems) == 1 else f"; {len(problems) - 1:,} other rows cannot either"
    return RunError(
        f"export '{job.export.name}': `format = {job.export.format}` cannot hold row {row}: {reason}{others}"
    )


def answered(row: MixtureRow, column: str | None = None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A chat as what is said before its last message, and that message, the assistant's.

    column: that the message must be.

    Raises:
        ChatError: it ends with something else, or there is nothing before it.
    """
    *prompt, last = row.messages
    if last["role"] != "assistant" or last.get("tool_calls"):
        raise ChatError("its chat does not end with an answer of the assistant")
    if not prompt:
        raise ChatError("nothing stands before the assistant's answer")
    if column is not None:
        answer = row.columns.get(column)
        if not isinstance(answer, str) or answer.strip() != str(last.get("content") or "").strip():
            raise ChatError(f"its chat does not end with `{column}` as it was picked")
    return prompt, last


def written_lines(
    job: Job, rows: Iterable[MixtureRow], lines: Callable[[MixtureRow], Iterable[dict[str, Any]]]
) -> int:
    """Write the data file of an export as JSON lines; returns how many rows went in. `lines`: see `LineFile`.

    Raises:
        RunError: rows that the format cannot hold, by id.
    """
    file = LineFile(job.directory / "data" / f"{SHARD}.jsonl", lines)
    for _ in file.written(rows):
        pass
    if file.problems:
        raise refused(job, file.problems)
    return file.count
