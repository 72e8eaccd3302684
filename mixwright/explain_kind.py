"""What `mixwright explain verify.math` prints: the manual page of a kind, whoever declares it."""

from __future__ import annotations

from pathlib import Path

from mixwright.reference.pages import entry_page
from mixwright_compiler.catalog.blocks import language_blocks
from mixwright_compiler.catalog.catalog import Catalog, Entry, builtin_catalog
from mixwright_compiler.plugins.installed import installed_plugins


def kinds_named(what: str, spec: Path | None = None) -> dict[str, str]:
    """Catalog key -> page, of every kind that `what` may mean: `verify.math`, `verify math` or `math`.

    Args:
        spec: one that imports plugins, whose kinds count too.

    Raises:
        OSError, UnicodeDecodeError: the spec cannot be read.
    """
    wanted = what.strip().replace(" ", ".")
    catalog = builtin_catalog() if spec is None else _catalog_of(spec)
    found = _named(wanted, catalog)
    if not found:
        # As the compiler does: what is installed is looked at where nothing else has the name.
        sound = [plugin for plugin in installed_plugins(catalog) if not plugin.faults]
        found = _named(wanted, catalog.joined(d.entry for plugin in sound for d in plugin.declared.values()))
    return {entry.key: _page(entry) for entry in found}


def _catalog_of(spec: Path) -> Catalog:
    from mixwright_compiler.stages import compile_file

    draft = compile_file(spec).draft
    return builtin_catalog() if draft is None else draft.catalog


def _named(wanted: str, catalog: Catalog) -> list[Entry]:
    entries = [*language_blocks().values(), *catalog.entries.values()]
    return [entry for entry in entries if wanted in (entry.key, entry.name)]


def _page(entry: Entry) -> str:
    page = entry_page(entry)
    if entry.plugin is None:
        return page
    return f"{page}\n\nDeclared by plugin {entry.plugin.name} at {entry.plugin.line}."
