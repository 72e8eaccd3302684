"""Joins to the catalog what plugins declare: those that a spec imports, and those that are installed."""

from __future__ import annotations

import os
from pathlib import Path

from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.load.world import Module, World
from mixwright_compiler.plugins.files import PACKAGE, files_of, identity_of
from mixwright_compiler.plugins.reading import Plugin, read_plugin
from mixwright_compiler.suggest import did_you_mean, nearest
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Text
from mixwright_dsl.source import Span


def import_plugin(world: World, module: Module, where: Text) -> None:
    """Join what the plugin of `import python "…"` declares; reports what is wrong with it."""
    target = (module.directory / where.value).resolve()
    if (problem := _misplaced(world, where.value, target)) is not None:
        message, hint = problem
        world.findings.error("MIX108", message, where.span, hint=hint)
        world.is_short_of_kinds = True
        return
    name = target.relative_to(world.root).as_posix()
    if name in module.plugin_spans:
        world.findings.error(
            "MIX114",
            f"plugin `{where.value}` is imported twice",
            where.span,
            "imported again here",
            secondary=(Label(module.plugin_spans[name], "first imported here"),),
            hint="delete one of them",
        )
        return
    module.plugin_spans[name] = where.span
    if name not in world.plugins:
        shown = os.path.normpath(os.path.join(os.path.dirname(module.source.name), where.value))
        try:
            files = files_of(target)
            empty = Plugin(name, identity_of(files), path=name)
            world.plugins[name] = plugin = read_plugin(empty, files, shown, world.catalog, world.root)
        except OSError as error:
            why = (error.strerror or "it is no file").lower()
            world.findings.error("MIX108", f"cannot read `{where.value}`", where.span, why)
            world.is_short_of_kinds = True
            return
        _join(world, plugin, where.span)


def _misplaced(world: World, text: str, target: Path) -> tuple[str, str] | None:
    """Why a plugin cannot be where an import says, and what to do."""
    if not target.is_relative_to(world.root):
        return f"`{text}` is outside the project", f"move it under `{world.root.name}/`"
    if target.is_dir():
        if not (target / PACKAGE).is_file():
            return f"folder `{text}` is no plugin", f"a plugin of several files has a `{PACKAGE}`"
        return None
    if not target.is_file():
        try:
            near = nearest(target.name, (p.name for p in target.parent.iterdir() if p.suffix == ".py"))
        except OSError:
            near = None
        start = "a path starts at the directory of the file that imports it"
        return f"no file `{text}`", did_you_mean(near, start)
    if target.suffix != ".py":
        return f"`{text}` is no Python file", "a plugin is a `.py` file, or a folder of them"
    return None


def _join(world: World, plugin: Plugin, at: Span) -> None:
    """Add a project's plugin to the catalog, but for what is wrong in it, which is reported where it stands."""
    named = Label(at, "imported here")
    spans = {fault.span for fault in plugin.faults}
    for fault in plugin.faults:
        world.findings.error(
            fault.code, fault.message, fault.span, fault.label, secondary=(named,), hint=fault.hint
        )
        world.is_short_of_kinds = True
    sound = []
    for key, declared in plugin.declared.items():
        other = world.catalog.entries.get(key)
        if other is not None:
            _taken(world, key, declared.span, other, named)
            world.is_short_of_kinds = True
        elif not any(span in spans for span in (declared.span, *declared.spans.values())):
            sound.append(declared.entry)
            world.declared_at[key] = declared.span
    world.catalog = world.catalog.joined(sound)


def _taken(world: World, key: str, at: Span, other: Entry, named: Label) -> None:
    family, _, name = key.partition(".")
    by = f"plugin `{other.plugin.name}` declares it too" if other.plugin else "it ships with Mixwright"
    places = (Label(world.declared_at[key], "declared here too"),) if key in world.declared_at else ()
    world.findings.error(
        "MIX133",
        f"there is a {family} `{name}` already: {by}",
        at,
        secondary=(*places, named),
        hint=f"call it something else: `my_{name}`",
    )


def join_installed(world: World) -> None:
    """Add the kinds of installed plugins that nothing else has. What two of them declare is nobody's."""
    from mixwright_compiler.plugins.installed import installed_plugins

    brought: dict[str, list[Plugin]] = {}
    for plugin in installed_plugins(world.catalog):
        if plugin.faults:
            world.left_out.append(plugin)
            continue
        world.plugins.setdefault(plugin.name, plugin)
        for key in plugin.declared:
            if key not in world.catalog.entries:
                brought.setdefault(key, []).append(plugin)
    world.contested |= {
        key: [p.name for p in plugins] for key, plugins in brought.items() if len(plugins) > 1
    }
    entries = []
    for key, plugins in brought.items():
        if len(plugins) == 1:
            declared = plugins[0].declared[key]
            entries.append(declared.entry)
            world.declared_at[key] = declared.span
    world.catalog = world.catalog.joined(entries)
