"""Step `render`."""

from __future__ import annotations

from runtime.plugin import REQUIRED, attribute, declare
from runtime.steps.attributes import COMMON


@declare(
    "step",
    "render",
    label="new_column",
    makes={"{label}": "text", "{label}_template": "text"},
    attributes=(
        attribute("templates", "list[ref:template]", "the templates to choose from", default=REQUIRED),
        attribute("choose", "enum:cycle|random", "how a row gets its template", default="cycle"),
        *COMMON,
    ),
)
class Render:
    """Writes text from a template without a model, as FLAN makes tasks of labelled data.

    `cycle` gives the row that started first the first template, the next one the second, and so on; `random` chooses
    by the pipeline's seed and the row's identity. The text of the template's messages is joined by a blank line. The
    template's name is kept in the column `NAME_template`.
    """
