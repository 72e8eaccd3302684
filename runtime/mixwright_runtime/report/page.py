"""Pages from templates: one file without scripts, network or links out. What a template prints is escaped unless it is
markup already (`Markup`), which a chart, `brief`, `shown` and another template's part are."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mixwright_runtime.report.text import brief, sentence, shown, visible

TABLE_ROWS = 50
"""Rows shown of a table whose length the data decides."""


@cache
def environment() -> Environment:
    """The templates of pages. Text from data also loses what cannot be seen, wherever it is printed."""
    found = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible,
    )
    found.filters |= {"brief": brief, "shown": shown, "sentence": sentence}
    found.globals |= {"table_rows": TABLE_ROWS}
    return found


def part(template: str, name: str, *given: Any) -> Markup:
    """A part of a page: the macro of a template with these values."""
    return Markup(getattr(environment().get_template(f"{template}.html").module, name)(*given))


def page(title: str, body: Iterable[Markup]) -> str:
    """A whole HTML document of these parts."""
    return environment().get_template("page.html").render(title=title, body=list(body))
