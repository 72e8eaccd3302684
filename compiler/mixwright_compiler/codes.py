"""The pages of the diagnostic codes: `mixwright_compiler/codes/MIXnnn.md`, which are manual, test and `explain` text
in one.

A page begins `# MIX101: unknown name (error)`, says why, then shows under `## Wrong` a spec whose offending line ends
in `# error[MIX101]`, and under `## Right` the same without the mistake.
"""

from __future__ import annotations

import re
from pathlib import Path

PAGES = Path(__file__).with_name("codes")
HEADING = re.compile(r"# (MIX\d{3}): (.+) \((error|warning|lint)\)")


def page(code: str) -> str | None:
    """The page of a code as Markdown; None when there is no such code."""
    if not re.fullmatch(r"MIX\d{3}", code):
        return None
    file = PAGES / f"{code}.md"
    return file.read_text(encoding="utf-8") if file.is_file() else None


def titles() -> dict[str, tuple[str, str]]:
    """Title and severity of every code, in order."""
    found = {}
    for file in sorted(PAGES.glob("MIX*.md")):
        match = HEADING.match(file.read_text(encoding="utf-8"))
        if match is not None:
            found[match[1]] = (match[2], match[3])
    return found
