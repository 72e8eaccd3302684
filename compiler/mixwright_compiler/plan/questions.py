"""What a step asks models for one row, by itself and through the tools that it calls, and whose tokens these are."""

from __future__ import annotations

from mixwright_compiler.catalog.traits import RowRequests, traits_of
from mixwright_compiler.plan.plan import Estimate, Plan, Step
from mixwright_dsl.lazy_dataclass import replace


def questions_of(plan: Plan, step: Step) -> tuple[RowRequests, ...]:
    """Its own questions, and those of its tools."""
    return (*step.traits.asks, *questions_of_tools(plan, step))


def questions_of_tools(plan: Plan, step: Step) -> tuple[RowRequests, ...]:
    """What the tools ask models that a step calls, as often as it may call each of them."""
    found: list[RowRequests] = []
    for name, calls in step.traits.calls.items():
        tool = plan.tools[name]
        asked = traits_of(plan.catalog.entries.get(f"tool.{tool.kind}"), tool.attributes).asks
        found += [replace(question, requests=calls * question.requests) for question in asked]
    return tuple(found)


def tokens_by_model(plan: Plan, step: Step, estimate: Estimate) -> dict[str, tuple[float, float]]:
    """Model -> prompt and output tokens of a step's estimate that are its part: by how many requests it gets, and how
    long their answers may be."""
    asks = questions_of(plan, step)
    requests = sum(question.requests for question in asks) or 1
    written = sum(question.requests * question.max_tokens for question in asks)
    found: dict[str, tuple[float, float]] = {}
    for question in asks:
        share = question.requests / requests / max(1, len(question.models))
        of_written = share * requests * question.max_tokens / written if written else 0.0
        for model in question.models:
            prompt, output = found.get(model, (0.0, 0.0))
            found[model] = (
                prompt + share * (estimate.prompt_tokens or 0),
                output + of_written * (estimate.output_tokens or 0),
            )
    return found
