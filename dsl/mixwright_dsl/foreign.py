"""What is no text of this language at all, taken out before brackets are looked at: wide signs, hidden characters,
curly quotes, text in triple quotes, block comments, the marks of a merge.

Each is told once with its fix, and the text goes on with the language's own signs in their places, every character at
its own offset.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

from mixwright_dsl.diagnostic import Applicability, Diagnostic, Edit, Fix, Label, error
from mixwright_dsl.source import SourceFile, Span
from mixwright_dsl.stuck import described_character
from mixwright_dsl.tokens import Token

_LIKE_ASCII = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
SIGNS = _LIKE_ASCII | {
    "\N{FULLWIDTH COLON}": "=",
    "\N{FULLWIDTH SEMICOLON}": ",",
    "\N{IDEOGRAPHIC COMMA}": ",",
    "\N{LEFT BLACK LENTICULAR BRACKET}": "[",
    "\N{RIGHT BLACK LENTICULAR BRACKET}": "]",
    "\N{MINUS SIGN}": "-",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{MULTIPLICATION SIGN}": "*",
}
"""Signs, letters and digits that other keyboards and text processors write for the language's own."""

QUOTES = {
    "“": "”“",
    "”": "”",
    "„": "“”",
    "‟": "”",
    "‘": "’",
    "’": "’",
    "‚": "‘’",
    "«": "»",
    "»": "«",
    "「": "」",
}
"""Opening quotes with those that may close them."""

LINE_ENDS = "\r\v\f\x1c\x1d\x1e\x85\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}"

_CONFLICT = re.compile(r"^(?:<{7}|\|{7}|={7}|>{7})(?: [^\n]*)?$", re.MULTILINE)


def without_foreign(
    source: SourceFile, tokens: list[Token], lex: Callable[[str], list[Token]]
) -> tuple[list[Token], list[Diagnostic]]:
    """The tokens with the language's own signs, and what was wrong; the same tokens when nothing was."""
    text, findings = source.text, []
    for clean in (_without_conflicts, _without_long_texts, _without_comments, _without_signs):
        changed, found = clean(source, text, tokens)
        if found:
            text, tokens = changed, lex(changed)
            findings += found
    return tokens, findings


Cleaned = tuple[str, list[Diagnostic]]


def _blank(text: str, start: int, end: int) -> str:
    """The text with spaces in a range, but for its line ends."""
    return text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]


def _without_conflicts(source: SourceFile, text: str, tokens: list[Token]) -> Cleaned:
    """Keeps the first of the versions between the marks."""
    if not any(t.startswith(("<<<<<<<", ">")) for t in tokens if t.column == 1):
        return text, []
    findings: list[Diagnostic] = []
    marks = list(_CONFLICT.finditer(text))
    position = 0
    while position < len(marks):
        first = marks[position]
        last = next((i for i in range(position, len(marks)) if marks[i][0].startswith(">")), None)
        if not first[0].startswith("<") or last is None:
            position += 1
            continue
        inner = marks[position + 1 : last + 1]
        secondary = tuple(Label(source.span(m.start(), m.end()), "") for m in inner)
        span = source.span(first.start(), first.end())
        hint = "keep one of the versions, and delete the other with all marks"
        findings.append(
            error(
                "MIX001", "the marks of a merge are still in the file", span, secondary=secondary, hint=hint
            )
        )
        text = _blank(text, first.start(), first.end())
        text = _blank(text, inner[0].start(), inner[-1].end())
        position = last + 1
    return text, findings


def _without_long_texts(source: SourceFile, text: str, tokens: list[Token]) -> Cleaned:
    findings: list[Diagnostic] = []
    done = 0
    for token in tokens:
        start = token.start_pos
        quotes = text[start : start + 3]
        if start < done or quotes not in ('"""', "'''") or token.type in ("HEREDOC", "_NL"):
            continue
        close = text.find(quotes, start + 3)
        end = len(text) if close < 0 else close + 3
        span = source.span(start, start + 3)
        message = f"text of several lines is a heredoc, not in `{quotes}`"
        fix = None if close < 0 else _heredoc_fix(source, start, close)
        hint = 'write `<<~TEXT`, the text on the next lines, and `TEXT` on a line of its own; or `"…"` for one line'
        findings.append(error("MIX003", message, span, "opened here", hint=hint, fix=fix))
        text = text[:start] + '"' + " " * (end - start - 2) + '"' + text[end:]
        done = end
    return text, findings


def _heredoc_fix(source: SourceFile, start: int, close: int) -> Fix:
    """A heredoc in the place of text in triple quotes; a string where it stands on one line."""
    body = source.text[start + 3 : close]
    whole = source.span(start, close + 3)
    if "\n" not in body:
        quoted = body.replace("\\", "\\\\").replace('"', '\\"')
        return Fix("use one quote", (Edit(whole, f'"{quoted}"'),))
    lines = body.split("\n")
    if not lines[0].strip():
        lines = lines[1:]
    if lines and not lines[-1].strip():
        lines = lines[:-1]
    line = source.line_text(whole.position.line)
    indent = line[: len(line) - len(line.lstrip())] + "  "
    full = [each for each in lines if each.strip()]
    common = min((len(each) - len(each.lstrip(" \t")) for each in full), default=0)
    tag = "JINJA" if "{{" in body or "{%" in body else "TEXT"
    written = "\n".join(indent + each[common:] if each.strip() else "" for each in lines)
    return Fix("make it a heredoc", (Edit(whole, f"<<~{tag}\n{written}\n{indent}{tag}"),))


def _without_comments(source: SourceFile, text: str, tokens: list[Token]) -> Cleaned:
    findings: list[Diagnostic] = []
    done = 0
    for token in tokens:
        start = token.start_pos
        opener = next((o for o in ("/*", "<!--") if text.startswith(o, start)), None)
        if start < done or opener is None or token.type not in ("SCALE", "COMPARE"):
            continue
        closer = "*/" if opener == "/*" else "-->"
        close = text.find(closer, start)
        end = len(text) if close < 0 else close + len(closer)
        inner = text[start + len(opener) : end if close < 0 else close]
        rest = text[end:].partition("\n")[0].strip()
        comment = "\n".join(f"# {line.strip().lstrip('* ')}".rstrip() for line in inner.strip().split("\n"))
        fix = Fix("use `#`", (Edit(source.span(start, end), "" if rest else comment),))
        span = source.span(start, start + len(opener))
        findings.append(error("MIX005", "comments begin with `#`", span, hint="write `#`", fix=fix))
        text = _blank(text, start, end)
        done = end
    return text, findings


def _without_signs(source: SourceFile, text: str, tokens: list[Token]) -> Cleaned:
    """Wide signs, characters that cannot be seen, and curly quotes; one finding for each line."""
    edits: dict[int, list[tuple[Edit, str]]] = {}
    characters = list(text)
    done = 0
    for token in tokens:
        start = token.start_pos
        if token.type != "STRAY" or start < done:
            continue
        character = str(token)
        if character in QUOTES:
            close = _closing(text, start)
            if close is None:
                continue
            for at in (start, close):
                characters[at] = '"'
            pair = [Edit(source.span(at, at + 1), '"') for at in (start, close)]
            edits.setdefault(pair[0].span.position.line, []).extend((edit, '"') for edit in pair)
            done = close + 1
            continue
        plain = _plain(text, start, character)
        if plain is None:
            continue
        inside, typed = plain
        characters[start] = inside
        edit = Edit(source.span(start, start + 1), typed)
        edits.setdefault(edit.span.position.line, []).append((edit, inside))
    findings = [_told(list(several)) for several in edits.values()]
    return "".join(characters), findings


def _plain(text: str, at: int, character: str) -> tuple[str, str] | None:
    """What a character is read as, and what should be typed for it; None for one that means nothing."""
    if character in SIGNS:
        return SIGNS[character], SIGNS[character]
    if character in LINE_ENDS:
        return "\n", "\n"
    if character.isspace():
        return " ", " "
    if character.isprintable():
        return None
    # A hidden character within a word splits it for the reader of the text alone.
    is_inside = at > 0 and text[at - 1 : at].isalnum() and text[at + 1 : at + 2].isalnum()
    return ("_" if is_inside else " "), ""


def _closing(text: str, start: int) -> int | None:
    """The quote on the same line that closes the one at `start`; None when a plain quote would end it before."""
    closers = QUOTES[text[start]]
    end = text.find("\n", start)
    line = text[start + 1 : len(text) if end < 0 else end]
    for offset, character in enumerate(line):
        if character in '"\\':
            return None
        after = line[offset + 1 : offset + 2]
        if character in closers and not (character == "’" and after.isalpha()):
            return start + 1 + offset
    return None


def _told(edits: Iterable[tuple[Edit, str]]) -> Diagnostic:
    several = [edit for edit, _ in edits]
    span: Span = several[0].span
    character, plain = span.text, several[0].replacement
    if character.isprintable() and not character.isspace():
        applicability = Applicability.MAYBE if character in QUOTES else Applicability.MACHINE
        fix = Fix(f"use `{plain}`", tuple(several), applicability)
        message = f"found `{character}` where `{plain}` is meant"
        return error("MIX005", message, span, hint=f"write `{plain}`", fix=fix)
    what = "delete it" if not plain else "use a line end" if plain == "\n" else "use a space"
    fix = Fix(what, tuple(several))
    name = described_character(character)
    if unicodedata.category(character) != "Cc" or character in LINE_ENDS:
        return error("MIX001", f"unexpected {name}", span, "cannot be seen", hint=what, fix=fix)
    return error("MIX001", f"unexpected {name}", span, hint=what, fix=fix)
