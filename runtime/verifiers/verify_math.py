"""Verifier `math`: is the final answer of a solution right?"""

from __future__ import annotations

from runtime.plugin import REQUIRED, attribute, declare
from runtime.steps.attributes import COMMON
from runtime.verifiers.attributes import ON_FAIL, pick


@declare(
    "verify",
    "math",
    extra="math",
    modules=("math_verify",),
    attributes=(
        attribute("response", "column", "the column with the solution", default=REQUIRED),
        attribute("answer", "column", "the column with the right answer, or a solution that ends with it"),
        attribute(
            "agree",
            "count",
            "without `answer`: this many of a row's candidates must agree; by default more than half",
            cls="set",
            minimum=1,
        ),
        attribute(
            "extract",
            "enum:auto|boxed|hashes|last|final",
            "where the answer stands in the response",
            default="auto",
        ),
        ON_FAIL,
        pick("all|first|best", "all"),
        *COMMON,
    ),
)
class MathVerifier:
    """Compares the final answer of a solution with the right one, as mathematics.

    The answer is found in the response: the last `\\\\boxed{}`, `Final Answer:`, `#### 42`, `the answer is`, else the
    last number (`extract = auto` takes the first of these that is there). Equal text and equal numbers pass at once;
    anything else is parsed and compared as mathematics (math-verify, in a worker process that is killed when it takes
    too long).

    With `answer`, a response passes when its answer equals it: score 1 or 0. Without, a row's candidates are grouped
    by equal answers, and those in the largest group pass when it has `agree` members; the score is the group's size.
    A response without an answer is `unmeasurable`, not wrong; it does not pass. A worker's failure is an error of the
    verifier, never a verdict. The evidence holds both answers as found and how they were compared.

    Needs the extra `math` only when answers differ as text and as numbers.
    """
