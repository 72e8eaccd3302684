"""The files of a plugin: one Python file, or a folder with `__init__.py` and whatever else lies in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mixwright_compiler.catalog.catalog import Entry

PACKAGE = "__init__.py"


def files_of(plugin: Path) -> dict[str, Path]:
    """Every file by its place in the plugin, `/` between its parts; a plugin of one file has it under its name.

    What Python caches and what is hidden is no part of it.
    """
    if plugin.is_dir():
        return dict(_below(plugin))
    return {plugin.name: plugin}


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and not name.endswith(".pyc"):
                path = Path(at, name)
                yield path.relative_to(folder).as_posix(), path


def module_of(place: str) -> str:
    """The name inside a plugin of one of its Python files: empty for `__init__.py`, `words` for `words.py`."""
    return ".".join(part for part in place.removesuffix(".py").split("/") if part != "__init__")


def is_module(place: str) -> bool:
    """Whether a file of a folder can be imported: `my-notes.py` cannot."""
    return all(part.isidentifier() for part in place.removesuffix(".py").split("/"))


def identity_of(files: dict[str, Path]) -> str:
    """`sha256:` and the digest of the files' places and bytes.

    Raises:
        OSError: one cannot be read.
    """
    import hashlib  # loads OpenSSL, and few specs have plugins

    whole = hashlib.sha256()
    for place, path in sorted(files.items()):
        digest = hashlib.sha256(path.read_bytes()).digest()
        # Where a plugin of one file lies, and what it is called, changes nothing of it.
        name = place.encode() if len(files) > 1 or place == PACKAGE else b""
        whole.update(len(name).to_bytes(4, "little") + name + digest)
    return f"sha256:{whole.hexdigest()}"


def short(identity: str) -> str:
    """An identity as a line of text shows it."""
    return identity[:15] if identity.startswith("sha256:") else identity


def of_plugin(entry: Entry) -> dict[str, str]:
    """What a hash says of an entry that a plugin declares: an edited plugin may do anything otherwise."""
    return {"plugin": entry.plugin.identity} if entry.plugin is not None else {}
