"""3xx and 4xx: sampling that contradicts itself, prompts that cannot fit or never vary, candidates left open."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mixwright_compiler.checks.checked import Checked, hint_to_pick, is_written, maker_of, named_by, value_of
from mixwright_compiler.program import CallValue, PipelineDecl, StepDecl, TemplateDecl, TypedExpression
from mixwright_compiler.templates.placeholders import of_template
from mixwright_compiler.templates.text import TemplateText
from mixwright_dsl.diagnostic import Applicability, Edit, Fix, Label
from mixwright_dsl.source import Span

CHARACTERS_PER_TOKEN = 6
"""More than any common tokenizer reaches on running text (about 4 for English), so that the estimate is low."""

SPECIAL_TOKENS = r"<\|[a-z_0-9]+\|>|\[/?INST\]|</?s>|<<SYS>>|<(?:start|end)_of_turn>"


def check_sampling(checked: Checked) -> None:
    """MIX404: temperature 0 with several samples, or a `top_p` that leaves no token."""
    for _, _, step in checked.clean_steps():
        if not step.entry.writes:
            continue
        attributes = step.attributes
        samples = value_of(attributes, "samples", 1)
        if value_of(attributes, "temperature", 1.0) == 0 and samples > 1:
            checked.findings.error(
                "MIX404",
                f"{samples} samples at temperature 0 are {samples} times the same",
                attributes["temperature"].span,
                "always the likeliest token",
                secondary=(Label(attributes["samples"].span, f"{samples} of them"),),
                hint="write `temperature = 0.7`, or `samples = 1`",
            )
        if value_of(attributes, "top_p", 1.0) == 0:
            checked.findings.error(
                "MIX404",
                "`top_p` of 0 leaves no token to choose",
                attributes["top_p"].span,
                hint="write `temperature = 0` for the likeliest token",
            )


def check_weights(checked: Checked) -> None:
    """MIX449: weights that are not one for each template, or that choose none."""
    for _, _, step in checked.clean_steps():
        for asks in step.entry.asks:
            if not asks.weights or not is_written(step.attributes, asks.weights):
                continue
            at, templates = step.attributes[asks.weights], step.attributes[asks.template].each()
            below = next((one for one in at.each() if one.value < 0), None)
            if len(at.value) != len(templates):
                checked.findings.error(
                    "MIX449",
                    f"{_counted(len(at.value), 'weight')} for {_counted(len(templates), 'template')}",
                    at.span,
                    "one for each is needed",
                    secondary=(Label(step.attributes[asks.template].span, "weighed in this order"),),
                    hint=f"write `{asks.weights} = [{', '.join(['1'] * len(templates))}]` for even shares",
                )
            elif below is not None or not any(at.value):
                checked.findings.error(
                    "MIX449",
                    "a weight is not below 0" if below is not None else "weights of 0 choose no template",
                    at.span if below is None else below.span,
                    hint="write how often each is chosen beside the others: `[3, 1]` is three times in four and once",
                )


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def check_prompts(checked: Checked) -> None:
    """MIX304: a prompt that is the same for every row. MIX307: special tokens of a model in a template."""
    for _, _, step in checked.clean_steps():
        if not step.entry.writes:
            continue
        columns = [name for name in step.columns if name not in step.makes]
        if any(asks.history and is_written(step.attributes, asks.history) for asks in step.entry.asks):
            continue  # the conversation before it differs
        for schema, bound in named_by(step, "template"):
            template = checked.program.templates.get(str(bound.value))
            if schema.name == "prompt" and template is not None and checked.clean(template.span):
                check_sameness(checked, template, bound.span, columns)
    plain = {
        str(bound.value)
        for _, _, step in checked.clean_steps()
        if value_of(step.attributes, "form") == "text"
        for _, bound in named_by(step, "template")
    }
    for template in checked.program.templates.values():
        for message in template.messages if template.name not in plain else ():
            # Nearly no template has such a sign, and the pattern takes a millisecond to compile.
            is_there = "<" in message.text or "[" in message.text
            match = re.search(SPECIAL_TOKENS, message.text) if is_there else None
            if match is None:
                continue
            text = TemplateText(message.text, message.span.source, message.span, lines=message.offsets)
            is_mapped = message.offsets is not None or message.span.source.text == message.text
            checked.findings.warning(
                "MIX307",
                f"`{match[0]}` in a template is a special token of some models",
                text.span_of(match.start(), len(match[0])) if is_mapped else message.span,
                "the engine adds its chat template itself",
                hint="delete it: the message alone is written, in `system`, `user` or `assistant`",
            )


def check_sameness(checked: Checked, template: TemplateDecl, use: Span, columns: Sequence[str]) -> None:
    """MIX304 for a template that reads none of the columns; not where MIX310 tells of one that it meant to read."""
    if template.reads or not template.messages:
        return
    found = [placeholder for message in template.messages for placeholder in of_template(message.text)]
    if any(placeholder.name in columns for placeholder in found):
        return
    example = columns[0] if columns else "topic"
    label = next(
        (f"a column is written `{{{{ name }}}}`, not `{p.written}`" for p in found if p.is_braced),
        "no `{{ column }}` in it",
    )
    checked.findings.lint(
        "MIX304",
        f"template `{template.name}` reads no column, so every row asks the same",
        use,
        secondary=(Label(template.name_span, label),),
        hint=f"put a column into it: `{{{{ {example} }}}}`",
        fix=_with_column(template, example),
    )


def _with_column(template: TemplateDecl, column: str) -> Fix | None:
    """The column at the end of the user message: a place to move it from."""
    message = next((m for m in template.messages if m.role == "user"), None)
    if message is None or message.span.text[:1] != '"':
        return None
    end = message.span.end - 1
    edit = Edit(Span(message.span.source, end, end), f" {{{{ {column} }}}}")
    return Fix(f"put `{{{{ {column} }}}}` into the prompt", (edit,), Applicability.PLACEHOLDER)


def check_targets(checked: Checked) -> None:
    """MIX451: a template that does not say what is to be answered, where the step takes that from it."""
    for _, _, step in checked.clean_steps():
        wants = [
            s for s in step.entry.attributes if s.holds == "targets" and value_of(step.attributes, s.name)
        ]
        if not wants:
            continue
        for _, bound in named_by(step, "template"):
            template = checked.program.templates.get(str(bound.value))
            if template is None or not template.messages or template.messages[-1].role == "assistant":
                continue
            checked.findings.error(
                "MIX451",
                f"template `{template.name}` does not say what is to be answered",
                bound.span,
                f"`{wants[0].name}` takes that from its last message",
                secondary=(Label(template.name_span, "no `assistant` in it"),),
                hint='add it: `assistant = "{{ answer }}"`',
            )


def check_context(checked: Checked) -> None:
    """MIX405: an answer, or prompt and answer, longer than the model's context."""
    for _, _, step in checked.clean_steps():
        model = checked.program.models.get(str(value_of(step.attributes, "model", "")))
        if not step.entry.writes or model is None:
            continue
        context, answer = value_of(model.attributes, "context"), value_of(step.attributes, "max_tokens")
        if not isinstance(context, int) or not isinstance(answer, int):
            continue
        templates = [
            checked.program.templates.get(str(bound.value)) for _, bound in named_by(step, "template")
        ]
        prompt = max((_fixed_characters(t) for t in templates if t), default=0) // CHARACTERS_PER_TOKEN + 1
        if prompt + answer <= context:
            continue
        at = step.attributes["max_tokens"]
        secondary = [Label(model.attributes["context"].span, f"{context:,} tokens in all")]
        checked.findings.error(
            "MIX405",
            f"prompt and answer do not fit: about {prompt:,} + {answer:,} > {context:,} tokens",
            step.kind_span if at.is_default else at.span,
            f"up to {answer:,} tokens" + (" by default" if at.is_default else ""),
            secondary=tuple(secondary),
            hint=f"write `max_tokens = {max(1, (context - prompt) // 2)}`",
        )


def _fixed_characters(template: TemplateDecl) -> int:
    """Of what a template says whatever the row."""
    return sum(len(re.sub(r"\{[{%#].*?[}%#]\}", "", message.text)) for message in template.messages)


def check_candidates(checked: Checked) -> None:
    """MIX415: several samples of a row, and nothing after them that picks."""
    for pipeline, position, step in checked.clean_steps():
        samples = value_of(step.attributes, "samples", 1)
        if not step.entry.writes or samples == 1:
            continue
        groups = checked.groups(pipeline)
        verifiers = [
            (at, step)
            for at, step in enumerate(pipeline.steps)
            if at > position and is_written(step.attributes, "pick")
        ]
        is_meant = any(value_of(step.attributes, "pick") == "all" for _, step in verifiers)
        is_too_late = any(groups.ended_by[at] is not None for at, _ in verifiers)  # MIX428 says so
        if groups.closed_at(position) is None and not is_meant and not is_too_late:
            checked.findings.lint(
                "MIX415",
                f"nothing picks among the {samples} candidates, so each goes on as a row",
                step.attributes["samples"].span,
                "every candidate that passes stays",
                hint=hint_to_pick(pipeline.steps[position + 1 :]),
            )


def check_retries(checked: Checked) -> None:
    """MIX412: asking again at temperature 0. MIX419: asking again for a column that no model wrote. MIX841: asking
    again for what a breaker has let pass."""
    for pipeline, position, step in checked.clean_steps():
        on_fail = value_of(step.attributes, "on_fail")
        if not isinstance(on_fail, CallValue) or on_fail.function not in ("retry", "repair"):
            continue
        span = step.attributes["on_fail"].span
        asked = step
        if step.entry.family == "verify":
            column = str(value_of(step.attributes, "response", ""))
            maker = maker_of(pipeline.steps[:position], column)
            if maker is None or not maker.entry.writes:
                _check_maker(checked, column, maker, on_fail)
                continue
            _check_reach(checked, pipeline.steps[:position], maker, on_fail)
            asked = maker
        if on_fail.function == "retry" and value_of(asked.attributes, "temperature", 1.0) == 0:
            checked.findings.warning(
                "MIX412",
                "asking again at temperature 0 gives the same answer",
                span,
                secondary=(Label(asked.attributes["temperature"].span, "always the likeliest token"),),
                hint="write `temperature = 0.7`, or `on_fail = drop`",
            )


def _check_reach(checked: Checked, before: tuple[StepDecl, ...], maker: StepDecl, on_fail: CallValue) -> None:
    between = before[before.index(maker) :]
    breaker = next((s for s in between if _cannot_be_taken_back(s)), None)
    if breaker is not None:
        what = _cannot_be_taken_back(breaker)
        checked.findings.error(
            "MIX841",
            f"`{on_fail.function}` cannot take back what `{breaker.id}` has let pass",
            on_fail.span,
            f"it asks `{maker.id}` again, which stands before",
            secondary=(Label(breaker.kind_span, f"{what} before this verifier"),),
            hint=f"move the verifier above `{breaker.id}`, or write `on_fail = drop`",
        )


def _cannot_be_taken_back(step: StepDecl) -> str:
    """Why an answer cannot be given again from behind a step; empty where it can."""
    traits = step.traits
    if step.entry.breaker:
        return "decides on all rows"
    if traits.compares or traits.folds:
        return "decides on all candidates of a row"
    if traits.spreads:
        return "makes several rows of one"
    return "takes a row through several rounds" if traits.loops else ""


def _check_maker(checked: Checked, column: str, maker: StepDecl | None, on_fail: CallValue) -> None:
    if not column:
        return
    checked.findings.error(
        "MIX419",
        f"`{on_fail.function}` asks a model again, and no `generate` makes `{column}`",
        on_fail.span,
        secondary=(Label(maker.kind_span, "it is made here"),) if maker else (),
        hint="write `on_fail = drop`, or check the column that the model wrote",
    )


def check_conditions(checked: Checked) -> None:
    """MIX418: a condition that is the same for every row. MIX602: decontamination before text is written."""
    for pipeline in checked.program.pipelines.values():
        for step in pipeline.steps:
            for name, value in (
                ("when", step.when),
                ("where", value_of(step.attributes, "where")),
                ("expr", value_of(step.attributes, "expr")),
            ):
                if isinstance(value, TypedExpression) and not value.columns:
                    checked.findings.warning(
                        "MIX418",
                        f"`{name}` reads no column, so it is the same for every row",
                        value.span,
                        hint=f"name a column in it, or delete `{name}`",
                    )
        _check_order(checked, pipeline)


def _check_order(checked: Checked, pipeline: PipelineDecl) -> None:
    for position, step in enumerate(pipeline.steps):
        if not step.entry.apart_from or is_written(step.attributes, "on"):
            continue
        later = next((s for s in pipeline.steps[position + 1 :] if s.entry.writes), None)
        if later is not None:
            checked.findings.warning(
                "MIX602",
                "text that is written after this step is not decontaminated",
                step.kind_span,
                secondary=(Label(later.kind_span, f"`{later.label}` is written here"),),
                hint="move the step below the last `generate`, or into the mixture",
            )
