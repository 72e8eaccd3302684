"""The files of a training job as their readers get them: whole and of the right shape, or a message that names the file.

A killed process may leave half a file, a failing disk anything. Values are checked against the type that is asked for;
of a file of lines the last one may be cut off, which a kill does, and is left out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from mixwright_compiler.load.json_text import Damaged, json_of

Shape = TypeVar("Shape")

MADE_ANEW = "delete the job's directory, and 'mixwright train' makes it anew"


@cache
def _adapter(shape: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(shape)


def read_state(shape: type[Shape], path: Path, *, what_to_do: str = MADE_ANEW) -> Shape:
    """The value of a JSON file: a dataclass, or whatever else `shape` says.

    Raises:
        Damaged: the file holds something else.
        OSError: it cannot be read.
    """
    return state_of(shape, path.read_bytes(), f"{path}", what_to_do=what_to_do)


def state_of(shape: type[Shape], text: bytes, name: str, *, what_to_do: str = MADE_ANEW) -> Shape:
    """The value of a JSON text of that name.

    Raises:
        Damaged: it holds something else.
    """
    kind: Any = shape
    try:
        found: Shape = _adapter(kind).validate_json(text, strict=True)
    except ValueError:
        raise Damaged(f"{name} is damaged: {what_to_do}") from None
    return found


def read_lines(path: Path, shapes: Mapping[str, object], *, what_to_do: str) -> list[dict[str, Any]]:
    """The complete lines of a JSON-lines file, each an object with these entries; empty when there is none.

    Raises:
        Damaged: a line holds something else.
    """
    if not path.exists():
        return []
    lines: list[dict[str, Any]] = []
    for number, text in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            line = json_of(text)
            for name, shape in shapes.items():
                _adapter(shape).validate_python(line[name], strict=True)
        except (ValueError, LookupError, TypeError):
            raise Damaged(f"{path}:{number} is damaged: {what_to_do}") from None
        lines.append(line)
    return lines


def write_lines(path: Path, lines: Iterable[Mapping[str, object]]) -> None:
    """Replace a JSON-lines file, whole or not at all."""
    _replace(path, "".join(json.dumps(line) + "\n" for line in lines))


def write_state(path: Path, value: object) -> None:
    """Replace a JSON file, whole or not at all."""
    _replace(path, json.dumps(value) + "\n")


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
