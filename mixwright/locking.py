"""The making of a lock: every source, model, plugin and library of a spec as it is now, read one after another."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_compiler.bind.lock import (
    Lock,
    ModelLock,
    PluginLock,
    SourceLock,
    model_definition,
    source_definition,
    source_parts,
    source_selection,
)
from mixwright_compiler.load.library import PREFIX, library_identity

if TYPE_CHECKING:
    from mixwright.compiling import Compiled
    from mixwright.lock_progress import LockProgress
    from mixwright_compiler.plan.plan import ModelSpec, Plan, SourceSpec
    from mixwright_compiler.program import SourceDecl
    from mixwright_runtime.errors import RunError

MEASURED_ROWS = 1000
"""Rows from the start of a source over which the lengths of its text columns are averaged."""


class Locking:
    """Makes the lock of a spec. `lock` is what was found so far, and of all that was not yet read what `before` has.

    failed: why sources cannot be read; the others are read all the same.
    """

    def __init__(
        self,
        compiled: Compiled,
        spec: Path,
        params: Mapping[str, str],
        *,
        before: Lock,
        progress: LockProgress,
        commit: Callable[[Lock], None] = lambda _: None,
    ) -> None:
        """
        Args:
            before: the lock that there is. What it has is read again; of one that was broken off what it had come to is
                taken from it where the files are still the same.
            commit: called with the lock so far, whenever something is finished.
        """
        self._compiled, self._plan = compiled, compiled.plan
        self._directory = Path(compiled.plan.directory)
        self._spec, self._params = spec, params
        self._before = before
        self._progress = progress
        self._commit = commit
        self.failed: list[RunError] = []
        # Inline rows are pinned by the spec itself.
        self._sources = [
            name
            for name, source in self._plan.sources.items()
            if not compiled.program.sources[name].entry.is_pinned_by_spec or source.where is not None
        ]
        self.lock = Lock(
            sources={name: before.sources[name] for name in self._sources if name in before.sources},
            models={name: before.models[name] for name in self._plan.models if name in before.models},
            plugins={name: PluginLock(plugin.identity) for name, plugin in self._plan.plugins.items()},
            libraries={
                file.name: PluginLock(library_identity(file.text))
                for file in self._plan.files
                if file.name.startswith(PREFIX)
            },
            unfinished=(
                *(f"source {name}" for name in self._sources),
                *(f"model {name}" for name in self._plan.models),
            ),
        )

    def read(self) -> None:
        """Read everything once.

        Raises:
            RunError: a plugin cannot be loaded.
        """
        from mixwright_runtime.errors import RunError
        from mixwright_runtime.plugins.loading import load_plugins
        from mixwright_runtime.sources.digests import DigestsAhead

        load_plugins(self._plan)
        files = [file for name in self._sources for file in self._files_of(name)]
        with self._progress.of(len(self._sources), files), DigestsAhead(files, self._progress.digested):
            for name in self._sources:
                self._progress.begin(name)
                try:
                    found, is_counted = self._source(name)
                    self._finished(f"source {name}", found, () if is_counted else (f"where {name}",))
                except RunError as error:
                    self.failed.append(error)
            for name, model in self._plan.models.items():
                self._finished(f"model {name}", _found_model(model, self._plan))
            self._count_selected()

    def _files_of(self, name: str) -> list[Path]:
        """What a source reads; nothing of one that cannot be read, which is told when its turn comes."""
        from mixwright_runtime.errors import RunError
        from mixwright_runtime.sources.reader import open_source

        try:
            return list(open_source(_whole(self._plan.sources[name]), self._directory).files)
        except RunError:
            return []

    def _finished(self, what: str, found: SourceLock | ModelLock, then: tuple[str, ...] = ()) -> None:
        """`what`, as in `Lock.unfinished`, is read; `then`: what it leaves to do."""
        name = what.partition(" ")[2]
        unfinished = (*(each for each in self.lock.unfinished if each != what), *then)
        if isinstance(found, SourceLock):
            sources = {**self.lock.sources, name: found}
            ordered = {each: sources[each] for each in self._sources if each in sources}
            self.lock = replace(self.lock, sources=ordered, unfinished=unfinished)
        else:
            models = {**self.lock.models, name: found}
            self.lock = replace(self.lock, models=models, unfinished=unfinished)
        if self._before.unfinished or not _same(self.lock, self._before):
            self._commit(self.lock)

    def _source(self, name: str) -> tuple[SourceLock, bool]:
        """A source as it is, and are the rows counted that its `where` lets in? That takes its columns to know."""
        declared, spec = self._compiled.program.sources[name], self._plan.sources[name]
        kept = self._kept(name)
        definition = source_definition(declared.entry, declared.attributes)
        found = kept or _found_source(spec, self._directory, definition, self._progress.read)
        found = replace(found, license=spec.license)
        if spec.where is None:
            return _selecting(found, declared, spec, found.rows), True
        if kept is not None:
            is_counted = f"where {name}" not in self._before.unfinished
            return found, is_counted and found.selection == source_selection(declared.attributes)
        before = self._before.sources.get(name)
        if before is not None and (before.digest, before.definition) == (found.digest, definition):
            found = replace(found, selection=before.selection, selected=before.selected, parts=before.parts)
        return found, False

    def _kept(self, name: str) -> SourceLock | None:
        """What a lock that was broken off has of a source, where that is still the same: rows, columns and lengths follow
        from the bytes and from how they are read."""
        from mixwright_runtime.sources.digests import digest_of_files
        from mixwright_runtime.sources.reader import open_source

        before, declared = self._before.sources.get(name), self._compiled.program.sources[name]
        if before is None or not self._before.unfinished or f"source {name}" in self._before.unfinished:
            return None
        if before.definition != source_definition(declared.entry, declared.attributes):
            return None
        source = open_source(_whole(self._plan.sources[name]), self._directory)
        is_same = (
            bool(source.files)
            and source.revision == before.revision
            and digest_of_files(source.files) == before.digest
        )
        return before if is_same else None

    def _count_selected(self) -> None:
        """Count the rows that `where` lets in of each source that has one.

        The spec is compiled once more: with the columns that were just found, expressions have their types.
        """
        from mixwright.compiling import compilation_of, plan_of
        from mixwright_runtime.errors import RunError
        from mixwright_runtime.sources.reader import inspect_source

        counted = [name for name in self.lock.sources if f"where {name}" in self.lock.unfinished]
        if not counted:
            return
        program = compilation_of(self._spec, self._params, self.lock, None).program
        if program is None:
            return  # what is wrong with the columns that are there now is for `check` to say
        plan = plan_of(program, self._spec, self.lock, None)
        for name in counted:
            self._progress.begin(name)
            read = plan.sources[name].model_copy(update={"pin": None})
            try:
                rows = inspect_source(read, self._directory, self._progress.read).rows
            except RunError as error:
                self.failed.append(error)
                continue
            found = _selecting(self.lock.sources[name], program.sources[name], read, rows)
            self._finished(f"where {name}", found)


def _same(lock: Lock, before: Lock) -> bool:
    """Do two locks pin the same, however far they are?"""
    return all(
        getattr(lock, name) == getattr(before, name) for name in ("sources", "models", "plugins", "libraries")
    )


def _selecting(found: SourceLock, declared: SourceDecl, spec: SourceSpec, let_in: int) -> SourceLock:
    """A source with what is taken of it. `let_in`: rows that `where` lets in."""
    limit = spec.attributes.get("limit")
    taken = None
    if limit is not None:
        taken = min(let_in, limit)
    elif spec.where is not None:
        taken = let_in
    return replace(
        found,
        selection=source_selection(declared.attributes),
        parts=source_parts(declared.entry, declared.attributes),
        selected=taken,
    )


def _whole(spec: SourceSpec) -> SourceSpec:
    """The file itself, before `columns`, `where` and `limit`: editing those must not hide its columns."""
    attributes = {**spec.attributes, "limit": None}
    return spec.model_copy(
        update={"mapping": {}, "columns": {}, "where": None, "pin": None, "attributes": attributes}
    )


def _found_source(
    spec: SourceSpec, directory: Path, definition: str, told: Callable[[int], None]
) -> SourceLock:
    from mixwright_runtime.sources.reader import inspect_source

    whole = _whole(spec)
    found = inspect_source(whole, directory, told)
    texts = [name for name, type in found.columns.items() if type == "text"]
    return SourceLock(
        digest=found.digest,
        rows=found.rows,
        columns=found.columns,
        definition=definition,
        characters=_mean_characters(whole, directory, texts),
        revision=found.revision,
    )


def _mean_characters(spec: SourceSpec, directory: Path, columns: list[str]) -> dict[str, float]:
    """Mean length of text columns in code points, to one decimal."""
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
