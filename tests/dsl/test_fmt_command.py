"""`mixwright fmt`: exit statuses, what is written and what is left alone."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from mixwright.cli import main

UGLY = "edition   2026\nmodel m openai{a=1}\n"
NEAT = "edition 2026\nmodel m openai { a = 1 }\n"


def test_files_and_directories_are_rewritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.mix", "sub/b.mix", "sub/other.txt", ".mixwright/c.mix"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(UGLY)
    assert main(["fmt", str(tmp_path)]) == 0
    assert (tmp_path / "a.mix").read_text() == (tmp_path / "sub/b.mix").read_text() == NEAT
    assert (tmp_path / "sub/other.txt").read_text() == (tmp_path / ".mixwright/c.mix").read_text() == UGLY
    assert capsys.readouterr().err.count("reformatted") == 2
    assert main(["fmt", str(tmp_path)]) == 0
    assert capsys.readouterr().err == ""


def test_check_writes_nothing_and_says_what_would_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.mix"
    path.write_text(UGLY)
    assert main(["fmt", "--check", str(path)]) == 1
    assert path.read_text() == UGLY
    assert capsys.readouterr().out == f"would reformat {path}\n"
    path.write_text(NEAT)
    assert main(["fmt", "--check", str(path)]) == 0


def test_diff_shows_the_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.mix"
    path.write_text(UGLY)
    assert main(["fmt", "--diff", str(path)]) == 1
    assert path.read_text() == UGLY
    out = capsys.readouterr().out
    assert "\n-edition   2026\n-model m openai{a=1}\n+edition 2026\n+model m openai { a = 1 }\n" in out


def test_a_wrong_file_is_left_alone_and_the_others_are_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong, right = tmp_path / "a.mix", tmp_path / "b.mix"
    wrong.write_text("a:   1\n")
    right.write_text(UGLY)
    assert main(["fmt", str(wrong), str(right)]) == 1
    assert wrong.read_text() == "a:   1\n"
    assert right.read_text() == NEAT
    assert "error[MIX005]" in capsys.readouterr().err


def test_the_mode_stays_and_a_link_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.mix"
    path.write_text(UGLY)
    path.chmod(0o640)
    link = tmp_path / "link.mix"
    link.symlink_to(path)
    assert main(["fmt", str(link)]) == 0
    assert link.is_symlink()
    assert (path.read_text(), path.stat().st_mode & 0o777) == (NEAT, 0o640)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.mix", "link.mix"]


def test_windows_line_ends_and_byte_order_mark_go(tmp_path: Path) -> None:
    path = tmp_path / "a.mix"
    path.write_bytes(b"\xef\xbb\xbf" + NEAT.replace("\n", "\r\n").encode())
    assert main(["fmt", "--check", str(path)]) == 1
    assert main(["fmt", str(path)]) == 0
    assert path.read_bytes() == NEAT.encode()


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    def given(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    given(UGLY)
    assert main(["fmt", "-"]) == 0
    assert capsysbinary.readouterr().out == NEAT.encode()
    given(UGLY)
    assert main(["fmt", "--check", "-"]) == 1
    assert capsysbinary.readouterr().out == b""
    given("a: 1\n")
    assert main(["fmt", "-"]) == 1
    assert b"<stdin>:1:2" in capsysbinary.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"\xff\xfe", "is not UTF-8: byte 0")],
)
def test_misuse_is_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, message: str
) -> None:
    path = tmp_path / "a.mix"
    if content is not None:
        path.write_bytes(content)
    assert main(["fmt", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_an_empty_directory_and_dash_among_files_are_misuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fmt", str(tmp_path)]) == 2
    assert main(["fmt", "-", str(tmp_path)]) == 2
    capsys.readouterr()


def test_fmt_imports_nothing_heavy(tmp_path: Path) -> None:
    path = tmp_path / "a.mix"
    path.write_text(NEAT)
    script = (
        "import sys; from mixwright.cli import main; status = main(['fmt', '--check', sys.argv[1]]);"
        "heavy = {'torch', 'duckdb', 'pydantic', 'jinja2', 'rich', 'numpy', 'transformers'} & set(sys.modules);"
        "print(status, sorted(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0 []\n"
