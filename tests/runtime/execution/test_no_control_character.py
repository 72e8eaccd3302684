"""No control character reaches a mixture: an answer with one does not parse, a row with one is left out by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from spec_runs import SpecRuns

from mixwright.commands.run import report_text
from mixwright_runtime.mixture.messages import ControlCharacter, chat_of, tools_of

ASK = """
source s inline { rows = [{ k = "a" }], license = "cc0-1.0" }
template ask { user = "Go {{ k }}" }
pipeline p {
  from s
  generate answer { prompt = ask, model = teacher%s }
  chat { user = k, assistant = answer }
}"""
CONTROLS = ["\x00", "\x08", "\x0b", "\x0c", "\x1b", "\x7f", "\x80", "\x85", "\x9f"]


def test_latex_in_json_is_exported_as_latex(tmp_path: Path) -> None:
    runs = SpecRuns(tmp_path, lambda prompt: r'{"answer": "The sum is \frac{1}{2} + \beta."}')
    runs.run(ASK % ', parse = json("answer")')
    [(status, _, columns)] = runs.rows()
    assert (status, columns["messages"][1]["content"]) == ("kept", r"The sum is \frac{1}{2} + \beta.")


@pytest.mark.parametrize("parse", ["", ', parse = json("answer")', ', parse = after("answer")'])
def test_an_answer_with_one_is_asked_for_again(tmp_path: Path, parse: str) -> None:
    said = iter([r'{"answer": "\u0007 x"}' if "json" in parse else "answer \x07", '{"answer": "y"}'])
    runs = SpecRuns(tmp_path, lambda prompt: next(said))
    runs.run(ASK % f"{parse}, on_fail = retry(1)")
    assert ([status for status, _, _ in runs.rows()], len(runs.prompts)) == (["kept"], 2)


@pytest.mark.parametrize("control", CONTROLS[1:])
def test_a_sources_row_with_one_is_left_out_with_the_reason(tmp_path: Path, control: str) -> None:
    rows = [{"q": "a", "a": f"x{control}y"}, {"q": "b", "a": "x\ty\r\nz"}]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    runs = SpecRuns(tmp_path, lambda prompt: "")
    runs.run(
        'source s jsonl { path = "d.jsonl", license = "cc0-1.0", columns = { q = q, a = a } }\n'
        "pipeline p {\n  from s\n  chat { user = q, assistant = a }\n}"
    )
    ends = {columns["q"]: (status, reason) for status, reason, columns in runs.rows()}
    assert ends == {"a": ("quarantined", "control character"), "b": ("kept", "")}
    [kept] = [columns for status, _, columns in runs.rows() if status == "kept"]
    assert kept["messages"][1]["content"] == "x\ty\nz"


@pytest.mark.parametrize("control", [*CONTROLS, "\ud800"])
def test_the_door_is_the_same_for_every_part_of_a_chat(control: str) -> None:
    call = {"function": {"name": "f", "arguments": f"{{{control}}}"}}
    for turn in (
        {"role": "user", "content": control},
        {"role": "assistant", "content": "a", "reasoning_content": control},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "content": "a", "name": control},
    ):
        with pytest.raises(
            ControlCharacter, match=f"message 0 holds the control character U\\+{ord(control):04X}"
        ):
            chat_of([turn])
    with pytest.raises(ControlCharacter):
        tools_of([{"name": "f", "description": control}])


def test_the_terminal_says_why_rows_were_quarantined(tmp_path: Path) -> None:
    rows: list[object] = [[{"from": "human", "value": "Hi"}], [{"from": "ghost", "value": "\x1b[2Jboo"}] * 2]
    (tmp_path / "d.jsonl").write_text("\n".join(json.dumps({"t": turns}) for turns in rows), encoding="utf-8")
    runs = SpecRuns(tmp_path, lambda prompt: "")
    report = runs.run(
        'source s jsonl { path = "d.jsonl", license = "cc0-1.0", columns = { t = t } }\n'
        "pipeline p { from s, chat { turns = t } }"
    )
    told = [line for line in report_text(report).split("\n") if "p.chat quarantined" in line]
    assert len(told) == 1
    assert told[0].startswith("  p.chat quarantined 2, chat: ")
    assert "does not alternate" in told[0] or "here 'ghost'" in told[0]
