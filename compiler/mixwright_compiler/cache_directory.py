"""Where this user's caches are: what can be made again, and may be deleted at any time."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory() -> Path:
    """The folder that MIXWRIGHT_CACHE names, else `mixwright` in $XDG_CACHE_HOME, else `~/.cache/mixwright`.

    A path that is not absolute counts in XDG_CACHE_HOME as none, as the XDG base directory specification has it.

    Raises:
        RuntimeError: there is no home.
    """
    if named := os.environ.get("MIXWRIGHT_CACHE"):
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path("~/.cache").expanduser()) / "mixwright"
