"""How a process of this program starts another one that runs the same code, and that other one ends with it."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import signal
import sys
from pathlib import Path

_BOOT = (
    "import sys; at = next((i for i, p in enumerate(sys.path) if 'site-packages' in p), len(sys.path)); "
    "sys.path[at:at] = {roots!r}; from {module} import serve; serve()"
)
"""A worker runs the code of the process that started it, whichever is installed; Python's own modules come first."""
_PACKAGES = ("mixwright_dsl", "mixwright_compiler", "mixwright_runtime", "mixwright")


def package_roots() -> list[str]:
    """Where this process has our packages: one folder where they are installed, several in a checkout."""
    found = [importlib.util.find_spec(name) for name in _PACKAGES]
    return list(dict.fromkeys(str(Path(spec.origin).parents[1]) for spec in found if spec and spec.origin))


def command_of(module: str) -> list[str]:
    """The command of a process that calls `serve` of a module of ours."""
    return [sys.executable, "-P", "-c", _BOOT.format(roots=package_roots(), module=module)]


def end_with_parent() -> None:
    """Leave Ctrl-C of the terminal to the parent, and end when it ends, however that comes about (Linux; elsewhere a
    process notices that its input has ended)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        parent = os.getppid()
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
