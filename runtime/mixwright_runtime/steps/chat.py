"""Step `chat`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.errors import RunError
from mixwright_runtime.mixture.messages import ControlCharacter, chat_of, message_of, tools_of
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Apply
from mixwright_runtime.values.rows import Dropped, Row


@declare(
    "step",
    "chat",
    one_of=(("user", "assistant"), ("turns",), ("text",)),
    goes_with=(
        *(("input", "user", other) for other in ("turns", "text")),
        *(("reasoning", "user", other) for other in ("turns", "text")),
    ),
    makes={"messages": "chat", "tools": "json if with tools"},
    attributes=(
        attribute("system", "expr:text", "the system message: a text, or a column; null or empty for none"),
        attribute("user", "column", "the column with the user's message", holds="text"),
        attribute(
            "input",
            "column",
            "a column with more of the user's message, behind an empty line (Alpaca's `input`); null or empty for none",
        ),
        attribute("assistant", "column", "the column with the assistant's answer", holds="text"),
        attribute(
            "reasoning", "column", "the column with the reasoning before the answer; null or empty for none"
        ),
        attribute("turns", "column", "a column with messages, instead of `user` and `assistant`"),
        attribute(
            "text",
            "column",
            "a column with a plain text, instead of a conversation: one message of the assistant, for models that go on "
            "from texts",
            holds="text",
        ),
        attribute("tools", "column", "a column with the tools that the assistant may call, as JSON Schemas"),
        *STEP,
    ),
)
class Chat(Apply):
    """Makes the training example: column `messages`, a list of `{ role, content }`.

    Give `user` and `assistant`, or `text`, or `turns`: a `chat` column, a list of texts that alternate between user and
    assistant, or a conversation in one of the forms that public data has:

    - OpenAI's `{ role, content }`, the content a text or parts (`[{ type = "text", text }]`; pictures are refused);
    - ShareGPT's `{ from, value }`, in which `human` is the user, `gpt` the assistant, `function_call` its call of a tool,
      as JSON, and `observation` the result.

    A row whose user or assistant text is null or empty cannot be trained on and is quarantined, as are turns that do not
    alternate or do not end with the assistant, and texts with control characters; the run says why. Line ends become
    `\\n`.

    ```mix
    source sharegpt jsonl { path = "sharegpt.jsonl", license = "cc0-1.0" }
    source alpaca json { path = "alpaca.json", license = "cc0-1.0" }
    pipeline conversations { from sharegpt, chat { turns = conversations, system = system } }
    pipeline instructions { from alpaca, chat { user = instruction, input = input, assistant = output } }
    ```

    A plain `text` is learned from its first token to its last with a chat template that writes it and nothing else, which
    `train` takes as a file (`chat_template`):

    ```jinja
    {% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}
    ```

    `reasoning` is kept apart from the answer, as `reasoning_content`; the chat template decides how it is written, and
    `train { learn = … }` whether it is trained. In `turns` an assistant may call tools (`tool_calls`, OpenAI's form),
    and messages of role `tool` give their results before it goes on; `tools` are the schemas of what may be called, kept
    in column `tools`.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        self.step = step
        attributes = step.attributes
        system = attributes.get("system")
        self._system = context.expression(system) if isinstance(system, Mapping) else lambda columns: system
        self._user = attributes.get("user")
        self._input = attributes.get("input")
        self._assistant = attributes.get("assistant")
        self._turns = attributes.get("turns")
        self._reasoning = attributes.get("reasoning")
        self._tools = attributes.get("tools")
        self._plain = attributes.get("text")
        if not (self._turns or self._plain or (self._user and self._assistant)):
            raise RunError(f"step '{step.id}': chat needs user and assistant, turns, or text")

    def apply(self, row: Row) -> Row | Dropped:
        """The row with its `messages`; quarantined when they would not make a training example."""
        try:
            messages = self._messages(row.columns)
            tools = tools_of(row.columns.get(self._tools)) if self._tools else None
        except ControlCharacter as error:
            return Dropped(row, self.step.id, "control character", str(error), quarantined=True)
        except ValueError as error:
            return Dropped(row, self.step.id, "chat", str(error), quarantined=True)
        return row.with_columns(messages=messages, **({"tools": tools} if tools else {}))

    def _messages(self, columns: Mapping[str, object]) -> list[dict[str, Any]]:
        if self._plain:
            messages = [{"role": "assistant", "content": _text(columns.get(self._plain), self._plain)}]
        elif self._turns:
            messages = _messages_of(columns.get(self._turns), self._turns)
        else:
            request = _text(columns.get(self._user or ""), self._user)
            more = columns.get(self._input) if self._input else None
            if isinstance(more, str) and more.strip():
                request = f"{request}\n\n{more}"
            answer = {
                "role": "assistant",
                "content": _text(columns.get(self._assistant or ""), self._assistant),
            }
            reasoning = columns.get(self._reasoning) if self._reasoning else None
            if isinstance(reasoning, str) and reasoning.strip():
                answer["reasoning_content"] = reasoning
            messages = [{"role": "user", "content": request}, answer]
        system = self._system(columns)
        if system:
            messages = [m for m in messages if m["role"] != "system"]
            messages.insert(0, {"role": "system", "content": str(system)})
        return chat_of(messages)


def _text(value: object, column: str | None) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"column `{column}` has no text")
    return value


def _messages_of(turns: object, column: str) -> list[dict[str, Any]]:
    """Messages of a conversation, or of texts that alternate; user and assistant take turns and the assistant ends.

    Raises:
        ValueError: they do not.
    """
    if isinstance(turns, str) and turns.lstrip().startswith("["):
        try:
            turns = json.loads(turns)
        except (ValueError, RecursionError):
            raise ValueError(f"column `{column}` is a text, and no JSON") from None
    if not isinstance(turns, list) or not turns:
        raise ValueError(f"column `{column}` has no turns")
    given = [
        message_of(turn)
        if isinstance(turn, Mapping)
        else {"role": ("user", "assistant")[number % 2], "content": turn}
        for number, turn in enumerate(turns)
    ]
    for number, message in enumerate(given):
        if not message.get("tool_calls") and message.get("role") != "tool":
            _text(message.get("content"), f"{column}[{number}]")
    messages = chat_of(given)
    problem = _order_problem(messages[messages[0]["role"] == "system" :])
    if problem:
        raise ValueError(f"column `{column}` {problem}")
    return messages


def _order_problem(talk: list[dict[str, Any]]) -> str:
    """Why messages are no conversation; empty when they are one. After a call come its results, then the assistant."""
    wanted = {"user"}
    for message in talk:
        role = message["role"]
        if role not in wanted:
            return "does not alternate between user and assistant, ending with it"
        if role == "user":
            wanted = {"assistant"}
        elif role == "tool":
            wanted = {"tool", "assistant"}
        else:
            wanted = {"tool"} if message.get("tool_calls") else {"user"}
    if not talk or talk[-1]["role"] != "assistant":
        return "does not alternate between user and assistant, ending with it"
    return ""
