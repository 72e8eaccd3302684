"""Operators and forms of other languages inside a value, each with how it is written here."""

from __future__ import annotations

from mixwright_dsl.diagnostic import Applicability, Diagnostic, Edit, Fix, error
from mixwright_dsl.grammar import CLOSERS, OPENERS
from mixwright_dsl.stuck import VALUE_ENDS, Mistake, Place
from mixwright_dsl.tokens import Token

SAME = {"===": "==", "!==": "!=", "<>": "!=", "=>": "=", "->": "=", "+=": "=", "<-": "=", "~=": "=="}
"""Operators of other languages and the ones that they are here."""

UNITS = (
    "k",
    "M",
    "G",
    "Ki",
    "Mi",
    "Gi",
    "ms",
    "s",
    "m",
    "h",
    "d",
    "KB",
    "MB",
    "GB",
    "TB",
    "KiB",
    "MiB",
    "GiB",
    "TiB",
)


def value_end(place: Place, index: int) -> int:
    """Index after the value that `index` is in: at its comma, line end or closing bracket."""
    depth = 0
    while index < len(place.tokens):
        kind = place.tokens[index].type
        if kind in OPENERS:
            depth += 1
        elif kind in CLOSERS:
            if depth == 0:
                break
            depth -= 1
        elif depth == 0 and kind in ("_NL", "_COMMA"):
            break
        index += 1
    return index


def value_start(place: Place, index: int) -> int:
    """Index of the first token of the value that `index` is in: after its `=`, comma, line end or opening bracket."""
    depth = 0
    while index > 0:
        kind = place.tokens[index - 1].type
        if kind in CLOSERS:
            depth += 1
        elif kind in OPENERS:
            if depth == 0:
                break
            depth -= 1
        elif depth == 0 and kind in ("_NL", "_COMMA", "_EQUAL"):
            break
        index -= 1
    return index


def _text(place: Place, start: int, end: int) -> str:
    if end <= start:
        return ""
    return place.source.text[place.tokens[start].start_pos : place.tokens[end - 1].end_pos]


def _rewritten(
    place: Place, start: int, end: int, message: str, right: str, at: Token | None = None
) -> Mistake:
    """The tokens `start:end` are one value, which should be written `right`."""
    whole = place.span_of(place.tokens[start]).to(place.span_of(place.tokens[end - 1]))
    fix = Fix(f"write `{right}`", (Edit(whole, right),), Applicability.MAYBE)
    span = place.span if at is None else place.span_of(at)
    diagnostic = error("MIX005", message, span, hint=f"write `{right}`", fix=fix)
    return Mistake(diagnostic, start, end, (place.new("QUANTITY", "0", place.tokens[start]),))


def operator(place: Place) -> Mistake | None:
    """`===`, `<>`, `=>`, `->`, `+=`."""
    for first in (place.index, place.index - 1):
        pair = place.tokens[max(first, 0) : first + 2]
        if len(pair) < 2 or not place.is_joined(pair[0], pair[1]):
            continue
        written = f"{pair[0]}{pair[1]}"
        right = SAME.get(written)
        if right is None:
            continue
        is_assignment = right == "="
        if is_assignment and value_start(place, first) != first and pair[0].type != "_EQUAL":
            before = place.tokens[first - 1]
            if before.type not in ("NAME", "STRING"):
                continue
        span = place.span_of(pair[0]).to(place.span_of(pair[1]))
        fix = Fix(f"use `{right}`", (Edit(span, right),))
        kind = "_EQUAL" if is_assignment else "COMPARE"
        diagnostic = error(
            "MIX005", f"`{written}` is written `{right}`", span, hint=f"write `{right}`", fix=fix
        )
        return Mistake(diagnostic, first, first + 2, (place.new(kind, right, pair[0]),))
    return None


def word_operator(place: Place) -> Mistake | None:
    """`AND`, `Or`, `is null`, `is not null`."""
    if place.token.type != "NAME" or place.previous.type not in VALUE_ENDS or "COMPARE" not in place.accepts:
        return None
    word = str(place.token)
    folded = word.lower()
    if folded in ("and", "or", "in", "not") and word != folded:
        fix = Fix(f"use `{folded}`", (Edit(place.span, folded),))
        diagnostic = error(
            "MIX005", f"`{word}` is written `{folded}`", place.span, hint=f"write `{folded}`", fix=fix
        )
        return Mistake(diagnostic, place.index, place.index + 1, (place.new(folded.upper(), folded),))
    if folded != "is":
        return None
    is_not = str(place.next).lower() == "not"
    last = place.index + (2 if is_not else 1)
    if last >= len(place.tokens) or str(place.tokens[last]).lower() not in ("null", "none"):
        return None
    start = _operand(place, place.index)
    right = f"{'not ' if is_not else ''}is_null({_text(place, start, place.index)})"
    return _rewritten(place, start, last + 1, f"`{_text(place, place.index, last + 1)}` is a function", right)


def _operand(place: Place, index: int) -> int:
    """Index of the first token of the operand that ends before `index`: a name, a call, a literal."""
    tokens, start = place.tokens, index
    if start and tokens[start - 1].type in CLOSERS:
        depth = 0
        while start > 0:
            start -= 1
            kind = tokens[start].type
            depth += (kind in CLOSERS) - (kind in OPENERS)
            if depth == 0:
                break
        if not start or tokens[start - 1].type != "NAME":
            return start  # a list or a parenthesis
    elif start and tokens[start - 1].type in VALUE_ENDS and tokens[start - 1].type != "NAME":
        return start - 1
    while start > 0 and tokens[start - 1].type in ("NAME", "_DOT"):
        start -= 1
        if tokens[start].type == "NAME" and (not start or tokens[start - 1].type != "_DOT"):
            break
    return start


def ternary(place: Place) -> Mistake | None:
    """`c ? a : b`, and `a if c else b`."""
    start, end = value_start(place, place.index), value_end(place, place.index)
    at = place.index
    if place.token.type == "STRAY" and str(place.token) == "?":
        middle = next((i for i in range(at + 1, end) if place.tokens[i].type == "COLON"), None)
        parts = middle and (
            _text(place, start, at),
            _text(place, at + 1, middle),
            _text(place, middle + 1, end),
        )
        message = "there is no `? :`"
    elif str(place.token) == "if" and place.previous.type in VALUE_ENDS and "COMPARE" in place.accepts:
        middle = next((i for i in range(at + 1, end) if str(place.tokens[i]) == "else"), None)
        parts = middle and (
            _text(place, at + 1, middle),
            _text(place, start, at),
            _text(place, middle + 1, end),
        )
        message = "there is no `… if … else …`"
    else:
        return None
    if not parts or not all(parts) or start == at:
        return None
    return _rewritten(place, start, end, message, f"if({parts[0]}, {parts[1]}, {parts[2]})")


def index(place: Place) -> Mistake | None:
    """`q[0]`, `q["name"]`."""
    joined = place.is_joined(place.previous, place.token) and place.previous.type in ("NAME", "RPAR", "RSQB")
    if place.token.type != "LSQB" or not joined or "COMPARE" not in place.accepts:
        return None
    close = value_end(place, place.index + 1)
    if close >= len(place.tokens) or place.tokens[close].type != "RSQB":
        return None
    start = _operand(place, place.index)
    operand, key = _text(place, start, place.index), place.tokens[place.index + 1]
    inner = _text(place, place.index + 1, close)
    if key.type in ("STRING", "QUOTED") and close == place.index + 2:
        name = inner[1:-1]
        is_name = name.isidentifier() and place.previous.type == "NAME"
        right = f"{operand}.{name}" if is_name else f'field({operand}, "{name}")'
    else:
        right = f"item({operand}, {inner})"
    return _rewritten(place, start, close + 1, "nothing is taken out with `[ ]`", right)


def pipe(place: Place) -> Mistake | None:
    """`q | upper`, as templates have it."""
    if str(place.token) != "|" or place.next.type != "NAME" or str(place.after_next) == "|":
        return None
    start, end = _operand(place, place.index), place.index + 2
    if start == place.index:
        return None
    arguments = ""
    if end < len(place.tokens) and place.tokens[end].type == "LPAR":
        close = end + 1
        while close < len(place.tokens) and place.tokens[close].type != "RPAR":
            close = value_end(place, close)
            close += close < len(place.tokens) and place.tokens[close].type in ("_COMMA", "_NL")
        arguments = _text(place, end + 1, close)
        end = min(close + 1, len(place.tokens))
    operand = _text(place, start, place.index)
    right = f"{place.next}({operand}{', ' if arguments else ''}{arguments})"
    return _rewritten(place, start, end, "filters with `|` are for templates; here they are functions", right)


def thousands(place: Place) -> Mistake | None:
    """`149,960`: a comma ends the statement, so what follows would be another."""
    tokens, at = place.tokens, place.index
    if place.token.type != "QUANTITY" or at < 2 or not _is_group(place, at):
        return None
    first = at - 2
    while first >= 2 and _is_group(place, first):
        first -= 2
    end = at + 1
    while end + 1 < len(tokens) and tokens[end].type == "_COMMA" and _is_group(place, end + 1):
        end += 2
    right = _text(place, first, end).replace(",", "_")
    return _rewritten(place, first, end, "thousands are set apart with `_`", right, tokens[first])


def _is_group(place: Place, at: int) -> bool:
    number, comma, before = place.tokens[at], place.tokens[at - 1], place.tokens[at - 2]
    return (
        len(number) >= 3
        and number[:3].isdigit()
        and not number[3:4].isdigit()
        and comma.type == "_COMMA"
        and before.type == "QUANTITY"
        and place.is_joined(before, comma)
        and place.is_joined(comma, number)
    )


def unit(place: Place) -> Mistake | None:
    """`10 k`, `10 %`: a unit stands right behind its number."""
    word = str(place.token)
    if place.previous.type != "QUANTITY" or not (word in UNITS or word == "%") or place.next.type == "_EQUAL":
        return None
    right = f"{place.previous}{word}"
    return _rewritten(place, place.index - 1, place.index + 1, "a unit stands right behind its number", right)


def string_prefix(place: Place) -> Mistake | None:
    """`f"…"`, `r"…"`."""
    is_string = place.token.type in ("STRING", "QUOTED") and place.previous.type == "NAME"
    if not is_string or not place.is_joined(place.previous, place.token) or "_COMMA" not in place.accepts:
        return None
    prefix = place.span_of(place.previous)
    written, kind = str(place.token)[1:-1], str(place.previous).lower()
    right = f'"{written}"'
    if "r" in kind:
        right = right.replace("\\", "\\\\")
    if "f" in kind:
        right = _without_braces(place, written)
    whole = prefix.to(place.span)
    fix = Fix(f"write `{right}`", (Edit(whole, right),), Applicability.MAYBE)
    hint = f"write `{right}`"
    diagnostic: Diagnostic = error(
        "MIX001", f"strings take no prefix `{place.previous}`", prefix, hint=hint, fix=fix
    )
    # The string behind the prefix stays as the value, but its escapes were meant to be raw: report nothing of them.
    return Mistake(diagnostic, place.index - 1, place.index + 1, (place.new("QUANTITY", "0"),))


def _without_braces(place: Place, written: str) -> str:
    """A template with `{{ q }}` for `{q}`; elsewhere texts that are joined."""
    import re

    start = value_start(place, place.index - 1)
    name = str(place.tokens[start - 2]) if start >= 2 else ""
    if name in ("user", "system", "assistant"):
        return '"' + re.sub(r"\{\s*([^{}!:]+?)\s*(?:[!:][^{}]*)?\}", r"{{ \1 }}", written) + '"'
    parts = []
    for number, part in enumerate(re.split(r"\{\s*([^{}!:]+?)\s*(?:[!:][^{}]*)?\}", written)):
        if number % 2:
            parts.append(f"text({part})")
        elif part:
            parts.append(f'"{part}"')
    return " + ".join(parts) or '""'


def half_curly(place: Place) -> Mistake | None:
    """`"text”`: a curly quote closes nothing, so the text goes on to the next plain one."""
    for token in (place.token, place.previous):
        if token.type not in ("STRING", "OPEN_STRING"):
            continue
        at = next(
            (i for i, c in enumerate(token) if i and c in "“”„«»" and token[i + 1 : i + 2] in ",)]} \n"), None
        )
        if at is not None and token.count('"') != 0:
            start = token.start_pos + at
            span = place.source.span(start, start + 1)
            fix = Fix('use `"`', (Edit(span, '"'),), Applicability.MAYBE)
            return Mistake(
                error("MIX005", f'found `{token[at]}` where `"` is meant', span, hint='write `"`', fix=fix)
            )
    return None


def variable(place: Place) -> Mistake | None:
    """`$NAME`, `${NAME}`."""
    if str(place.token) != "$" or place.token.type != "STRAY":
        return None
    inside = place.next.type == "LBRACE"
    name = place.after_next if inside else place.next
    if name.type != "NAME":
        return None
    end = place.index + (4 if inside else 2)
    hint = f'a secret is `env("{name}")`; any other input is a `param`, set with `-p`'
    span = place.span.to(place.span_of(place.tokens[min(end, len(place.tokens)) - 1]))
    diagnostic = error("MIX005", f"`{span.text}` is no value here", span, hint=hint)
    return Mistake(diagnostic, place.index, end, (place.new("QUANTITY", "0"),))


BORROWED = (
    half_curly,
    ternary,
    index,
    pipe,
    thousands,
    unit,
    string_prefix,
    word_operator,
    operator,
    variable,
)
"""In order: the more telling first."""
