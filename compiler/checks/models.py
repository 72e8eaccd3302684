"""88x: models that are asked for what they do not do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from compiler.attributes import plain
from compiler.catalog import AttributeSchema
from compiler.checks.checked import Checked, value_of
from compiler.fingerprint import GENERATES
from compiler.program import Bound, StepDecl
from compiler.suggest import listing
from dsl.diagnostic import Label


def check_tasks(checked: Checked) -> None:
    """MIX880: a step whose model is for something else, such as a generator where a reward model is due."""
    pipelines = [step for _, _, step in checked.clean_steps()]
    mixtures = [step for m in checked.of_mixtures() if not m.variant_of for step in m.steps]
    for step in (*pipelines, *mixtures):
        for schema, bound, name in _models_of(step):
            model = checked.program.models.get(name)
            if model is None or not checked.clean(model.span):
                continue
            task = value_of(model.attributes, "task", GENERATES)
            allowed = schema.tasks or (GENERATES,)
            if task in allowed:
                continue
            at = model.attributes.get("task")
            checked.findings.error(
                "MIX880",
                f"model `{name}` has `task = {task}`, and `{schema.name}` needs {listing(allowed)}",
                bound.span,
                secondary=(
                    Label(model.name_span if at is None or at.is_default else at.span, "declared here"),
                ),
                hint=f"name another model, or write `task = {allowed[0]}` in `model {name}`"
                if allowed != (GENERATES,)
                else "name a model that writes text",
            )


def check_architectures(checked: Checked) -> None:
    """MIX881: a model in a directory here whose `config.json` says that it is for another task."""
    for model in checked.program.models.values():
        path = value_of(model.attributes, "path")
        task = value_of(model.attributes, "task")
        if not isinstance(path, str) or task not in HEADS or not checked.clean(model.span):
            continue
        architecture = _architecture(checked.world.directory / path)
        if architecture is None or architecture.endswith(HEADS[task]):
            continue
        right = next((t for t, ends in HEADS.items() if architecture.endswith(ends)), None)
        at = model.attributes["task"]
        checked.findings.error(
            "MIX881",
            f"`task = {task}` needs a model with another head: `{path}` is a {architecture}",
            model.attributes["path"].span,
            secondary=() if at.is_default else (Label(at.span, "asked for here"),),
            hint=f"write `task = {right}`, or name another model" if right else "name another model",
        )


HEADS = {
    "generate": ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel"),
    "reward": ("ForRewardModel", "ForSequenceClassification"),
    "process_reward": ("ForProcessRewardModel", "ForTokenClassification"),
    "classify": ("ForSequenceClassification",),
}
"""What the names of architectures with the head of a task end with. Any model can embed."""

LARGEST_CONFIG_BYTES = 1_000_000


def _architecture(directory: Path) -> str | None:
    """The architecture that a model's `config.json` names; None when there is none to be read."""
    try:
        file = directory / "config.json"
        if file.stat().st_size > LARGEST_CONFIG_BYTES:
            return None
        found = json.loads(file.read_text(encoding="utf-8"))["architectures"][0]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def _models_of(step: StepDecl) -> Iterator[tuple[AttributeSchema, Bound, str]]:
    for schema in step.entry.attributes:
        bound = step.attributes.get(schema.name)
        if bound is None or schema.type not in ("ref:model", "list[ref:model]"):
            continue
        value = plain(bound)
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str):
                yield schema, bound, name
