"""Balances the brackets of a declaration, guided by indentation, so that the parser sees one mistake at a time."""

from __future__ import annotations

from mixwright_dsl.diagnostic import Applicability, Diagnostic, Edit, Fix, Label, error
from mixwright_dsl.grammar import CLOSERS, OPENERS
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import SourceFile
from mixwright_dsl.tokens import Token

SIGNS = {"LBRACE": "{", "RBRACE": "}", "LSQB": "[", "RSQB": "]", "LPAR": "(", "RPAR": ")"}
NAMES = {"LBRACE": "block", "LSQB": "list", "LPAR": "parenthesis"}

MOST_FINDINGS = 50
"""Surplus brackets reported in a chunk; looking for the cause of each takes time."""


@dataclass
class _Open:
    token: Token
    indent: int  # of the line it is on
    index: int  # in the output


def is_balanced(tokens: list[Token]) -> bool:
    """Does every bracket have its partner, properly nested?"""
    stack: list[str] = []
    for token in tokens:
        if token.type in OPENERS:
            stack.append(OPENERS[token.type])
        elif token.type in CLOSERS and (not stack or stack.pop() != token.type):
            return False
    return not stack


class Nesting:
    """How brackets nest in some tokens, for asking which edits would balance them: each costs a look."""

    def __init__(self, tokens: list[Token]) -> None:
        # A stack of closers is a number, equal ones the same: of the closer on top and the stack below. 0 is empty.
        self._stacks: list[tuple[str, int]] = [("", 0)]
        self._numbers: dict[tuple[str, int], int] = {}
        self._due: list[int | None] = [0]
        """By place: the closers that what is before it lacks, the next one on top; None where a wrong one came."""
        for token in tokens:
            self._due.append(self._after(self._due[-1], token.type))
        self._surplus: list[int | None] = [0]
        """By place: the closers that what is behind it has too many, the next one on top; None as above."""
        for token in reversed(tokens):
            self._surplus.append(self._after(self._surplus[-1], token.type, backwards=True))
        self._surplus.reverse()

    def is_balanced_with(self, start: int, end: int, kind: str | None) -> bool:
        """Has every bracket its partner when `tokens[start:end]` are one token of this kind, or none?"""
        due = self._due[start] if kind is None else self._after(self._due[start], kind)
        return due is not None and due == self._surplus[end]

    def _after(self, stack: int | None, kind: str, *, backwards: bool = False) -> int | None:
        """The stack behind a token, or before it."""
        closer = OPENERS.get(kind, kind)
        if stack is None or closer not in CLOSERS:
            return stack
        if (kind in OPENERS) is backwards:
            top, below = self._stacks[stack]
            return below if top == closer else None
        number = self._numbers.setdefault((closer, stack), len(self._stacks))
        if number == len(self._stacks):
            self._stacks.append((closer, stack))
        return number


def closers_for_words(source: SourceFile, tokens: list[Token]) -> tuple[list[Token], list[Diagnostic]]:
    """The tokens with a closing bracket for each word that stands where one is missing, and a finding for each: alone on
    its line, as far in as the line that the bracket was opened on."""
    lacking = sum((t.type in OPENERS) - (t.type in CLOSERS) for t in tokens)
    if lacking <= 0:
        return tokens, []
    output, findings, stack, indent = list(tokens), list[Diagnostic](), list[tuple[Token, int]](), 0
    for at, token in enumerate(tokens):
        before, after = (tokens[i].type if 0 <= i < len(tokens) else "_NL" for i in (at - 1, at + 1))
        indent = token.column - 1 if before == "_NL" else indent
        if token.type in OPENERS and after == "_NL":
            stack.append((token, indent))
        elif token.type in OPENERS:
            stack.append((token, -1))
        elif token.type in CLOSERS and stack:
            stack.pop()
        elif (
            token.type == "NAME" and before == after == "_NL" and stack and stack[-1][1] == indent and lacking
        ):
            opened, _ = stack.pop()
            kind = OPENERS[opened.type]
            output[at], lacking = token.as_other(kind, SIGNS[kind]), lacking - 1
            findings.append(_word_for_closer(source, opened, token, SIGNS[kind]))
    return output, findings


def _word_for_closer(source: SourceFile, opened: Token, word: Token, sign: str) -> Diagnostic:
    span = source.span(word.start_pos, word.end_pos)
    return error(
        "MIX002",
        f"`{word}` stands where the {NAMES[opened.type]} ends",
        span,
        f"`{sign}` is missing here",
        secondary=(Label(source.span(opened.start_pos, opened.end_pos), "opened here"),),
        hint=f"write `{sign}`",
        fix=Fix(f"write `{sign}`", (Edit(span, sign),), Applicability.MAYBE),
    )


def balance(source: SourceFile, tokens: list[Token]) -> tuple[list[Token], list[Diagnostic]]:
    """The tokens with missing brackets put in and surplus ones left out, and one finding for each.

    Findings are kept back where an unterminated string on the line of the bracket explains them.
    """
    if is_balanced(tokens):
        return tokens, []
    return _Balancer(source, tokens).run()


def missing_closer(
    source: SourceFile, opener: Token, before: Token, *, is_before_line_end: bool = True
) -> Diagnostic:
    """The finding for a bracket whose partner is missing after the token `before`.

    It points at the place: the empty line that follows, where a bracket of its own would stand, else the end of the text.
    """
    start, end = opener.start_pos, before.end_pos
    sign, closer = SIGNS[opener.type], SIGNS[OPENERS[opener.type]]
    opened = source.span(start, start + 1)
    place, typed = source.span(end, end), closer
    indent = _indent(source, opened.position.line)
    if place.position.line != opened.position.line and is_before_line_end:
        line = place.position.line + 1
        if line <= len(source.line_starts) and not source.line_text(line).strip():
            at = source.line_starts[line - 1] + len(source.line_text(line))
            place, typed = source.span(at, at), indent[len(source.line_text(line)) :] + closer
        else:
            typed = f"\n{indent}{closer}"
    elif opener.type == "LBRACE":
        typed = f" {closer}"
    where = f" for the `{sign}` in line {opened.position.line}" if typed.strip() != typed else ""
    return error(
        "MIX002",
        f"{NAMES[opener.type]} opened by `{sign}` is not closed",
        place,
        f"`{closer}` is missing here",
        secondary=(Label(opened, "opened here"),),
        hint=f"add `{closer}`{where}",
        fix=Fix(f"add `{closer}`", (Edit(place, typed),)),
    )


def _indent(source: SourceFile, line: int) -> str:
    text = source.line_text(line)
    return text[: len(text) - len(text.lstrip())]


class _Balancer:
    def __init__(self, source: SourceFile, tokens: list[Token]) -> None:
        self.source = source
        self.tokens = tokens
        self.output: list[Token] = []
        self.stack: list[_Open] = []
        self.findings: list[Diagnostic] = []
        self.surplus = sum((t.type == "RBRACE") - (t.type == "LBRACE") for t in tokens)
        self.reported_lines: set[int] = set()  # `(((` is one mistake
        # What follows an unclosed string on its line, or an unclosed heredoc, is lost with its brackets.
        self.lines_with_open_string = {token.line for token in tokens if token.type == "OPEN_STRING"}
        if any(token.type == "OPEN_HEREDOC" for token in tokens):
            self.lines_with_open_string = {token.line for token in tokens}

    def run(self) -> tuple[list[Token], list[Diagnostic]]:
        indent = 0
        is_line_start = True
        for token in self.tokens:
            if is_line_start:
                indent = token.column - 1
            if token.type in OPENERS:
                self.stack.append(_Open(token, indent, len(self.output)))
                self.output.append(token)
            elif token.type in CLOSERS:
                self._close(token, indent if is_line_start else None)
            else:
                self.output.append(token)
            is_line_start = token.type == "_NL"
        while self.stack:
            self._close_missing()
        return self.output, self.findings

    def _close(self, token: Token, indent: int | None) -> None:
        """Take a closing bracket; `indent` is its line's when it is the first on the line."""
        wanted = CLOSERS[token.type]
        if not any(opened.token.type == wanted for opened in self.stack):
            self._surplus(token, indent)
            return
        while self.stack[-1].token.type != wanted:
            self._close_missing()
        # `}` behind something on its line, though its block began on another line: one `}` too many.
        if (
            wanted == "LBRACE"
            and indent is None
            and self.surplus > 0
            and self.stack[-1].token.line != token.line
        ):
            self.surplus -= 1
            self._surplus(token, indent)
            return
        # `}` deeper than the line of its block: a `{` between them was forgotten.
        if indent is not None and wanted == "LBRACE" and self.stack[-1].indent < indent:
            header = self._header_without_brace(indent)
            if header is not None and header > self.stack[-1].index:
                self._surplus(token, indent)
                return
        # `}` at the column of an outer block's line: the blocks between were not closed.
        if indent is not None and wanted == "LBRACE":
            while (
                self.stack[-1].indent > indent
                and self.stack[-1].token.type == wanted
                and any(o.indent == indent and o.token.type == wanted for o in self.stack[:-1])
            ):
                self._close_missing()
                while self.stack[-1].token.type != wanted:
                    self._close_missing()
        self.stack.pop()
        self.output.append(token)

    def _close_missing(self) -> None:
        """Put in the partner of the innermost opener and report the opener."""
        opened = self.stack.pop()
        closer = OPENERS[opened.token.type]
        at = self._place_of_closer(opened)
        before = self.output[at - 1] if at else opened.token
        self.output.insert(at, before.as_other(closer, SIGNS[closer]))
        line = opened.token.line
        if line in self.lines_with_open_string or line in self.reported_lines:
            return
        self.reported_lines.add(line)
        self.findings.append(missing_closer(self.source, opened.token, before))

    def _place_of_closer(self, opened: _Open) -> int:
        """Where in the output the missing partner goes.

        A block whose lines are indented is closed where they end; another before the line end that precedes the next
        bracket. A list or call that has something on its own line is closed at the end of that line, and so is one
        that an attribute follows.
        """
        if opened.token.type == "LBRACE" and (at := self._end_of_indented(opened)) is not None:
            return at
        if opened.token.type != "LBRACE":
            end = opened.index + 1
            while end < len(self.output) and (
                self.output[end].type != "_NL" or self.output[end - 1].type == "_COMMA"
            ):
                end += 1
            is_call = (
                opened.token.type == "LPAR"
                and opened.index > 0
                and self.output[opened.index - 1].type == "NAME"
            )
            next_line = [token.type for token in self.output[end + 1 : end + 3]]
            if end < len(self.output) and (
                end > opened.index + 1 or (not is_call and next_line == ["NAME", "_EQUAL"])
            ):
                return end
        at = len(self.output)
        while at > opened.index + 1 and self.output[at - 1].type == "_NL":
            at -= 1
        return at

    def _end_of_indented(self, opened: _Open) -> int | None:
        """Index of the line end, or of the comma before it, after which no line is indented deeper than the opener's.

        None for a block whose lines are not indented at all.
        """
        output, is_first = self.output, True
        for at in range(opened.index + 1, len(output)):
            if output[at].type != "_NL" or at + 1 == len(output):
                continue
            follows_opener = is_first and at == opened.index + 1
            is_first = False
            if output[at + 1].column - 1 > opened.indent:
                continue
            if follows_opener:
                return None
            return at - 1 if output[at - 1].type == "_COMMA" and output[at + 1].type in OPENERS else at
        return None

    def _surplus(self, token: Token, indent: int | None) -> None:
        start = token.start_pos
        sign = SIGNS[token.type]
        span = self.source.span(start, start + 1)
        if token.line in self.lines_with_open_string or len(self.findings) >= MOST_FINDINGS:
            return
        header = self._header_without_brace(indent) if token.type == "RBRACE" and indent is not None else None
        if header is not None:
            last = self.output[header - 1]
            place = self.source.span(last.end_pos, last.end_pos)
            self.output.insert(header, last.as_other("LBRACE", "{"))
            self.output.append(token)
            fix = Fix("open the block", (Edit(place, " {"),))
            closes = (Label(span, "closed here"),)
            self.findings.append(
                error("MIX001", "`{` is missing before the block's body", place, secondary=closes, fix=fix)
            )
            return
        fix = Fix(f"remove the `{sign}`", (Edit(span, ""),))
        hint = f"remove it, or open a {NAMES[CLOSERS[token.type]]} before it"
        self.findings.append(
            error("MIX001", f"unexpected `{sign}`: nothing is open here", span, hint=hint, fix=fix)
        )

    def _header_without_brace(self, indent: int) -> int | None:
        """Index of the line end after `kind label` at `indent` whose next line is indented deeper, from the end."""
        ends = [i for i, token in enumerate(self.output) if token.type == "_NL"]
        for end in reversed(ends):
            start = end
            while start > 0 and self.output[start - 1].type != "_NL":
                start -= 1
            line = self.output[start:end]
            is_header = bool(line) and all(t.type in ("NAME", "STRING", "QUANTITY") for t in line)
            is_deeper = end + 1 < len(self.output) and self.output[end + 1].column - 1 > indent
            if is_header and line[0].type == "NAME" and line[0].column - 1 == indent and is_deeper:
                return end
        return None
