"""A block of lines that renews itself on a terminal; the terminal is one of a few lines."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable

import pytest

from mixwright.terminal import GuardedStream
from mixwright_dsl.visible import width
from mixwright_runtime.run import live
from mixwright_runtime.run.live import LiveBlock, clipped, is_live

_PART = re.compile("\x1b\\[(\\d*)([A-Za-z])|(\n)|(\r)|([^\x1b\n\r])")

Opened = Callable[[], LiveBlock]


class Terminal(io.StringIO):
    """What is on the screen of a terminal of so many columns, after what was written to it."""

    def __init__(self, columns: int = 20) -> None:
        super().__init__()
        self.columns = columns
        self.lines = [""]
        self.row = self.column = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        assert "".join(found.group() for found in _PART.finditer(text)) == text
        for found in _PART.finditer(text):
            match found.groups():
                case (count, "A", *_):
                    self.row = max(0, self.row - int(count or 1))
                case (_, "K", *_):
                    self.lines[self.row] = self.lines[self.row][: self.column]
                case (_, "J", *_):
                    self.lines[self.row] = self.lines[self.row][: self.column]
                    del self.lines[self.row + 1 :]
                case (_, None, "\n", *_):
                    self._to(self.row + 1)
                case (_, None, _, "\r", _):
                    self.column = 0
                case (_, None, _, _, character):
                    if self.column == self.columns:
                        self._to(self.row + 1)
                    line = self.lines[self.row].ljust(self.column)
                    self.lines[self.row] = line[: self.column] + str(character) + line[self.column + 1 :]
                    self.column += 1
        return len(text)

    def _to(self, row: int) -> None:
        self.row, self.column = row, 0
        self.lines += [""] * (row + 1 - len(self.lines))

    def narrow(self, columns: int) -> None:
        """Wrap what is there, as terminals do."""
        self.columns = columns
        wrapped = [
            line[at : at + columns] for line in self.lines for at in range(0, max(1, len(line)), columns)
        ]
        self.lines, self.row = wrapped, len(wrapped) - 1


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    monkeypatch.setattr(live, "size_of", lambda stream: (made.columns, 10))
    return made


@pytest.fixture
def open_block(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Callable[[], LiveBlock]:
    def opened() -> LiveBlock:
        # Here and not in the fixture: pytest puts its own streams there when a test begins.
        monkeypatch.setattr(sys, "stdout", GuardedStream(terminal))
        monkeypatch.setattr(sys, "stderr", GuardedStream(terminal))
        return LiveBlock(sys.stderr)

    return opened


def test_a_block_takes_the_place_of_the_one_before(terminal: Terminal, open_block: Opened) -> None:
    block = open_block()
    block.show(["one", "two", "three"])
    block.show(["four", "five"])
    assert terminal.lines == ["four", "five", ""]
    assert (terminal.row, terminal.column) == (2, 0), "a prompt comes on a line of its own"
    block.end()
    assert terminal.lines == [""]


def test_what_is_printed_meanwhile_stands_above(terminal: Terminal, open_block: Opened) -> None:
    block = open_block()
    block.show(["half full"])
    print("note: slow")
    print("warning: odd", file=sys.stderr)
    block.show(["full"])
    assert terminal.lines == ["note: slow", "warning: odd", "full", ""]
    block.end()
    print("done")
    assert terminal.lines == ["note: slow", "warning: odd", "done", ""]


def test_a_line_that_another_left_unfinished_is_kept(terminal: Terminal, open_block: Opened) -> None:
    block = open_block()
    block.show(["half full"])
    sys.stderr.write("loading ...")
    block.show(["full"])
    assert terminal.lines == ["loading ...", "full", ""]


def test_what_others_wrote_moves_no_cursor(terminal: Terminal, open_block: Opened) -> None:
    """Neither in the block nor above it."""
    block = open_block()
    block.show(["a\x1b[2Jb\nc"])
    print("server says \x1b[1A")
    block.show(["ok"])
    assert terminal.lines == ["server says \\u001b[1", "A", "ok", ""]


def test_a_terminal_that_is_made_narrower_keeps_no_rest(terminal: Terminal, open_block: Opened) -> None:
    block = open_block()
    print("before")
    block.show(["a" * 18, "b" * 15])
    terminal.narrow(8)
    block.show(["c" * 18, "d"])
    assert terminal.lines == ["before", "cccccc…", "d", ""]
    assert block.size() == (7, 9)


def test_the_streams_are_given_back(terminal: Terminal, open_block: Opened) -> None:
    block = open_block()
    before = sys.stdout, sys.stderr
    block.show(["x"])
    assert sys.stdout is not before[0]
    block.end()
    assert (sys.stdout, sys.stderr) == before


def test_output_into_a_file_is_left_alone(
    terminal: Terminal, open_block: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.StringIO()
    block = open_block()
    monkeypatch.setattr(sys, "stdout", file)
    block.show(["x"])
    print("row")
    assert (file.getvalue(), terminal.lines) == ("row\n", ["x", ""])
    block.end()


@pytest.mark.parametrize(
    ("variable", "value"), [("NO_COLOR", "1"), ("CI", "true"), ("TERM", "dumb"), ("TERM", "")]
)
def test_no_block_where_none_is_wanted(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert is_live(terminal)
    assert not is_live(io.StringIO())
    monkeypatch.setenv(variable, value)
    assert not is_live(terminal)


@pytest.mark.parametrize("columns", range(8))
def test_a_clipped_line_fits_by_columns(columns: int) -> None:
    for text in ("abcdefgh", "数学题目", "a数b学"):
        assert width(clipped(text, columns)) <= columns
    assert clipped("数学", 4) == "数学"
