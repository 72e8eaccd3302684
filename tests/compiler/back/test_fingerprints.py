"""Content hashes: what moves them, what does not, and their exact values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bound_programs import entry, math_program

from mixwright_compiler.catalog.catalog import builtin_catalog
from mixwright_compiler.content_hash import content_hash
from mixwright_compiler.plan.fingerprint import model_identity, pipeline_row_hashes
from mixwright_compiler.plan.lower import lower
from mixwright_compiler.plan.plan import Fingerprint, Plan


def lowered(**changes: Any) -> Plan:
    return lower(math_program(**changes), root=Path("/p"), directory=Path("/p"))


def fingerprint(step: int = 0, **changes: Any) -> Fingerprint:
    return lowered(**changes).pipelines["math"].steps[step].fingerprint


# The model's identity is part of every call's key: when it changes, no answer that a store holds is found again.
# The others decide what `plan` calls changed. Change one only with the version in its domain or of its operation.
def test_golden_hashes() -> None:
    assert content_hash("mixwright.node.v1", {"b": [1, 2.5, None, True], "a": "é"}) == (
        "78718616e035af3681a6bcbc3597b69e"
    )
    assert lowered().models["teacher"].identity == "59559203a250930e333aa9d173a69c80"
    assert fingerprint() == Fingerprint(
        row="e1ba6f25874bc4b59db86168669f0a95",
        set="ba29d3799a43682847b51d2c39a51031",
        meta="821cdc954eb6d61381df4db640ff777b",
    )
    assert pipeline_row_hashes(lowered()) == {"math": "78b2630598ffb2490c4c14bc672b4326"}


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({}, ""),
        ({"template_name": "renamed"}, ""),
        ({"base_url": "http://elsewhere/v1"}, ""),
        ({"quota": 5}, ""),
        ({"user": "Another prompt for {{ persona }}."}, "row"),
        ({"temperature": 0.5}, "row"),
        ({"samples": 4}, "set"),
    ],
)
def test_a_change_moves_the_hash_of_its_class_alone(change: dict[str, Any], moved: str) -> None:
    before, after = fingerprint().model_dump(), fingerprint(**change).model_dump()
    assert [name for name in before if before[name] != after[name]] == ([moved] if moved else [])


def test_a_threshold_is_no_part_of_a_verifiers_row_hash() -> None:
    before, after = fingerprint(1), fingerprint(1, agree=5)
    assert before.row == after.row
    assert before.set != after.set


def test_a_new_model_version_changes_the_identity_and_an_address_does_not() -> None:
    openai = entry("model.openai")
    values = {"model": "m", "base_url": "http://a", "context": 8192}
    identity = model_identity(openai, values)
    assert model_identity(openai, {**values, "base_url": "http://b", "context": 4096}) == identity
    assert model_identity(openai, {**values, "revision": "2"}) != identity
    assert model_identity(openai, {**values, "model": "n"}) != identity


def test_the_task_is_part_of_an_identity_unless_it_is_to_write() -> None:
    openai = entry("model.openai")
    identity = model_identity(openai, {"model": "m"})
    assert model_identity(openai, {"model": "m", "task": "generate"}) == identity
    assert model_identity(openai, {"model": "m", "task": "reward"}) != identity


def test_an_optional_attribute_that_nobody_gives_changes_no_hash() -> None:
    openai = entry("model.openai")
    assert model_identity(openai, {"model": "m"}) == model_identity(openai, {"model": "m", "revision": None})


def test_the_operations_version_counts() -> None:
    from dataclasses import replace

    from mixwright_compiler.plan.fingerprint import Meanings, node_hashes

    minhash = entry("dedup.minhash")
    newer = replace(minhash, version=minhash.version + 1)
    hashes = [node_hashes(e, {"on": "text"}, Meanings(), builtin_catalog()) for e in (minhash, newer)]
    assert hashes[0].row != hashes[1].row
    assert hashes[0].set == hashes[1].set


def test_a_pipelines_hash_covers_what_its_rows_come_from() -> None:
    def of(plan: Plan) -> str:
        return pipeline_row_hashes(plan)["math"]

    plan = lowered()
    personas = plan.sources["personas"]
    other = personas.model_copy(update={"mapping": {"persona": "other"}})
    changed = plan.model_copy(update={"sources": {**plan.sources, "personas": other}})
    assert of(lowered(quota=5)) == of(plan)
    assert of(changed) != of(plan)


def test_a_pinned_source_may_move() -> None:
    from mixwright_compiler.plan.fingerprint import source_hashes
    from mixwright_compiler.plan.plan import SourcePin

    def row_hash(path: str, digest: str) -> str:
        source = lowered().sources["personas"]
        pin = SourcePin(digest=digest, rows=1) if digest else None
        moved = source.model_copy(update={"attributes": {**source.attributes, "path": path}, "pin": pin})
        return source_hashes(moved, entry("source.jsonl")).row

    assert row_hash("a.jsonl", "d") == row_hash("b.jsonl", "d")
    assert row_hash("a.jsonl", "d") != row_hash("a.jsonl", "e")
    assert row_hash("a.jsonl", "") != row_hash("b.jsonl", "")
