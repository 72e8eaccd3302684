"""6xx: quotas that no rows can fill, with the arithmetic shown."""

from __future__ import annotations

from mixwright_compiler.checks.checked import Checked, value_of
from mixwright_compiler.program import CallValue, ComponentDecl, MixtureDecl, PipelineDecl
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.source import Span


def fixed_rows(component: ComponentDecl) -> int:
    """Rows that a quota takes whatever the total is; 0 for `all`, `max`, shares and weights."""
    quota = component.quota
    if isinstance(quota, int):
        return quota
    if isinstance(quota, CallValue) and quota.function == "take":
        return int(quota.args[0])
    return 0


def _is_weight(component: ComponentDecl) -> bool:
    """Is the quota a part of what the total leaves? (`rate` without a total takes its capped number of rows.)"""
    return isinstance(component.quota, CallValue) and component.quota.function == "weight"


def check_totals(checked: Checked) -> None:
    """MIX603: quotas that cannot add up. MIX606: a quota of no rows."""
    # A mixture inside another is as large as the outer quota asks.
    nested = {c.rows for m in checked.program.mixtures.values() for c in m.components}
    for mixture in checked.of_mixtures():
        shares = [c for c in mixture.components if isinstance(c.quota, float)]
        parts = [c for c in mixture.components if _is_weight(c)]
        total = value_of(mixture.attributes, "total")
        share = sum(c.quota for c in shares if isinstance(c.quota, float))
        fixed = [c for c in mixture.components if fixed_rows(c) > 0]
        taken = sum(map(fixed_rows, fixed))
        if share > 1 + 1e-9:
            written = " + ".join(_text(c) for c in shares)
            _cannot(
                checked,
                mixture,
                f"shares add up to {share * 100:g}%",
                shares[-1].quota_span,
                f"{written} = {share * 100:g}%",
                "lower one of them, so that they add up to 100% at most",
            )
        elif total is None and parts and mixture.name not in nested:
            _cannot(
                checked,
                mixture,
                f"`{_text(parts[0])}` is a part of the total, and there is no `total`",
                parts[0].quota_span,
                "a part of what?",
                f"add `total = {_round_total(taken)}` to the mixture",
            )
        elif (
            total is None
            and shares
            and mixture.name not in nested
            and (share > 1 - 1e-9 or not _has_rows(mixture))
        ):
            _cannot(
                checked,
                mixture,
                f"`{_text(shares[0])}` is a share of the total, and there is no `total`",
                shares[0].quota_span,
                "a share of what?",
                f"add `total = {_round_total(taken)}` to the mixture",
            )
        elif total is not None:
            needed = taken + sum(int(total * c.quota) for c in shares if isinstance(c.quota, float))
            if needed > total:
                sums = " + ".join(_text(c) for c in (*fixed, *shares))
                last = max((*fixed, *shares), key=lambda c: c.span.start)
                _cannot(
                    checked,
                    mixture,
                    f"quotas take {needed:,} rows, and the total is {total:,}",
                    last.quota_span,
                    f"{sums} = {needed:,}",
                    f"write `total = {needed}`, or lower a quota",
                    mixture.attributes["total"].span,
                )
        for component in mixture.components:
            # One that `scale` rounds down to nothing is what a small run is.
            quota = component.quota if component.unscaled is None else component.unscaled
            if quota in (0, 0.0) or (isinstance(quota, CallValue) and quota.args == (0,)):
                checked.findings.warning(
                    "MIX606",
                    f"the quota of `{component.rows}` is 0 rows",
                    component.quota_span,
                    "nothing of it is taken",
                    hint="delete the line, or write a number above 0",
                )


def _has_rows(mixture: MixtureDecl) -> bool:
    return any(
        fixed_rows(c)
        or c.quota == "all"
        or (isinstance(c.quota, CallValue) and c.quota.function in ("max", "rate"))
        for c in mixture.components
    )


def _text(component: ComponentDecl) -> str:
    return component.quota_span.text


def _round_total(taken: int) -> str:
    return "10k" if taken < 10_000 else f"{taken * 2 // 1000}k"


def _cannot(
    checked: Checked,
    mixture: MixtureDecl,
    message: str,
    span: Span,
    label: str,
    hint: str,
    other: Span | None = None,
) -> None:
    checked.findings.error(
        "MIX603",
        message,
        span,
        label,
        secondary=(
            Label(other, "the total") if other is not None else Label(mixture.name_span, "in this mixture"),
        ),
        hint=hint,
    )


def check_supply(checked: Checked) -> None:
    """MIX604: a count above the rows that can exist."""
    for mixture in checked.of_mixtures():
        if not checked.is_whole(mixture):
            continue
        for component in mixture.components:
            wanted = fixed_rows(component)
            supply = rows_of(checked, component.rows)
            if not wanted or supply is None:
                continue
            most, how = supply
            repeat = 1
            if isinstance(component.quota, CallValue):
                repeat = int(component.quota.keywords.get("repeat", 1))
            if repeat > 1:
                most, how = most * repeat, f"{how} × repeat {repeat}"
            if wanted > most:
                checked.findings.error(
                    "MIX604",
                    f"`{component.rows}` can give {most:,} rows, and the quota is {wanted:,}",
                    component.quota_span,
                    f"{how} = {most:,} at most",
                    hint=f"write `{most}` or less, or {_more(checked, component, wanted, most)}",
                )


def _more(checked: Checked, component: ComponentDecl, wanted: int, most: int) -> str:
    """What to write so that there can be enough rows."""
    pipeline = checked.program.pipelines.get(component.rows)
    if pipeline is None or not most:
        return f"let rows appear again: `take({wanted}, repeat = {-(-wanted // max(most, 1))})`"
    now = int(value_of(pipeline.start.attributes, "repeat", 1))
    return f"let rows start again: `from {pipeline.start.rows} {{ repeat = {-(-wanted * now // most)} }}`"


def rows_of(checked: Checked, name: str) -> tuple[int, str] | None:
    """The most rows that a source or pipeline can give, and how that number comes about; None when not known."""
    source = checked.program.sources.get(name)
    if source is not None:
        if source.locked_rows is None:
            return None
        rows, how = source.locked_rows, f"{source.locked_rows:,} rows"
        limit = value_of(source.attributes, "limit")
        return (limit, f"limit {limit:,}") if isinstance(limit, int) and limit < rows else (rows, how)
    pipeline = checked.program.pipelines.get(name)
    return _pipeline_rows(checked, pipeline) if pipeline is not None else None


def _pipeline_rows(checked: Checked, pipeline: PipelineDecl) -> tuple[int, str] | None:
    limit = value_of(pipeline.start.attributes, "limit")
    below = rows_of(checked, pipeline.start.rows)
    if below is None and not isinstance(limit, int):
        return None
    if below is None or (isinstance(limit, int) and limit < below[0]):
        rows, how = int(limit), f"limit {limit:,}"
    else:
        rows, how = below
    repeat = value_of(pipeline.start.attributes, "repeat", 1)
    candidates = checked.groups(pipeline).fanout
    if isinstance(repeat, int) and repeat > 1:
        rows, how = rows * repeat, f"{how} × repeat {repeat}"
    if candidates > 1:
        rows, how = rows * candidates, f"{how} × {candidates} samples"
    return rows, how
