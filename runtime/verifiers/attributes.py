"""Attributes that verifiers share."""

from __future__ import annotations

from compiler.catalog.declaring import attribute
from compiler.catalog.declaring import pick as pick
from compiler.catalog.declaring import threshold as threshold
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


PICK = pick("all|first|best|majority", "all")
"""`pick` with every choice; see `runtime.verifiers.verdicts.Selection`."""
