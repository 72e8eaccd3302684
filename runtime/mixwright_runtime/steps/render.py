"""Step `render`."""

from __future__ import annotations

from dataclasses import replace

from mixwright_compiler.catalog.references import names_in_rows
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.errors import RowError
from mixwright_runtime.plugins.attributes import SALT, STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Apply
from mixwright_runtime.values.choices import decided_by, turn_of
from mixwright_runtime.values.rows import Dropped, Row, digest, order_key


@declare(
    "step",
    "render",
    label="new_column",
    makes={
        "{label}": "text",
        "{label}_template": "text",
        "{label}_target": "text if with targets",
    },
    attributes=(
        attribute("templates", "list[ref:template]", "the templates to choose from", default=REQUIRED),
        attribute("choose", "enum:cycle|random", "how a row gets its template", default="cycle"),
        attribute(
            "targets",
            "bool",
            "each template ends with what the assistant is to say, which goes into `NAME_target`",
            default=False,
            holds="targets",
        ),
        replace(SALT, only_when="choose = random"),
        *STEP,
    ),
)
class Render(Apply):
    """Writes text from a template without a model, as FLAN makes tasks of labelled data.

    `cycle` gives the row that started first the first template, the next one the second, and so on; `random`
    chooses by the pipeline's seed, the row's identity, the step's label and its `salt`. The text of the
    template's messages is joined by a blank line. The template's name is kept in the column `NAME_template`, without
    that of the import it came through.

    With `targets` a template says both sides, as FLAN's patterns do: what its last message, the assistant's, says is the
    column `NAME_target`, and no part of the text. So one template may ask for the answer and another, of the same
    columns, for the question (input inversion).

        template follows { user = "{{ premise }}\\nDoes it follow that {{ hypothesis }}?", assistant = "{{ answer }}" }
        template inverted { user = "What follows from this? {{ premise }}", assistant = "{{ hypothesis }}" }
        render task { templates = [follows, inverted], targets = true }
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        self.step = step
        templates: list[str] = list(step.attributes["templates"])
        self._names = names_in_rows(templates)
        self._templates = [context.template(name) for name in templates]
        self._is_random = step.attributes.get("choose") == "random"
        self._has_targets = step.attributes.get("targets") is True
        self._seed = context.seed

    def apply(self, row: Row) -> Row | Dropped:
        """The row with the rendered text and the template's name; quarantined when it cannot be rendered."""
        if self._is_random:
            drawn = order_key(self._seed, digest("mixwright.render.v1", *decided_by(self.step, row)))
            index = drawn % len(self._names)
        else:
            index = turn_of(row, len(self._names))
        try:
            rendered = self._templates[index](row.columns)
        except RowError as error:
            return Dropped(row, self.step.id, "render", str(error), quarantined=True)
        label, said = self.step.label, [message["content"] for message in rendered.messages]
        made = {f"{label}_target": said.pop()} if self._has_targets else {}
        made |= {label: "\n\n".join(said), f"{label}_template": self._names[index]}
        return row.with_columns(**made)
