"""`mixwright breaking`: what breaks, where it stands, and what breaks nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mixwright.cli import main
from tests.git_project import edit, git, project

__all__ = ["project"]


GROUP = "samples = 2, max_tokens = 100 }\n  verify agreement { response = solution }"
"""Candidates, and what picks one of them."""


def broken(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """`specs/math.mix:16:10 MIX952`, in order."""
    capsys.readouterr()
    status = main(["breaking", "--against", "v1", "--format", "concise", *arguments])
    lines = capsys.readouterr().out.splitlines()
    assert status == int(any("error" in line for line in lines))
    return [f"{line.split(': ')[0]} {line.partition('[')[2][:6]}" for line in lines]


def test_what_readers_never_see_breaks_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(project / "specs/lib/ask.mix", ("Solve:", "Solve step by step:"))
    edit(
        project / "specs/math.mix",
        ("math = 40", "math = 50"),
        ("samples = 2", "samples = 4"),
        ("localhost:1", "localhost:9"),
        ('"mit"', '"apache-2.0"'),
        ("export hub", 'export more of student { path = "../out/more", format = parquet }\nexport hub'),
    )
    assert broken(capsys) == []
    assert main(["breaking", "--against", "v1"]) == 0
    assert capsys.readouterr().out == "nothing in working tree breaks what v1 exports\n"


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("math = 40", "math = 30", "18:10 MIX952"),
        ("seed = 1", "seed = 2", "17:10 MIX954"),
        (GROUP, "max_tokens = 100 }", "9:10 MIX954"),
        ("generate solution { ", "generate solution { id = solved, ", ""),
        ('path = "../out/student"', 'path = "../out/other"', "21:32 MIX950"),
        ("export hub", "export hub_2", "16:9 MIX950"),
        ('"../out/student" }', '"../out/student", format = parquet }', "21:59 MIX951"),
        ('"mit"', '"cc-by-nc-4.0"', "7:62 MIX953"),
        ('"mit"', '"mit AND cc-by-nc-4.0"', "7:62 MIX953"),
        ('"mit"', '"mit OR cc-by-nc-4.0"', ""),
        ('license = "mit"', 'license = "mit", columns = { problem = problem, more = problem }', "7:8 MIX954"),
        (
            "  from seeds",
            "  from seeds\n  generate hint { prompt = ask.solve, model = teacher, samples = 2 }",
            "11:3 MIX954",
        ),
    ],
)
def test_a_change_breaks_at_its_place(
    project: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, place: str
) -> None:
    edit(project / "specs/math.mix", (old, new))
    assert broken(capsys) == [f"specs/math.mix:{place}"] * bool(place)


def test_one_kind_can_be_allowed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(project / "specs/math.mix", ("math = 40", "math = 30"))
    assert main(["breaking", "--against", "v1"]) == 1
    assert main(["breaking", "--against", "v1", "--allow", "MIX952"]) == 0
    assert "warning[MIX952]" in capsys.readouterr().out
    assert main(["breaking", "--against", "v1", "--allow", "MIX000"]) == 2


def test_another_name_of_a_spec_breaks_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("mix", "lock"):
        (project / f"specs/math.{kind}").rename(project / f"specs/sums.{kind}")
    assert broken(capsys) == []
    edit(project / "specs/sums.mix", ("math = 40", "math = 30"))
    assert broken(capsys) == ["specs/sums.mix:18:10 MIX952"]


def test_a_spec_that_is_gone_and_one_with_errors(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "specs/math.mix").unlink()
    (project / "specs/sums.mix").write_text("edition 2026\n")
    assert main(["breaking", "--against", "v1", "--format", "json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert (finding["code"], finding["file"]) == ("MIX950", "specs/math.mix")
    assert finding["secondary"][0]["file"] == "v1:specs/math.mix"
    (project / "specs/sums.mix").unlink()
    (project / "specs/math.mix").write_text("edition 2026\npipeline x {}\n")
    assert main(["breaking", "--against", "v1"]) == 2
    capsys.readouterr()
    assert main(["breaking", "--against", "v1", "--format", "json"]) == 2
    assert json.loads(capsys.readouterr().out)["diagnostics"][0]["file"] == "specs/math.mix"


def test_a_range_is_compared_without_the_working_tree(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(project / "specs/math.mix", ("math = 40", "math = 30"))
    assert main(["breaking", "--against", "v1..HEAD"]) == 0
    git(project, "commit", "--quiet", "-am", "two")
    assert main(["breaking", "--against", "v1..HEAD", "specs/math.mix"]) == 1
    assert "HEAD:specs/math.mix:18:10" in capsys.readouterr().out
