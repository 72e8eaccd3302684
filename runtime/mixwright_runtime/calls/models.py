"""Which models steps ask, and the engines that answer for them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mixwright_compiler.catalog.capabilities import OF_TOKENS, needed, texts_of_tokens
from mixwright_compiler.catalog.catalog import Entry, builtin_catalog
from mixwright_compiler.catalog.conditions import given
from mixwright_compiler.catalog.references import LISTS
from mixwright_compiler.plan.plan import ModelSpec, Origin, Plan, Step
from mixwright_runtime.engines.protocol import Engine, EngineEnvironment, Needs
from mixwright_runtime.engines.secrets import discreet
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.declare import entry_of, implementation
from mixwright_runtime.plugins.protocol import (
    CallResult,
    LabelResult,
    LossResult,
    ScoreResult,
    StoredVectors,
    VectorResult,
)


def models_of(step: Step) -> list[str]:
    """Names of the models that a step's attributes refer to, nested blocks included; each once. One that only lends its
    tokenizer is asked nothing."""
    found = [
        name
        for schema in entry_of(step.operation).attributes
        if schema.holds != "tokenizer"
        for name in _models_in(schema.type, step.attributes.get(schema.name))
    ]
    return list(dict.fromkeys(found))


def models_asked(plan: Plan, step: Step) -> list[str]:
    """The models that a step asks, and those that are asked by the tools which it names."""
    of_tools = [
        name
        for tool in tools_of(step)
        for schema in entry_of(f"tool.{plan.tools[tool].kind}").attributes
        for name in _models_in(schema.type, plan.tools[tool].attributes.get(schema.name))
    ]
    return list(dict.fromkeys((*models_of(step), *of_tools)))


def tools_of(step: Step) -> list[str]:
    """Names of the tools that a step's attributes refer to, nested blocks included; each once."""
    found = [
        name
        for schema in entry_of(step.operation).attributes
        for name in _named_in(schema.type, step.attributes.get(schema.name), "ref:tool")
    ]
    return list(dict.fromkeys(found))


def _models_in(type: str, value: object) -> Iterator[str]:
    yield from _named_in(type, value, "ref:model")


def _named_in(type: str, value: object, reference: str) -> Iterator[str]:
    """What a value of an attribute's type names by references of one kind."""
    if type == reference and isinstance(value, str):
        yield value
    elif type.startswith("some[") and isinstance(value, str):
        yield from _named_in(type[5:-1], value, reference)
    elif type.startswith(LISTS) and isinstance(value, list | tuple):
        for item in value:
            yield from _named_in(type[5:-1], item, reference)
    elif type.startswith("block:") and isinstance(value, Mapping):
        entry = builtin_catalog().entries.get(type.removeprefix("block:"))
        for schema in entry.attributes if entry else ():
            yield from _named_in(schema.type, value.get(schema.name), reference)


class RunCalls(Protocol):
    """Asks models for whichever step says `node` (`mixwright_runtime.calls.calls.Calls`)."""

    async def ask(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        sampling: Mapping[str, object],
        *,
        replica: int,
        sample: int,
        attempt: int,
        node: str,
        later: int = 0,
        rounds: Sequence[int] = (),
        takes_cut: bool = False,
    ) -> CallResult: ...

    async def score(
        self,
        model: str,
        *,
        node: str,
        messages: Sequence[Mapping[str, str]] = (),
        texts: Sequence[str] = (),
        step_tag: str = "",
    ) -> ScoreResult: ...

    async def embed(self, model: str, texts: Sequence[str], *, node: str) -> list[VectorResult]: ...

    def stored_vectors(
        self, model: str, texts: Iterable[str], *, node: str
    ) -> AsyncIterator[StoredVectors]: ...

    async def labels(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        labels: Sequence[str],
        *,
        node: str,
        is_text: bool = False,
    ) -> LabelResult: ...

    async def losses(
        self, model: str, prefix: str, text: str, *, node: str, start: int = 0, count: int = 0
    ) -> LossResult: ...

    async def token_at(self, model: str, prefix: str, text: str, token: str, *, node: str) -> LossResult: ...


class DeclaredCalls:
    """What a step may ask: the models that its attributes name, under its own name. Of others nothing was planned."""

    def __init__(self, calls: RunCalls, step: Step, node: str) -> None:
        self._calls = calls
        self._models = frozenset(models_of(step))
        self._node = node

    async def ask(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        sampling: Mapping[str, object],
        *,
        replica: int = 0,
        sample: int = 0,
        attempt: int = 0,
    ) -> CallResult:
        """See `Calls.ask`.

        Raises:
            RunError: the step's attributes do not name the model.
        """
        self._check(model)
        return await self._calls.ask(
            model, messages, sampling, replica=replica, sample=sample, attempt=attempt, node=self._node
        )

    async def score(
        self,
        model: str,
        *,
        messages: Sequence[Mapping[str, str]] = (),
        texts: Sequence[str] = (),
        step_tag: str = "",
    ) -> ScoreResult:
        """See `Calls.score`; raises as `ask`."""
        self._check(model)
        return await self._calls.score(
            model, node=self._node, messages=messages, texts=texts, step_tag=step_tag
        )

    async def embed(self, model: str, texts: Sequence[str]) -> list[VectorResult]:
        """See `Calls.embed`; raises as `ask`."""
        self._check(model)
        return await self._calls.embed(model, texts, node=self._node)

    def stored_vectors(self, model: str, texts: Iterable[str]) -> AsyncIterator[StoredVectors]:
        """See `Calls.stored_vectors`; raises as `ask`."""
        self._check(model)
        return self._calls.stored_vectors(model, texts, node=self._node)

    async def labels(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        labels: Sequence[str],
        *,
        is_text: bool = False,
    ) -> LabelResult:
        """See `Calls.labels`; raises as `ask`."""
        self._check(model)
        return await self._calls.labels(model, messages, labels, is_text=is_text, node=self._node)

    async def losses(
        self, model: str, prefix: str, text: str, *, start: int = 0, count: int = 0
    ) -> LossResult:
        """See `Calls.losses`; raises as `ask`."""
        self._check(model)
        return await self._calls.losses(model, prefix, text, start=start, count=count, node=self._node)

    async def token_at(self, model: str, prefix: str, text: str, token: str) -> LossResult:
        """See `Calls.token_at`; raises as `ask`."""
        self._check(model)
        return await self._calls.token_at(model, prefix, text, token, node=self._node)

    def _check(self, model: str) -> None:
        if model not in self._models:
            raise RunError(
                f"step '{self._node}' asks model '{model}', which none of its attributes names: nothing of it was planned"
            )


def engines_of(plan: Plan, steps: Iterable[Step]) -> dict[str, Engine]:
    """An engine for each model that the steps ask, built and not started.

    Raises:
        RunError: a secret is not set in the environment.
    """
    return engines_asked(plan, asked_of(plan, steps))


def engines_asked(plan: Plan, asked: Mapping[str, Needs]) -> dict[str, Engine]:
    """An engine for each of these models, built and not started.

    Raises:
        RunError: a secret is not set in the environment.
    """
    secrets = {name: secrets_of(plan.models[name]) for name in asked}
    # Of all models: two of them may be behind one server.
    known = {variable: value for found in secrets.values() for variable, value in found.items()}
    return {name: discreet(_engine(plan, name, secrets[name], asked[name]), known) for name in asked}


def engine_shapes(plan: Plan, asked: Mapping[str, Needs]) -> dict[str, Engine]:
    """The same engines without secrets: what they offer and how wide they are can be read off them, and no more."""
    return {name: _engine(plan, name, {}, needs) for name, needs in asked.items()}


def _engine(plan: Plan, name: str, secrets: Mapping[str, str], needs: Needs) -> Engine:
    model = plan.models[name]
    environment = EngineEnvironment(Path(plan.directory), secrets, needs.capabilities, needs.tokens)
    engine: Engine = implementation(f"model.{model.engine}")(model, environment)
    return engine


def asked_of(plan: Plan, steps: Iterable[Step]) -> dict[str, Needs]:
    """The models that the steps ask, in order of their names, each with what is needed of it."""
    steps = list(steps)
    needs = needs_of(plan, steps)
    asked = sorted({name for step in steps for name in models_asked(plan, step)})
    return {name: needs.get(name, Needs()) for name in asked}


def needs_of(plan: Plan, steps: Iterable[Step]) -> dict[str, Needs]:
    """Model -> what the steps and the tools that they call need of it beyond a chat."""

    def begins(template: str) -> bool:
        spec = plan.templates.get(template)
        return spec is not None and bool(spec.messages) and spec.messages[-1].role == "assistant"

    found: dict[str, set[str]] = {}
    tokens: dict[str, dict[str, str]] = {}
    for entry, values, origin in _asking(plan, steps):
        texts = {
            text: f"`{name}` ({origin.file}:{origin.line})" for name, text in texts_of_tokens(entry, values)
        }
        for asks in entry.asks:
            named = given(entry, values, asks.model)
            capabilities = [capability for capability, _ in needed(asks, entry, values, begins)]
            for name in map(str, named if isinstance(named, list | tuple) else [named] if named else ()):
                found.setdefault(name, set()).update(capabilities)
                if (plan.models[name].attributes.get("task") or "generate") in OF_TOKENS:
                    tokens[name] = {**texts, **tokens.get(name, {})}
    return {name: Needs(frozenset(needs), tokens.get(name, {})) for name, needs in found.items()}


def _asking(plan: Plan, steps: Iterable[Step]) -> Iterator[tuple[Entry, Mapping[str, Any], Origin]]:
    """Whatever asks models: the steps, and the tools that they call."""
    tools: dict[str, None] = {}
    for step in steps:
        yield entry_of(step.operation), step.attributes, step.origin
        tools.update(dict.fromkeys(tools_of(step)))
    for name in tools:
        tool = plan.tools[name]
        yield entry_of(f"tool.{tool.kind}"), tool.attributes, tool.origin


def secrets_of(model: ModelSpec) -> dict[str, str]:
    """The values of a model's `env("NAME")` attributes, by NAME.

    Raises:
        RunError: one is not set.
    """
    found = {}
    for attribute, name in variables_in(model.attributes):
        if not os.environ.get(name):
            raise RunError(
                f"model '{model.name}': {attribute} = env(\"{name}\") and {name} is not set; "
                f"export {name}=... and run again"
            )
        found[name] = os.environ[name]
    return found


def variables_in(attributes: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Attribute and variable of every `env("NAME")`, those in maps too."""
    for attribute, value in attributes.items():
        if isinstance(value, Mapping):
            if set(value) == {"env"} and isinstance(value["env"], str):
                yield attribute, value["env"]
            else:
                yield from variables_in(value)
