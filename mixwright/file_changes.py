"""Changes of a user's files: shown as a diff, or made in one step."""

from __future__ import annotations

import difflib
import os
import stat
import tempfile
from pathlib import Path


def diff_text(before: str, after: str, name: str, what: str) -> str:
    """A unified diff between a file as it is and as it would be. what: `formatted`, `fixed`."""
    from mixwright_dsl.visible import visible

    lines = difflib.unified_diff(
        before.split("\n"), after.split("\n"), f"{name} (as it is)", f"{name} ({what})", lineterm=""
    )
    return "".join(visible(line).rstrip("\n") + "\n" for line in lines)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file in one step, keeping its mode, or make it; a link is followed. A crash leaves what was there, or
    the new file."""
    target = path.resolve()
    try:
        mode = stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
