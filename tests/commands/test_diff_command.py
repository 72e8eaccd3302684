"""`mixwright diff`: two revisions of a project, what is told of them, and that the working tree stays as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mixwright.changes.facts import SpecDiff, Work, spec_diff
from mixwright.changes.markdown import MARKER, code, escaped, prose
from mixwright.changes.sides import Place, Side, side
from mixwright.changes.text import diff_text
from mixwright.cli import main
from mixwright.recorded import Anew
from mixwright_runtime.store.store import Store
from tests.git_project import edit, git, project

__all__ = ["project"]


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["diff", *arguments, "--format", "json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (document["format_version"], document["command"]) == ("1.1", "diff")
    return document


def test_what_changes_is_told_by_what_it_costs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(project / "specs/lib/ask.mix", ("Solve:", "Solve step by step:"))
    edit(
        project / "specs/math.mix",
        ("samples = 2", "samples = 4"),
        ("math = 40", "math = 50"),
        ("localhost:1", "localhost:9"),
        ('"mit"', '"cc-by-sa-4.0"'),
    )
    (spec,) = found(capsys, "v1")["specs"]
    told = {(c["node"], each["class"]): each["what"] for c in spec["changes"] for each in c["changes"]}
    assert told == {
        ("source.seeds", "meta"): "license mit -> cc-by-sa-4.0",
        ("model.teacher", "run"): "base_url http://localhost:1/v1 -> http://localhost:9/v1",
        ("pipeline.math.generate_solution", "row"): "template ask.solve.user",
        ("pipeline.math.generate_solution", "set"): "samples 2 -> 4",
        ("mixture.student.math", "set"): "quota 40 -> 50",
    }
    assert spec["counts"] == {"row": 1, "set": 2, "meta": 1, "run": 1, "added": 0, "removed": 0}
    assert spec["made_again"] == [
        {"pipeline": "math", "step": "generate_solution", "steps": 3, "requests": 200}
    ]
    assert spec["quotas"][0]["rows"] == {"old": 40, "new": 50}
    assert {(m["sign"], m["license"]) for m in spec["licenses"]} == {("+", "cc-by-sa-4.0"), ("-", "mit")}
    assert (spec["work"]["old"]["requests"], spec["work"]["new"]["requests"]) == (80, 200)
    assert spec["work"]["new"]["cost"] > spec["work"]["old"]["cost"] > 0
    assert "no store" in spec["store"] and str(project) not in spec["store"]


def test_a_renamed_template_and_a_moved_line_are_no_rows(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(project / "specs/lib/ask.mix", ("edition 2026", "edition 2026\n\n# nothing"))
    assert not found(capsys, "v1")["differs"]
    assert main(["diff", "v1"]) == 0
    assert capsys.readouterr().out == "no difference between v1 and working tree\n"


def test_a_spec_that_has_another_name_is_compared_with_what_it_was(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("mix", "lock"):
        (project / f"specs/math.{kind}").rename(project / f"specs/sums.{kind}")
    assert main(["diff", "v1"]) == 0
    assert capsys.readouterr().out == "specs/sums.mix: was specs/math.mix; no other difference\n"
    edit(project / "specs/sums.mix", ("math = 40", "math = 50"))
    for named in ((), ("specs/sums.mix",)):
        (spec,) = found(capsys, "v1", *named)["specs"]
        assert (spec["spec"], spec["was"], spec["counts"]["set"]) == ("specs/sums.mix", "specs/math.mix", 1)
    assert main(["diff", "v1", "--format", "markdown"]) == 0
    assert "### `specs/sums.mix` (was `specs/math.mix`)" in capsys.readouterr().out


def test_errors_of_a_side_are_told_to_those_who_read_the_comment(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(project / "specs/math.mix", ("from seeds", "from sedes"))
    assert main(["diff", "v1", "--format", "markdown"]) == 2
    told = capsys.readouterr().out
    assert "| `specs/math.mix` | has errors |" in told
    assert "- `MIX101 specs/math.mix:10:8` no source or pipeline `sedes`" in told


def test_a_revision_has_its_own_imports_templates_and_lock(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(project / "specs/lib/ask.mix", ("Solve:", "Do:"))
    git(project, "commit", "--quiet", "-am", "two")
    edit(project / "specs/lib/ask.mix", ("Do:", "broken {{"))
    edit(project / "specs/math.mix", ("edition 2026", "nonsense"))
    (project / "specs/math.lock").unlink()
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*") if ".git/" not in str(path)}
    (spec,) = found(capsys, "v1..HEAD", "specs/math.mix")["specs"]
    assert [c["node"] for c in spec["changes"]] == ["pipeline.math.generate_solution"]
    assert before == {
        path: path.stat().st_mtime_ns for path in project.rglob("*") if ".git/" not in str(path)
    }
    assert found(capsys, "v1:specs/math.mix", "HEAD:specs/math.mix")["differs"]
    assert found(capsys, "v1...HEAD")["differs"]


def test_exit_codes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "v1", "--exit-code"]) == 0
    edit(project / "specs/math.mix", ("math = 40", "math = 50"))
    assert main(["diff", "v1"]) == 0
    assert main(["diff", "v1", "--exit-code"]) == 1
    capsys.readouterr()
    assert main(["diff", "v9"]) == 2
    assert "no revision 'v9'" in capsys.readouterr().err
    assert main(["diff", "specs/math.mix", "specs/none.mix"]) == 2
    assert "specs/none.mix is no file here" in capsys.readouterr().err
    assert main(["diff", "--", "--output=x"]) == 2
    assert not (project / "x").exists()
    edit(project / "specs/math.mix", ("from seeds", "from sedes"))
    assert main(["diff", "v1"]) == 2
    shown = capsys.readouterr()
    assert "MIX101" in shown.err and "cannot be compared" in shown.out


def test_of_what_a_shallow_clone_lacks_it_is_told_how_to_get_it(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    git(project, "commit", "--quiet", "--allow-empty", "-m", "two")
    shallow = project.parent / "shallow"
    git(project, "clone", "--quiet", "--depth=1", project.as_uri(), str(shallow))
    monkeypatch.chdir(shallow)
    assert main(["diff", "HEAD~1"]) == 2
    assert "no revision 'HEAD~1'" in (said := capsys.readouterr().err)
    assert "`git fetch --unshallow` brings the rest" in said


def test_specs_that_come_and_go(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "specs/math.mix").unlink()
    (project / "specs/sums.mix").write_text(
        'edition 2026\nsource other inline { rows = [{ a = "b" }], license = "mit" }\n'
        "pipeline p {\n  from other\n  chat { user = a, assistant = a }\n}\n"
        "mixture all_of_it {\n  seed = 7\n  p = all\n}\n"
    )
    assert [(s["spec"], s["status"]) for s in found(capsys, "v1")["specs"]] == [
        ("specs/lib/ask.mix", "same"),
        ("specs/math.mix", "removed"),
        ("specs/sums.mix", "added"),
    ]


def test_a_spec_that_wants_a_param_is_left_for_those_who_name_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(
        project / "specs/math.mix",
        ("math = 40", "math = wanted"),
        ("edition 2026", "edition 2026\nparam wanted { type = count }"),
    )
    git(project, "commit", "--quiet", "-am", "two")
    assert [s["status"] for s in found(capsys, "HEAD")["specs"]] == ["open"]
    assert main(["diff", "HEAD", "specs/math.mix"]) == 2
    assert found(capsys, "HEAD", "specs/math.mix", "-p", "wanted=7")["specs"][0]["status"] == "same"
    (project / "specs/other.mix").write_text((project / "specs/lib/ask.mix").read_text())
    (spec,) = found(capsys, "v1", "specs/math.mix", "-p", "wanted=40")["specs"]
    assert spec["status"] == "same", "the param came with the change"
    assert [s["status"] for s in found(capsys, "HEAD", "-p", "wanted=7")["specs"]] == ["same", "same"]
    capsys.readouterr()
    assert main(["diff", "HEAD", "-p", "wnated=7"]) == 2
    assert "no param 'wnated' on either side; did you mean `wanted`?" in capsys.readouterr().err


def test_a_store_without_a_run_knows_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(project / ".mixwright"):
        pass
    edit(project / "specs/math.mix", ("math = 40", "math = 50"))
    assert "no store" in found(capsys, "v1")["specs"][0]["store"]


def test_what_a_run_asks_anew_stands_below_the_figures() -> None:
    work = Work(80, 10, 10, 0.5), Work(100, 10, 10, 0.25)
    diff = SpecDiff("a.mix", "changed", work=work, anew=Anew(20, 30), store="figures from 2 runs")
    shown = diff_text([diff, SpecDiff("b.mix", "same")], "v1", "v2", color=False, width=80)
    assert "  requests            80      100         +20\n" in shown
    assert "  dollars        $0.5000  $0.2500    -$0.2500\n" in shown
    assert "  a run asks 20 to 30 requests anew\n  figures from 2 runs\n" in shown
    assert shown.endswith("\n1 other spec: no difference\n")


def test_markdown_is_a_comment_in_which_a_spec_is_no_markup(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(project / "specs/math.mix", ('model = "m"', 'model = "`<img>` @all |"'))
    capsys.readouterr()
    assert main(["diff", "v1", "--format", "markdown"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{MARKER}\n## Mixwright: `v1` → `working tree`\n")
    assert "- `~ model.teacher`: ``" in text and "| `specs/math.mix` |" in text
    assert code("a `b` c") == "`` a `b` c ``"
    assert "@" not in escaped("@all") and "<" not in escaped("<b>")
    assert prose("No `price_in`, @all.") == "No `price_in`, &#64;all."


def test_narrow_terminals_and_colors(project: Path) -> None:
    edit(project / "specs/math.mix", ("math = 40", "math = 50"))
    old = side(Place(project / "specs/math.mix", "a.mix"))
    new = Side()
    diff = spec_diff("a.mix", old, new)
    plain = diff_text([diff], "a", "b", color=False, width=44)
    assert max(map(len, plain.splitlines())) <= 46 and "\x1b" not in plain
    assert "gone\n  - source.seeds" in plain
    assert "\x1b[31m-\x1b[0m source.seeds" in diff_text([diff], "a", "b", color=True, width=44)


def test_a_link_of_a_revision_leads_nowhere_that_is_written(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "specs/away").symlink_to("../../../elsewhere")
    edit(project / "specs/math.mix", ("../data/seeds.jsonl", "away/seeds.jsonl"))
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "two")
    assert main(["diff", "HEAD", "v1:specs/math.mix"]) == 2
    assert main(["diff", "v1..HEAD"]) == 2
    assert "MIX902" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["seeds.jsonl", "se*s.jsonl"])
def test_data_that_is_nowhere_is_taken_from_the_lock(
    project: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    edit(project / "specs/math.mix", ("seeds.jsonl", name))
    assert main(["lock", "specs/math.mix"]) == 0
    git(project, "commit", "--quiet", "--allow-empty", "-am", "two")
    edit(project / "specs/math.mix", ("math = 40", "math = 50"))
    git(project, "commit", "--quiet", "-am", "three")
    (project / "data/seeds.jsonl").unlink()
    (spec,) = found(capsys, "HEAD~1..HEAD")["specs"]
    assert spec["quotas"][0]["rows"] == {"old": 40, "new": 50}
    assert not (project / "data/seeds.jsonl").exists()
    (project / "specs/math.lock").unlink()
    git(project, "commit", "--quiet", "-am", "four")
    assert main(["diff", "HEAD~1..HEAD"]) == 2, "nothing pins it"
