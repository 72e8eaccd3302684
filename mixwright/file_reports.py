"""What `fmt` and `fix` print as JSON: what became of each file, and the findings that are left."""

from __future__ import annotations

from typing import Literal, TypedDict

from mixwright_dsl.json_report import FindingsReport


class FileChange(TypedDict):
    """What a command makes of a file. status: `same`; `changed`, or where nothing is written would be; `broken`, for it
    has errors; `unreadable`, or not to be written. diff: unified, where it was asked for."""

    file: str
    status: Literal["same", "changed", "broken", "unreadable"]
    diff: str


class FixedFile(FileChange):
    """A spec after its fixes. fixed: the codes of what was mended, in order."""

    fixed: list[str]


class FmtReport(FindingsReport):
    """What became of each file, and why some could not be formatted."""

    files: list[FileChange]


class FixReport(FindingsReport):
    """What became of each file, and the findings that are left in all of them."""

    files: list[FixedFile]
