"""Step `decontaminate ngram`: removes rows that overlap evaluation sets."""

from __future__ import annotations

from runtime.plugin import REQUIRED, attribute, declare
from runtime.steps.attributes import COMMON


@declare(
    "decontaminate",
    "ngram",
    attributes=(
        attribute(
            "against",
            "list[ref:source]",
            "the evaluation sets: every text column of their rows is compared",
            default=REQUIRED,
        ),
        attribute(
            "on",
            "column",
            "the column to check; without it every text column, and the user messages of a chat",
        ),
        attribute("n", "count", "tokens in an n-gram", default=8, minimum=1),
        attribute(
            "overlap",
            "share",
            "a row is removed when more than this share of an evaluation row's tokens is found in it",
            default=0.5,
            cls="set",
            minimum=0.0,
            maximum=1.0,
        ),
        *COMMON,
    ),
)
class NgramDecontamination:
    """Removes rows that repeat an evaluation set, and reports per set what was found.

    As Tülu 3 does (Lambert et al. 2024, section 3.2), with an exact index: texts are lower-cased and cut into tokens
    (words; characters in scripts without spaces); an evaluation row's token is covered when it lies in an n-gram that
    it shares with the row, and the row is contaminated by it when more than `overlap` of its tokens are covered. An
    evaluation text shorter than `n` tokens counts only when its whole token sequence is the row's.

    The report gives for each evaluation set its rows, how many of them were matched, the rows removed, and examples.
    A paraphrase or a translation is not found.
    """
