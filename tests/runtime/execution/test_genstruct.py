"""`std:genstruct`: the plain text that a model goes on with, and how its answer is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from picky_server import PickyServer
from test_beyond_chat import on, run, written

SPEC = """
import "std:genstruct" as genstruct
source passages inline {{ rows = [{{ title = "Tides", content = "The moon pulls." }}] }}
model writer openai {{ base_url = "{url}", model = "fake", serves = vllm }}
pipeline asked {{
  from passages
  use genstruct.asked_and_answered {{ model = writer{more} }}
}}
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (" Who pulls?\n\n[[[Assistant]]] The moon.", ("kept", "Who pulls?", "The moon.")),
        ("Who pulls?", ("dropped", "Who pulls?", None)),
        ("Who pulls? [[[Assistant]]] ", ("dropped", "Who pulls?", "")),
        ("Who? [[[Assistant]]] The moon. [[[Assistant]]] Really.", ("dropped", "Who?", "The moon.")),
    ],
)
def test_a_document_is_gone_on_with(tmp_path: Path, text: str, found: tuple[str, str, str | None]) -> None:
    with PickyServer(on(completions=lambda seen: written(text))) as server:
        _, [(status, _, columns)] = run(tmp_path, SPEC.format(url=server.url, more=""))
        asked = server.seen[-1].body
    assert (status, columns["question"], columns["answer"]) == found
    assert asked["stop"] == ["[[[User]]]"]
    prompt = asked["prompt"]
    assert prompt.startswith("[[[Title]]] Tides\n[[[Content]]] The moon pulls.\n\n")
    assert prompt.endswith("\n\n[[[User]]]")
