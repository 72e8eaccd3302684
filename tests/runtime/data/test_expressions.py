"""Row expressions mean the same in Python, for rows that stream, as in the SQL that the compiler writes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixwright_compiler.expressions.typed import ExpressionScope, typed_expression
from mixwright_compiler.findings import Findings
from mixwright_compiler.program import TypedExpression
from mixwright_compiler.schema import Columns
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile
from mixwright_runtime.values.expressions import compile_expression

SCHEMA = {
    "s": ("text", "VARCHAR"),
    "t": ("text", "VARCHAR"),
    "i": ("int", "BIGINT"),
    "j": ("int", "BIGINT"),
    "x": ("float", "DOUBLE"),
    "y": ("float", "DOUBLE"),
    "b": ("bool", "BOOLEAN"),
    "c": ("bool", "BOOLEAN"),
    "words": ("list[text]", "VARCHAR[]"),
    "numbers": ("list[int]", "BIGINT[]"),
    "who": ("struct{name: text, age: int}", "STRUCT(name VARCHAR, age BIGINT)"),
    "talk": ("chat", "STRUCT(role VARCHAR, content VARCHAR)[]"),
}
PATTERNS = (
    r"[0-9]+", r"(a)(b)?", r"^a|b$", r"\\bA", r"(\\w+) (\\d)", r"(a|ab)c?", r"[^a-z]+", r"\\s", r"(?i)É", r"(a+)+$", r"x*"
)  # fmt: skip
PARTING = (r"[0-9]+", r"(a)(b)?", r"\\s", r"[^a-z]+", r"\\n\\d*\\.? ", r"(?i)É", r"A|ab", r"\\b\\w")
"""Patterns that do not match where nothing is: `split_at` takes these alone."""


def typed(text: str) -> TypedExpression:
    """An expression of the language over the columns of SCHEMA."""
    result = parse(SourceFile("test.mix", f"where = {text}\n"))
    findings = Findings()
    scope = ExpressionScope(
        columns=Columns({name: type for name, (type, _) in SCHEMA.items()}),
        constant=lambda ref: None,
        missing=lambda ref: AssertionError(ref),
        findings=findings,
    )
    return typed_expression(result.file.body[0].value, scope)


def in_python_by(expression: TypedExpression) -> Callable[[dict[str, Any]], Any]:
    return compile_expression({"tree": expression.tree, "type": expression.type})


def in_python(expression: TypedExpression, row: dict[str, Any]) -> Any:
    return in_python_by(expression)(row)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(":memory:", config={"threads": 1})
    yield connection
    connection.close()


def in_sql(connection: duckdb.DuckDBPyConnection, expression: TypedExpression, row: dict[str, Any]) -> Any:
    columns = ", ".join(f"CAST(${name} AS {sql}) AS {name}" for name, (_, sql) in SCHEMA.items())
    query = f"SELECT {expression.sql} FROM (SELECT {columns})"
    return connection.execute(query, row).fetchone()[0]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b):
        return True
    return a == b and isinstance(a, bool) is isinstance(b, bool)


TEXTS = st.one_of(
    st.none(),
    st.text(st.sampled_from("abcAB 01.-+eé ßΣσİ漢\t\n\v\u00a0👍"), max_size=8),
    st.sampled_from(
        ["The 1st, and 漢字。", "a\r\nb\r\r\n", "\n1. x\n2. y", "it's the thea", "是的,the!", "我们"]
    ),
    st.sampled_from(["12", " -7 ", "1e3", ".5", "1_000", "0x1f", "+5", "inf", "99999999999999999999", "2.5"]),
)
WHOLE = st.one_of(st.none(), st.integers(-9, 9), st.integers(-(2**63), 2**63 - 1))
FLOATS = st.one_of(
    st.none(),
    st.sampled_from([0.0, 0.5, 1.5, 2.5, -2.5, 2.345, 1e16, 1e-7]),
    st.floats(-1e30, 1e30, allow_nan=False),
)
ROWS = st.fixed_dictionaries(
    {
        "s": TEXTS,
        "t": TEXTS,
        "i": WHOLE,
        "j": WHOLE,
        "x": FLOATS,
        "y": FLOATS,
        "b": st.none() | st.booleans(),
        "c": st.none() | st.booleans(),
        "words": st.none() | st.lists(TEXTS, max_size=3),
        "numbers": st.none() | st.lists(WHOLE, max_size=3),
        "who": st.none() | st.fixed_dictionaries({"name": TEXTS, "age": WHOLE}),
        "talk": st.none() | st.lists(st.fixed_dictionaries({"role": TEXTS, "content": TEXTS}), max_size=3),
    }
)


def calls(pattern: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts made of a pattern such as `min({}, {})` and generated parts."""
    return st.tuples(*parts).map(lambda values: pattern.format(*values))


def expressions() -> st.SearchStrategy[str]:
    """Well-typed expressions of every operator and function, a few levels deep."""
    text = st.sampled_from(["s", "t", '"a"', '"B é"', '""', "who.name"])
    whole = st.sampled_from(["i", "j", "0", "3", "-2", "who.age"])
    real = st.sampled_from(["x", "y", "0.5", "-1.25"])
    truth = st.sampled_from(["b", "c", "true"])
    regex = st.sampled_from(PATTERNS).map(lambda pattern: f'"{pattern}"')
    separator = st.sampled_from(['""', '", "'])
    digits = st.sampled_from(["0", "1", "2", "-2"])
    parting = st.sampled_from(PARTING).map(lambda pattern: f'"{pattern}"')
    role = st.sampled_from(["s", '"user"', '"tool"'])
    buckets = st.sampled_from(["1", "7", "1k", "i", "who.age"])
    for _ in range(2):
        number = st.one_of(whole, real)
        text, whole, real, truth = (
            st.one_of(
                text,
                calls("lower({})", text),
                calls("upper({})", text),
                calls("trim({})", text),
                calls("replace({}, {}, {})", text, text, text),
                calls("({} + {})", text, text),
                calls("concat({}, {})", text, text),
                calls("text({})", st.one_of(whole, real, truth)),
                calls("item(words, {})", whole),
                calls("item(split({}, {}), 0)", text, separator),
                calls("join(words, {})", separator),
                calls("extract({}, {})", text, regex),
                calls("join(extract_all({}, {}), {})", text, regex, separator),
                calls("capitalize({})", text),
                calls("slice({}, {}, {})", text, whole, whole),
                calls("slice({}, {})", text, whole),
                calls("item(slice(words, {}, {}), {})", whole, whole, whole),
                calls("item(lines({}), {})", text, whole),
                calls("item(split_at({}, {}), {})", text, parting, whole),
                calls("join(merge(words, split_at({}, {}), lines({})), {})", text, parting, text, separator),
                calls('field(item(append(talk, {}, {}), {}), "content")', role, text, whole),
                calls("if({}, {}, {})", truth, text, text),
                calls("coalesce({}, {})", text, text),
                calls("min({}, {})", text, text),
                calls("max({}, {})", text, text),
            ),
            st.one_of(
                whole,
                calls("({} + {})", whole, whole),
                calls("({} - {})", whole, whole),
                calls("({} * {})", whole, whole),
                calls("(-{})", whole),
                calls("abs({})", whole),
                calls("len({})", text),
                calls("len({})", st.sampled_from(["words", "numbers"])),
                calls("word_count({})", text),
                calls("words({})", text),
                calls("len(append(talk, {}, {}))", role, text),
                calls("len(lines({}))", text),
                calls("len(split_at({}, {}))", text, parting),
                calls("bucket({}, {})", st.one_of(text, whole, real, truth), buckets),
                calls("len(merge(numbers, numbers))"),
                calls("item(slice(numbers, {}), {})", whole, whole),
                calls("int({})", st.one_of(text, real, truth)),
                calls("min({}, {})", whole, whole),
                calls("max({}, {})", whole, whole),
                calls("item(numbers, {})", whole),
                calls("if({}, {}, {})", truth, whole, whole),
                calls("coalesce({}, {})", whole, whole),
            ),
            st.one_of(
                real,
                calls("({} + {})", real, number),
                calls("({} - {})", number, real),
                calls("({} * {})", real, number),
                calls("({} / {})", number, number),
                calls("float({})", st.one_of(text, whole, truth)),
                calls("round({}, {})", real, digits),
                calls("round({})", number),
                calls("abs({})", real),
                calls("max({}, {})", real, number),
                calls("item(merge([{}, {}], numbers), {})", real, whole, whole),
            ),
            st.one_of(
                truth,
                calls("({} and {})", truth, truth),
                calls("({} or {})", truth, truth),
                calls("(not {})", truth),
                calls("({} == {})", text, text),
                calls("({} < {})", text, text),
                calls("({} != {})", number, number),
                calls("({} >= {})", number, number),
                calls("({} in words)", text),
                calls("({} in [{}, {}])", number, number, number),
                calls("contains({}, {})", text, text),
                calls("contains(numbers, {})", whole),
                calls("starts_with({}, {})", text, text),
                calls("only_stop_words({})", text),
                calls("ends_with({}, {})", text, text),
                calls("matches({}, {})", text, regex),
                calls("is_null({})", st.one_of(text, number, truth)),
            ),
        )
    return st.one_of(text, whole, real, truth)


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=expressions(), row=ROWS)
def test_python_and_sql_agree(connection: duckdb.DuckDBPyConnection, text: str, row: dict[str, Any]) -> None:
    expression = typed(text)
    assert same(in_python(expression, row), in_sql(connection, expression, row)), (text, row)


ASKED = {"role": "user", "content": "Hi"}
ROW = {
    "s": " Straße 12 ",
    "t": None,
    "i": 7,
    "j": 2**63 - 1,
    "x": 2.5,
    "y": None,
    "b": True,
    "c": None,
    "words": ["a", None, "c"],
    "numbers": [1, 2],
    "who": {"name": "Ada", "age": 36},
    "talk": [ASKED],
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("upper(trim(s))", "STRAẞE 12"),
        ("t + s", None),
        ("t == s", None),
        ("c and b", None),
        ("c or b", True),
        ("(not b) and c", False),
        ("j + 1", None),
        ("i / 0", None),
        ("i / 2", 3.5),
        ("int(x)", 2),
        ("round(x)", 3.0),
        ('int("12.5")', None),
        ('float("1e3")', 1000.0),
        ("text(i / 2)", "3.5"),
        ("max(i, x)", 7.0),
        ("min(i, y)", None),
        ("item(words, -1)", "c"),
        ("item(words, 9)", None),
        ('join(words, "-")', "a-c"),
        ("who.name", "Ada"),
        ('extract(s, "([0-9])([0-9])", 2)', "2"),
        ('extract(s, "x")', None),
        ('extract_all(s, "[a-z]")', ["t", "r", "a", "e"]),
        ('"a" in words', True),
        ('"z" in words', False),
        ("coalesce(t, s) == s", True),
        ("if(c, 1, 2)", 2),
        ('append(talk, "assistant", "Hello.")', [ASKED, {"role": "assistant", "content": "Hello."}]),
        ('append([], "user", "Hi")', [ASKED]),
        ('append(append([], "user", who.name), "assistant", t)', None),
        ("merge(numbers, [3], numbers)", [1, 2, 3, 1, 2]),
        ('merge(words, ["b"])', ["a", None, "c", "b"]),
        ("merge(numbers, [0.5])", [1.0, 2.0, 0.5]),
        ("slice(numbers, 1)", [2]),
        ("slice(numbers, -1, 9)", [2]),
        ("slice(numbers, 2, 1)", []),
        ("slice(words, 0, -1)", ["a", None]),
        ('slice("漢字 kana", 1, 4)', "字 k"),
        ('slice("abc", -2)', "bc"),
        ("slice(t, 0, 3)", None),
        ('split_at("1. add\\n2. sub", "\\n?[0-9]+\\. ")', ["", "add", "sub"]),
        ('split_at("", "x")', [""]),
        ('split_at(t, "x")', None),
        ('lines("a\\r\\n\\nb\\rc\\n")', ["a", "", "b", "c"]),
        ('lines("")', []),
        ('lines("\\n")', [""]),
        ("bucket(i, 10)", 6),
        ('bucket("7", 10)', 6),
        ("bucket(i, i - 7)", None),
        ("bucket(t, 10)", None),
        ('capitalize("éa BC")', "Éa BC"),
        ('capitalize("")', ""),
        ('capitalize("漢")', "漢"),
        ('only_stop_words("It is, of the — and THE!")', True),
        ('only_stop_words("It\'s what we’d have")', True),
        ('only_stop_words("thea")', False),
        ('only_stop_words("the answer")', False),
        ('only_stop_words("the 42")', False),
        ('only_stop_words("**the**")', True),
        ('only_stop_words(" ?! ")', True),
        ('only_stop_words("")', True),
        ('only_stop_words("这是我们的。")', True),
        ('only_stop_words("如果the，那麼")', True),
        ('only_stop_words("这是猫。")', False),
        ("only_stop_words(t)", None),
        ('words("Don\'t count — well-known (but) 3.14")', 5),
        ('words("你好，world！ 今天 2025 年")', 7),
        ('words("日本のカナ")', 5),
        ('words("한국어 단어")', 2),
        ('words("हिन्दी शब्द")', 2),
        ('words("  …  ")', 0),
        ("words(t)", None),
    ],
)
def test_values(connection: duckdb.DuckDBPyConnection, text: str, value: Any) -> None:
    expression = typed(text)
    assert in_python(expression, ROW) == value
    assert in_sql(connection, expression, ROW) == value


@pytest.mark.slow
def test_case_mapping_of_every_character(connection: duckdb.DuckDBPyConnection) -> None:
    """Slow: 1.1 million characters. Characters that are newer than Python's Unicode tables are left out."""
    import unicodedata

    characters = [chr(n) for n in range(1, 0x110000) if not 0xD800 <= n <= 0xDFFF]
    known = [c for c in characters if unicodedata.category(c) != "Cn"]
    for function in ("lower", "upper"):
        evaluate = compile_expression({"tree": ["call", function, ["col", "s"]], "type": "text"})
        found = connection.execute(f"SELECT list_transform($1, lambda c: {function}(c))", [known]).fetchone()[
            0
        ]
        assert [c for c, sql in zip(known, found, strict=True) if evaluate({"s": c}) != sql] == []


def test_a_hostile_text_cannot_make_a_pattern_hang() -> None:
    evaluate = compile_expression(
        {"tree": ["call", "matches", ["col", "s"], ["lit", r"^(a+)+$"]], "type": "bool"}
    )
    assert evaluate({"s": "a" * 50_000 + "!"}) is False


def test_buckets_are_filled_equally() -> None:
    evaluate = in_python_by(typed("bucket(s, 10)"))
    filled = Counter(evaluate({"s": f"user {n}"}) for n in range(10_000))
    # Chi-square with 9 degrees of freedom: above 27.9 in one case of a thousand.
    assert sum((filled[n] - 1000) ** 2 / 1000 for n in range(10)) < 27.9


def test_values_of_json_columns_never_raise() -> None:
    odd: list[Any] = [{"a": 1}, [1], "x", 1, True, None, []]
    for call in (
        *(["call", name, ["col", "a"]] for name in ("lines", "words", "capitalize", "only_stop_words")),
        *(["call", name, ["col", "a"], ["col", "b"]] for name in ("merge", "bucket")),
        *(["call", name, ["col", "a"], ["col", "b"], ["col", "b"]] for name in ("slice", "append")),
        ["call", "split_at", ["col", "a"], ["lit", "x"]],
    ):
        evaluate = compile_expression({"tree": call, "type": "any"})
        for a in odd:
            for b in odd:
                evaluate({"a": a, "b": b})
    for operator in ("+", "-", "*", "/", "==", "<", "in"):
        evaluate = compile_expression({"tree": ["op", operator, ["col", "a"], ["col", "b"]], "type": "any"})
        for a in odd:
            for b in odd:
                evaluate({"a": a, "b": b})
