"""Plugins of installed packages: what is found under the entry points `mixwright.plugins`, read and not imported.

    [project.entry-points."mixwright.plugins"]
    tone = "acme_tone.plugin"

They are looked for when a spec names a kind that nothing else declares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mixwright_compiler.catalog.catalog import Catalog
from mixwright_compiler.plugins.files import files_of, identity_of
from mixwright_compiler.plugins.reading import Fault, Plugin, read_plugin
from mixwright_dsl.source import SourceFile, Span

GROUP = "mixwright.plugins"


def installed_plugins(catalog: Catalog) -> Iterator[Plugin]:
    """Every installed plugin, broken ones with their faults; in the order of their names."""
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        yield _read(point, catalog)


def _read(point: Any, catalog: Catalog) -> Plugin:
    module = point.value.partition(":")[0].strip()
    name, identity = identity_of_distribution(point.dist, module)
    plugin = Plugin(name, identity, module=module)
    found = place_of(module)
    if found is None:
        nowhere = Span(SourceFile(f"{name} ({module})", "", None), 0, 0)
        message = f"its entry point `{point.name}` names module `{module}`, which is not there"
        return Plugin(name, identity, module=module, faults=(Fault("MIX136", message, nowhere),))
    files = {
        place: path for place, path in files_of(found).items() if found.is_file() or _may_declare(place, path)
    }
    return read_plugin(plugin, files, str(found), catalog)


def _may_declare(place: str, path: Path) -> bool:
    """Whether it is worth parsing: a package may hold much else."""
    return place.endswith(".py") and (b"mixwright" in path.read_bytes() or place.endswith("__init__.py"))


def identity_of_distribution(distribution: Any, module: str) -> tuple[str, str]:
    """Name and identity of what brings a module: `acme-tone==1.2`; installed for editing, with the files' digest too."""
    if distribution is None:
        return module, module
    name = re.sub(r"[-_.]+", "-", str(distribution.name)).lower()
    identity = f"{name}=={distribution.version}"
    if _is_editable(distribution) and (place := place_of(module)) is not None:
        identity += f"+{identity_of(files_of(place))}"
    return name, identity


def _is_editable(distribution: Any) -> bool:
    try:
        return bool(json.loads(distribution.read_text("direct_url.json") or "{}")["dir_info"]["editable"])
    except (KeyError, TypeError, ValueError):
        return False


def place_of(module: str) -> Path | None:
    """The file of a module, or the folder of a package; found without importing it."""
    from importlib.machinery import PathFinder
    from importlib.util import find_spec

    first, *rest = module.split(".")
    try:
        found = find_spec(first)
        for depth in range(len(rest)):
            if found is None or found.submodule_search_locations is None:
                return None
            name = ".".join((first, *rest[: depth + 1]))
            found = PathFinder.find_spec(name, list(found.submodule_search_locations))
    except (ImportError, ValueError):
        return None
    if found is None or found.origin is None or not found.origin.endswith(".py"):
        return None
    origin = Path(found.origin)
    return origin.parent if origin.name == "__init__.py" else origin
