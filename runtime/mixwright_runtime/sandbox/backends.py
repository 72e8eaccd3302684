"""Opens the sandbox that the user named: bubblewrap boxes, or a back-end for machines without user namespaces."""

from __future__ import annotations

import shutil
from typing import Literal, assert_never, cast, get_args

from mixwright_runtime.sandbox.pool import Sandbox
from mixwright_runtime.sandbox.protocol import Runner, SandboxUnavailable
from mixwright_runtime.sandbox.wrapped import WrappedSandbox, container, landlock

Backend = Literal["bwrap", "container", "landlock"]
IMAGE = "python:3.12-slim"


def open_sandbox(
    backend: Backend = "bwrap", *, size: int | None = None, image: str = IMAGE, tool: str = ""
) -> Runner:
    """A sandbox, not yet started.

    Args:
        backend: `bwrap` is the one with walls of this package's own, and ten times as fast as the others.
        size: jobs at one time; None is one a core.
        image: of a container: it must be on this machine, and have Python 3.10 or newer.
        tool: `docker` or `podman`; empty takes the one that is installed.

    Raises:
        SandboxUnavailable: what the back-end needs is not installed.
    """
    match backend:
        case "bwrap":
            return Sandbox(size=size)
        case "container":
            found = tool or next((name for name in ("docker", "podman") if shutil.which(name)), "")
            if not shutil.which(found or "docker"):
                raise SandboxUnavailable("neither docker nor podman is installed", "apt install podman")
            return WrappedSandbox(container(image, tool=found), size=size)
        case "landlock":
            _require_landlock()
            return WrappedSandbox(landlock(), size=size)
    assert_never(backend)


def named_sandbox(name: str, *, size: int | None = None) -> Runner:
    """The sandbox that a command line names: `bwrap`, `landlock`, `container` or `container:IMAGE`; not yet started.

    `size`: jobs at one time; None is one a core.

    Raises:
        SandboxUnavailable: what it needs is not installed.
        ValueError: there is no such back-end.
    """
    backend, _, image = name.partition(":")
    if backend not in get_args(Backend):
        raise ValueError(f"there is no sandbox '{name}'")
    return open_sandbox(cast(Backend, backend), size=size, image=image or IMAGE)


def _require_landlock() -> None:
    try:
        import sandlock
    except ImportError:
        raise SandboxUnavailable(
            "the Landlock back-end needs the package sandlock", "pip install 'mixwright[landlock]'"
        ) from None
    found, needed = sandlock.landlock_abi_version(), sandlock.min_landlock_abi()
    if found < needed:
        raise SandboxUnavailable(
            f"this kernel's Landlock has version {found}, {needed} is needed", "use Linux 6.12 or newer"
        )
