"""What a model can be asked beyond a chat: who offers it, as the catalog says and the documentation shows."""

from __future__ import annotations

import re

import pytest

from mixwright_compiler.catalog.capabilities import CAPABILITIES, missing, offer_of, offered
from mixwright_compiler.catalog.catalog import Asks, AttributeSchema, Entry, builtin_catalog
from mixwright_compiler.catalog.declaring import unnamed
from tests.checkout import ROOT

ENGINES = builtin_catalog().family("model")
HERE = "http://localhost:8000/v1"

WRITTEN = {
    "a template that begins the answer": "continue",
    "`schema`, `verify judge`": "schema",
    "`turn = user`": "user_turn",
    "`form = text`": "text",
    "`verify score`": "labels",
    "`generate { tools }`": "tools",
    "`call_tools`, to find places": "token_at",
    "`call_tools`, to weigh calls": "losses",
}
"""Rows of the table in docs/language/language.md, by their capability."""


def told(engine: Entry, capability: str) -> str:
    """How the table tells of an engine."""
    conditions = [when for offer, when in map(offer_of, engine.offers) if offer == capability]
    if not conditions:
        return "no"
    words = [
        re.sub(r"with (\w+)", r"a `\1`", re.sub(r"(serves = \w+)", r"`\1`", when)) for when in conditions
    ]
    return "yes" if conditions == ["always"] else ", ".join(words)


def test_the_table_of_who_can_be_asked_what_is_the_catalogs() -> None:
    page = (ROOT / "docs" / "language" / "language.md").read_text(encoding="utf-8")
    table = page.partition("| needed by |")[2].partition("\n\n")[0].splitlines()
    shown = {cells[1]: cells[2:-1] for line in table[2:] if (cells := [c.strip() for c in line.split("|")])}
    assert shown == {
        row: [told(ENGINES[name], capability) for name in ("transformers", "vllm", "openai")]
        for row, capability in WRITTEN.items()
    }
    asked = {needs for e in builtin_catalog().entries.values() for a in e.asks for needs, _ in a.needs}
    assert asked | {"continue"} == set(WRITTEN.values())


@pytest.mark.parametrize(
    ("values", "lacking"),
    [
        ({"base_url": HERE}, ["serves = vllm", "with tokenizer"]),
        ({"base_url": HERE, "serves": "vllm"}, ["with tokenizer"]),
        ({"base_url": HERE, "serves": "vllm", "tokenizer": "small"}, []),
        ({"base_url": "https://api.openai.com/v1"}, ["serves = vllm", "with tokenizer"]),
    ],
)
def test_what_is_lacking_is_named(values: dict[str, str], lacking: list[str]) -> None:
    assert missing(ENGINES["openai"], values, "user_turn") == lacking


def test_an_address_of_openai_says_what_is_served() -> None:
    assert "labels" in offered(ENGINES["openai"], {"base_url": "https://api.openai.com/v1"})
    assert "labels" not in offered(ENGINES["openai"], {"base_url": HERE})
    assert missing(ENGINES["vllm"], {}, "tools") is None


def test_a_declaration_names_capabilities_that_there_are() -> None:
    attributes = (AttributeSchema("model", "ref:model", ""),)
    step = Entry("step", "x", "", attributes=attributes, asks=(Asks("model", needs=(("lables", "always"),)),))
    engine = Entry("model", "y", "", offers=("labels if serves = vllm", "continued"))
    assert list(unnamed(step)) == ["there is no capability `lables`"]
    assert set(unnamed(engine)) == {
        "there is no capability `continued`",
        "`offers` names `serves`, which is no attribute of it",
    }
    assert "labels" in CAPABILITIES


def test_a_declaration_calls_tools_that_it_is_given() -> None:
    attributes = (AttributeSchema("model", "ref:model", ""), AttributeSchema("tools", "some[ref:tool]", ""))

    def wrong(asks: Asks) -> list[str]:
        return list(unnamed(Entry("step", "x", "", attributes=attributes, asks=(asks,))))

    assert wrong(Asks(tools="tools", each=2)) == []
    assert wrong(Asks(tools="model")) == ["it calls `model`, which is no attribute of type `ref:tool`"]
    assert wrong(Asks(tools="tools.tool")) == [
        "it calls `tools.tool`, which is no attribute of type `ref:tool`"
    ]
    assert wrong(Asks("model", tools="tools")) == ["what `tools` ask of models is for the tools to say"]
