"""What is drawn: enough of it, by weights that fit, and another row than the one that draws."""

from __future__ import annotations

from mixwright_compiler.catalog.references import LAG
from mixwright_compiler.checks.checked import Checked, is_written, value_of
from mixwright_compiler.checks.mixtures import sets_apart
from mixwright_compiler.checks.quotas import rows_of
from mixwright_compiler.program import CallValue, PipelineDecl, StepDecl, TypedExpression
from mixwright_compiler.schema import UNTYPED, element_of
from mixwright_dsl.diagnostic import Label

OF_POOLS = ("where", "except", "spread", "fewer", "least", "tokens", "balance", "column")
"""Attributes that mean nothing for constraints, which are made up and not taken from a pool."""

OF_CHOICES = ("where", "except", "weights", "balance")
"""Attributes that say what is chosen."""


def check_draws(checked: Checked) -> None:
    """MIX422: a draw of more than there is. MIX423: `except = self` where no row can draw itself. MIX126 and MIX449. Of
    a pipeline that draws from itself: MIX401, MIX435, MIX439 and MIX440."""
    for pipeline, _, step in checked.clean_steps():
        if not _is_draw(step):
            continue
        if isinstance(value_of(step.attributes, "from"), CallValue):
            _check_constraints(checked, step)
            continue
        _check_turns(checked, step)
        _check_tokens(checked, step)
        _check_shortage(checked, step)
        _check_weights(checked, step)
        _check_self(checked, pipeline, step)
        _check_there(checked, step)
        _check_pool(checked, pipeline, step)


def check_drawn_sets(checked: Checked) -> None:
    """MIX453: an evaluation set among what rows of a mixture are given as examples."""
    apart = sets_apart(checked)
    reaching = {p.name for mixture in checked.of_mixtures() for p in checked.pipelines_under(mixture.name)}
    for pipeline, _, step in checked.clean_steps():
        drawn = step.attributes.get("from")
        if pipeline.name not in reaching or not _is_draw(step) or drawn is None:
            continue
        path = next(checked.paths_from(str(drawn.value)), ())
        named = next((name for name in path if name in apart), None)
        if named is not None:
            checked.findings.error(
                "MIX453",
                f"`{step.id}` draws examples from the evaluation set `{named}`",
                drawn.span,
                "what is drawn gets into what is learned" if path[0] == named else " → ".join(reversed(path)),
                secondary=(Label(apart[named], "an evaluation set by this line"),),
                hint="draw from rows that nothing is measured on, such as a training split",
            )


def _is_draw(step: StepDecl) -> bool:
    return any(schema.type == "drawn" for schema in step.entry.attributes)


def _check_constraints(checked: Checked, step: StepDecl) -> None:
    drawn = step.attributes["from"]
    for name in OF_POOLS:
        if is_written(step.attributes, name):
            checked.findings.error(
                "MIX126",
                f"`{name}` means nothing beside `{drawn.value.function}(…)`",
                step.attributes[name].span,
                "excludes the other",
                secondary=(Label(drawn.span, "the other one"),),
                hint=f"write `{drawn.value.function}(…, least = 1)`"
                if name == "least"
                else f"delete `{name}`",
            )


def _check_turns(checked: Checked, step: StepDecl) -> None:
    """Who takes turns takes what comes, and as much as the others."""
    attributes = step.attributes
    if value_of(attributes, "spread") != "even":
        return
    beside = [name for name in OF_CHOICES if is_written(attributes, name)]
    if isinstance(value_of(attributes, "count"), TypedExpression):
        beside.append("count")
    for name in beside:
        checked.findings.error(
            "MIX126",
            f"`{name}` goes with `spread = random` alone"
            if name != "count"
            else "a `count` by the row goes with `spread = random` alone",
            attributes[name].span,
            "rows that take turns take what comes, and each as much",
            secondary=(Label(attributes["spread"].span, "the other one"),),
            hint="delete one of the two" if name != "count" else "write a number, or delete `spread`",
        )


def _check_tokens(checked: Checked, step: StepDecl) -> None:
    """MIX444: nothing that counts the tokens, or no text of which they are."""
    tokens, named = step.attributes.get("tokens"), step.attributes.get("tokenizer")
    if tokens is None:
        return
    if named is None:
        checked.findings.error(
            "MIX444",
            "`tokens` needs a tokenizer to count by",
            tokens.span,
            "every model counts otherwise",
            hint="add `tokenizer = …`, a model whose files are on this machine",
        )
        return
    model = checked.program.models.get(str(named.value))
    if model is not None and not any(is_written(model.attributes, name) for name in ("path", "repo")):
        checked.findings.error(
            "MIX444",
            f"model `{named.value}` brings no tokenizer",
            named.span,
            "it is on a server, and its files are not known here",
            secondary=(Label(model.name_span, "declared here"),),
            hint="declare its files: `model counter transformers { repo = … }`, and name that",
        )
    column = step.makes.get(step.label, "any")
    item = element_of(column) if column.startswith("list[") else column
    if not is_written(step.attributes, "with") and item not in ("text", *UNTYPED):
        checked.findings.error(
            "MIX444",
            f"`tokens` counts texts, and what is drawn is {item}",
            tokens.span,
            "no text to count",
            hint="add `with = …`, the template that it will be written by",
        )


def _check_shortage(checked: Checked, step: StepDecl) -> None:
    """What is said of too little goes together."""
    attributes = step.attributes
    least, count, run = (value_of(attributes, name) for name in ("least", "count", "run"))
    if least is None:
        return
    most, named = (run, "run") if run is not None else (count, "count")
    if isinstance(most, int) and least > most:
        checked.findings.error(
            "MIX117",
            f"`least` is at most `{named}`, here {least:,} and {most:,}",
            attributes["least"].span,
            "out of range",
            hint=f"write `least = {most}` or less",
        )
    elif run is None and value_of(attributes, "fewer") == "ok":
        checked.findings.error(
            "MIX126",
            "`least` means nothing beside `fewer = ok`",
            attributes["least"].span,
            "what there is will do, however little",
            secondary=(Label(attributes["fewer"].span, "the other one"),),
            hint="write `fewer = drop`, or delete `least`",
        )


def _check_weights(checked: Checked, step: StepDecl) -> None:
    weights, values = step.attributes.get("weights"), value_of(step.attributes, "values")
    if weights is None or not isinstance(values, list):
        return
    if len(weights.value) != len(values):
        checked.findings.error(
            "MIX449",
            f"weights and values are not as many: {len(weights.value)} and {len(values)}",
            weights.span,
            "one for each is needed",
            secondary=(Label(step.attributes["values"].span, "weighed in this order"),),
            hint=f"write `weights = [{', '.join(['1'] * min(len(values), 12))}]` for even shares",
        )
    elif any(weight < 0 for weight in weights.value) or not any(weights.value):
        checked.findings.error(
            "MIX449",
            "a weight is not below 0" if any(weights.value) else "weights of 0 choose no value",
            weights.span,
            hint="write how often each is drawn beside the others: `[3, 1]` is three times in four and once",
        )


def _check_self(checked: Checked, pipeline: PipelineDecl, step: StepDecl) -> None:
    if not is_written(step.attributes, "except"):
        return
    drawn = str(value_of(step.attributes, "from"))
    start, rows = (next(checked.paths_from(name), (name,))[-1] for name in (pipeline.name, drawn))
    if start != rows or drawn == pipeline.name:
        checked.findings.error(
            "MIX423",
            f"no row of `{pipeline.name}` can draw itself",
            step.attributes["except"].span,
            f"its rows start from `{start}`, and `{rows}` is drawn from"
            if drawn != pipeline.name
            else "what is drawn was started before it",
            hint="delete `except = self`, or say with `where` what must differ: `where = drawn.… != …`",
        )


def _check_pool(checked: Checked, pipeline: PipelineDecl, step: StepDecl) -> None:
    findings, start = checked.findings, step.attributes.get("from")
    if start is None or start.value != pipeline.name:
        if is_written(step.attributes, "lag"):
            findings.error(
                "MIX126",
                "`lag` is of a pipeline that draws from its own rows",
                step.attributes["lag"].span,
                "all of these rows are there before the first is drawn",
                hint="delete `lag`",
            )
        return
    if step.inside:
        findings.error(
            "MIX435",
            "a loop draws from the rows of its own pipeline",
            start.span,
            "which of them a round could see is not settled when it begins",
            hint="draw before the loop",
        )
    for name in ("column", "balance"):
        column = step.attributes.get(name)
        if column is not None and not column.is_default and column.value not in pipeline.columns:
            findings.error(
                "MIX401",
                f"no column `{column.value}` in rows of `{pipeline.name}`",
                column.span,
                f"columns there: {', '.join(pipeline.columns)}",
                hint="name a column of the rows that leave the pipeline",
            )
    if value_of(step.attributes, "fewer") != "ok":
        findings.error(
            "MIX439",
            f"`{pipeline.name}` draws from its own rows, and at first there are none",
            start.span,
            "nothing is there for the first rows to draw",
            hint="write `fewer = ok`: early rows draw what there is",
        )
    for other in pipeline.steps:
        if other.traits.needs_all_rows:
            findings.error(
                "MIX439",
                f"`{pipeline.name}` draws from its own rows, and `{other.id}` keeps none before all are there",
                start.span,
                "waits for rows that wait for it",
                secondary=(Label(other.kind_span, "decides on all rows at once"),),
                hint=f"move `{other.id}` into a pipeline that starts from this one",
            )
    _check_slots(checked, pipeline, step)


def _check_slots(checked: Checked, pipeline: PipelineDecl, step: StepDecl) -> None:
    lag = int(value_of(step.attributes, "lag") or LAG)
    for other in pipeline.steps:
        for question in other.traits.asks:
            for name in question.models:
                model = checked.program.models.get(name)
                if model is None:
                    continue
                slots = value_of(model.attributes, "max_in_flight")
                if isinstance(slots, int) and slots > lag:
                    checked.findings.lint(
                        "MIX440",
                        f"at most {lag} rows are under way, and `{name}` takes {slots} requests at once",
                        step.attributes["lag"].span if "lag" in step.attributes else step.kind_span,
                        f"{slots - lag} of them stay unused",
                        secondary=(Label(model.attributes["max_in_flight"].span, "stated here"),),
                        hint=f"write `lag = {slots}`; a row then sees rows that are so much older",
                    )
                    return


def _check_there(checked: Checked, step: StepDecl) -> None:
    attributes = step.attributes
    count, values, weights = (value_of(attributes, name) for name in ("count", "values", "weights"))
    if isinstance(count, TypedExpression) or value_of(attributes, "fewer") not in (None, "error"):
        return
    needed = value_of(attributes, "least") or count
    if isinstance(values, list):
        there = len([one for one in weights if one > 0]) if isinstance(weights, list) else len(values)
    elif is_written(attributes, "from"):
        name = str(value_of(attributes, "from"))
        drawn = rows_of(checked, name) if name in checked.program.sources else None
        if drawn is None:
            return
        there = drawn[0] - is_written(attributes, "except")
    else:
        return
    if isinstance(needed, int) and needed > there:
        checked.findings.error(
            "MIX422",
            f"{needed} are drawn without repetition, and there {'is' if there == 1 else 'are'} {there}",
            attributes["count"].span,
            hint=f"write `count = {there}` or less" if there else "",
        )
