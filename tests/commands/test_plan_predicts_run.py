"""What `plan` says is recorded is what `run` then does not ask."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mixwright.cli import main

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.fake_server import ThreadedServer

SPEC = """edition 2026

param quota {{ type = count }}

model fake openai {{ base_url = "{url}", model = "fake" }}

source numbers duckdb {{
  sql = "SELECT i FROM range(60) AS numbers(i)"
  license = "cc0-1.0"
}}

template ask {{ user = "Write answer number {{{{ i }}}}." }}
template review {{ user = "Review: {{{{ answer }}}}" }}

pipeline answers {{
  from numbers
  generate answer {{ prompt = ask, model = fake }}
  generate review {{ prompt = review, model = fake }}
  chat {{ user = answer, assistant = review }}
}}

mixture all_of_it {{
  seed = 1
  answers = quota
}}
"""


def recorded_of(text: str) -> dict[str, tuple[int, int]]:
    """Step -> (hits, requests), from the last column of the plan's table."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["generate"] and words[-2] == "of":
            found[words[1]] = (int(words[-3]), int(words[-1]))
    return found


def test_requests_that_are_sent_are_those_the_plan_did_not_find(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".mixwright").mkdir()
    spec = tmp_path / "answers.mix"
    with ThreadedServer() as server:
        spec.write_text(SPEC.format(url=server.url))
        assert main(["lock", str(spec), "-p", "quota=10"]) == 0
        assert main(["run", str(spec), "-p", "quota=10", "--json"]) == 0
        capsys.readouterr()
        main(["plan", str(spec), "-p", "quota=10"])
        again = recorded_of(capsys.readouterr().out)
        assert again and all(hits == asked for hits, asked in again.values())
        main(["plan", str(spec), "-p", "quota=40"])
        expected = recorded_of(capsys.readouterr().out)
        before = sum(server.fake.prompts.values())
        assert main(["run", str(spec), "-p", "quota=40", "--json"]) == 0
        sent = sum(server.fake.prompts.values()) - before
    missing = sum(asked - hits for hits, asked in expected.values())
    assert expected == {"answer": (10, 40), "review": (10, 40)}
    assert sent == missing
