"""Build a response that follows drawn IFEval constraints: proof that a set can be followed at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mixwright_compiler.catalog.constraint_kinds import LESS, Constraint

FILLERS = ("moss", "lint", "rug", "yew", "kelp", "fjord", "zinc", "vex", "quay", "bog", "ash", "pub")


def response_for(constraints: Sequence[Constraint]) -> str:
    """A response without sense that follows them all, if they can stand together."""
    by_id = {c.id: c.arguments for c in constraints}
    if "detectable_format:constrained_response" in by_id:
        return "My answer is yes."
    if "combination:two_responses" in by_id:
        return (
            _wrapped(by_id, _body(by_id)) + "\n******\n" + _wrapped(by_id, f"{_filler(by_id)} {_body(by_id)}")
        )
    if "detectable_format:json_format" in by_id:
        return json.dumps({_filler(by_id): _body(by_id)})
    return _wrapped(by_id, _body(by_id))


def _filler(by_id: dict[str, Any]) -> str:
    """A word without the letter that must be rare."""
    letters = by_id.get("keywords:letter_frequency", {})
    rare = letters["letter"] if letters.get("let_relation") == LESS else ""
    return next(word for word in FILLERS if not rare or rare not in word)


def _body(by_id: dict[str, Any]) -> str:
    filler = _filler(by_id)
    words = [*by_id.get("keywords:existence", {}).get("keywords", ())]
    if (found := by_id.get("keywords:frequency")) and found["relation"] != LESS:
        words += [found["keyword"]] * found["frequency"]
    if (found := by_id.get("keywords:letter_frequency")) and found["let_relation"] != LESS:
        words += [found["letter"]] * found["let_frequency"]
    if (found := by_id.get("change_case:capital_word_frequency")) and found["capital_relation"] != LESS:
        words += [filler.upper()] * found["capital_frequency"]
    if found := by_id.get("detectable_content:number_placeholders"):
        words += [f"[{filler}]"] * found["num_placeholders"]
    if found := by_id.get("detectable_format:number_highlighted_sections"):
        words += [f"*{filler}*"] * found["num_highlights"]
    if (found := by_id.get("length_constraints:number_words")) and found["relation"] != LESS:
        words += [filler] * found["num_words"]
    text = " ".join([filler, *words])
    if (found := by_id.get("length_constraints:number_sentences")) and found["relation"] != LESS:
        text += "." + f" {filler.capitalize()} {filler}." * found["num_sentences"]
    return text


def _wrapped(by_id: dict[str, Any], text: str) -> str:
    filler = _filler(by_id)
    if found := by_id.get("length_constraints:nth_paragraph_first_word"):
        paragraphs = [text, *[filler] * (found["num_paragraphs"] - 1)]
        paragraphs[found["nth_paragraph"] - 1] = (
            f"{found['first_word']} {paragraphs[found['nth_paragraph'] - 1]}"
        )
        text = "\n\n".join(paragraphs)
    if found := by_id.get("length_constraints:number_paragraphs"):
        text += f"\n***\n{filler}" * (found["num_paragraphs"] - 1)
    if found := by_id.get("detectable_format:number_bullet_lists"):
        text += f"\n* {filler}" * found["num_bullets"]
    if found := by_id.get("detectable_format:multiple_sections"):
        for i in range(found["num_sections"]):
            text += f"\n{found['section_spliter']} {i + 1}\n{filler}"
    if "detectable_format:title" in by_id:
        text += f"\n<<{filler}>>"
    if found := by_id.get("detectable_content:postscript"):
        text += f"\n{found['postscript_marker']} {filler}"
    if found := by_id.get("startend:end_checker"):
        text += f" {found['end_phrase']}"
    if "startend:quotation" in by_id:
        text = f'"{text}"'
    return text
