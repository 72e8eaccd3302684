"""Rows as a mixture holds them: a chat with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mixwright_runtime.errors import RunError
from mixwright_runtime.mixture.messages import ChatError, chat_of, tools_of
from mixwright_runtime.values.rows import entry_id


@dataclass(frozen=True)
class MixtureRow:
    """One training example. `messages` as in `messages.py`; `repeat` is 0 for a row's first appearance.

    leaf: the source or pipeline that gave it, where that is not the component itself.
    tools: what the assistant may call, as JSON Schemas; None for most.
    columns: all columns of the row, where who reads it asked for them.
    """

    row_id: bytes
    messages: list[dict[str, Any]]
    component: str
    group: str = ""
    source: str = ""
    license: str = ""
    repeat: int = 0
    tools: list[dict[str, Any]] | None = None
    leaf: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def id(self) -> str:
        """Its name in exports, 32 hex digits: another one for each row of the mixture, the same in every run."""
        return entry_id(self.leaf or self.component, self.row_id, self.repeat).hex()

    @property
    def lineage(self) -> str:
        """Hex name of what it was made of: rows that two pipelines made of one row share it, and repetitions."""
        return self.row_id.hex()

    def for_training(self) -> dict[str, Any]:
        """The row as training reads it: `id`, `lineage`, `component`, `messages`, `tools`."""
        return {
            "id": self.id,
            "lineage": self.lineage,
            "component": self.component,
            "messages": self.messages,
            "tools": self.tools,
        }


def mixture_row(
    row_id: bytes,
    columns: Mapping[str, Any],
    *,
    component: str,
    group: str = "",
    source: str = "",
    license: str = "",
    repeat: int = 0,
    leaf: str = "",
) -> MixtureRow:
    """The training example of a row: its column `messages`, and `tools` if there is one. Others stay in the store.

    Raises:
        RunError: there is no column `messages`, or it is none: see `messages.py`.
    """
    where = f"mixture component '{component}', row {row_id.hex()}"
    if "messages" not in columns:
        raise RunError(
            f"{where}: rows need a column `messages`, these have {', '.join(sorted(columns)) or 'none'}; "
            "make a pipeline that ends with `chat { user = …, assistant = … }` and mix that"
        )
    try:
        chat, tools = chat_of(columns["messages"]), tools_of(columns.get("tools"))
    except ChatError as error:
        raise RunError(f"{where}: {error}") from None
    return MixtureRow(row_id, chat, component, group, source, license, repeat, tools, leaf)
