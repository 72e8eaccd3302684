"""Tour, cookbook and the pages beside them: every spec on them checks and is formatted, and most are run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from benchmarks.fake_server import ThreadedServer
from mixwright_compiler.stages import compile_file
from mixwright_dsl.formatter import format_text
from mixwright_dsl.render import render
from mixwright_dsl.source import SourceFile
from tests.checkout import ROOT
from tests.plugins.projects import files_of_page, typed, write

DOCS = ROOT / "docs"
PAGES = ["index.md", "tour.md", "project.md", "locking.md", "language/policy.md"]
PAGES += sorted(
    f"cookbook/{page.name}" for page in (DOCS / "cookbook").glob("*.md") if page.name != "index.md"
)
NOT_OF_THE_SPEC = ("MIX211", "MIX908")
"""Not locked yet; a package that is not on this machine."""
ROWS = {"data/personas.jsonl": '{"persona": "a nurse"}\n', "elsewhere/alpaca.jsonl": '{"output": "Yes."}\n'}
"""Files that pages speak of and do not show."""
PARAMS = {"elsewhere.mix": {"data": "elsewhere"}}


def shown(page: str) -> dict[str, str]:
    return files_of_page(f"../{page}")


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, {**ROWS, **shown(request.param)})
    if request.param == "tour.md":
        shutil.copytree(ROOT / "specs/tiny/model", tmp_path / "specs/tiny/model")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_a_spec_and_it_is_formatted(page: str) -> None:
    specs = {name: text for name, text in shown(page).items() if name.endswith(".mix")}
    assert specs
    assert {name: format_text(SourceFile(name, text)).text for name, text in specs.items()} == specs


@pytest.mark.parametrize("project", PAGES, indirect=True)
def test_its_specs_check(project: Path) -> None:
    for spec in project.rglob("*.mix"):
        result = compile_file(spec, params=PARAMS.get(spec.name, {}))
        found = [d for d in result.diagnostics if d.code not in NOT_OF_THE_SPEC]
        assert found == [], render(found)


@pytest.mark.parametrize(
    ("project", "spec", "says"),
    [
        ("cookbook/data.md", "support.mix", "mixture support: 4 rows"),
        (
            "cookbook/verifier.md",
            "style.mix",
            "crisp.verify_short_sentences   3    1  2 (1 short_sentences: long-winded",
        ),
        ("cookbook/ablation.md", "ablation.mix", "mixture all_of_it: 340 rows"),
        ("language/policy.md", "release.mix", "mixture research: 2 rows"),
    ],
    indirect=["project"],
)
def test_what_asks_no_model_runs_and_gives_what_the_page_says(
    project: Path, spec: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("run", spec) == 0
    assert says in capsys.readouterr().out


@pytest.mark.parametrize("project", ["cookbook/operator.md"], indirect=True)
def test_operators_of_ones_own_run_in_the_loop(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadedServer(
        model="qwen3-8b", text="Why is this so? Give reasons, and name somebody. " * 3
    ) as server:
        assert typed("run", "evolved.mix", "-p", f"address={server.url}") == 0
    assert "evolved_once.generate_response" in capsys.readouterr().out


@pytest.mark.parametrize("project", ["tour.md"], indirect=True)
def test_the_tour_shows_what_check_says(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = project / "specs/sums.mix"
    spec.write_text(spec.read_text(encoding="utf-8").replace("{{ thing }}", "{{ thin }}"), encoding="utf-8")
    assert typed("check", "specs/sums.mix") == 1
    said = re.search(
        r"^```\n(error\[.*?)```$", (DOCS / "tour.md").read_text(encoding="utf-8"), flags=re.M | re.S
    )
    assert said
    assert capsys.readouterr().out == said[1]


@pytest.mark.train
@pytest.mark.parametrize("project", ["tour.md"], indirect=True)
def test_the_tour_runs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers")
    assert typed("plan", "specs/sums.mix") == 0
    assert "in all: 60 requests, about 3,243 prompt and 3,600 output tokens" in capsys.readouterr().out
    assert typed("run", "specs/sums.mix") == 0
    assert "mixture sums: 12 rows" in capsys.readouterr().out
