"""How many connections this process may have open: every one is a file to the operating system."""

from __future__ import annotations

SPARE = 256
"""Files that a process needs besides: the store, sources, libraries, workers. Chosen."""
ENOUGH = 1 << 16
"""Open files, as far as the soft limit is raised where it is in the way and the hard one allows. Chosen."""


def sockets_for(wanted: int) -> int:
    """How many of `wanted` connections can be open at once; raises the process's soft limit where that is too low."""
    try:
        import resource
    except ImportError:  # not on Windows, which has no such limit
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    if soft < wanted + SPARE:
        most = max(wanted + SPARE, ENOUGH)
        raised = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
        except (ValueError, OSError):
            pass  # a container may forbid what its hard limit allows
    return max(1, min(wanted, soft - SPARE))
