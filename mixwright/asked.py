"""The requests that a plan's steps would make, rendered for real source rows without a model and without a store.

Rows go from their source through the steps in the order of the plan. What only a model could say is stood for by a
text that says so, `⟨solution⟩`, and what follows from it is taken to be there: a step that makes a column of it, that
would drop a row for it, or looks at many rows, lets the row pass. So every step that asks a model is reached, and what is
of the source and of the templates is what a run would send.

Tokens are counted by the model's own tokenizer where its files are on this machine, its chat template applied, and else
by the characters as `mixwright plan` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from mixwright_compiler.plan.estimate import CHARACTERS_PER_TOKEN, TOKENS_PER_MESSAGE
from mixwright_compiler.plan.plan import ModelSpec, Pipeline, Plan, Step

if TYPE_CHECKING:
    from mixwright_runtime.plugins.shapes import Shape, StepRequest
    from mixwright_runtime.stream.context import RunContext
    from mixwright_runtime.values.rows import Row

MOST_STARTS = 1_000
"""Rows of a source that are started at most to find some that come as far as the first question to a model."""


@dataclass(frozen=True)
class Asked:
    """One request. node: `pipeline.step`; row: what it was started from, `file:line`; samples: how often it is asked.

    prompt: the whole text that the model reads, where its chat template is on this machine. tokens: of the prompt; exact
    where `is_exact`. cost: dollars of the prompt and of an answer as long as it may get, for all samples; None without
    prices. stood_for: columns in it that stand for what a model would say.
    """

    node: str
    model: str
    row: str
    messages: tuple[Mapping[str, Any], ...]
    sampling: Mapping[str, Any]
    samples: int
    tokens: int
    is_exact: bool
    max_tokens: int
    prompt: str | None = None
    cost: float | None = None
    stood_for: tuple[str, ...] = ()
    note: str = ""


@dataclass
class _Walked:
    """A row on its way. stood_for: its columns that stand for something."""

    row: Row
    ref: str
    stood_for: dict[str, None]


def asked(plan: Plan, count: int, only: Sequence[str] = ()) -> dict[str, list[Asked]]:
    """Node -> its requests for `count` rows, in the order of the plan. `only`: pipelines; all by default.

    Raises:
        RunError: a source cannot be read.
    """
    from mixwright_runtime.plugins.loading import load_plugins

    load_plugins(plan)
    return asyncio.run(_Walk(plan, count).all(only))


class _Walk:
    def __init__(self, plan: Plan, count: int) -> None:
        from mixwright_runtime.stream.context import RunContext
        from mixwright_runtime.stream.supply import Sources

        self.plan = plan
        self.count = count
        self.context: RunContext = RunContext(plan, Sources(plan, Path(plan.directory)), _NoCalls())
        self.tokenizers = _Tokenizers(plan)
        self.left: dict[str, list[_Walked]] = {}
        """Pipeline -> the rows that left it."""

    async def all(self, only: Sequence[str]) -> dict[str, list[Asked]]:
        found: dict[str, list[Asked]] = {}
        try:
            for pipeline in self.plan.pipelines_in_order():
                for node, requests in (await self.pipeline(pipeline)).items():
                    if not only or pipeline.name in only:
                        found[node] = requests
        finally:
            await self.context.close()
        return found

    async def pipeline(self, pipeline: Pipeline) -> dict[str, list[Asked]]:
        steps = [(step, await self.built(step, pipeline)) for step in pipeline.steps]
        found: dict[str, list[Asked]] = {
            f"{pipeline.name}.{s.id}": [] for s in pipeline.steps if s.traits.asks
        }
        left = self.left[pipeline.name] = []
        async for walked in self.starts(pipeline):
            requests: dict[str, Asked] = {}
            for step, shape in steps:
                if not self.passed(pipeline, step, shape, walked, requests):
                    break
            else:
                left.append(walked)
            for node, request in requests.items():
                if len(found[node]) < self.count:
                    found[node].append(request)
            if len(left) >= self.count:
                break
        return {node: requests for node, requests in found.items() if requests}

    async def built(self, step: Step, pipeline: Pipeline) -> Shape | None:
        """The step ready for rows; None where it looks at more than a row, or cannot work without what is not there."""
        from mixwright_runtime.errors import RunError
        from mixwright_runtime.plugins.declare import implementation
        from mixwright_runtime.plugins.shapes import Apply, Ask, Spread

        made: type[Shape] = implementation(step.operation)
        if not issubclass(made, Apply | Ask | Spread):
            return None
        try:
            shape = made(step, self.context.of(step, pipeline.name, pipeline.seed))
            await shape.prepare()
        except RunError:
            return None  # it draws rows of a pipeline, which would have to be made first
        return shape

    async def starts(self, pipeline: Pipeline) -> Any:
        """Rows in the order in which a run starts them."""
        from mixwright_runtime.stream.supply import SourceSupply

        where = self.context.expression(pipeline.start.where) if pipeline.start.where else None
        if pipeline.start.kind == "pipeline":
            for before in self.left[pipeline.start.rows]:
                columns = before.row.columns
                if pipeline.start.columns:
                    columns = {name: columns.get(name) for name in pipeline.start.columns}
                yield _Walked(before.row.with_columns(**columns), before.ref, dict(before.stood_for))
            return
        supply = SourceSupply(pipeline, self.context.sources, where, MOST_STARTS)
        while not supply.is_exhausted:
            for start in await supply.take(min(16, MOST_STARTS)):
                yield _Walked(start.row, start.ref, {})

    def passed(
        self, pipeline: Pipeline, step: Step, shape: Shape | None, walked: _Walked, requests: dict[str, Asked]
    ) -> bool:
        """Take a row through a step; False where the row ends there, whatever a model says."""
        from mixwright_runtime.errors import RunError
        from mixwright_runtime.plugins.shapes import Apply, Ask, Spread
        from mixwright_runtime.values.rows import Dropped

        if not self.applies(step, walked):
            return True
        try:
            match shape:
                case Ask():
                    request = shape.ask(walked.row)
                    node = f"{pipeline.name}.{step.id}"
                    requests[node] = self.request(node, step, request, walked)
                    walked.row = walked.row.with_columns(**request.columns)
                case Apply():
                    made = shape.apply(walked.row)
                    if not isinstance(made, Dropped):
                        self.note(step, walked)
                        walked.row = made
                        return True
                    return bool(walked.stood_for.keys() & set(step.reads))
                case Spread():
                    rows = shape.spread(walked.row)
                    if isinstance(rows, list) and rows:
                        self.note(step, walked)
                        walked.row = rows[0]
                        return True
        except RunError:
            raise
        except Exception:
            if shape is not None and isinstance(shape, Ask):
                return bool(walked.stood_for)
        self.stand_for(step, walked)
        return True

    def applies(self, step: Step, walked: _Walked) -> bool:
        """Does its `when` take the row? What hangs on a model's answer is taken to do so."""
        if step.when is None or walked.stood_for.keys() & set(step.when.columns):
            return True
        return self.context.expression(step.when)(walked.row.columns) is True

    def note(self, step: Step, walked: _Walked) -> None:
        """Columns made of what stands for something stand for something, too."""
        if walked.stood_for.keys() & set(step.reads):
            walked.stood_for.update(dict.fromkeys(step.makes))

    def stand_for(self, step: Step, walked: _Walked) -> None:
        """Give a row the columns that a step would make, with what stands for their values."""
        made = {name: _standing(name, type) for name, type in step.makes.items() if ".reasoning" not in name}
        walked.row = walked.row.with_columns(**made)
        walked.stood_for.update(dict.fromkeys(step.makes))

    def request(self, node: str, step: Step, request: StepRequest, walked: _Walked) -> Asked:
        model = self.plan.models[request.model]
        prompt, tokens, note = self.tokenizers.rendered(model, request)
        is_exact = tokens is not None
        if tokens is None:
            characters = sum(len(str(message.get("content") or "")) for message in request.messages)
            tokens = round(characters / CHARACTERS_PER_TOKEN) + TOKENS_PER_MESSAGE * len(request.messages)
        longest = int(request.sampling.get("max_tokens") or 0)
        samples = max(1, step.traits.requests)
        return Asked(
            node,
            request.model,
            walked.ref,
            tuple(dict(message) for message in request.messages),
            {name: value for name, value in request.sampling.items() if value is not None},
            samples,
            tokens,
            is_exact,
            longest,
            prompt,
            _cost(model, tokens, longest, samples),
            tuple(name for name in walked.stood_for if name in step.reads),
            note,
        )


def _standing(name: str, type: str) -> Any:
    """What stands for a value of a column."""
    match type:
        case "int" | "float":
            return 1
        case "bool":
            return True
        case "chat":
            return [{"role": "user", "content": f"⟨{name}⟩"}]
        case _ if type.startswith("list["):
            return [_standing(name, type[5:-1])]
        case _:
            return f"⟨{name}⟩"


def _cost(model: ModelSpec, prompt: int, output: int, samples: int) -> float | None:
    prices = [model.attributes.get(name) for name in ("price_in", "price_out")]
    if all(price is None for price in prices):
        return None
    return samples * ((prices[0] or 0) * prompt + (prices[1] or 0) * output) / 1e6


class _Tokenizers:
    """The tokenizers of models whose files are on this machine, each read once; nothing is fetched."""

    def __init__(self, plan: Plan) -> None:
        self._directory = Path(plan.directory)
        self._found: dict[str, Any] = {}
        self._why: dict[str, str] = {}

    def rendered(self, model: ModelSpec, request: StepRequest) -> tuple[str | None, int | None, str]:
        """A request as the model reads it, its tokens, and why that is not known."""
        from mixwright_runtime.engines.prompts import prompt_of
        from mixwright_runtime.engines.protocol import Request

        tokenizer = self._of(model)
        if tokenizer is None:
            return None, None, self._why.get(model.name, "")
        arguments = model.attributes.get("chat_template_kwargs") or {}
        try:
            asked = Request(b"", tuple(request.messages), request.sampling, 0)
            tokens = prompt_of(asked, tokenizer, arguments).tokens
        except Exception as error:  # a chat template refuses messages by whatever its author chose
            return None, None, f"the chat template refuses it: {' '.join(str(error).split())[:200]}"
        return str(tokenizer.decode(tokens)), len(tokens), ""

    def _of(self, model: ModelSpec) -> Any:
        if model.name not in self._found:
            self._found[model.name] = self._loaded(model)
        return self._found[model.name]

    def _loaded(self, model: ModelSpec) -> Any:
        from mixwright_runtime.engines.tokenizer_files import NoTokenizer, tokenizer_at
        from mixwright_runtime.errors import MissingExtra

        values = model.attributes
        named = values.get("tokenizer") or values.get("path")
        place = self._directory / str(named) if named else None
        if place is None or not place.exists():
            place = values.get("repo") or (named if values.get("tokenizer") else None)
        if place is None:
            self._why[model.name] = "its chat template is on the server: tokens by characters"
            return None
        try:
            return tokenizer_at(place, f"model '{model.name}'", revision=str(values.get("revision") or ""))
        except MissingExtra as error:
            self._why[model.name] = f"tokens by characters: {error}"
        except NoTokenizer:
            self._why[model.name] = "its tokenizer is not on this machine: tokens by characters"
        return None


class _NoCalls:
    """In the place of every model: nothing is asked."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"a preview asks no model, and {name} was called")


def totals(found: Mapping[str, Sequence[Asked]]) -> tuple[int, int, int, float | None]:
    """Requests, prompt tokens, longest output tokens and dollars of what is shown."""
    every = [request for requests in found.values() for request in requests]
    costs = [request.cost for request in every if request.cost is not None]
    return (
        sum(request.samples for request in every),
        sum(request.samples * request.tokens for request in every),
        sum(request.samples * request.max_tokens for request in every),
        sum(costs) if costs else None,
    )


class Totals(TypedDict):
    """What the requests come to. output_tokens: at most. cost: in dollars; None without prices."""

    requests: int
    prompt_tokens: int
    output_tokens: int
    cost: float | None


class RequestsReport(TypedDict):
    """The requests of every step that asks a model, and what they come to."""

    requests: list[Asked]
    total: Totals


def requests_report(found: Mapping[str, Sequence[Asked]]) -> RequestsReport:
    """What `preview --prompts --json` prints, without the contract's head."""
    count, prompt, output, cost = totals(found)
    return {
        "requests": [request for requests in found.values() for request in requests],
        "total": {"requests": count, "prompt_tokens": prompt, "output_tokens": output, "cost": cost},
    }


def requests_text(found: Mapping[str, Sequence[Asked]], *, color: bool) -> Iterator[str]:
    """The requests for a terminal, a block each, then what they come to."""
    from mixwright.changes.text import dollars
    from mixwright.terminal import printable

    bold, dim, plain = ("\x1b[1m", "\x1b[2m", "\x1b[0m") if color else ("", "", "")
    for node, requests in found.items():
        for number, request in enumerate(requests, 1):
            times = f", asked {request.samples} times" if request.samples > 1 else ""
            head = f"{node} → {request.model}   request {number} of {len(requests)}, row {request.row}{times}"
            yield f"{bold}{printable(head)}{plain}\n"
            if request.prompt is not None:
                yield f"{printable(request.prompt)}\n"
            else:
                for message in request.messages:
                    content = printable(str(message.get("content") or "")).replace("\n", "\n  ")
                    yield f"{bold}{printable(str(message.get('role')))}:{plain}\n  {content}\n"
            facts = [
                f"{'' if request.is_exact else '≈ '}{request.tokens:,} tokens, answer up to {request.max_tokens:,}"
            ]
            facts += [f"at most {dollars(request.cost)}"] if request.cost is not None else []
            facts += [f"⟨…⟩ stands for {', '.join(request.stood_for)}"] if request.stood_for else []
            facts += [request.note] if request.note else []
            yield f"{dim}{printable('; '.join(facts))}{plain}\n\n"
    count, prompt, output, cost = totals(found)
    text = f"shown: {count:,} requests, {prompt:,} prompt and at most {output:,} output tokens"
    yield text + (f", at most {dollars(cost)}" if cost is not None else "") + "; nothing was asked\n"
