"""88x: reward models that are not told what to rate, or how to make one score of many."""

from __future__ import annotations

from mixwright_compiler.checks.checked import Checked, is_written, maker_of, value_of
from mixwright_compiler.program import StepDecl
from mixwright_dsl.diagnostic import Label

OF_STEPS = ("aggregate", "separator", "step_tag")


def check_rewards(checked: Checked) -> None:
    """MIX882 to MIX886: see the codes' pages."""
    for pipeline, position, step in checked.clean_steps():
        if "ratings" not in step.entry.rules:
            continue
        _check_chat(checked, step)
        candidates = checked.groups(pipeline).looked_at(position)
        _check_majority(checked, step, pipeline.steps[:position], candidates)
        model = checked.program.models.get(str(value_of(step.attributes, "model", "")))
        if model is None or not checked.clean(model.span):
            continue
        task = value_of(model.attributes, "task")
        if task == "process_reward":
            _check_process(checked, step)
        elif task == "reward":
            for name in OF_STEPS:
                if is_written(step.attributes, name):
                    checked.findings.error(
                        "MIX883",
                        f"`{name}` is of process reward models, and `{model.name}` rates a response as a whole",
                        step.attributes[name].span,
                        "has no effect",
                        secondary=(Label(model.attributes["task"].span, "one number for a whole chat"),),
                        hint=f"delete `{name}`, or name a model with `task = process_reward`",
                    )


def _check_process(checked: Checked, step: StepDecl) -> None:
    """MIX882: no `aggregate`. MIX885: a threshold that no probability reaches, or every one."""
    if not is_written(step.attributes, "aggregate"):
        checked.findings.error(
            "MIX882",
            "a process reward model rates every step, and nothing says how one score is made of them",
            step.kind_span,
            hint="write `aggregate = min`: one of min, product, last, mean",
        )
    low = value_of(step.attributes, "min")
    if isinstance(low, int | float) and not 0 <= low <= 1:
        checked.findings.error(
            "MIX885",
            f"scores of a process reward model are between 0 and 1, and `min` is {low:g}",
            step.attributes["min"].span,
            "no response passes" if low > 1 else "every response passes",
            hint="write `min = 0.5`",
        )


def _check_chat(checked: Checked, step: StepDecl) -> None:
    """MIX884: neither `request` and `response` nor `messages`, or both."""
    written = [n for n in ("request", "response", "messages") if is_written(step.attributes, n)]
    if written in (["request", "response"], ["messages"]):
        return
    if "messages" in written:
        checked.findings.error(
            "MIX884",
            f"`messages` is the whole chat, so `{written[0]}` has no place in it",
            step.attributes[written[0]].span,
            secondary=(Label(step.attributes["messages"].span, "holds both"),),
            hint=f"delete `{written[0]}`",
        )
        return
    missing = [name for name in ("request", "response") if name not in written]
    checked.findings.error(
        "MIX884",
        "a reward model rates a response to a request, and "
        + " and ".join(f"`{name}`" for name in missing)
        + (" is" if len(missing) == 1 else " are")
        + " missing",
        step.kind_span,
        hint=f"write `{missing[0]} = …` with the column, or `messages = …` with a chat",
    )


def _check_majority(checked: Checked, step: StepDecl, before: tuple[StepDecl, ...], candidates: int) -> None:
    """MIX886: a majority of one candidate, or of chats, which have no answer."""
    if value_of(step.attributes, "pick") != "majority":
        return
    at = step.attributes["pick"].span
    if is_written(step.attributes, "messages"):
        checked.findings.error(
            "MIX886",
            "a majority counts the answers in `response`, and `messages` is rated here",
            at,
            secondary=(Label(step.attributes["messages"].span, "a chat"),),
            hint="write `request` and `response`, or `pick = best`",
        )
        return
    maker = maker_of(before, str(value_of(step.attributes, "response", "")))
    if maker is None or not maker.entry.writes or candidates > 1:
        return
    checked.findings.error(
        "MIX886",
        "a majority of one candidate is that candidate",
        at,
        secondary=(Label(maker.kind_span, "one answer for each row"),),
        hint=f"write `samples = 8` in `generate {maker.label}`",
    )
