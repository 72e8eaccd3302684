"""Runs the code of a plan's plugins: what they declare is then there like what ships with Mixwright.

A plugin is run only where its files, or its version, are those that the plan was made with, and only if it declares what
was read in its text (`mixwright_compiler/plugins/reading.py`). It has the rights of whoever runs the plan.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mixwright_compiler.catalog.catalog import entry_to_json
from mixwright_compiler.plan.plan import Plan, PluginSpec
from mixwright_compiler.plugins.files import files_of, identity_of, short
from mixwright_compiler.plugins.installed import GROUP, identity_of_distribution, place_of
from mixwright_runtime.errors import RowError, RunError, RunStopped, in_words
from mixwright_runtime.plugins.declare import Plugin, collected, known_of_module, use
from mixwright_runtime.plugins.modules import import_plugin

DECLARED = "__mixwright_declared__"
"""What a module declared, kept in it: it is imported once."""


class PluginFails(RunError):
    """A plugin's code ends in an error that nobody expects, or declares something else than its text (MIX137)."""


class PluginChanged(RunError):
    """A plugin is not the one that the plan was made with (MIX138)."""


_loaded: dict[tuple[str, str], dict[str, Plugin]] = {}
"""What was loaded in this process, by place and identity."""
_places: dict[str, str] = {}
"""Where the code of a plugin is, by its name."""


def load_plugins(plan: Plan) -> None:
    """Make what the plan's plugins declare known; what those of another plan declared is forgotten.

    Raises:
        PluginChanged: one is another than when the plan was made; nothing of it was run.
        PluginFails: its code ends in an error, or declares something else.
    """
    found: dict[str, Plugin] = {}
    for spec in plan.plugins.values():
        _hold_to(spec, plan)
        _places[spec.name] = str(Path(plan.root, spec.path) if spec.path else place_of(spec.module))
        key = (_places[spec.name], spec.identity)
        if key not in _loaded:
            _loaded[key] = dict(_declared(spec, Path(plan.root)))
        found |= {each: _loaded[key][each] for each in _checked(spec, _loaded[key])}
    use(found)


def _hold_to(spec: PluginSpec, plan: Plan) -> None:
    """Refuse a plugin that is not the one of the plan."""
    if spec.path:
        try:
            now = identity_of(files_of(Path(plan.root, spec.path)))
        except OSError as error:
            raise PluginChanged(f"plugin '{spec.name}' cannot be read: {error.strerror} [MIX138]") from None
    else:
        now = _installed(spec)
    if now != spec.identity:
        raise PluginChanged(
            f"plugin '{spec.name}' is not the one that the plan was made with: {short(spec.identity)} then, "
            f"{short(now) or 'not installed'} now; nothing was run. Plan again, or restore it [MIX138]"
        )


def _installed(spec: PluginSpec) -> str:
    """Identity of an installed plugin as it is now; empty where it is not."""
    for point in importlib.metadata.entry_points(group=GROUP):
        if point.value.partition(":")[0].strip() == spec.module:
            name, identity = identity_of_distribution(point.dist, spec.module)
            if name == spec.name:
                return identity
    return ""


def _declared(spec: PluginSpec, root: Path) -> Iterator[tuple[str, Plugin]]:
    try:
        if spec.path:
            with collected() as found:
                for inner in ("", *spec.declares):
                    import_plugin(Path(root, spec.path), spec.identity, inner)
            yield from found.items()
        else:
            for inner in ("", *spec.declares):
                name = f"{spec.module}.{inner}".rstrip(".")
                yield from _of_module(name).items()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        told = _told(error, spec.name) or in_words(error)
        raise PluginFails(f"plugin '{spec.name}' cannot be loaded: {told} [MIX137]") from error


@contextmanager
def plugin_faults() -> Iterator[None]:
    """Tell an error of a plugin's code as one of the plugin, with the line that it came from.

    Raises:
        PluginFails: instead of such an error.
    """
    try:
        yield
    except Exception as error:
        fault = fault_of(error)
        if fault is None:
            raise
        raise fault from error


def fault_of(error: BaseException) -> PluginFails | None:
    """An error as one of the plugin whose code it went through; None where it is expected, or of no plugin."""
    if isinstance(error, RunError | RowError | RunStopped):
        return None
    for name in _places:
        if told := _told(error, name):
            return PluginFails(f"plugin '{name}' fails: {told}; what was made is kept [MIX137]")
    return None


def _of_module(name: str) -> dict[str, Plugin]:
    """What an installed module declares, also where it was imported before."""
    with collected() as found:
        module = importlib.import_module(name)
    if found:
        module.__dict__[DECLARED] = found
    declared: dict[str, Plugin] = module.__dict__.get(DECLARED) or known_of_module(name)
    return declared


def _told(error: BaseException, name: str) -> str:
    """An error with the last line of a plugin's code that it went through; empty where it went through none."""
    if isinstance(error, SyntaxError) and (shown := _shown(name, error.filename or "")):
        return f"{shown}:{error.lineno}: {in_words(error)}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if shown := _shown(name, frame.filename):
            return f"{shown}:{frame.lineno}: {in_words(error)}"
    return ""


def _shown(name: str, file: str) -> str:
    """How messages name a file of a plugin: from the project's root; empty for a file that is none of its."""
    place = _places[name]
    if file != place and not file.startswith(f"{place}/"):
        return ""
    return file.replace(place, name, 1) if place.endswith(name) else file


def _checked(spec: PluginSpec, found: Mapping[str, Plugin]) -> list[str]:
    """The catalog keys that the plan uses; refuses a plugin whose code declares them otherwise than its text."""
    keys = []
    for raw in spec.entries:
        key = f"{raw['family']}.{raw['name']}"
        if key not in found:
            raise PluginFails(f"plugin '{spec.name}' does not declare {key} when it is loaded [MIX137]")
        loaded = _comparable_of(found[key])
        differing = [name for name, value in _comparable(raw).items() if loaded[name] != value]
        if differing:
            raise PluginFails(
                f"plugin '{spec.name}' declares {key} otherwise when it is loaded than in its text: "
                f"{', '.join(differing)} [MIX137]"
            )
        keys.append(key)
    return keys


def _comparable(raw: Mapping[str, object]) -> dict[str, Any]:
    """A declaration without its text: Python may shorten that."""
    return {name: json.loads(json.dumps(value)) for name, value in raw.items() if name != "doc"}


def _comparable_of(plugin: Plugin) -> dict[str, Any]:
    found = _comparable(entry_to_json(plugin.entry))
    return {name: found.get(name) for name in vars(plugin.entry)} | found
