"""Says what is wrong where the parser cannot go on: known slips first, with their fix, then what was expected."""

from __future__ import annotations

from mixwright_dsl.diagnostic import Applicability, Diagnostic, Edit, Fix, error
from mixwright_dsl.slips import SLIPS
from mixwright_dsl.source import SourceFile
from mixwright_dsl.stuck import VALUE_STARTS, Mistake, Place, Stuck, described

SHAPE = "a statement is `name = value` or `kind label { ... }`"


def diagnose(source: SourceFile, stuck: Stuck) -> Mistake:
    """The mistake at the place where the parser stuck: the first known slip that fits, else what was expected."""
    place = Place(source, stuck)
    for slip in SLIPS:
        mistake = slip(place)
        if mistake is not None:
            return mistake
    return Mistake(_unexpected(place))


def _unexpected(place: Place) -> Diagnostic:
    expected = expectation(place.accepts)
    label = f"expected {expected}" if expected else ""
    if place.previous.type == "_EQUAL" and place.token.type in ("RBRACE", "_NL", "_COMMA", "$END"):
        end = place.end_of_previous()
        fix = Fix("write `…`", (Edit(end, " …"),), Applicability.PLACEHOLDER)
        hint = "write a value behind `=`"
        return error("MIX001", f"unexpected {described(place.token)}", place.span, label, hint=hint, fix=fix)
    hint = SHAPE if place.enclosing() in ("", "LBRACE") and not place.accepts >= VALUE_STARTS else ""
    return error("MIX001", f"unexpected {described(place.token)}", place.span, label, hint=hint)


def expectation(accepts: frozenset[str]) -> str:
    """What the parser would take, in words: `a value`, "`=`, a label or `{`"."""
    words: list[str] = []
    if VALUE_STARTS - {"LBRACE"} <= accepts:
        words.append("a value")
        rest = accepts - VALUE_STARTS
    else:
        rest = accepts
        if "_EQUAL" in rest:
            words.append("`=`")
        if {"NAME", "STRING", "QUANTITY"} <= rest:
            words.append("a label")
        elif "NAME" in rest:
            words.append("a name")
        if "LBRACE" in rest:
            words.append("`{`")
    if {"COMPARE", "SCALE"} <= rest:
        words.append("an operator")
    words += [text for kind, text in (("LPAR", "`(`"), ("RPAR", "`)`"), ("RSQB", "`]`")) if kind in rest]
    if "_NL" in rest:
        words.append("a new line" if "a name" not in words else "")
    if "_COMMA" in rest:
        words.append("`,`")
    if "RBRACE" in rest:
        words.append("`}`")
    words = [word for word in words if word]
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)
