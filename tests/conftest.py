"""Options and surroundings that every test shares."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from hypothesis import settings

# Set before anything imports a numeric or hub library: tests run side by side on few cores, and never reach a hub.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Nor do they take trees of templates from the user's cache.
os.environ["MIXWRIGHT_CACHE"] = ""

# A shell's background job ignores Ctrl-C, and so would the runs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Hypothesis fails an example that takes 0.2 s of wall time, which any takes on a machine that is busy enough.
settings.register_profile("mixwright", deadline=None)
settings.load_profile("mixwright")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update", action="store_true", help="rewrite golden files with what the code produces now"
    )


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """True when golden files are to be rewritten; their diff is then reviewed like code."""
    return bool(request.config.getoption("--update"))


@pytest.fixture(autouse=True, scope="session")
def _json_is_what_its_schema_says() -> Iterator[None]:
    """Whatever test has a command print JSON, it is held to the committed schema."""
    if find_spec("jsonschema_rs") is None:  # the vLLM environment has no development tools
        yield
        return
    from tests.output_contract import checked_document

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mixwright.json_output.document", checked_document)
        yield
