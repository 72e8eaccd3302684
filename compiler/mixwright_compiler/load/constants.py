"""Constants: literals, `let` and `param` names, and arithmetic with units; and their conversion to attribute types.

Units: a bare number goes with everything. Two units meet only when they are the same, except that a share or a
bare number scales any of them. `10GB / 2GB` is a bare number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from mixwright_compiler.findings import Findings, Reported
from mixwright_compiler.schema import is_number
from mixwright_dsl.diagnostic import Applicability, Edit, Fix
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.nodes import (
    Attribute,
    Binary,
    Bool,
    Call,
    Expression,
    Heredoc,
    ListNode,
    Null,
    ObjectNode,
    Quantity,
    Ref,
    Text,
    Unary,
)
from mixwright_dsl.quantity import Unit
from mixwright_dsl.source import Span

UNIT_WORDS = {
    Unit.NUMBER: "a bare number",
    Unit.COUNT: "a count",
    Unit.SHARE: "a share",
    Unit.DURATION: "a duration",
    Unit.BYTES: "a size in bytes",
    Unit.MONEY: "an amount of money",
}

EXAMPLES = {
    "int": "3",
    "float": "0.7",
    "count": "50k",
    "share": "30%",
    "duration": "600s",
    "bytes": "512MiB",
    "money": "$25",
    "text": '"…"',
    "bool": "true",
    "path": '"data/rows.jsonl"',
    "secret": 'env("API_KEY")',
}
"""One value of each type as it is typed in, for hints."""


@dataclass(frozen=True)
class Constant:
    """A value known at compile time. `is_vouched`: built from a path that was given with `-p`."""

    value: Any
    unit: Unit = Unit.NUMBER
    is_vouched: bool = False
    parts_size: int = 0
    """Of a list or object, the characters in it: what is named twice counts twice, as it is written out twice."""

    @property
    def size(self) -> int:
        """Characters, about."""
        return 1 + (len(self.value) if isinstance(self.value, str) else self.parts_size)

    @property
    def is_number(self) -> bool:
        return is_number(self.value)

    @property
    def words(self) -> str:
        """What kind of value it is, for messages: `a share`, `text`."""
        if self.is_number:
            return UNIT_WORDS[self.unit]
        return kind_words(self.value)


def kind_words(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


LARGEST = 4_000_000
"""Characters that a constant may have. Chosen, as `mixwright_compiler.load.params.LARGEST_IN_ALL`."""

Lookup = Callable[[Ref], "Constant | None"]
"""The constant a name stands for, None when it names no constant; raises Reported for a broken one."""


def evaluate(node: Expression, lookup: Lookup, findings: Findings, *, bare_words: bool = False) -> Constant:
    """The value of a constant expression; with `bare_words` an unknown single name stands for itself.

    Raises:
        Reported: it is not constant, or its units do not go together.
    """
    match node:
        case Quantity(value, unit, _):
            return Constant(value, unit)
        case Text(value=value) | Heredoc(value=value) | Bool(value=value):
            return Constant(value)
        case Null():
            return Constant(None)
        case Ref():
            found = lookup(node)
            if found is not None:
                return found
            if bare_words and len(node.parts) == 1:
                return Constant(node.name)
            raise findings.error(
                "MIX119",
                f"`{node.name}` is not a constant",
                node.span,
                "a value known before the run is needed here",
                hint=f'text needs quotes: `"{node.name}"`',
                fix=Fix("put it in quotes", (Edit(node.span, f'"{node.name}"'),), Applicability.MAYBE),
            )
        case ListNode(items, _):
            parts = [evaluate(i, lookup, findings, bare_words=bare_words) for i in items]
            size = _check_size(sum(part.size for part in parts), node.span, findings)
            return Constant([part.value for part in parts], parts_size=size)
        case ObjectNode():
            return _object(node, lookup, findings, bare_words)
        case Unary(operator, operand, span):
            return _unary(operator, evaluate(operand, lookup, findings), span, findings)
        case Binary():
            left = evaluate(node.left, lookup, findings)
            right = evaluate(node.right, lookup, findings)
            return _binary(node, left, right, findings)
        case Call(function, _, _, span):
            if function.name == "env":
                raise findings.error(
                    "MIX804",
                    "`env(…)` is for secrets alone",
                    span,
                    "a value from the environment would change rows unseen",
                    hint="declare `param name { type = text }` and give it with `-p name=value`",
                )
            raise findings.error(
                "MIX119",
                f"`{function.name}(…)` is not a constant",
                span,
                "a value known before the run is needed here",
                hint="write the value itself",
            )


def _check_size(size: int, span: Span, findings: Findings) -> int:
    """Report a constant beyond LARGEST; returns its size."""
    if size > LARGEST:
        raise findings.error(
            "MIX119",
            f"the value is larger than {LARGEST:,} characters",
            span,
            "constants that name one another can double with every line",
            hint="keep large texts in a file that a source reads",
        )
    return size


def _object(node: ObjectNode, lookup: Lookup, findings: Findings, bare_words: bool) -> Constant:
    result: dict[str, Any] = {}
    size = 0
    for item in node.body:
        if not isinstance(item, Attribute):
            raise findings.error(
                "MIX121", f"`{item.kind}` is a block; an object holds `name = value` alone", item.kind_span
            )
        found = evaluate(item.value, lookup, findings, bare_words=bare_words)
        size = _check_size(size + len(item.name.name) + found.size, node.span, findings)
        result[item.name.name] = found.value
    return Constant(result, parts_size=size)


def _unary(operator: str, value: Constant, span: Span, findings: Findings) -> Constant:
    if operator == "not":
        if isinstance(value.value, bool):
            return Constant(not value.value)
        raise findings.error("MIX123", f"`not` takes true or false, here {value.words}", span)
    if not value.is_number:
        raise findings.error("MIX123", f"`{operator}` takes a number, here {value.words}", span)
    return Constant(-value.value if operator == "-" else value.value, value.unit)


def _binary(node: Binary, left: Constant, right: Constant, findings: Findings) -> Constant:
    a, b, operator = left.value, right.value, node.operator
    vouched = left.is_vouched or right.is_vouched
    if operator == "+" and isinstance(a, str) and isinstance(b, str):
        _check_size(len(a) + len(b), node.span, findings)
        return Constant(a + b, is_vouched=vouched)
    if operator in ("and", "or") and isinstance(a, bool) and isinstance(b, bool):
        return Constant((a and b) if operator == "and" else (a or b))
    if operator in ("==", "!="):
        return Constant((a == b) == (operator == "=="))
    if operator == "in" and isinstance(b, list):
        return Constant(a in b)
    if left.is_number and right.is_number:
        unit = _unit(node, left, right, findings)
        return _arithmetic(node, a, b, unit, findings)
    raise findings.error(
        "MIX123",
        f"`{operator}` does not go with {left.words} and {right.words}",
        node.operator_span,
        hint=_both_sides(node, a, b),
    )


def _both_sides(node: Binary, a: Any, b: Any) -> str:
    """What to write where two constants do not go together."""
    if node.operator in ("and", "or"):
        return "both sides are true or false, as `n > 3` is"
    if node.operator == "+" and (isinstance(a, str) or isinstance(b, str)):
        return 'texts are joined with texts: `"a" + "b"`'
    return "both sides need one type"


def _unit(node: Binary, left: Constant, right: Constant, findings: Findings) -> Unit:
    """Unit of the result of an arithmetic operator or comparison."""
    a, b, operator = left.unit, right.unit, node.operator
    if operator == "/" and a is b:
        return Unit.NUMBER
    if a is b:
        if operator != "*" or a in (Unit.NUMBER, Unit.SHARE, Unit.COUNT):
            return a
    elif operator == "/" and b in (Unit.NUMBER, Unit.SHARE, Unit.COUNT):
        return a
    elif operator == "*":
        for one, other in ((a, b), (b, a)):
            if one in (Unit.NUMBER, Unit.SHARE) or (one is Unit.COUNT and other is not Unit.SHARE):
                return other
    elif {a, b} <= {Unit.NUMBER, Unit.COUNT} or Unit.NUMBER in (a, b):
        return a if b is Unit.NUMBER else b
    raise findings.error(
        "MIX125",
        f"`{operator}` does not go with {left.words} and {right.words}",
        node.operator_span,
        hint="a factor has no unit" if a is b else "write both in the same unit",
    )


def _arithmetic(node: Binary, a: Any, b: Any, unit: Unit, findings: Findings) -> Constant:
    try:
        match node.operator:
            case "+":
                result = a + b
            case "-":
                result = a - b
            case "*":
                result = a * b
            case "/":
                result = a / b
            case "<":
                return Constant(a < b)
            case "<=":
                return Constant(a <= b)
            case ">":
                return Constant(a > b)
            case ">=":
                return Constant(a >= b)
            case _:
                raise findings.error(
                    "MIX123", f"`{node.operator}` does not go with numbers", node.operator_span
                )
    except ZeroDivisionError:
        raise findings.error("MIX119", "division by zero", node.span, "the divisor is 0") from None
    except OverflowError:
        raise findings.error("MIX119", "the number is too large", node.span) from None
    if isinstance(result, float) and not math.isfinite(result):
        raise findings.error("MIX119", "the number is too large", node.span)
    return Constant(result, unit)


UNITS = {
    "int": (Unit.NUMBER, Unit.COUNT),
    "float": (Unit.NUMBER, Unit.COUNT),
    "count": (Unit.NUMBER, Unit.COUNT),
    "share": (Unit.NUMBER, Unit.SHARE),
    "duration": (Unit.DURATION,),
    "bytes": (Unit.BYTES,),
    "money": (Unit.MONEY,),
}

TYPE_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "count": "a count",
    "share": "a share",
    "duration": "a duration",
    "bytes": "a size in bytes",
    "money": "an amount of money",
    "text": "text",
    "path": "a path",
    "bool": "true or false",
    "json": "a value",
}


def as_type(constant: Constant, type: str, subject: str, span: Span, findings: Findings) -> Any:
    """The constant as a value of a literal type of the catalog; `subject` is what the message is about.

    A count that arithmetic made fractional (`149_960 * 0.001`) is rounded to the nearest whole number; a count
    that is written with a fraction is refused.

    Raises:
        Reported: the value has another type (MIX107) or another unit (MIX125).
    """
    value = constant.value
    if type in ("json", "any"):
        return value
    if type in ("text", "path", "name"):
        if isinstance(value, str):
            return value
    elif type == "bool":
        if isinstance(value, bool):
            return value
    elif constant.is_number:
        return _as_number(constant, type, subject, span, findings)
    raise findings.error(
        "MIX107",
        f"{subject} takes {TYPE_WORDS.get(type, type)}, here {constant.words}",
        span,
        f"expected {TYPE_WORDS.get(type, type)}",
        hint=f"for example `{EXAMPLES.get(type, '…')}`",
    )


def _as_number(constant: Constant, type: str, subject: str, span: Span, findings: Findings) -> int | float:
    value, allowed = constant.value, UNITS.get(type)
    if allowed is None:
        raise Reported
    if constant.unit not in allowed:
        raise findings.error(
            "MIX125",
            f"{subject} takes {TYPE_WORDS[type]}, here {constant.words}",
            span,
            f"expected {TYPE_WORDS[type]}",
            hint=f"for example `{EXAMPLES[type]}`",
        )
    if type in ("int", "count"):
        if isinstance(value, float):
            is_written = not any(c in span.text for c in "*/+-") and span.text[:1].isdigit()
            if not value.is_integer() and is_written:
                raise findings.error(
                    "MIX107",
                    f"{subject} takes a whole number, here {value:g}",
                    span,
                    "expected a whole number",
                    hint=f"for example `{round(value)}`",
                )
            value = round(value)
        if abs(value) >= 2**63:
            raise findings.error("MIX117", f"{subject} is too large: {value}", span, "at most 2^63 - 1")
        return int(value)
    if type == "share" and not 0 <= value <= 1:
        written = f"`{value:g}%`" if constant.unit is Unit.NUMBER and 1 < value <= 100 else "`30%`"
        raise findings.error(
            "MIX117",
            f"{subject} is a share of 0% to 100%, here {value * 100:g}%",
            span,
            "out of range",
            hint=f"write {written}" if written != "`30%`" else "for example `30%`",
        )
    return float(value) if type in ("float", "share", "duration", "money") else value
