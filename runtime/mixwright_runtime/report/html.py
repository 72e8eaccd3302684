"""The report of a run as one HTML file: no scripts, no network, no links out. The templates escape all text."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from mixwright_compiler.schema import is_number
from mixwright_runtime.facts.pipelines import PipelineFacts
from mixwright_runtime.facts.run import RunFacts
from mixwright_runtime.report.curves import TrainingFacts, training_section
from mixwright_runtime.report.page import TABLE_ROWS, page, part
from mixwright_runtime.report.svg import funnel, histogram
from mixwright_runtime.report.text import brief, shown
from mixwright_runtime.verifiers.calibrate import DEMANDS, better_words
from mixwright_runtime.verifiers.calibrate import shown as per_cent
from mixwright_runtime.verifiers.reviewed import INTERVAL, NOTES
from mixwright_runtime.verifiers.reviewed import measures as of_review

if TYPE_CHECKING:
    from mixwright_runtime.mixture.record import MixtureRecord
    from mixwright_runtime.mixture.selection import ComponentResult

SAMPLE_BYTES = 6_000
"""Escaped bytes shown of one sample; 40 samples then stay under 250 kB, and the page under 500 kB."""
PAGE_BYTES = 480_000
"""A part that would make the page larger is left out, and the page says so."""


def write_report(path: Path, facts: RunFacts, training: TrainingFacts | None = None) -> None:
    """Write the page, replacing an older one in one step. Under 500 kB, whatever the run's size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(report_html(facts, training), encoding="utf-8")
    os.replace(new, path)


def report_html(facts: RunFacts, training: TrainingFacts | None = None) -> str:
    """The page's text; the same facts give the same bytes."""
    return page(f"{Path(facts.spec).name}: run {facts.run_id}", _fitting(_parts(facts, training)))


def _parts(facts: RunFacts, training: TrainingFacts | None) -> Iterator[Markup]:
    status = facts.status if facts.status in ("done", "short", "stopped", "failed") else "open"
    yield part("run", "head", Path(facts.spec).name, facts, list(_figures(facts)), status)
    for record in facts.mixtures:
        policies = facts.policies.get(record.mixture)
        yield part(
            "run", "mixture", record, _results(record), _sums(record), _strata, _counted, _pretty, policies
        )
    if facts.calibrations:
        yield part("run", "calibrations", facts.calibrations, _measures, _verdicts, better_words)
    if facts.reviews:
        yield part("run", "reviews", facts.reviews, of_review, INTERVAL, NOTES, _of_values)
    if facts.rates:
        yield part("run", "rates", _rates(facts.rates))
    for pipeline in facts.pipelines[:TABLE_ROWS]:
        reports = [one for one in facts.reports if one.node.startswith(f"{pipeline.name}.")][:TABLE_ROWS]
        yield part(
            "run",
            "pipeline",
            _title(pipeline),
            pipeline,
            _drops(pipeline),
            funnel,
            histogram,
            reports,
            _pretty,
        )
    if facts.models:
        yield part("run", "models", _models(facts))
    if training:
        yield training_section(training)
    for title, samples in (("Accepted rows", facts.accepted), ("Rejected rows", facts.rejected)):
        if samples:
            yield part("run", "samples", title, samples, SAMPLE_BYTES)
    began = datetime.fromtimestamp(facts.started, UTC).strftime("%Y-%m-%d %H:%M UTC")
    yield part("run", "footer", facts, began)


def _rates(rates: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Verifier, rows, candidates of a row, and how many pass."""
    return [
        (
            node,
            f"{found['rows']:,}",
            f"{found['candidates']:,}",
            f"{found['rate']:.1%}",
            ", ".join(f"{k}: {share:.1%}" for k, share in found["pass_at"].items()),
        )
        for node, found in list(rates.items())[:TABLE_ROWS]
    ]


def _fitting(parts: Iterable[Markup]) -> list[Markup]:
    """The parts that fit on the page; the first that does not leaves a note."""
    fitting: list[Markup] = []
    size, is_cut = 0, False
    for one in parts:
        size += len(one.encode())
        if size <= PAGE_BYTES:
            fitting.append(one)
        else:
            size -= len(one.encode())
            if not is_cut:
                fitting.append(
                    Markup('<p class="cut">Some parts are left out here to keep this page small.</p>')
                )
            is_cut = True
    return fitting


def _figures(facts: RunFacts) -> Iterator[tuple[str, str]]:
    """Numbers at the top, each with what it counts."""
    if facts.mixtures:
        yield f"{sum(record.rows for record in facts.mixtures):,}", "rows selected"
    yield f"{sum(use.answered for use in facts.models):,}", "model answers in this run"
    yield f"{sum(use.output_tokens for use in facts.models):,}", "tokens written"
    costs = [use.cost for use in facts.models if use.cost is not None]
    if costs:
        yield f"${sum(costs):,.2f}", "by the prices in the spec"
    if facts.ended > facts.started:
        yield _duration(facts.ended - facts.started), ""


def _results(record: MixtureRecord) -> list[tuple[Any, ...]]:
    """What each component was to give and gave; begins with its group where there are groups."""
    whole = max(1, record.rows)
    grouped = any(r.group for r in record.results)
    rows = []
    for r in record.results:
        share = min(1.0, r.got / r.wanted) if r.wanted else 1.0
        rows.append(
            (
                *((brief(r.group),) if grouped else ()),
                brief(r.component),
                Markup("<code>{}</code>").format(shown(r.quota, 500)),
                "all" if r.wanted is None else f"{r.wanted:,}",
                f"{r.got:,}",
                Markup('<progress max="1" value="{:.3f}"{}></progress>').format(
                    share, Markup(" class=short" if r.short else "")
                ),
                f"{r.got / whole:.1%}",
                shown(r.arithmetic, 500),
            )
        )
    return rows


def _sums(record: MixtureRecord) -> list[tuple[Any, ...]]:
    """Groups and tags with their rows; nothing where there is one group and no tag."""
    whole = max(1, record.rows)
    found = record.subtotals()
    rows = [
        (s.kind, brief(s.name or "(none)"), f"{s.rows or 0:,}", f"{(s.rows or 0) / whole:.1%}") for s in found
    ]
    return rows if len(rows) > 1 else []


def _strata(result: ComponentResult) -> list[tuple[Any, ...]]:
    return [(brief(value), f"{there:,}", f"{taken:,}") for value, there, taken in result.strata]


def _counted(report: Any) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The numbers of a step's report about several sources as a table, with its header; nothing of another report."""
    if (
        not isinstance(report, Mapping)
        or not report
        or not all(isinstance(one, Mapping) for one in report.values())
    ):
        return (), []
    names = tuple(dict.fromkeys(n for one in report.values() for n, v in one.items() if is_number(v)))
    rows = [
        (brief(source), *(f"{one[n]:,}" if is_number(one.get(n)) else "" for n in names))
        for source, one in report.items()
    ]
    return ("", *map(brief, names)), rows if names else []


def _pretty(report: Any) -> str:
    return json.dumps(report, indent=1, ensure_ascii=False)


def _measures(found: dict[str, Any]) -> list[tuple[str, ...]]:
    demands = found["demands"]
    return [
        (name, per_cent(found[name]), per_cent(demands[name]) if name in demands else "") for name in DEMANDS
    ]


def _verdicts(found: dict[str, Any]) -> list[tuple[str, ...]]:
    matrix = found["matrix"]
    return [
        (word, f"{matrix[f'right_{word}']:,}", f"{matrix[f'wrong_{word}']:,}") for word in ("passes", "fails")
    ]


def _of_values(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [(brief(value), f"{rows:,}", f"{drawn:,}") for value, (rows, drawn) in found["values"].items()]


def _title(pipeline: PipelineFacts) -> str:
    if pipeline.mixture:
        return f"Steps of mixture {pipeline.mixture} on {pipeline.name.removeprefix(pipeline.mixture + '.')}"
    return f"Pipeline {pipeline.name}"


def _drops(pipeline: PipelineFacts) -> list[tuple[Any, ...]]:
    return [
        (brief(d.step), brief(d.reason), "quarantined" if d.quarantined else "", f"{d.rows:,}")
        for d in pipeline.drops
    ]


def _models(facts: RunFacts) -> list[tuple[Any, ...]]:
    return [
        (
            brief(use.model),
            f"{use.answered:,}",
            f"{use.failed:,}",
            f"{use.prompt_tokens:,}",
            f"{use.output_tokens:,}",
            "no price stated" if use.cost is None else f"${use.cost:,.2f}",
        )
        for use in facts.models
    ]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
