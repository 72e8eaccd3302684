"""The command `check`: formats, exit status, colours, and how little it loads."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mixwright.cli import main

RIGHT = "edition 2026\nsource s inline { rows = [{ a = 1 }] }\npipeline p { from s }\n"
WRONG = RIGHT.replace("from s", "from t")
WARNED = "edition 2026\nsource s inline { rows = [{ a = 1 }] }\nsource S inline { rows = [{ a = 1 }] }\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / ".mixwright").mkdir()
    return tmp_path / "spec.mix"


@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        (RIGHT, [], 0),
        (WRONG, [], 1),
        (WARNED, [], 0),
        (WARNED, ["--deny-warnings"], 1),
        (RIGHT, ["-p", "x=1"], 1),
        (RIGHT, ["-p", "x"], 2),
    ],
)
def test_exit_status(text: str, options: list[str], status: int, spec: Path) -> None:
    spec.write_text(text)
    assert main(["check", str(spec), *options]) == status


def test_of_several_specs_each_is_given_the_params_that_it_has(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec.write_text(RIGHT.replace("edition 2026\n", "edition 2026\nparam most { type = int }\n") + "# most\n")
    (spec.parent / "other.mix").write_text(RIGHT)
    folder = str(spec.parent)
    assert main(["check", folder, "-p", "most=1"]) == 0
    capsys.readouterr()
    assert main(["check", folder, "-p", "most=1", "-p", "mots=1", "--format", "concise"]) == 1
    assert capsys.readouterr().out.count("no parameter `mots`") == 1


def test_a_finding_in_a_file_that_several_specs_import_is_told_once(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (spec.parent / "lib.mix").write_text(WRONG)
    for name in ("one", "two"):
        (spec.parent / f"{name}.mix").write_text('edition 2026\nimport "lib.mix" as lib\n')
    assert main(["check", str(spec.parent), "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(each["code"], Path(each["file"]).name) for each in found["diagnostics"]] == [
        ("MIX101", "lib.mix")
    ]
    assert found["summary"]["errors"] == 1


@pytest.mark.parametrize("format", ["text", "concise", "json", "sarif", "github"])
def test_an_unreadable_file_is_a_finding_in_every_format(
    format: str, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["check", str(spec), "--format", format]
    assert main(command) == 2
    out = capsys.readouterr().out
    assert "No such file or directory" in out and "MIX108" in out
    spec.write_bytes(b"edition 2026\n\xff\xfe")
    assert main(command) == 2
    assert "it is not UTF-8, from byte 14 on" in capsys.readouterr().out
    spec.write_text(RIGHT)
    spec.with_suffix(".lock").write_text("{")
    assert main(command) == 2
    captured = capsys.readouterr()
    assert "spec.lock" in captured.out and captured.err == ""
    if format == "json":
        assert [d["code"] for d in json.loads(captured.out)["diagnostics"]] == ["MIX108"]


def test_what_is_readable_is_checked_beside_what_is_not(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec.write_text(WRONG)
    assert main(["check", str(spec.with_name("gone.mix")), str(spec), "--format", "concise"]) == 2
    assert [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()] == [
        "error[MIX108]",
        "error[MIX101]",
    ]


def test_a_directory_is_every_spec_below_it_in_order(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["b.mix", "a/z.mix", "a/y.mix", ".hidden/x.mix", "a/.x.mix", "a/readme.md"]
    for name in names:
        (spec.parent / name).parent.mkdir(exist_ok=True)
        (spec.parent / name).write_text(WRONG)
    assert main(["check", str(spec.parent), "--format", "concise"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [Path(line.split(":")[0]).relative_to(spec.parent).as_posix() for line in lines] == [
        "a/y.mix",
        "a/z.mix",
        "b.mix",
    ]


def test_a_directory_without_specs_is_told(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(spec.parent)]) == 2
    assert "no .mix file is in it" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "status"), [(RIGHT, 0), (WRONG, 1)])
def test_a_dash_is_standard_input(
    text: str, status: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["check", "-", "--format", "concise"]) == status
    assert capsys.readouterr().out == (
        "" if status == 0 else "<stdin>:3:19: error[MIX101]: no source or pipeline `t`\n"
    )


def test_all_files_are_checked(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(WRONG)
    other = spec.with_name("other.mix")
    other.write_text(WRONG)
    assert main(["check", str(spec), str(other), "--format", "concise"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{spec}:3:19: error[MIX101]: no source or pipeline `t`",
        f"{other}:3:19: error[MIX101]: no source or pipeline `t`",
    ]


def test_text_shows_the_line_and_a_hint(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(WRONG)
    main(["check", str(spec)])
    out = capsys.readouterr().out
    assert "3 | pipeline p { from t }" in out
    assert "hint: this file can name: s" in out
    assert "\x1b" not in out


def test_colours_follow_the_terminal_and_no_color(
    spec: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec.write_text(WRONG)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    main(["check", str(spec)])
    assert "\x1b" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    main(["check", str(spec)])
    assert "\x1b" not in capsys.readouterr().out


def test_machine_formats(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(WRONG)
    main(["check", str(spec), "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    assert [d["code"] for d in found["diagnostics"]] == ["MIX101"]
    main(["check", str(spec), "--format", "sarif"])
    sarif = json.loads(capsys.readouterr().out)
    assert sarif["runs"][0]["results"][0]["ruleId"] == "MIX101"
    main(["check", str(spec), "--format", "github"])
    assert capsys.readouterr().out.startswith(f"::error file={spec},line=3")


CHAIN = """
template ask{0} {{
  user = <<~JINJA
    {{% if age is defined and age > 2 %}}For {{{{ name }}}}, aged {{{{ age }}}}{{% else %}}For all{{% endif %}}
    Write problem number {0}.
    JINJA
}}
pipeline p{0} {{
  from people {{ where = not is_null(name) and len(name) < 400, repeat = 20 }}
  derive {{ words = word_count(name), short = if(len(name) < 5, "yes", "no") }}
  filter {{ where = words >= 1 or short == "yes" }}
  generate problem {{
    prompt = ask{0}
    model = teacher
    parse = after("Problem:")
    on_fail = retry(2)
  }}
  chat {{ user = name, assistant = problem }}
}}
"""


def long_spec(lines: int) -> str:
    head = """edition 2026
model teacher openai { base_url = "http://localhost/v1", model = "tiny" }
source people inline { rows = [{ name = "Ada", age = 3 }] }
"""
    parts = [CHAIN.format(i) for i in range(lines // CHAIN.count("\n") + 1)]
    quotas = "".join(f"  p{i} = 5\n" for i in range(len(parts)))
    return f"{head}{''.join(parts)}mixture main {{\n  seed = 1\n{quotas}}}\n"


def test_check_loads_nothing_heavy(spec: Path) -> None:
    spec.write_text(long_spec(100))
    code = (
        "import sys; from mixwright.cli import main; main(['check', sys.argv[1]]); "
        "heavy = {'pydantic', 'duckdb', 'torch', 'numpy', 'rich', 'transformers', 'mixwright_runtime', "
        "'mixwright_compiler.plan.plan'}; "
        "sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(spec)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def work_of_check(text: str, spec: Path) -> int:
    """Calls that a check makes: what it costs, the same however busy the machine is."""
    spec.write_text(text)
    made = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        main(["check", "--format=concise", str(spec)])
    finally:
        sys.setprofile(None)
    return made


@pytest.mark.parametrize(
    "mistake", [("", ""), ("from people", "from poeple"), ("prompt = ask", "prompt = akk")]
)
def test_eight_times_the_lines_are_eight_times_the_work(mistake: tuple[str, str], spec: Path) -> None:
    short, long = (long_spec(lines).replace(*mistake) for lines in (250, 2_000))
    work_of_check(short, spec)  # what is made on first use
    assert work_of_check(long, spec) < 10 * work_of_check(short, spec)
