"""88x: models that are asked for what they do not do."""

from __future__ import annotations

from collections.abc import Iterator

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


def _models_of(step: StepDecl) -> Iterator[tuple[AttributeSchema, Bound, str]]:
    for schema in step.entry.attributes:
        bound = step.attributes.get(schema.name)
        if bound is None or schema.type not in ("ref:model", "list[ref:model]"):
            continue
        value = plain(bound)
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str):
                yield schema, bound, name
