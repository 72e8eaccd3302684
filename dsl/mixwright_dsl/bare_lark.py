"""Lark without the packages that it uses only if they happen to be installed."""

from __future__ import annotations

import sys
from types import ModuleType

UNUSED = ("regex", "interegular")
"""Lark needs them for `regex=True` and `strict=True` alone; neither is in `grammar.OPTIONS`."""


def import_lark() -> None:
    """Import lark as if the packages of UNUSED were not there; does nothing when lark is loaded already.

    They cost 11 ms of the 135 ms of CPU of a check of the quickstart (medians of 20). For commands that end with
    the parsing and what follows from it: for the rest of the process lark refuses its strict mode and `regex=True`.
    """
    if "lark" in sys.modules:
        return
    missing = [name for name in UNUSED if name not in sys.modules]
    hidden: dict[str, ModuleType | None] = dict.fromkeys(missing)
    # None in sys.modules makes an import fail like that of a package that is not installed.
    sys.modules.update(hidden)  # type: ignore[arg-type]
    try:
        import lark  # noqa: F401
    finally:
        for name in missing:
            del sys.modules[name]
