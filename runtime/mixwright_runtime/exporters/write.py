"""Exports of a mixture, written from the store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mixwright_compiler.plan.file_places import relation
from mixwright_compiler.plan.plan import Export, Mixture, Plan, Step, Train
from mixwright_runtime.errors import RunError
from mixwright_runtime.exporters.card import (
    CardFacts,
    ContaminationCheck,
    Drop,
    EvaluationSet,
    ModelFacts,
    SourceFacts,
    dataset_card,
)
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

if TYPE_CHECKING:
    from mixwright_runtime.mixture.record import MixtureRecord
    from mixwright_runtime.mixture.rows import MixtureRow
    from mixwright_runtime.store.store import Store


LIMITED = "limited"
"""Kind of the event of a run with `--limit`."""


@dataclass(frozen=True)
class Exported:
    """An export on disk."""

    name: str
    path: Path
    rows: int


def write_exports(
    plan: Plan, store: Store, run_id: int, mixture: str, *, force: bool = False
) -> list[Exported]:
    """Write every export of a mixture that a run selected. Call after `record_selection` and `store.flush()`.

    What a run with `--limit` selected goes beside the target, to `<path>.limited`, and a mixture that is short of its
    quotas to `<path>.short` where a whole one was exported: neither replaces that.

    Memory: one example and the card, whatever the mixture's size; DuckDB is held to 1 GB for Parquet.

    Raises:
        RunError: a target holds what Mixwright did not write, a row is no chat, or the run selected nothing. The
            store and older exports are as they were.
    """
    from mixwright_runtime.mixture.record import mixture_rows, read_record

    exports = [export for export in plan.exports.values() if export.mixture == mixture]
    check_targets(plan, [mixture], store=store.directory, force=force)
    is_limited = bool(store.sql("SELECT 1 FROM event WHERE run_id = ? AND kind = ?", [run_id, LIMITED]))
    written = []
    for export in exports:
        rows = mixture_rows(store, plan, run_id, mixture)
        facts = card_facts(plan, store, run_id, export, read_record(store, run_id, mixture))
        train, root = train_of(plan, export), Path(plan.directory)
        target = export_path(plan, export)
        if is_limited:
            target = target.with_name(f"{target.name}.limited")
        elif facts.record.shortfall and is_complete(target):
            target = target.with_name(f"{target.name}.short")
        is_whole = not is_limited and not facts.record.shortfall
        written.append(
            write_export(target, export, rows, facts, train=train, root=root, force=force, is_whole=is_whole)
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
    yield "the store", store or root / ".mixwright"
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
) -> Exported:
    """Write one export, whole or not at all. root: where the paths of `train` start, the spec's directory.
    is_whole: it holds all that the mixture asks for, so that no limited or short run may replace it.

    Raises:
        RunError: see `replaced_directory` and `mixture_row`; or the rows are not as many as the record says.
    """
    format: Format = implementation(f"export.{export.format}")
    with replaced_directory(target, force=force) as directory:
        with plugin_faults():
            written = format.write(Job(export, train, directory, target, root or target.parent), rows)
        if written.rows != facts.record.rows:
            raise RunError(
                f"export '{export.name}': the store has {written.rows:,} of the {facts.record.rows:,} rows selected; "
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
                "components": {result.component: result.got for result in facts.record.results},
                "mixwright": facts.mixwright_version,
                "spec": dict(facts.spec_files),
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


def card_facts(plan: Plan, store: Store, run_id: int, export: Export, record: MixtureRecord) -> CardFacts:
    """What the dataset card says of a run's mixture."""
    mixture = plan.mixtures[export.mixture]
    language = export.attributes.get("language") or ()
    return CardFacts(
        title=export_path(plan, export).name,
        record=record,
        seed=mixture.seed,
        doc=mixture.doc,
        data_file=implementation(f"export.{export.format}").data_file,
        shape=implementation(f"export.{export.format}").shape,
        sources=source_facts(plan, store, run_id, export.mixture),
        models=model_facts(plan, mixture),
        drops=drops(plan, store, run_id, mixture),
        checks=contamination_checks(plan, store, run_id, mixture),
        spec=Path(plan.spec).name,
        spec_files=[(file.name, file.sha256) for file in plan.files],
        params=plan.params,
        mixwright_version=plan.mixwright_version,
        license=str(export.attributes.get("license") or ""),
        language=[str(code) for code in language],
    )


def source_facts(plan: Plan, store: Store, run_id: int, mixture: str) -> list[SourceFacts]:
    """The sources that rows of the mixture started from, by name."""
    from mixwright_runtime.mixture.record import leaves_of, root_source

    counts = dict.fromkeys((root_source(plan, leaf) for leaf in leaves_of(plan, plan.mixtures[mixture])), 0)
    query = "SELECT pipeline, count(*) FROM selection WHERE run_id = ? AND mixture = ? GROUP BY pipeline"
    for leaf, rows in store.sql(query, [run_id, mixture]):
        source = root_source(plan, leaf)
        counts[source] = counts.get(source, 0) + rows
    found = []
    for name in sorted(name for name in counts if name in plan.sources):
        spec = plan.sources[name]
        digest, revision = (spec.pin.digest, spec.pin.revision) if spec.pin else ("", "")
        found.append(SourceFacts(name, spec.kind, spec.license, counts[name], digest, revision))
    return found


def model_facts(plan: Plan, mixture: Mixture) -> list[ModelFacts]:
    """The models that steps of the mixture's pipelines ask, by name."""
    from mixwright_runtime.mixture.record import pipelines_of

    steps = [step for name in pipelines_of(plan, mixture) for step in plan.pipelines[name].steps]
    names = {str(step.attributes["model"]) for step in steps if step.attributes.get("model")}
    found = []
    for name in sorted(names & plan.models.keys()):
        model = plan.models[name]
        given = model.attributes
        called = given.get("model") or given.get("repo") or given.get("path") or ""
        found.append(
            ModelFacts(
                name,
                model.engine,
                str(called),
                str(given.get("revision") or ""),
                str(given.get("license") or ""),
                model.identity,
            )
        )
    return found


def contamination_checks(plan: Plan, store: Store, run_id: int, mixture: Mixture) -> list[ContaminationCheck]:
    """The decontamination of a mixture's rows, by mixtures and pipelines, and what each evaluation set met.

    A mixture's own steps report the sets themselves; of a pipeline's the rows removed are counted by set.
    """
    from mixwright_runtime.mixture.demand import mixtures_in_order
    from mixwright_runtime.mixture.record import pipelines_of, read_record

    found = []
    for one in reversed(mixtures_in_order(plan, mixture.name)):
        for step, _ in _keeping_apart(one.steps):
            report = read_record(store, run_id, one.name).steps.get(step.id) or {}
            sets = [
                EvaluationSet(name, int(of.get("removed", 0)), of.get("rows"), of.get("matched"))
                for name, of in report.items()
            ]
            node = step.id if one.name == mixture.name else f"{one.name}.{step.id}"
            found.append(ContaminationCheck(node, step.operation, sets))
    query = """SELECT detail->>'$.set', count(*) FROM outcome
        WHERE run_id = ? AND pipeline = ? AND step = ? AND status = 'dropped' GROUP BY ALL"""
    for name in pipelines_of(plan, mixture):
        for step, against in _keeping_apart(plan.pipelines[name].steps):
            removed = dict(store.sql(query, [run_id, name, step.id]))
            sets = [EvaluationSet(one, removed.get(one, 0)) for one in against]
            found.append(ContaminationCheck(f"{name}.{step.id}", step.operation, sets))
    return found


def _keeping_apart(steps: Iterable[Step]) -> Iterator[tuple[Step, list[str]]]:
    """The steps that keep rows apart from evaluation sets, and those."""
    for step in steps:
        attribute = entry_of(step.operation).apart_from
        if attribute:
            yield step, [str(name) for name in step.attributes.get(attribute) or ()]


def drops(plan: Plan, store: Store, run_id: int, mixture: Mixture) -> list[Drop]:
    """Rows that the mixture's pipelines, and its own steps, left out, by reason; most first in each step."""
    from mixwright_runtime.mixture.demand import mixtures_in_order
    from mixwright_runtime.mixture.record import leaves_of, pipelines_of

    # Rows in a mixture's own steps go by `mixture.component`.
    owners = {*pipelines_of(plan, mixture), *leaves_of(plan, mixture)}
    for one in mixtures_in_order(plan, mixture.name):
        owners |= {f"{one.name}.{component.rows}" for component in one.components}
    query = """SELECT pipeline, step, reason, count(*), status = 'quarantined' FROM outcome
        WHERE run_id = ? AND status <> 'kept' GROUP BY ALL ORDER BY pipeline, step, count(*) DESC, reason"""
    return [Drop(*row) for row in store.sql(query, [run_id]) if row[0] in owners]
