"""49x: profiles that nothing can be compared with."""

from __future__ import annotations

from mixwright_compiler.checks.checked import Checked, value_of
from mixwright_compiler.program import StepDecl
from mixwright_compiler.suggest import nearest, suggested

RULE = "profiled"
"""What a step is declared under that counts values."""
SLACK = 0.02
"""Chosen: published shares are rounded, and add up to a little more or less than 100%."""


def check_profiles(checked: Checked) -> None:
    """MIX493: another place that is none. MIX494: shares that are not of one whole."""
    for pipeline, position, step in checked.clean_steps():
        if RULE in step.entry.rules:
            _check_place(checked, step, pipeline.steps[:position])
            _check_shares(checked, step)


def _check_place(checked: Checked, step: StepDecl, before: tuple[StepDecl, ...]) -> None:
    against = step.attributes.get("against")
    if against is None:
        return
    places = [other.id for other in before if RULE in other.entry.rules]
    if against.value in places:
        return
    near = nearest(str(against.value), places)
    checked.findings.error(
        "MIX493",
        f"`against` names no `profile` before this one: `{against.value}`",
        against.span,
        "compared with what?",
        **suggested(
            near,
            against.span,
            f"write one of: {', '.join(places)}"
            if places
            else f"count there, too: `profile {{ of = {value_of(step.attributes, 'of')}, id = {against.value} }}`",
        ),
    )


def _check_shares(checked: Checked, step: StepDecl) -> None:
    shares = step.attributes.get("shares")
    if shares is None:
        return
    total = sum(shares.value.values())
    if abs(total - 1) > SLACK or not shares.value:
        checked.findings.error(
            "MIX494",
            f"the shares add up to {total * 100:g}%",
            shares.span,
            "they are of all rows, so they add up to 100%",
            hint="name what is missing, or correct one of them",
        )
