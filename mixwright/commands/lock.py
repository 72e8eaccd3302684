"""Pin every source, model and plugin that a spec reads, in NAME.lock beside NAME.mix.

Each source is read whole: its digest, rows, columns and types, license, the commit of a hub data set, and how many
rows its 'where' and 'limit' let in are written down. A model's configuration, tokenizer and weights are digested where
they are on this machine. Afterwards 'check' is offline and knows every column, and 'run' notices a source that changed.
Commit the lock file.

--check reads everything again and writes nothing: each place of the spec that the lock does not fit is a finding
(MIX807) with its line and what drifted: SQL, `where`, `limit`, a file, a model, a plugin. 'mixwright run --locked' runs
only what its lock fits.

Exit status: 0 written, with --check: the lock holds; 1 errors in the spec, with --check: something drifted, or the lock
cannot be read; 2 misuse, or a file that cannot be read or written.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright.params_option import add_params_option
from mixwright.terminal import table
from mixwright_compiler.bind.lock import (
    Lock,
    LockUnreadable,
    ModelLock,
    PluginLock,
    SourceLock,
    lock_changes,
    lock_path,
    model_definition,
    read_lock,
    source_definition,
    source_parts,
    source_selection,
    write_lock,
)
from mixwright_compiler.load.library import PREFIX, library_identity
from mixwright_compiler.plugins.files import short

if TYPE_CHECKING:
    from mixwright.compiling import Compiled
    from mixwright_compiler.plan.plan import ModelSpec, Plan, SourceSpec
    from mixwright_compiler.program import Program

FORMATS = ("text", "concise", "json", "sarif", "github")
MEASURED_ROWS = 1000
"""Rows from the start of a source over which the lengths of its text columns are averaged."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", type=Path, metavar="FILE", help="a .mix file")
    add_params_option(parser)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when something drifted")
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="how --check prints what drifted [text]"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write or verify the lock file; returns the exit status."""
    from mixwright.compiling import Misuse, compiled, given_params

    result = compiled(arguments.spec, arguments.params, lock=Lock(), errors_only=True)
    if result is None:
        return 1
    path = lock_path(arguments.spec)
    try:
        old = read_lock(path)
    except LockUnreadable as error:
        if arguments.check:
            print(f"error: {error}", file=sys.stderr)
            return 1
        old = Lock()
    new = found_lock(result.program, result.plan)
    new = with_selections(new, arguments.spec, given_params(arguments.params))
    if arguments.check:
        # Of what is there now every column has its type, and so has every expression.
        typed = compiled(arguments.spec, arguments.params, lock=new, errors_only=True)
        return 1 if typed is None else _told(typed, path, old, new, arguments)
    changes = lock_changes(old, new)
    for line in changes:
        print(line)
    try:
        write_lock(path, new)
    except OSError as error:
        raise Misuse(f"{path} cannot be written: {error.strerror}; the old one is untouched") from None
    print(summary_text(new))
    print(f"wrote {path}" if changes or old != new else f"wrote {path}, as it was")
    return 0


def _told(result: Compiled, path: Path, old: Lock, new: Lock, arguments: argparse.Namespace) -> int:
    """Print where spec and lock do not fit; returns the exit status."""
    from mixwright.version import VERSION
    from mixwright_compiler.plan.lock_fit import misfits
    from mixwright_dsl.render import render, wants_color

    changes, found = lock_changes(old, new), misfits(result.program, result.plan, old, new)
    if arguments.format != "text":
        sys.stdout.write(render(found, arguments.format, version=VERSION, command="lock"))
        return int(bool(changes or found))
    for line in changes:
        print(line)
    sys.stdout.write(render(found, color=wants_color(sys.stdout)))
    print(f"{len(changes)} differ from {path}; 'mixwright lock' accepts them" if changes else f"{path} holds")
    return int(bool(changes or found))


def summary_text(lock: Lock) -> str:
    """What is pinned, a line each: sources with rows, columns and license, models with what identifies them."""
    rows = [
        ("source", name, _rows_text(s), f"{len(s.columns)} columns", s.license or "no license")
        for name, s in lock.sources.items()
    ]
    rows += [
        ("model", name, model.definition, f"{model.size_bytes / 1e6:,.1f} MB" if model.size_bytes else "", "")
        for name, model in lock.models.items()
    ]
    rows += [("plugin", name, short(plugin.identity), "", "") for name, plugin in lock.plugins.items()]
    rows += [("library", name, short(library.identity), "", "") for name, library in lock.libraries.items()]
    return table(rows, indent="") if rows else "the spec reads no source and no model"


def with_selections(lock: Lock, spec: Path, params: Mapping[str, str]) -> Lock:
    """The lock with the rows that `where` and `limit` leave of each source, counted.

    The spec is compiled once more: with the columns that were just found, expressions have their types.
    """
    from mixwright.compiling import compilation_of, plan_of
    from mixwright_runtime.sources.reader import inspect_source

    program = compilation_of(spec, params, lock, None).program
    if program is None:
        return lock  # what is wrong with the columns that are there now is for `check` to say
    plan = plan_of(program, spec, lock, None)
    sources = dict(lock.sources)
    for name, locked in lock.sources.items():
        read = plan.sources[name].model_copy(update={"pin": None})
        is_part = read.where is not None or read.attributes.get("limit") is not None
        sources[name] = replace(
            locked,
            selection=source_selection(program.sources[name].attributes),
            parts=source_parts(program.sources[name].entry, program.sources[name].attributes),
            selected=inspect_source(read, Path(plan.directory)).rows if is_part else None,
        )
    return replace(lock, sources=sources)


def _rows_text(source: SourceLock) -> str:
    return (
        f"{source.rows:,} rows" if source.selected is None else f"{source.selected:,} of {source.rows:,} rows"
    )


def found_lock(program: Program, plan: Plan) -> Lock:
    """The lock of what is there now. Every source is read once; inline rows are pinned by the spec itself.

    Raises:
        RunError: a source cannot be read.
    """
    from mixwright_runtime.plugins.loading import load_plugins

    load_plugins(plan)
    directory = Path(plan.directory)
    sources = {
        name: _found_source(spec, directory, source_definition(decl.entry, decl.attributes))
        for name, spec in plan.sources.items()
        for decl in (program.sources[name],)
        if not decl.entry.is_pinned_by_spec or spec.where is not None
    }
    models = {name: _found_model(spec, plan) for name, spec in plan.models.items()}
    plugins = {name: PluginLock(p.identity) for name, p in plan.plugins.items()}
    libraries = {
        file.name: PluginLock(library_identity(file.text))
        for file in plan.files
        if file.name.startswith(PREFIX)
    }
    return Lock(sources, models, plugins, libraries)


def _found_source(spec: SourceSpec, directory: Path, definition: str) -> SourceLock:
    from mixwright_runtime.sources.reader import inspect_source

    # The file itself, before `columns`, `where` and `limit`: editing those must not hide its columns.
    attributes = {**spec.attributes, "limit": None}
    whole = spec.model_copy(
        update={"mapping": {}, "columns": {}, "where": None, "pin": None, "attributes": attributes}
    )
    found = inspect_source(whole, directory)
    texts = [name for name, type in found.columns.items() if type == "text"]
    return SourceLock(
        digest=found.digest,
        rows=found.rows,
        columns=found.columns,
        definition=definition,
        characters=_mean_characters(whole, directory, texts),
        revision=found.revision,
        license=spec.license,
    )


def _mean_characters(spec: SourceSpec, directory: Path, columns: list[str]) -> dict[str, float]:
    """Mean length of text columns in code points, to one decimal."""
    from itertools import islice

    from mixwright_runtime.sources.reader import read_rows

    if not columns:
        return {}
    rows = list(islice(read_rows(spec, directory), MEASURED_ROWS))
    return {
        name: round(sum(len(row.columns.get(name) or "") for row in rows) / max(len(rows), 1), 1)
        for name in columns
    }


def _found_model(spec: ModelSpec, plan: Plan) -> ModelLock:
    from mixwright_compiler.plan.fingerprint import model_identity
    from mixwright_compiler.plan.weights import weights_of

    values: Mapping[str, Any] = spec.attributes
    directory = Path(plan.directory)
    at, revision = None, values.get("revision") or ""
    if values.get("path"):
        at = directory / values["path"]
    elif values.get("repo"):
        at, revision = hub_snapshot(values["repo"], revision)
    weights = weights_of(at) if at is not None else None
    digest, size = (weights.digest, weights.size_bytes) if weights else ("", 0)
    entry = plan.catalog.entries[f"model.{spec.engine}"]
    found = {**values, "revision": revision} if values.get("repo") else values
    identity = model_identity(entry, found, weights=digest)
    return ModelLock(identity, model_definition(values), digest=digest, size_bytes=size, revision=revision)


def hub_snapshot(repo: str, revision: str) -> tuple[Path | None, str]:
    """Directory and commit of a hub model in the local cache; (None, revision) when it is not there."""
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()
    model = cache / f"models--{repo.replace('/', '--')}"
    reference = model / "refs" / (revision or "main")
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else revision
    snapshot = model / "snapshots" / commit
    return (snapshot, commit) if commit and snapshot.is_dir() else (None, revision)
