"""What is known of a mixture that a run selected: what its dataset card says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_compiler.plan.plan import Mixture, Plan, Step
from mixwright_compiler.plan.questions import questions_of
from mixwright_runtime.facts.pipelines import Drop, pipeline_facts
from mixwright_runtime.facts.policies import PolicyFacts, policy_facts
from mixwright_runtime.facts.reports import reviews_in, reviews_of, step_reports
from mixwright_runtime.plugins.declare import entry_of

if TYPE_CHECKING:
    from mixwright_runtime.mixture.record import MixtureRecord
    from mixwright_runtime.store.store import Store


@dataclass(frozen=True)
class SourceFacts:
    """A source's rows in the mixture, its license and what the lock pins of it."""

    name: str
    kind: str
    license: str
    rows: int
    digest: str = ""
    revision: str = ""


@dataclass(frozen=True)
class ModelFacts:
    """A model that wrote text. identity: hash of weights, revision, tokenizer and chat template."""

    name: str
    engine: str
    model: str
    revision: str
    license: str
    identity: str


@dataclass(frozen=True)
class EvaluationSet:
    """What a check found of one evaluation set. rows, matched: of the set, None when not counted."""

    name: str
    removed: int
    rows: int | None = None
    matched: int | None = None


@dataclass(frozen=True)
class ContaminationCheck:
    """A `decontaminate` step of the mixture, a nested one (`mixture.step`) or a pipeline (`pipeline.step`)."""

    node: str
    operation: str
    sets: Sequence[EvaluationSet]


@dataclass(frozen=True)
class MixtureFacts:
    """A mixture as it was made. doc: what the spec says it is for. spec_files: (name, sha256)."""

    record: MixtureRecord
    seed: int
    sources: Sequence[SourceFacts]
    models: Sequence[ModelFacts]
    drops: Sequence[Drop]
    checks: Sequence[ContaminationCheck]
    spec: str
    spec_files: Sequence[tuple[str, str]]
    params: Mapping[str, Any]
    mixwright_version: str
    doc: str = ""
    reviews: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What people say of rows of its pipelines, by `review`, `pipeline.step`."""
    policies: PolicyFacts = field(default_factory=PolicyFacts)


def mixture_facts(store: Store, plan: Plan, run_id: int, name: str) -> MixtureFacts:
    """What is known of a mixture of a run. Call after `flush`.

    Raises:
        RunError: the run did not get as far as selecting it.
    """
    from mixwright_runtime.mixture.record import read_record

    mixture = plan.mixtures[name]
    record = read_record(store, run_id, name)
    reviews = reviews_of(plan, name, reviews_in(step_reports(store, run_id)))
    return MixtureFacts(
        record=record,
        seed=mixture.seed,
        doc=mixture.doc,
        sources=_sources(plan, store, run_id, name),
        models=_models(plan, mixture),
        drops=_drops(plan, store, run_id, mixture),
        checks=_checks(plan, store, run_id, mixture),
        spec=Path(plan.spec).name,
        spec_files=[(file.name, file.sha256) for file in plan.files],
        params=plan.params,
        mixwright_version=plan.mixwright_version,
        reviews=reviews,
        policies=policy_facts(plan, name, record.subtotals(), record.rows, reviews),
    )


def _sources(plan: Plan, store: Store, run_id: int, mixture: str) -> list[SourceFacts]:
    """The sources that rows of the mixture started from, by name; without those that have nothing in them."""
    from mixwright_runtime.mixture.record import leaves_of, root_source
    from mixwright_runtime.store.counts import selected

    counts = dict.fromkeys((root_source(plan, leaf) for leaf in leaves_of(plan, plan.mixtures[mixture])), 0)
    for taken in selected(store, run_id):
        if taken.mixture == mixture:
            source = root_source(plan, taken.pipeline)
            counts[source] = counts.get(source, 0) + taken.rows
    found = []
    for name in sorted(name for name in counts if name in plan.sources):
        spec = plan.sources[name]
        if plan.catalog.entries[f"source.{spec.kind}"].is_empty:
            continue
        digest, revision = (spec.pin.digest, spec.pin.revision) if spec.pin else ("", "")
        found.append(SourceFacts(name, spec.kind, spec.license, counts[name], digest, revision))
    return found


def _models(plan: Plan, mixture: Mixture) -> list[ModelFacts]:
    """The models that steps of the mixture's pipelines ask, by themselves or by tools, by name."""
    from mixwright_runtime.mixture.record import pipelines_of

    steps = [step for name in pipelines_of(plan, mixture) for step in plan.pipelines[name].steps]
    questions = [question for step in steps for question in questions_of(plan, step)]
    names = {model for question in questions for model in question.models}
    found = []
    for name in sorted(names):
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


def _checks(plan: Plan, store: Store, run_id: int, mixture: Mixture) -> list[ContaminationCheck]:
    """The decontamination of a mixture's rows, by mixtures and pipelines, and what each evaluation set met.

    A mixture's own steps report the sets themselves; of a pipeline's the rows removed are counted by set.
    """
    from mixwright_runtime.mixture.demand import mixtures_in_order
    from mixwright_runtime.mixture.record import pipelines_of, read_record
    from mixwright_runtime.store.counts import dropped_by_set

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
    for name in pipelines_of(plan, mixture):
        for step, against in _keeping_apart(plan.pipelines[name].steps):
            removed = dropped_by_set(store, run_id, name, step.id)
            sets = [EvaluationSet(one, removed.get(one, 0)) for one in against]
            found.append(ContaminationCheck(f"{name}.{step.id}", step.operation, sets))
    return found


def _keeping_apart(steps: Iterable[Step]) -> Iterator[tuple[Step, list[str]]]:
    """The steps that keep rows apart from evaluation sets, and those."""
    for step in steps:
        attribute = entry_of(step.operation).apart_from
        if attribute:
            yield step, [str(name) for name in step.attributes.get(attribute) or ()]


def _drops(plan: Plan, store: Store, run_id: int, mixture: Mixture) -> list[Drop]:
    """Rows that the mixture's pipelines, and its own steps, left out, by reason; most first in each step."""
    from mixwright_runtime.mixture.demand import mixtures_in_order
    from mixwright_runtime.mixture.record import leaves_of, pipelines_of

    # Rows in a mixture's own steps go by `mixture.component`.
    owners = {*pipelines_of(plan, mixture), *leaves_of(plan, mixture)}
    for one in mixtures_in_order(plan, mixture.name):
        owners |= {f"{one.name}.{component.rows}" for component in one.components}
    found = pipeline_facts(store, plan, run_id)
    return [drop for name, facts in found.items() if name in owners for drop in facts.drops]
