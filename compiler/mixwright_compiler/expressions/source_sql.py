"""What the SQL of a source reads, and whether it is one SELECT: told from its words, for `check` starts without DuckDB.

It is no parser. What it cannot tell it takes for right, and the run, which has one, says the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

from mixwright_dsl.lazy_dataclass import dataclass

_TOKEN = re.compile(
    r"(?P<skip>\s+|--[^\n]*|/\*.*?\*/)|(?P<text>[eExX]?'(?:[^']|'')*'|\$\$.*?\$\$)|(?P<quoted>\"(?:[^\"]|\"\")*\")"
    r"|(?P<word>[A-Za-z_][A-Za-z_0-9]*)|(?P<sign>.)",
    re.DOTALL,
)
_STARTS = ("select", "with", "from", "values")
_QUERIES = (*_STARTS, "pivot", "unpivot", "table", "describe", "summarize", "show")
"""What a query in parentheses begins with."""
_AFTER_FROM = frozenset(
    (
        *("where", "group", "having", "order", "limit", "offset", "fetch", "window", "qualify"),
        *("select", "union", "intersect", "except"),
    )
)
"""Words behind which a comma parts no tables."""
_FROM_IN_CALLS = ("extract", "substring", "trim", "overlay", "position")
"""Functions with a `FROM` of their own."""
_OWN = re.compile(r"(?:information_schema|pg_catalog|system)\.|(?:duckdb|sqlite|pragma|pg)_", re.IGNORECASE)
"""Tables that every database has."""
_READERS = re.compile(r"read_\w+|parquet_\w+|glob|sniff_csv", re.IGNORECASE)
_WRITES = frozenset(("insert", "update", "delete", "merge"))


@dataclass(frozen=True)
class SqlToken:
    """kind: text, quoted, word or sign. index: offset in the SQL. word: in lower case; empty for what is no word."""

    kind: str
    text: str
    index: int
    word: str

    @property
    def name(self) -> str:
        """The name that it stands for; empty for what is none."""
        if self.kind == "quoted":
            return self.text[1:-1].replace('""', '"')
        return self.text if self.kind == "word" else ""


@dataclass(frozen=True)
class SqlProblem:
    """What is wrong, said of `SQL of source …`, and its place in the SQL."""

    message: str
    index: int
    length: int
    hint: str


@dataclass
class _Level:
    """A query or an expression in parentheses. awaits: a table may come next. lists: a comma brings another one."""

    function: str = ""
    awaits: bool = False
    lists: bool = False


def tokens_of(sql: str) -> list[SqlToken]:
    """The tokens of a text; white space and comments are left out."""
    found: list[SqlToken] = []
    for match in _TOKEN.finditer(sql):
        kind, text = match.lastgroup or "sign", match[0]
        if kind != "skip":
            found.append(SqlToken(kind, text, match.start(), text.lower() if kind == "word" else ""))
    return found


def sql_problem(sql: str, inputs: Mapping[str, str] | None) -> SqlProblem | None:
    """The first thing that keeps a text from being one SELECT over its inputs, name -> path; None: not known."""
    tokens = tokens_of(sql)
    if not tokens:
        return SqlProblem("is empty", 0, max(1, len(sql)), "write `SELECT …`")
    first = next((token for token in tokens if token.word), tokens[0])
    if first.word not in _STARTS:
        return _at(first, f"is no SELECT: it starts with `{first.text}`", "write one `SELECT …`")
    end = next((at for at, token in enumerate(tokens) if token.text == ";"), len(tokens))
    if end + 1 < len(tokens):
        return _at(tokens[end + 1], "is more than one statement", "write one `SELECT …`")
    if first.word == "with":
        for before, token in pairwise(tokens):
            if token.word in _WRITES and before.text == ")":
                return _at(token, "writes", "end the `WITH` in a `SELECT`")
    return next(_foreign(tokens, inputs), None)


def _foreign(tokens: list[SqlToken], inputs: Mapping[str, str] | None) -> Iterator[SqlProblem]:
    """Files and tables that are no inputs."""
    known = {name.lower() for name in (*(inputs or ()), *_named_queries(tokens))}
    for at, token in _read_by(tokens):
        follows = tokens[at + 1].text if at + 1 < len(tokens) else ""
        if token.kind == "text":
            yield _by_name(token, token.text[1:-1])
        elif follows == "(":
            if _READERS.fullmatch(token.text):
                yield _by_name(token, "")
        else:
            end, name = _qualified(tokens, at)
            length = tokens[end].index + len(tokens[end].text) - token.index
            if name.rpartition(".")[2].lower() in known or name.lower() in known or _OWN.match(name):
                continue
            if re.search(r"[/*?]|\.(?:csv|tsv|jsonl?|ndjson|parquet)(?:\.gz)?$", name, re.IGNORECASE):
                yield _by_name(token, name, length)
            elif inputs is not None:
                names = ", ".join(inputs)
                hint = f"`inputs` has: {names}" if inputs else f'add `inputs = {{ {name} = "{name}.csv" }}`'
                yield SqlProblem(f"reads `{name}`, which is no input", token.index, length, hint)
    for token, follows_token in pairwise(tokens):
        if token.word and _READERS.fullmatch(token.text) and follows_token.text == "(":
            yield _by_name(token, "")


def _read_by(tokens: list[SqlToken]) -> Iterator[tuple[int, SqlToken]]:
    """Position and token of every table that a FROM or JOIN names; of a qualified one, that of its first part."""
    levels = [_Level()]
    for at, token in enumerate(tokens):
        level = levels[-1]
        before = tokens[at - 1] if at else token
        match token.text:
            case "(":
                levels.append(_Level("" if level.awaits else before.word, awaits=level.awaits))
                level.awaits = False
                continue
            case ")":
                del levels[-1 if len(levels) > 1 else 1 :]
                continue
            case ",":
                level.awaits = level.lists
                continue
        if token.word == "from":
            if level.function not in _FROM_IN_CALLS and before.word != "distinct":
                level.awaits = level.lists = True
        elif token.word == "join":
            level.awaits = level.lists = True
        elif level.awaits and token.word == "lateral":
            continue
        elif level.awaits and token.word in _QUERIES and before.text == "(":
            level.awaits = False
        elif level.awaits and (token.name or token.kind == "text"):
            is_alias = at + 1 < len(tokens) and tokens[at + 1].text == ":"
            if not is_alias:
                level.awaits = False
                yield at, token
        elif token.word in _AFTER_FROM:
            level.lists = False


def _named_queries(tokens: list[SqlToken]) -> Iterator[str]:
    """Names that a WITH gives: `name AS (`, `name (columns) AS MATERIALIZED (`."""
    for at, token in enumerate(tokens):
        if token.word != "as":
            continue
        first = at - 1
        while first >= 0 and tokens[first].text == ")":
            while first >= 0 and tokens[first].text != "(":
                first -= 1
            first -= 1
            if first >= 1 and tokens[first].word == "key" and tokens[first - 1].word == "using":
                first -= 2
        opens = next((t for t in tokens[at + 1 :] if t.word not in ("not", "materialized")), token)
        if first >= 0 and opens.text == "(":
            yield tokens[first].name


def _qualified(tokens: list[SqlToken], at: int) -> tuple[int, str]:
    """`memory.main.people`: the position of its last part, and the name."""
    name, end = tokens[at].name, at
    while end + 2 < len(tokens) and tokens[end + 1].text == "." and tokens[end + 2].name:
        end += 2
        name += f".{tokens[end].name}"
    return end, name


def _by_name(token: SqlToken, path: str, length: int = 0) -> SqlProblem:
    written = path or "file.csv"
    hint = f'name the file in `inputs = {{ rows = "{written}" }}` and select from `rows`'
    return SqlProblem("reads a file by name", token.index, length or len(token.text), hint)


def _at(token: SqlToken, message: str, hint: str) -> SqlProblem:
    return SqlProblem(message, token.index, len(token.text), hint)
