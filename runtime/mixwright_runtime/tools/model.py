"""Tool `model`: another model."""

from __future__ import annotations

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.plan.plan import ToolSpec
from mixwright_runtime.engines.protocol import Finish
from mixwright_runtime.errors import RowError
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.tools.kinds import Surroundings, Tool, ToolCall, ToolError

OF_NO_USE = (Finish.EMPTY.value, Finish.LENGTH.value, Finish.REFUSED.value)
"""Ends of an answer that are the model's doing: asked again it would end so again."""


@declare(
    "tool",
    "model",
    asks=(Asks("model", template="prompt", max_tokens="max_tokens"),),
    attributes=(
        attribute("model", "ref:model", "The model that is asked.", default=REQUIRED),
        attribute(
            "prompt",
            "ref:template",
            "What it is asked; the template's inputs are what the tool takes.",
            default=REQUIRED,
        ),
        attribute(
            "temperature",
            "float",
            "0 takes the likeliest token every time.",
            default=0.0,
            minimum=0,
            maximum=2,
        ),
        attribute("max_tokens", "count", "Longest answer, in tokens.", default=256, minimum=1),
        attribute(
            "doc",
            "text",
            "What models are told of it.",
            default="Asks a language model and gives its answer.",
        ),
    ),
)
class AskedModel(Tool):
    """Another model as a tool: a translator, somebody who knows.

    It takes what the template reads, each a text, and gives the answer.

    Its answers are calls like any other, and count in budgets. `plan` counts as many as a step may call for: `positions`
    times `calls` of `call_tools`, and 8 a row of `call`, where no one knows how many a model will write.

    ```mix
    template translate { user = "Translate into English: {{ text }}" }
    tool translator model { model = small, prompt = translate, doc = "Translates a text into English." }
    ```
    """

    def __init__(self, spec: ToolSpec, around: Surroundings) -> None:
        super().__init__(spec, around)
        # One object for all calls: its JSON is made once.
        self._sampling = {
            "temperature": float(spec.attributes["temperature"]),
            "top_p": 1.0,
            "max_tokens": int(spec.attributes["max_tokens"]),
        }

    async def run(self, call: ToolCall) -> str:
        """The answer."""
        attributes = self.spec.attributes
        messages = self.around.template(attributes["prompt"])(call.arguments).messages
        found = await call.ask(attributes["model"], messages, self._sampling)
        if found.ok:
            return found.text.strip()
        if found.reason in OF_NO_USE:
            raise ToolError(f"the model gave no answer: {found.reason}")
        raise RowError(f"model '{attributes['model']}' gave no answer: {found.reason} {found.detail}".strip())
