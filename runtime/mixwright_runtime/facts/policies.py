"""What the policies of a spec say of a mixture as it was made: sources kept out, with the reason, and demands not met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mixwright_compiler.plan.plan import Plan
from mixwright_compiler.plan.tag_limits import limits_missed
from mixwright_runtime.verifiers.calibrate import shown
from mixwright_runtime.verifiers.reviewed import value_of

if TYPE_CHECKING:
    from mixwright_compiler.plan.subtotals import Subtotal


@dataclass(frozen=True)
class Excluded:
    """A source that a policy keeps out of a mixture. because: the policy's words."""

    source: str
    because: str
    policy: str


@dataclass(frozen=True)
class Violation:
    """A demand that a mixture does not meet. of: the tag, or the policy. demand, found: in words."""

    kind: Literal["tag", "reviewed"]
    mixture: str
    of: str
    demand: str
    found: str

    @property
    def text(self) -> str:
        """One sentence without its end."""
        owner = f"tag '{self.of}'" if self.kind == "tag" else f"policy '{self.of}'"
        return f"mixture '{self.mixture}': {owner} demands {self.demand}; {self.found}"


@dataclass(frozen=True)
class PolicyFacts:
    """What policies say of a mixture."""

    excluded: Sequence[Excluded] = ()
    violations: Sequence[Violation] = ()


def policy_facts(
    plan: Plan,
    mixture: str,
    subtotals: Sequence[Subtotal],
    rows: int,
    reviews: Mapping[str, Mapping[str, Any]],
) -> PolicyFacts:
    """What the policies say of a mixture with `rows` rows. reviews: the figures of each `review` on its way, by node."""
    return PolicyFacts(
        tuple(_excluded(plan, mixture)),
        (*_tags(plan, mixture, subtotals, rows), *_reviewed(plan, mixture, reviews)),
    )


def _policies(plan: Plan, mixture: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((name, policy) for name, policy in plan.policies.items() if policy.get("of", "") in ("", mixture))


def _excluded(plan: Plan, mixture: str) -> Iterator[Excluded]:
    for name, policy in _policies(plan, mixture):
        for source, because in (policy.get("excluded") or {}).items():
            yield Excluded(source, str(because), name)


def _tags(plan: Plan, mixture: str, subtotals: Sequence[Subtotal], rows: int) -> Iterator[Violation]:
    counted = {part.name: part.rows or 0 for part in subtotals if part.kind == "tag"}
    for tag in plan.mixtures[mixture].tags:
        there = counted.get(tag.name, 0)
        for demand in limits_missed(tag, there, rows):
            yield Violation("tag", mixture, tag.name, demand, f"it has {there:,} of {rows:,} rows")


def _reviewed(plan: Plan, mixture: str, reviews: Mapping[str, Mapping[str, Any]]) -> Iterator[Violation]:
    for name, policy in _policies(plan, mixture):
        demand = policy.get("reviewed")
        if demand is None:
            continue
        words = f"that people find {shown(float(demand))} of what models write good"
        for node, figures in reviews.items():
            share = value_of(figures, "precision") if figures else None
            if share is None:
                yield Violation("reviewed", mixture, name, words, f"nobody has judged the rows of '{node}'")
            elif share < demand:
                yield Violation("reviewed", mixture, name, words, f"of '{node}' they find {shown(share)}")
