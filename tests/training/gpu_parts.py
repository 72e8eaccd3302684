"""Parts that stand in for those of `benchmarks/gpu`: what each does is all that a test needs of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from benchmarks.gpu.findings import Findings, Skip, Wrong


def machine(asked: Mapping[str, Any], findings: Findings) -> None:
    findings.put("cuda", False)


def tells(asked: Mapping[str, Any], findings: Findings) -> None:
    findings.put("is_toy", asked["is_toy"])


def raises(asked: Mapping[str, Any], findings: Findings) -> None:
    findings.put("before", 1)
    raise ValueError("the kernel | gave up")


def dies(asked: Mapping[str, Any], findings: Findings) -> None:
    findings.put("before", 1)
    print("Killed for memory", flush=True)
    os._exit(9)


def skips(asked: Mapping[str, Any], findings: Findings) -> None:
    raise Skip("there is none here")


def wrong(asked: Mapping[str, Any], findings: Findings) -> None:
    raise Wrong("losses are apart")


def hangs(asked: Mapping[str, Any], findings: Findings) -> None:
    """Waits for ever, as does a process of another session that it started, as ranks are."""
    waits = [sys.executable, "-c", "import signal; signal.pause()"]
    rank = subprocess.Popen(waits, start_new_session=True)
    findings.put("rank", rank.pid)
    signal.pause()
