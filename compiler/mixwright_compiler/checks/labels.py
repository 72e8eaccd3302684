"""426 and 464: labels, and other tokens, whose probabilities a model is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mixwright_compiler.catalog.capabilities import GENERATES, OF_TOKENS
from mixwright_compiler.catalog.catalog import AttributeSchema
from mixwright_compiler.checks.checked import Checked, is_written, named_by, value_of
from mixwright_compiler.program import StepDecl
from mixwright_dsl.diagnostic import Label

LARGEST_TOKENIZER_BYTES = 64_000_000
SPACES = ("", "▁", "Ġ")
"""What vocabularies write for the space before a word, or nothing."""


def check_labels(checked: Checked) -> None:
    """MIX426: labels that do not say what they count for. MIX464: a text that is several tokens of its model."""
    for _, _, step in checked.clean_steps():
        if "labels" in step.entry.rules:
            _check_values(checked, step)
        for schema in step.entry.attributes:
            if schema.holds == "token" and schema.name in step.attributes:
                _check_tokens(checked, step, schema)


def _check_tokens(checked: Checked, step: StepDecl, schema: AttributeSchema) -> None:
    stated = step.attributes[schema.name]
    is_list = schema.type.startswith("list[")
    due = f"each of `{schema.name}`" if is_list else f"`{schema.name}`"
    for _, bound in named_by(step, "model"):
        model = checked.program.models.get(str(bound.value))
        if model is None or not checked.clean(model.span):
            continue
        if value_of(model.attributes, "task", GENERATES) not in OF_TOKENS:
            continue
        place = value_of(model.attributes, "tokenizer") or value_of(model.attributes, "path")
        words = _vocabulary(checked.world.directory / str(place)) if place else None
        for text in stated.each() if words is not None else ():
            if not _is_token(str(text.value), words or {}):
                checked.findings.error(
                    "MIX464",
                    f"`{text.value}` is several tokens of `{model.name}`, and {due} must be one",
                    bound.span if stated.is_default else text.span,
                    f"with `{schema.name}` as it is by default"
                    if stated.is_default
                    else "no word of its tokenizer",
                    secondary=(Label(model.name_span, "declared here"),),
                    hint="choose one digit, letter or common word"
                    if is_list
                    else _other_token(str(text.value), words or {}, schema.name),
                )


def _other_token(text: str, words: Mapping[str, object], name: str) -> str:
    """What can be written instead."""
    bare = text.strip()
    near = next(
        (one for one in (bare, f" {bare}", bare[:1], " <") if one.strip() and _is_token(one, words)), ""
    )
    return f'write `{name} = "{near}"`' if near else "choose a mark that its tokenizer has as one token"


def _check_values(checked: Checked, step: StepDecl) -> None:
    labels = step.attributes["labels"]
    if len(labels.value) < 2 or len(set(labels.value)) < len(labels.value):
        checked.findings.error(
            "MIX426",
            "a score needs two labels at least, each of them once",
            labels.span,
            hint='for example `labels = ["1", "2", "3", "4", "5"]`',
        )
    elif is_written(step.attributes, "values"):
        values = step.attributes["values"]
        if len(values.value) != len(labels.value):
            checked.findings.error(
                "MIX426",
                f"{len(values.value)} values for {len(labels.value)} labels",
                values.span,
                "one for each is needed",
                secondary=(Label(labels.span, "in this order"),),
                hint="write what each label counts for",
            )
    else:
        word = next((one for one in labels.each() if not _is_number(str(one.value))), None)
        if word is not None:
            checked.findings.error(
                "MIX426",
                f"label `{word.value}` is no number, so it does not say what it counts for",
                word.span,
                hint=f"add `values = [{', '.join(map(str, range(1, len(labels.value) + 1)))}]`",
            )


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False


def _is_token(label: str, words: Mapping[str, object]) -> bool:
    """Whether a text may be one token; of words that a vocabulary writes in bytes only what it has can be said."""
    if not label.isascii():
        return True
    text = label.removeprefix(" ")
    begins_a_word = text != label and any(word[:1] in SPACES[1:] for word in words)
    return label in words or any(space + text in words for space in SPACES[begins_a_word:])


def _vocabulary(directory: Path) -> Mapping[str, object] | None:
    """The tokens of the tokenizer in a directory; None when there is none to be read."""
    try:
        file = directory / "tokenizer.json"
        if file.stat().st_size > LARGEST_TOKENIZER_BYTES:
            return None
        found = json.loads(file.read_text(encoding="utf-8"))
        words = found["model"]["vocab"]
        added = {str(token["content"]): None for token in found.get("added_tokens") or ()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return {**words, **added} if isinstance(words, dict) else None
