"""Loops and folds. A loop's steps are bound on its rows, then what it carries into the next round on what they make; a
fold goes back to the columns of the row whose rows it brings together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from mixwright_compiler.bind.attributes import bind_attributes
from mixwright_compiler.bind.kinds import step_kind
from mixwright_compiler.bind.place import Place, missing_column
from mixwright_compiler.bind.replaced_columns import Rows, check_replaced
from mixwright_compiler.bind.step_ids import StepIds
from mixwright_compiler.bind.used_columns import local_name
from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.catalog.groups import groups_of
from mixwright_compiler.findings import Findings
from mixwright_compiler.load.uses import Use, use_of
from mixwright_compiler.program import Bound, StepDecl, TypedExpression
from mixwright_compiler.schema import Columns, is_assignable
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.lazy_dataclass import replace
from mixwright_dsl.nodes import Attribute, Block, Ref, named
from mixwright_dsl.source import Span


class Flow(Rows, Protocol):
    """What binding a loop needs of the steps around it (`mixwright_compiler.bind.steps.Flow`).

    earlier, columns_before: the steps bound so far, and the columns in front of each.
    """

    columns: Columns
    earlier: list[StepDecl]
    columns_before: list[Columns]
    step_ids: StepIds

    @property
    def findings(self) -> Findings: ...

    def place(self, later: dict[str, Span] | None = None, use: Use | None = None) -> Place: ...

    def steps(self, blocks: list[Block], inside: str = "") -> list[StepDecl]: ...

    def check_made_twice(
        self,
        entry: Entry,
        makes: dict[str, str],
        label: Ref | None,
        block: Block,
        attributes: dict[str, Bound],
    ) -> None: ...


OF_THE_BODY = ("carry", "until")
"""Attributes of a loop that see what its steps make; the others see the rows that come to it."""


def loop_entry(flow: Flow, block: Block) -> Entry | None:
    """The catalog entry of a block that is a loop."""
    entry = step_kind(flow.scope.world, block)
    return entry if entry is not None and entry.loops else None


def body_of(block: Block, entry: Entry) -> list[Block]:
    """The steps in a loop."""
    return [s for s in block.body if isinstance(s, Block) and entry.attribute(s.kind) is None]


def carried(block: Block) -> dict[str, Span]:
    """Columns that a loop takes into its next round, and where it says so."""
    written = next((s for s in block.body if named(s)[0] == "carry"), None)
    items = (
        written.body if isinstance(written, Block) else getattr(getattr(written, "value", None), "body", ())
    )
    return {s.name.name: s.name.span for s in items if isinstance(s, Attribute)}


def bind_loop(flow: Flow, block: Block, entry: Entry, label: Ref, later: dict[str, Span]) -> list[StepDecl]:
    """The loop, and behind it the steps of its body; the flow's columns are then those of a row that passed a round.

    Findings: MIX106 nothing in it, MIX416 its column is there already, MIX435 a step that cannot be in it, MIX401 and
    MIX436 of `carry`, MIX437 of `until`, MIX438 no way to say which row is the last.
    """
    findings, title = flow.findings, f"`{block.kind}`"
    body = body_of(block, entry)
    outer = replace(entry, attributes=tuple(a for a in entry.attributes if a.name not in OF_THE_BODY))
    inner = replace(entry, attributes=tuple(a for a in entry.attributes if a.name in OF_THE_BODY))
    use = use_of(block.kind_span)
    place = flow.place(later, use)
    place.step = block.span
    attributes = bind_attributes(
        place,
        outer,
        block.body,
        label.span,
        title,
        taken=lambda s: s in body or inner.attribute(named(s)[0]) is not None,
    )
    if not body:
        findings.error(
            "MIX106",
            f"{title} has no steps",
            block.kind_span,
            "nothing is in it",
            hint=f"for example `{block.kind} {label.name} {{ times = 2, carry = {{ … }}, generate next {{ … }} }}`",
        )
    stem = f"{block.kind}_{local_name(block.kind_span, label.name)}"
    id, made_id = flow.step_ids.of(block, stem, attributes), flow.step_ids.made(stem)
    made = {name.replace("{label}", label.name): type for name, type in entry.makes.items()}
    flow.check_made_twice(entry, made, label, block, attributes)
    before = flow.columns
    flow.columns = before.with_columns(made)
    start = len(flow.earlier)
    columns = flow.columns
    steps = flow.steps(body, inside=id)
    _check_body(flow, block, id, steps)
    behind = flow.place(later, use)
    behind.step = block.span
    of_body = bind_attributes(
        behind, inner, block.body, label.span, title, taken=lambda s: inner.attribute(named(s)[0]) is None
    )
    _check_carry(flow, block, before, of_body.get("carry"))
    _check_until(flow, of_body.get("until"), before, {name for step in steps for name in step.makes})
    _check_last(flow, {**attributes, **of_body}, block)
    reads = [name for name in behind.reads if before.type_of(name) is not None]
    carried = of_body["carry"].value if "carry" in of_body else {}
    when = attributes.get("when")
    loop = StepDecl(
        id=id,
        made_id=made_id,
        entry=entry,
        label=label.name,
        label_span=label.span,
        attributes={k: v for k, v in (attributes | of_body).items() if k not in ("when", "id")},
        when=when.value if when is not None and isinstance(when.value, TypedExpression) else None,
        reads=tuple(dict.fromkeys([*place.reads, *(n for n in carried if n in before.types), *reads])),
        makes=made,
        columns=columns.types,
        span=block.span,
        kind_span=block.kind_span,
    )
    flow.earlier.insert(start, loop)
    flow.columns_before.insert(start, before)
    return [loop, *steps]


def _check_body(flow: Flow, block: Block, id: str, steps: Iterable[StepDecl]) -> None:
    direct = [step for step in steps if step.inside == id]
    for step in direct:
        if step.entry.breaker:
            flow.findings.error(
                "MIX435",
                f"`{step.kind_span.text}` decides on many rows, and `{block.kind}` takes each through by itself",
                step.kind_span,
                "cannot stand in a loop",
                secondary=(Label(block.kind_span, "the loop"),),
                hint="move it behind the loop",
            )
    groups = groups_of([step.part for step in direct])
    for group in groups.open_after(id)[:1]:
        opener = direct[group.opened_by[0]]
        flow.findings.error(
            "MIX435",
            f"the rows that `{opener.kind_span.text}` makes of one are several at the end of a round",
            opener.kind_span,
            "opened here, and not closed in the loop",
            secondary=(Label(block.kind_span, "one row goes from round to round"),),
            hint="close them in the loop: `verify … { pick = first }`, or `fold { … }`",
        )


def _check_carry(flow: Flow, block: Block, before: Columns, carry: Bound | None) -> None:
    if carry is None:
        return
    spans, place = carried(block), replace(flow.place(), columns=before)
    for name, value in carry.value.items():
        there = before.type_of(name)
        if there is None:
            missing_column(place, name, spans.get(name, carry.span))
            continue
        check_replaced(flow, name, spans.get(name, carry.span), is_read=True)
        if isinstance(value, TypedExpression) and not is_assignable(value.type, there):
            flow.findings.error(
                "MIX436",
                f"`{name}` is {there}, and the next round would find {value.type} in it",
                value.span,
                f"of type {value.type}",
                hint=f"convert it: `{name} = text({value.span.text})`" if there == "text" else "",
            )


def _check_until(flow: Flow, until: Bound | None, before: Columns, made: set[str]) -> None:
    if until is None or not isinstance(until.value, TypedExpression):
        return
    if any(before.type_of(column) is None for column in until.value.columns):
        return  # made by a step that was reported
    if not any(
        column == name or column.startswith(f"{name}.") for column in until.value.columns for name in made
    ):
        flow.findings.error(
            "MIX437",
            "`until` reads nothing that a round makes, so no round can change it",
            until.span,
            "the same before and after each round",
            hint="read a column that a step of the loop makes; for rows that need no round use `when`",
        )


def _check_last(flow: Flow, attributes: dict[str, Bound], block: Block) -> None:
    values = {name: bound.value for name, bound in attributes.items()}
    if values.get("emit") == "last" and values.get("failed") == "again" and "until" not in values:
        flow.findings.error(
            "MIX438",
            "of a row that fails in some rounds nothing says which is the last",
            attributes["emit"].span,
            "`emit = last` with `failed = again`",
            hint="say when a row is done: `until = …`; or end it where it fails: `failed = end`",
        )


def unfolded(flow: Flow, block: Block, inside: str) -> Columns:
    """The columns of the row whose rows a `fold` brings together: those in front of the step that made them.

    Raises:
        Reported: no step did (MIX441).
    """
    groups = groups_of(step.part for step in flow.earlier).open_after(inside)
    if not groups:
        raise flow.findings.error(
            "MIX441",
            "there is nothing to bring together: one row here is one row",
            block.kind_span,
            "no rows of one are open here",
            hint="it stands behind `each NAME { … }`, or behind `generate NAME { samples = 4 }` without `pick`",
        )
    return flow.columns_before[min(groups[-1].opened_by)]
