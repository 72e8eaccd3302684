"""86x: constraints that no response can follow, and kinds, arguments and languages that do not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from mixwright_compiler.bind.drawn import unknown_id
from mixwright_compiler.catalog.constraint_kinds import (
    Constraint,
    KindSchema,
    builtin_kinds,
    conflict,
    constraint_of,
    first_conflict,
)
from mixwright_compiler.checks.checked import Checked, is_written, value_of
from mixwright_compiler.checks.safety import missing_modules
from mixwright_compiler.program import Bound, CallValue, StepDecl
from mixwright_compiler.suggest import did_you_mean, listing, nearest
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.source import Span

SEARCHED_KINDS = 14
"""Most listed kinds of which every set is tried, to tell whether so many can stand together."""


def check_constraints(checked: Checked) -> None:
    """MIX860 to MIX864 on `verify constraints` and on `draw` from `constraints(…)`; MIX908 for a kind's package."""
    for _, _, step in checked.clean_steps():
        if any(schema.holds == "constraints" for schema in step.entry.attributes):
            _check_verifier(checked, step)
        elif any(schema.type == "drawn" for schema in step.entry.attributes):
            drawn = value_of(step.attributes, "from")
            if isinstance(drawn, CallValue):
                _check_draw(checked, step, drawn)


def _check_verifier(checked: Checked, step: StepDecl) -> None:
    language = str(value_of(step.attributes, "language", "en"))
    if value_of(step.attributes, "compat") == "google" and language != "en":
        checked.findings.error(
            "MIX863",
            f"the published checkers know English alone, here `language = {language}`",
            step.attributes["compat"].span,
            "compares with verdicts that do not exist",
            secondary=(Label(step.attributes["language"].span, "another language"),),
            hint="delete `compat = google`",
        )
    bound = step.attributes["constraints"]
    if isinstance(bound.value, str):
        _check_column(checked, step, bound)
        return
    written = list(_written(checked, bound))
    kinds = builtin_kinds()
    constraints = [constraint for constraint, _ in written]
    sound = True
    for constraint, span in written:
        sound = _check_one(checked, step, constraint, span, language) and sound
    found = first_conflict(constraints, kinds) if sound else None
    if found is not None:
        first, second, reason = found
        checked.findings.error(
            "MIX861",
            f"no response follows both: {reason}",
            written[second][1],
            "cannot stand with the other",
            secondary=(Label(written[first][1], "the other"),),
            hint="delete one of the two",
        )


def _check_column(checked: Checked, step: StepDecl, bound: Bound) -> None:
    """A column of constraints is a list: a text column holds a response or a prompt."""
    type = step.columns.get(bound.value)
    if type in ("int", "float", "bool", "chat"):
        checked.findings.error(
            "MIX503",
            f"`constraints` takes a list, and `{bound.value}` is {type}",
            bound.span,
            f"a column of {type}",
            hint="`draw wanted { from = constraints(ifeval), count = 2 }` makes such a column",
        )


def _written(checked: Checked, bound: Bound) -> Iterator[tuple[Constraint, Span]]:
    """The constraints of a list, each with where it stands."""
    items = bound.value if isinstance(bound.value, list) else [bound.value]
    at = bound.span.start
    if not items:
        checked.findings.error(
            "MIX862",
            "there is no constraint to check",
            bound.span,
            "an empty list",
            hint="add one, or delete the step",
        )
    for item in items:
        try:
            constraint = constraint_of(item)
        except ValueError as error:
            checked.findings.error(
                "MIX862", str(error), bound.span, hint='for example `{ id = "punctuation:no_comma" }`'
            )
            continue
        span, at = _span_of(constraint.id, bound.span, at)
        yield constraint, span


def _span_of(id: str, whole: Span, start: int) -> tuple[Span, int]:
    """Where an id is written from `start` on, and where to look for the next; all of the value when it came from a
    constant."""
    quoted = f'"{id}"'
    text = whole.source.text
    at = text.find(quoted, start, whole.end)
    if at < 0:
        return whole, start
    return Span(whole.source, at, at + len(quoted)), at + len(quoted)


def _check_one(checked: Checked, step: StepDecl, constraint: Constraint, span: Span, language: str) -> bool:
    findings = checked.findings
    kind = builtin_kinds().get(constraint.id)
    if kind is None:
        unknown_id(findings, constraint.id, span)
        return False
    if language not in kind.languages:
        findings.error(
            "MIX863",
            f"`{kind.id}` means nothing under `language = {language}`",
            span,
            f"it is for: {listing(kind.languages)}",
            hint="delete it, or write another `language`",
        )
        return False
    if not is_written(step.attributes, "kwargs") and (problems := kind.problems(constraint.arguments)):
        findings.error(
            "MIX862",
            f"`{kind.id}`: {problems[0]}",
            span,
            f"it takes: {listing([a.name for a in kind.arguments]) or 'nothing'}",
            hint=_example(kind, constraint.arguments),
        )
        return False
    if missing := missing_modules(kind.extra_modules):
        findings.warning(
            "MIX908",
            f"`{kind.id}` needs a package that is not installed: {', '.join(missing)}",
            span,
            "a run would stop here",
            hint="pip install 'mixwright[if]'",
        )
    return True


def _example(kind: KindSchema, given: Mapping[str, Any]) -> str:
    unknown = next((n for n in given if kind.argument(n) is None), None)
    near = nearest(unknown, [a.name for a in kind.arguments]) if unknown else None
    if near:
        return did_you_mean(near)
    values = {"count": "3", "texts": '["…"]', "text": '"…"'}
    arguments = ", ".join(f"{a.name} = {values.get(a.type) or repr(a.words[0])}" for a in kind.arguments)
    shape = f'{{ id = "{kind.id}", {arguments} }}' if arguments else f'"{kind.id}"'
    return "write `" + shape.replace("'", '"') + "`"


def _check_draw(checked: Checked, step: StepDecl, drawn: CallValue) -> None:
    """MIX864: more constraints are drawn than can stand together."""
    language = str(drawn.keywords.get("language", "en"))
    without = set(drawn.keywords.get("without", ()))
    wanted = drawn.args or ("ifeval",)
    pool = [
        kind
        for id, kind in builtin_kinds().items()
        if (id in wanted or kind.family in wanted)
        and id not in without
        and kind.is_drawable
        and language in kind.languages
    ]
    count = value_of(step.attributes, "count", 1)
    most = _most_together(pool)
    if isinstance(count, int) and count > most:
        at = step.attributes["count"] if is_written(step.attributes, "count") else step.attributes["from"]
        checked.findings.error(
            "MIX864",
            f"{count} constraint{'s are' if count > 1 else ' is'} drawn, and at most {most} can stand together",
            at.span,
            f"{len(pool)} kinds can be drawn here",
            hint=f"write `count = {most}` or less" if most else _undrawable(wanted, language),
        )
    least = drawn.keywords.get("least")
    if isinstance(least, int) and isinstance(count, int) and least > count:
        checked.findings.error(
            "MIX864",
            f"at least {least} are drawn, and at most {count}",
            drawn.span,
            hint=f"write `least = {count}` or less",
        )


def _undrawable(wanted: Sequence[str], language: str) -> str:
    if all(":" in str(name) for name in wanted):
        return f"arguments of these cannot be made up, or they mean nothing under `language = {language}`"
    return "name another family: ifeval, ifbench or training"


def _most_together(pool: Sequence[KindSchema]) -> int:
    """How many of these kinds can stand together, arguments aside; a bound from above when there are many."""
    kinds = builtin_kinds()
    if len(pool) > SEARCHED_KINDS:
        return sum(not kind.alone for kind in pool) or min(len(pool), 1)
    constraints = [Constraint(kind.id) for kind in pool]
    clashes = {frozenset((a.id, b.id)) for a, b in combinations(constraints, 2) if conflict(a, b, kinds)}
    for size in range(len(pool), 0, -1):
        for chosen in combinations([c.id for c in constraints], size):
            if not any(frozenset(pair) in clashes for pair in combinations(chosen, 2)):
                return size
    return 0
