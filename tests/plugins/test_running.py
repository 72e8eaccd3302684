"""When a plugin's code is run, with what it is run, and what becomes of its errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from projects import HEAD, SHOUT, SHOUTING, typed, write

import mixwright
from mixwright_compiler.plan.plan import plan_from_json
from mixwright_runtime.errors import RunError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, {"plugins/shout.py": SHOUT, "spec.mix": SHOUTING})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said_by(project: Path) -> list[str]:
    lines = (project / "out/data/train-00000-of-00001.jsonl").read_text(encoding="utf-8").splitlines()
    return sorted(json.loads(line)["messages"][1]["content"] for line in lines)


def test_checking_formatting_and_planning_run_nothing_of_it(project: Path) -> None:
    traces = '\nimport pathlib\npathlib.Path("was-run").touch()\n'
    (project / "plugins/shout.py").write_text(SHOUT + traces, encoding="utf-8")
    assert typed("check", "spec.mix") == typed("fmt", "spec.mix") == typed("plan", "spec.mix") == 0
    assert typed("explain", "step.shout", "--spec", "spec.mix") == 0
    assert not (project / "was-run").exists()
    assert typed("run", "spec.mix") == 0
    assert (project / "was-run").exists()
    (project / "was-run").unlink()
    assert typed("plan", "spec.mix") == 0  # with a store to look answers up in
    assert not (project / "was-run").exists()


def test_a_plan_runs_with_the_plugin_that_it_was_made_with(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("plan", "spec.mix", "--out", "plan.json") == 0
    assert typed("run", "plan.json") == 0
    assert said_by(project) == ["OFF", "THANKS"]
    (project / "plugins/shout.py").write_text(SHOUT.replace("upper", "title"), encoding="utf-8")
    capsys.readouterr()
    assert typed("run", "plan.json") == 2
    said = capsys.readouterr().err
    assert "error: plugin 'plugins/shout.py' is not the one that the plan was made with: sha256:" in said
    assert "nothing was run" in said and "[MIX138]" in said
    assert typed("run", "spec.mix") == 0
    assert said_by(project) == ["Off", "Thanks"]


def test_a_plan_whose_plugin_is_gone_is_not_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("plan", "spec.mix", "--out", "plan.json") == 0
    (project / "plugins/shout.py").unlink()
    assert typed("run", "plan.json") == 2
    assert (
        "plugin 'plugins/shout.py' cannot be read: No such file or directory [MIX138]"
        in capsys.readouterr().err
    )


def test_a_plan_cannot_name_a_plugin_outside_its_project(
    project: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("plan", "spec.mix", "--out", "plan.json") == 0
    outside = tmp_path_factory.mktemp("outside") / "shout.py"
    outside.write_text(SHOUT, encoding="utf-8")
    plan = json.loads((project / "plan.json").read_text(encoding="utf-8"))
    plan["plugins"]["plugins/shout.py"]["path"] = str(outside)
    (project / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    assert typed("run", "plan.json") == 2
    assert "outside the project" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("declares", ["/tmp/evil"], "is no module of a plugin"),
        ("declares", ["..evil"], "is no module of a plugin"),
        ("entries", [{"family": "step"}], "no entry of a catalog"),
    ],
)
def test_a_plan_that_was_tampered_with_is_no_plan(
    field: str, value: object, problem: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("plan", "spec.mix", "--out", "plan.json") == 0
    plan = json.loads((project / "plan.json").read_text(encoding="utf-8"))
    plan["plugins"]["plugins/shout.py"][field] = value
    (project / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    with pytest.raises(ValueError, match=problem):
        plan_from_json(json.dumps(plan))
    assert typed("run", "plan.json") == 2
    assert "is not a plan" in capsys.readouterr().err


def test_two_plugins_of_one_kind_in_one_process_do_not_meet(tmp_path: Path) -> None:
    found = []
    for name, method in (("one", "upper"), ("other", "title"), ("one", "upper")):
        project = tmp_path / name
        project.mkdir(exist_ok=True)
        write(project, {"plugins/shout.py": SHOUT.replace("upper", method), "spec.mix": SHOUTING})
        mixwright.run(project / "spec.mix")
        found.append(said_by(project))
    assert found == [["OFF", "THANKS"], ["Off", "Thanks"], ["OFF", "THANKS"]]


def test_a_plan_of_before_plugins_is_read(project: Path) -> None:
    plan = mixwright.plan("spec.mix").model_dump(mode="json")
    del plan["plugins"]
    plan["format_version"] = "1.1"
    assert plan_from_json(json.dumps(plan)).plugins == {}


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def f(): raise RunError('no key')\nf()", "RunError: no key"),
    ],
)
def test_a_plugin_that_fails_when_it_is_loaded(
    project: Path, line: str, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "plugins/shout.py").write_text(SHOUT + f"\n{line}\n", encoding="utf-8")
    assert typed("check", "spec.mix") == 0
    for command in ("lock", "run"):
        assert typed(command, "spec.mix") == 2
        said = capsys.readouterr().err
        assert "error: plugin 'plugins/shout.py' cannot be loaded: plugins/shout.py:1" in said
        assert f": {error} [MIX137]" in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("STEP[0]", "declares step.shout otherwise when it is loaded than in its text: attributes"),
        ("globals().update(declare=lambda *_, **__: lambda cls: cls)", "does not declare step.shout"),
    ],
)
def test_what_is_read_must_be_what_is_run(
    project: Path, line: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trick = "import sys\nglobals().update(STEP=STEP[::-1])\n" if line == "STEP[0]" else f"{line}\n"
    (project / "plugins/shout.py").write_text(SHOUT.replace(HEAD, HEAD + trick), encoding="utf-8")
    assert typed("check", "spec.mix") == 0
    assert typed("run", "spec.mix") == 2
    said = capsys.readouterr().err
    assert problem in said and "[MIX137]" in said


def test_a_bug_of_a_step_costs_the_row(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    buggy = SHOUT.replace(
        "        return row", '        1 / (len(row.columns["note"]) - 3)\n        return row'
    )
    (project / "plugins/shout.py").write_text(buggy, encoding="utf-8")
    assert typed("run", "spec.mix") == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert "1 of 2 rows were quarantined" in said.err
    assert said_by(project) == ["THANKS"]


OF_OTHERS = (
    HEAD
    + """
from pathlib import Path

@declare("source", "lines", attributes=SOURCE)
class Lines:
    files, revision = (), ""

    def __init__(self, spec, directory): ...

    def rows(self):
        yield {"note": "thanks"}, "lines:1"
        IN_SOURCE
        yield {"note": "off"}, "lines:2"

@declare("model", "echo")
class Echo:
    slots = 1

    def __init__(self, model, environment): ...

    async def start(self):
        IN_START

    async def complete(self, request):
        IN_COMPLETE
        return Answer("yes", Finish.STOP)

    async def close(self): ...

@declare("export", "cards", attributes=EXPORT)
class Cards:
    data_file, shape = "cards.txt", ""

    @staticmethod
    def write(job, rows):
        IN_WRITE
        (job.directory / "cards.txt").touch()
        return Written(len(list(rows)))
"""
)

OTHERS = """edition 2026

import python "plugins/p.py"

model parrot echo {}
source notes lines {}
template ask { user = "{{ note }}" }
pipeline p {
  from notes
  generate answer { prompt = ask, model = parrot }
  chat { user = note, assistant = answer }
}
mixture m { seed = 1, p = all }
export e of m { format = cards, path = "out" }
"""


@pytest.mark.parametrize("place", ["IN_SOURCE", "IN_START", "IN_WRITE"])
def test_a_bug_elsewhere_ends_the_run_with_its_line(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = OF_OTHERS[: OF_OTHERS.index(place)].count("\n") + 1
    write(tmp_path, {"plugins/p.py": with_bug(place), "spec.mix": OTHERS})
    monkeypatch.chdir(tmp_path)
    assert typed("run", "spec.mix") == 2
    said = capsys.readouterr().err
    assert f"plugin 'plugins/p.py' fails: plugins/p.py:{line}: ZeroDivisionError: division by zero" in said
    assert "[MIX137]" in said and "Traceback" not in said


def test_a_bug_in_a_source_is_told_when_it_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, {"plugins/p.py": with_bug("IN_SOURCE"), "spec.mix": OTHERS})
    monkeypatch.chdir(tmp_path)
    assert typed("lock", "spec.mix") == 2
    said = capsys.readouterr().err
    assert "plugins/p.py:14: ZeroDivisionError" in said and "Traceback" not in said


def test_an_engine_that_raises_anything_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, {"plugins/p.py": with_bug("IN_COMPLETE"), "spec.mix": OTHERS})
    monkeypatch.chdir(tmp_path)
    assert typed("run", "spec.mix") != 0
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert "ZeroDivisionError" in said.err + said.out


def with_bug(place: str) -> str:
    text = OF_OTHERS.replace(place, "1 / 0")
    for other in ("IN_SOURCE", "IN_START", "IN_COMPLETE", "IN_WRITE"):
        text = text.replace(other, "pass")
    return text


IN_A_FOLDER = {
    "plugins/long/__init__.py": HEAD + "from .words import MOST\n",
    "plugins/long/words.py": "MOST = 10\n",
    "plugins/long/measuring/__init__.py": "",
    "plugins/long/measuring/short.py": HEAD
    + """
from ..words import MOST

def length(text):
    while text == "endless":
        pass
    return len(text)

@declare("verify", "short", attributes=(
    attribute("response", "column", "what must be short", default=REQUIRED),
    threshold("max", "how long it may be", default=8), PICK, *VERIFIER))
class Short(Measure):
    def __init__(self, step, context):
        self.workers, self.on = context.workers, step.attributes["response"]
        self.selection = Selection.of(step, kind="short", wrong="long")

    async def measure(self, row):
        try:
            found = await self.workers().run(job(length), [row.columns[self.on]], 0.2)
        except WorkerError as error:
            if is_too_hard(error):
                return Measurement.too_hard()
            raise
        return Measurement("measured", float(min(found, MOST)))
""",
    "spec.mix": """edition 2026

import python "plugins/long"

source notes inline { rows = [{ note = "thanks" }, { note = "longwinded" }, { note = "endless" }] }

pipeline loud {
  from notes
  verify short { response = note }
  chat { user = note, assistant = note }
}

mixture m { seed = 1, loud = all }
export e of m { format = messages, path = "out", card = false }
""",
}


def test_a_folder_is_one_plugin_and_its_functions_run_in_workers(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, IN_A_FOLDER)
    assert typed("run", "spec.mix") == 0
    assert "2 (1 short: long, 1 short: too hard)" in capsys.readouterr().out
    assert said_by(project) == ["thanks"]
    (plugin,) = mixwright.plan("spec.mix").plugins.values()
    assert (plugin.name, plugin.declares) == ("plugins/long", ("measuring.short",))
    # Every file of it counts, whoever declares.
    write(project, {"plugins/long/words.py": "MOST = 11\n"})
    (edited,) = mixwright.plan("spec.mix").plugins.values()
    assert edited.identity != plugin.identity


def test_a_file_may_be_called_as_no_module_can(project: Path) -> None:
    (project / "plugins/shout.py").rename(project / "plugins/1st-shout.v2.py")
    write(project, {"spec.mix": SHOUTING.replace("shout.py", "1st-shout.v2.py")})
    assert typed("run", "spec.mix") == 0
    assert said_by(project) == ["OFF", "THANKS"]


def test_folders_of_a_folder_need_no_init_and_what_cannot_be_imported_declares_nothing(project: Path) -> None:
    write(
        project,
        {
            "plugins/all/__init__.py": "",
            "plugins/all/loud/shout.py": SHOUT,
            "plugins/all/old-shout.py": SHOUT,
            "spec.mix": SHOUTING.replace("shout.py", "all"),
        },
    )
    assert typed("run", "spec.mix") == 0
    assert said_by(project) == ["OFF", "THANKS"]


def test_what_python_cached_of_another_text_is_not_run(project: Path) -> None:
    import os
    import py_compile

    module = project / "plugins/shout.py"
    py_compile.compile(str(module))
    kept = module.stat()
    module.write_text(SHOUT.replace("upper", "title"), encoding="utf-8")
    os.utime(module, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert typed("run", "spec.mix") == 0
    assert said_by(project) == ["Off", "Thanks"]


def test_the_api_raises_what_the_command_says(project: Path) -> None:
    (project / "plugins/shout.py").write_text(SHOUT + "\n1 / 0\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"plugins/shout.py:\d+: ZeroDivisionError"):
        mixwright.run("spec.mix")


RATING = {
    "plugins/rating.py": HEAD
    + """
@declare("model", "unsure")
class Unsure:
    slots = 1

    def __init__(self, model, environment):
        pass

    async def start(self):
        pass

    async def complete(self, request):
        note = request.messages[-1]["content"]
        said = "well" if request.sampling["temperature"] == 0 or note == "off" else "8"
        return Answer(said, Finish.STOP)

    async def close(self):
        pass

@declare("verify", "rated", asks=(Asks("judge", template="question"),), attributes=(
    attribute("judge", "ref:model", "who rates", default=REQUIRED),
    attribute("question", "ref:template", "what is asked", default=REQUIRED),
    threshold("min", "the least", default=7), PICK, *VERIFIER))
class Rated(Measure):
    def __init__(self, step, context):
        self.judge, self.question = step.attributes["judge"], context.template(step.attributes["question"])
        self.asking = Asking(context.calls, number, temperature=0, max_tokens=4, retries=1)
        self.selection = Selection.of(step, kind="rated", wrong="too low")

    async def measure(self, row):
        asked = await self.asking.ask(self.judge, self.question(row.columns).messages)
        if asked.found is None:
            return Measurement(asked.outcome, None, {"reason": asked.reason})
        return Measurement("measured", asked.found)

def number(text):
    try:
        return float(text)
    except ValueError:
        raise ParseFailed("no number") from None
""",
    "spec.mix": """edition 2026

import python "plugins/rating.py"

model judge unsure {}
template ask { user = "{{ note }}" }
source notes inline { rows = [{ note = "thanks" }, { note = "off" }] }
pipeline kind {
  from notes
  verify rated { judge = judge, question = ask }
  chat { user = note, assistant = note }
}

mixture m { seed = 1, kind = all }
export e of m { format = messages, path = "out", card = false }
""",
}


def test_a_verifier_asks_until_it_can_read_the_answer(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of `thanks` the second answer; of `off` none, which is a fault of the verifier and no verdict."""
    write(project, RATING)
    assert typed("run", "spec.mix") == 1
    said = capsys.readouterr()
    assert "4 requests" in said.out
    assert "verifier 'kind.verify_rated' failed on 1 of 2 rows" in said.err and "no number: well" in said.err
    assert said_by(project) == ["thanks"]
