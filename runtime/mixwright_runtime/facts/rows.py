"""Rows by the name of the pipeline that kept them or the mixture that took them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixwright_runtime.store.store import Store


def rows_named(store: Store, name: str, run_id: int | None = None) -> Iterator[dict[str, Any]] | None:
    """Columns of the rows in their order, of the newest run that has any or of `run_id`; None where none has."""
    from mixwright_runtime.store.runs import newest_named

    named = newest_named(store, name, run_id)
    if named is None:
        return None
    if named.kind == "mixture":
        return (json.loads(row.columns) for row in store.selected_rows(named.run_id, name))
    return (json.loads(row.columns) for row in store.kept_rows(named.run_id, name))
