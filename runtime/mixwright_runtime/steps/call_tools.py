"""`call_tools`: calls of tools in plain texts, where they help a model to go on (Toolformer)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.catalog.references import names_in_rows
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.calls.gathering import gather_all
from mixwright_runtime.engines.protocol import Fault, Finish
from mixwright_runtime.errors import RowError
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import CUT, LossResult, StepContext
from mixwright_runtime.plugins.shapes import Enrich
from mixwright_runtime.steps.tool_losses import (
    Call,
    Candidate,
    Marks,
    call_in,
    evidence_of,
    interleaved,
    kept_of,
    loss_of,
    positions_in,
    weights_of,
)
from mixwright_runtime.values.rows import Dropped, Row

OF_NO_USE = (Finish.EMPTY.value, Finish.REFUSED.value, CUT, Fault.TOO_LONG.value, "failed before")
"""Ends of a sampled call that are the model's doing, and make it none."""


@declare(
    "call_tools_block",
    "use",
    attributes=(
        attribute("tool", "ref:tool", "The tool.", default=REQUIRED),
        attribute(
            "prompt",
            "ref:template",
            "What stands in front of the text when calls are sampled: how to write them, and examples of texts with "
            "calls in brackets. Its messages, a plain text here, are what the text follows.",
            default=REQUIRED,
        ),
        attribute(
            "called",
            "text",
            "What the tool is called in brackets, as in the examples of `prompt`; its own name without it.",
        ),
        attribute(
            "positions", "count", "The most places of a text at which calls are sampled (k).", default=5
        ),
        attribute("calls", "count", "Calls that are sampled at each of them (m).", default=5),
        attribute(
            "sample",
            "share",
            "Places where the model begins a call with a probability above this one count, and no others.",
            default=0.05,
        ),
        attribute(
            "threshold", "float", "As that of `call_tools`, which holds without it, for this tool.", cls="set"
        ),
        attribute(
            "when",
            "expr:bool",
            "Texts in which the tool is tried, such as those with numbers; all of them without it.",
        ),
    ),
)
def use() -> None:
    """A tool of `call_tools`: how its calls are sampled."""


@dataclass(frozen=True)
class _Use:
    """One `use`, ready. called: the tool's name in brackets."""

    tool: str
    called: str
    prompt: Any
    positions: int
    calls: int
    sample: float
    threshold: float
    when: Any


@declare(
    "step",
    "call_tools",
    label="new_column",
    makes={"{label}": "text", "{label}.calls": "json if read"},
    rules=("annotates",),
    asks=(
        Asks(
            "model",
            template="use.prompt",
            times=("use",),
            needs=(("token_at", "always"), ("losses", "always")),
        ),
        Asks(
            "model",
            template="use.prompt",
            times=("use.positions", "use.calls"),
            max_tokens="max_tokens",
            needs=(("text", "always"),),
        ),
        Asks("model", times=("use.positions", "use.calls"), each=2),
        Asks("model", times=("use.positions",)),
        Asks(tools="use.tool", times=("use.positions", "use.calls")),
    ),
    attributes=(
        attribute("from", "column", "The column with the text.", default=REQUIRED, holds="text"),
        attribute(
            "model",
            "ref:model",
            "A plain language model: the one that is to learn to call tools, before it has.",
            default=REQUIRED,
        ),
        attribute(
            "use",
            "list[block:call_tools_block.use]",
            "The tools, a block each: `use calculator { prompt = … }`.",
            default=REQUIRED,
        ),
        attribute(
            "threshold",
            "float",
            "By how much a call with its result must make the next tokens easier than no call, and than the call without "
            "its result, to be kept; in nats.",
            default=1.0,
            cls="set",
        ),
        attribute("span", "count", "Tokens behind a place that count.", default=5, minimum=1),
        attribute(
            "decay",
            "float",
            "By how much each of them counts less than the one before it; the weights are scaled to sum to 1.",
            default=0.2,
            cls="set",
            minimum=0,
        ),
        attribute(
            "open",
            "text",
            "What a call begins with, which is one token of the model.",
            default=" [",
            holds="token",
        ),
        attribute("close", "text", "What it ends with.", default="]"),
        attribute("arrow", "text", "What stands between a call and its result.", default=" → "),
        attribute(
            "temperature", "float", "Of the calls that are sampled.", default=1.0, minimum=0, maximum=2
        ),
        attribute(
            "max_tokens",
            "count",
            "The longest call, in tokens; one that has no end by then is none.",
            default=64,
            minimum=1,
        ),
        attribute(
            "time_limit",
            "duration",
            "The longest that one call of a tool may take by the clock, waiting for a free box not included.",
            default=10,
            cls="run",
            minimum=0.1,
        ),
        *STEP,
    ),
)
class AnnotatedTexts(Enrich):
    """Writes calls of tools into plain texts, where they help a model to go on: `call_tools annotated { … }`.

    This is Toolformer (Schick et al. 2023, section 2), a document at a time and for each `use TOOL` by itself:

    1. *Places.* Behind `prompt` and the text so far, how likely does the model open a bracket? The `positions` likeliest
       places above `sample` count, never one where the text has a bracket already.
    2. *Samples.* At each, `calls` calls are sampled up to the closing bracket. One that is cut off, or does not read
       `name(input)`, is none; equal ones are one.
    3. *Execution.* The tool really runs. A call that fails, or gives nothing, is gone.
    4. *Losses.* How hard are the next `span` tokens for the model without any prompt, with nothing in front of the text,
       with the call, and with the call and its result? Each next token counts less, `1, .8, .6, .4, .2` over 3. A
       call is kept where its result saves `threshold` nats against the better of the other two; of several calls at a
       place the one that saves most.

    Kept calls go into the text from right to left, those of several tools side by side, in the order of the blocks;
    taking the brackets out again gives the text back, byte for byte. A text without any is dropped. `NAME.calls` lists
    them with their places in the text as it was.

    Calls, results and losses are stored as they are asked for: another `threshold` or `decay` asks nothing again. All
    candidates of a row, with their three losses, are its evidence (`mixwright explain`). No result opens or closes a
    bracket: it stands on one line, with round brackets for square ones.

    ```mix
    tool calculator arithmetic { digits = 2 }
    pipeline tooled {
      from documents
      call_tools annotated {
        from = text
        model = base
        use calculator { prompt = with_sums, positions = 20, calls = 10, sample = 0%, threshold = 0.5 }
      }
      chat { text = annotated }
    }
    ```

    The model must tell how likely tokens are, one at every place of a text included: `transformers` and `vllm` in this
    process. Begin with the opening bracket that its vocabulary has as one token: another one is an error before the first
    request, which says what is near (MIX464 where `check` can tell).
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step = step
        self._context = context
        self._from = str(attributes["from"])
        self._model = str(attributes["model"])
        self._marks = Marks(*(str(attributes[name]) for name in ("open", "arrow", "close")))
        self._weights = weights_of(int(attributes["span"]), float(attributes["decay"]))
        self._time_limit_s = float(attributes.get("time_limit") or 10)
        self._sampling = {
            "temperature": float(attributes["temperature"]),
            "top_p": 1.0,
            "max_tokens": int(attributes["max_tokens"]),
            "stop": [self._marks.close],
            "form": "text",
        }
        self._uses = [self._use_of(block) for block in attributes["use"]]
        self._counts = {one.tool: Counter[str]() for one in self._uses}

    def _use_of(self, block: Mapping[str, Any]) -> _Use:
        tool = str(block["tool"])
        own = block.get("threshold")
        return _Use(
            tool,
            str(block.get("called") or names_in_rows([tool])[0]),
            self._context.template(str(block["prompt"])),
            int(block["positions"]),
            int(block["calls"]),
            float(block["sample"]),
            float(self._step.attributes["threshold"] if own is None else own),
            self._context.expression(block["when"]) if block.get("when") else None,
        )

    async def prepare(self) -> None:
        """Make the tools ready.

        Raises:
            RunError: one cannot work here.
        """
        await self._context.tools.prepare()

    def report(self) -> Mapping[str, Any]:
        """Of each tool: texts it was tried in, places, samples, calls, those that ran and were weighed, those kept."""
        return {"tools": {tool: dict(counts) for tool, counts in self._counts.items()}}

    async def enrich(self, row: Row) -> Row | Dropped:
        """The row with its text annotated."""
        text = row.columns.get(self._from)
        if not isinstance(text, str) or not text.strip():
            return Dropped(row, self._step.id, "no text")
        keys: list[bytes] = []
        concerned = [
            (number, one)
            for number, one in enumerate(self._uses)
            if one.when is None or one.when(row.columns) is True
        ]
        found = await gather_all(self._candidates(row, text, number, one, keys) for number, one in concerned)
        candidates = [candidate for of_tool in found for candidate in of_tool or ()]
        kept = kept_of(candidates, [one.threshold for one in self._uses])
        for candidate in kept:
            self._counts[self._uses[candidate.tool].tool]["kept"] += 1
        evidence = evidence_of(candidates, kept, [one.called for one in self._uses])
        best = max((candidate.gain for candidate in candidates), default=None)
        shown = {"outcome": "measured" if candidates else "unmeasurable", "score": best, "evidence": evidence}
        row = replace(
            row, calls=(*row.calls, *sorted(set(keys))), scores={**row.scores, self._step.id: shown}
        )
        if not kept:
            if concerned and all(of_tool is None for of_tool in found):
                return Dropped(row, self._step.id, "call_tools: text too long")
            reason = "no useful call" if candidates else "no call" if concerned else "no tool applies"
            return Dropped(row, self._step.id, f"call_tools: {reason}", evidence)
        inserted = [(one.at, self._marks.call(one.written, one.result)) for one in kept]
        columns: dict[str, Any] = {self._step.label: interleaved(text, inserted)}
        listed = f"{self._step.label}.calls"
        if listed in self._step.columns:
            columns[listed] = [
                {
                    "tool": self._uses[one.tool].called,
                    "at": one.at,
                    "call": one.written,
                    "result": one.result,
                    "text": piece,
                }
                for one, (_, piece) in zip(kept, inserted, strict=True)
            ]
        return row.with_columns(**columns)

    async def _candidates(
        self, row: Row, text: str, number: int, one: _Use, keys: list[bytes]
    ) -> list[Candidate] | None:
        """The calls of a tool that were run and weighed, by place; None where the text is too long for the model. keys:
        gets those of all that was asked."""
        counts = self._counts[one.tool]
        counts["texts"] += 1
        prompt = _plain(one.prompt(row.columns).messages)
        told = await self._context.calls.token_at(self._model, prompt, text, self._marks.open)
        keys.append(told.key)
        if _is_too_long(told):
            return None
        places = positions_in(text, told.values, self._marks.open, one.positions, one.sample)
        counts["places"] += len(places)
        by_place = await gather_all(self._at(row, text, number, one, prompt, at, keys) for at in places)
        return [candidate for found in by_place for candidate in found]

    async def _at(
        self, row: Row, text: str, number: int, one: _Use, prompt: str, at: int, keys: list[bytes]
    ) -> list[Candidate]:
        """The calls at one place."""
        counts = self._counts[one.tool]
        begun = ({"role": "user", "content": f"{prompt}{text[:at]}{self._marks.open}"},)
        answers = await gather_all(
            self._context.calls.ask(self._model, begun, self._sampling, replica=row.replica, sample=sample)
            for sample in range(one.calls)
        )
        keys += [answer.key for answer in answers]
        for answer in answers:
            if not answer.ok and answer.reason not in OF_NO_USE:
                raise RowError(f"the model sampled no call ({answer.reason}): {answer.detail[:500]}")
        counts["samples"] += len(answers)
        read = [call_in(answer.text, one.called, self._marks.arrow) for answer in answers if answer.ok]
        by_input: dict[str, Call] = {}
        for call in read:
            if call is not None:
                by_input.setdefault(call.input, call)
        counts["calls"] += len(by_input)
        ran = await gather_all(
            self._context.tools.run(one.tool, given, row.columns, time_limit_s=self._time_limit_s)
            for given in by_input
        )
        keys += [result.key for result in ran if result.key]
        sound = [
            (call, self._marks.plain(result.text))
            for call, result in zip(by_input.values(), ran, strict=True)
            if result.ok and result.text.strip()
        ]
        counts["ran"] += len(sound)
        nothing = await self._loss("", text, at, keys) if sound else None
        if nothing is None:
            return []
        found = await gather_all(
            self._weighed(text, number, at, call.written, result, nothing, keys) for call, result in sound
        )
        return [candidate for candidate in found if candidate is not None]

    async def _weighed(
        self, text: str, number: int, at: int, written: str, result: str, nothing: float, keys: list[bytes]
    ) -> Candidate | None:
        """A call with its losses; None where the model has no room for it in front of the text."""
        without, with_result = await gather_all(
            self._loss(self._marks.call(written, shown), text, at, keys) for shown in (None, result)
        )
        if without is None or with_result is None:
            return None
        self._counts[self._uses[number].tool]["weighed"] += 1
        return Candidate(number, at, written, result, (nothing, without, with_result))

    async def _loss(self, prefix: str, text: str, at: int, keys: list[bytes]) -> float | None:
        """How hard the next tokens are behind a prefix; None where that cannot be told."""
        told = await self._context.calls.losses(self._model, prefix, text, start=at, count=len(self._weights))
        keys.append(told.key)
        return None if _is_too_long(told) else loss_of(told.values, self._weights)


def _plain(messages: Sequence[Mapping[str, str]]) -> str:
    """A prompt as the plain text that it is."""
    return "".join(str(message["content"]) for message in messages)


def _is_too_long(told: LossResult) -> bool:
    """Raises RowError where there is no answer for another reason."""
    if told.ok:
        return False
    if told.reason == Fault.TOO_LONG.value:
        return True
    raise RowError(f"the model did not say how likely tokens are ({told.reason}): {told.detail[:500]}")
