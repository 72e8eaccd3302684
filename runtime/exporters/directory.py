"""Directories that are replaced as a whole: written beside their target, then moved into place."""

from __future__ import annotations

import ctypes
import glob
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from runtime.plugin import RunError

MANIFEST = "manifest.json"
MADE_BY = "mixwright"


@contextmanager
def replaced_directory(target: Path, *, force: bool = False) -> Iterator[Path]:
    """A new, empty directory that becomes `target` when the block ends well; call `write_manifest` in it.

    Files are synced before the move. Where the system can exchange two paths in one step (Linux), a kill at any
    moment leaves the old directory or the new one, never neither; elsewhere the old one may be left beside the
    target as `.<name>.mixwright-…-old`. When the block fails, `target` is as it was.

    Raises:
        RunError: `target` holds what Mixwright did not write, or was changed since, and `force` is not set.
    """
    check_target(target, force=force)
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target)
    new = target.parent / f".{target.name}.{MADE_BY}-{os.getpid()}"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        yield new
        for path in sorted(new.rglob("*")):
            _sync(path)
        _sync(new)
        _move(new, target)
        _sync(target.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def check_target(target: Path, *, force: bool = False) -> None:
    """Refuse to replace files that are not ours.

    Raises:
        RunError: see `replaced_directory`.
    """
    if force or not (target.exists() or target.is_symlink()):
        return
    how = "choose another path, or 'mixwright export --force' replaces it"
    if not target.is_dir() or target.is_symlink():
        raise RunError(f"{target} is not a directory; {how}")
    files = {str(path.relative_to(target)): path for path in target.rglob("*") if not path.is_dir()}
    manifest = _read_manifest(target)
    if manifest is None:
        if files:
            raise RunError(f"{target} was not written by mixwright; {how}")
        return
    for name, path in sorted(files.items()):
        known = manifest["files"].get(name)
        if name != MANIFEST and (known is None or known != _describe(path)):
            changed = "was added to" if known is None else "was changed in"
            raise RunError(f"{name} {changed} {target} since mixwright wrote it; {how}")


def write_manifest(directory: Path, facts: Mapping[str, Any]) -> None:
    """Write `manifest.json`: `facts`, and the bytes and sha256 of every file. It marks the directory as ours."""
    files = {
        str(path.relative_to(directory)): _describe(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    document = {"made_by": MADE_BY, **facts, "files": files}
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
    (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _read_manifest(directory: Path) -> dict[str, Any] | None:
    try:
        document = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    is_ours = isinstance(document, dict) and document.get("made_by") == MADE_BY
    return document if is_ours and isinstance(document.get("files"), dict) else None


def _describe(path: Path) -> dict[str, Any]:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def _move(new: Path, target: Path) -> None:
    """Put `new` at `target`; an old directory ends up where `new` was."""
    if not target.exists():
        os.rename(new, target)
    elif not _exchange(new, target):
        old = new.with_name(f"{new.name}-old")
        os.rename(target, old)
        os.rename(new, target)
        shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink()
    elif not new.is_dir():
        new.unlink()


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two paths in one step; False where the system cannot."""
    at_working_directory, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE of <fcntl.h>, <stdio.h>
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(rename(at_working_directory, names[0], at_working_directory, names[1], exchange) == 0)


def _remove_abandoned(target: Path) -> None:
    """Remove what killed exports left beside the target; a live process's directory stays."""
    for path in target.parent.glob(f".{glob.escape(target.name)}.{MADE_BY}-*"):
        pid = path.name.rpartition("-")[2]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
