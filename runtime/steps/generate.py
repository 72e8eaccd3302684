"""`generate`: asks a model for a column."""

from __future__ import annotations

from typing import Any

from compiler.plan import Step
from runtime.plugin import REQUIRED, attribute, declare
from runtime.steps.protocol import StepContext


@declare(
    "step",
    "generate",
    label="new_column",
    attributes=(
        attribute(
            "prompt",
            "ref:template",
            "Template of the request; its inputs must be columns in scope.",
            default=REQUIRED,
        ),
        attribute("model", "ref:model", "Who answers.", default=REQUIRED),
        attribute(
            "samples",
            "count",
            "Answers per row. More than one makes candidates, each with its own seed.",
            default=1,
            cls="set",
            minimum=1,
            maximum=1024,
        ),
        attribute(
            "temperature",
            "float",
            "0 takes the likeliest token every time; 1 samples from the model as it is.",
            default=1.0,
            minimum=0,
            maximum=2,
        ),
        attribute(
            "top_p",
            "share",
            "Samples from the likeliest tokens that together reach this share.",
            default=1.0,
            minimum=0,
            maximum=1,
        ),
        attribute(
            "max_tokens",
            "count",
            "Longest answer, in tokens. An answer cut off there is not used.",
            default=1024,
            minimum=1,
        ),
        attribute("stop", "list[text]", "The answer ends before the first of these texts."),
        attribute(
            "schema", "json", "JSON Schema that the answer must have; the engine constrains decoding to it."
        ),
        attribute(
            "parse",
            "call:parse",
            'What to take of the answer: `after("x")`, `before("x")`, `between("a", "b")`, `regex("...")`, '
            '`json()`, `json("field")`, `last_line()`. Default: all of it, without the space around it.',
        ),
        attribute(
            "on_fail",
            "call:on_fail",
            "When there is no usable answer: `drop` the row, `retry(n)` with n further seeds and then drop it, or "
            "`keep` it with a null column.",
            default="drop",
            cls="set",
        ),
    ),
)
class Generate:
    """Makes a column from a model's answer to a prompt.

    Each answer has a seed of its own, derived from the rendered request, the row's replica, the sample's index and
    the attempt, so a row's text depends neither on batching nor on how many rows were asked for. An answer is
    stored before it is parsed: changing `parse` or `on_fail` asks nothing again.

    With `samples = n` a row becomes n candidates that go through the following steps one by one, until a `verify`
    with `pick` or `agree` closes the group.

    An attempt fails when the model answers nothing, is cut off by `max_tokens`, refuses, or writes something that
    `parse` does not match. A row whose attempts all failed for a reason of the model or the machine is quarantined,
    one that never parsed is dropped with the reason `parse`. Reasoning that the engine reports apart is in the
    column `NAME.reasoning`.

    ```mix
    generate problem {
      prompt = hard_math
      model = teacher
      temperature = 1.0
      parse = after("Math problem:")
      on_fail = retry(2)
    }
    ```
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self.step = step
        self.column = step.label
        self.samples = int(attributes.get("samples") or 1)
        self.on_fail, self.retries = on_fail_of(attributes.get("on_fail"))


def on_fail_of(value: Any) -> tuple[str, int]:
    """`("drop", 0)`, `("keep", 0)` or `("retry", n)` of a lowered `on_fail`."""
    if value is None:
        return "drop", 0
    if isinstance(value, str):
        return value, 0
    name = str(value["call"])
    args = list(value.get("args") or ())
    return (name, int(args[0])) if name == "retry" and args else (name, 1 if name == "retry" else 0)
