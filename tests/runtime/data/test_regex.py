"""A regular expression finds the same in a row (Python) as in a table (DuckDB), in linear time."""

from __future__ import annotations

import random
from typing import Any

import duckdb
import pytest

from mixwright_runtime.values.regex import compile_regex

TEXTS = ["", "a", "aab", "éa b", "a\nb", "AaB b", "a1_ é", "αa\tA", "aaaa bbbb", "Ⅷ ٣ 3", "漢字かな", "-a]"]
PARTS = [
    *("a", "b", "é", ".", "[ab]", "[^a]", "[é-ω]", r"\d", r"\w", r"\s", r"\b", r"\B", "^", "$", r"\z"),
    *(r"\pL", r"\pN", r"\p{Greek}", "[[:alpha:]]", "(?i)", "(?s)", "(?m)", "(?U)"),
    *("*", "+", "?", "{2}", "{1,3}", "*?", "|", "(", ")", "(?:", ")", "(?P<n>", ")"),
]


def in_a_table(query: str, *values: Any) -> Any:
    row = duckdb.execute(f"SELECT {query}", list(values)).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("pattern", "text", "group", "found"),
    [
        ("b+(c)?", "abbb abbc", 1, [None, "c"]),
        ("x*", "axé", 0, ["", "x", "", ""]),
        ("$", "ab", 0, [""]),
        (r"\b", "é a b", 0, ["", "", "", ""]),
        (r"\s", "a\vb c", 0, [" "]),
        (r"\d+", "٣3", 0, ["3"]),
        (r"\pL+", "né 1", 0, ["né"]),
        (".", "\na", 0, ["a"]),
    ],
)
def test_every_match_is_found_as_in_a_table(
    pattern: str, text: str, group: int, found: list[str | None]
) -> None:
    assert compile_regex(pattern).extract_all(text, group) == found
    assert in_a_table("regexp_extract_all($1, $2, $3)", text, pattern, group) == found


def test_patterns_at_random_find_the_same_in_rows_and_in_tables() -> None:
    random_parts = random.Random(0)
    read = 0
    for _ in range(3_000):
        pattern = "".join(random_parts.choices(PARTS, k=random_parts.randint(1, 6)))
        text = random_parts.choice(TEXTS)
        try:
            regex = compile_regex(pattern)
        except ValueError:
            with pytest.raises(duckdb.Error):
                in_a_table("regexp_matches($1, $2)", text, pattern)
            continue
        read += 1
        assert regex.matches(text) == in_a_table("regexp_matches($1, $2)", text, pattern), (pattern, text)
        parts = in_a_table("string_split_regex($1, $2)", text, pattern)
        assert regex.parts(text) == parts, (pattern, text)
        for group in range(regex.groups + 1):
            expected = in_a_table("regexp_extract_all($1, $2, $3)", text, pattern, group)
            assert regex.extract_all(text, group) == expected, (pattern, text, group)
            assert regex.extract(text, group) == (expected[0] if expected else None), (pattern, text, group)
    assert read > 500


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a|aa)+$", "(?:a?){30}a{30}$", "a.*b.*c"])
def test_a_pattern_that_would_hang_python_ends(pattern: str) -> None:
    assert not compile_regex(pattern).matches("a" * 50_000 + "!")


def test_half_a_surrogate_pair_is_a_character_like_another() -> None:
    assert compile_regex("a.b").matches("a\ud800b")
    assert compile_regex("[^a]").extract("a\ud800b", 0) == "\ud800"


def test_what_is_no_expression_says_why() -> None:
    with pytest.raises(ValueError, match=r"not a regular expression: missing \): \(a"):
        compile_regex("(a")
