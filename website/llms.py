"""`llms.txt` and `llms-full.txt`: the manual for language models, by the convention of llmstxt.org."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from website.dialect import lines_outside_fences
from website.navigation import sections
from website.pages import Page


def llms_index(nav: list[Any], pages: Mapping[str, Page], summary: str) -> str:
    """A line a page, under the headings of the navigation; links lead to the pages' Markdown."""
    parts = ["# Mixwright", f"> {summary}", "All of it in one file: [llms-full.txt](llms-full.txt)."]
    for title, places in sections(nav):
        rows = "\n".join(
            f"- [{pages[place].title}]({place}): {_summary(pages[place].text)}" for place in places
        )
        parts.append(f"## {title}\n\n{rows}" if title else rows)
    codes = [place for place in pages if place.startswith("codes/")]
    rows = "\n".join(f"- [{pages[place].title}]({place})" for place in codes)
    return "\n\n".join([*parts, f"## Optional\n\n{rows}"]) + "\n"


def llms_full(order: Iterable[str], pages: Mapping[str, Page]) -> str:
    """Every page of the navigation, each under the name that links to it."""
    return "\n\n".join(f"<!-- {place} -->\n\n{pages[place].text.strip()}" for place in order) + "\n"


def _summary(text: str) -> str:
    """The first sentence of a page; of one that begins with a list or a table, what its sections are about."""
    prose = "\n".join(line if is_prose else "" for line, is_prose in lines_outside_fences(text))
    for paragraph in prose.split("\n\n"):
        lines = paragraph.strip()
        if lines and not lines.startswith(("#", "<!--", "|", "-")):
            words = " ".join(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", lines).split())
            sentence = re.split(r"(?<=[.?!]) ", words, maxsplit=1)[0]
            if sentence.endswith((".", "?", "!")):
                return sentence
            break
    return ", ".join(re.findall(r"^## (.+)$", prose, flags=re.M))
