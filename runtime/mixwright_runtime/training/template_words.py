"""Words of chat templates: what a template writes or looks for, and what two of its renderings share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress


def shared_length(one: str, other: str) -> int:
    """How many characters two texts share at their beginning."""
    most = min(len(one), len(other))
    return next((n for n in range(most) if one[n] != other[n]), most)


def literals(template: str) -> Iterator[str]:
    """The texts that a template writes or looks for."""
    import jinja2

    with suppress(jinja2.TemplateSyntaxError):  # rendering will tell
        for _, kind, value in jinja2.Environment().lex(template):
            if kind == "string":
                yield value[1:-1].replace("\\n", "\n").replace("\\", "").strip()


def any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """A pattern of any of these texts, the longest first; of nothing where there are none."""
    return re.compile("|".join(map(re.escape, sorted(set(texts) - {""}, key=len, reverse=True))) or r"(?!)")
