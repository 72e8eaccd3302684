"""The syntax tree of a template, and the user's cache of them.

Jinja's import and the tables of its lexer take a fifth of a check's time, and a tree is a few nodes. So what this version
of Jinja parsed once is read back. A tree is JSON, of which nothing is executed; of what a template writes as it stands
nothing is kept. They are in `templates` of the user's cache, and none is where MIXWRIGHT_CACHE is empty. What cannot be
read or written there is parsed; no finding depends on it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_compiler.cache_directory import cache_directory
from mixwright_compiler.content_hash import blake2b

if TYPE_CHECKING:
    from jinja2 import Environment

FORMAT = "1"
"""Another one where trees are written in another way."""

MOST_KEPT = 4096
"""Files of the cache; a full one is emptied."""


class NoTemplate(Exception):
    """Why a text is no Jinja, in Jinja's words, and in which line, from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message, self.line = message, line


class Node:
    """A node of Jinja's tree with its fields; `kind` is the name of its class."""

    kind: str
    lineno: int

    def __init__(self, fields: dict[str, Any]) -> None:
        self.__dict__.update(fields)

    def children(self) -> Iterator[Node]:
        """The nodes in it, in the order of the text."""
        for value in self.__dict__.values():
            if isinstance(value, Node):
                yield value
            elif isinstance(value, list):
                yield from (item for item in value if isinstance(item, Node))


@cache
def environment() -> Environment:
    """Jinja as the runtime sets it up, for parsing alone."""
    from jinja2 import Environment

    made = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False, cache_size=0)
    made.globals.clear()
    return made


def tree_of(text: str) -> Node:
    """The tree of a template.

    Raises:
        NoTemplate: the text is no Jinja.
        RecursionError: it is nested too deeply.
    """
    place = _place(text)
    kept = None if place is None else _kept(place)
    if kept is not None:
        return kept
    from jinja2 import TemplateSyntaxError

    try:
        parsed = environment().parse(text)
    except TemplateSyntaxError as error:
        raise NoTemplate(str(error.message or ""), error.lineno) from None
    written = json.dumps(parsed, default=_fields)
    tree: Node = json.loads(written, object_hook=Node)
    if place is not None:
        _keep(place, written)
    return tree


def _fields(node: Any) -> dict[str, Any]:
    found = {"kind": type(node).__name__, "lineno": node.lineno}
    if found["kind"] != "TemplateData":
        found |= node.iter_fields()
    return found


def _place(text: str) -> Path | None:
    folder = _folder()
    if folder is None:
        return None
    return folder / blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@cache
def _folder() -> Path | None:
    """Where trees of the installed Jinja are; None where there is no cache."""
    jinja = find_spec("jinja2")
    if os.environ.get("MIXWRIGHT_CACHE") == "" or jinja is None or jinja.origin is None:
        return None
    try:
        base = cache_directory()
        version = os.stat(Path(jinja.origin).with_name("parser.py"))
    except (OSError, RuntimeError):  # there is no home, or only compiled code
        return None
    return base / "templates" / f"{FORMAT}-{version.st_mtime_ns:x}-{version.st_size:x}"


def _kept(place: Path) -> Node | None:
    """The tree that is kept in a file; None where it is not there, or not as it was written."""
    with suppress(OSError, ValueError, RecursionError):
        digest, _, written = place.read_text(encoding="utf-8").partition("\n")
        if digest == _digest(written):
            tree: Node = json.loads(written, object_hook=Node)
            return tree
    return None


def _keep(place: Path, written: str) -> None:
    with suppress(OSError):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if len(others := os.listdir(place.parent)) >= MOST_KEPT:
            for name in others:
                place.with_name(name).unlink(missing_ok=True)
        # Under a name of its own first: another process reads all of it or nothing.
        partial = place.with_name(f"{place.name}.{os.getpid()}")
        partial.write_text(f"{_digest(written)}\n{written}", encoding="utf-8")
        partial.replace(place)


def _digest(written: str) -> str:
    return blake2b(written.encode(), digest_size=8).hexdigest()
