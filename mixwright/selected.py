"""The rows that a run selected for a mixture, for the commands that go on from there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_compiler.load.json_text import json_of
from mixwright_compiler.plan.diff import differences
from mixwright_compiler.plan.plan import Plan, plan_from_json
from mixwright_runtime.errors import RunError

if TYPE_CHECKING:
    from mixwright_runtime.store.store import Store


def open_store(plan: Plan, directory: Path) -> Store:
    """The store, for reading.

    Raises:
        RunError: nothing was ever run there.
    """
    from mixwright_runtime.store.store import Store

    if not (directory / "store.duckdb").exists():
        raise RunError(f"there is no store at {directory}; 'mixwright run {plan.spec}' makes one")
    return Store.open(directory, read_only=True)


def last_selection(store: Store, plan: Plan, mixture: str) -> tuple[int, Plan]:
    """The newest run that selected rows for a mixture, and the plan it followed.

    Raises:
        RunError: no run has, or another version's plan cannot be read.
    """
    last = store.last_run(mixture=mixture)
    if last is None:
        raise RunError(f"no run has selected rows for mixture '{mixture}'; 'mixwright run {plan.spec}' does")
    try:
        return last.run_id, plan_from_json(last.plan)
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        raise RunError(f"the plan of run {last.run_id} cannot be read: {reason}; run again") from None


def changes_since(plan: Plan, old: Plan, mixture: str) -> list[str]:
    """What is not as it was in `old` and may change a mixture's rows, as `pipeline.math`, `source.web` …"""
    from mixwright_runtime.mixture.demand import mixtures_in_order
    from mixwright_runtime.mixture.record import leaves_of, pipelines_of, root_source

    concerned: set[str] = set()
    for one in (plan, old):
        if mixture in one.mixtures:
            found = one.mixtures[mixture]
            concerned |= {f"mixture.{m.name}" for m in mixtures_in_order(one, mixture)}
            concerned |= {f"pipeline.{name}" for name in pipelines_of(one, found)}
            concerned |= {f"source.{root_source(one, leaf)}" for leaf in leaves_of(one, found)}
    changed = {
        node
        for difference in differences(old, plan)
        if difference.sign != "~" or difference.classes & {"row", "set"}
        for node in [".".join(difference.node.split(".")[:2])]
        if node in concerned
    }
    return sorted(changed)


def warn_of_changes(plan: Plan, old: Plan, mixture: str, run_id: int) -> None:
    """Tell on stderr when a run's rows are not those that the spec describes now."""
    changed = changes_since(plan, old, mixture)
    if changed:
        print(
            f"note: {', '.join(changed[:3])} changed since run {run_id} selected these rows; "
            f"'mixwright run {plan.spec}' makes them anew",
            file=sys.stderr,
        )


def training_rows(
    plan: Plan, mixture: str, *, store: Path | None, data: Path | None
) -> Iterator[dict[str, Any]]:
    """The examples as training reads them: messages, tools, id, component. Of the last run, or of the file `data`.

    Raises:
        RunError: no run has selected rows, or the file holds something else.
    """
    if data is not None:
        yield from _rows_of_file(data)
        return
    from mixwright_compiler.load.project_root import store_directory
    from mixwright_runtime.mixture.record import mixture_rows

    with open_store(plan, store_directory(plan.root, store)) as opened:
        run_id, old = last_selection(opened, plan, mixture)
        warn_of_changes(plan, old, mixture, run_id)
        for row in mixture_rows(opened, plan, run_id, mixture):
            yield row.for_training()


def _rows_of_file(path: Path) -> Iterator[dict[str, Any]]:
    from mixwright_runtime.mixture.messages import ChatError, chat_of, tools_of

    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    row = json_of(line)
                    messages, tools = chat_of(row["messages"]), tools_of(row.get("tools"))
                except (ValueError, TypeError, KeyError) as error:
                    reason = str(error) if isinstance(error, ChatError) else "a list of role and content"
                    raise RunError(f"{path}:{number}: needs an object with `messages`: {reason}") from None
                yield {
                    "id": str(row.get("id", number)),
                    "lineage": str(row.get("lineage") or row.get("id", number)),
                    "component": str(row.get("component", "")),
                    "messages": messages,
                    "tools": tools,
                }
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
