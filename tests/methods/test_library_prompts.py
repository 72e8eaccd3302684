"""Every prompt of the library is there in English and in Chinese, and both read the same columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixwright_dsl.nodes import Attribute, Block, Heredoc, Ref, Text
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile
from tests.checkout import ROOT

FILES = sorted((ROOT / "specs" / "lib").glob("*.mix"))
READ = re.compile(r"\{\{\s*(\w+)|\{%\s*for \w+ in (\w+)|\{%\s*if (\w+)")
MARKUP = re.compile(r"(?s)\{\{.*?\}\}|\{%.*?%\}")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
ITEMS = {"shot", "constraint", "said", "loop", "member"}
"""What loops of a prompt call their items."""


def prompts_of(path: Path) -> Iterator[tuple[str, str]]:
    """Each template's name, and its texts as one."""
    for block in parse(SourceFile(path.name, path.read_text(encoding="utf-8"))).file.body:
        if isinstance(block, Block) and block.kind == "template":
            assert isinstance(block.labels[0], Ref)
            values = [a.value for a in block.body if isinstance(a, Attribute)]
            texts = [value.value for value in values if isinstance(value, Text | Heredoc)]
            yield block.labels[0].name, "\n".join(texts)


def read_by(prompt: str) -> set[str]:
    return {name for found in READ.findall(prompt) for name in found if name} - ITEMS


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_prompt_with_words_is_there_in_chinese(path: Path) -> None:
    prompts = dict(prompts_of(path))
    worded = {name for name, text in prompts.items() if re.search(r"[^\W\d_]", MARKUP.sub("", text))}
    english = {name for name in worded if not CHINESE.search(prompts[name])}
    assert {name for name in english if f"{name}_zh" not in prompts} == set()
    assert {name: read_by(prompts[name]) for name in english} == {
        name: read_by(prompts[f"{name}_zh"]) for name in english
    }
