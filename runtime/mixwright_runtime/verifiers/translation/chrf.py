"""chrF: how much of two texts is the same, by character n-grams (Popović 2015)."""

from __future__ import annotations

from collections import Counter

ORDER = 6
BETA = 2
"""n-grams of 1 to 6 characters, recall counting twice: the settings of sacreBLEU's chrF2, whose figures these are."""
MOST_CHARACTERS = 20_000
"""Of each text that are compared; n-grams of all six orders take about 2 ms for 1,000 characters."""


def chrf(hypothesis: str, reference: str) -> float:
    """Mean F-score of the character n-grams of a hypothesis against a reference, 0..1; spaces do not count.

    Equal to `sacrebleu.sentence_chrf(hypothesis, [reference]).score / 100`.
    """
    hypothesis = "".join(hypothesis.split())[:MOST_CHARACTERS]
    reference = "".join(reference.split())[:MOST_CHARACTERS]
    precision = recall = 0.0
    orders = 0
    for n in range(1, ORDER + 1):
        found, wanted = _ngrams(hypothesis, n), _ngrams(reference, n)
        if not found or not wanted:
            break  # a longer one has no n-grams either
        matches = (found & wanted).total()
        precision += matches / found.total()
        recall += matches / wanted.total()
        orders += 1
    if not precision + recall:
        return 0.0
    precision, recall = precision / orders, recall / orders
    return (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def _ngrams(text: str, n: int) -> Counter[str]:
    return Counter([text[i : i + n] for i in range(len(text) - n + 1)])
