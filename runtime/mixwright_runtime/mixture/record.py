"""What a run keeps of a mixture: the rows it took, and how its quotas came out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mixwright_compiler.plan.plan import Mixture, Plan
from mixwright_runtime.errors import RunError
from mixwright_runtime.mixture.rows import MixtureRow, mixture_row
from mixwright_runtime.values.beside import go_on

if TYPE_CHECKING:
    from mixwright_compiler.plan.subtotals import Subtotal
    from mixwright_runtime.mixture.selection import ComponentResult, Selection
    from mixwright_runtime.store.store import Store


@dataclass(frozen=True)
class MixtureRecord:
    """How a mixture of a run came out. steps: report of each mixture-wide step, by step id."""

    mixture: str
    rows: int
    results: tuple[ComponentResult, ...]
    notes: tuple[str, ...] = ()
    shortfall: str | None = None
    steps: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Components of each tag."""

    def subtotals(self) -> list[Subtotal]:
        """Rows of its groups and tags."""
        from mixwright_runtime.mixture.selection import subtotals_of

        return subtotals_of(self.results, self.tags)


def record_selection(
    store: Store, run_id: int, selection: Selection, *, steps: Mapping[str, Any] | None = None
) -> None:
    """Queue the rows of a mixture, in order, and its realised quotas; durable after `store.flush()`. The quotas come
    last: a selection without them was broken off.

    Args:
        steps: what the mixture-wide steps report, JSON by step id (`report()` in plugins/shapes.py).
    """
    from mixwright_runtime.store.records import MIXTURE, EventRecord, SelectionRecord

    names = [result.component for result in selection.results]

    def records() -> Iterator[SelectionRecord]:
        entries = zip(selection.components, selection.entries(), strict=True)
        for position, (component, (leaf, row_id, repeat)) in enumerate(entries):
            go_on()
            yield SelectionRecord(run_id, selection.mixture, position, names[component], leaf, row_id, repeat)

    store.put_selection(records())
    payload = {
        "mixture": selection.mixture,
        "rows": len(selection),
        "results": [asdict(result) for result in selection.results],
        "notes": selection.notes,
        "shortfall": selection.shortfall,
        "steps": dict(steps or {}),
        "tags": dict(selection.tags),
    }
    store.put_event(EventRecord(run_id, MIXTURE, json.dumps(payload, ensure_ascii=False)))


def read_record(store: Store, run_id: int, mixture: str) -> MixtureRecord:
    """How a mixture of a run came out.

    Raises:
        RunError: the run did not get as far as selecting it.
    """
    from mixwright_runtime.mixture.selection import ComponentResult
    from mixwright_runtime.store.records import MIXTURE
    from mixwright_runtime.store.runs import payloads

    for text in reversed(payloads(store, run_id, MIXTURE)):
        payload = json.loads(text)
        if payload["mixture"] == mixture:
            results = tuple(
                ComponentResult(**{**result, "strata": tuple(tuple(s) for s in result["strata"])})
                for result in payload["results"]
            )
            return MixtureRecord(
                mixture,
                payload["rows"],
                results,
                tuple(payload["notes"]),
                payload["shortfall"],
                payload["steps"],
                payload.get("tags", {}),
            )
    raise RunError(f"run {run_id} selected no rows for mixture '{mixture}'; 'mixwright run' does")


def mixture_rows(
    store: Store, plan: Plan, run_id: int, mixture: str, *, with_columns: bool = False
) -> Iterator[MixtureRow]:
    """The training examples of a mixture, in its order, one at a time. Call after `flush`.

    with_columns: with all columns of the rows, not the chat alone.

    Raises:
        RunError: a row is no chat (see `mixture_row`), or the store has lost it.
    """
    groups = {component.rows: component.group for component in plan.mixtures[mixture].components}
    for row in store.selected_rows(run_id, mixture):
        go_on()
        if not row.columns:
            raise RunError(
                f"row {row.row_id.hex()} of '{row.pipeline}' is in mixture '{mixture}' but its text is not stored; "
                "'mixwright verify-store' tells more"
            )
        source = root_source(plan, row.pipeline)
        columns = json.loads(row.columns)
        made = mixture_row(
            row.row_id,
            columns,
            component=row.component,
            group=groups.get(row.component, ""),
            source=source,
            license=plan.sources[source].license if source in plan.sources else "",
            repeat=row.repeat,
            leaf=row.pipeline,
        )
        yield replace(made, columns=columns) if with_columns else made


def root_source(plan: Plan, leaf: str) -> str:
    """The source that a pipeline's rows start from, through any pipelines between; a source itself."""
    while leaf in plan.pipelines:
        leaf = plan.pipelines[leaf].start.rows
    return leaf


def leaves_of(plan: Plan, mixture: Mixture) -> list[str]:
    """Sources and pipelines that a mixture takes rows from, nested mixtures included, each once, in order."""
    found: dict[str, None] = {}
    for component in mixture.components:
        if component.kind == "mixture":
            found |= dict.fromkeys(leaves_of(plan, plan.mixtures[component.rows]))
        else:
            found[component.rows] = None
    return list(found)


def pipelines_of(plan: Plan, mixture: Mixture) -> list[str]:
    """Pipelines that take part in a mixture's rows, those that others start from included, sorted."""
    found: set[str] = set()
    for leaf in leaves_of(plan, mixture):
        while leaf in plan.pipelines:
            found.add(leaf)
            leaf = plan.pipelines[leaf].start.rows
    return sorted(found)
