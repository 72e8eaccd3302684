"""`generate`: asks a model for a column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.catalog.references import named_in, names_in_rows
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.engines.protocol import FORMS, FURTHER_SAMPLING, TOOLS, Finish
from mixwright_runtime.errors import RowError
from mixwright_runtime.plugins.attributes import SALT, STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import CallResult, StepContext
from mixwright_runtime.plugins.shapes import Ask, StepRequest
from mixwright_runtime.steps.conversations import after, conversation
from mixwright_runtime.tools.calling import Offered
from mixwright_runtime.values.choices import one_of, turn_of
from mixwright_runtime.values.control_characters import control_character_in
from mixwright_runtime.values.json_in_text import ParseFailed, json_of, last_json
from mixwright_runtime.values.json_schema import compiled_schema
from mixwright_runtime.values.parse import compile_parse, names_reasoning
from mixwright_runtime.values.rows import Row


@declare(
    "step",
    "generate",
    makes={
        "{label}": "json if parse = json else text",
        "{label}_template": "text if several prompt",
        "{label}.reasoning": "text if read",
        "{label}.finish": "text if read",
        "{label}.calls": "json if with tools",
    },
    label="new_column",
    asks=(
        Asks(
            "model",
            template="prompt",
            weights="weights",
            history="history",
            times=("samples",),
            max_tokens="max_tokens",
            writes="{label}",
            needs=(
                ("schema", "with schema"),
                ("user_turn", "turn = user"),
                ("text", "form = text"),
                ("tools", "with tools"),
            ),
        ),
    ),
    rules=("turns", "tools"),
    attributes=(
        attribute(
            "prompt",
            "some[ref:template]",
            "Template of the request; its inputs must be columns in scope. With a list of templates each row is asked "
            "with one of them. `turn = user` goes without, and so may `history`, whose last message is then answered.",
            default=REQUIRED,
            waived_by="turn or history",
        ),
        attribute(
            "choose",
            "enum:cycle|random|column",
            "Which of several templates a row gets: `cycle` in turns, in the order in which rows start; `random` by the "
            "row's identity; `column` the one that the column `by` names.",
            default="random",
            only_when="several prompt",
        ),
        attribute(
            "weights",
            "list[float]",
            "How often each template is chosen beside the others, in their order; each as often without it.",
            only_when="several prompt and choose = random",
        ),
        attribute(
            "by",
            "column",
            "The column with the name of a row's template.",
            holds="text",
            given_when="choose = column",
            only_when="several prompt",
        ),
        replace(SALT, only_when="several prompt and choose = random"),
        attribute(
            "history",
            "expr:chat",
            "A conversation that the messages of `prompt` come after: a column of `{ role, content }`, or "
            "`append(…)` to one. Null is none.",
        ),
        attribute(
            "turn",
            "enum:assistant|user",
            "Whose turn the model writes. `assistant`, as without it: an answer. `user`: what somebody would ask, which "
            "follows the beginning of a user's turn in the model's own chat template.",
            unsaid="assistant",
        ),
        attribute(
            "system",
            "expr:text",
            "The system message before a user's turn: a text, or a column; null for none.",
            only_when="turn = user and without prefix",
        ),
        attribute(
            "default_system",
            "enum:keep|leave_out",
            "The system message that some chat templates add where none is given: `keep`, as without it, or `leave_out`.",
            only_when="turn = user and without prefix",
            unsaid="keep",
        ),
        attribute(
            "prefix",
            "text",
            "The prompt of a user's turn, with the model's special tokens, instead of what its chat template says.",
            only_when="turn = user",
        ),
        attribute(
            "form",
            "enum:chat|text",
            "`text` has the model go on from the prompt as a plain text, without a chat template, as base models do; "
            "`chat`, as without it, is an answer to messages.",
            only_when="without turn",
            unsaid="chat",
        ),
        attribute(
            "tools",
            "some[ref:tool]",
            "Tools that the model may call instead of answering, or beside. What it calls is the column `NAME.calls`, "
            "null where it calls nothing; nothing is run before a `call`.",
            only_when="without turn and without form",
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
        attribute("top_k", "count", "Samples from this many likeliest tokens. All without it.", minimum=1),
        attribute(
            "min_p",
            "share",
            "Samples from tokens that are at least this part as likely as the likeliest.",
            minimum=0,
            maximum=1,
        ),
        attribute(
            "presence_penalty",
            "float",
            "Taken from the logit of every token that the answer has already.",
            minimum=-2,
            maximum=2,
        ),
        attribute(
            "frequency_penalty",
            "float",
            "Taken from a token's logit for each time that the answer has it.",
            minimum=-2,
            maximum=2,
        ),
        attribute(
            "repetition_penalty",
            "float",
            "Divides the logit of every token of prompt and answer, or multiplies it where it is negative; over 1 makes "
            "repetition less likely.",
            minimum=0.01,
            maximum=10,
        ),
        attribute(
            "max_tokens",
            "count",
            "Longest answer, in tokens. An answer cut off there is not used, unless `on_cut = use`.",
            default=1024,
            minimum=1,
        ),
        attribute(
            "on_cut",
            "enum:fail|use",
            "An answer that `max_tokens` has cut off: `fail`, as without it, is an attempt that failed; `use` takes what "
            "there is.",
            unsaid="fail",
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
        *STEP,
    ),
)
class Generate(Ask):
    """Makes a column from a model's answer to a prompt.

    Each answer has a seed of its own, derived from the rendered request, the row's replica, the sample's index and
    the attempt, so a row's text depends neither on batching nor on how many rows were asked for. An answer is
    stored before it is parsed: changing `parse` or `on_fail` asks nothing again.

    With a list in `prompt` each row is asked with one template of it, and the column `NAME_template` has the name of that
    one. `choose = random` (the default) draws it by the pipeline's seed, the row's identity, the step's label and its
    `salt`, in proportion to `weights`: the same in every run, whatever the batching and however many rows there are. A
    further template at the end of the list takes its share of rows from the others and changes nothing else. All
    candidates and attempts of a row are asked with the same template; of candidates that a step in front made each is
    a row here, with a choice of its own. With `choose = column` a value that is no name of the list quarantines the row.

    ```mix
    generate task {
      prompt = [easier, harder, other_topic]
      weights = [1, 2, 1]
      model = teacher
    }
    ```

    `history` puts a conversation before the prompt, so that a template says the next turn alone. Of each of its messages
    role and content are sent, and calls of tools with their results. A request has one system message: that of the
    template, else that of the conversation.

    `tools` offers tools, whose names, descriptions and parameters go along with every request. An answer may call some of
    them, several at once, and say something too or nothing: what it says is the column, an empty text where it says
    nothing, and `parse` and `schema` are for answers that call nothing. Step `call` runs them.

    `turn = user` has the model write the user's turn (Magpie, Xu et al. 2024): its chat template is rendered up to where
    the next user's turn begins, after `history` and `system` where there are any, and what follows a turn there ends it.
    So the prompt is what the model was trained on, and is the same for every row: a source that repeats its rows gives
    each another seed. `default_system = leave_out` takes out the system message that the template adds of its own,
    `prefix` replaces the prompt as a whole; then nothing but special tokens and `stop` ends the turn.

    ```mix
    generate instruction {
      turn = user
      model = teacher
      stop = ["\\n"]
    }
    ```

    With `samples = n` a row becomes n candidates that go through the following steps one by one. A `verify` that
    compares them (`agree`) looks at all of them together, and those that pass stay candidates; a `verify` with `pick`
    lets one of them go on.

    An attempt fails when the model answers nothing, is cut off by `max_tokens` (`on_cut = use` takes such an answer,
    unless its reasoning did not end), refuses, or writes something that `parse` does not match. A row whose attempts
    all failed for a reason of the model or the machine is quarantined, one that never parsed is dropped with the reason
    `parse`. How the answer that was taken ended is the column `NAME.finish`: `stop`, or `length` where it was cut off.

    Reasoning is no part of the column: it is in the column `NAME.reasoning`, whether the engine reports it apart or
    leaves it in the answer (`<think>…</think>`, `[THINK]`, the channels of gpt-oss, or a closing mark alone). An answer
    whose reasoning does not end is `empty`. A text that speaks of such marks, in quotes, in a code fence or within a
    sentence, stays whole. A `parse` that names a mark itself, as `after("</think>")` does, reads the whole answer.

    `json()` reads what `verify schema` reads: JSON in a code fence or between sentences, the last of several. LaTeX whose
    backslashes are not doubled (`\\frac`, `\\beta`) is LaTeX and no form feed or backspace; where both LaTeX and JSON
    have an escape (`\\nabla`), what stands around it tells. An answer with a control character does not parse.

    An answer that was cut off is remembered like any other and not asked for again in later runs: to try until one
    fits would choose the short ones. Raise `max_tokens`, or `on_fail = retry(n)` for further seeds; `on_cut = use` takes
    those that are there, and asks nothing.

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
        self._step = step
        self._node = f"{context.pipeline}.{step.id}"
        self._model = str(attributes["model"])
        prompt: str | list[str] | None = attributes.get("prompt")
        self._prompts = [] if prompt is None else [context.template(name) for name in named_in(prompt)]
        self._names = names_in_rows(prompt) if isinstance(prompt, list) else None
        self._choose = str(attributes.get("choose") or "random")
        self._weights: list[float] | None = attributes.get("weights")
        self._by = str(attributes.get("by"))
        self._seed = context.seed
        self._parse = compile_parse(attributes.get("parse"), attributes.get("schema"))
        self._reads_json = (attributes.get("parse") or {}).get("call") == "json"
        self._takes_marks = names_reasoning(attributes.get("parse"))
        history = attributes.get("history")
        self._history = None if history is None else context.expression(history)
        system = attributes.get("system")
        self._system = context.expression(system) if isinstance(system, Mapping) else lambda columns: system
        self._reasoning, self._finish = f"{step.label}.reasoning", f"{step.label}.finish"
        self._schema = attributes.get("schema")
        offered = [context.plan.tools[name] for name in named_in(attributes.get("tools"))]
        self._calls = f"{step.label}.calls" if offered else ""
        self._is_valid: Callable[[Any], bool] | None = None
        # One object for all rows: calls and engines make its JSON once.
        self._sampling: Mapping[str, Any] = {
            "temperature": float(attributes.get("temperature", 1.0)),
            "top_p": float(attributes.get("top_p", 1.0)),
            "max_tokens": int(attributes.get("max_tokens") or 1024),
            "stop": attributes.get("stop") or None,
            "schema": self._schema,
            **{name: attributes[name] for name in FURTHER_SAMPLING if attributes.get(name) is not None},
            **{name: attributes[name] for name in FORMS if attributes.get(name) not in (None, *AS_WITHOUT)},
            **({TOOLS: Offered(offered).schemas} if offered else {}),
        }

    async def prepare(self) -> None:
        """Compile the schema. Servers may ignore it (vLLM drops fields it does not know), so answers are checked.

        Raises:
            MissingExtra: `schema` is given and its validator is not installed.
            RunError: it is not a JSON Schema.
        """
        if self._schema is not None:
            self._is_valid = compiled_schema(self._schema, f"step '{self._node}'").is_valid

    def ask(self, row: Row) -> StepRequest:
        """The prompt.

        Raises:
            RowError: it cannot be rendered, or no template is called what the row says.
        """
        if not self._prompts:
            before = self._before_turn(row) if "turn" in self._sampling else self._to_answer(row)
            return StepRequest(self._model, before, self._sampling)
        at = 0 if self._names is None else self._chosen(row, self._names)
        messages: Sequence[Mapping[str, str]] = self._prompts[at](row.columns).messages
        if self._history is not None:
            messages = after(conversation(self._history(row.columns)), messages)
        made = {} if self._names is None else {f"{self._step.label}_template": self._names[at]}
        return StepRequest(self._model, messages, self._sampling, made)

    def take(self, row: Row, answer: CallResult) -> Row:
        """The row with the answer, or what `parse` takes of it, and the reasoning before it.

        Raises:
            ParseFailed: there is nothing to take.
        """
        if answer.calls:
            value: Any = answer.text
            control = control_character_in([value, list(answer.calls)])
            if control:
                raise ParseFailed(f"the control character {control} in the answer")
        else:
            value = self._taken(answer.written if self._takes_marks else answer.text)
        called = {self._calls: list(answer.calls) or None} if self._calls else {}
        parts = self._parts(answer.reasoning, answer.reason or STOP)
        return row.with_columns(**{self._step.label: value, **called, **parts})

    def without(self, row: Row) -> Row:
        """A row without an answer has no reasoning either, and nothing that ended or is called."""
        called = {self._calls: None} if self._calls else {}
        return row.with_columns(**called, **self._parts("", None))

    def _before_turn(self, row: Row) -> list[Mapping[str, str]]:
        """What stands before a user's turn.

        Raises:
            RowError: it is no conversation, or the last turn of it is the user's already.
        """
        before = [] if self._history is None else conversation(self._history(row.columns))
        if before and before[-1]["role"] != "assistant":
            raise RowError(
                f"`history` ends with the {before[-1]['role']}'s turn, and a user's cannot follow it"
            )
        system = self._system(row.columns)
        return after(before, [{"role": "system", "content": str(system)}] if system else [])

    def _to_answer(self, row: Row) -> list[Mapping[str, Any]]:
        """A conversation whose last message is answered.

        Raises:
            RowError: it is none, is empty, or its last message is an answer already.
        """
        assert self._history is not None
        said = conversation(self._history(row.columns))
        if not said or said[-1]["role"] not in ("user", "tool"):
            last = f"ends with the {said[-1]['role']}'s turn" if said else "is empty"
            raise RowError(f"`history` {last}, and nothing in it is to be answered")
        return said

    def _chosen(self, row: Row, names: Sequence[str]) -> int:
        """Which template a row is asked with."""
        match self._choose:
            case "cycle":
                return turn_of(row, len(names))
            case "column":
                named = row.columns.get(self._by)
                if named in names:
                    return names.index(str(named))
                shown = "null" if named is None else f"'{str(named)[:60]}'"
                raise RowError(
                    f"column '{self._by}' names no template of the list, but {shown}: {', '.join(names)}"
                )
            case _:
                return one_of("mixwright.generate.v1", self._seed, self._step, row, len(names), self._weights)

    def _taken(self, text: str) -> Any:
        value = self._parse(text)
        if self._is_valid is not None:
            found = last_json(text, self._schema) if self._reads_json else json_of(text)
            if not self._is_valid(found):
                raise ParseFailed("the answer does not have the form of `schema`")
        control = control_character_in(value)
        if control:
            raise ParseFailed(f"the control character {control} in the answer")
        return value

    def _parts(self, reasoning: str, finish: str | None) -> dict[str, str | None]:
        """Columns of an answer beside its text."""
        parts: dict[str, str | None] = {}
        if reasoning or self._reasoning in self._step.columns:
            parts[self._reasoning] = reasoning
        if self._finish in self._step.columns:
            parts[self._finish] = finish
        return parts


STOP = Finish.STOP.value

AS_WITHOUT = ("assistant", "keep", "chat")
"""Values of `FORMS` that are what a request is without them, and so in no call's name."""
