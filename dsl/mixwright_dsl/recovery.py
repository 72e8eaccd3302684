"""Reads what can be read of a wrong file: every mistake once, and no finding that is only the echo of another.

    tokens ──split──▶ chunks ──brackets──▶ balanced ──parse──▶ statements
                                               ▲         │ stuck at a token
                                               └─ repair ◀┘ one finding each time

A chunk begins at a word in column 0, so a mistake stays in its own declaration. Within a chunk brackets are
balanced first, then the parser says where it cannot go on; the mistake there is named and mended in the token
list (a `:` becomes `=`), or its line is taken out, and the chunk is parsed again.
"""

from __future__ import annotations

from collections.abc import Callable

from mixwright_dsl.brackets import balance, closers_for_words
from mixwright_dsl.diagnostic import Diagnostic, error
from mixwright_dsl.foreign import without_foreign
from mixwright_dsl.grammar import CLOSERS, OPENERS, lex
from mixwright_dsl.mistakes import diagnose
from mixwright_dsl.nodes import Statement
from mixwright_dsl.source import SourceFile, Span
from mixwright_dsl.stuck import DEEPEST, Stuck, TooDeep
from mixwright_dsl.tokens import Token, number_lines

MOST_REPAIRS = 50
"""Findings per chunk: a text that needs more is not a spec, and each costs one more parse of the chunk."""

MOST_TOKENS = 100_000
"""Tokens parsed again per chunk, so that a large chunk full of mistakes costs a second, not a minute."""

MOST_FINDINGS = 200
"""Findings per file, for the same reason."""


def recover(
    source: SourceFile,
    tokens: list[Token],
    parse_tokens: Callable[[list[Token]], tuple[tuple[Statement, ...], list[Diagnostic]]],
) -> tuple[tuple[Statement, ...], list[Diagnostic]]:
    """Statements and findings of a file that does not parse as a whole.

    `parse_tokens` returns the statements of a chunk with the findings inside its literals, or raises Stuck.
    """
    statements: list[Statement] = []
    tokens, findings = without_foreign(source, number_lines(tokens), lambda text: number_lines(lex(text)))
    tokens, words = closers_for_words(source, tokens)
    findings += words
    if findings:
        try:
            whole, problems = parse_tokens(tokens)
            return whole, findings + problems
        except (Stuck, TooDeep):
            pass
    for chunk in split(tokens):
        if len(findings) >= MOST_FINDINGS:
            here = source.span(chunk[0].start_pos, chunk[0].end_pos)
            findings.append(_cut(here, f"{len(findings)} mistakes so far"))
            break
        found, problems = _recover_chunk(source, chunk, parse_tokens)
        statements += found
        findings += problems
    return tuple(statements), findings


def _recover_chunk(
    source: SourceFile,
    chunk: list[Token],
    parse_tokens: Callable[[list[Token]], tuple[tuple[Statement, ...], list[Diagnostic]]],
) -> tuple[tuple[Statement, ...], list[Diagnostic]]:
    try:
        return parse_tokens(chunk)
    except (Stuck, TooDeep):
        pass
    statements, findings, stuck, repairs = _line_by_line(source, chunk, parse_tokens)
    # A single repair is the finding. More of them may be echoes of one wrong token, which is looked for only then.
    if repairs > 1:
        from mixwright_dsl.one_edit import one_edit

        one = one_edit(source, chunk, parse_tokens, findings[0], stuck)
        if one is not None:
            return one
        if repairs >= _most_repairs(chunk):
            # Behind the others: the first of them is where the trouble began.
            last = max(findings, key=lambda finding: finding.primary.span.start).primary.span
            count = f"{len(findings)} mistakes in what begins in line {chunk[0].line}"
            findings.append(_cut(last, count))
    return statements, findings


def _cut(span: Span, count: str) -> Diagnostic:
    """The finding that says that there may be more."""
    return error("MIX001", f"{count}: the rest is not read", span, hint="mend these and check again")


def _most_repairs(chunk: list[Token]) -> int:
    return min(MOST_REPAIRS, 2 + MOST_TOKENS // len(chunk))


def _line_by_line(
    source: SourceFile,
    chunk: list[Token],
    parse_tokens: Callable[[list[Token]], tuple[tuple[Statement, ...], list[Diagnostic]]],
) -> tuple[tuple[Statement, ...], list[Diagnostic], int | None, int]:
    """Statements and findings of a chunk, one mistake mended after the other; where the parser stuck first; repairs.

    The place is None when brackets had to be balanced first. Repairs are more than findings where one was an echo.
    """
    tokens, findings = balance(source, chunk)
    repairs = len(findings)
    first_stuck: int | None = None
    is_untouched = tokens == chunk
    dropped_lines: set[int] = set()
    for _ in range(_most_repairs(chunk)):
        try:
            statements, problems = parse_tokens(tokens)
        except TooDeep as problem:
            start = problem.args[0].start_pos
            message = f"brackets are nested more than {DEEPEST} levels deep"
            here = source.span(start, start + 1)
            too_deep = error("MIX011", message, here, hint="name a part and refer to it")
            return (), [*findings, too_deep], None, 0
        except Stuck as stuck:
            if first_stuck is None and is_untouched:
                first_stuck = stuck.index
            repairs += 1
            mistake = diagnose(source, stuck)
            line = tokens[min(stuck.index, len(tokens) - 1)].line
            if line in dropped_lines:
                # What is left of a line already taken out is no mistake of the user's.
                return (), findings, first_stuck, repairs
            if not findings or not _is_echo(mistake.diagnostic, findings):
                findings.append(mistake.diagnostic)
            if mistake.replacement is None:
                dropped_lines.add(line)
                tokens = without_line(tokens, stuck.index)
            else:
                tokens = tokens[: mistake.start] + list(mistake.replacement) + tokens[mistake.end :]
            tokens = _single_line_ends(tokens)
            continue
        return statements, findings + problems, first_stuck, repairs + len(problems)
    return (), findings, first_stuck, repairs


def _is_echo(diagnostic: Diagnostic, findings: list[Diagnostic]) -> bool:
    """A plain 'unexpected token' on a line where something better was found already says nothing new."""
    if diagnostic.code != "MIX001":
        return False
    line = diagnostic.primary.span.position.line
    return any(found.primary.span.position.line == line for found in findings)


def _single_line_ends(tokens: list[Token]) -> list[Token]:
    """The tokens without a line end right after another: where a line was taken out, one of its two is too many."""
    kept: list[Token] = []
    for token in tokens:
        if token.type != "_NL" or not kept or kept[-1].type != "_NL":
            kept.append(token)
    return kept


def split(tokens: list[Token]) -> list[list[Token]]:
    """Cut before every word in column 0, unless brackets say that the line is inside a block.

    When the brackets of the whole file balance, a word at column 0 inside them is an unindented body. When they
    do not, it is taken for a declaration if its line does not look like an attribute.
    """
    balanced = _depth_change(tokens) == 0
    chunks: list[list[Token]] = []
    current: list[Token] = []
    enclosing: list[str] = []
    for index, token in enumerate(tokens):
        if token.type == "NAME" and token.column == 1 and current:
            is_attribute = index + 1 < len(tokens) and tokens[index + 1].type in ("_EQUAL", "COLON", "_DOT")
            in_body = not enclosing or enclosing[-1] == "LBRACE"
            if not enclosing or (not balanced and not (is_attribute and in_body)):
                chunks.append(current)
                current, enclosing = [], []
        if token.type in OPENERS:
            enclosing.append(token.type)
        elif token.type in CLOSERS and enclosing:
            enclosing.pop()
        current.append(token)
    if current:
        chunks.append(current)
    return chunks


def _depth_change(tokens: list[Token]) -> int:
    return sum((t.type in OPENERS) - (t.type in CLOSERS) for t in tokens)


def without_line(tokens: list[Token], index: int) -> list[Token]:
    """The tokens without the line of the one at `index`, except for brackets that other lines need.

    A line that opens a block is reduced to `name {`, one that opens a list to `name = [`.
    """
    index = min(index, len(tokens) - 1)
    if tokens[index].type == "_NL" and index > 0:
        index -= 1
    start = index
    while start > 0 and tokens[start - 1].type != "_NL":
        start -= 1
    end = index
    while end < len(tokens) and tokens[end].type != "_NL":
        end += 1
    line = tokens[start:end]
    openers: list[Token] = []
    closers: list[Token] = []
    for token in line:
        if token.type in OPENERS:
            openers.append(token)
        elif token.type in CLOSERS:
            if openers:
                openers.pop()
            else:
                closers.append(token)
    kept = list(closers)
    if openers:
        name = line[0].as_other("NAME", "_")
        if closers and closers[-1].type == "RBRACE":
            kept.append(line[0].as_other("_COMMA", ","))
        kept.append(name)
        if openers[0].type != "LBRACE" or any(t.type == "_EQUAL" for t in line):
            kept.append(line[0].as_other("_EQUAL", "="))
        kept += openers
    return tokens[:start] + kept + tokens[end:]
