"""Which constraints cannot stand together, and that drawn ones can."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from built_responses import response_for
from hypothesis import given, settings
from hypothesis import strategies as st
from kind_examples import EXAMPLES

from mixwright_compiler.catalog.constraint_kinds import (
    Constraint,
    builtin_kinds,
    conflict,
    first_conflict,
    kinds_from_json,
    kinds_to_json,
)
from mixwright_runtime.values.choices import Choices
from mixwright_runtime.verifiers.constraints.check import check
from mixwright_runtime.verifiers.constraints.drawing import ConstraintPool
from mixwright_runtime.verifiers.constraints.registry import kinds, schemas
from mixwright_runtime.verifiers.constraints.text import Rules

KINDS = builtin_kinds()
BY_ID = {id: Constraint(id, arguments) for id, arguments, *_ in EXAMPLES}


def reason(a: str, b: str, **arguments: dict[str, Any]) -> str:
    return conflict(BY_ID[a], BY_ID[b], KINDS)


def test_the_compilers_table_is_the_registrys() -> None:
    assert KINDS == schemas() == kinds_from_json(kinds_to_json(schemas().values()))


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        ("change_case:english_capital", "change_case:english_lowercase", "both decide the language and the letter case"),
        ("change_case:english_lowercase", "format:title_case", "both decide the letter case"),
        ("language:response_language", "change_case:english_capital", "both decide the language"),
        ("startend:quotation", "startend:end_checker", "both decide the last words"),
        ("combination:repeat_prompt", "startend:quotation", "both decide the first words"),
        ("punctuation:no_comma", "count:punctuation", "`count:punctuation` needs commas"),
        ("format:no_whitespace", "detectable_format:number_bullet_lists", "both decide|needs several lines and spaces"),
        ("words:alphabet", "keywords:existence", "needs free choice of words"),
        ("count:count_unique", "words:last_first", "needs a word more than once"),
        ("detectable_format:json_format", "detectable_format:title", "dictates the whole response"),
        ("copy:copy", "punctuation:no_comma", "dictates the whole response"),
        ("length_constraints:number_paragraphs", "paragraphs:paragraphs", "both decide dividers"),
        ("count:counting_composition", "length_constraints:number_sentences", "both decide the number of sentences"),
    ],
)  # fmt: skip
def test_kinds_that_exclude_each_other(a: str, b: str, why: str) -> None:
    assert any(part in reason(a, b) for part in why.split("|"))
    assert reason(a, b) == reason(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("detectable_format:json_format", "keywords:existence"),
        ("combination:two_responses", "punctuation:no_comma"),
        ("change_case:english_lowercase", "length_constraints:number_words"),
        ("length_constraints:number_words", "length_constraints:number_sentences"),
        ("startend:end_checker", "first_word:first_word_answer"),
        ("detectable_format:title", "detectable_format:number_highlighted_sections"),
    ],
)
def test_kinds_that_can_stand_together(a: str, b: str) -> None:
    assert reason(a, b) == ""


WORDS = "length_constraints:number_words"


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        ((WORDS, {"num_words": 50, "relation": "less than"}), (WORDS, {"num_words": 100, "relation": "at least"}),
         "nothing is at least 100 and less than 50"),
        ((WORDS, {"num_words": 100, "relation": "less than"}), (WORDS, {"num_words": 50, "relation": "at least"}), ""),
        (("keywords:existence", {"keywords": ["oak"]}), ("keywords:forbidden_words", {"forbidden_words": ["Oak"]}),
         "`oak` is wanted and `Oak` forbidden"),
        (("keywords:existence", {"keywords": ["oak"]}), ("keywords:forbidden_words", {"forbidden_words": ["elm"]}), ""),
        (("startend:end_checker", {"end_phrase": "Well, no"}), ("punctuation:no_comma", {}),
         "`Well, no` has a `,`, which `punctuation:no_comma` rules out"),
        (("keywords:existence", {"keywords": ["pizza"]}),
         ("keywords:letter_frequency", {"letter": "z", "let_frequency": 2, "let_relation": "less than"}),
         "the wanted words have 2 `z`, and fewer than 2 are allowed"),
        (("keywords:frequency", {"keyword": "oak", "frequency": 2, "relation": "at least"}),
         ("keywords:frequency", {"keyword": "Oak", "frequency": 2, "relation": "less than"}),
         "nothing is at least 2 and less than 2"),
        (("keywords:frequency", {"keyword": "oak", "frequency": 2, "relation": "at least"}),
         ("keywords:frequency", {"keyword": "elm", "frequency": 2, "relation": "less than"}), ""),
        (("keywords:frequency", {"keyword": "horizon", "frequency": 3, "relation": "at least"}),
         ("keywords:letter_frequency", {"letter": "h", "let_frequency": 2, "let_relation": "less than"}),
         "the wanted words have 3 `h`, and fewer than 2 are allowed"),
        (("detectable_format:multiple_sections", {"section_spliter": "SECTION", "num_sections": 3}),
         ("change_case:capital_word_frequency", {"capital_frequency": 3, "capital_relation": "less than"}),
         "the wanted words have 3 words in capitals, and fewer than 3 are allowed"),
        (("count:numbers", {"N": 2}), ("count:numbers", {"N": 3}), "both decide how many numbers there are|both set `N`"),
    ],
)  # fmt: skip
def test_arguments_that_contradict_each_other(
    a: tuple[str, dict[str, Any]], b: tuple[str, dict[str, Any]], why: str
) -> None:
    found = conflict(Constraint(*a), Constraint(*b), KINDS)
    assert found in why.split("|")
    assert conflict(Constraint(*b), Constraint(*a), KINDS) == found


def test_conflicts_are_symmetric() -> None:
    for a, b in combinations(BY_ID.values(), 2):
        assert bool(conflict(a, b, KINDS)) == bool(conflict(b, a, KINDS))


def test_no_example_response_follows_its_kind_and_one_that_dictates_another_response() -> None:
    """A kind that stands alone leaves nothing to the others: checked on the examples of both."""
    alone = [id for id in BY_ID if KINDS[id].alone and KINDS[id].family != "ifeval"]
    for id, arguments, good, _ in EXAMPLES:
        for other in alone:
            if id != other and good.strip() and KINDS[id].arguments == () and not KINDS[id].alone:
                both = check(good, [Constraint(id, arguments), BY_ID[other]], Rules())
                assert not all(found.follows for found in both), (id, other)


POOLS = [
    {"args": ["ifeval"]},
    {"args": ["ifeval", "training"]},
    {"args": ["ifbench"]},
    {"args": ["ifeval", "ifbench", "training"], "keywords": {"least": 1}},
    {"args": ["ifeval"], "keywords": {"language": "zh"}},
    {
        "args": ["training"],
        "keywords": {"language": "unicode", "words": ["alpha", "beta", "gamma", "delta", "zeta"]},
    },
]


@settings(max_examples=60, deadline=None)
@given(seed=st.binary(min_size=8, max_size=16), pool=st.sampled_from(POOLS), count=st.integers(1, 5))
def test_drawn_constraints_never_conflict_and_can_be_checked(
    seed: bytes, pool: dict[str, Any], count: int
) -> None:
    drawn = ConstraintPool.of(pool).draw(Choices(seed), count)
    constraints = [Constraint(one["id"], one["kwargs"]) for one in drawn]
    assert first_conflict(constraints, KINDS) is None
    assert len({one["id"] for one in drawn}) == len(drawn) <= count
    assert len(drawn) == count or "least" in pool.get("keywords", {})
    language = pool.get("keywords", {}).get("language", "en")
    for one, constraint in zip(drawn, constraints, strict=True):
        assert kinds()[one["id"]].schema.problems(one["kwargs"]) == []
        assert language in kinds()[one["id"]].schema.languages
        assert one["sentence"] and "{" not in one["sentence"].replace("{ }", "")
        check("Any response at all.", [constraint], Rules(language=language))


def test_what_is_drawn_can_be_followed() -> None:
    """A response is built for each set, of words without sense: kinds that fix the language are left out."""
    without = ["language:response_language", "change_case:english_capital", "change_case:english_lowercase"]
    pool = ConstraintPool.of({"args": ["ifeval"], "keywords": {"without": without}})
    for n in range(600):
        drawn = [
            Constraint(c["id"], c["kwargs"]) for c in pool.draw(Choices(n.to_bytes(8, "big")), 1 + n % 5)
        ]
        found = check(response_for(drawn), drawn, Rules())
        assert all(one.follows for one in found), drawn


def test_a_draw_depends_on_the_seed_alone() -> None:
    pool = ConstraintPool.of({"args": ["ifeval"]})
    assert pool.draw(Choices(b"1" * 8), 3) == pool.draw(Choices(b"1" * 8), 3)
    assert len({str(pool.draw(Choices(bytes([n] * 8)), 3)) for n in range(50)}) == 50


def test_every_drawable_kind_is_drawn() -> None:
    pool = ConstraintPool.of({"args": ["ifeval", "ifbench", "training"]})
    drawn = {pool.draw(Choices(n.to_bytes(8, "big")), 1)[0]["id"] for n in range(1500)}
    assert drawn == {id for id, kind in kinds().items() if kind.schema.is_drawable}


def test_without_and_ids_narrow_the_pool() -> None:
    ids = ["punctuation:no_comma", "detectable_format:title"]
    assert [k.id for k in ConstraintPool.of({"args": ids}).kinds] == sorted(ids)
    pool = ConstraintPool.of({"args": ["ifeval"], "keywords": {"without": ids}})
    assert not {k.id for k in pool.kinds} & set(ids)
    assert "combination:repeat_prompt" not in {k.id for k in pool.kinds}
