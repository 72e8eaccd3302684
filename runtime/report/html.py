"""The report of a run as one HTML file: no scripts, no network, no links out. All text from data is escaped."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.report.facts import PipelineFacts, RunFacts, Sample
from runtime.report.svg import funnel, histogram, line
from runtime.report.text import brief, shown
from runtime.verifiers.calibrate import DEMANDS, better_words
from runtime.verifiers.calibrate import shown as per_cent

if TYPE_CHECKING:
    from runtime.mixture.record import MixtureRecord

SAMPLE_BYTES = 6_000
"""Escaped bytes shown of one sample; 40 samples then stay under 250 kB, and the page under 500 kB."""
TABLE_ROWS = 50
"""Rows shown of a table whose length the data decides."""

PAGE_BYTES = 480_000
"""A part that would make the page larger is left out, and the page says so."""


@dataclass(frozen=True)
class TrainingFacts:
    """A training run to show beside the data.

    curve: lines of `runtime/training/curve.py`, `step` and `loss` each. before, after: accuracy by task, 0..1.
    """

    name: str
    curve: Sequence[Mapping[str, Any]] = ()
    before: Mapping[str, float] | None = None
    after: Mapping[str, float] | None = None


def write_report(path: Path, facts: RunFacts, training: TrainingFacts | None = None) -> None:
    """Write the page, replacing an older one in one step. Under 500 kB, whatever the run's size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(report_html(facts, training), encoding="utf-8")
    os.replace(new, path)


def report_html(facts: RunFacts, training: TrainingFacts | None = None) -> str:
    """The page's text; the same facts give the same bytes."""
    body = [
        _head(facts),
        *(_mixture(record) for record in facts.mixtures),
        _calibrations(facts),
        *(_pipeline(pipeline) for pipeline in facts.pipelines[:TABLE_ROWS]),
        _models(facts),
        _training(training) if training else "",
        _samples("Accepted rows", facts.accepted),
        _samples("Rejected rows", facts.rejected),
        _footer(facts),
    ]
    title = brief(Path(facts.spec).name)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}: run {facts.run_id}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(_fitting(body))
        + "\n</main></body></html>\n"
    )


def _fitting(parts: Iterable[str]) -> list[str]:
    """The parts that fit on the page; the first that does not leaves a note."""
    fitting: list[str] = []
    size, is_cut = 0, False
    for part in parts:
        size += len(part.encode())
        if part and size <= PAGE_BYTES:
            fitting.append(part)
        elif part:
            size -= len(part.encode())
            if not is_cut:
                fitting.append('<p class="cut">Some parts are left out here to keep this page small.</p>')
            is_cut = True
    return fitting


def _head(facts: RunFacts) -> str:
    rows = sum(record.rows for record in facts.mixtures)
    selected = [f"<b>{rows:,}</b> rows selected"] if facts.mixtures else []
    answered = sum(use.answered for use in facts.models)
    tokens = sum(use.output_tokens for use in facts.models)
    costs = [use.cost for use in facts.models if use.cost is not None]
    figures = [
        *selected,
        f"<b>{answered:,}</b> model answers in this run",
        f"<b>{tokens:,}</b> tokens written",
        *([f"<b>${sum(costs):,.2f}</b> by the prices in the spec"] if costs else []),
        *([f"<b>{_duration(facts.ended - facts.started)}</b>"] if facts.ended > facts.started else []),
    ]
    status = facts.status or "not finished"
    word = status if status in ("done", "short", "stopped", "failed") else "open"
    warnings = "".join(
        f'<p class="warn">Mixture {brief(r.mixture)}: {_sentence(r.shortfall)}.</p>'
        for r in facts.mixtures
        if r.shortfall
    )
    return (
        f"<header><h1>{brief(Path(facts.spec).name)} <small>run {facts.run_id}</small> "
        f'<span class="status {word}">{brief(status)}</span></h1>'
        f'<ul class="figures">{"".join(f"<li>{figure}</li>" for figure in figures)}</ul>{warnings}</header>'
    )


def _mixture(record: MixtureRecord) -> str:
    whole = max(1, record.rows)
    rows = []
    for r in record.results:
        part = min(1.0, r.got / r.wanted) if r.wanted else 1.0
        rows.append(
            (
                brief(r.group),
                brief(r.component),
                f"<code>{shown(r.quota, 500)}</code>",
                "all" if r.wanted is None else f"{r.wanted:,}",
                f"{r.got:,}",
                f'<progress max="1" value="{part:.3f}"{" class=short" if r.short else ""}></progress>',
                f"{r.got / whole:.1%}",
                shown(r.arithmetic, 500),
            )
        )
    text = f"<section><h2>Mixture {brief(record.mixture)}</h2>"
    text += _table(("group", "component", "quota", "wanted", "got", "", "of all", "how"), rows)
    for result in (r for r in record.results if r.strata):
        values = [(brief(value), f"{there:,}", f"{taken:,}") for value, there, taken in result.strata]
        text += f"<details><summary>{brief(result.component)}: balanced over {len(values):,} values</summary>"
        text += _table(("value", "available", "taken"), values) + "</details>"
    text += "".join(f"<p>{_sentence(note)}.</p>" for note in record.notes)
    for step, report in list(record.steps.items())[:TABLE_ROWS]:
        pretty = json.dumps(report, indent=1, ensure_ascii=False)
        text += f"<details open><summary>{brief(step)}</summary><pre>{shown(pretty, 20_000)}</pre></details>"
    return text + "</section>"


def _calibrations(facts: RunFacts) -> str:
    if not facts.calibrations:
        return ""
    text = "<section><h2>Calibration</h2>"
    for node, found in list(facts.calibrations.items())[:TABLE_ROWS]:
        matrix = found["matrix"]
        text += f"<h3>{brief(node)} on {sum(matrix.values()):,} rows of {brief(found['rows'])}</h3>"
        if found["missed"]:
            text += f'<p class="warn">Below what is demanded: {brief(", ".join(found["missed"]))}.</p>'
        if found["better"]:
            text += f"<p>{brief(better_words(found['better']).replace('`', ''))}.</p>"
        values = [
            (
                name,
                per_cent(found[name]),
                per_cent(found["demands"][name]) if name in found["demands"] else "",
            )
            for name in DEMANDS
        ]
        text += _table(("measure", "found", "demanded"), values)
        rows = [
            (word, f"{matrix[f'right_{word}']:,}", f"{matrix[f'wrong_{word}']:,}")
            for word in ("passes", "fails")
        ]
        text += _table(("verdict", "right by the labels", "wrong by the labels"), rows)
        if found["unmeasurable"] or found["faults"]:
            text += (
                f"<p>{found['unmeasurable']:,} of these hold nothing to measure; {found['faults']:,} more were left out "
                "because the verifier failed on them.</p>"
            )
    return text + "</section>"


def _pipeline(pipeline: PipelineFacts) -> str:
    title = f"Pipeline {pipeline.name}"
    if pipeline.mixture:
        title = f"Steps of mixture {pipeline.mixture} on {pipeline.name.removeprefix(pipeline.mixture + '.')}"
    text = f"<section><h2>{brief(title)}</h2>"
    if pipeline.stages:
        text += funnel(pipeline.stages[:TABLE_ROWS])
    if pipeline.drops:
        rows = [
            (brief(d.step), brief(d.reason), "quarantined" if d.quarantined else "", f"{d.rows:,}")
            for d in pipeline.drops
        ]
        text += "<h3>Left out</h3>" + _table(("step", "reason", "", "rows"), rows)
    for chart in pipeline.histograms[:TABLE_ROWS]:
        text += f"<figure><figcaption>Scores of {brief(chart.step)}</figcaption>{histogram(chart)}</figure>"
    return text + "</section>"


def _models(facts: RunFacts) -> str:
    if not facts.models:
        return ""
    rows = [
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
    header = ("model", "answered", "failed", "tokens read", "tokens written", "cost")
    return "<section><h2>Models</h2>" + _table(header, rows) + "</section>"


def _training(training: TrainingFacts) -> str:
    text = f"<section><h2>Training {brief(training.name)}</h2>"
    chart = line([(float(p["step"]), float(p["loss"])) for p in training.curve], "loss by step")
    if chart:
        text += f"<figure><figcaption>Loss by step</figcaption>{chart}</figure>"
    if training.before is not None or training.after is not None:
        before, after = training.before or {}, training.after or {}
        rows = [
            (
                brief(task),
                _share(before.get(task)),
                _share(after.get(task)),
                _change(before.get(task), after.get(task)),
            )
            for task in sorted({*before, *after})
        ]
        text += "<h3>Accuracy</h3>" + _table(("task", "before", "after", "change"), rows)
    return text + "</section>"


def _samples(title: str, samples: Sequence[Sample]) -> str:
    if not samples:
        return ""
    parts = [f"<section><h2>{title} <small>{len(samples)} samples</small></h2>"]
    for sample in samples:
        why = (
            f' <span class="reason">{brief(sample.step)}: {brief(sample.reason)}</span>'
            if sample.reason
            else ""
        )
        parts.append(
            f'<article><h3>{brief(sample.pipeline)} <code title="{sample.row_id}">{sample.row_id[:12]}</code>{why}</h3>'
        )
        each = SAMPLE_BYTES // max(1, len(sample.text[:12]))
        for caption, text in sample.text[:12]:
            parts.append(
                f'<div class="turn"><b>{brief(caption)}</b><p dir="auto">{shown(text, each)}</p></div>'
            )
        for caption, text in (("why", sample.detail), ("scores", sample.scores)):
            if text and text not in ("{}", "null"):
                parts.append(
                    f"<details><summary>{caption}</summary><pre>{shown(text, 1_000)}</pre></details>"
                )
        parts.append("</article>")
    return "".join(parts) + "</section>"


def _footer(facts: RunFacts) -> str:
    versions = ", ".join(f"{brief(name)} {brief(version)}" for name, version in facts.versions.items())
    files = "".join(
        f"<li>{brief(name)} <code>{brief(digest)}</code></li>"
        for name, digest in facts.spec_files[:TABLE_ROWS]
    )
    began = datetime.fromtimestamp(facts.started, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"<footer>Began {began}. {versions}.<ul>{files}</ul></footer>"


def _table(header: Sequence[str], rows: Sequence[Iterable[str]]) -> str:
    """Cells are HTML already."""
    numeric = {"wanted", "got", "of all", "rows", "available", "taken", "answered", "failed", "tokens read"}
    numeric |= {"tokens written", "cost", "before", "after", "change"}
    classes = [" class=n" if name in numeric else "" for name in header]
    head = "".join(f"<th{c}>{name}</th>" for name, c in zip(header, classes, strict=True))
    lines = [
        "<tr>" + "".join(f"<td{c}>{cell}</td>" for cell, c in zip(row, classes, strict=True)) + "</tr>"
        for row in rows[:TABLE_ROWS]
    ]
    more = f"<p>… and {len(rows) - TABLE_ROWS:,} more.</p>" if len(rows) > TABLE_ROWS else ""
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>{more}'


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _change(before: float | None, after: float | None) -> str:
    return "–" if before is None or after is None else f"{(after - before) * 100:+.1f} points"


def _sentence(text: str) -> str:
    """A message for people; names in backticks become code."""
    return re.sub("`([^`<>]+)`", r"<code>\1</code>", shown(text, 2_000))


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


STYLE = """
:root{color-scheme:light dark;--ink:#1c2128;--soft:#5b6675;--line:#dfe3e8;--page:#fff;--card:#f6f7f9;--bar:#3b6fb6;
--lost:#e3b7a0;--good:#20744a;--bad:#b0402c}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#9aa5b4;--line:#343b45;--page:#15181d;--card:#1d2127;
--bar:#6d9fe0;--lost:#7c4a37;--good:#5fc08d;--bad:#e58a76}}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,"DejaVu Sans",sans-serif}
main{max-width:960px;margin:0 auto;padding:28px 20px}
h1{font-size:26px;margin:0 0 8px}
h2{font-size:19px;margin:36px 0 10px;border-bottom:1px solid var(--line);padding-bottom:4px}
h3{font-size:15px;margin:14px 0 6px}
small{color:var(--soft);font-weight:400}
.status{font-size:13px;padding:2px 9px;border-radius:10px;vertical-align:4px;background:var(--card);color:var(--soft)}
.status.done{color:var(--good)}
.status.failed,.status.short,.warn{color:var(--bad)}
.figures{list-style:none;display:flex;flex-wrap:wrap;gap:6px 26px;padding:0;margin:0;color:var(--soft)}
.figures b{color:var(--ink);font-size:19px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;color:var(--soft);font-weight:500}
td,th{padding:4px 10px 4px 0;border-bottom:1px solid var(--line);vertical-align:top}
td:last-child,th:last-child{padding-right:0}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code,pre{font:13px/1.45 ui-monospace,"DejaVu Sans Mono",monospace}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:6px 0}
progress{width:70px;height:8px;accent-color:var(--bar)}
progress.short{accent-color:var(--bad)}
svg{display:block;width:100%;margin:10px 0}
svg text{font:13px system-ui,"DejaVu Sans",sans-serif;fill:var(--ink)}
.bar{fill:var(--bar)}
.lost{fill:var(--lost)}
.line{fill:none;stroke:var(--bar);stroke-width:1.6}
.axis{fill:none;stroke:var(--line)}
figure{margin:14px 0}
figcaption{color:var(--soft);font-size:14px}
article{background:var(--card);border-radius:8px;padding:8px 14px 10px;margin:12px 0}
.turn{display:grid;grid-template-columns:86px 1fr;gap:10px;margin:6px 0}
.turn b{color:var(--soft);font-weight:500;overflow-wrap:anywhere}
.turn p{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}
.reason{color:var(--bad);font-weight:400}
.cut{color:var(--soft)}
details{margin:6px 0}
summary{cursor:pointer;color:var(--soft)}
footer{margin-top:40px;color:var(--soft);font-size:13px;overflow-wrap:anywhere}
"""
