"""What a server, a model, a file or a stranger wrote reaches the terminal without moving its cursor."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime" / "execution"))

from picky_server import PickyServer, Reply, complaint, completion

from mixwright.cli import main
from mixwright.terminal import GuardedStream
from mixwright_dsl.visible import Painted, printable

ATTACK = "\x1b[2J\x1b]8;;http://evil\x07link\x1b]8;;\x07\r\x9b31m\x90\u202egnp\u2066\u200f\x00\x08\x7f\ufeff\U000e0041"
HIDDEN = "\u202egnp\u2066\u200f\ufeff\U000e0041"
"""What a row may hold: one with a control character is refused."""
CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)

SPEC = """edition 2026

source topics inline {{ license = "cc0-1.0", rows = [{{ n = 1 }}, {{ n = 2 }}, {{ n = 3 }}] }}

template ask {{ user = "Write about {{{{ n }}}}." }}

model teacher openai {{ base_url = "{url}", model = "fake", max_in_flight = 1 }}

pipeline essays {{
  from topics
  generate essay {{ prompt = ask, model = teacher }}
  derive {{ question = "Write." }}
  chat {{ user = question, assistant = essay }}
}}

mixture main {{
  seed = 1
  essays = all
}}

export out of main {{ path = "out" }}
"""

Capture = pytest.CaptureFixture[str]
SERVERS: dict[str, tuple[Callable[[Any], Reply], Callable[[Any], Reply] | None]] = {
    "refuses access": (lambda seen: complaint(f"no {ATTACK}", 401), None),
    "refuses access to its list": (lambda seen: complaint(""), lambda seen: complaint(ATTACK, 401)),
    "lists other models": (
        lambda seen: complaint(""),
        lambda seen: Reply(json.dumps({"data": [{"id": f"a{ATTACK}\nerror: b"}]}).encode()),
    ),
    "refuses everything": (lambda seen: complaint(f"never {ATTACK}"), None),
    "answers as another": (
        lambda seen: Reply(completion(model=f"{ATTACK}{seen.body['messages'][0]['content']}")),
        None,
    ),
    "answers nonsense": (lambda seen: Reply(f"{ATTACK} is no JSON".encode(), 405), None),
}


def all_said(capsys: Capture) -> str:
    said = capsys.readouterr()
    assert not CONTROLS.search(said.out) and not CONTROLS.search(said.err), repr(said)
    return said.out + said.err


@pytest.mark.parametrize("server", SERVERS)
def test_what_a_server_says_is_shown_as_text(server: str, tmp_path: Path, capsys: Capture) -> None:
    rules, models = SERVERS[server]
    with PickyServer(rules, models) as picky:
        (tmp_path / "a.mix").write_text(SPEC.format(url=picky.url))
        assert main(["run", str(tmp_path / "a.mix")]) != 0
    said = all_said(capsys)
    assert "\\u001b[2J" in said or server == "refuses access to its list"
    assert "\nerror: b" not in said
    main(["status", "--store", str(tmp_path / ".mixwright")])
    main(["verify-store", "--store", str(tmp_path / ".mixwright")])
    all_said(capsys)


def test_what_a_model_writes_is_shown_as_text_by_every_command(tmp_path: Path, capsys: Capture) -> None:
    spec = str(tmp_path / "a.mix")
    with PickyServer(
        lambda seen: Reply(completion(f"An essay.{HIDDEN}", system_fingerprint=ATTACK))
    ) as picky:
        Path(spec).write_text(SPEC.format(url=picky.url))
        assert main(["run", spec]) == 0
    all_said(capsys)
    assert main(["preview", spec]) == 0
    assert "An essay.\\u202egnp" in all_said(capsys)
    assert main(["preview", spec, "--json"]) == 0
    rows = [json.loads(line) for line in all_said(capsys).splitlines()]
    assert all(row["messages"][1]["content"] == f"An essay.{HIDDEN}" for row in rows)
    assert main(["explain", rows[0]["id"], "--store", str(tmp_path / ".mixwright")]) == 0
    assert "\\u202egnp" in all_said(capsys)
    for command in (
        ["explain", rows[0]["id"], "--json", "--store", str(tmp_path / ".mixwright")],
        ["status", "--store", str(tmp_path / ".mixwright")],
        ["export", spec, "--force"],
        ["plan", spec],
        ["plan", spec, "--json"],
        ["lock", spec],
    ):
        main(command)
        all_said(capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        [f"comm{ATTACK}and"],
        ["run", f"{ATTACK}.mix"],
        ["check", f"{ATTACK}.mix"],
        ["fmt", f"{ATTACK}.mix"],
        ["explain", ATTACK],
        ["check", "evil.mix"],
        ["check", "evil.mix", "--format", "concise"],
        ["check", "evil.mix", "--format", "json"],
        ["fmt", "evil.mix", "--diff"],
        ["plan", "evil.mix"],
    ],
)
def test_names_and_texts_of_files_are_shown_as_text(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("evil.mix").write_text(f"edition 2026\n# {ATTACK}\nlet  {{ a = {ATTACK} }}\n")
    try:
        arguments = [argument.replace("\x00", "") for argument in arguments]
        assert main(arguments) != 0
    except SystemExit as stopped:  # argparse
        assert stopped.code != 0
    all_said(capsys)


def test_a_traceback_is_shown_as_text_too(tmp_path: Path) -> None:
    code = "import sys, mixwright.cli as c\nc._run = lambda argv: 1 / int(sys.argv[1])\nc.main()"
    found = subprocess.run(
        [sys.executable, "-c", code, "\x1b[2J"], capture_output=True, text=True, env={**os.environ}
    )
    assert "ValueError" in found.stderr
    assert not CONTROLS.search(found.stderr)


@given(st.text())
def test_a_guarded_stream_writes_no_control_character_and_keeps_json(text: str) -> None:
    stream = io.StringIO(newline="")
    guarded = GuardedStream(stream)
    print(text, json.dumps(text, ensure_ascii=False), file=guarded)
    assert not CONTROLS.search(stream.getvalue())
    assert json.loads(printable(json.dumps(text, ensure_ascii=False))) == text


def test_what_is_painted_keeps_its_colours_through_print() -> None:
    stream = io.StringIO()
    print(Painted("\x1b[1mbold\x1b[0m"), file=GuardedStream(stream))
    assert stream.getvalue() == "\x1b[1mbold\x1b[0m\n"
