"""The specs that the peer benchmark runs: N numbered questions to one endpoint."""

from __future__ import annotations

import json
from pathlib import Path

SPEC = """edition 2026

model fake openai {{
  base_url = "{url}"
  model = "fake"
  max_in_flight = {in_flight}
}}

source numbers jsonl {{ path = "numbers.jsonl", license = "cc0-1.0" }}

template ask {{
{system}  user = "{prompt}"
}}

pipeline answers {{
  from numbers
  generate answer {{ prompt = ask, model = fake, temperature = {temperature} }}
}}
"""


def write_numbers(directory: Path, count: int) -> None:
    """Write `numbers.jsonl`: rows {"i": 0} ... {"i": count - 1}."""
    rows = "".join(json.dumps({"i": i}) + "\n" for i in range(count))
    (directory / "numbers.jsonl").write_text(rows, encoding="utf-8")


def write_spec(
    directory: Path,
    count: int,
    in_flight: int,
    url: str,
    *,
    prompt: str = "Write answer number {{ i }}.",
    system: str = "",
    temperature: float = 0.1,
) -> Path:
    """Write the spec and its rows into a directory; returns the spec's path."""
    write_numbers(directory, count)
    line = f'  system = "{system}"\n' if system else ""
    text = SPEC.format(url=url, in_flight=in_flight, prompt=prompt, system=line, temperature=temperature)
    path = directory / "answers.mix"
    path.write_text(text, encoding="utf-8")
    return path
