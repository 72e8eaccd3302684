"""Directories that are replaced as a whole: written beside their target, then moved into place.

Ours is what the manifest in a directory names; everything else in it stays, whatever is asked for.
"""

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

from mixwright_compiler.load.json_text import json_of
from mixwright_runtime.errors import RunError

MANIFEST = "manifest.json"
CARD = "README.md"
"""Shared with whoever edits it: `marked_blocks.py` keeps what is theirs, so an edit of it is no change of ours."""
MADE_BY = "mixwright"


@contextmanager
def replaced_directory(target: Path, *, force: bool = False) -> Iterator[Path]:
    """A new, empty directory that becomes `target` when the block ends well; call `write_manifest` in it.

    What the manifest of `target` names is replaced; what it does not name is kept as it is. Files are synced before
    the move. Where the system can exchange two paths in one step (Linux), a kill at any moment leaves the old
    directory or the new one, never neither; elsewhere the old one may be left beside the target as
    `.<name>.mixwright-…-old`. When the block fails, `target` is as it was.

    Args:
        force: also where `target` has no manifest of ours yet, or files of ours that were changed by hand.

    Raises:
        RunError: `target` holds what Mixwright did not write, or was changed since, and `force` is not set; or a file
            that is not ours stands where one is to be written.
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
        _carry_over(target, new)
        _sync(new)
        _move(new, target)
        _sync(target.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def check_target(target: Path, *, force: bool = False) -> None:
    """Refuse to replace files that are not ours, and ours that somebody changed.

    Raises:
        RunError: see `replaced_directory`.
    """
    if not (target.exists() or target.is_symlink()):
        return
    if not target.is_dir() or target.is_symlink():
        raise RunError(f"{target} is not a directory; choose another path")
    if force:
        return
    manifest = _read_manifest(target)
    if manifest is None:
        if any(target.iterdir()):
            raise RunError(
                f"{target} was not written by mixwright; choose another path, or 'mixwright export --force' writes "
                "beside what is there"
            )
        return
    for name, known in sorted(manifest["files"].items()):
        path = target / name
        if name != CARD and path.is_file() and known != _describe(path):
            raise RunError(
                f"{name} was changed in {target} since mixwright wrote it; choose another path, or "
                "'mixwright export --force' replaces it"
            )


def _carry_over(target: Path, new: Path) -> None:
    """Put what is not ours in `target` into `new` too, as links to the same files.

    Raises:
        RunError: one stands where `new` has a file.
    """
    if not target.is_dir():
        return
    ours = names_of_ours(target)
    for directory, directories, files in os.walk(target):
        place = new / Path(directory).relative_to(target)
        links = [name for name in directories if (Path(directory) / name).is_symlink()]
        for name in (*files, *links):
            old, copy = Path(directory) / name, place / name
            at = str(old.relative_to(target))
            if at in ours or (at == CARD and copy.exists()):
                continue
            if os.path.lexists(copy) or not _is_free(place, new):
                raise RunError(
                    f"{old} is in the way, and mixwright did not write it; move it, or choose another path"
                )
            place.mkdir(parents=True, exist_ok=True)
            _link(old, copy)
        if not (directories or files) and _is_free(place, new):
            place.mkdir(parents=True, exist_ok=True)  # an empty directory


def _is_free(place: Path, new: Path) -> bool:
    """Can `place` be a directory: is none of the paths down to it a file?"""
    return not any(path.is_file() for path in (place, *place.parents) if path.is_relative_to(new))


def _link(old: Path, copy: Path) -> None:
    """The same file under another name; a copy where the file system has no links."""
    try:
        os.link(old, copy, follow_symlinks=False)
    except OSError:
        shutil.copy2(old, copy, follow_symlinks=False)


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


def is_complete(directory: Path) -> bool:
    """Whether a whole mixture was exported there, as far as its manifest says; older manifests are of whole ones."""
    manifest = _read_manifest(directory)
    return manifest is not None and manifest.get("complete") is not False


def names_of_ours(directory: Path) -> set[str]:
    """What Mixwright wrote in a directory: the manifest and the files that it names."""
    manifest = _read_manifest(directory)
    return {MANIFEST, *manifest["files"]} if manifest else set()


def _read_manifest(directory: Path) -> dict[str, Any] | None:
    try:
        document = json_of((directory / MANIFEST).read_text(encoding="utf-8"))
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
