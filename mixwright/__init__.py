"""Mixwright: write an instruction-tuning mixture as a spec, check it, plan it, run it, train on it.

The Python API is `check`, `plan`, `run` and `rows` (mixwright/api.py), loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixwright.version import VERSION

if TYPE_CHECKING:
    from mixwright.api import SpecError, check, plan, rows, run

__version__ = VERSION
__all__ = ["SpecError", "check", "plan", "rows", "run"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'mixwright' has no attribute '{name}'")
    from mixwright import api

    return getattr(api, name)
