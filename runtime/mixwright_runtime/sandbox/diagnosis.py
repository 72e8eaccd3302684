"""From what bubblewrap or the kernel said to the exact cause and the remedy to type."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from mixwright_runtime.sandbox.protocol import SandboxUnavailable

_OTHER_BACKENDS = "or name another back-end: container, or landlock"


def unavailable(said: str) -> SandboxUnavailable:
    """Why a box did not start."""
    if platform.system() != "Linux":
        return SandboxUnavailable(
            f"bubblewrap needs Linux, this is {platform.system()}",
            "name a container as the sandbox's back-end",
        )
    last = said.splitlines()[-1] if said else "the box ended without a word"
    if _sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1" and os.geteuid() != 0:
        return SandboxUnavailable(
            f"AppArmor restricts user namespaces: {last}",
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or give bwrap an AppArmor profile with "
            f"'userns,', {_OTHER_BACKENDS}",
        )
    if _sysctl("kernel/unprivileged_userns_clone") == "0":
        return SandboxUnavailable(
            f"the kernel denies user namespaces: {last}",
            f"sudo sysctl kernel.unprivileged_userns_clone=1, {_OTHER_BACKENDS}",
        )
    if _sysctl("user/max_user_namespaces") == "0" or "ENOSPC" in said or "No space left" in said:
        return SandboxUnavailable(
            f"no user namespaces are left: {last}",
            "sudo sysctl user.max_user_namespaces=15000; where it is above 0, namespaces are nested too deep: run "
            "outside of one",
        )
    if "No permissions to creat" in said or "Operation not permitted" in said or "Permission denied" in said:
        remedy = f"allow user namespaces to this user, {_OTHER_BACKENDS}"
        if _is_in_container():
            remedy = (
                "start the container with --security-opt seccomp=unconfined --security-opt systempaths=unconfined "
                f"(podman: --security-opt unmask=ALL), {_OTHER_BACKENDS}"
            )
        return SandboxUnavailable(f"new namespaces are not permitted: {last}", remedy)
    return SandboxUnavailable(f"the box did not start: {last}", _OTHER_BACKENDS)


def _sysctl(name: str) -> str | None:
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return None


def _is_in_container() -> bool:
    return Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()
