"""Verifier `agreement`: do a row's candidates say the same?"""

from __future__ import annotations

from runtime.plugin import REQUIRED, attribute, declare
from runtime.steps.attributes import COMMON
from runtime.verifiers.attributes import ON_FAIL, pick


@declare(
    "verify",
    "agreement",
    attributes=(
        attribute("response", "column", "the column that must agree", default=REQUIRED),
        attribute(
            "agree",
            "count",
            "at least this many candidates of a row must be equal",
            default=2,
            cls="set",
            minimum=1,
        ),
        attribute(
            "equal",
            "enum:exact|math",
            "`exact`: the same text after folding case and white space; `math`: equal answers as in `verify math`",
            default="exact",
        ),
        ON_FAIL,
        pick("first|all", "first"),
        *COMMON,
    ),
)
class Agreement:
    """Keeps what several candidates of a row agree on (self-consistency, Wang et al. 2023).

    Candidates are grouped by equal responses; those of the largest group pass when it has at least `agree` members.
    Of two groups of the same size the one with the lowest candidate number wins. The score is the size of a
    candidate's group. `pick = first` passes one member on, `all` every one.
    """
