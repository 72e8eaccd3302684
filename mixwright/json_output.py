"""The contract of what commands print as JSON: an object that says its format and its command, then what was found.

Its JSON Schemas (`docs/schemas/output/`) are made of the types that `mixwright/output_schemas.py` names for a command.

`format_version`: the second number grows with new fields, the first when one changes meaning or goes. A reader rejects a
first number that it does not know, and passes over fields that it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypedDict

from mixwright_dsl.json_report import FORMAT_VERSION, DiagnosticReport

__all__ = ["FORMAT_VERSION", "FailureReport", "document", "document_text"]


class FailureReport(TypedDict):
    """Why a command has nothing to report. failure: in words; diagnostics: of a spec that it could not compile."""

    failure: str
    status: int
    diagnostics: list[DiagnosticReport]


def document(command: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """What a command found, with the contract's head."""
    return {"format_version": FORMAT_VERSION, "command": command, **found}


def document_text(command: str, found: Mapping[str, Any], *, indent: int | None = 1) -> str:
    """The same as text with a line end; dataclasses and plans in it are objects by their fields. All of it is ASCII: what
    others wrote in it cannot move a cursor."""
    return json.dumps(document(command, found), indent=indent, ensure_ascii=True, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return vars(value)
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is no JSON")
