"""The library's prompts are our own words: no run of 50 characters of them is in a prompt of the original code."""

from __future__ import annotations

import random
import string
from pathlib import Path

import pytest

from mixwright_dsl.nodes import Attribute, Block, Heredoc, Text
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile
from tests.checkout import ROOT
from tests.fidelity.originals import RUN, hashes_of, plain, shared

HASHES = frozenset(Path(__file__).with_name("originals.txt").read_text(encoding="utf-8").split())
LIBRARY = sorted((ROOT / "specs" / "lib").glob("*.mix"))
MADE_UP = """You are asked for the name of a river that is longer than a hundred miles, in {country}.
  Say which towns lie at it, and on which side; do not say who founded them, nor when."""


def prompts_of(path: Path) -> dict[str, str]:
    file = parse(SourceFile(path.name, path.read_text(encoding="utf-8"))).file
    return {
        f"{block.labels[0].parts[0]}.{'.'.join(message.name.parts)}": message.value.value
        for block in file.body
        if isinstance(block, Block) and block.kind == "template"
        for message in block.body
        if isinstance(message, Attribute) and isinstance(message.value, Text | Heredoc)
    }


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_no_prompt_of_the_library_is_an_originals(path: Path) -> None:
    found = {name: list(shared(text, HASHES)) for name, text in prompts_of(path).items()}
    assert {name: pieces for name, pieces in found.items() if pieces} == {}


def test_prompts_are_read() -> None:
    assert sum(len(prompts_of(path)) for path in LIBRARY) > 60
    assert sum(len(text) for path in LIBRARY for text in prompts_of(path).values()) > 12_000


@pytest.mark.parametrize("part", range(2), ids=["before the placeholder", "behind it"])
def test_each_copy_of_fifty_characters_is_found(part: int) -> None:
    """Wherever it begins, in whatever case and white space, and whatever stands around it."""
    hashes = hashes_of(MADE_UP)
    text = plain(MADE_UP.split("{country}")[part])
    chance = random.Random(5)
    copies = [text[at : at + RUN] for at in range(len(text) - RUN + 1)]
    assert copies
    for copy in copies:
        around = [
            "".join(chance.choices(string.ascii_letters + " ", k=chance.randint(0, 60))) for _ in range(2)
        ]
        planted = copy.upper().replace(" ", "\n  ").join(around)
        assert list(shared(planted, hashes)), copy


def test_less_than_a_piece_is_no_copy() -> None:
    hashes = hashes_of(MADE_UP)
    text = plain(MADE_UP.split("{country}")[1])
    assert not any(list(shared(text[at : at + 42] + "#", hashes)) for at in range(len(text) - 42))
    assert list(shared("Name a river in a country of your choice, and the towns at it.", hashes)) == []


def test_hashes_are_few_and_no_text() -> None:
    assert 1_000 < len(HASHES) < 20_000
    assert all(len(kept) == 12 and set(kept) <= set(string.hexdigits) for kept in HASHES)
