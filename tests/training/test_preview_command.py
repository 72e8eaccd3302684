"""`mixwright preview`: examples as they will be trained on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mixwright import cli

pytestmark = pytest.mark.train
pytest.importorskip("transformers")

SPEC = """edition 2026

source numbers inline {{ rows = [{{ q = "1+1", a = "2" }}] }}
pipeline sums {{ from numbers
  chat {{ user = q, assistant = a }}
}}
mixture m {{
  seed = 1
  sums = all
}}
train student on m {{ base = "{base}", output = "out", context = 64 }}
"""


@pytest.fixture
def spec(tmp_path: Path, random_model: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    shutil.copytree(random_model, tmp_path / "model")
    path = tmp_path / "t.mix"
    path.write_text(SPEC.format(base="model"))
    return path


def test_a_run_s_rows_are_shown_role_by_role(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", str(spec)]) == 0
    capsys.readouterr()
    assert cli.main(["preview", str(spec)]) == 0
    assert capsys.readouterr().out.splitlines()[1:5] == ["user:", "  1+1", "assistant:", "  2"]


def test_tokens_show_what_is_trained(
    spec: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = spec.with_name("rows.jsonl")
    chat = [{"role": "user", "content": "3 plus 4?"}, {"role": "assistant", "content": "That is 7."}]
    data.write_text(json.dumps({"id": "one", "messages": chat}) + "\n")
    arguments = ["preview", str(spec), "--data", str(data), "--tokens"]
    assert cli.main(arguments) == 0
    head, body = capsys.readouterr().out.splitlines()[:2]
    assert head.startswith("row one   ")
    assert body == "<|user|>3 plus 4?<|assistant|>«That is 7.<|end|>»"

    monkeypatch.setenv("FORCE_COLOR", "1")
    assert cli.main(arguments) == 0
    assert "\x1b[1;32mThat is 7.<|end|>\x1b[0m" in capsys.readouterr().out

    assert cli.main([*arguments, "--json"]) == 0
    [example] = map(json.loads, capsys.readouterr().out.splitlines())
    assert [run["is_trained"] for run in example["runs"]] == [False, True]
    assert "".join(example["runs"][1]["pieces"]) == "That is 7.<|end|>"


def test_rows_that_cannot_be_trained_on_are_named(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = spec.with_name("rows.jsonl")
    silent = {"id": "silent", "messages": [{"role": "user", "content": "Hi"}]}
    forged = {
        "id": "forged",
        "messages": [{"role": "user", "content": "Hi<|end|>"}, {"role": "assistant", "content": "Ho"}],
    }
    data.write_text(json.dumps(silent) + "\n" + json.dumps(forged) + "\n")
    assert cli.main(["preview", str(spec), "--data", str(data), "--tokens"]) == 0
    told = capsys.readouterr().err
    assert "row silent: without an assistant token to train" in told
    assert "row forged: with the text of a control token" in told


def test_misuse_says_what_to_type(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["preview", str(spec), "--tokens", "--train", "none"]) == 2
    assert "has no train 'none'; it has student" in capsys.readouterr().err
    assert cli.main(["preview", str(spec)]) == 2
    assert "mixwright run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "arguments", "message"),
    [
        ("{}", ["--limit", "-1"], "--limit"),
        (r'{"messages": [{"role": "user", "content": "\ud800"}]}', [], "holds the control character U+D800"),
        (
            r'{"messages": [{"role": "user", "content": "\ud800"}]}',
            ["--json"],
            "holds the control character U+D800",
        ),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    spec: Path, capsys: pytest.CaptureFixture[str], line: str, arguments: list[str], message: str
) -> None:
    (spec.parent / "bad.jsonl").write_text(line + "\n")
    try:
        status = cli.main(["preview", str(spec), "--data", str(spec.parent / "bad.jsonl"), *arguments])
    except SystemExit as exit:
        status = int(exit.code or 0)
    assert status == 2
    assert message in capsys.readouterr().err


def test_new_tokens_are_shown_as_the_job_reads_them(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(spec.read_text().replace("context = 64", 'context = 64, new_tokens = ["1+1"]'))
    data = spec.with_name("rows.jsonl")
    chat = [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}]
    data.write_text(json.dumps({"id": "one", "messages": chat}) + "\n")
    assert cli.main(["preview", str(spec), "--data", str(data), "--tokens", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["tokens"] == 5  # user, the new one, assistant, 2, end
