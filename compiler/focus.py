"""A plan narrowed to one mixture: what `--variant NAME` plans and runs."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.catalog import builtin_catalog
from compiler.plan import Plan, Step
from compiler.reach import references


class NoSuchMixture(ValueError):
    """The plan has no mixture or variant of that name; the message lists those it has."""


def focused(plan: Plan, mixture: str) -> Plan:
    """The plan of one mixture or variant: its components, what they need, and its own trainings and exports.

    Trainings and exports of the mixture that a variant comes from are left out: they would overwrite its files.

    Raises:
        NoSuchMixture: it has none of that name.
    """
    if mixture not in plan.mixtures:
        names = ", ".join(plan.mixtures) or "none"
        raise NoSuchMixture(f"no mixture or variant '{mixture}'; there are: {names}")
    trains = {name: t for name, t in plan.trains.items() if t.mixture == mixture}
    wanted: dict[str, set[str]] = {
        kind: set() for kind in ("source", "pipeline", "mixture", "template", "model")
    }

    def visit(kind: str, name: str) -> None:
        if name in wanted[kind] or name not in getattr(plan, f"{kind}s"):
            return
        wanted[kind].add(name)
        if kind == "pipeline":
            pipeline = plan.pipelines[name]
            visit(pipeline.start.kind, pipeline.start.rows)
            for reference in _references(pipeline.steps):
                visit(*reference)
        elif kind == "mixture":
            for component in plan.mixtures[name].components:
                visit(component.kind, component.rows)
            for reference in _references(plan.mixtures[name].steps):
                visit(*reference)

    visit("mixture", mixture)
    catalog = builtin_catalog()
    for train in trains.values():
        for schema in catalog.entries["train.sft"].attributes:
            for reference in references(schema.type, train.attributes.get(schema.name), catalog):
                visit(*reference)
    nodes = wanted["pipeline"] | {mixture}
    used = {step.operation for p in wanted["pipeline"] for step in plan.pipelines[p].steps}
    used |= {step.operation for m in wanted["mixture"] for step in plan.mixtures[m].steps}
    used |= {f"model.{plan.models[name].engine}" for name in wanted["model"]}
    used |= {f"source.{plan.sources[name].kind}" for name in wanted["source"]}
    used |= {"train.sft"} if trains else set()
    extras = {catalog.entries[key].extra for key in used if key in catalog.entries} - {""}
    return plan.model_copy(
        update={
            **{
                f"{kind}s": {n: d for n, d in getattr(plan, f"{kind}s").items() if n in names}
                for kind, names in wanted.items()
            },
            "trains": trains,
            "exports": {name: e for name, e in plan.exports.items() if e.mixture == mixture},
            "estimates": tuple(e for e in plan.estimates if e.node.rpartition(".")[0] in nodes),
            "extras": tuple(sorted(extras)),
        }
    )


def _references(steps: tuple[Step, ...]) -> Iterator[tuple[str, str]]:
    catalog = builtin_catalog()
    for step in steps:
        entry = catalog.entries.get(step.operation)
        for schema in entry.attributes if entry else ():
            yield from references(schema.type, step.attributes.get(schema.name), catalog)
