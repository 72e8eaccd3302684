"""Rows that quotas ask for, as far as they are known before a run."""

from __future__ import annotations

from collections.abc import Callable

from mixwright_compiler.plan.plan import Component, Mixture

_RowsOf = Callable[[str], "float | None"]


def component_rows(mixture: Mixture, component: Component, rows_of: _RowsOf) -> float | None:
    """Rows that a component's quota asks for; None where that needs a number not known yet."""
    quota = component.quota
    match quota.kind:
        case "count" | "take":
            return float(quota.count)
        case "all":
            return rows_of(component.rows)
        case "max":
            available = rows_of(component.rows)
            return float(quota.count) if available is None else min(available, float(quota.count))
        case "share":
            return None if mixture.total is None else quota.share * mixture.total
        case "weight" | "rate":
            return _part_of_rest(mixture, component, rows_of)


def _part_of_rest(mixture: Mixture, component: Component, rows_of: _RowsOf) -> float | None:
    """A component's part, by weight or rate, of what the other quotas leave of the total."""
    if mixture.total is None:
        return None
    rest = float(mixture.total)
    parts: dict[int, float] = {}
    for i, other in enumerate(mixture.components):
        if other.quota.kind == "weight":
            parts[i] = other.quota.weight
        elif other.quota.kind == "rate":
            available = rows_of(other.rows)
            if available is None:
                return None
            parts[i] = min(available, other.quota.cap)
        else:
            fixed = component_rows(mixture, other, rows_of)
            if fixed is None:
                return None
            rest -= fixed
    own = parts[mixture.components.index(component)]
    whole = sum(parts.values())
    return max(rest, 0.0) * own / whole if whole else 0.0


def mixture_rows(mixture: Mixture, rows_of: _RowsOf) -> float | None:
    """Rows of a whole mixture; None where a component's are not known."""
    rows = [component_rows(mixture, component, rows_of) for component in mixture.components]
    known = [r for r in rows if r is not None]
    return sum(known) if len(known) == len(rows) else None
