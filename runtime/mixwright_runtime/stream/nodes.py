"""The steps of a pipeline made ready to run: what each does to rows, and how they hang together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from mixwright_compiler.catalog.groups import Gathering
from mixwright_compiler.catalog.traits import Traits
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.declare import entry_of, implementation
from mixwright_runtime.plugins.range_apply import RangeApply
from mixwright_runtime.plugins.shapes import Ask, Enrich, Keep, Loop, Measure, Shape, Table, shape_of
from mixwright_runtime.stream.answering import Answering, on_fail_of
from mixwright_runtime.stream.context import RunContext
from mixwright_runtime.stream.in_ranges import InRanges
from mixwright_runtime.stream.measuring import Measuring, ScoreStore
from mixwright_runtime.stream.outcomes import Tally
from mixwright_runtime.values.ranges import HERE
from mixwright_runtime.values.rows import Dropped, Rendered, Row
from mixwright_runtime.verifiers.verdicts import Selection

NOBODY: Mapping[str, str] = MappingProxyType({})


@dataclass
class Node:
    """One step, built.

    owner: the pipeline or mixture whose step it is.
    answering: of a step that asks a model for a column; measuring: of a verifier.
    gathered_at: of a step that makes several rows of one: the steps that look at them together, one after the other.
    body_end: of a loop: where its body, which begins behind it, ends.
    asks_again: of a verifier with `on_fail = retry(n)` or `repair(template)`: the step that made what it looks at.
    repair: of `repair(template)`: renders the template, which sees all of `evidence`, the fields that are declared.
    is_asked_again: of the step that made it.
    verdict_in: of a verifier with `as`, the column that its verdict goes into. band: lowest and highest share of a row's
    candidates that may pass.
    passing: where candidates are looked at each by itself: (how many pass, of how many) -> rows.
    in_ranges: of a step whose rows others look at, many together.
    rows_again: rows of which the verifier asked for another answer; passed_again: those of them that passed then.
    """

    plan: Step
    step: Shape
    tally: Tally
    owner: str = ""
    when: Callable[[Mapping[str, Any]], Any] | None = None
    answering: Answering | None = None
    measuring: Measuring | None = None
    in_ranges: InRanges | None = None
    on_fail: str = "drop"
    retries: int = 0
    repair: Callable[[Mapping[str, Any]], Rendered] | None = None
    evidence: tuple[str, ...] = ()
    verdict_in: str = ""
    band: tuple[float, float] | None = None
    passing: Counter[tuple[int, int]] = field(default_factory=Counter)
    rows_again: int = 0
    passed_again: int = 0
    gathered_at: tuple[int, ...] = ()
    body_end: int = 0
    asks_again: int | None = None
    is_asked_again: bool = False

    @cached_property
    def id(self) -> str:
        return self.plan.id

    @cached_property
    def shape(self) -> type[Shape]:
        """What its step promises. Asked of every row: to look through an abstract class takes as long as many a step."""
        return shape_of(type(self.step))

    @property
    def traits(self) -> Traits:
        """What it asks models, and of rows."""
        return self.plan.traits

    @property
    def name(self) -> str:
        """What it is called among all steps of the plan."""
        return f"{self.owner}.{self.id}"

    @property
    def is_breaker(self) -> bool:
        """It decides on many rows, in start order."""
        return isinstance(self.step, Keep | Table)

    @property
    def needs_all_rows(self) -> bool:
        """A breaker that decides once, on all rows that ever reach it."""
        return self.is_breaker and self.traits.needs_all_rows

    @cached_property
    def waits(self) -> bool:
        """Rows wait for something at it: a model, a verifier, or whoever looks at many of them."""
        waited_for = (self.answering, self.measuring, self.in_ranges)
        return isinstance(self.step, Enrich) or any(one is not None for one in waited_for)

    @property
    def samples(self) -> int:
        """Candidates that it makes of a row."""
        return 1 if self.answering is None else self.answering.samples

    def applies(self, row: Row) -> bool:
        """False for rows that the step's `when` leaves out; null leaves out."""
        return self.when is None or self.when(row.columns) is True

    def after_on_fail(self, verdicts: list[Row | Dropped]) -> list[Row | Dropped]:
        """The verdicts as `on_fail = keep` changes them: what fails goes on with its score.

        Of a group that a `pick` other than `all` closes, one goes on all the same: the first, where none passed.
        A verifier's own errors are no verdict and stay as they are.
        """
        if self.on_fail != "keep":
            return verdicts
        is_verdict = [isinstance(v, Dropped) and not v.quarantined for v in verdicts]
        if self.traits.picks:
            if any(isinstance(v, Row) for v in verdicts):
                return verdicts
            first = next((i for i, is_one in enumerate(is_verdict) if is_one), None)
            is_verdict = [i == first for i in range(len(verdicts))]
        return [
            v.row if isinstance(v, Dropped) and kept else v
            for v, kept in zip(verdicts, is_verdict, strict=True)
        ]


def nodes_of(
    steps: Sequence[Step],
    context: RunContext,
    store: ScoreStore,
    *,
    owner: str,
    seed: int,
    run_id: int,
    groups: Sequence[Gathering] = (),
    asks_again: Mapping[str, str] = NOBODY,
) -> list[Node]:
    """The steps of the pipeline or mixture `owner`, built, and linked as its plan says.

    Raises:
        RunError: this version has no such operation, or a step's attributes cannot be used.
    """
    nodes = [_node(step, context, store, owner, seed, run_id) for step in steps]
    at = {node.id: position for position, node in enumerate(nodes)}
    looked_at = {id for group in groups for id in group.looked_at_by}
    for node in nodes:
        if node.traits.compares and node.id not in looked_at:
            raise RunError(f"step '{node.name}' compares the candidates of a row, and each stands alone here")
    for position, node in enumerate(nodes):
        if isinstance(node.step, Loop):
            node.body_end = _end_of_body(nodes, position)
    for group in groups:
        for opener in group.opened_by:
            behind = (at[id] for id in group.looked_at_by)
            # Several steps may open one group; a verifier between them gathers only what the earlier ones made.
            nodes[at[opener]].gathered_at = tuple(place for place in behind if place > at[opener])
    for verifier, maker in asks_again.items():
        nodes[at[verifier]].asks_again = at[maker]
        nodes[at[maker]].is_asked_again = True
    return nodes


def _end_of_body(nodes: Sequence[Node], at: int) -> int:
    end, loops = at + 1, {nodes[at].id}
    while end < len(nodes) and nodes[end].plan.inside in loops:
        loops.add(nodes[end].id)
        end += 1
    return end


def _node(plan: Step, context: RunContext, store: ScoreStore, owner: str, seed: int, run_id: int) -> Node:
    entry, name = entry_of(plan.operation), f"{owner}.{plan.id}"
    step: Shape = implementation(plan.operation)(plan, context.of(plan, owner, seed))
    node = Node(plan, step, Tally(plan.id, inside=plan.inside), owner)
    if plan.when is not None:
        node.when = context.expression(plan.when)
    match step:
        case RangeApply() if context.ranges is not HERE:
            node.in_ranges = InRanges(step, context.ranges)
        case Ask():
            node.answering = Answering(plan, step, context.calls, node=name)
        case Measure():
            if step.selection is None and type(step).decide is Measure.decide:
                step.selection = Selection.of(plan, kind=entry.name)
            on_fail: Any = plan.attributes.get("on_fail")
            node.on_fail, node.retries = on_fail_of(on_fail)
            node.verdict_in = str(plan.attributes.get("as") or "")
            band = plan.attributes.get("band")
            node.band = None if band is None else (band["min"], band["max"])
            if node.on_fail == "repair":
                node.repair = context.template(on_fail["args"][0])
                node.evidence = tuple(entry.evidence)
            node.measuring = Measuring(
                plan, step, store, run_id=run_id, node=name, compares=plan.traits.compares
            )
    return node
