"""A plan as text for a terminal: pipelines step by step with the expected work, mixtures, trainings, exports."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

from mixwright.recorded import Recorded, asked_anew
from mixwright.terminal import duration, table
from mixwright_compiler.catalog.servers import addresses_of, shown_address
from mixwright_compiler.plan.forecast import dollars, exceeded, forecast_of
from mixwright_compiler.plan.graph import step_text
from mixwright_compiler.plan.plan import Estimate, Mixture, Pipeline, Plan, Step, Train, Via
from mixwright_compiler.plan.questions import questions_of
from mixwright_compiler.plan.quotas import quota_text
from mixwright_compiler.plan.subtotals import subtotals
from mixwright_compiler.plan.tag_limits import limits_text

UNKNOWN = "?"


def plan_text(plan: Plan, recorded: Recorded) -> str:
    """The whole plan, sections apart by empty lines, ends with a newline."""
    by_node = {estimate.node: estimate for estimate in plan.estimates}
    sections = [_head(plan)]
    sections += [_pipeline(plan, p, by_node, recorded) for p in plan.pipelines_in_order()]
    sections += [_mixture(plan, m, by_node) for m in plan.mixtures.values()]
    outputs = [_train(train) for train in plan.trains.values()]
    outputs += [
        f"export {e.name} of {e.mixture}: {e.format} -> {e.attributes.get('path')}"
        for e in plan.exports.values()
    ]
    sections += ["\n".join(outputs)] if outputs else []
    sections.append(_total(plan) + _anew(plan, recorded))
    return "\n\n".join(sections) + "\n"


def _train(train: Train) -> str:
    measured = ", ".join(
        f"{evaluation.name} ({', '.join(step.operation.partition('.')[2] for step in evaluation.steps)})"
        for evaluation in train.evaluations
    )
    text = f"train {train.name} on {train.mixture} -> {train.attributes.get('output')}"
    return text + (f", measured on {measured}" if measured else "")


def _head(plan: Plan) -> str:
    lines = [f"{plan.spec}, edition {plan.edition}"]
    if plan.params:
        lines.append("params: " + ", ".join(f"{name} = {value}" for name, value in plan.params.items()))
    unlocked = [
        source.name
        for source in plan.sources.values()
        if source.pin is None and not plan.catalog.entries[f"source.{source.kind}"].is_pinned_by_spec
    ]
    if unlocked:
        lines.append(
            f"not locked: {_listed(unlocked)}; 'mixwright lock {plan.spec}' pins them and makes the figures exact"
        )
    for name, model in plan.models.items():
        addresses = addresses_of(model.attributes.get("base_url"))
        if len(addresses) > 1:
            lines.append(
                f"model {name}: {len(addresses)} addresses: {_listed(map(shown_address, addresses))}"
            )
    for name, policy in plan.policies.items():
        if limits := policy.get("budget"):
            lines.append(f"policy {name}: a run spends at most {_limits(limits, plan)}")
        for source, because in (policy.get("excluded") or {}).items():
            lines.append(f"policy {name}: no row of {source}, excluded because: {because}")
    return "\n".join(lines)


def _limits(budget: Mapping[str, float], plan: Plan) -> str:
    """`200 requests, 2 h, $3 (about $4.10 expected)`: what is foreseen is said where it is more."""
    forecast = forecast_of(plan)
    in_words = {"cost": lambda most: f"${most:,g}", "time": duration}
    return ", ".join(
        (in_words[name](most) if name in in_words else f"{most:,g} {name}")
        + (f" ({figure} expected)" if (figure := exceeded(name, most, forecast)) else "")
        for name, most in budget.items()
    )


def _pipeline(plan: Plan, pipeline: Pipeline, by_node: dict[str, Estimate], recorded: Recorded) -> str:
    start = pipeline.start
    rows: list[Sequence[str]] = [
        ("", "makes", "rows in", "rows out", "requests", "prompt tokens", "output tokens", "recorded")
    ]
    estimate = by_node.get(f"{pipeline.name}.from")
    if estimate is None:
        return f"pipeline {pipeline.name}   (not run: no mixture takes rows of it)"
    columns = [f"{name}: {type}" for name, type in _start_columns(plan, pipeline).items()]
    rows.append((f"from {start.rows}", _listed(columns), *_row_counts(estimate), "", "", "", ""))
    inside: tuple[Via, ...] = ()
    for at, step in enumerate(pipeline.steps):
        for depth in range(len(step.via)):
            if step.via[: depth + 1] != inside[: depth + 1]:
                rows.append(_use(pipeline, at, depth, by_node))
        inside = step.via
        node = f"{pipeline.name}.{step.id}"
        expected = by_node.get(node)
        answers = _answers(plan, recorded, node, step, expected.requests if expected else None)
        depth = len(step.via) + len(pipeline.around(step))
        rows.append(("  " * depth + step_text(step), _made(step), *_counts(expected), answers))
    title = f"pipeline {pipeline.name}"
    kept = recorded.kept.get(pipeline.name)
    if kept:
        title += f"   ({kept.rows:,} rows of it kept by run {kept.run_id})"
    asked = [f"\n  {line}" for step in pipeline.steps for line in _operators(plan, step)]
    asked += [
        f"\n  {step_text(step)} decides once: all rows start, whatever is wanted"
        for step in pipeline.steps
        if step.traits.needs_all_rows
    ]
    moved = [
        f"\n  moved up by {step.moved_by}: {step_text(step)}" for step in pipeline.steps if step.moved_by
    ]
    return f"{title}\n{_doc(pipeline.doc)}{_table(rows)}{''.join(asked + moved)}"


def _operators(plan: Plan, step: Step) -> list[str]:
    """The operators among the prompts of a step, where there are any."""
    names = [name for question in step.traits.asks for name in question.asked_with]
    found = [plan.templates[name] for name in names if name in plan.templates]
    if not any(template.operator for template in found):
        return []
    prompts = ", ".join(f"{t.name} ({t.operator})" if t.operator else t.name for t in found)
    return [f"{step_text(step)} is asked with: {prompts}"]


def _use(pipeline: Pipeline, first: int, depth: int, by_node: Mapping[str, Estimate]) -> tuple[str, ...]:
    """The line of a use of a fragment, above its steps: what they come to together."""
    use = pipeline.steps[first].via[depth]
    steps = list(takewhile(lambda step: use in step.via, pipeline.steps[first:]))
    found = [by_node.get(f"{pipeline.name}.{step.id}") for step in steps]
    loops = len(pipeline.around(steps[0]))
    last = max(at for at, step in enumerate(steps) if len(pipeline.around(step)) == loops)
    name = "  " * (depth + loops) + f"use {use.fragment} as {use.id}"
    known = [estimate for estimate in found if estimate is not None]
    if len(known) < len(found):
        return (name, "", *_counts(None), "")
    counts = [
        None if any(count is None for count in counts) else sum(count or 0 for count in counts)
        for counts in zip(*((e.requests, e.prompt_tokens, e.output_tokens) for e in known), strict=True)
    ]
    whole = Estimate(
        node=use.id,
        rows_in=known[0].rows_in,
        rows_out=known[last].rows_out,
        requests=counts[0],
        prompt_tokens=counts[1],
        output_tokens=counts[2],
    )
    return (name, "", *_counts(whole), "")


def _start_columns(plan: Plan, pipeline: Pipeline) -> dict[str, str]:
    start = pipeline.start
    parent = plan.sources if start.kind == "source" else plan.pipelines
    columns = parent[start.rows].columns
    return {name: columns.get(name, "any") for name in start.columns} if start.columns else columns


def _made(step: Step) -> str:
    return _listed([f"{name}: {type}" for name, type in step.makes.items()])


def _answers(plan: Plan, recorded: Recorded, node: str, step: Step, requests: int | None) -> str:
    """What the store has of a step's requests: `30 of 60` where they were looked up, else a bound."""
    if not questions_of(plan, step):
        return ""
    answered = recorded.answered.get(node)
    if answered is not None and (answered.is_all or answered.hits):
        if answered.is_all:
            return f"{answered.hits:,} of {answered.asked:,}"
        return f"at least {answered.hits:,} of {_count(requests)}"
    answers = min(recorded.answers.get(node, 0), requests or sys.maxsize)
    return f"at most {answers:,}" if answers else "none"


def _doc(text: str) -> str:
    """What the spec says a pipeline or mixture is for, on a line of its own."""
    return f"  {' '.join(text.split())}\n" if text.strip() else ""


def _mixture(plan: Plan, mixture: Mixture, by_node: dict[str, Estimate]) -> str:
    facts = [f"seed {mixture.seed}"]
    facts += [f"total {mixture.total:,}"] if mixture.total is not None else []
    facts += [f"scale {mixture.scale:g}"] if mixture.scale != 1 else []
    fill = f"fill({mixture.fill})" if mixture.shortfall == "fill" else mixture.shortfall
    facts.append(f"shortfall {fill}")
    budget = {k: v for k, v in mixture.budget.model_dump().items() if v is not None}
    facts += [f"budget {_limits(budget, plan)}"] if budget else []
    origin = (
        f"variant {mixture.name} of {mixture.variant_of}" if mixture.variant_of else f"mixture {mixture.name}"
    )
    rows: list[Sequence[str]] = [("", "group", "quota", "expected", "takes")]
    for component in mixture.components:
        estimate = by_node.get(f"{mixture.name}.{component.rows}")
        counts = _row_counts(estimate)
        rows.append((f"{component.rows}", component.group, quota_text(component), *counts))
    rows += _sums(mixture, by_node)
    text = f"{origin}   ({', '.join(facts)})\n{_doc(mixture.doc)}{_table(rows)}"
    if mixture.steps:
        text += "\n  then " + ", ".join(step_text(step) for step in mixture.steps)
    return text


def _sums(mixture: Mixture, by_node: Mapping[str, Estimate]) -> list[Sequence[str]]:
    """Lines under the components: what groups and tags come to, and the whole."""
    if len(mixture.components) < 2:
        return []
    takes = {
        c.rows: None if (estimate := by_node.get(f"{mixture.name}.{c.rows}")) is None else estimate.rows_out
        for c in mixture.components
    }
    groups = {c.rows: c.group for c in mixture.components}
    found = list(subtotals(takes, groups, {tag.name: tag.rows for tag in mixture.tags}))
    whole = None if None in takes.values() else sum(rows or 0 for rows in takes.values())
    limits = {tag.name: limits_text(tag) for tag in mixture.tags}
    lines = [
        (
            f"{s.kind} {s.name}" if s.name else "no group",
            "",
            limits.get(s.name, "") if s.kind == "tag" else "",
            "",
            _count(s.rows),
        )
        for s in found
    ]
    return [*lines, ("in all", "", "", "", _count(whole))]


def _anew(plan: Plan, recorded: Recorded) -> str:
    """How many requests of the plan the store has no answer to, on a line of its own; nothing where that is all."""
    anew = asked_anew(plan, recorded)
    if anew is None:
        return ""
    count = f"{anew.least:,}" if anew.least == anew.most else f"{anew.least:,} to {anew.most:,}"
    return f"\nasked anew: {count} of them"


def _total(plan: Plan) -> str:
    forecast = forecast_of(plan)
    more = "" if forecast.is_whole else ", and what cannot be known before a run"
    text = (
        f"in all: {forecast.requests:,} requests, about {forecast.prompt_tokens:,} prompt and "
        f"{forecast.output_tokens:,} output tokens{more}"
    )
    return text if forecast.cost is None else f"{text}, {dollars(forecast.cost)}"


def _counts(estimate: Estimate | None) -> tuple[str, ...]:
    if estimate is None:
        return (UNKNOWN,) * 5
    counts = [estimate.requests, estimate.prompt_tokens, estimate.output_tokens]
    return *_row_counts(estimate), *("" if count == 0 else _count(count) for count in counts)


def _row_counts(estimate: Estimate | None) -> tuple[str, str]:
    return (UNKNOWN, UNKNOWN) if estimate is None else (_count(estimate.rows_in), _count(estimate.rows_out))


def _count(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def _listed(names: Iterable[str], most: int = 4) -> str:
    """Names with commas, cut after `most` of them."""
    every = list(names)
    shown = ", ".join(every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in aligned columns, numbers flush right, columns that are empty left out. The first row is the head."""
    used = [i for i in range(len(rows[0])) if i == 0 or any(row[i] for row in rows[1:])]
    kept = [[row[i] for i in used] for row in rows]
    numeric = [i for i in range(1, len(used)) if all(_is_number(row[i]) for row in kept[1:])]
    return table(kept, right=numeric)


def _is_number(cell: str) -> bool:
    return not cell or cell == UNKNOWN or cell.replace(",", "").isdigit()
