"""`mixwright fix --edition`: files in the next edition mean what they meant, or stay as they are.

The edition that the tests take files to is made up: 2027 writes counts of thousands out.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest

from mixwright.cli import main
from mixwright_compiler.catalog import blocks
from mixwright_compiler.load import editions, migrations
from mixwright_compiler.load.migrations import Migration, NoWay, Rewrite, edition_of, migrated
from mixwright_dsl.diagnostic import Edit
from mixwright_dsl.nodes import File, Quantity, parts_of
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile

LIBRARY = """# Kept here.
edition 2026

source people inline { rows = [{ name = "Ada" }, { name = "Alan" }] }  # two of them
"""
SPEC = """edition 2026

import "lib.mix" as lib

pipeline chats {
  from lib.people { repeat = 2k }
  chat { user = name, assistant = name }
}

mixture main {
  seed = 1
  total = 4k   # in all
  chats = 100%
}
"""


def counts(write: Rewrite) -> Migration:
    return Migration(2026, 2027, (write,))


def written_out(file: File) -> Iterable[Edit]:
    """`2k` becomes `2000`."""
    for statement in file.body:
        for part in parts_of(statement):
            if isinstance(part, Quantity) and part.span.text.endswith("k"):
                yield Edit(part.span, str(part.value))


def one_more(file: File) -> Iterable[Edit]:
    """Not what it was."""
    yield from (Edit(edit.span, f"{int(edit.replacement) + 1}") for edit in written_out(file))


def broken(file: File) -> Iterable[Edit]:
    yield from (Edit(edit.span, "= =") for edit in written_out(file))


def misspelt(file: File) -> Iterable[Edit]:
    yield from (Edit(edit.span, "many") for edit in written_out(file))


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    (tmp_path / "lib.mix").write_text(LIBRARY)
    (tmp_path / "spec.mix").write_bytes(SPEC.replace("\n", "\r\n").encode())
    return tmp_path


@pytest.fixture
def next_edition(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """2027, by the rewrite that the test is given."""
    monkeypatch.setattr(editions, "EDITIONS", (2026, 2027))
    monkeypatch.setattr("mixwright.migrating.EDITIONS", (2026, 2027))
    monkeypatch.setattr(migrations, "MIGRATIONS", (counts(request.param),))


NEW = SPEC.replace("2026", "2027").replace("2k", "2000").replace("4k", "4000")


@pytest.mark.parametrize("next_edition", [written_out], indirect=True)
def test_files_are_taken_over_together_and_nothing_else_of_them_changes(
    specs: Path, next_edition: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fix", "--edition", str(specs)]) == 0
    assert (specs / "spec.mix").read_bytes() == NEW.replace("\n", "\r\n").encode()
    assert (specs / "lib.mix").read_text() == LIBRARY.replace("2026", "2027")
    assert capsys.readouterr().err.count("is of edition 2027 now") == 2
    assert main(["fix", "--edition", str(specs)]) == 0
    assert capsys.readouterr().err == "", "the same again changes nothing"
    assert main(["check", str(specs)]) == 0


@pytest.mark.parametrize("next_edition", [written_out], indirect=True)
def test_a_diff_writes_nothing(specs: Path, next_edition: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fix", "--edition", "--diff", str(specs)]) == 1
    shown = capsys.readouterr().out
    assert "-  total = 4k   # in all\n+  total = 4000   # in all\n" in shown
    assert (specs / "lib.mix").read_text() == LIBRARY


@pytest.mark.parametrize("next_edition", [one_more], indirect=True)
def test_what_would_mean_something_else_is_told_and_only_written_when_asked_for(
    specs: Path, next_edition: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fix", "--edition", str(specs)]) == 1
    told = capsys.readouterr().err
    assert "spec.mix means something else in the new edition:" in told
    assert "total 4000 -> 4001" in told and "--edition --guess" in told
    assert (specs / "lib.mix").read_text() == LIBRARY, "all of them stay as they are"
    assert main(["fix", "--edition", "--guess", str(specs)]) == 0
    assert "total 4000 -> 4001" in capsys.readouterr().err
    assert "total = 4001" in (specs / "spec.mix").read_text()


@pytest.mark.parametrize("next_edition", [broken, misspelt], indirect=True)
def test_what_would_not_compile_is_not_written(
    specs: Path, next_edition: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fix", "--edition", "--guess", str(specs)]) == 1
    assert "spec.mix" in capsys.readouterr().err
    assert (specs / "spec.mix").read_bytes() == SPEC.replace("\n", "\r\n").encode()


@pytest.mark.parametrize("next_edition", [written_out], indirect=True)
def test_a_spec_with_errors_is_put_right_first(
    specs: Path, next_edition: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (specs / "spec.mix").write_text(SPEC.replace("lib.people", "lib.poeple"))
    assert main(["fix", "--edition", str(specs)]) == 1
    told = capsys.readouterr().err
    assert "has errors; put them right first" in told and "did you mean `lib.people`?" in told


def test_in_the_first_edition_there_is_nothing_to_do(specs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fix", "--edition", str(specs)]) == 0
    assert (specs / "lib.mix").read_text() == LIBRARY
    assert capsys.readouterr().err == ""


def source(text: str) -> SourceFile:
    return SourceFile("a.mix", text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("edition 2028\n", "it is of edition 2028, which is later than 2027"),
        ("let { n = 2k }\n", "it does not say its edition"),
        ("edition 2026\nlet { n = \n", "it cannot be read"),
        ("edition 2025\n", "nothing is known of what is otherwise after edition 2025"),
    ],
)
def test_files_that_there_is_no_way_for(text: str, why: str) -> None:
    with pytest.raises(NoWay, match=why):
        migrated(source(text), 2027, [counts(written_out)])


def test_a_file_goes_through_every_edition_in_between() -> None:
    steps = [counts(written_out), Migration(2027, 2029, (one_more, written_out))]
    assert migrated(source("edition 2026\nlet { n = 2k, m = 3 }\n"), 2029, steps) == (
        "edition 2029\nlet { n = 2000, m = 3 }\n"
    )


def test_every_edition_but_the_first_has_its_migration() -> None:
    known = [(migration.before, migration.after) for migration in migrations.MIGRATIONS]
    assert known == list(pairwise(blocks.EDITIONS))
    assert edition_of(parse(source("edition 2026\n")).file) == 2026
