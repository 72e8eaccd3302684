"""424, 425, 474, 475: requests that are no answer to a chat: a user's turn, and how a plain text goes on."""

from __future__ import annotations

from mixwright_compiler.checks.checked import Checked, is_written, named_by, value_of
from mixwright_compiler.program import StepDecl
from mixwright_dsl.diagnostic import Label

USUAL_WARMTH = 0.7
"""Chosen: below it, users' turns that all follow the same prompt come out alike."""


def check_turns(checked: Checked) -> None:
    """MIX106: an answer without a prompt. MIX474: a prompt for a user's turn. MIX475: nothing says where one ends.
    MIX424: users' turns that come out alike. MIX425: a plain text of several messages."""
    for _, _, step in checked.clean_steps():
        if "turns" not in step.entry.rules:
            continue
        if value_of(step.attributes, "turn") == "user":
            _check_user_turn(checked, step)
        elif "prompt" not in step.attributes and is_written(step.attributes, "turn"):
            checked.findings.error(
                "MIX106",
                f"`{step.entry.name}` has no `prompt`",
                step.attributes["turn"].span,
                "an answer needs a question",
                hint="add a `prompt`, or write `turn = user`",
            )
        elif value_of(step.attributes, "form") == "text":
            _check_text(checked, step)


def _check_user_turn(checked: Checked, step: StepDecl) -> None:
    attributes = step.attributes
    turn = attributes["turn"]
    for name in ("prompt", *(["history"] if is_written(attributes, "prefix") else [])):
        if not is_written(attributes, name):
            continue
        beside = "turn" if name == "prompt" else "prefix"
        checked.findings.error(
            "MIX474",
            f"`{name}` means nothing beside `{'turn = user' if name == 'prompt' else beside}`",
            attributes[name].span,
            "the user's turn is asked for with its beginning alone"
            if name == "prompt"
            else "the prompt is `prefix` as it is written",
            secondary=(Label(attributes[beside].span, "the other one"),),
            hint="delete it; what the user is to talk about goes into `system`"
            if name == "prompt"
            else "delete one of the two",
        )
    if is_written(attributes, "prefix") and not is_written(attributes, "stop"):
        checked.findings.error(
            "MIX475",
            "nothing says where the user's turn ends",
            attributes["prefix"].span,
            "replaces what the chat template says",
            secondary=(Label(turn.span, "asked for here"),),
            hint='add `stop = ["\\n"]`, or what stands behind a user\'s turn',
        )
    warmth = value_of(attributes, "temperature", 1.0)
    if isinstance(warmth, int | float) and warmth < USUAL_WARMTH and not is_written(attributes, "history"):
        checked.findings.lint(
            "MIX424",
            f"at `temperature = {warmth:g}` users' turns come out alike: each follows the same prompt",
            attributes["temperature"].span,
            secondary=(Label(turn.span, "the same for every row"),),
            hint="write `temperature = 1`",
        )


def _check_text(checked: Checked, step: StepDecl) -> None:
    attributes = step.attributes
    if is_written(attributes, "history"):
        checked.findings.error(
            "MIX425",
            "a plain text has no conversation before it",
            attributes["history"].span,
            secondary=(Label(attributes["form"].span, "no chat"),),
            hint="delete `form`, or write the conversation into the template",
        )
    for schema, bound in named_by(step, "template"):
        template = checked.program.templates.get(str(bound.value))
        if schema.name != "prompt" or template is None or len(template.messages) == 1:
            continue
        if checked.clean(template.span):
            checked.findings.error(
                "MIX425",
                f"`form = text` takes one text, and `{template.name}` has {len(template.messages)} messages",
                bound.span,
                secondary=(Label(template.name_span, "written as a chat"),),
                hint="delete `form` to ask as a chat, or write all of it into `user`",
            )
