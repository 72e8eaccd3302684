"""The report of a run as one HTML file: no scripts, no network, no links out. All text from data is escaped."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.report.curves import TrainingFacts, training_section
from runtime.report.facts import PipelineFacts, RunFacts, Sample
from runtime.report.page import TABLE_ROWS, page, table
from runtime.report.svg import funnel, histogram
from runtime.report.text import brief, shown
from runtime.verifiers.calibrate import DEMANDS, better_words
from runtime.verifiers.calibrate import shown as per_cent

if TYPE_CHECKING:
    from runtime.mixture.record import MixtureRecord

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
    body = [
        _head(facts),
        *(_mixture(record) for record in facts.mixtures),
        _calibrations(facts),
        *(_pipeline(pipeline) for pipeline in facts.pipelines[:TABLE_ROWS]),
        _models(facts),
        training_section(training) if training else "",
        _samples("Accepted rows", facts.accepted),
        _samples("Rejected rows", facts.rejected),
        _footer(facts),
    ]
    return page(f"{brief(Path(facts.spec).name)}: run {facts.run_id}", _fitting(body))


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
    text += table(("group", "component", "quota", "wanted", "got", "", "of all", "how"), rows)
    for result in (r for r in record.results if r.strata):
        values = [(brief(value), f"{there:,}", f"{taken:,}") for value, there, taken in result.strata]
        text += f"<details><summary>{brief(result.component)}: balanced over {len(values):,} values</summary>"
        text += table(("value", "available", "taken"), values) + "</details>"
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
        text += table(("measure", "found", "demanded"), values)
        rows = [
            (word, f"{matrix[f'right_{word}']:,}", f"{matrix[f'wrong_{word}']:,}")
            for word in ("passes", "fails")
        ]
        text += table(("verdict", "right by the labels", "wrong by the labels"), rows)
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
        text += "<h3>Left out</h3>" + table(("step", "reason", "", "rows"), rows)
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
    return "<section><h2>Models</h2>" + table(header, rows) + "</section>"


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


def _sentence(text: str) -> str:
    """A message for people; names in backticks become code."""
    return re.sub("`([^`<>]+)`", r"<code>\1</code>", shown(text, 2_000))


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
