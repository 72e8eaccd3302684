"""Exports of a mixture, written from the store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mixwright_compiler.load.project_root import store_directory
from mixwright_compiler.plan.file_places import relation
from mixwright_compiler.plan.plan import Export, Plan, Train
from mixwright_runtime.errors import RunError
from mixwright_runtime.exporters.card import CardFacts, dataset_card
from mixwright_runtime.exporters.directory import (
    CARD,
    check_target,
    is_complete,
    names_of_ours,
    replaced_directory,
    write_manifest,
)
from mixwright_runtime.exporters.marked_blocks import has_own_text, merged
from mixwright_runtime.exporters.protocol import Format, Job, train_of
from mixwright_runtime.plugins.declare import entry_of, implementation
from mixwright_runtime.plugins.loading import plugin_faults
from mixwright_runtime.values.ranges import HERE, Ranges

if TYPE_CHECKING:
    from mixwright_runtime.facts.mixture import MixtureFacts
    from mixwright_runtime.facts.pairs import CandidatesOf
    from mixwright_runtime.mixture.rows import MixtureRow
    from mixwright_runtime.store.store import Store


@dataclass(frozen=True)
class Exported:
    """An export on disk."""

    name: str
    path: Path
    rows: int


def write_exports(
    plan: Plan,
    store: Store,
    run_id: int,
    mixture: str,
    *,
    force: bool = False,
    ranges: Ranges = HERE,
) -> list[Exported]:
    """Write every export of a mixture that a run selected. Call after `record_selection` and `store.flush()`. ranges: who
    makes tokens of the rows.

    What a run with `--limit` selected goes beside the target, to `<path>.limited`, and a mixture that is short of its
    quotas to `<path>.short` where a whole one was exported: neither replaces that.

    Memory: one example and the card, whatever the mixture's size; DuckDB is held to 1 GB for Parquet.

    Raises:
        RunError: a target holds what Mixwright did not write, a row is no chat, or the run selected nothing. The
            store and older exports are as they were.
    """
    from mixwright_runtime.facts.mixture import mixture_facts
    from mixwright_runtime.facts.pairs import CandidatesOf
    from mixwright_runtime.mixture.record import mixture_rows
    from mixwright_runtime.store.records import LIMITED
    from mixwright_runtime.store.runs import payloads

    exports = [export for export in plan.exports.values() if export.mixture == mixture]
    check_targets(plan, [mixture], store=store.directory, force=force)
    if not exports:
        return []
    is_limited = bool(payloads(store, run_id, LIMITED))
    made = mixture_facts(store, plan, run_id, mixture)
    shortfall = made.record.shortfall
    written = []
    for export in exports:
        columns = any(schema.type == "column" for schema in entry_of(f"export.{export.format}").attributes)
        rows = mixture_rows(store, plan, run_id, mixture, with_columns=columns)
        facts = card_facts(plan, export, made)
        train, root = train_of(plan, export), Path(plan.directory)
        target = export_path(plan, export)
        if is_limited:
            target = target.with_name(f"{target.name}.limited")
        elif shortfall and is_complete(target):
            target = target.with_name(f"{target.name}.short")
        is_whole = not is_limited and not shortfall
        written.append(
            write_export(
                target,
                export,
                rows,
                facts,
                train=train,
                root=root,
                force=force,
                is_whole=is_whole,
                candidates=CandidatesOf(store, plan, run_id, mixture),
                ranges=ranges,
            )
        )
    return written


def check_targets(
    plan: Plan, mixtures: Iterable[str], *, store: Path | None = None, force: bool = False
) -> None:
    """Refuse, before a run, the targets that it could not write at its end. store: its directory.

    Raises:
        RunError: a target holds what Mixwright did not write, or is where something else of the plan is.
    """
    wanted = set(mixtures)
    needed = list(_needed(plan, store))
    for export in plan.exports.values():
        if export.mixture in wanted:
            target = export_path(plan, export)
            for words, place in needed:
                if how := relation(target, place):
                    raise RunError(
                        f"export '{export.name}' would write to {target}, which {how} {words}; choose another path"
                    )
            check_target(target, force=force)


def _needed(plan: Plan, store: Path | None) -> Iterator[tuple[str, Path]]:
    """What no export may replace: the compiler refuses most of it, but knows neither `--store` nor an edited plan."""
    root, directory = Path(plan.root), Path(plan.directory)
    spec = directory / Path(plan.spec).name
    yield "the spec", spec
    yield "the lock", spec.with_suffix(".lock")
    yield "the repository's .git", root / ".git"
    yield "the store", store_directory(root, store)
    for source in plan.sources.values():
        for path in (source.attributes.get("path"), *(source.attributes.get("inputs") or {}).values()):
            if path is not None:
                yield f"source '{source.name}'", directory / str(path)


def export_path(plan: Plan, export: Export) -> Path:
    """The directory an export writes: its `path`, from the spec's directory."""
    return Path(os.path.normpath(Path(plan.directory) / str(export.attributes["path"])))


def write_export(
    target: Path,
    export: Export,
    rows: Iterable[MixtureRow],
    facts: CardFacts,
    *,
    train: Train | None = None,
    root: Path | None = None,
    force: bool = False,
    is_whole: bool = True,
    candidates: CandidatesOf | None = None,
    ranges: Ranges = HERE,
) -> Exported:
    """Write one export, whole or not at all. root: where the paths of `train` start, the spec's directory.
    is_whole: it holds all that the mixture asks for, so that no limited or short run may replace it.

    Raises:
        RunError: see `replaced_directory` and `mixture_row`; or the rows are not as many as the record says.
    """
    format: Format = implementation(f"export.{export.format}")
    with replaced_directory(target, force=force) as directory:
        with plugin_faults():
            written = format.write(
                Job(export, train, directory, target, root or target.parent, candidates, ranges), rows
            )
        made = facts.mixture
        if written.rows != made.record.rows:
            raise RunError(
                f"export '{export.name}': the store has {written.rows:,} of the {made.record.rows:,} rows selected; "
                f"{target} is as it was; 'mixwright verify-store' tells more"
            )
        is_wanted = export.attributes.get("card", True)
        card = dataset_card(replace(facts, training=written.instructions)) if is_wanted else None
        _write_card(directory, target, card, force=force)
        write_manifest(
            directory,
            {
                "export": export.name,
                "mixture": export.mixture,
                "rows": written.rows,
                "complete": is_whole,
                "components": {result.component: result.got for result in made.record.results},
                "mixwright": made.mixwright_version,
                "spec": dict(made.spec_files),
                **written.facts,
            },
        )
    return Exported(export.name, target, written.rows)


def _write_card(directory: Path, target: Path, card: str | None, *, force: bool) -> None:
    """Write README.md with what somebody added to the old one. card: None for no card."""
    is_there, is_ours = (target / CARD).is_file(), CARD in names_of_ours(target)
    # Bytes that are no UTF-8 stay what they are.
    old = (target / CARD).read_text(encoding="utf-8", errors="surrogateescape") if is_there else None
    if card is None:
        text = old if is_ours and old is not None and has_own_text(old) else None
    else:
        text = merged(old, card)
        if text is None and is_ours:
            text = card if force else old
    if text is not None:
        (directory / CARD).write_text(text, encoding="utf-8", errors="surrogateescape")


def card_facts(plan: Plan, export: Export, mixture: MixtureFacts) -> CardFacts:
    """What the dataset card of an export says."""
    format: Format = implementation(f"export.{export.format}")
    return CardFacts(
        title=export_path(plan, export).name,
        mixture=mixture,
        data_file=format.data_file,
        shape=format.shape,
        license=str(export.attributes.get("license") or ""),
        language=[str(code) for code in export.attributes.get("language") or ()],
    )
