"""Each template of `mixwright init` is a project that checks, is formatted, passes its tests and runs.

A lock of a template is written by `pytest tests/commands/test_init_command.py --update`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.fake_server import ThreadedServer
from mixwright.cli import main
from mixwright.project_templates import DEFAULT, OWN, TEMPLATES, TRIED, project_files
from mixwright_compiler.stages import compile_file
from tests.checkout import ROOT
from tests.plugins.projects import typed

SERVED = {
    "openai": [{"match": "How well does", "fault": "text", "text": '{"reason": "It does.", "score": 8}'}],
    "vllm": [{"match": "Write one thing", "fault": "text", "text": '{"instruction": "When do I harvest?"}'}],
}
"""What a server says where an answer has a form."""
OWN_LOCKS = [name for name in TEMPLATES if name != DEFAULT]
"""The quickstart's lock is that of `specs/`, and is held to its sources with the others there."""


def begun(template: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    assert typed("init", directory, "--template", template) == 0
    monkeypatch.chdir(directory)
    return Path(TEMPLATES[template].spec)


def rows_of(project: Path) -> list[str]:
    """What a run has exported."""
    (file,) = (project / "out").rglob("*.jsonl")
    return file.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_project_checks_is_formatted_tested_and_planned(
    template: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    update: bool,
) -> None:
    spec = begun(template, tmp_path / "new", monkeypatch)
    if update and template in OWN_LOCKS:
        typed("lock", spec)
        (OWN / template / spec.with_suffix(".lock")).write_bytes(spec.with_suffix(".lock").read_bytes())
    capsys.readouterr()
    assert typed("check", "--portable", "--deny-warnings", "specs") == 0
    assert capsys.readouterr().out.endswith("checked, nothing found\n")
    assert typed("fmt", "--check", "specs") == 0
    assert typed("test", spec) == 0
    assert " passed in " in capsys.readouterr().out
    assert typed("plan", spec) == 0
    if template in OWN_LOCKS:
        assert typed("lock", "--check", spec) == 0


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_readme_says_what_init_says_to_type(template: str) -> None:
    readme = project_files(template)["README.md"].decode()
    wanted = (TEMPLATES[template].install() + "\n", *TEMPLATES[template].commands())
    assert [line for line in wanted if line not in readme] == []
    assert readme.startswith("# ") and "\n## What else is here\n" in readme


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_a_project_needs_is_among_its_extras_and_those_of_its_workflow(
    template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = compile_file(begun(template, tmp_path / "new", monkeypatch)).program
    assert program is not None
    steps = [step for pipeline in program.pipelines.values() for step in pipeline.steps]
    needed = {step.entry.extra for step in steps} | {
        "schema" for step in steps if "schema" in step.attributes
    }
    engines = {model.entry.extra for model in program.models.values()}
    extras = {"", *TEMPLATES[template].extras}
    assert needed <= extras
    assert engines <= extras | ({"transformers"} if "train" in extras else set())
    workflow = Path(".github/workflows/mixwright.yml").read_text(encoding="utf-8")
    (installed,) = re.findall(r'extras: "(.*?)"', workflow)
    assert needed - {""} <= set(installed.split(","))


@pytest.mark.train
@pytest.mark.parametrize("template", ["persona-math", "translate", "distill"])
def test_what_asks_the_small_model_runs(
    template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    spec = begun(template, tmp_path / "new", monkeypatch)
    assert typed("run", spec, "--limit", TRIED) == 0
    assert rows_of(tmp_path / "new")


def test_conversations_are_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = begun("sharegpt-import", tmp_path / "new", monkeypatch)
    assert typed("run", spec) == 0
    said = capsys.readouterr().out
    assert "mixture support: 6 rows" in said
    assert "1 duplicate" in said and "1 refusal: refused" in said and "1 chat" in said


@pytest.mark.parametrize("template", SERVED)
def test_what_asks_a_server_runs_against_one(
    template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = begun(template, tmp_path / "new", monkeypatch)
    monkeypatch.setenv("OPENAI_API_KEY", "not a secret")
    with ThreadedServer(text="Honey is ripe when most of the comb is capped.") as server:
        server.fake.use({"lists": None, "rules": SERVED[template]})
        assert typed("run", spec, "--limit", "3", "-p", f"server={server.url}") == 0
    assert "Honey is ripe" in rows_of(tmp_path / "new")[0]


def test_a_spec_in_the_way_ends_it_and_other_files_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "data/personas.jsonl"
    mine.parent.mkdir()
    mine.write_text('{"persona": "mine"}\n')
    (tmp_path / "README.md").write_text("# Mine\n")
    assert main(["init", "--template", "vllm"]) == 2
    assert capsys.readouterr().err.startswith(
        "error: data/personas.jsonl is another file already; nothing was written\n  hint: name an empty directory"
    )
    assert not (tmp_path / "specs").exists()
    mine.unlink()
    assert main(["init", "--template", "vllm"]) == 0
    assert "left as it was there: README.md\n" in capsys.readouterr().out
    assert (tmp_path / "README.md").read_text() == "# Mine\n"
    assert main(["init", "--template", "vllm", "--force"]) == 0
    assert capsys.readouterr().out.startswith("1 file written\n")
    assert (tmp_path / "README.md").read_text().startswith("# Instructions and answers")
    assert main(["init", "--template", "vllm"]) == 0
    assert capsys.readouterr().out.startswith("everything is there already\n")


def test_the_manual_has_every_template() -> None:
    page = (ROOT / "docs/init.md").read_text(encoding="utf-8")
    for name, one in TEMPLATES.items():
        assert f"| `{name}` | {one.about} | {one.asks} |\n" in page


def test_the_list_says_what_each_asks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(TEMPLATES)
    assert main(["init", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["templates"]
    assert [one["asks"] for one in listed[-3:]] == ["no model", "a server", "a server"]
    assert main(["init", "--list", "here"]) == 2


def test_what_is_no_template_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["init", "--template", "personas"])
    assert ended.value.code == 2
    assert "persona-math" in capsys.readouterr().err
