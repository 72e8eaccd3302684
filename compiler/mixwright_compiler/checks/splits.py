"""45x: rows of people split by row, and categories that no row can have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mixwright_compiler.checks.checked import Checked, value_of
from mixwright_compiler.program import Bound, StepDecl, TypedExpression
from mixwright_compiler.suggest import listing, nearest, replace_fix
from mixwright_dsl.diagnostic import Applicability, Edit, Fix, Label
from mixwright_dsl.source import Span

PEOPLE = (
    *("user_id", "user", "labeler_id", "labeler", "labeller_id", "labeller", "annotator_id", "annotator"),
    *("author_id", "author", "worker_id", "worker", "participant_id", "org_id"),
)
"""Chosen: what files of demonstrations call the column of who wrote a row, the likeliest first."""


def check_splits(checked: Checked) -> None:
    """MIX454: rows are split by row, and have a column of who wrote them."""
    places: dict[str, list[tuple[str, Bound]]] = {}
    for pipeline in checked.program.pipelines.values():
        where = pipeline.start.attributes.get("where")
        if where is None or not checked.clean(pipeline.span) or not isinstance(where.value, TypedExpression):
            continue
        person = _person(checked, pipeline.start.rows)
        split = next(_buckets(where.value.tree), None)
        if person and split is not None and not any(column in PEOPLE for column in _columns(split)):
            places.setdefault(pipeline.start.rows, []).append((person, where))
    for found in places.values():
        # A pipeline that a variant changes stands there twice, with one text.
        wheres = {(id(where.span.source), where.span.start): where for _, where in found}
        if len(wheres) > 1:
            _by_row(checked, found[0][0], list(wheres.values()))
    for train in checked.program.trains.values():
        holdout = train.attributes.get("holdout")
        if holdout is None or not holdout.value or not checked.clean(train.span):
            continue
        names = (name for path in checked.paths_from(train.mixture) for name in path)
        person = next(filter(None, (_person(checked, name) for name in names)), "")
        if person:
            checked.findings.warning(
                "MIX454",
                f"`holdout` takes single rows, and the rows have a column `{person}`",
                holdout.span,
                "the same people are learned from and measured on",
                hint=f"hold people out: `where = bucket({person}, 20) < 19` in `from`, and measure on the others",
            )


def _by_row(checked: Checked, person: str, wheres: list[Bound]) -> None:
    spans = [_argument(where.span) for where in wheres]
    named = [span for span in spans if span is not None]
    edits = tuple(Edit(span, person) for span in named)
    checked.findings.warning(
        "MIX454",
        f"rows are split by row, and have a column `{person}`",
        spans[0] or wheres[0].span,
        "rows of one person can be on both sides",
        secondary=tuple(Label(where.span, "the other side") for where in wheres[1:]),
        hint=f"split by who wrote them: `bucket({person}, …)`",
        fix=Fix(f"split by `{person}`", edits, Applicability.MAYBE) if len(named) == len(spans) else None,
    )


def _person(checked: Checked, rows: str) -> str:
    """The column of who wrote the rows; empty where none is known."""
    columns = checked.columns.get(rows)
    return next((name for name in PEOPLE if columns is not None and name in columns.types), "")


def _argument(where: Span) -> Span | None:
    """Where the column stands that decides a row's bucket, if it is a single one."""
    found = re.search(r"\bbucket\(\s*(\w+)\s*,", where.text)
    return where.source.span(where.start + found.start(1), where.start + found.end(1)) if found else None


def _nodes(tree: Any) -> Iterator[list[Any]]:
    """Every part of an expression's tree."""
    if isinstance(tree, list | tuple) and tree:
        yield list(tree)
        for part in tree[1:]:
            yield from _nodes(part)


def _buckets(tree: Any) -> Iterator[Any]:
    """What each `bucket(…)` of an expression is decided by."""
    return (node[2] for node in _nodes(tree) if node[:2] == ["call", "bucket"])


def _columns(tree: Any) -> set[str]:
    return {str(node[1]) for node in _nodes(tree) if node[0] == "col"}


def check_categories(checked: Checked) -> None:
    """MIX455: a category outside the closed set that a filter keeps rows of."""
    closed: dict[str, tuple[frozenset[str], Span]] = {}
    current = None
    for pipeline, position, step in checked.clean_steps():
        if position == 0 or pipeline is not current:
            current, closed = pipeline, _sets(pipeline.start.attributes.get("where"))
        for bound, column, word in _words(step):
            if column in closed and word not in closed[column][0]:
                _outside(checked, bound, column, word, *closed[column])
        closed = {column: known for column, known in closed.items() if column not in step.makes}
        if step.entry.folds:
            closed = {}  # the row that comes back was in front of the filter
        # In a loop a row that does not pass may go on as it was.
        if step.when is None and not step.makes and not step.inside and step.entry.family == "step":
            closed |= _sets(step.attributes.get("where"))


def _sets(where: Bound | None) -> dict[str, tuple[frozenset[str], Span]]:
    """Columns of which a condition says all values that they may have."""
    if where is None or not isinstance(where.value, TypedExpression):
        return {}
    found: dict[str, tuple[frozenset[str], Span]] = {}
    pending = [list(where.value.tree)]
    while pending:
        match pending.pop():
            case ["op", "and", *parts]:
                pending += [list(part) for part in parts]
            case ["op", "in", ["col", column], ["list", *items]] if items:
                values = {item[1] for item in items if item[0] == "lit" and isinstance(item[1], str)}
                if len(values) == len(items):
                    found[str(column)] = frozenset(values), where.span
    return found


def _words(step: StepDecl) -> Iterator[tuple[Bound, str, str]]:
    """Texts that a step expects in a column: where it names them, the column, the text."""
    if "profiled" in step.entry.rules and value_of(step.attributes, "shares"):
        shares = step.attributes["shares"]
        yield from ((shares, str(value_of(step.attributes, "of")), word) for word in shares.value)
    for bound in step.attributes.values():
        if not isinstance(bound.value, TypedExpression):
            continue
        for node in _nodes(bound.value.tree):
            match node:
                case ["op", "==" | "!=", ["col", column], ["lit", str() as word]]:
                    yield bound, str(column), word
                case ["op", "in", ["col", column], ["list", *items]]:
                    yield from (
                        (bound, str(column), i[1]) for i in items if i[0] == "lit" and isinstance(i[1], str)
                    )


def _outside(
    checked: Checked, bound: Bound, column: str, word: str, known: frozenset[str], where: Span
) -> None:
    near = nearest(word, known)
    at = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", bound.span.text)
    span = bound.span
    if at is not None:
        span = span.source.span(span.start + at.start(), span.start + at.end())
    checked.findings.warning(
        "MIX455",
        f"no row here has `{word}` in `{column}`",
        span,
        f"it can be: {listing(sorted(known))}",
        secondary=(Label(where, "rows with another one are dropped here"),),
        hint=f"did you mean `{near}`?"
        if near
        else f"add it to the list, or write one of: {listing(sorted(known))}",
        fix=replace_fix(span, near) if near and at is not None else None,
    )
