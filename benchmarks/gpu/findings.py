"""What a part of the benchmark tells, and how it says that it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Skip(Exception):
    """There is nothing to measure here; the message says why."""


class Wrong(Exception):
    """It ran, and a figure must not be as it is; the message says which."""


class Findings:
    """What a part has found so far. Each `put` is on disk when it returns, and stays if the process is ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, Any] = {}

    def put(self, name: str, value: Any) -> None:
        self._found[name] = value
        self.end("running")

    def end(self, status: str, why: str = "") -> None:
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps({"status": status, "why": why, "found": self._found}), encoding="utf-8")
        partial.replace(self._path)
