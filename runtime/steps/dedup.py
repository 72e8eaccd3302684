"""Steps `dedup exact` and `dedup minhash`: breakers that keep the first of equal or similar rows."""

from __future__ import annotations

from runtime.plugin import REQUIRED, attribute, declare
from runtime.steps.attributes import COMMON


@declare(
    "dedup",
    "exact",
    breaker=True,
    attributes=(
        attribute(
            "on",
            "column",
            "the column to compare: text, or a chat, of which the user messages count",
            default=REQUIRED,
        ),
        *COMMON,
    ),
)
class ExactDedup:
    """Keeps the first of rows whose text is equal after folding.

    Folding is Unicode NFKC, case folding, and runs of white space to one space. Rows are compared in the order in which
    they were started, so the same row stays however many more are made. A null is never a duplicate. Memory: one
    16-byte digest per row kept.
    """


@declare(
    "dedup",
    "minhash",
    breaker=True,
    attributes=(
        attribute(
            "on",
            "column",
            "the column to compare: text, or a chat, of which the user messages count",
            default=REQUIRED,
        ),
        attribute(
            "threshold",
            "share",
            "rows with at least this Jaccard similarity are the same",
            default=0.8,
            minimum=0.1,
            maximum=1.0,
        ),
        attribute(
            "permutations",
            "count",
            "hash functions in a sketch: more find more of the pairs near the threshold",
            default=128,
            minimum=16,
            maximum=1024,
        ),
        attribute("ngram", "count", "words in a shingle", default=5, minimum=1),
        attribute("seed", "count", "of the hash functions", default=1),
        *COMMON,
    ),
)
class MinhashDedup:
    """Keeps the first of rows that share most of their word sequences (Broder 1997; Lee et al. 2022).

    A text is folded as in `dedup exact` and cut into words, in scripts without spaces (Chinese, Japanese, Thai ...) into
    characters; its shingles are the runs of `ngram` words (all of it, when it is shorter). Rows whose MinHash sketches
    share a band are candidates; a candidate is a duplicate when the exact Jaccard similarity of the shingle sets
    reaches `threshold`, so nothing is removed by chance. Bands and rows are chosen from `threshold` so that a pair
    at the threshold is found with probability of about 0.95 or more. Rows are compared, in start order, with rows
    that were kept: of a chain a~b~c the ends may both stay.
    """
