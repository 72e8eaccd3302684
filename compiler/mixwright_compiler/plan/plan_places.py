"""The rule of `bind/place.py` for a plan that comes as a file: what it reads and writes is in its project."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from mixwright_compiler.catalog.catalog import PATH_TYPES, Catalog, Entry
from mixwright_compiler.load.project_root import project_root
from mixwright_compiler.plan.plan import Plan


def misplaced(plan: Plan, file: Path, vouched: Collection[str] = ()) -> str:
    """What of a plan is outside its project, as a clause; empty when nothing is.

    Args:
        file: where the plan was read. Its project is the one that this file, or the working directory, is in.
        vouched: paths that were given with `-p` once more, and what is below them.
    """
    projects = {str(project_root(at)) for at in (file.resolve().parent, Path.cwd())}
    root, directory = os.path.realpath(plan.root), os.path.realpath(plan.directory)
    if root not in projects or not Path(directory).is_relative_to(root):
        return f"it was made for {plan.root}; make it anew with 'mixwright plan', or run it from there"
    for words, path in paths_of(plan):
        if any(Path(path).is_relative_to(given) for given in vouched) and os.path.normpath(path) == path:
            continue
        place = os.path.realpath(os.path.join(directory, path))
        if os.path.isabs(path) or "\0" in path or not Path(place).is_relative_to(root):
            return f"{words} is at {path}, outside the project {root}{_how(plan, path)}"
    return ""


def _how(plan: Plan, path: str) -> str:
    for name, value in plan.params.items():
        if isinstance(value, str) and os.path.isabs(value) and Path(path).is_relative_to(value):
            return f"; '-p {name}={value}' allows it"
    return ""


def paths_of(plan: Plan, catalog: Catalog | None = None) -> Iterator[tuple[str, str]]:
    """Every path that a plan names, with what names it."""
    catalog = catalog or plan.catalog
    entries = catalog.entries
    for plugin in plan.plugins.values():
        if plugin.path:
            # It is from the root, and the others are from the spec's directory.
            yield (
                f"plugin '{plugin.name}'",
                os.path.relpath(os.path.join(plan.root, plugin.path), plan.directory),
            )
    for words, key, attributes in _nodes(plan, catalog.only("train").key):
        if key in entries:
            for path in _paths(entries[key], attributes, entries):
                yield words, path


def _nodes(plan: Plan, train_key: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for model in plan.models.values():
        yield f"model '{model.name}'", f"model.{model.engine}", model.attributes
    for source in plan.sources.values():
        yield f"source '{source.name}'", f"source.{source.kind}", source.attributes
    for owner, steps in (
        *((pipeline.name, pipeline.steps) for pipeline in plan.pipelines.values()),
        *((mixture.name, mixture.steps) for mixture in plan.mixtures.values()),
    ):
        for step in steps:
            yield f"step '{owner}.{step.id}'", step.operation, step.attributes
    for train in plan.trains.values():
        yield f"train '{train.name}'", train_key, train.attributes
        for evaluation in train.evaluations:
            for step in evaluation.steps:
                yield f"train '{train.name}'", step.operation, step.attributes
    for export in plan.exports.values():
        yield f"export '{export.name}'", f"export.{export.format}", export.attributes


def _paths(entry: Entry, attributes: Mapping[str, Any], entries: Mapping[str, Entry]) -> Iterator[str]:
    for schema in entry.attributes:
        value = attributes.get(schema.name)
        nested = entries.get(schema.type.removeprefix("block:"))
        if nested is not None and isinstance(value, Mapping):
            yield from _paths(nested, value, entries)
        elif schema.type in PATH_TYPES and value is not None:
            match value:
                case str():
                    yield value
                case Mapping():
                    yield from map(str, value.values())
                case list() | tuple():
                    yield from map(str, value)
