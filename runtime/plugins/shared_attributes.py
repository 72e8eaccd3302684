"""Attributes that many operations share, by the names under which a plugin has them (`mixwright.plugin`).

Those in a tuple are written with a star: `attributes=(attribute(…), *STEP)`.
"""

from __future__ import annotations

from collections.abc import Mapping

from compiler.catalog.catalog import Shared
from runtime.engines.attributes import POOLING, TASK
from runtime.exporters.attributes import EXPORT_ATTRIBUTES as EXPORT
from runtime.sources.attributes import COMMON as SOURCE
from runtime.steps.attributes import COMMON as STEP
from runtime.steps.attributes import SALT
from runtime.verifiers.attributes import PICK, VERIFIER

__all__ = ["EXPORT", "PICK", "POOLING", "SALT", "SHARED", "SOURCE", "STEP", "TASK", "VERIFIER"]

SHARED: Mapping[str, Shared] = {
    "STEP": STEP,
    "VERIFIER": VERIFIER,
    "SOURCE": SOURCE,
    "EXPORT": EXPORT,
    "PICK": PICK,
    "SALT": SALT,
    "TASK": TASK,
    "POOLING": POOLING,
}
