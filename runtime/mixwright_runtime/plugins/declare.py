"""Declarations of everything the catalog offers.

A plugin is one function or class with a decorator that states its catalog entry; its docstring is its manual
page. Importing a plugin module imports nothing heavy: packages of an extra are imported inside the function
that uses them, through `require`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from mixwright_compiler.catalog.catalog import Asks, AttributeSchema, Catalog, Entry, LabelKind
from mixwright_compiler.catalog.declaring import REQUIRED as REQUIRED
from mixwright_compiler.catalog.declaring import attribute as attribute
from mixwright_compiler.catalog.declaring import unnamed
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.shape_faults import needed, problems_of
from mixwright_runtime.plugins.shapes import SHAPES

T = TypeVar("T")


@dataclass(frozen=True)
class Plugin:
    """A catalog entry with what implements it."""

    entry: Entry
    implementation: Any


_plugins: dict[str, Plugin] = {}
_of_plan: dict[str, Plugin] = {}
"""What the plugins of the plan under way declare (`mixwright_runtime/plugins/loading.py`)."""
_collector: ContextVar[dict[str, Plugin] | None] = ContextVar("collector", default=None)

PROMISES = {
    "model": ("start", "close", "slots"),
    "source": ("rows", "files", "revision"),
    "export": ("write", "data_file", "shape"),
    "Tool": ("run",),
    **{shape.__name__: tuple(needed(shape)) for shape in SHAPES},
}
"""Family, or class that one derives from -> what its classes must have."""

PLUGIN_PACKAGES = (
    "mixwright_runtime.engines",
    "mixwright_runtime.sources",
    "mixwright_runtime.steps",
    "mixwright_runtime.verifiers",
    "mixwright_runtime.exporters",
    "mixwright_runtime.tools",
    "mixwright_runtime.training.declaration",
)


def declare(
    family: str,
    name: str,
    *,
    version: int = 1,
    label: LabelKind = "none",
    attributes: tuple[AttributeSchema, ...] = (),
    reads: tuple[str, ...] = (),
    makes: Mapping[str, str] | None = None,
    extra: str = "",
    modules: tuple[str, ...] = (),
    breaker: bool = False,
    evidence: Mapping[str, str] | None = None,
    compares: str = "",
    asks: tuple[Asks, ...] = (),
    needs_all_rows: bool | str = False,
    one_of: tuple[tuple[str, ...], ...] = (),
    goes_with: tuple[tuple[str, str, str], ...] = (),
    rules: tuple[str, ...] = (),
    offers: tuple[str, ...] = (),
    rows_in: str = "",
    is_empty: bool = False,
    drops_only: bool = False,
    apart_from: str = "",
    spreads: str = "",
    folds: bool = False,
    loops: bool = False,
    with_attribute: str = "",
    takes: Mapping[str, str] | None = None,
) -> Callable[[T], T]:
    """Declare what the decorated function or class implements, under `family.name`; see
    `mixwright_compiler.catalog.catalog.Entry`.

    Raises:
        ValueError: what is declared names an attribute that the entry does not have, or a step's class does not offer
            what its shape promises (`mixwright_runtime.plugins.shapes`).
    """

    def register(implementation: T) -> T:
        doc = (implementation.__doc__ or "").strip()
        entry = Entry(
            family,
            name,
            doc,
            version,
            label,
            attributes,
            reads,
            dict(makes or {}),
            extra,
            modules,
            breaker,
            dict(evidence or {}),
            compares,
            asks,
            needs_all_rows,
            one_of,
            goes_with,
            rules,
            offers,
            rows_in,
            is_empty,
            drops_only,
            apart_from,
            spreads,
            folds,
            loops,
            with_attribute,
            dict(takes or {}),
        )
        for problem in (*unnamed(entry), *problems_of(entry, implementation)):
            raise ValueError(f"{entry.key}: {problem}")
        collector = _collector.get()
        into = _plugins if collector is None else collector
        if entry.key in into:
            raise ValueError(f"{entry.key} is declared twice")
        into[entry.key] = Plugin(entry, implementation)
        return implementation

    return register


@contextmanager
def collected() -> Iterator[dict[str, Plugin]]:
    """What is declared meanwhile, kept apart from what ships with Mixwright."""
    found: dict[str, Plugin] = {}
    token = _collector.set(found)
    try:
        yield found
    finally:
        _collector.reset(token)


def use(declared: Mapping[str, Plugin]) -> None:
    """Make what plugins declare known, in the place of what was made known before."""
    _of_plan.clear()
    _of_plan.update(declared)


def known_of_module(name: str) -> dict[str, Plugin]:
    """What a module declared that was imported by somebody else."""
    return {key: p for key, p in _plugins.items() if p.implementation.__module__ == name}


def plugins() -> Mapping[str, Plugin]:
    """Every built-in plugin by catalog key. Imports the plugin modules, none of their heavy packages."""
    import pkgutil

    for package_name in PLUGIN_PACKAGES:
        package = importlib.import_module(package_name)
        for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
            importlib.import_module(f"{package_name}.{module.name}")
    return dict(_plugins)


def implementation(key: str) -> Any:
    """What implements a catalog key such as `verify.math`; imports only that plugin's module where it can.

    Raises:
        RunError: this version has no such operation.
    """
    if key in _of_plan:
        return _of_plan[key].implementation
    if key not in _plugins:
        family, _, name = key.partition(".")
        for module in _candidate_modules(family, name):
            try:
                importlib.import_module(module)
            except ModuleNotFoundError as missing:
                if missing.name != module:
                    raise
    if key not in _plugins:
        plugins()
    if key not in _plugins:
        raise RunError(f"this version of mixwright has no operation '{key}'")
    return _plugins[key].implementation


def _candidate_modules(family: str, name: str) -> tuple[str, ...]:
    package = {
        "model": "mixwright_runtime.engines",
        "source": "mixwright_runtime.sources",
        "verify": "mixwright_runtime.verifiers",
        "export": "mixwright_runtime.exporters",
        "tool": "mixwright_runtime.tools",
    }.get(family, "mixwright_runtime.steps")
    return (f"{package}.{name}", f"{package}.{family}_{name}", f"{package}.{family}")


def entry_of(key: str) -> Entry:
    """The declaration of a catalog key; raises as `implementation` does."""
    implementation(key)
    return (_of_plan.get(key) or _plugins[key]).entry


def declared_catalog() -> Catalog:
    """The catalog of what ships with Mixwright, sorted by key: what `catalog.json` must equal."""
    ours = {
        key: p for key, p in plugins().items() if p.implementation.__module__.startswith("mixwright_runtime.")
    }
    from mixwright_runtime.plugins.attributes import SHARED

    return Catalog({key: ours[key].entry for key in sorted(ours)}, SHARED, PROMISES)
