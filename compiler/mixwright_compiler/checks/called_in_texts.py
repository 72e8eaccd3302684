"""468, 470, 471: calls of tools that are written into plain texts."""

from __future__ import annotations

import re
from pathlib import Path

from mixwright_compiler.catalog.references import names_in_rows
from mixwright_compiler.checks.checked import Checked, value_of
from mixwright_compiler.program import StepDecl, SubBlock
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.source import Span

CHAT_TEMPLATES = ("chat_template.jinja", "chat_template.json")
"""Files of a model's directory that hold a chat template; older ones have it in `tokenizer_config.json`."""
LARGEST_CONFIG_BYTES = 10_000_000
CHATS = r"(?i)(?:^|[-_./])(?:instruct|chat|it|sft|dpo|rlhf)(?:$|[-_.])"
"""What repositories of models that answer messages are called."""


def check_annotations(checked: Checked) -> None:
    """MIX468: a prompt that shows no call. MIX470: no place or no call of a tool. MIX471: a model of answers."""
    for _, _, step in checked.clean_steps():
        if "annotates" not in step.entry.rules:
            continue
        for block in step.attributes["use"].value:
            _check_counts(checked, block)
            _check_example(checked, step, block)
        _check_model(checked, step)


def _check_counts(checked: Checked, block: SubBlock) -> None:
    for name, what in (("positions", "no place of a text is tried"), ("calls", "no call is sampled")):
        if block.get(name) == 0:
            checked.findings.error(
                "MIX470",
                f"with `{name} = 0` {what}",
                block.spans.get(name, block.spans["tool"]),
                "nothing would ever be kept",
                hint=f"write `{name} = 5`, or leave the tool out",
            )


def _check_example(checked: Checked, step: StepDecl, block: SubBlock) -> None:
    template = checked.program.templates.get(str(block["prompt"]))
    if template is None:
        return
    called = str(block.get("called") or names_in_rows([str(block["tool"])])[0])
    opening, closing = (str(value_of(step.attributes, name)).strip() for name in ("open", "close"))
    text = "".join(message.text for message in template.messages)
    if re.search(rf"{re.escape(opening)}\s*{re.escape(called)}\s*\(", text) is not None:
        return
    others = re.findall(rf"{re.escape(opening)}\s*(\w+)\s*\(", text)
    checked.findings.warning(
        "MIX468",
        f"`{block['prompt']}` shows no call of `{called}` in brackets",
        block.spans["prompt"],
        f"it calls `{others[0]}`" if others else "a plain model calls what it has seen called",
        secondary=(Label(template.name_span, "the template"),),
        hint=f'write `called = "{others[0]}"`'
        if others
        else f"show one: `{opening}{called}(2 + 2){closing} 4`",
    )


def _check_model(checked: Checked, step: StepDecl) -> None:
    bound = step.attributes["model"]
    model = checked.program.models.get(str(bound.value))
    if model is None or not checked.clean(model.span):
        return
    path, repo = (value_of(model.attributes, name) for name in ("path", "repo"))
    if path is not None:
        is_chat = _has_chat_template(checked.world.directory / str(path))
    else:
        is_chat = repo is not None and re.search(CHATS, str(repo)) is not None
    if is_chat:
        _say_chat(checked, bound.span, model.name, model.name_span)


def _say_chat(checked: Checked, at: Span, name: str, declared: Span) -> None:
    checked.findings.warning(
        "MIX471",
        f"`{name}` was trained to answer messages, and here it goes on from plain texts",
        at,
        "its probabilities are those of answers",
        secondary=(Label(declared, "declared here"),),
        hint="name the plain model that it was made of, such as `Qwen/Qwen2.5-7B` for `Qwen/Qwen2.5-7B-Instruct`",
    )


def _has_chat_template(place: Path) -> bool:
    if any((place / name).is_file() for name in CHAT_TEMPLATES):
        return True
    config = place / "tokenizer_config.json"
    try:
        return config.stat().st_size < LARGEST_CONFIG_BYTES and '"chat_template"' in config.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
