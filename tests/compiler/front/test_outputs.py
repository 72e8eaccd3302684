"""No export and no train may write over what the project needs, however the place is written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mixwright.cli import main
from mixwright_compiler.plan.file_places import relation
from mixwright_compiler.stages import compile_file

SPEC = """edition 2026

import "parts/more.mix" as more
param place {{ type = path, default = "out/param" }}
source web jsonl {{ path = "data/rows.jsonl", columns = {{ q = text, a = text }} }}
source many jsonl {{ path = "shards/*/rows.jsonl", columns = {{ q = text, a = text }} }}
template ask {{ file = "prompts/ask.j2" }}
model small transformers {{ path = "models/small" }}

pipeline qa {{
  from web
  generate a2 {{ prompt = ask, model = small }}
  chat {{ user = q, assistant = a2 }}
}}
pipeline other {{
  from many
  chat {{ user = q, assistant = a }}
}}

mixture main {{
  seed = 1
  qa = 1
  other = 1
}}

export first of main {{ path = "out/first" }}
export hub of main {{ path = {path} }}
train student on main {{
  base = "models/small"
  output = {output}
}}
"""


@pytest.fixture
def project(tmp_path):
    for name in ("data", "prompts", "models/small", "shards/one", "parts", ".git", ".mixwright"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data/rows.jsonl").write_text('{"q": "1 + 1?", "a": "2"}\n')
    (tmp_path / "prompts/ask.j2").write_text("{{ q }}")
    (tmp_path / "parts/more.mix").write_text("edition 2026\n")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    return tmp_path


def found(project: Path, path: str = '"out/hub"', output: str = '"out/student"', **params: str) -> list[str]:
    spec = project / "main.mix"
    spec.write_text(SPEC.format(path=path, output=output))
    result = compile_file(spec, params=params)
    return [f"{d.code} {d.message}" for d in result.diagnostics if d.code in ("MIX903", "MIX909")]


@pytest.mark.parametrize(
    ("path", "what"),
    [
        (".", "contains the spec main.mix"),
        ("./", "contains the spec main.mix"),
        ("out/..", "contains the spec main.mix"),
        ("main.mix", "is the spec main.mix"),
        ("MAIN.mix", "is the spec main.mix"),
        ("parts", "contains the spec more.mix"),
        ("main.lock", "is the lock main.lock"),
        (".mixwright", "is the store .mixwright"),
        (".mixwright/out", "lies in the store .mixwright"),
        (".Mixwright", "is the store .mixwright"),
        (".git/out", "lies in the repository's .git"),
        ("sub/.git", "is a .git"),
        ("data", 'contains a path that is read: `"data/rows.jsonl"`'),
        ("Data", 'contains a path that is read: `"data/rows.jsonl"`'),
        ("link", 'contains a path that is read: `"data/rows.jsonl"`'),
        ("data/rows.jsonl", 'is a path that is read: `"data/rows.jsonl"`'),
        ("data/rows.jsonl/out", 'lies in a path that is read: `"data/rows.jsonl"`'),
        ("shards", 'contains a path that is read: `"shards/*/rows.jsonl"`'),
        ("shards/two", 'contains a path that is read: `"shards/*/rows.jsonl"`'),
        ("prompts", 'contains a path that is read: `"prompts/ask.j2"`'),
        ("models/small/out", 'lies in a path that is read: `"models/small"`'),
    ],
)
def test_an_output_meets_nothing_that_the_project_needs(project, path, what):
    assert found(project, f'"{path}"') == [f"MIX903 export `hub` would write to `{path}`, which {what}"]


def test_an_absolute_path_is_looked_at_too(project):
    (message,) = found(project, "place", place=str(project / "data"))
    assert message.startswith(f"MIX903 export `hub` would write to `{project / 'data'}`, which contains")


@pytest.mark.parametrize(
    ("path", "how"),
    [
        ("out/first", "export `hub` and export `first` write to `out/first`"),
        ("Out/First/", "export `hub` and export `first` write to `Out/First/`"),
        ("out", "export `hub` and export `first` write to one place: `out` contains `out/first`"),
        (
            "out/first/x",
            "export `hub` and export `first` write to one place: `out/first/x` lies in `out/first`",
        ),
        ("out/student", "train `student` and export `hub` write to `out/student`"),
    ],
)
def test_two_outputs_share_no_place(project, path, how):
    assert f"MIX909 {how}" in found(project, f'"{path}"')


def test_a_train_may_stand_beside_the_model_it_starts_from_and_nowhere_else(project):
    assert found(project, output='"models/small/tuned"') == []
    assert found(project, output='"data"') != []
    assert found(project, output='"."') != []


def test_what_stands_apart_is_no_finding(project):
    assert found(project) == []
    assert found(project, '"data-out"') == []
    assert found(project, '"shards-out/rows.jsonl"') == []
    assert found(project, '"../' + project.name + '/elsewhere"') == []


@pytest.mark.parametrize(
    ("one", "other", "how"),
    [
        ("/a/b", "/a/b", "is"),
        ("/a", "/a/b", "contains"),
        ("/a/b/c", "/a/b", "lies in"),
        ("/a/bc", "/a/b", ""),
        ("/data/x/y", "/data/**/rows.jsonl", "lies in"),
        ("/data/x", "/data/*.jsonl", ""),
        ("/data/x.jsonl", "/data/*.jsonl", "is"),
        ("/data", "/data/*.jsonl", "contains"),
        ("/Ä", "/a\u0308", "is"),
    ],
)
def test_places_are_compared_as_any_system_would(one, other, how):
    assert relation(one, other) == how


def test_a_plan_and_a_store_elsewhere_are_guarded_when_they_run(tmp_path, monkeypatch, capsys):
    """The compiler sees neither `--store` nor what a plan.json was edited to."""
    monkeypatch.chdir(tmp_path)
    spec = tmp_path / "demo.mix"
    spec.write_text(
        "edition 2026\n\n"
        'source web inline { rows = [{ q = "1 + 1?", a = "2" }] }\n'
        "pipeline qa {\n  from web\n  chat { user = q, assistant = a }\n}\n"
        "mixture small {\n  seed = 7\n  qa = 1\n}\n"
        'export hub of small { path = "out/small" }\n'
    )
    assert main(["run", str(spec), "--store", "out/small/store"]) == 2
    assert "which contains the store" in capsys.readouterr().err
    assert main(["run", str(spec)]) == 0
    assert main(["plan", str(spec)]) == 0
    written = tmp_path / ".mixwright" / "plan.json"
    plan = json.loads(written.read_text())
    plan["exports"]["hub"]["attributes"]["path"] = "."
    written.write_text(json.dumps(plan))
    for command in (["run"], ["export", "--force"]):
        assert main([*command, str(written)]) == 2
        assert "which contains the spec" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == [".mixwright", "demo.mix", "out"]
