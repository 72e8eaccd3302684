"""What a spec really uses: everything its own pipelines, mixtures, trainings and exports lead to.

A plan, a lock and the needed extras cover these and nothing else, so that importing a library costs only what is
taken from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mixwright_compiler.bind.plain import plain
from mixwright_compiler.catalog.catalog import Catalog, Entry
from mixwright_compiler.catalog.references import LISTS, OF_VARIANT
from mixwright_compiler.program import Declared, Program, StepDecl
from mixwright_dsl.lazy_dataclass import dataclass, field


@dataclass
class Reach:
    """Names reached, by kind, and the catalog entries they use."""

    models: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    templates: set[str] = field(default_factory=set)
    tools: set[str] = field(default_factory=set)
    pipelines: set[str] = field(default_factory=set)
    mixtures: set[str] = field(default_factory=set)
    trains: set[str] = field(default_factory=set)
    exports: set[str] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)


def reach(program: Program, variant: str | None = None, pipeline: str | None = None) -> Reach:
    """Everything reached from the spec's own declarations, or from one variant and what hangs on it, or from one pipeline
    alone.

    A name of an import (it has a dot) is reached by use alone, and so is a variant and what it has otherwise: running a
    spec builds its mixtures, not its ablations. A spec that declares none of pipeline, mixture, train and export reaches
    its sources and models, so that it can still be locked.
    """
    walk = _Walk(program, program.catalog)
    outputs = [("train", t.name) for t in program.trains.values() if variant in (None, t.mixture)]
    outputs += [("export", e.name) for e in program.exports.values() if variant in (None, e.mixture)]
    if pipeline is not None:
        roots = [("pipeline", pipeline)]
    elif variant is not None:
        roots = [("mixture", variant), *outputs]
    else:
        roots = [("pipeline", name) for name in program.pipelines]
        roots += [("mixture", m.name) for m in program.mixtures.values() if not m.variant_of]
        roots = [
            (kind, name) for kind, name in (*roots, *outputs) if "." not in name and OF_VARIANT not in name
        ]
    if not roots:
        roots = [("source", name) for name in program.sources] + [("model", name) for name in program.models]
    for kind, name in roots:
        walk.visit(kind, name)
    return walk.found


class _Walk:
    def __init__(self, program: Program, catalog: Catalog) -> None:
        self.program = program
        self.catalog = catalog
        self.found = Reach()

    def visit(self, kind: str, name: str) -> None:
        declared: Mapping[str, Declared] = getattr(self.program, f"{kind}s")
        names: set[str] = getattr(self.found, f"{kind}s")
        if name in names or name not in declared:
            return
        names.add(name)
        decl = declared[name]
        if kind != "pipeline" and kind != "mixture" and kind != "template":
            self.found.entries.append(decl.entry)
        self.attributes(decl.entry, decl.attributes)
        match kind:
            case "pipeline":
                pipeline = self.program.pipelines[name]
                self.visit(pipeline.start.kind, pipeline.start.rows)
                self.steps(pipeline.steps)
            case "mixture":
                mixture = self.program.mixtures[name]
                for component in mixture.components:
                    self.visit(component.kind, component.rows)
                self.steps(mixture.steps)
            case "train":
                train = self.program.trains[name]
                self.visit("mixture", train.mixture)
                for evaluation in train.evaluations:
                    self.attributes(evaluation.entry, evaluation.attributes)
                    self.steps(evaluation.graded.steps)
            case "export":
                self.visit("mixture", self.program.exports[name].mixture)

    def steps(self, steps: tuple[StepDecl, ...]) -> None:
        for step in steps:
            self.found.entries.append(step.entry)
            self.attributes(step.entry, step.attributes)

    def attributes(self, entry: Entry, attributes: Mapping[str, Any]) -> None:
        for schema in entry.attributes:
            if schema.name in attributes:
                value = plain(attributes[schema.name])
                for kind, name in references(schema.type, value, self.catalog):
                    self.visit(kind, name)


def references(type: str, value: Any, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """(kind, name) of every declaration that a plain value of an attribute type names."""
    if value is None:
        return
    if type.startswith("some[") and not isinstance(value, list):
        yield from references(type[5:-1], value, catalog)
    elif type.startswith(LISTS) and isinstance(value, list):
        for item in value:
            yield from references(type[5:-1], item, catalog)
    elif type.startswith("block:") and isinstance(value, Mapping):
        entry = catalog.entries.get(type.removeprefix("block:"))
        for schema in entry.attributes if entry else ():
            yield from references(schema.type, value.get(schema.name), catalog)
    elif type == "call:on_verdict" and isinstance(value, Mapping) and value.get("call") == "repair":
        yield "template", str(value["args"][0])
    elif (type.startswith("ref:") or type == "drawn") and isinstance(value, str):
        kind = "source" if type == "drawn" else type.removeprefix("ref:")
        kinds = ("source", "pipeline", "mixture") if kind in ("rows", "source") else (kind,)
        yield from ((k, value) for k in kinds)
