"""What of one plan stands for what of another one: steps, blocks in them, evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.plan.plan import Step


def counterparts(old: Sequence[Step], new: Sequence[Step]) -> dict[str, Step]:
    """By id of a new step, in their order: the old step of that id, or the one that was only called otherwise."""
    by_id = {step.id: step for step in old}
    renamed = {step.identity: step for step in old if step.id not in {one.id for one in new}}
    found = {step.id: by_id.get(step.id) or renamed.get(step.identity) for step in new}
    return {name: step for name, step in found.items() if step is not None}


def paired(
    entry: Entry, name: str, before: Any, after: Any
) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] | None:
    """Of an attribute that is a block, or a list of them: what stands in front of the names in each, and how it was and
    is; None where they are not the same blocks."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return [(f"{name}.", before, after)]
    if (
        not isinstance(before, list | tuple)
        or not isinstance(after, list | tuple)
        or len(before) != len(after)
    ):
        return None
    label = entry.attributes[0].name
    return [(f"{name} {new.get(label)}.", old, new) for old, new in zip(before, after, strict=True)]


def measures(train: Any) -> dict[str, Any]:
    """Name -> what decides each evaluation of a training job; where it stands in the file does not."""
    return {
        evaluation.name: (
            evaluation.on,
            evaluation.prompt,
            evaluation.by,
            evaluation.limit,
            evaluation.max_tokens,
            [(step.id, step.fingerprint) for step in evaluation.steps],
        )
        for evaluation in train.evaluations
    }
