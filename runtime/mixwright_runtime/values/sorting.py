"""Sorting many numbers of which hardly any two are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def order_of(keys: NDArray[Any], *ties: NDArray[Any]) -> NDArray[Any]:
    """The places of keys in ascending order: those of equal ones by the first of `ties`, then by the next, and then as
    they stand."""
    import numpy as np

    # A third of what a sort costs that keeps the order of equals.
    order = np.argsort(keys)
    ordered = keys[order]
    if (ordered[1:] == ordered[:-1]).any():
        order = np.lexsort((*reversed(ties), keys))
    return order
