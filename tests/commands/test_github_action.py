"""`action.yml`: its steps run in a shell here, with a pull request that is made up and a `gh` that takes notes."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.git_project import edit, git, project  # noqa: F401  (a fixture)

yaml = pytest.importorskip("yaml", reason="what reads YAML comes with the train extra")
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
SHELL = {step["name"]: step for step in ACTION["runs"]["steps"] if "run" in step}
GH = """#!/bin/bash
asked="$*"
printf '%s\\n' "$asked" >> "$GH_LOG"
case "$asked" in
  *--paginate*) printf '%s' "$GH_FOUND" ;;
  *body=@*) cp "${asked##*body=@}" "$GH_LOG.body" ;;
esac
"""


class Runner:
    """A machine that runs steps of the action as GitHub does."""

    def __init__(self, folder: Path, machine: Path) -> None:
        self.folder, self.machine = folder, machine
        self.values = {
            f"inputs.{name}": str(one.get("default", "")) for name, one in ACTION["inputs"].items()
        }
        self.found = ""
        bin = machine / "bin"
        bin.mkdir(parents=True)
        for name, text in {
            "gh": GH,
            "mixwright": f'#!/bin/bash\nexec {sys.executable} -m mixwright "$@"\n',
        }.items():
            (bin / name).write_text(text)
            (bin / name).chmod(stat.S_IRWXU)

    def step(self, name: str) -> subprocess.CompletedProcess[str]:
        if name != "Read the inputs":
            self._run("Read the inputs")
        return self._run(name)

    def _run(self, name: str) -> subprocess.CompletedProcess[str]:
        step = SHELL[name]
        given = {key: self._value(text) for key, text in step.get("env", {}).items()}
        output = self.machine / "output"
        output.write_text("")
        surroundings = {
            "PATH": f"{self.machine / 'bin'}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.machine),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.machine / "summary"),
            "GH_LOG": str(self.machine / "gh"),
            "GH_FOUND": self.found,
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env={**os.environ, **surroundings, **given},
            capture_output=True,
            text=True,
        )
        if "id" in step:
            for line in output.read_text().splitlines():
                key, _, value = line.partition("=")
                self.values[f"steps.{step['id']}.outputs.{key}"] = value
        return done

    def asked(self) -> list[str]:
        return (self.machine / "gh").read_text().splitlines()

    def _value(self, text: str) -> str:
        return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: self.values.get(found[1], ""), str(text))


@pytest.fixture
def runner(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:  # noqa: F811
    return Runner(project, tmp_path_factory.mktemp("machine"))


def in_pull_request(runner: Runner, **changed: str) -> None:
    base = subprocess.run(["git", "rev-parse", "HEAD"], cwd=runner.folder, capture_output=True, text=True)
    edit(runner.folder / "specs/math.mix", *changed.items())
    git(runner.folder, "commit", "--quiet", "-am", "two")
    runner.values |= {
        "github.event.pull_request.base.sha": base.stdout.strip(),
        "github.event.pull_request.number": "7",
        "github.repository": "o/r",
    }


def test_nothing_from_outside_stands_in_a_script() -> None:
    assert len(SHELL) == 7
    assert [name for name, step in SHELL.items() if "${{" in step["run"]] == []
    named = {
        found for step in ACTION["runs"]["steps"] for found in re.findall(r"inputs\.(\w+)", json.dumps(step))
    }
    assert named == set(ACTION["inputs"]), "an input that nothing reads, or one that there is not"


def test_a_sound_spec_passes_where_its_data_is_not(runner: Runner) -> None:
    (runner.folder / "data/seeds.jsonl").unlink()
    assert runner.step("Check").stdout.strip() == ""
    assert json.loads((runner.machine / "mixwright.sarif").read_text())["runs"][0]["results"] == []
    assert runner.step("Verdict").returncode == 0


def test_a_mistake_is_shown_on_its_line_uploaded_and_the_verdict(runner: Runner) -> None:
    edit(runner.folder / "specs/math.mix", ("samples = 2", "sample = 2"))
    runner.values["inputs.specs"] = "specs/math.mix specs/lib"
    checked = runner.step("Check")
    assert checked.returncode == 0, "the findings are still to be uploaded"
    assert "::error file=specs/math.mix,line=11" in checked.stdout
    (result,) = json.loads((runner.machine / "mixwright.sarif").read_text())["runs"][0]["results"]
    assert result["ruleId"] == "MIX105"
    verdict = runner.step("Verdict")
    assert (verdict.returncode, "found errors" in verdict.stdout) == (1, True)


def test_a_lock_that_does_not_fit_is_the_verdict(runner: Runner) -> None:
    runner.step("Check")
    assert runner.step("Compare the locks").returncode == 0
    assert runner.step("Verdict").returncode == 0
    (runner.folder / "data/seeds.jsonl").write_text('{"problem": "1"}\n' * 60)
    compared = runner.step("Compare the locks")
    assert (compared.returncode, "MIX807" in compared.stdout) == (0, True)
    assert runner.step("Verdict").returncode == 1


def test_a_test_that_fails_is_the_verdict(runner: Runner) -> None:
    spec = runner.folder / "specs/math.mix"
    told = 'test "a letter is a text" {\n  given = { letter = "a" }\n  expect = letter == "%s"\n}\n'
    written = spec.read_text()
    runner.step("Check")
    for letter, status in (("a", 0), ("b", 1)):
        spec.write_text(f"{written}\n{told % letter}")
        assert runner.step("Test").returncode == 0
        assert "<testsuites" in (runner.machine / "mixwright-tests.xml").read_text()
        assert runner.step("Verdict").returncode == status


def test_what_changes_is_said_in_one_comment(runner: Runner) -> None:
    in_pull_request(runner, **{"math = 40": "math = 50"})
    assert runner.step("Say what changes").returncode == 0
    looked, wrote = runner.asked()
    assert looked.startswith("api --paginate repos/o/r/issues/7/comments --jq .[] | select(.user.type ==")
    assert wrote.startswith("api --silent --method POST repos/o/r/issues/7/comments --field body=@")
    body = (runner.machine / "gh.body").read_text()
    assert body.startswith("<!-- mixwright diff -->") and "50" in body
    assert (runner.machine / "summary").read_text() == body
    runner.found = "4711\n4712\n"
    assert runner.step("Say what changes").returncode == 0
    assert runner.asked()[-1].startswith("api --silent --method PATCH repos/o/r/issues/comments/4711 ")


def test_specs_that_cannot_be_compared_are_a_warning(runner: Runner) -> None:
    in_pull_request(runner, **{"samples = 2": "sample = 2"})
    said = runner.step("Say what changes")
    assert (said.returncode, "::warning::specs cannot be compared" in said.stdout) == (0, True)
    assert "has errors" in (runner.machine / "gh.body").read_text(), (
        "the comment of an earlier push would be wrong"
    )


def test_a_pull_request_that_changes_no_dataset_gets_no_comment_but_renews_one(runner: Runner) -> None:
    in_pull_request(runner, **{"edition 2026": "edition 2026\n# a comment"})
    assert runner.step("Say what changes").returncode == 0
    assert not (runner.machine / "gh.body").exists()
    runner.found = "4711\n"
    assert runner.step("Say what changes").returncode == 0
    assert "No difference" in (runner.machine / "gh.body").read_text()


def test_specs_may_stand_a_line_each_and_params_hold_for_all_steps(runner: Runner) -> None:
    spec = runner.folder / "specs/math.mix"
    folder = runner.folder / "my specs"
    folder.mkdir()
    (folder / "a.mix").write_text(
        spec.read_text().replace("lib/ask", "../specs/lib/ask").replace("math = 40", "mth = 4")
    )
    runner.values["inputs.specs"] = "specs\n  my specs  \n\n"
    assert "file=my specs/a.mix,line=18" in runner.step("Check").stdout
    (folder / "a.mix").write_text("edition 2026\n")
    runner.values["inputs.args"] = "--deny-warnings\n-p wanted=40"
    in_pull_request(
        runner,
        **{"math = 40": "math = wanted", "edition 2026": "edition 2026\nparam wanted { type = count }"},
    )
    assert runner.step("Check").stdout.strip() == ""
    assert runner.step("Say what changes").returncode == 0
    assert "No difference" in (runner.machine / "summary").read_text()
