"""Which packages a plan needs that are not installed, and the command that installs them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.errors import MissingExtra


@dataclass(frozen=True)
class Missing:
    """An extra that a plan needs, with its modules that cannot be found and who needs it (`model teacher`)."""

    extra: str
    modules: tuple[str, ...]
    needed_by: str
    is_own: bool = False
    """Of a plugin, whose `extra` says itself what is installed."""

    @property
    def command(self) -> str:
        if self.is_own:
            return f"pip install '{self.extra}'"
        return f"pip install 'mixwright[{self.extra}]'"

    def __str__(self) -> str:
        return f"{self.needed_by} needs {', '.join(self.modules)}: {self.command}"


def missing_extras(plan: Plan) -> list[Missing]:
    """What is not installed, one entry an extra, in the order of the plan. Looks for modules, imports none."""
    found: dict[str, Missing] = {}
    for key, needed_by in _operations(plan):
        entry = plan.catalog.entries.get(key)
        if entry is None or not entry.extra or entry.extra in found:
            continue
        modules = tuple(module for module in entry.modules if find_spec(module) is None)
        if modules:
            found[entry.extra] = Missing(entry.extra, modules, needed_by, is_own=entry.plugin is not None)
    return list(found.values())


def require_extras(plan: Plan, *, trains: bool = False) -> None:
    """Refuse a plan before anything of it runs. trains: also for want of what its `train` blocks need, which are
    commands of their own.

    Raises:
        MissingExtra: something is not installed; the message names every install command.
    """
    missing = missing_extras(plan if trains else plan.model_copy(update={"trains": {}}))
    if missing:
        raise MissingExtra("; ".join(map(str, missing)))


def _operations(plan: Plan) -> list[tuple[str, str]]:
    """(catalog key, who uses it) of everything a plan uses."""
    used = [(f"model.{m.engine}", f"model '{m.name}'") for m in plan.models.values()]
    used += [(f"source.{s.kind}", f"source '{s.name}'") for s in plan.sources.values()]
    for pipeline in plan.pipelines.values():
        used += [(step.operation, f"step '{pipeline.name}.{step.id}'") for step in pipeline.steps]
    for mixture in plan.mixtures.values():
        used += [(step.operation, f"step '{mixture.name}.{step.id}'") for step in mixture.steps]
    for train in plan.trains.values():
        used.append(("train.sft", f"train '{train.name}'"))
        for evaluation in train.evaluations:
            needed_by = f"evaluation '{train.name}.{evaluation.name}'"
            used += [(step.operation, needed_by) for step in evaluation.steps]
    return used
