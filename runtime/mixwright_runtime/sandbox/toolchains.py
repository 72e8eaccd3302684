"""Which compilers and runtimes this machine has, and what must be bound for the box to have them too.

Debian's and Fedora's packages are in /usr and need nothing. Others bring a directory of their own (rustup, nvm, SDKMAN,
a JDK in /opt), which is bound read-only at the same path and put on the box's PATH.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from mixwright_runtime.sandbox.options import COVERED, GUEST_PATH, SandboxOptions

TOOLS = ("node", "java", "javac", "rustc", "g++", "go", "bash", "python3")
"""The commands that programs of other languages are compiled and run with."""


def machine_options() -> SandboxOptions:
    """Options with every tool of this machine that the box would not have by itself."""
    binds: list[Path] = []
    path: list[str] = []
    for tool in TOOLS:
        found = _home_of(tool)
        if found is None:
            continue
        directory, binary = found
        if directory is not None and directory not in binds:
            binds.append(directory)
        if str(binary.parent) not in (*path, *GUEST_PATH.split(":")):
            path.append(str(binary.parent))
    return SandboxOptions(binds=tuple(binds), path=tuple(path))


def _home_of(tool: str) -> tuple[Path | None, Path] | None:
    """The directory to bind for a tool (None when /usr has it) and its binary; None when it is not to be had."""
    if any((Path(directory) / tool).exists() for directory in GUEST_PATH.split(":")):
        return None
    named = shutil.which(tool)
    if named is None or tool in ("bash", "python3"):
        return None
    binary = Path(named).resolve()
    if tool == "rustc":
        # rustup's own `rustc` only picks a toolchain; the box gets that one, and not rustup.
        root = _printed([named, "--print", "sysroot"])
        if root is None:
            return None
        binary = Path(root) / "bin" / "rustc"
    if not binary.is_file():
        return None
    if binary.is_relative_to("/usr"):
        return None, binary
    home = binary.parents[1]
    # A tool in ~/bin is no reason to show a program the whole home directory.
    if any(home.is_relative_to(covered) for covered in COVERED):
        return None
    if home == Path("/") or Path(os.path.expanduser("~")).resolve().is_relative_to(home):
        return None
    return home, binary


def _printed(argv: list[str]) -> str | None:
    try:
        found = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
