"""A machine that fails ends a command with one line and exit status 2, never with a traceback."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixwright.cli import main
from mixwright.failures import failure_text
from mixwright_compiler.bind.lock import LockUnreadable, read_lock
from mixwright_compiler.hardware.model import _json_of
from mixwright_compiler.plan.plan import plan_from_json
from mixwright_runtime.ablation.cells import Cell, finished
from mixwright_runtime.errors import not_loaded
from mixwright_runtime.exporters.directory import names_of_ours
from mixwright_runtime.store.status import read_status
from mixwright_runtime.training.launch import last_checkpoint
from mixwright_runtime.training.packed import read_manifest
from mixwright_runtime.training.planning.probe import read_calibration
from tests.checkout import IMPORT_PATH

SPEC = """edition 2026

source web jsonl { path = "rows.jsonl", columns = { q = q, a = a }, license = "mit" }

pipeline qa {
  from web
  chat { user = q, assistant = a }
}

mixture small {
  seed = 7
  qa = 2
}

export hub of small { path = "out/small" }
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".mixwright").mkdir()
    (tmp_path / "rows.jsonl").write_text('{"q": "1 + 1?", "a": "2"}\n{"q": "2 + 2?", "a": "4"}\n')
    (tmp_path / "demo.mix").write_text(SPEC)
    return tmp_path / "demo.mix"


class Faults:
    """Counts what is written under a directory, and lets one of these calls fail."""

    def __init__(self, root: Path, at: int, number: int) -> None:
        self.root, self.at, self.number, self.calls = str(root), at, number, 0

    def at_call(self, path: Any) -> None:
        if isinstance(path, int) or not os.path.abspath(os.fsdecode(path)).startswith(self.root):
            return
        self.calls += 1
        if self.calls == self.at:
            raise OSError(self.number, os.strerror(self.number), os.fsdecode(path))


@contextmanager
def faults(root: Path, at: int = 0, number: int = errno.ENOSPC) -> Iterator[Faults]:
    """Files that are opened for writing, moved or made under `root`, of which the `at`-th fails."""
    found = Faults(root, at, number)
    with pytest.MonkeyPatch.context() as patch:

        def opening(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(file: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
                if set(mode) & set("wax+"):
                    found.at_call(file)
                return real(file, mode, *more, **options)

            return call

        def calling(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(path: Any, *more: Any, **options: Any) -> Any:
                found.at_call(path)
                return real(path, *more, **options)

            return call

        patch.setattr(io, "open", opening(io.open))
        patch.setattr("builtins.open", opening(open))
        for name in ("replace", "rename", "mkdir", "link"):
            patch.setattr(os, name, calling(getattr(os, name)))
        yield found


COMMANDS = {
    "lock": ["lock", "demo.mix"],
    "plan": ["plan", "demo.mix"],
    "run": ["run", "demo.mix"],
    "export": ["export", "demo.mix", "--report", "page.html"],
    "fmt": ["fmt", "demo.mix"],
}


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO], ids=errno.errorcode.get
)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_write_that_fails_is_told_in_one_line(
    spec: Path, command: str, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each write of a command fails in turn; what can do without it goes on, everything else says why it ends."""
    if command == "export":
        main(["run", "demo.mix"])
    if command == "fmt":
        spec.write_text(SPEC.replace("  seed = 7", "      seed =   7"))
    text = spec.read_text()
    at, messages = 0, 0
    while True:
        at += 1
        spec.write_text(text)
        (spec.parent / "page.html").unlink(missing_ok=True)
        capsys.readouterr()
        with faults(spec.parent, at, number) as found:
            status = main(COMMANDS[command])
        said = capsys.readouterr().err
        if found.calls < at:
            break
        assert status in (0, 2), said
        if status == 2:
            messages += 1
            assert said.startswith("error: ") and len(said.strip().splitlines()) <= 3, said
            assert spec.read_text() in (text, SPEC)
    assert at > 1 and messages > 0
    assert main(COMMANDS[command]) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("option", ["size=96k", "ro"])
def test_a_disk_that_is_full_or_read_only_is_told(spec: Path, option: str) -> None:
    """A real file system: what DuckDB and the system say is understood too."""
    disk = spec.parent / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96k", "none", str(disk)], capture_output=True
    ).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        (disk / ".mixwright").mkdir()
        for name in ("demo.mix", "rows.jsonl"):
            (disk / name).write_text((spec.parent / name).read_text())
        main(["run", str(spec)])
        if option == "ro":
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        else:
            with contextlib.suppress(OSError), (disk / "fill").open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)
        store = str(spec.parent / ".mixwright")
        for command in (
            ["lock", "demo.mix"],
            ["plan", "demo.mix"],
            ["run", "demo.mix"],
            ["run", "demo.mix", "--store", store],
            ["export", "demo.mix", "--store", store],
        ):
            done = subprocess.run(
                [sys.executable, "-m", "mixwright", *command],
                cwd=disk,
                capture_output=True,
                text=True,
                env={
                    **os.environ,
                    "PYTHONPATH": IMPORT_PATH,
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
            )
            assert "Traceback" not in done.stderr, done.stderr
            assert done.returncode in (0, 2), (command, done.stderr)
            if done.returncode:
                assert done.stderr.splitlines()[-1].startswith("error: "), done.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("command", ["check", "plan", "status", "explain"])
def test_a_full_standard_output_is_told(spec: Path, command: str) -> None:
    main(["run", str(spec)])
    what = {"status": [], "explain": ["MIX101"]}.get(command, ["demo.mix"])
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mixwright", command, *what],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("error: no space left on device")


def test_the_process_itself_writes_no_control_character_of_others(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mixwright", "check", "red\x1b[31m.mix"], capture_output=True, cwd=tmp_path
    )
    assert (done.returncode, b"\x1b" in done.stdout + done.stderr) == (2, False)


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_paths_are_utf8_whatever_the_locale_is(spec: Path, variables: dict[str, str]) -> None:
    project = spec.parent / "数据"
    project.mkdir()
    (project / "规格.mix").write_text(SPEC)
    (project / "rows.jsonl").write_text((spec.parent / "rows.jsonl").read_text())
    for command in ("check", "plan", "run", "lock", "export"):
        done = subprocess.run(
            [sys.executable, "-m", "mixwright", command, "数据/规格.mix"],
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, **variables},
        )
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert (project / "out/small/manifest.json").exists()


def test_a_path_that_is_no_utf8_is_named(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = os.fsdecode(b"caf\xe9.mix")
    Path(odd).write_text(SPEC)
    assert main(["plan", odd]) == 2
    assert "caf\\xe9.mix is not UTF-8" in capsys.readouterr().err


DEEP = "[" * 100_000


def test_json_nested_beyond_all_measure_is_damage(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("deep.json").write_text(DEEP)
    assert main(["run", "deep.json"]) == 2
    assert capsys.readouterr().err == "error: deep.json is not a plan: nested too deeply\n"
    Path("demo.lock").write_text(DEEP)
    assert main(["plan", "demo.mix"]) == 2
    assert capsys.readouterr().err == "error: demo.lock is damaged; 'mixwright lock' writes it anew\n"


READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "demo.lock": (
        '{"format_version": "1.0", "sources": {"a": {"digest": "x", "rows": 1, "columns": {}}}}',
        read_lock,
    ),
    "plan.json": (
        '{"format_version": "1.0", "spec": "x", "root": "/"}',
        lambda p: plan_from_json(p.read_text()),
    ),
    "status.json": ('{"format": 1, "state": "running"}', read_status),
    "manifest.json": (
        '{"made_by": "mixwright", "files": {"a": {"bytes": 1}}}',
        lambda p: names_of_ours(p.parent),
    ),
    "packed/manifest.json": ('{"format": 3, "rows": 5}', lambda p: read_manifest(p.parent)),
    "config.json": ('{"architectures": ["X"], "hidden_size": 8}', _json_of),
    "checkpoint-3/COMPLETE": ('{"ranks": 2}', lambda p: last_checkpoint(p.parent.parent)),
    "calibration.json": ('{"seconds": 2}', lambda p: read_calibration(p.parent)),
}
"""What is read, something like it, and by what."""


def broken_texts(valid: str) -> st.SearchStrategy[str]:
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )
    document = json.loads(valid)
    replaced = st.tuples(st.sampled_from(sorted(document)), values).map(
        lambda pair: json.dumps({**document, pair[0]: pair[1]})
    )
    cut = st.integers(0, len(valid)).map(lambda end: valid[:end])
    return st.one_of(cut, replaced, values.map(json.dumps), st.just(DEEP), st.text(max_size=30))


@pytest.mark.parametrize("name", READERS)
def test_a_broken_file_of_ours_is_nothing_or_a_message(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    valid, read = READERS[name]
    path = tmp_path_factory.mktemp("broken") / name
    path.parent.mkdir(exist_ok=True, parents=True)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(broken_texts(valid))
    def look(text: str) -> None:
        path.write_text(text, encoding="utf-8", errors="replace")
        try:
            read(path)
        except LockUnreadable:
            assert name == "demo.lock"
        except ValueError:
            assert name == "plan.json"

    look()


def test_a_lock_with_odd_values_is_damage_to_check_too(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["lock", "demo.mix"])
    lock = json.loads(Path("demo.lock").read_text())
    for field in ("rows", "columns", "characters", "definition", "digest", "selected"):
        for value in (None, "x", [1], {"a": [1]}, -1, 1e400, True):
            changed = json.loads(json.dumps(lock))
            changed["sources"]["web"][field] = value
            Path("demo.lock").write_text(json.dumps(changed))
            for command in ("check", "plan"):
                assert main([command, "demo.mix"]) in (0, 1, 2), (field, value)
            capsys.readouterr()


def test_a_finished_cell_that_is_damaged_is_made_again(tmp_path: Path) -> None:
    cell = Cell("base", 1)
    cell.directory(tmp_path).mkdir(parents=True)
    for text in ("", "[", DEEP, "{}", "null", '{"key": 1}'):
        for file in ("cell.json", "result.json"):
            (cell.directory(tmp_path) / file).write_text(text)
        assert finished(cell, tmp_path, "key") is None


@pytest.mark.parametrize(
    "doubled", ["a{n} = a{m} + a{m}", "a{n} = [a{m}, a{m}]", "a{n} = { x = a{m}, y = a{m} }"]
)
def test_constants_that_double_are_stopped(
    tmp_path: Path, doubled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = "\n".join(doubled.replace("{n}", str(n)).replace("{m}", str(n - 1)) for n in range(1, 50))
    spec = tmp_path / "double.mix"
    first = '"0123456789"' if "+" in doubled else '["0123456789"]'
    spec.write_text(
        f"edition 2026\nlet {{\na0 = {first}\n{lines}\n}}\nsource s inline {{ rows = [{{ q = a49 }}] }}\n"
    )
    assert main(["check", str(spec)]) == 1
    assert "error[MIX119]: the value is larger than 4,000,000 characters" in capsys.readouterr().out


def test_one_large_constant_in_many_places_is_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doubling = "\n".join(f"a{n} = a{n - 1} + a{n - 1}" for n in range(1, 19))
    rows = ", ".join("{ q = a18 }" for _ in range(40))
    uses = "\n".join(
        f"template t{n} {{ user = a18 }}\nsource s{n} inline {{ rows = [{{ q = a18 }}] }}" for n in range(40)
    )
    spec = tmp_path / "many.mix"
    spec.write_text(
        f'edition 2026\nlet {{\na0 = "0123456789"\n{doubling}\n}}\n{uses}\nsource s inline {{ rows = [{rows}] }}\n'
    )
    assert main(["check", str(spec)]) == 1
    assert "constants make more than 64,000,000 characters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda plan: plan.update(root="/"), "it was made for /"),
        (lambda plan: plan.update(root="/", directory="/"), "it was made for /"),
        (lambda plan: plan.update(directory="/"), "it was made for"),
        (
            lambda plan: plan["exports"]["hub"]["attributes"].update(path="/tmp/elsewhere"),
            "export 'hub' is at /tmp/els",
        ),
        (
            lambda plan: plan["exports"]["hub"]["attributes"].update(path="../../x"),
            "export 'hub' is at ../../x",
        ),
        (
            lambda plan: plan["sources"]["web"]["attributes"].update(path="/etc/passwd"),
            "source 'web' is at /etc/pas",
        ),
        (
            lambda plan: plan["sources"]["web"]["attributes"].update(path="link/rows.jsonl"),
            "source 'web' is at link/",
        ),
    ],
)
def test_a_plan_that_names_places_outside_its_project_is_refused(
    spec: Path, change: Callable[[Any], None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (spec.parent / "link").symlink_to("/tmp")
    assert main(["plan", "demo.mix", "--out", ".mixwright/plan.json"]) == 0
    plan = json.loads(Path(".mixwright/plan.json").read_text())
    change(plan)
    Path(".mixwright/plan.json").write_text(json.dumps(plan))
    capsys.readouterr()
    for command in ("run", "export"):
        assert main([command, ".mixwright/plan.json"]) == 2
        assert f".mixwright/plan.json is not run: {said}" in capsys.readouterr().err


def test_a_path_given_with_p_is_vouched_for_once_more(
    spec: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "rows.jsonl").write_text((spec.parent / "rows.jsonl").read_text())
    spec.write_text(
        SPEC.replace('"rows.jsonl"', 'data + "/rows.jsonl"').replace(
            "\nsource", '\nparam data { type = path, default = "." }\nsource'
        )
    )
    assert main(["plan", "demo.mix", "-p", f"data={elsewhere}"]) == 0
    plan = ".mixwright/plan.json"
    capsys.readouterr()
    assert main(["run", plan]) == 2
    assert f"'-p data={elsewhere}' allows it" in capsys.readouterr().err
    assert main(["run", plan, "-p", "data=/"]) == 2
    assert main(["run", plan, "-p", f"data={elsewhere}"]) == 0


def test_a_model_with_code_of_its_own_is_named_as_that() -> None:
    said = ValueError(
        "The repository x contains custom code ... set `trust_remote_code=True` to remove this error."
    )
    assert not_loaded(said).startswith("it brings code of its own")
    assert (failure_text(said) or "").startswith("the model brings code of its own")


def test_an_error_of_the_program_keeps_its_traceback() -> None:
    for error in (ValueError("x"), KeyError("y"), TypeError(), ZeroDivisionError(), RecursionError("z")):
        assert failure_text(error) is None
    assert failure_text(MemoryError()) and failure_text(RuntimeError("can't start new thread"))
