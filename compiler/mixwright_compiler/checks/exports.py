"""73x: exports for a trainer, and the `train` block that their configuration is made from; 479 and 480: of candidates."""

from __future__ import annotations

from collections.abc import Mapping

from mixwright_compiler.catalog.groups import Group, Groups, among
from mixwright_compiler.catalog.trainers import NEEDS_TRAIN, TRAINERS, lacking
from mixwright_compiler.checks.checked import Checked, hint_to_pick, value_of
from mixwright_compiler.program import Bound, ExportDecl, PipelineDecl, StepDecl, TrainDecl
from mixwright_compiler.suggest import did_you_mean, listing, nearest, one_of
from mixwright_dsl.diagnostic import Label


def check_trains_of_exports(checked: Checked) -> None:
    """MIX730: no such train, or of another mixture. MIX731: which of several. MIX732: none. MIX733: beyond a trainer."""
    for export in checked.program.exports.values():
        if not checked.clean(export.span) or export.entry.name not in (*TRAINERS, *NEEDS_TRAIN):
            continue
        train = _train_of(checked, export)
        if (
            train is not None
            and export.entry.name in TRAINERS
            and value_of(export.attributes, "config", True)
        ):
            _check_abilities(checked, export, train)


def _train_of(checked: Checked, export: ExportDecl) -> TrainDecl | None:
    """The train of an export: named, or the only one on its mixture. What is wrong is reported."""
    trains: Mapping[str, TrainDecl] = checked.program.trains
    there = [train for train in trains.values() if train.mixture == export.mixture]
    names = [train.name for train in there]
    named = value_of(export.attributes, "train")
    format = export.entry.name
    if named is not None:
        found = trains.get(str(named))
        if found is not None and found.mixture == export.mixture:
            return found
        near = nearest(str(named), names)
        checked.findings.error(
            "MIX730",
            f"no train `{named}`"
            if found is None
            else f"train `{named}` is on `{found.mixture}`, this exports `{export.mixture}`",
            export.attributes["train"].span,
            f"on `{export.mixture}` there is: {listing(names)}"
            if names
            else f"none is on `{export.mixture}`",
            secondary=() if found is None else (Label(found.mixture_span, "trains on this"),),
            hint=did_you_mean(
                near,
                f"write `train = {names[0]}`"
                if names
                else f"add `train {named} on {export.mixture} {{ … }}`",
            ),
        )
    elif len(there) > 1:
        checked.findings.error(
            "MIX731",
            f"which of the {len(there)} trains on `{export.mixture}` the configuration is made from is not said",
            export.name_span,
            f"there is {listing(names)}",
            hint=f"add `train = {names[0]}`",
        )
    elif there:
        return there[0]
    elif format in NEEDS_TRAIN:
        checked.findings.error(
            "MIX732",
            f"`format = {format}` needs a train on `{export.mixture}`",
            export.name_span,
            "a train says of which tokenizer the tokens are, and how many to a sequence",
            hint=f'add `train student on {export.mixture} {{ base = "…"  output = "…" }}`, or write `format = messages`',
        )
    return None


def _check_abilities(checked: Checked, export: ExportDecl, train: TrainDecl) -> None:
    found = lacking(export.entry.name, {name: bound.value for name, bound in train.attributes.items()})
    if found is None or not checked.clean(train.span):
        return
    bound = export.attributes.get("format")
    at = train.attributes[found.attribute]
    checked.findings.error(
        "MIX733",
        found.message,
        bound.span if bound is not None and not bound.is_default else export.name_span,
        secondary=() if at.is_default else (Label(at.span, "asked for here"),),
        hint=found.hint,
    )


def check_candidates_of_exports(checked: Checked) -> None:
    """MIX479: an export of what was not picked, of a column of which nothing was picked. MIX480: by a verifier that did
    not look at it."""
    for export in checked.program.exports.values():
        mixture = checked.program.mixtures.get(export.mixture)
        if mixture is None or not checked.clean(export.span) or not checked.is_whole(mixture):
            continue
        for schema in export.entry.attributes:
            column = export.attributes.get(schema.name)
            if schema.holds == "candidates" and column is not None:
                for path in checked.paths_from(export.mixture):
                    _check_candidates(checked, export, column, path)


def _check_candidates(checked: Checked, export: ExportDecl, column: Bound, path: tuple[str, ...]) -> None:
    """Of the rows that come along one path: from the mixture, at its start, to the source at its end."""
    pipelines = [checked.program.pipelines[name] for name in path if name in checked.program.pipelines]
    found: tuple[PipelineDecl, Groups, Group] | None = None
    later: StepDecl | None = None
    for pipeline in reversed(pipelines):
        groups = checked.groups(pipeline)
        for group in groups.every:
            if any(column.value in step.makes for step in _steps_among(pipeline, groups, group)):
                found, later = (pipeline, groups, group), None
            elif found is not None and later is None:
                later = pipeline.steps[group.opened_by[0]]
    rows = pipelines[0] if pipelines else checked.program.sources[path[-1]]
    if found is None:
        checked.findings.error(
            "MIX479",
            f"rows of `{rows.name}` were picked from no candidates of `{column.value}`",
            column.span,
            "one answer, and none beside it",
            secondary=(Label(rows.name_span, "declared here"),),
            hint=_hint(checked, pipelines),
        )
        return
    pipeline, groups, group = found
    opened, closed = pipeline.steps[group.opened_by[0]], groups.closed_at(group.opened_by[0])
    if closed is None or not pipeline.steps[closed].traits.picks:
        checked.findings.error(
            "MIX479",
            f"nothing picks among the candidates of `{column.value}`",
            column.span,
            "none of them is the better one",
            secondary=(Label(opened.kind_span, "they are made here"),),
            hint=hint_to_pick(pipeline.steps[group.opened_by[0] + 1 :]),
        )
    elif later is not None:
        checked.findings.error(
            "MIX479",
            f"rows of `{rows.name}` are made of what was picked of `{column.value}`",
            column.span,
            "they are not what was picked themselves",
            secondary=(Label(later.kind_span, "several are made of it here"),),
            hint=f"write `{later.label}`, or pick among the candidates of `{column.value}` last",
        )
    else:
        _check_by(checked, export, pipeline, _steps_among(pipeline, groups, group))


def _steps_among(pipeline: PipelineDecl, groups: Groups, group: Group) -> list[StepDecl]:
    closed = groups.closed_at(group.opened_by[0])
    return [pipeline.steps[at] for at in among(range(len(pipeline.steps)), group.opened_by, closed)]


def _hint(checked: Checked, pipelines: list[PipelineDecl]) -> str:
    made = [
        pipeline.steps[group.opened_by[0]].label
        for pipeline in pipelines
        for group in checked.groups(pipeline).every
        if checked.groups(pipeline).closed_at(group.opened_by[0]) is not None
    ]
    if made:
        return f"candidates are picked among in: {listing(made)}"
    return "make several with `samples = 4` in a `generate`, and pick with `pick = first` in a `verify`"


def _check_by(checked: Checked, export: ExportDecl, pipeline: PipelineDecl, steps: list[StepDecl]) -> None:
    by = export.attributes.get("by")
    looked_at = [step.id for step in steps if step.entry.family == "verify"]
    if by is None or by.value in looked_at:
        return
    near = nearest(str(by.value), looked_at)
    checked.findings.error(
        "MIX480",
        f"no verifier `{by.value}` measures these candidates in `{pipeline.name}`",
        by.span,
        "not one of them",
        hint=did_you_mean(near, one_of(looked_at)),
    )
