"""Slips that are known: another language's spelling, an open string, a missing comma. Each has its words and its fix."""

from __future__ import annotations

from collections.abc import Callable

from mixwright_dsl.borrowed import BORROWED
from mixwright_dsl.diagnostic import Applicability, Diagnostic, Edit, Fix, Label, error
from mixwright_dsl.foreign import QUOTES
from mixwright_dsl.stuck import OPERATORS, RESERVED, VALUE_ENDS, VALUE_STARTS, Mistake, Place
from mixwright_dsl.tree import missing_equal

CURRENCIES = "$€£¥"

# Known slips. Each looks at the place and returns what it recognises, or None.


def _open_string(place: Place) -> Mistake | None:
    if place.token.type != "OPEN_STRING":
        return None
    line = place.source.text[place.span.start : place.span.end].rstrip()
    end = place.source.span(place.span.start + len(line), place.span.start + len(line))
    fix = Fix("close the string", (Edit(end, '"'),), Applicability.MAYBE)
    diagnostic = error(
        "MIX003",
        "string is not closed on its line",
        place.span,
        "opened here",
        hint='end it with `"`; text of several lines goes in a heredoc: `<<~TEXT`',
        fix=fix,
    )
    return _replaced_by_value(place, diagnostic)


def _open_heredoc(place: Place) -> Mistake | None:
    if place.token.type != "OPEN_HEREDOC":
        return None
    opener, *body = place.token.split("\n")
    tag = opener.lstrip("<~- ").split(" ")[0].strip("\"'")
    span = place.source.span(place.span.start, place.span.start + len(opener.rstrip()))
    if opener.startswith("<<<<<<<"):
        hint = "keep one of the versions, and delete the other with all marks"
        return Mistake(error("MIX001", "the mark of a merge is still in the file", span, hint=hint))
    message = f"heredoc `{opener.strip()}` is not closed"
    hint = f"write `{tag}` on a line of its own where the text ends"
    secondary: tuple[Label, ...] = ()
    if not opener.startswith("<<~") or not tag.isidentifier() or tag != tag.upper():
        message = f"`{opener.strip()}` does not open a heredoc"
        hint = "a heredoc opens with `<<~` and a tag in capitals, such as `<<~TEXT`"
    elif opener[3 + len(tag) :].strip():
        message = f"nothing may follow `<<~{tag}` on its line"
        hint = "begin the text on the next line"
    else:
        offset = place.span.start + len(opener) + 1
        for line in body:
            if line.strip().lower().startswith(tag.lower()):
                at = offset + len(line) - len(line.lstrip())
                near = place.source.span(at, offset + len(line))
                secondary = (Label(near, f"does not close it: only `{tag}` may stand on that line"),)
                break
            offset += len(line) + 1
    diagnostic = error("MIX003", message, span, "opened here", hint=hint, secondary=secondary)
    return _replaced_by_value(place, diagnostic)


def _replaced_by_value(place: Place, diagnostic: Diagnostic) -> Mistake:
    """Go on as if a number stood there: it has no findings of its own."""
    if "QUANTITY" not in place.accepts:
        return Mistake(diagnostic)
    return Mistake(diagnostic, place.index, place.index + 1, (place.new("QUANTITY", "0"),))


def _single_quotes(place: Place) -> Mistake | None:
    if place.token.type != "QUOTED":
        return None
    inner = str(place.token)[1:-1].replace('"', '\\"')
    fix = Fix("use double quotes", (Edit(place.span, f'"{inner}"'),))
    hint = f'write `"{inner}"`'
    diagnostic = error("MIX005", "strings are written in double quotes", place.span, hint=hint, fix=fix)
    return _replaced_by_value(place, diagnostic)


def _colon(place: Place) -> Mistake | None:
    if place.token.type != "COLON" or "_EQUAL" not in place.accepts:
        return None
    start = place.previous.end_pos
    is_walrus = place.next.type == "_EQUAL" and place.is_joined(place.token, place.next)
    end = place.span.end + (1 if is_walrus else 0)
    while place.source.text[end : end + 1] in (" ", "\t"):
        end += 1
    fix = Fix("use `=`", (Edit(place.source.span(start, end), " = "),))
    diagnostic = error("MIX005", "found `:` where `=` is expected", place.span, hint="write `=`", fix=fix)
    replacement = () if is_walrus else (place.new("_EQUAL", "="),)
    return Mistake(diagnostic, place.index, place.index + 1, replacement)


def _quoted_name(place: Place) -> Mistake | None:
    is_key = place.token.type in ("STRING", "QUOTED") and place.next.type in ("COLON", "_EQUAL")
    if not is_key or "NAME" not in place.accepts:
        return None
    name = str(place.token)[1:-1]
    is_name = name.isidentifier() and name.isascii()
    fix = None
    if is_name:
        key = place.source.span(place.span.start, place.next.end_pos or place.span.end)
        fix = Fix("remove the quotes", (Edit(key, f"{name} ="),))
    hint = f"write `{name} = ...`" if is_name else "a name has letters, digits and `_` only"
    diagnostic = error("MIX005", "attribute names are written without quotes", place.span, hint=hint, fix=fix)
    replacement = (place.new("NAME", name if is_name else "_"), place.new("_EQUAL", "=", place.next))
    return Mistake(diagnostic, place.index, place.index + 2, replacement)


def _semicolon(place: Place) -> Mistake | None:
    if place.token.type != "SEMICOLON":
        return None
    is_last = place.next.type in ("_NL", "RBRACE", "$END")
    fix = Fix("remove it" if is_last else "use a comma", (Edit(place.span, "" if is_last else ","),))
    message = "statements end at a new line or a comma, not at `;`"
    replacement = () if is_last else (place.new("_COMMA", ","),)
    return Mistake(error("MIX005", message, place.span, fix=fix), place.index, place.index + 1, replacement)


def _comparison_as_assignment(place: Place) -> Mistake | None:
    if str(place.token) != "==" or "_EQUAL" not in place.accepts:
        return None
    fix = Fix("use `=`", (Edit(place.span, "="),))
    diagnostic = error("MIX005", "found `==` where `=` is expected", place.span, hint="write `=`", fix=fix)
    return Mistake(diagnostic, place.index, place.index + 1, (place.new("_EQUAL", "="),))


def _assignment_as_comparison(place: Place) -> Mistake | None:
    if place.token.type != "_EQUAL" or "COMPARE" not in place.accepts:
        return None
    fix = Fix("use `==`", (Edit(place.span, "=="),), Applicability.MAYBE)
    message = "found `=` inside an expression"
    diagnostic = error("MIX005", message, place.span, hint="write `==` to compare", fix=fix)
    return Mistake(diagnostic, place.index, place.index + 1, (place.new("COMPARE", "=="),))


def _sign_before_block(place: Place) -> Mistake | None:
    is_sign = place.token.type in ("_EQUAL", "COLON")
    if not is_sign or "LBRACE" not in place.accepts or place.next.type != "LBRACE":
        return None
    if place.token.type == "COLON" and "_EQUAL" in place.accepts:
        return None
    start = place.previous.end_pos
    fix = Fix(f"remove the `{place.token}`", (Edit(place.source.span(start, place.span.end), ""),))
    message = f"no `{place.token}` stands between a block's labels and its `{{`"
    return Mistake(error("MIX005", message, place.span, fix=fix), place.index, place.index + 1, ())


def _other_languages_operator(place: Place) -> Mistake | None:
    pair = str(place.token) + str(place.next)
    if place.token.type == "STRAY" and pair in ("&&", "||"):
        kind, word, count = ("AND", "and", 2) if pair == "&&" else ("OR", "or", 2)
    elif str(place.token) == "!" and place.token.type == "STRAY" and "NOT" in place.accepts:
        kind, word, count = "NOT", "not", 1
    else:
        return None
    written = pair[:count]
    span = place.source.span(place.span.start, place.span.start + count)
    typed = f"{word} " if count == 1 else word
    fix = Fix(f"use `{word}`", (Edit(span, typed),))
    diagnostic = error("MIX005", f"`{written}` is written `{word}`", span, hint=f"write `{word}`", fix=fix)
    return Mistake(diagnostic, place.index, place.index + count, (place.new(kind, word),))


def _other_languages_comment(place: Place) -> Mistake | None:
    # The parser may have taken the first sign as an operator and stuck at the second.
    at = place.index
    for first in (at, at - 1):
        pair = place.tokens[max(first, 0) : first + 2]
        if len(pair) < 2 or not place.is_joined(pair[0], pair[1]):
            continue
        written = "".join(pair)
        if written not in ("//", "/*", "--") or (written == "--" and not place.starts_statement()):
            continue
        span = place.source.span(pair[0].start_pos, pair[1].end_pos)
        fix = Fix("use `#`", (Edit(span, "#"),)) if written != "/*" else None
        end = first
        while end < len(place.tokens) and place.tokens[end].type != "_NL":
            end += 1
        diagnostic = error("MIX005", "comments begin with `#`", span, hint="write `#`", fix=fix)
        return Mistake(diagnostic, first, end, ())
    return None


def _operator_on_next_line(place: Place) -> Mistake | None:
    if place.token.type not in OPERATORS - {"NOT"} or place.previous.type != "_NL" or place.index < 2:
        return None
    before = place.tokens[place.index - 2]
    if before.type not in VALUE_ENDS or before.type == "RBRACE":
        return None
    diagnostic = error(
        "MIX001",
        f"a statement cannot begin with `{place.token}`",
        place.span,
        "the expression ended with the line before",
        hint=f"put `{place.token}` at the end of the line before, or the whole expression in parentheses",
    )
    return Mistake(diagnostic, place.index - 1, place.index, ())


def _reserved_name(place: Place) -> Mistake | None:
    if place.token.type not in RESERVED or "NAME" not in place.accepts or place.token.type in place.accepts:
        return None
    is_label = {"LBRACE", "STRING", "_NL"} <= place.accepts
    if place.token.type in OPERATORS and place.next.type != "_EQUAL" and not is_label:
        return None
    message = f"`{place.token}` is a reserved word and cannot be a name"
    return Mistake(
        error("MIX001", message, place.span), place.index, place.index + 1, (place.new("NAME", "_"),)
    )


def _missing_comma(place: Place) -> Mistake | None:
    if "_COMMA" not in place.accepts or place.token.type not in VALUE_STARTS - {"SIGN"}:
        return None
    if place.previous.type == "_NL":
        before = next((t for t in reversed(place.tokens[: place.index]) if t.type != "_NL"), place.previous)
    else:
        before = place.previous
    enclosing = place.enclosing()
    at = place.source.span(before.end_pos, before.end_pos)
    if enclosing in ("LSQB", "LPAR"):
        what = "items of a list" if enclosing == "LSQB" else "arguments"
        fix = Fix("add a comma", (Edit(at, ","),))
        message = f"missing `,` between {what}"
    elif place.token.type == "NAME" and place.next.type in ("_EQUAL", "COLON", "LBRACE", "NAME", "STRING"):
        fix = Fix("add a comma", (Edit(at, ","),))
        message = "missing `,` or new line between statements"
    else:
        return None
    is_same_line = at.position.line == place.span.position.line
    where, label = (at.to(place.span), "before this") if is_same_line else (at, "missing here")
    diagnostic = error("MIX005", message, where, label, fix=fix)
    return Mistake(diagnostic, place.index, place.index, (place.new("_COMMA", ","),))


def _missing_equal(place: Place) -> Mistake | None:
    is_label = {"LBRACE", "STRING", "_NL"} <= place.accepts
    if not is_label or place.token.type not in VALUE_STARTS | {"SIGN", "QUOTED"} - {"LBRACE"}:
        return None
    first = place.index
    while first and place.tokens[first - 1].type in ("NAME", "STRING", "QUANTITY", "_DOT"):
        first -= 1
    name = place.tokens[first]
    if name.type != "NAME" or first == place.index:
        return None
    equal = place.new("_EQUAL", "=", name)
    return Mistake(missing_equal(str(name), place.span_of(name)), first + 1, first + 1, (equal,))


def _let_without_braces(place: Place) -> Mistake | None:
    if place.token.type != "_EQUAL" or "LBRACE" not in place.accepts or place.previous.type != "NAME":
        return None
    first = place.tokens[place.index - 2] if place.index >= 2 else place.previous
    if first.type != "NAME":
        return None
    hint = f"write `{place.previous} = ...`, or `{first} {place.previous} {{ ... }}`"
    if str(first) in ("let", "const", "var"):
        hint = f"write `let {{ {place.previous} = ... }}`"
    message = f"unexpected `=` after `{first} {place.previous}`"
    return Mistake(error("MIX001", message, place.span, "expected `{` or a new line", hint=hint))


def _foreign_letters(place: Place) -> Mistake | None:
    if place.token.type != "STRAY" or not str(place.token).isalpha():
        return None
    end = place.index
    while end + 1 < len(place.tokens) and place.is_joined(place.tokens[end], place.tokens[end + 1]):
        if place.tokens[end + 1].type not in ("STRAY", "NAME"):
            break
        end += 1
    span = place.span.to(place.span_of(place.tokens[end]))
    hint = "names have the letters a-z, digits and `_`; any other text goes in double quotes"
    return Mistake(error("MIX001", f"unexpected `{span.text}`", span, hint=hint))


def _typographic(place: Place) -> Mistake | None:
    character = str(place.token)
    if place.token.type != "STRAY":
        return None
    if character in QUOTES or character == "'":
        fix = Fix('use `"`', (Edit(place.span, '"'),), Applicability.MAYBE)
        message = f'found `{character}` where `"` is meant'
        return Mistake(error("MIX005", message, place.span, hint='write `"`', fix=fix))
    return None


def _currency(place: Place) -> Mistake | None:
    """`25$`, `$ 25`, `25€`: a sign of money beside a number."""
    if str(place.token) not in CURRENCIES:
        return None
    is_behind = place.previous.type == "QUANTITY"
    if not is_behind and place.next.type != "QUANTITY":
        return None
    number = place.previous if is_behind else place.next
    right = f"${number}"
    whole = place.span_of(number).to(place.span) if is_behind else place.span.to(place.span_of(number))
    is_dollar = str(place.token) == "$"
    message = (
        "the `$` of an amount of money stands before it"
        if is_dollar and is_behind
        else f"an amount of money is written `{right}`"
        if is_dollar
        else f"amounts of money are in US dollars, here `{whole.text}`"
    )
    fix = Fix(f"write `{right}`", (Edit(whole, right),), Applicability.MAYBE) if is_dollar else None
    hint = f"write `{right}`" if is_dollar else "for example `$25`"
    first = place.index - 1 if is_behind else place.index
    replacement = (place.new("QUANTITY", "$0", number),)
    return Mistake(error("MIX005", message, whole, hint=hint, fix=fix), first, first + 2, replacement)


SLIPS: tuple[Callable[[Place], Mistake | None], ...] = (
    *BORROWED,
    _open_string,
    _open_heredoc,
    _quoted_name,
    _single_quotes,
    _sign_before_block,
    _colon,
    _semicolon,
    _comparison_as_assignment,
    _missing_equal,
    _let_without_braces,
    _other_languages_operator,
    _other_languages_comment,
    _assignment_as_comparison,
    _reserved_name,
    _operator_on_next_line,
    _missing_comma,
    _foreign_letters,
    _typographic,
    _currency,
)
"""In order: the more telling first."""
