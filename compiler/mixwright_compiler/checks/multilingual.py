"""87x: languages that there are none of, and translations that cannot be checked as written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixwright_compiler.catalog.languages import languages, suggestion_for, tag_of
from mixwright_compiler.checks.checked import Checked, is_written, value_of
from mixwright_compiler.program import Bound, StepDecl, TypedExpression
from mixwright_compiler.suggest import did_you_mean, listing, nearest
from mixwright_dsl.diagnostic import Label


def check_languages(checked: Checked) -> None:
    """MIX870: a quoted code that names no language. MIX879: a column of a code's name, without quotes."""
    for _, _, step in checked.clean_steps():
        for name in (schema.name for schema in step.entry.attributes if schema.holds == "language"):
            bound = step.attributes.get(name)
            code = literal_of(bound)
            if bound is not None:
                _check_quotes(checked, step, name, bound)
            if bound is None or code is None or tag_of(code) is not None:
                continue
            meant = suggestion_for(code)
            checked.findings.error(
                "MIX870",
                f"no language has the code `{code}`",
                bound.value.span,
                f"one of {len(languages())} codes, such as en, zh, zh-Hant, pt-BR, deu_Latn",
                hint=f'did you mean `"{meant}"`?' if meant else 'write a code of ISO 639, for example `"zh"`',
            )


def _check_quotes(checked: Checked, step: StepDecl, name: str, bound: Bound) -> None:
    match bound.value:
        case TypedExpression(tree=["col", str() as column]) if tag_of(column) is not None:
            texts = [value_of(step.attributes, s.name) for s in step.entry.attributes if s.holds == "text"]
            if column in texts:
                checked.findings.warning(
                    "MIX879",
                    f"`{name}` reads the column `{column}`, which holds the text itself",
                    bound.value.span,
                    "a code is written in quotes",
                    hint=f'write `{name} = "{column}"`',
                )


COLUMNS = ("source", "target")
"""Of the rows of a glossary and of parallel texts."""

FEWEST_PAIRS = 20
"""As in `mixwright_runtime.verifiers.separation`: with fewer no AUC is worth its name."""


def check_translations(checked: Checked) -> None:
    """MIX871 to MIX878: a `verify translation` that cannot tell anything, or not what it was asked to."""
    for _, _, step in checked.clean_steps():
        if "translated" not in step.entry.rules:
            continue
        _check_direction(checked, step)
        _check_models(checked, step)
        for name in ("glossary", "pairs"):
            _check_rows(checked, step, name)
        _check_pair_count(checked, step)
        _check_least(checked, step)


def _check_direction(checked: Checked, step: StepDecl) -> None:
    source, target = step.attributes.get("from"), step.attributes.get("to")
    first, second = literal_of(source), literal_of(target)
    tags = [tag_of(code) for code in (first, second) if code is not None]
    if len(tags) < 2 or None in tags or source is None or target is None:
        return
    mine, theirs = tags
    assert mine is not None and theirs is not None
    is_other_script = mine.script != theirs.script and mine.script and theirs.script
    if mine.language == theirs.language and not is_other_script:
        other = "zh" if mine.language.code != "zh" else "en"
        checked.findings.error(
            "MIX871",
            f"`from` and `to` are both {mine.language.name}",
            target.value.span,
            "the language of the translation",
            secondary=(Label(source.value.span, "the language of the source"),),
            hint=f'write the language it is translated into, for example `to = "{other}"`',
        )


def _check_models(checked: Checked, step: StepDecl) -> None:
    findings, attributes = checked.findings, step.attributes
    if is_written(attributes, "similarity") and not is_written(attributes, "pairs"):
        findings.error(
            "MIX872",
            "`similarity` has no `pairs` to be calibrated on",
            attributes["similarity"].span,
            "a cosine alone means nothing",
            hint="add `pairs = …`, a source with the columns `source` and `target`",
        )
    back, asked = is_written(attributes, "back"), is_written(attributes, "back_model")
    if back != asked:
        there = attributes["back" if back else "back_model"]
        findings.error(
            "MIX875",
            f"`{'back' if back else 'back_model'}` needs `{'back_model' if back else 'back'}` beside it",
            there.span,
            hint="write both: the prompt, and the model that answers it",
        )
    elif back:
        _check_back(checked, step)
    least = value_of(attributes, "least") or {}
    if is_written(attributes, "quality") and "quality" not in least:
        findings.error(
            "MIX876",
            "`quality` has no minimum, and every model has a scale of its own",
            attributes["quality"].span,
            hint="add `least = { quality = 0.7 }`, or what the model's card recommends",
        )
    if value_of(attributes, "checks") == [] and not any(
        is_written(attributes, name) for name in ("glossary", "back", "similarity", "quality")
    ):
        findings.error(
            "MIX878",
            "nothing is checked, so no row can pass",
            attributes["checks"].span,
            hint="delete `checks` for all of them, or name some: `[language, numbers]`",
        )


def _check_back(checked: Checked, step: StepDecl) -> None:
    response = str(value_of(step.attributes, "response", ""))
    bound = step.attributes["back"]
    template = checked.program.templates.get(str(bound.value))
    if template is None or not checked.clean(template.span) or response in step.columns_read(template.reads):
        return
    checked.findings.error(
        "MIX875",
        f"template `{template.name}` does not read `{response}`, so nothing is translated back",
        bound.span,
        secondary=(Label(template.name_span, f"no `{{{{ {response} }}}}` in it"),),
        hint=f"put it into the template: `{{{{ {response} }}}}`",
    )


def _check_rows(checked: Checked, step: StepDecl, name: str) -> None:
    bound = step.attributes.get(name)
    columns = checked.columns.get(str(bound.value)) if bound is not None and not bound.is_default else None
    if bound is None or columns is None or columns.is_open:
        return
    missing = [column for column in COLUMNS if columns.type_of(column) is None]
    if missing:
        near = nearest(missing[0], columns.types)
        checked.findings.error(
            "MIX873",
            f"`{bound.value}` has no column `{missing[0]}`, which `{name}` reads",
            bound.span,
            f"it has: {listing(columns.types)}",
            hint=f"write `columns = {{ {missing[0]} = {near or '…'} }}` in `source {bound.value}`",
        )


def _check_pair_count(checked: Checked, step: StepDecl) -> None:
    bound = step.attributes.get("pairs")
    source = (
        checked.program.sources.get(str(bound.value)) if bound is not None and not bound.is_default else None
    )
    if bound is None or source is None:
        return
    rows = value_of(source.attributes, source.entry.rows_in)
    count = len(rows) if source.entry.rows_in and isinstance(rows, list) else source.locked_rows
    if count is not None and count < FEWEST_PAIRS:
        checked.findings.error(
            "MIX877",
            f"`{bound.value}` has {count} pairs, and {FEWEST_PAIRS} are needed",
            bound.span,
            "too few to tell whether the model knows what belongs together",
            hint=f"add {FEWEST_PAIRS - count} more parallel texts, better a hundred",
        )


def _check_least(checked: Checked, step: StepDecl) -> None:
    bound = step.attributes.get("least")
    if bound is None or not isinstance(bound.value, Mapping) or bound.is_default:
        return
    done = _parts_of(step)
    for name, least in bound.value.items():
        if name not in done:
            near = nearest(name, done)
            checked.findings.error(
                "MIX874",
                f"`least` has a minimum for `{name}`, which is not checked here",
                bound.span,
                f"checked are: {listing(done, 20)}",
                hint=did_you_mean(near, f"name one of: {listing(done, 20)}"),
            )
        elif name != "quality" and isinstance(least, int | float) and not 0 <= least <= 1:
            checked.findings.error(
                "MIX874",
                f"`{name}` is a score from 0 to 1, here {least:g}",
                bound.span,
                "no row can pass" if least > 1 else "every row passes",
                hint=f"for example `{name} = 0.8`",
            )


def _parts_of(step: StepDecl) -> list[str]:
    """The parts that a step measures, by their names in `least`."""
    checks: Any = value_of(step.attributes, "checks") or []
    models = [
        name for name in ("glossary", "back", "similarity", "quality") if is_written(step.attributes, name)
    ]
    return [*map(str, checks), *models]


def literal_of(bound: Bound | None) -> str | None:
    """The text that an expression is, when it is one and nothing else."""
    match bound.value if bound is not None else None:
        case TypedExpression(tree=["lit", str() as text]):
            return text
    return None
