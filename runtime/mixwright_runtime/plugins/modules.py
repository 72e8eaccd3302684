"""Python modules of a project's plugins, made from exactly the files that were looked at.

They have names of their own, so that a file called `json.py` hides nothing, and are compiled from their text each time:
what Python caches beside them goes by the time and size of the file alone, which an edit can leave as they are.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from mixwright_compiler.plugins.files import PACKAGE, files_of, identity_of

PARENT = "mixwright_plugins"
_places: dict[str, tuple[Path, str]] = {}
"""Module -> file or folder of the plugin, and its identity."""


class _FromText(SourceFileLoader):
    """Reads and writes no cached bytecode."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = compile(self.get_data(path), path, "exec", dont_inherit=True)
        return code


class _Finder:
    """Finds the modules below `PARENT`, in the plugins that were asked for."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == PARENT:
            return ModuleSpec(PARENT, None, is_package=True)
        name = ".".join(fullname.split(".")[:2])
        parts = fullname.split(".")
        if parts[0] != PARENT or name not in _places or not all(map(str.isidentifier, parts)):
            return None
        at = _places[name][0].joinpath(*fullname.split(".")[2:])
        if at.is_dir() and fullname != name and not (at / PACKAGE).is_file():
            return ModuleSpec(fullname, None, is_package=True)
        if at.is_dir():
            at /= PACKAGE
        elif fullname != name:
            at = at.with_suffix(".py")
        if not at.is_file():
            return None
        folder = [str(at.parent)] if at.name == PACKAGE else None
        return spec_from_file_location(
            fullname, at, loader=_FromText(fullname, str(at)), submodule_search_locations=folder
        )


def import_plugin(place: Path, identity: str, inner: str = "") -> ModuleType:
    """A module of a plugin; `inner`: its name inside it, empty for the first.

    Raises:
        Whatever its code raises.
    """
    if _Finder not in sys.meta_path:
        sys.meta_path.append(_Finder)
    which = hashlib.sha256(f"{place} {identity}".encode()).hexdigest()[:12]
    name = f"{PARENT}.{re.sub(r'[^A-Za-z0-9]', '_', f'of {place.stem}')}_{which}"
    _places[name] = (place, identity)
    try:
        return importlib.import_module(f"{name}.{inner}".rstrip("."))
    except BaseException:
        # Half of a plugin must not be taken for the whole by whoever tries again.
        for module in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
            del sys.modules[module]
        raise


def job(function: Callable[..., Any]) -> str:
    """The name under which a worker finds a function at the top of a plugin: `context.workers().run(job(f), …)`."""
    name = ".".join(function.__module__.split(".")[:2])
    if name not in _places:
        return f"{function.__module__}:{function.__qualname__}"
    place, identity = _places[name]
    inner = ".".join(function.__module__.split(".")[2:])
    return f"{identity} {inner} {place}:{function.__qualname__}"


def module_of_job(name: str) -> ModuleType:
    """The module of a plugin that a job's name says, in a worker.

    Raises:
        ImportError: the plugin was edited since the run began.
    """
    identity, inner, place = name.split(" ", 2)
    if identity_of(files_of(Path(place))) != identity:
        raise ImportError(f"{place} was edited while it was used")
    return import_plugin(Path(place), identity, inner)
