"""A run on two Ray nodes whose link is cut: network namespaces, where this machine lets a user make them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed (extra `ray`)")
pytestmark = pytest.mark.ray

from tests.checkout import IMPORT_PATH, ROOT  # noqa: E402

ROWS = 1000
APART = ["unshare", "--user", "--map-root-user", "--net"]


def why_not() -> str:
    """What this machine lacks; empty where there is nothing."""
    missing = [
        program for program in ("unshare", "nsenter", "setpriv", "ip") if shutil.which(program) is None
    ]
    if missing:
        return f"{', '.join(missing)} is not installed"
    made = subprocess.run(
        [*APART, "ip", "link", "add", "here", "type", "veth"], capture_output=True, text=True
    )
    return f"no network namespaces here: {made.stderr.strip()}" if made.returncode else ""


def test_a_link_that_is_cut_costs_the_leases_beyond_it_and_no_row(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    script = Path(__file__).with_name("link_cut.py")
    command = [*APART, sys.executable, str(script), str(tmp_path), "--rows", str(ROWS)]
    path = os.pathsep.join([str(ROOT), IMPORT_PATH, os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=280)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["rows_are_the_same"]
    assert found["answered_while_cut"] > 0, "the node that is left goes on"
    leases = found["leases"]
    assert leases["late"] >= 1 and leases["poisoned"] == 0
    # Sixteen are under way on a node at most, so no lease has more.
    assert 1 <= leases["re_leased"] <= 16 * (leases["late"] + leases["lost"])
    # What is sent into a link that is cut may never arrive.
    assert ROWS <= found["sent"] <= found["requests"] == ROWS + leases["re_leased"]
