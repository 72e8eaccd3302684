"""73x: exports for a trainer, and the `train` block that their configuration is made from."""

from __future__ import annotations

from collections.abc import Mapping

from mixwright_compiler.catalog.trainers import NEEDS_TRAIN, TRAINERS, lacking
from mixwright_compiler.checks.checked import Checked, value_of
from mixwright_compiler.program import ExportDecl, TrainDecl
from mixwright_compiler.suggest import listing, nearest
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
            hint=f"did you mean `{near}`?"
            if near
            else (
                f"write `train = {names[0]}`" if names else f"add `train {named} on {export.mixture} {{ … }}`"
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
