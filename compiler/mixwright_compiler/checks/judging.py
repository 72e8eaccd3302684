"""85x: judges and guards that cannot see what they judge, or whose verdicts cannot come out as the spec asks."""

from __future__ import annotations

from typing import Any

from mixwright_compiler.catalog.criteria import criteria_in
from mixwright_compiler.checks.checked import Checked, is_written, maker_of, value_of
from mixwright_compiler.program import Bound, StepDecl
from mixwright_compiler.schema import element_of
from mixwright_dsl.diagnostic import Label

JUDGE, GUARD, RUBRIC = "opinions", "guard", "criteria"
"""Rules that a verifier is declared under."""
NEED_FIELD = ("labelled", "json")
"""Guard formats of which only the spec knows the field."""
REASON = "reason"
"""Field of every verdict."""
CONVERSES = "conversation"
"""What an engine offers that passes on a conversation as it is; the others go on writing its last message."""


def check_judging(checked: Checked) -> None:
    """MIX492, MIX853 to MIX859: see the codes' pages."""
    for pipeline, position, step in checked.clean_steps():
        if not {JUDGE, GUARD, RUBRIC} & set(step.entry.rules):
            continue
        _check_what_is_shown(checked, step)
        if RUBRIC in step.entry.rules:
            _check_criteria(checked, step)
            if not is_written(step.attributes, "as"):
                _check_threshold(checked, step)
            _check_author(checked, step, pipeline.steps[:position])
        elif JUDGE in step.entry.rules:
            _check_verdict(checked, step)
            _check_scale(checked, step)
            _check_panel(checked, step)
            _check_samples(checked, step)
            _check_threshold(checked, step)
            _check_author(checked, step, pipeline.steps[:position])
        else:
            _check_guard(checked, step)


def _check_what_is_shown(checked: Checked, step: StepDecl) -> None:
    """MIX853: the template does not read the column that is judged."""
    attribute = next(asks.template for asks in step.entry.asks)
    bound = step.attributes.get(attribute)
    template = checked.program.templates.get(str(value_of(step.attributes, attribute, "")))
    if bound is None or template is None or not checked.clean(template.span):
        return
    for name in ("response", "against"):
        column = value_of(step.attributes, name)
        if column is None or str(column).partition(".")[0] in step.columns_read(template.reads):
            continue
        checked.findings.error(
            "MIX853",
            f"template `{template.name}` does not show `{column}`, so it cannot be judged",
            bound.span,
            secondary=(
                Label(step.attributes[name].span, "to be judged"),
                Label(template.name_span, "declared here"),
            ),
            hint=f"put it into the template: `{{{{ {column} }}}}`",
        )


def _check_verdict(checked: Checked, step: StepDecl) -> None:
    """MIX855: attributes that contradict each other."""
    attributes = step.attributes
    against = attributes.get("against")
    others = ("verdict", "scale", "aspects") if against is not None else ("swap",)
    for name in others:
        if is_written(attributes, name):
            words = (
                "with `against` the verdict is which of the two is better"
                if against is not None
                else "without `against` there are no two to swap"
            )
            checked.findings.error(
                "MIX855",
                f"`{name}` says nothing here: {words}",
                attributes[name].span,
                hint=f"delete `{name}`",
            )
    if against is not None and against.value == value_of(attributes, "response"):
        checked.findings.error(
            "MIX855",
            f"`{against.value}` is compared with itself",
            against.span,
            secondary=(Label(attributes["response"].span, "the same column"),),
            hint="name the other column",
        )
    aspects = value_of(attributes, "aspects") or []
    wrong = next((name for name in aspects if name == REASON or aspects.count(name) > 1), None)
    if wrong is not None:
        why = "every verdict has a reason" if wrong == REASON else "it stands there twice"
        checked.findings.error(
            "MIX855",
            f"`{wrong}` cannot be an aspect: {why}",
            attributes["aspects"].span,
            hint="name each aspect once, for example `[accuracy, clarity]`",
        )
    if value_of(attributes, "verdict") == "pass":
        for name in ("scale", "aspects"):
            if is_written(attributes, name):
                checked.findings.error(
                    "MIX855",
                    f"`{name}` says nothing here: with `verdict = pass` the verdict is yes or no",
                    attributes[name].span,
                    hint=f"delete `{name}`, or write `verdict = score`",
                )


def _check_scale(checked: Checked, step: StepDecl) -> None:
    """MIX854: a scale that is none, or a threshold that is not on it."""
    scale, bound = value_of(step.attributes, "scale", [1, 10]), step.attributes.get("min")
    if len(scale) != 2 or not scale[0] < scale[1]:
        checked.findings.error(
            "MIX854",
            "a scale is its lowest and its highest number",
            step.attributes["scale"].span,
            hint="for example `[1, 10]`",
        )
        return
    is_share = (
        value_of(step.attributes, "against") is not None or value_of(step.attributes, "verdict") == "pass"
    )
    low, high = (0, 1) if is_share else scale
    if bound is None or not isinstance(bound.value, int | float) or low <= bound.value <= high:
        return
    at = step.attributes["scale"]
    checked.findings.error(
        "MIX854",
        f"scores are {low:g} to {high:g}, and `min` is {bound.value:g}",
        bound.span,
        "everything passes" if bound.value < low else "nothing can pass",
        secondary=() if is_share or at.is_default else (Label(at.span, "the scale"),),
        hint=f"the nearest allowed is `{min(max(bound.value, low), high):g}`"
        + (
            ": the share of judges that say yes"
            if is_share and value_of(step.attributes, "against") is None
            else ""
        ),
    )


def _check_panel(checked: Checked, step: StepDecl) -> None:
    """MIX856: one judge twice, or a quorum larger than the panel."""
    models = step.attributes.get("models")
    if models is None:
        return
    twice = sorted({name for name in models.value if models.value.count(name) > 1})
    if twice:
        checked.findings.error(
            "MIX856",
            f"`{twice[0]}` sits on the panel twice",
            models.span,
            "its opinion would be the same",
            hint="write `samples = 2` for two opinions of each judge",
        )
        return
    quorum = step.attributes.get("quorum")
    if quorum is not None and isinstance(quorum.value, int) and quorum.value > len(models.value):
        are = "is" if len(models.value) == 1 else "are"
        checked.findings.error(
            "MIX856",
            f"{quorum.value} judges must have an opinion, and there {are} {len(models.value)}",
            quorum.span,
            secondary=(Label(models.span, "the judges"),),
            hint=f"write `quorum = {len(models.value)}`",
        )


def _check_samples(checked: Checked, step: StepDecl) -> None:
    """MIX404: several opinions of a judge that always says the same."""
    samples, temperature = step.attributes.get("samples"), step.attributes.get("temperature")
    if samples is None or temperature is None or samples.value == 1 or temperature.value != 0:
        return
    checked.findings.error(
        "MIX404",
        f"{samples.value} opinions at temperature 0 are {samples.value} times the same",
        samples.span if temperature.is_default else temperature.span,
        "always the likeliest token",
        hint="write `temperature = 0.7`, or `samples = 1`",
    )


def _check_threshold(checked: Checked, step: StepDecl) -> None:
    """MIX857: nothing is asked of the score."""
    pick = value_of(step.attributes, "pick", "all")
    if step.attributes.get("min") is None and pick not in ("best",):
        checked.findings.lint(
            "MIX857",
            "every score passes: there is neither `min` nor `pick = best`",
            step.kind_span,
            "models are asked, and nothing follows",
            hint=f"add `min = {'0.7' if RUBRIC in step.entry.rules else '8'}`, for example",
        )


def _check_author(checked: Checked, step: StepDecl, before: tuple[StepDecl, ...]) -> None:
    """MIX858: a judge that wrote what it judges."""
    models = step.attributes.get("models") or step.attributes.get("model")
    for name in ("response", "against"):
        maker = maker_of(before, str(value_of(step.attributes, name, "")))
        author: Bound | None = maker.attributes.get("model") if maker is not None else None
        if models is None or author is None:
            continue
        if author.value in {one.value for one in models.each()}:
            checked.findings.lint(
                "MIX858",
                f"`{author.value}` judges what it wrote",
                models.span,
                "models prefer their own texts",
                secondary=(Label(author.span, f"`{value_of(step.attributes, name)}` is written here"),),
                hint="name another model as judge, or say that it is meant: `# mix: allow MIX858 -- why`",
            )


def _check_criteria(checked: Checked, step: StepDecl) -> None:
    """MIX492: criteria that cannot be read, or are more than are judged."""
    criteria, most = step.attributes["criteria"], step.attributes["most"]
    if isinstance(criteria.value, str):
        type = step.columns.get(criteria.value, "any")
        if element_of(type) is None or type == "chat":
            checked.findings.error(
                "MIX492",
                f"`criteria` takes a list, and `{criteria.value}` is {type}",
                criteria.span,
                f"a column of {type}",
                hint="have it parsed where it is made: `parse = json()`"
                if type == "text"
                else 'write a list: `criteria = ["Names the city"]`',
            )
        return
    try:
        found = criteria_in(criteria.value)
    except ValueError as wrong:
        checked.findings.error(
            "MIX492",
            f"these criteria cannot be judged by: {wrong}",
            criteria.span,
            hint='for example `[{ criterion = "Names the city", weight = "essential" }]`',
        )
        return
    if len(found) > most.value:
        checked.findings.error(
            "MIX492",
            f"{len(found)} criteria are more than `most` allows",
            criteria.span,
            f"no row would be judged: `most` is {most.value}",
            hint=f"write `most = {len(found)}`",
        )


def _check_guard(checked: Checked, step: StepDecl) -> None:
    """MIX859: a guard whose verdict cannot be found, or that is asked in a way its engine cannot ask."""
    attributes = step.attributes
    model = checked.program.models.get(str(value_of(attributes, "model", "")))
    if model is None:
        return
    is_classifier = value_of(model.attributes, "task") == "classify"
    form = value_of(attributes, "format")
    if not is_classifier and form in NEED_FIELD and not value_of(attributes, "field"):
        checked.findings.error(
            "MIX859",
            f"`format = {form}` needs the name of the field that holds the verdict",
            attributes["format"].span,
            hint='add `field = "verdict"`',
        )
    is_conversation = is_written(attributes, "request") and not is_written(attributes, "prompt")
    if not is_classifier and is_conversation and CONVERSES not in model.entry.offers:
        checked.findings.error(
            "MIX859",
            f"engine `{model.engine}` would go on writing the response instead of judging it",
            attributes["model"].span,
            "asked with the conversation alone",
            secondary=(Label(model.name_span, "declared here"),),
            hint="write the guard's question into a template and name it: `prompt = ask_guard`",
        )
    if is_classifier:
        for name in ("format", "field", "unsafe", "between", "safe", "ignore", "retries", "max_tokens"):
            _says_nothing(checked, attributes.get(name), name, f"`{model.name}` classifies")
    else:
        _says_nothing(checked, attributes.get("labels"), "labels", f"`{model.name}` writes its verdict")


def _says_nothing(checked: Checked, bound: Any, name: str, why: str) -> None:
    if bound is not None and not bound.is_default:
        checked.findings.error(
            "MIX859", f"`{name}` says nothing here: {why}", bound.span, hint=f"delete `{name}`"
        )
