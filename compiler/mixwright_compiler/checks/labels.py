"""426 and 464: labels whose probabilities a model is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mixwright_compiler.checks.checked import Checked, is_written, named_by, value_of
from mixwright_compiler.program import StepDecl
from mixwright_dsl.diagnostic import Label

LARGEST_TOKENIZER_BYTES = 64_000_000
SPACES = ("", "▁", "Ġ")
"""What vocabularies write for the space before a word, or nothing."""


def check_labels(checked: Checked) -> None:
    """MIX426: labels that do not say what they count for. MIX464: a label that is several tokens of its model."""
    for _, _, step in checked.clean_steps():
        if "labels" not in step.entry.rules:
            continue
        _check_values(checked, step)
        for _, bound in named_by(step, "model"):
            model = checked.program.models.get(str(bound.value))
            if model is None or not checked.clean(model.span):
                continue
            place = value_of(model.attributes, "tokenizer") or value_of(model.attributes, "path")
            words = _vocabulary(checked.world.directory / str(place)) if place else None
            for label in step.attributes["labels"].each() if words is not None else ():
                if not _is_token(str(label.value), words or {}):
                    checked.findings.error(
                        "MIX464",
                        f"`{label.value}` is several tokens of `{model.name}`, and a label must be one",
                        label.span,
                        "no word of its tokenizer",
                        secondary=(Label(model.name_span, "declared here"),),
                        hint="choose labels of one digit, letter or common word",
                    )


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
    """Whether a label may be one token; of words that a vocabulary writes in bytes only what it has can be said."""
    if not label.isascii():
        return True
    text = label.removeprefix(" ")
    return any(space + text in words for space in SPACES)


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
