"""74x: evaluations of a training job that cannot measure it."""

from __future__ import annotations

from typing import Any

from mixwright_compiler.bind.evaluations import REPLY
from mixwright_compiler.checks.checked import Checked, is_written, value_of
from mixwright_compiler.checks.generation import check_sameness
from mixwright_compiler.program import EvaluationDecl, StepDecl, TrainDecl
from mixwright_compiler.suggest import did_you_mean, listing, nearest, one_of
from mixwright_dsl.diagnostic import Label

HELD_OUT = "held_out"
"""The loss of held-out examples, among the measures of a train."""


def check_evaluations(checked: Checked) -> None:
    """MIX741: a verifier that one reply is not enough for. MIX742: one that does not look at the reply. MIX743: a set
    that the mixture is not decontaminated against."""
    for train in checked.program.trains.values():
        for evaluation in train.evaluations:
            if not checked.clean(evaluation.span):
                continue
            for step in evaluation.graded.steps:
                _check_verifier(checked, step)
            _check_prompt(checked, evaluation)
            _check_decontaminated(checked, train, evaluation)


def check_measures(checked: Checked) -> None:
    """MIX761: what is measured while it trains is not there, or cannot decide."""
    for train in checked.program.trains.values():
        bound = train.attributes.get("measure")
        if bound is not None and isinstance(bound.value, dict) and checked.clean(train.span):
            problem = _measure_problem(train, bound.value)
            if problem is not None:
                checked.findings.error("MIX761", problem[0], bound.span, hint=problem[1])


def _measure_problem(train: TrainDecl, given: dict[str, Any]) -> tuple[str, str] | None:
    names = [HELD_OUT]
    for evaluation in train.evaluations:
        ids = [step.id for step in evaluation.graded.steps]
        names += [evaluation.name] if len(ids) == 1 else [f"{evaluation.name}.{id}" for id in ids]
    sets = {HELD_OUT, *(evaluation.name for evaluation in train.evaluations)}
    best, on = given.get("best"), given.get("on") or ()
    if best is not None and best not in names:
        near = nearest(str(best), names)
        return (
            f"`{best}` is nothing that `{train.name}` measures",
            did_you_mean(near, one_of(names)),
        )
    unknown = next((str(name) for name in on if str(name) not in {*sets, *names}), None)
    if unknown is not None:
        near = nearest(unknown, sorted(sets))
        return (
            f"`{train.name}` has no evaluation `{unknown}`",
            did_you_mean(near, one_of(sorted(sets))),
        )
    if given.get("patience") is not None and best is None:
        return (
            "`patience` waits for something better, and `best` does not say by what",
            "add `best = held_out`",
        )
    if not value_of(train.attributes, "holdout") and (
        best == HELD_OUT or HELD_OUT in (given.get("on") or ())
    ):
        instead = f", or `on = [{best}]`" if best not in (None, HELD_OUT) else ""
        return "no examples are held out whose loss could be measured", f"add `holdout = 2%`{instead}"
    cluster = value_of(train.attributes, "cluster") or {}
    if isinstance(cluster, dict) and int(cluster.get("nodes") or 1) > 1 and {best, *on} - {HELD_OUT, None}:
        return (
            "evaluations while it trains are made on one machine",
            "write `on = [held_out], best = held_out`",
        )
    return None


def _check_prompt(checked: Checked, evaluation: EvaluationDecl) -> None:
    """MIX304: every problem of the set would be put to the model in the same words."""
    bound = evaluation.attributes["prompt"]
    template = checked.program.templates.get(str(bound.value))
    if template is not None and checked.clean(template.span):
        columns = [name for name in evaluation.graded.columns if name != REPLY]
        check_sameness(checked, template, bound.span, columns)


def _check_verifier(checked: Checked, step: StepDecl) -> None:
    kind = f"verify {step.entry.name}"
    if step.traits.gathers:
        bound = next(
            (step.attributes[n] for n in ("pick", "agree", "band") if is_written(step.attributes, n)), None
        )
        checked.findings.error(
            "MIX741",
            f"`{kind}` compares several replies here, and an evaluation has one to each problem",
            step.kind_span if bound is None else bound.span,
            "nothing to compare with",
            hint=f"`verify math {{ response = {REPLY}, answer = … }}` compares with a right answer",
        )
        return
    for name, what in (("on_fail", "what happens to a row"), ("as", "where a row's verdict stands")):
        if is_written(step.attributes, name):
            checked.findings.error(
                "MIX741",
                f"`{name}` says {what}, and a reply in an evaluation is counted",
                step.attributes[name].span,
                "has no effect",
                hint="delete it",
            )
    if REPLY not in step.reads:
        checked.findings.error(
            "MIX742",
            f"`{kind}` does not look at `{REPLY}`, the model's answer",
            step.kind_span,
            f"reads {listing(step.reads)}" if step.reads else "reads no column",
            hint=f"write `response = {REPLY}`",
        )


def _check_decontaminated(checked: Checked, train: TrainDecl, evaluation: EvaluationDecl) -> None:
    """A mixture that is decontaminated against other sets alone; one that is not at all is MIX601."""
    name = evaluation.graded.start.rows
    against: list[str] = []
    pending, seen = [train.mixture], set()
    label: Label | None = None
    while pending:
        at = pending.pop()
        if at in seen:
            continue
        seen.add(at)
        declared = checked.program.mixtures.get(at) or checked.program.pipelines.get(at)
        if declared is None:
            continue
        for step in declared.steps:
            if step.entry.apart_from:
                stated = step.attributes.get(step.entry.apart_from)
                if stated is None:  # it cannot be used, which is said where it stands
                    return
                against += [str(rows) for rows in stated.value or ()]
                label = label or Label(stated.span, "these are")
        if at in checked.program.mixtures:
            pending += [c.rows for c in checked.program.mixtures[at].components]
        else:
            pending.append(checked.program.pipelines[at].start.rows)
    if label is None or name in against:
        return
    checked.findings.lint(
        "MIX743",
        f"rows of `{train.mixture}` are not decontaminated against `{name}`, which `{train.name}` is measured on",
        evaluation.attributes["on"].span,
        "may have been trained on",
        secondary=(label,),
        hint=f"add `{name}` to `against`",
    )


__all__ = ["check_evaluations", "check_measures"]
