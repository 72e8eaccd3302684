"""What execution tests share: the project's fake server on a free port, and stores in temporary directories."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.fake_server import ThreadedServer


@pytest.fixture
def server() -> Iterator[ThreadedServer]:
    """An OpenAI-compatible server in this process; `server.fake` is its script and its counters."""
    with ThreadedServer() as running:
        yield running
