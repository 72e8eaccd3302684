"""Canonical text of a spec, made from its tokens: only white space and separators change.

Two spaces a level; one statement a line, except in a block that was written on one line; at most one empty
line; a comma after the last item of a list or call that spans lines and after no other last one; line breaks
between list items and after operators stay where the author put them. Comments stay at their token. A heredoc
moves with its statement and keeps every byte of its value.
"""

from __future__ import annotations

from mixwright_dsl.diagnostic import Diagnostic
from mixwright_dsl.grammar import CLOSERS, OPENERS, lex
from mixwright_dsl.lazy_dataclass import dataclass, replace
from mixwright_dsl.literals import heredoc_value
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile
from mixwright_dsl.tokens import Token

INDENT = "  "

OPERATORS = frozenset(("AND", "OR", "NOT", "IN", "COMPARE", "SIGN", "SCALE"))
_VALUE_ENDS = frozenset(
    ("NAME", "STRING", "QUANTITY", "HEREDOC", "TRUE", "FALSE", "NULL", "RSQB", "RPAR", "RBRACE")
)

FORMATTABLE = frozenset(("MIX006", "MIX009", "MIX010", "MIX011"))
"""Findings inside literals or about meaning: where the tokens go is clear all the same."""


@dataclass(frozen=True)
class FormatResult:
    """`text` is the canonical text, or the text as it was where findings stood in the way."""

    text: str
    changed: bool
    diagnostics: tuple[Diagnostic, ...] = ()


class TokensChanged(AssertionError):
    """The formatter would have changed more than white space: a bug. Nothing was written."""


def format_text(source: SourceFile) -> FormatResult:
    """Format a file; `format(format(x)) == format(x)`.

    A file that does not parse is returned as it is, with its findings.

    Raises:
        TokensChanged: a bug in the formatter; its result is not to be used.
    """
    tokens = lex(source.text)
    findings = tuple(d for d in parse(source, tokens).diagnostics if d.code not in FORMATTABLE)
    if findings:
        return FormatResult(source.text, False, findings)
    text = _Printer(source, tokens).run()
    if text == source.text:
        return FormatResult(text, False)
    formatted = SourceFile(source.name, text)
    if _signature(formatted, lex(text)) != _signature(source, tokens):
        raise TokensChanged(f"formatting {source.name} would change its meaning; please report this file")
    return FormatResult(text, True)


def signature(source: SourceFile) -> list[str]:
    """What formatting must keep: tokens, heredoc values and comments in order, with where separators stand.

    Of each its kind and its text, by turns. A comma and a line end between statements are the same separator; one
    before a closing bracket is none.
    """
    return _signature(source, lex(source.text))


def _signature(source: SourceFile, tokens: list[Token]) -> list[str]:
    result: list[str] = []
    enclosing: list[str] = []
    separated = has_newline = False
    previous = "LBRACE"  # nothing separates the first token from what is before it
    for token in tokens:
        kind = token.type
        if kind == "_NL":
            has_newline = True
            for comment in _gap(token).comments:
                result += ("comment", comment.text)
            continue
        if kind == "_COMMA":
            separated, has_newline, previous = True, False, ""
            continue
        if has_newline or separated:
            breaks = (
                has_newline and previous not in OPERATORS and (not enclosing or enclosing[-1] == "LBRACE")
            )
            if (breaks or separated) and previous not in OPENERS and kind not in CLOSERS:
                result += ("separator", "")
            separated = has_newline = False
        if kind in OPENERS:
            enclosing.append(kind)
        elif kind in CLOSERS and enclosing:
            enclosing.pop()
        previous = kind
        if kind == "HEREDOC":
            node, _ = heredoc_value(source, token.start_pos, token.end_pos)
            result += (node.tag, node.value)
        else:
            result += (kind, token)
    return result


@dataclass(frozen=True)
class _Comment:
    text: str
    is_trailing: bool  # on the line of the token before
    after_blank: bool


@dataclass(frozen=True)
class _Gap:
    """What stands between two tokens besides spaces."""

    comments: tuple[_Comment, ...] = ()
    has_newline: bool = False
    has_blank: bool = False  # an empty line just before the next token

    def then(self, other: _Gap) -> _Gap:
        """Both, when the comma between them goes or moves."""
        if not self.has_newline:
            return other
        later = other.comments
        if later and later[0].is_trailing:
            later = (replace(later[0], is_trailing=False), *later[1:])
        return _Gap(self.comments + later, True, other.has_blank or (self.has_blank and not later))


_NO_GAP, _LINE_END, _BLANK_LINE = _Gap(), _Gap(has_newline=True), _Gap(has_newline=True, has_blank=True)


def _without_gaps(tokens: list[Token]) -> tuple[list[Token], list[_Gap]]:
    """The tokens that are no line ends, `$END` behind them, and the gap before each."""
    solid: list[Token] = []
    gaps: list[_Gap] = []
    gap = _NO_GAP
    for token in tokens:
        if token.type == "_NL":
            found = _gap(token, is_first=not solid)
            gap = gap.then(found) if gap.has_newline else found
        else:
            solid.append(token)
            gaps.append(gap)
            gap = _NO_GAP
    return [*solid, Token("$END", "")], [*gaps, gap]


def _gap(token: Token, *, is_first: bool = False) -> _Gap:
    if "#" not in token:
        return _BLANK_LINE if is_first or token.count("\n") > 1 else _LINE_END
    lines = token.split("\n")[:-1]
    comments: list[_Comment] = []
    blank = False
    for number, line in enumerate(lines):
        text = line.strip(" \t")
        if text:
            comments.append(_Comment(text.rstrip(), number == 0 and not is_first, blank))
            blank = False
        elif number > 0 or is_first:
            blank = True
    return _Gap(tuple(comments), True, blank)


@dataclass
class _Bracket:
    """An open bracket: how its content is laid out."""

    kind: str
    is_call: bool
    is_broken: bool
    line_indent: int


class _Printer:
    def __init__(self, source: SourceFile, tokens: list[Token]) -> None:
        self.source = source
        self.tokens, self.gaps = _without_gaps(tokens)
        self.partner: dict[int, int] = {}
        self._match()
        self._broken = {opener: self._is_broken(opener) for opener in self.partner}
        self.output: list[str] = []
        self.line = ""
        self.line_indent = 0
        self.stack: list[_Bracket] = []

    # -- what goes on several lines

    def _match(self) -> None:
        stack: list[int] = []
        for index, token in enumerate(self.tokens):
            if token.type in OPENERS:
                stack.append(index)
            elif token.type in CLOSERS:
                self.partner[stack.pop()] = index

    def _is_broken(self, opener: int) -> bool:
        closer = self.partner[opener]
        if closer == opener + 1:
            return bool(self.gaps[closer].comments)
        is_block = self.tokens[opener].type == "LBRACE"
        index = opener + 1
        while index <= closer:
            if self.gaps[index].has_newline or (is_block and self.tokens[index].type == "HEREDOC"):
                return True
            # Line breaks deeper inside break a block, but not a list or call.
            index = (index if is_block else self.partner.get(index, index)) + 1
        return False

    # -- printing

    def run(self) -> str:
        before, previous = "", ""  # the kinds of the last two tokens that are no commas
        carried = _NO_GAP
        after_comma = False
        for index, (token, gap) in enumerate(zip(self.tokens, self.gaps, strict=True)):
            kind = token.type
            if carried.has_newline:
                gap = carried.then(gap)
                carried = _NO_GAP
            inside = self.stack[-1] if self.stack else None
            in_block = inside is None or inside.kind == "LBRACE"
            if kind == "_COMMA":
                carried, after_comma = gap, True
                if not in_block and self.tokens[index + 1].type not in CLOSERS:
                    self.line += ","
                continue
            if kind in CLOSERS:
                self._close(token, gap, previous)
            elif kind == "$END":
                self._break(gap, 0, is_first=previous == "", is_last=True)
            else:
                starts_item = after_comma or previous in OPENERS or previous == ""
                if gap.has_newline and in_block and previous not in OPERATORS:
                    starts_item = True
                if gap.has_newline or starts_item:
                    self._begin(gap, previous, starts_item, after_comma)
                else:
                    self.line += _space(before, previous, kind)
                if kind == "HEREDOC":
                    self._heredoc(token)
                else:
                    self.line += token
                if kind in OPENERS:
                    is_call = kind == "LPAR" and previous == "NAME" and not after_comma
                    self.stack.append(_Bracket(kind, is_call, self._broken[index], self.line_indent))
            before, previous, after_comma = "" if after_comma else previous, kind, False
        text = "\n".join(self.output)
        return text.strip("\n") + "\n" if text.strip("\n") else ""

    def _begin(self, gap: _Gap, previous: str, starts_item: bool, after_comma: bool) -> None:
        """What stands before a token that begins an item, or a line."""
        inside = self.stack[-1] if self.stack else None
        after_opener = previous in OPENERS
        if inside is None:
            must_break = starts_item
            indent = 0
        else:
            must_break = inside.is_broken and (after_opener or (starts_item and inside.kind == "LBRACE"))
            indent = inside.line_indent + 1
        if must_break or gap.has_newline:
            is_continuation = not starts_item and not (
                inside and inside.kind == "LPAR" and not inside.is_call
            )
            indent += is_continuation
            self._break(gap, indent, is_first=after_opener or previous == "", keep_blank=starts_item)
        elif after_comma:
            self.line += ", " if inside is not None and inside.kind == "LBRACE" else " "
        elif previous == "LBRACE":
            self.line += " "

    def _close(self, token: Token, gap: _Gap, previous: str) -> None:
        bracket = self.stack.pop()
        if not bracket.is_broken:
            if token.type == "RBRACE" and previous != "LBRACE":
                self.line += " "
            self.line += token
            return
        is_empty = previous in OPENERS
        takes_comma = bracket.kind == "LSQB" or bracket.is_call
        if takes_comma and not is_empty:
            self.line += ","
        indent = bracket.line_indent
        self._break(gap, indent, comment_indent=indent + 1, is_first=is_empty, is_last=True)
        self.line += token

    def _break(
        self,
        gap: _Gap,
        indent: int,
        *,
        comment_indent: int | None = None,
        is_first: bool = False,
        is_last: bool = False,
        keep_blank: bool = True,
    ) -> None:
        """End the line, print the gap's comments, and begin a line at `indent`.

        `is_first` and `is_last`: in their bracket or file, where no empty line follows or precedes.
        """
        comments = list(gap.comments)
        if comments and comments[0].is_trailing and self.line:
            self.line += f"  {comments.pop(0).text}"
        if self.line:
            self.output.append(self.line)
        within = indent if comment_indent is None else comment_indent
        for comment in comments:
            if comment.after_blank and keep_blank and not is_first:
                self._blank()
            self.output.append(INDENT * within + comment.text)
            is_first = False
        if gap.has_blank and keep_blank and not is_first and not is_last:
            self._blank()
        self._indent_to(indent)

    def _blank(self) -> None:
        if self.output and self.output[-1]:
            self.output.append("")

    def _indent_to(self, indent: int) -> None:
        self.line_indent = indent
        self.line = INDENT * indent

    def _heredoc(self, token: Token) -> None:
        node, _ = heredoc_value(self.source, token.start_pos, token.end_pos)
        prefix = INDENT * (self.line_indent + 1)
        self.output.append(f"{self.line}<<~{node.tag}")
        has_lines = token.count("\n") > 1
        if has_lines:
            self.output += [prefix + line if line else "" for line in node.value.split("\n")]
        self.line = prefix + node.tag


def _space(before: str, previous: str, kind: str) -> str:
    """The space between two tokens of a line; `before` is the one before `previous`."""
    if previous == "_DOT" or kind == "_DOT" or (kind == "LPAR" and previous == "NAME"):
        return ""
    is_unary = previous == "SIGN" and before not in _VALUE_ENDS
    return "" if is_unary else " "
