"""88x and 445 to 448: models that are asked for what they, or the servers they are behind, do not do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mixwright_compiler.bind.repair import repair_template
from mixwright_compiler.catalog.capabilities import CAPABILITIES, CONTINUE, GENERATES, SCHEMA, missing, needed
from mixwright_compiler.catalog.catalog import AttributeSchema
from mixwright_compiler.catalog.conditions import attributes_in
from mixwright_compiler.catalog.servers import FOR_VLLM, ONLY_TEXT, OWN_FIELDS, server_of, shown_address
from mixwright_compiler.checks.checked import Checked, is_written, maker_of, named_by, value_of
from mixwright_compiler.program import Attributes, Bound, ModelDecl, StepDecl, ToolDecl
from mixwright_compiler.suggest import listing
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import Span


def check_tasks(checked: Checked) -> None:
    """MIX880: a step or tool whose model is for something else, such as a generator where a reward model is due."""
    pipelines = [step for _, _, step in checked.clean_steps()]
    mixtures = [step for m in checked.of_mixtures() if not m.variant_of for step in m.steps]
    asking: list[StepDecl | ToolDecl] = [*pipelines, *mixtures, *checked.clean_tools()]
    for step in asking:
        for schema, bound, name in _models_of(step):
            model = checked.program.models.get(name)
            if model is None or not checked.clean(model.span):
                continue
            task = value_of(model.attributes, "task", GENERATES)
            allowed = schema.tasks or (GENERATES,)
            if task in allowed:
                continue
            at = model.attributes.get("task")
            checked.findings.error(
                "MIX880",
                f"model `{name}` has `task = {task}`, and `{schema.name}` needs {listing(allowed)}",
                bound.span,
                secondary=(
                    Label(model.name_span if at is None or at.is_default else at.span, "declared here"),
                ),
                hint=f"name another model, or write `task = {allowed[0]}` in `model {name}`"
                if allowed != (GENERATES,)
                else _writer(checked),
            )


def check_capabilities(checked: Checked) -> None:
    """MIX445: a step or tool that needs of its model what the model, or its server, does not do. MIX448: of those a
    schema."""
    for pipeline, position, step in checked.clean_steps():
        for need in (*_needs(checked, step), *_needs_of_repair(checked, pipeline.steps[:position], step)):
            _check_need(checked, need)
    for tool in checked.clean_tools():
        for need in _needs(checked, tool):
            _check_need(checked, need)


def _check_need(checked: Checked, need: _Need) -> None:
    for at_model, name in need.models:
        model = checked.program.models.get(name)
        if model is None or not checked.clean(model.span):
            continue
        if value_of(model.attributes, "task", GENERATES) == GENERATES:
            lacking = missing(model.entry, _values(model.attributes), need.capability)
            if lacking != []:
                _say_missing(checked, need, model, at_model, lacking)


@dataclass(frozen=True)
class _Need:
    """Something that not every model can, and which models are asked for it. span: what asks for it, unless that is the
    step or tool itself. begun: the template, and where in it the answer begins."""

    capability: str
    models: tuple[tuple[Span, str], ...]
    span: Span | None
    label: str
    begun: tuple[str, Span] | None = None


def _needs(checked: Checked, step: StepDecl | ToolDecl) -> Iterator[_Need]:
    values = _values(step.attributes)
    for asks in step.entry.asks:
        models = _asked(step, asks.model)
        for capability, why in needed(
            asks, step.entry, values, lambda name: _begun(checked, name) is not None
        ):
            if capability == CONTINUE:
                at = next(one.span for one in step.attributes[asks.template].each() if str(one.value) == why)
                yield _begins(checked, models, at, why)
                continue
            named = [n for n in attributes_in(why) if is_written(step.attributes, n)]
            span = step.attributes[named[0]].span if named else None
            label = f"`{named[0]}` asks for it" if named else f"asked for by `{step.entry.name}`"
            yield _Need(capability, models, span, label)


def _needs_of_repair(checked: Checked, before: tuple[StepDecl, ...], step: StepDecl) -> Iterator[_Need]:
    repair = repair_template(value_of(step.attributes, "on_fail"))
    if repair is not None and _begun(checked, repair) is not None:
        maker = maker_of(before, str(value_of(step.attributes, "response", "")))
        if maker is not None:
            models = tuple(one for asks in maker.entry.asks for one in _asked(maker, asks.model))
            yield _begins(checked, models, step.attributes["on_fail"].span, repair)


def _begins(checked: Checked, models: tuple[tuple[Span, str], ...], at: Span, template: str) -> _Need:
    begun = _begun(checked, template)
    return _Need(CONTINUE, models, at, "", None if begun is None else (template, begun))


def _begun(checked: Checked, name: str) -> Span | None:
    """Where a template begins the answer."""
    template = checked.program.templates.get(name)
    if template is None or not template.messages or template.messages[-1].role != "assistant":
        return None
    return template.messages[-1].span


def _asked(step: StepDecl | ToolDecl, attribute: str) -> tuple[tuple[Span, str], ...]:
    return tuple(
        (bound.span, called) for schema, bound, called in _models_of(step) if schema.name == attribute
    )


def _values(attributes: Attributes) -> dict[str, Any]:
    return {name: bound.value for name, bound in attributes.items()}


def _say_missing(
    checked: Checked, need: _Need, model: ModelDecl, at_model: Span, lacking: list[str] | None
) -> None:
    engines = checked.world.catalog.family("model").values()
    able = listing(f"`{engine.name}`" for engine in engines if missing(engine, {}, need.capability) == [])
    if lacking is None:
        why = f"engine `{model.engine}` does not do that"
        hint = f"name a model of an engine that does: {able}"
    else:
        why = f"engine `{model.engine}` does that with {listing(map(_worded, lacking))} alone"
        stated = listing(f"`{_as_written(term)}`" for term in lacking)
        is_server = any(term.startswith("serves ") for term in lacking)
        hint = f"write {stated} in `model {model.name}`" + (
            " if vLLM or SGLang is its server" if is_server else ""
        )
        hint += f", or name a model of an engine that always does: {able}" if able else ""
    if need.begun is not None:
        what = f"go on from the answer that `{need.begun[0]}` begins"
        hint += ", or take the beginning into `user`"
    else:
        what = CAPABILITIES[need.capability]
    checked.findings.error(
        "MIX448" if need.capability == SCHEMA else "MIX445",
        f"`{model.name}` cannot {what}: {why}",
        at_model if need.span is None else need.span,
        need.label,
        secondary=(
            *(() if need.begun is None else (Label(need.begun[1], "the answer begins here"),)),
            Label(model.name_span, "declared here"),
        ),
        hint=hint,
    )


def _worded(term: str) -> str:
    return f"`{term.removeprefix('with ')}`"


def _as_written(term: str) -> str:
    return f"{term.removeprefix('with ')} = …" if term.startswith("with ") else term


def _writer(checked: Checked) -> str:
    names = [
        name
        for name, model in checked.program.models.items()
        if value_of(model.attributes, "task", GENERATES) == GENERATES
    ]
    return "name a model that writes text" + (f": `{names[0]}`" if len(names) == 1 else "")


def check_architectures(checked: Checked) -> None:
    """MIX881: a model in a directory here whose `config.json` says that it is for another task."""
    for model in checked.program.models.values():
        path = value_of(model.attributes, "path")
        task = value_of(model.attributes, "task")
        if not isinstance(path, str) or task not in HEADS or not checked.clean(model.span):
            continue
        architecture = _architecture(checked.world.directory / path)
        if architecture is None or architecture.endswith(HEADS[task]):
            continue
        right = next((t for t, ends in HEADS.items() if architecture.endswith(ends)), None)
        at = model.attributes["task"]
        checked.findings.error(
            "MIX881",
            f"`task = {task}` needs a model with another head: `{path}` is a {architecture}",
            model.attributes["path"].span,
            secondary=() if at.is_default else (Label(at.span, "asked for here"),),
            hint=f"write `task = {right}`, or name another model" if right else "name another model",
        )


def check_servers(checked: Checked) -> None:
    """MIX446: a setting that a model's server drops or that its task has no use for. MIX447: a field of `request` that
    every request has of its own."""
    for model in checked.program.models.values():
        if checked.clean(model.span):
            _check_model_settings(checked, model)
    for tool in checked.clean_tools():
        _check_sampling(checked, tool)
    for _, _, step in checked.clean_steps():
        _check_sampling(checked, step)
        for name in FOR_VLLM:
            bound = step.attributes.get(name)
            if bound is None:
                continue
            for _, _, called in _models_of(step):
                asked = checked.program.models.get(called)
                if asked is not None and checked.clean(asked.span):
                    _check_taken(checked, asked, name, bound.span)


SAMPLING = ("temperature", "top_p")
"""What a model with `sampling = leave_out` is not sent."""


def _check_sampling(checked: Checked, step: StepDecl | ToolDecl) -> None:
    """A step or tool that states how to sample from a model that is not told."""
    for _, _, called in _models_of(step):
        model = checked.program.models.get(called)
        left_out = (
            model.attributes.get("sampling") if model is not None and checked.clean(model.span) else None
        )
        if model is None or left_out is None or left_out.value != "leave_out":
            continue
        for name in SAMPLING:
            if is_written(step.attributes, name):
                checked.findings.error(
                    "MIX446",
                    f"`{name}` is not sent to `{model.name}`, which draws as it always does",
                    step.attributes[name].span,
                    "would be dropped without a word",
                    secondary=(Label(left_out.span, "left out here"),),
                    hint=f"delete `{name}`, or `sampling = leave_out` in `model {model.name}`",
                )


def _check_model_settings(checked: Checked, model: ModelDecl) -> None:
    task = value_of(model.attributes, "task", GENERATES)
    for name in ONLY_TEXT:
        if task != GENERATES and is_written(model.attributes, name):
            checked.findings.error(
                "MIX446",
                f"`{name}` says nothing of a model with `task = {task}`",
                model.attributes[name].span,
                "of models that write text alone",
                hint=f"delete `{name}`",
            )
    _check_addresses(checked, model)
    if "chat_template_kwargs" in model.attributes and task == GENERATES:
        _check_taken(checked, model, "chat_template_kwargs", model.attributes["chat_template_kwargs"].span)
    for name in ("request", "chat_template_kwargs"):
        bound = model.attributes.get(name)
        if bound is not None and not isinstance(bound.value, Mapping):
            checked.findings.error(
                "MIX107",
                f"`{name}` takes `{{ name = value }}`",
                bound.span,
                "expected an object",
                hint=f"for example `{name} {{ enable_thinking = false }}`",
            )
    request = model.attributes.get("request")
    for field in request.value if request is not None and isinstance(request.value, Mapping) else ():
        if field in OWN_FIELDS:
            checked.findings.error(
                "MIX447",
                f"`request` cannot set `{field}`: every request has its own",
                request.span if request else model.span,
                hint=OWN_FIELDS[field],
            )


def _check_addresses(checked: Checked, model: ModelDecl) -> None:
    """MIX887: the same address twice, which would be two servers to those that share out the requests."""
    bound = model.attributes.get("base_url")
    seen: dict[str, Span] = {}
    for one in bound.each() if bound is not None else ():
        address = str(one.value).rstrip("/")
        if address in seen:
            checked.findings.error(
                "MIX887",
                f"`{shown_address(address)}` is an address of `{model.name}` twice",
                one.span,
                "the same server again",
                secondary=(Label(seen[address], "it stands here"),) * (seen[address] != one.span),
                hint="delete one of the two",
            )
        seen[address] = one.span


def _check_taken(checked: Checked, model: ModelDecl, name: str, span: Span) -> None:
    if _server(model) in (None, "vllm"):
        return
    instead = (
        ""
        if name == "chat_template_kwargs"
        else f", or `request {{ {name} = … }}` there if another server takes it"
    )
    checked.findings.error(
        "MIX446",
        f"the server of `{model.name}` may drop `{name}` without a word",
        span,
        "no part of the OpenAI protocol",
        secondary=(Label(model.name_span, "an endpoint like any other"),),
        hint=f"write `serves = vllm` in `model {model.name}` if vLLM or SGLang is its server{instead}",
    )


def _server(model: ModelDecl) -> str | None:
    """Whose rules the server of a model follows; None for a model that is loaded here."""
    return server_of(_values(model.attributes)) if "server" in model.entry.offers else None


HEADS = {
    "generate": ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel"),
    "reward": ("ForRewardModel", "ForSequenceClassification"),
    "process_reward": ("ForProcessRewardModel", "ForTokenClassification"),
    "classify": ("ForSequenceClassification",),
}
"""What the names of architectures with the head of a task end with. Any model can embed."""

LARGEST_CONFIG_BYTES = 1_000_000


def _architecture(directory: Path) -> str | None:
    """The architecture that a model's `config.json` names; None when there is none to be read."""
    try:
        file = directory / "config.json"
        if file.stat().st_size > LARGEST_CONFIG_BYTES:
            return None
        found = json.loads(file.read_text(encoding="utf-8"))["architectures"][0]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def _models_of(step: StepDecl | ToolDecl) -> Iterator[tuple[AttributeSchema, Bound, str]]:
    return ((schema, bound, str(bound.value)) for schema, bound in named_by(step, "model"))
