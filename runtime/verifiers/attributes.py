"""Attributes that verifiers share."""

from __future__ import annotations

from compiler.catalog import AttributeSchema
from runtime.plugin import attribute
from runtime.steps.attributes import COMMON

ON_FAIL = attribute(
    "on_fail",
    "call:on_verdict",
    "what happens to a row that fails: `drop`, `keep`, `retry(n)`, which asks the model the same again up to n times, "
    "or `repair(template, n)`, which shows it what was wrong",
    default="drop",
    cls="set",
)

CALIBRATE = attribute(
    "calibrate",
    "block:verify_block.calibrate",
    "labelled rows on which the verifier must be good enough before the pipeline starts",
    cls="meta",
)

VERIFIER = (ON_FAIL, CALIBRATE, *COMMON)
"""What every verifier has; goes last in a declaration: `*VERIFIER`."""


def pick(choices: str, default: str) -> AttributeSchema:
    """Attribute `pick`: which of a row's passing candidates go on."""
    return attribute(
        "pick", f"enum:{choices}", "which of a row's passing candidates go on", default=default, cls="set"
    )


PICK = pick("all|first|best|majority", "all")
"""`pick` with every choice; see `runtime.verifiers.verdicts.Selection`."""


def threshold(
    name: str,
    doc: str,
    *,
    default: float | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
) -> AttributeSchema:
    """Attribute `min` or `max`: a bound on the score, inclusive. It is applied to stored scores: moving it measures
    nothing again. `minimum` and `maximum` are the ends of the score's scale."""
    return attribute(name, "float", doc, default=default, cls="set", minimum=minimum, maximum=maximum)
