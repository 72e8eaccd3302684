"""The columns that a step makes, as its declaration states them: name -> type, `{label}` being the step's label.

text                 of this type, whatever the attributes say
json if parse = json else text
                     by a condition on the attributes (`mixwright_compiler.catalog.conditions`); without `else` only
                     where it holds
text if read         where something in the pipeline names the column
item                 what the list `of` holds
drawn                what `from`, `values` or `of`, `column`, `count` and `run` draw
* of *               a column for each attribute that the entry does not name, of its expression's type, or its
                     aggregate's; such a step may make a column again
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.catalog.conditions import holds

NAMED_BY_ATTRIBUTES = "*"
DRAWN = "drawn"
ITEM = "item"
READ = "read"


def is_always_made(type: str) -> bool:
    """Whether the column is there whatever the attributes say."""
    return " if " not in type or " else " in type


def made_type(type: str, entry: Entry, values: Mapping[str, Any], *, is_read: bool) -> str | None:
    """The type under these attributes, bound or plain; None where the column is not made."""
    head, _, rest = type.partition(" if ")
    condition, _, otherwise = rest.partition(" else ")
    if not condition or (is_read if condition == READ else holds(condition, entry, values)):
        return head
    return otherwise or None


def remakes(entry: Entry) -> bool:
    """Whether a step may make a column that is there."""
    return NAMED_BY_ATTRIBUTES in entry.makes
