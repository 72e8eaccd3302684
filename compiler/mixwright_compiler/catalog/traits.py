"""What a step does, as far as other parts must know it: worked out from its declaration and its attributes.

The checks, the estimates and the run ask here and nowhere else. `lower` writes the answer into the plan, so a plan says
itself what is asked of which model, which verifiers look at all candidates of a row, and which step waits for all rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from mixwright_compiler.catalog.catalog import Asks, Entry
from mixwright_compiler.catalog.conditions import given, holds
from mixwright_compiler.catalog.references import named_in
from mixwright_dsl.lazy_dataclass import dataclass, field

PICK, PICKS_NONE, BAND = "pick", "all", "band"
UNKNOWN_ROWS = 8
"""Chosen: rows that a step is taken to make of one, and items of a column's list, while nothing says how many, and no run
has shown it."""
COUNT_IN = {"retry": 0, "repair": 1}
"""Calls of `on_fail` that ask again: the argument that says how often."""


@dataclass(frozen=True)
class RowRequests:
    """What a step asks models for one row.

    requests: how many there are, of all `models` together, as many of each. templates: where there are several, the
    share of the rows that is asked with each, as far as that can be told before. before: columns with what is said
    before the template's messages. max_tokens: longest answer; 0 for a
    score or a vector. writes: the column that the answers go into.
    """

    models: tuple[str, ...]
    requests: int
    template: str = ""
    templates: Mapping[str, float] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    max_tokens: int = 0
    writes: str = ""

    @property
    def asked_with(self) -> tuple[str, ...]:
        """The templates that its requests are written with."""
        return (*([self.template] if self.template else []), *self.templates)


@dataclass(frozen=True)
class Traits:
    """asks: its questions to models. calls: tool -> how often it is called for one row at most, `UNKNOWN_ROWS` times
    where nothing says so; what that asks of models is for the tool to say.

    compares: its verdict on one of a row's candidates needs the others. picks: of those that pass one goes on. bands:
    none does where too few or too many pass. needs_all_rows: it decides once, on all rows that ever reach it. spreads:
    rows that it makes of one at most, `UNKNOWN_ROWS` where nothing says so; 0 of a step that does not. folds: it makes
    one row of those again. loops: rows go several times through its body."""

    asks: tuple[RowRequests, ...] = ()
    calls: Mapping[str, int] = field(default_factory=dict)
    compares: bool = False
    picks: bool = False
    bands: bool = False
    needs_all_rows: bool = False
    spreads: int = 0
    folds: bool = False
    loops: bool = False

    @property
    def candidates(self) -> int:
        """Rows that it makes of one: an answer each, or an item each."""
        return self.spreads or prod(question.requests for question in self.asks if question.writes)

    @property
    def opens(self) -> bool:
        """It makes a group of rows of one."""
        return self.spreads > 0 or self.candidates > 1

    @property
    def closes(self) -> bool:
        """It leaves one row of a group at most."""
        return self.picks or self.folds

    @property
    def gathers(self) -> bool:
        """It decides on all candidates of a row together."""
        return self.compares or self.closes or self.bands

    @property
    def requests(self) -> int:
        """Requests for one row."""
        return sum(question.requests for question in self.asks)


NO_TRAITS = Traits()


def traits_of(entry: Entry | None, values: Mapping[str, Any], label: str = "") -> Traits:
    """The traits of a step with these attributes, bound or plain; none of an operation that is not known."""
    if entry is None:
        return NO_TRAITS
    asked = (_question(asks, entry, values, label) for asks in entry.asks if not asks.tools)
    return Traits(
        asks=tuple(question for question in asked if question is not None),
        calls=_calls(entry, values),
        compares=bool(entry.compares) and holds(entry.compares, entry, values),
        picks=given(entry, values, PICK) not in (None, PICKS_NONE),
        bands=given(entry, values, BAND) is not None,
        needs_all_rows=_is_all(entry, values),
        spreads=_most(entry, values),
        folds=entry.folds,
        loops=entry.loops,
    )


def _is_all(entry: Entry, values: Mapping[str, Any]) -> bool:
    stated = entry.needs_all_rows
    return holds(stated, entry, values) if isinstance(stated, str) else stated


def _most(entry: Entry, values: Mapping[str, Any]) -> int:
    """Rows that a step makes of one at most."""
    if not entry.spreads:
        return 0
    stated = given(entry, values, entry.spreads)
    return stated if isinstance(stated, int) else UNKNOWN_ROWS


def emitted_of(values: Mapping[str, Any]) -> int:
    """Rows that leave a loop of one that nothing drops, by the loop's attributes, plain."""
    if values.get("emit") == "last":
        return 1
    return int(values.get("times") or 1) + (values.get("start") == "keep")


def further_answers(on_fail: Any) -> int:
    """How many further answers a plain `on_fail` asks for: those of `retry(n)` and `repair(template, n)`, else none."""
    if not isinstance(on_fail, Mapping) or on_fail["call"] not in COUNT_IN:
        return 0
    counts = list(on_fail.get("args") or ())[COUNT_IN[on_fail["call"]] :]
    return int(counts[0]) if counts else 1


def _question(asks: Asks, entry: Entry, values: Mapping[str, Any], label: str) -> RowRequests | None:
    """None where it is not asked."""
    named = given(entry, values, asks.model)
    models = tuple(map(str, named)) if isinstance(named, list | tuple) else (str(named),) if named else ()
    schema = entry.attribute(asks.model)
    is_wanting = (
        not models and schema is not None and schema.required
    )  # reported, and somebody is asked all the same
    if not (models or is_wanting) or not holds(asks.when, entry, values):
        return None
    number = _sent(asks, entry, values) * _times(entry, values, asks.times)
    template, weights = _templates(entry, values, asks)
    return RowRequests(
        models=models,
        requests=max(1, len(models)) * number,
        template="" if isinstance(template, list | tuple) else str(template or ""),
        templates=_shares(template, weights),
        before=_columns_of(given(entry, values, asks.history)) if asks.history else (),
        max_tokens=_number(given(entry, values, asks.max_tokens)) if asks.max_tokens else 0,
        writes=asks.writes.replace("{label}", label),
    )


def _calls(entry: Entry, values: Mapping[str, Any]) -> dict[str, int]:
    """Tool -> how often a step calls it for one row at most."""
    found: dict[str, int] = {}
    for asks in entry.asks:
        if not asks.tools or not holds(asks.when, entry, values):
            continue
        outer, _, inner = asks.tools.partition(".")
        named = given(entry, values, outer) or ()
        if inner:
            counted = [name.partition(".")[2] for name in asks.times]
            called = [(block[inner], _product(block, counted)) for block in named if block.get(inner)]
        else:
            called = [(name, _times(entry, values, asks.times)) for name in named_in(named)]
        for name, number in called:
            found[str(name)] = found.get(str(name), 0) + _sent(asks, entry, values) * number
    return found


def _sent(asks: Asks, entry: Entry, values: Mapping[str, Any]) -> int:
    """How often each question is sent."""
    return asks.each * (2 if asks.twice and holds(asks.twice, entry, values) else 1)


def _product(block: Mapping[str, Any], names: Sequence[str]) -> int:
    return prod(_number(block.get(name)) for name in names)


def _times(entry: Entry, values: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """How often something is asked by the attributes of these names; see `Asks.times`."""
    of_blocks = [name.partition(".") for name in names if "." in name]
    number = prod(_number(given(entry, values, name)) for name in names if "." not in name)
    if not of_blocks:
        return number
    inner = [name for _, _, name in of_blocks]
    blocks = given(entry, values, of_blocks[0][0]) or ()
    return number * sum(_product(block, inner) for block in blocks)


def _templates(entry: Entry, values: Mapping[str, Any], asks: Asks) -> tuple[Any, Any]:
    """The template, or several with their weights; of blocks each as often as its block asks."""
    if not asks.template:
        return None, None
    outer, _, inner = asks.template.partition(".")
    named = given(entry, values, outer)
    if not inner:
        return named, given(entry, values, asks.weights) if asks.weights else None
    blocks = [block for block in named or () if block.get(inner)]
    counted = [name.partition(".")[2] for name in asks.times if "." in name]
    weights = [_product(block, counted) for block in blocks]
    return [block[inner] for block in blocks], weights


def _shares(templates: Any, weights: Any) -> dict[str, float]:
    """Template -> its share of the rows; empty where there is no list of them."""
    if not isinstance(templates, list | tuple) or not templates:
        return {}
    parts = (
        weights
        if isinstance(weights, list | tuple) and len(weights) == len(templates)
        else [1] * len(templates)
    )
    shares = dict.fromkeys(map(str, templates), 0.0)
    for name, part in zip(templates, parts, strict=True):
        shares[str(name)] += part / (sum(parts) or 1)
    return shares


def _columns_of(expression: Any) -> tuple[str, ...]:
    """The columns that an expression reads, bound or plain."""
    if expression is None:
        return ()
    return tuple(expression["columns"] if isinstance(expression, Mapping) else expression.columns)


def _number(value: Any) -> int:
    """How often an attribute has something asked: a count, the length of a list, that of a column's lists that nobody
    knows yet, else once."""
    if isinstance(value, str):
        return UNKNOWN_ROWS
    if isinstance(value, list | tuple):
        return len(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 1
