"""48x: tools that steps offer and run."""

from __future__ import annotations

from collections.abc import Iterator

from mixwright_compiler.catalog.references import kind_of_reference
from mixwright_compiler.checks.checked import Checked, maker_of
from mixwright_compiler.program import Bound, StepDecl
from mixwright_compiler.suggest import listing
from mixwright_dsl.diagnostic import Label

OF_CALLS = ".calls"
"""Behind the column that a model's answer is in: its calls."""


def check_tools(checked: Checked) -> None:
    """MIX481: two functions that models call by one name. MIX482: calls of tools that the step which runs them lacks."""
    for pipeline, position, step in checked.clean_steps():
        if "tools" not in step.entry.rules:
            continue
        _check_names(checked, step)
        if "calls" in step.attributes:
            _check_offered(checked, pipeline.steps[:position], step)


def _named(step: StepDecl) -> Iterator[Bound]:
    """The tools of a step, each where it is named."""
    for schema in step.entry.attributes:
        if kind_of_reference(schema.type) == "tool" and schema.name in step.attributes:
            yield from step.attributes[schema.name].each()


def _functions(checked: Checked, step: StepDecl) -> dict[str, Bound]:
    """Function -> where the tool is named that has it, the first."""
    found: dict[str, Bound] = {}
    for bound in _named(step):
        tool = checked.program.tools.get(str(bound.value))
        for function in tool.functions if tool is not None else ():
            found.setdefault(function["name"], bound)
    return found


def _check_names(checked: Checked, step: StepDecl) -> None:
    seen: dict[str, Bound] = {}
    for bound in _named(step):
        tool = checked.program.tools.get(str(bound.value))
        for function in tool.functions if tool is not None else ():
            first = seen.setdefault(function["name"].lower(), bound)
            if first is not bound:
                checked.findings.error(
                    "MIX481",
                    f"two of these tools have a function `{function['name']}`",
                    bound.span,
                    "nobody could tell which is called",
                    secondary=(Label(first.span, "the other one"),),
                    hint="leave one out, or rename one where it is declared",
                )
                break


def _check_offered(checked: Checked, before: tuple[StepDecl, ...], step: StepDecl) -> None:
    calls = step.attributes["calls"]
    written = str(calls.value).removesuffix(OF_CALLS)
    maker = maker_of(before, written) if str(calls.value).endswith(OF_CALLS) else None
    if maker is None or not any(True for _ in _named(maker)):
        return
    offered, run = _functions(checked, maker), _functions(checked, step)
    missing = [name for name in offered if name not in run]
    if missing:
        names = list(dict.fromkeys(str(offered[name].value).rpartition(".")[2] for name in missing))
        checked.findings.error(
            "MIX482",
            f"`{written}` may call {listing(f'`{name}`' for name in missing)}, and this step does not run it",
            step.attributes["tools"].span if "tools" in step.attributes else step.kind_span,
            "not among these",
            secondary=(Label(offered[missing[0]].span, "offered here"),),
            hint=f"add `{names[0]}` to `tools`",
        )
