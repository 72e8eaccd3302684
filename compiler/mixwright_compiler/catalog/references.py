"""What the references of attributes may name."""

from __future__ import annotations

from collections.abc import Mapping

REFERENCE_KINDS: Mapping[str, tuple[str, ...]] = {
    "model": ("model",),
    "template": ("template",),
    "source": ("source",),
    "mixture": ("mixture", "variant"),
    "rows": ("source", "pipeline", "mixture", "variant"),
    "start": ("source", "pipeline"),
    "constant": ("let", "param"),
}
"""What `ref:KIND` in the catalog may name. `start` is what a pipeline may begin from."""
