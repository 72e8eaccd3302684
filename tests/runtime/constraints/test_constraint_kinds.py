"""Every kind of constraint: a response that follows it and one that does not."""

from __future__ import annotations

from typing import Any

import pytest
from kind_examples import EXAMPLES

from mixwright_compiler.catalog.constraint_kinds import Constraint
from mixwright_runtime.verifiers.constraints.asking import sentence_of
from mixwright_runtime.verifiers.constraints.check import UnusableConstraint, check
from mixwright_runtime.verifiers.constraints.registry import kinds
from mixwright_runtime.verifiers.constraints.text import Rules, variants

NONE, GOOGLE = Rules(), Rules(is_original=True)


def follows(
    id: str, arguments: dict[str, Any], response: str, rules: Rules = NONE, *, is_loose: bool = False
) -> bool:
    return check(response, [Constraint(id, arguments)], rules, is_loose=is_loose)[0].follows


def test_there_are_112_kinds_and_each_has_an_example() -> None:
    families = [kind.schema.family for kind in kinds().values()]
    assert {name: families.count(name) for name in set(families)} == {
        "ifeval": 25,
        "ifbench": 58,
        "training": 29,
    }
    assert sorted(id for id, *_ in EXAMPLES) == sorted(kinds())


@pytest.mark.parametrize(("id", "arguments", "good", "bad"), EXAMPLES, ids=[id for id, *_ in EXAMPLES])
def test_one_response_follows_and_one_does_not(
    id: str, arguments: dict[str, Any], good: str, bad: str
) -> None:
    assert [follows(id, arguments, good), follows(id, arguments, bad)] == [True, False]


@pytest.mark.parametrize(("id", "arguments", "good", "bad"), EXAMPLES, ids=[id for id, *_ in EXAMPLES])
def test_no_kind_fails_on_odd_responses(id: str, arguments: dict[str, Any], good: str, bad: str) -> None:
    odd = [
        "",
        " \n",
        "\x00",
        "!!!",
        ". . .",
        "*",
        "-",
        "\u202e",
        "🙂",
        "\n\n\n",
        "[" * 50,
        "a" * 500,
        '"',
        "''",
        "<<",
        "</i>",
    ]
    for response in [*odd, *(good[:cut] for cut in range(0, len(good), 7))]:
        for rules in (NONE, GOOGLE, Rules(language="zh"), Rules(language="unicode")):
            found = check(response, [Constraint(id, arguments)], rules, is_loose=True)
            assert isinstance(found[0].follows, bool)


@pytest.mark.parametrize(("id", "arguments", "good", "bad"), EXAMPLES, ids=[id for id, *_ in EXAMPLES])
def test_the_sentence_names_every_argument(id: str, arguments: dict[str, Any], good: str, bad: str) -> None:
    for language in ("en", "zh"):
        sentence = sentence_of(Constraint(id, arguments), language)
        assert "{" not in sentence.replace("{ }", "") and len(sentence) > 5
    sentence = sentence_of(Constraint(id, arguments))
    for name, value in arguments.items():
        if name not in ("prompt_to_repeat", "language"):
            assert all(str(part) in sentence for part in (value if isinstance(value, list) else [value]))


def test_an_empty_response_follows_nothing() -> None:
    assert not follows("punctuation:no_comma", {}, "")
    assert not follows("punctuation:no_comma", {}, " \n")


def test_loose_forgives_a_first_line_a_last_line_and_asterisks() -> None:
    arguments = {"end_phrase": "Is that all?"}
    response = "Sure!\nThe answer is 4. **Is that all?**\nLet me know."
    assert not follows("startend:end_checker", arguments, response)
    assert follows("startend:end_checker", arguments, response, is_loose=True)
    assert len(variants(response)) == 8


@pytest.mark.parametrize(
    ("id", "arguments", "problem"),
    [
        ("keywords:exist", {}, "no kind of constraint `keywords:exist`"),
        ("keywords:existence", {}, "keywords:existence: `keywords` is missing"),
        ("keywords:existence", {"keywords": "oak"}, "keywords:existence: `keywords` is a list of texts"),
        ("count:numbers", {"N": 1.5}, "count:numbers: `N` is a whole number, not 1.5"),
        (
            "length_constraints:number_words",
            {"num_words": 3, "relation": "more than"},
            "length_constraints:number_words: `relation` is one of: less than, at least",
        ),
    ],
)
def test_a_constraint_that_cannot_be_checked_is_no_verdict(
    id: str, arguments: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UnusableConstraint) as raised:
        follows(id, arguments, "Some text.")
    assert str(raised.value) == problem


def test_counts_may_be_floats_and_foreign_arguments_null() -> None:
    """Tables of constraints have a column for each argument of any kind, and counts as floats."""
    assert follows("count:numbers", {"N": 1.0, "keyword": None, "letter": "x"}, "There are 3.")
