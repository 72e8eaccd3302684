"""What is done to a logical plan before it is lowered: plain functions, one after another.

A pass takes a logical plan and gives one that makes the same rows; its docstring is one sentence that says what it does
and what for. `mixwright plan --emit logical` shows what they leave, and `tests/compiler/logical/NAME.cases` has, for
each of them by its name, specs as they come in and as they go out.
"""

from __future__ import annotations

from collections.abc import Callable

from mixwright_compiler.logical.nodes import LogicalPlan
from mixwright_compiler.logical.passes.earlier import filters_first, verdicts_first
from mixwright_compiler.logical.passes.place import place_groups
from mixwright_compiler.logical.passes.sanity import check_sanity

Pass = Callable[[LogicalPlan], LogicalPlan]

PASSES: tuple[Pass, ...] = (
    filters_first,
    verdicts_first,
    place_groups,  # behind all that moves steps
    check_sanity,  # last
)


def optimised(plan: LogicalPlan) -> LogicalPlan:
    """The plan after all passes."""
    for each in PASSES:
        plan = each(plan)
    return plan
