"""`verify code` in whole runs of specs: what is kept, what is measured once, and what is left running afterwards."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from spec_runs import SpecRuns

import mixwright
from benchmarks.fake_server import ThreadedServer
from mixwright_runtime.sandbox.pool import Sandbox
from tests.checkout import IMPORT_PATH

ROOT = Path(__file__).resolve().parents[2]

SPEC = """
source tasks inline { rows = [
  { task = "double", tests = ["assert double(2) == 4", "assert double('a') == 'aa'"] },
  { task = "halve", tests = ["assert halve(4) == 2"] },
  { task = "prose", tests = ["assert prose() == 1"] },
  { task = "loop", tests = ["assert loop() == 1"] },
] }
template solve { user = "Write {{ task }}." }
template fix { user = "{{ task }}: {{ verdict.evidence.failed[0].test }} gave {{ verdict.evidence.failed[0].got }}" }

pipeline programs {
  from tasks
  generate program { prompt = solve, model = teacher }
  verify code { response = program, tests = tests, time_limit = 1s SETTINGS }
}
"""

ANSWERS = {
    "Write double.": "```python\ndef double(x):\n    return x + x\n```",
    "Write halve.": "```python\ndef halve(x):\n    return x - 1\n```",
    "Write prose.": "```text\nno program\n```",
    "Write loop.": "def loop():\n    while True: pass",
    "halve: assert halve(4) == 2 gave 3": "def halve(x):\n    return x // 2",
}


@pytest.fixture
def runs(tmp_path: Path, code_sandbox: Sandbox) -> Iterator[SpecRuns]:
    made = SpecRuns(tmp_path, lambda prompt: ANSWERS.get(prompt, "no answer"))
    yield made
    made.store.close()


def spec(settings: str = "") -> str:
    return SPEC.replace("SETTINGS", settings)


def outcomes(runs: SpecRuns) -> dict[str, tuple[str, str]]:
    return {columns["task"]: (status, reason) for status, reason, columns in runs.rows()}


def test_rows_with_programs_that_pass_are_kept(runs: SpecRuns) -> None:
    report = runs.run(spec())
    assert report.exit_code == 0
    assert outcomes(runs) == {
        "double": ("kept", ""),
        "halve": ("dropped", "code: failed"),
        "prose": ("dropped", "code: not testable"),
        "loop": ("dropped", "code: failed"),
    }


def test_another_threshold_runs_no_program_again(runs: SpecRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.run(spec())

    async def refuse(self: Sandbox, job: object) -> None:
        raise AssertionError(f"a job was run: {job}")

    async def ready(self: Sandbox) -> None:
        return None

    monkeypatch.setattr("mixwright_runtime.verifiers.code.judge.CodeJudge.prepare", ready)
    monkeypatch.setattr(Sandbox, "run", refuse)
    runs.run(spec(", min = 0"))
    assert [status for status, _ in outcomes(runs).values()].count("kept") == 3


def test_a_model_is_shown_the_test_that_failed(runs: SpecRuns) -> None:
    runs.run(spec(", on_fail = repair(fix, 1)"))
    assert outcomes(runs)["halve"] == ("kept", "")
    assert "halve: assert halve(4) == 2 gave 3" in runs.prompts


def test_tests_that_a_model_wrote_are_checked_against_candidates(
    tmp_path: Path, code_sandbox: Sandbox
) -> None:
    programs = iter(["return x * x", "return x * x", "return x ** 2", "return x + x"])
    written = "```python\nassert square(3) == 9\nassert square(-1) == 1\nassert square(3) == 6\n```"
    runs = SpecRuns(
        tmp_path, lambda prompt: written if "tests" in prompt else f"def square(x):\n    {next(programs)}"
    )
    runs.run("""
source tasks inline { rows = [{ task = "square" }] }
template write_tests { user = "Write tests for {{ task }}." }
template solve { user = "Write {{ task }}." }
pipeline programs {
  from tasks
  generate tests { prompt = write_tests, model = teacher }
  generate program { prompt = solve, model = teacher, samples = 4 }
  verify code { response = program, tests = tests, agree = 2, min_tests = 2, pick = majority }
}
""")
    try:
        kept = [columns["program"] for status, _, columns in runs.rows() if status == "kept"]
        assert len(kept) == 1 and ("x * x" in kept[0] or "x ** 2" in kept[0])
        reasons = sorted(reason for status, reason, _ in runs.rows() if status == "dropped")
        assert reasons == ["code: failed", "code: not picked", "code: not picked"]
    finally:
        runs.store.close()


def test_checking_and_planning_start_no_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(self: Sandbox) -> None:
        raise AssertionError("a box was started")

    monkeypatch.setattr(Sandbox, "start", refuse)
    path = tmp_path / "spec.mix"
    head = 'edition 2026\nmodel teacher openai { base_url = "http://localhost:1/v1", model = "tiny" }\n'
    path.write_text(head + spec(), encoding="utf-8")
    assert mixwright.plan(path).pipelines["programs"].steps[-1].operation == "verify.code"


def descendants(pid: int) -> set[int]:
    """Processes below one, by /proc."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found, grown = {pid}, True
    while grown:
        below = {child for child, parent in parents.items() if parent in found} - found
        grown = bool(below)
        found |= below
    return found - {pid}


def is_alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_box_outlives_a_run_that_is_interrupted(tmp_path: Path, code_sandbox: Sandbox) -> None:
    with ThreadedServer() as server:
        server.fake.use({"rules": [{"fault": "text", "text": ANSWERS["Write loop."]}], "latency_ms": 1})
        path = tmp_path / "spec.mix"
        head = f'edition 2026\nmodel teacher openai {{ base_url = "{server.url}", model = "fake" }}\n'
        path.write_text(head + spec().replace("1s", "60s"), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "mixwright", "run", str(path), "--store", str(tmp_path / "store")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": IMPORT_PATH},
        )
        deadline = time.monotonic() + 60
        while server.fake.stats["answered"] < 4 or len(descendants(process.pid)) < 5:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        below = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        while any(map(is_alive, below)):
            assert time.monotonic() < deadline + 10
            time.sleep(0.05)


def test_evidence_is_what_explain_shows(runs: SpecRuns) -> None:
    runs.run(spec())
    found = next(s["verify_code"] for s in runs.scores() if s["verify_code"].get("score") == 0.0)
    assert json.dumps(found).count("halve(4)") or "timeout" in json.dumps(found)


METHOD = """
import "std:code" as code
source snippets inline { rows = [{ language = "python", snippet = "sum(a, b)" }] }
pipeline functions {
  from snippets { repeat = 9 }
  use code.set_task { model = teacher, reviewer = teacher }
  use code.tested { model = teacher }
  use code.programmed { model = teacher }
  verify code { response = program, tests = tests, agree = 4, min_tests = 5, pick = majority }
  use code.reviewed { reviewer = teacher }
}
mixture two { seed = 1, functions = 2 }
"""


def test_the_method_of_qwen_keeps_what_programs_and_tests_agree_on(
    tmp_path: Path, code_sandbox: Sandbox
) -> None:
    """With a programmer whose every third program is wrong, and a tester whose last test is."""
    asked = itertools.count()

    def agent(prompt: str) -> str:
        number = next(asked)
        if "Write one task that it inspires" in prompt:
            digits = hashlib.sha256(prompt.encode() + bytes([number % 256])).hexdigest()
            words = " ".join(digits[i : i + 5] for i in range(0, 60, 5))
            return f"Write add_{digits[:6]}(a, b): the sum of two numbers. {words}"
        if prompt.endswith(("else no.", "Answer yes or no.")):
            return "yes"
        name = re.search(r"add_\w+", prompt)[0]  # type: ignore[index]
        if "Write ten assertions" in prompt:
            right = "\n".join(f"assert {name}({i}, {i}) == {2 * i}" for i in range(6))
            return f"```python\n{right}\nassert {name}(1, 1) == 3\n```"
        return f"```python\ndef {name}(a, b):\n    return a {'-' if number % 3 == 0 else '+'} b\n```"

    runs = SpecRuns(tmp_path, agent)
    try:
        assert runs.run(METHOD).exit_code == 0
        kept = [columns for status, _, columns in runs.rows() if status == "kept"]
        assert len(kept) >= 2 and all("a + b" in columns["program"] for columns in kept)
    finally:
        runs.store.close()
