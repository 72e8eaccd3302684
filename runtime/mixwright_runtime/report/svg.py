"""Small charts as inline SVG, made of numbers and of names that `brief` escaped. They use the page's colours through CSS
classes; all numbers are finite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mixwright_runtime.facts.pipelines import Stage
from mixwright_runtime.report.text import brief
from mixwright_runtime.store.counts import ScoreBins

WIDTH = 720
"""Of every chart in CSS pixels; it shrinks with the page."""


def funnel(stages: Sequence[Stage]) -> Markup:
    """A bar for the rows that enter a pipeline and one for what leaves each step; light parts were left out there."""
    bar, gap, left, right = 22, 8, 190, 150
    largest = (
        max([stages[0].rows_in, *(s.rows_out + s.dropped + s.quarantined for s in stages)], default=0) or 1
    )
    scale = (WIDTH - left - right) / largest
    parts = [_bar_row(0, left, bar, "start", stages[0].rows_in, 0, scale, f"{stages[0].rows_in:,} rows")]
    for number, stage in enumerate(stages, start=1):
        lost = stage.dropped + stage.quarantined
        label = f"{stage.rows_out:,}" + (f" (−{lost:,})" if lost else "")
        if stage.forked:
            label += f" (+{stage.forked:,})"
        parts.append(
            _bar_row(number * (bar + gap), left, bar, stage.step, stage.rows_out, lost, scale, label)
        )
    return _svg((len(stages) + 1) * (bar + gap), "rows after each step", parts)


def histogram(of: ScoreBins) -> Markup:
    """A histogram with the range under it and the largest count above."""
    height, base = 110, 86
    largest = max(of.counts) or 1
    wide = WIDTH / 2 / len(of.counts)
    parts = [
        f'<rect class="bar" x="{i * wide + 0.5:.1f}" y="{base - n / largest * 70:.1f}" width="{max(wide - 1, 1):.1f}" '
        f'height="{n / largest * 70:.1f}"><title>{n:,}</title></rect>'
        for i, n in enumerate(of.counts)
    ]
    parts.append(f'<text x="0" y="{base + 16}">{of.low:g}</text>')
    parts.append(f'<text x="{WIDTH / 2:.0f}" y="{base + 16}" text-anchor="end">{of.high:g}</text>')
    parts.append(f'<text x="0" y="11">most in a bar: {largest:,}</text>')
    return _svg(height, f"scores of {of.step}", parts, width=WIDTH // 2 + 2)


def line(points: Sequence[tuple[float, float]], label: str, *, width: int = WIDTH) -> Markup:
    """A line through (x, y) points, at most 400 of them, each the mean of its neighbourhood. Others are left out
    when they are not finite numbers; fewer than two leave nothing to draw."""
    points = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    if len(points) < 2:
        return Markup()
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    size = math.ceil(len(points) / 400)
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    points = [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]
    (x0, x1), (y0, y1) = ((min(v), max(v)) for v in zip(*points, strict=True))
    # The longest number at the axis is like 1.234e-05.
    left, top, wide, high = 72, 8, width - 82, 150 if width == WIDTH else 110

    def place(x: float, y: float) -> str:
        across = (x - x0) / (x1 - x0) if x1 > x0 else 0.0
        up = (y - y0) / (y1 - y0) if y1 > y0 else 0.5
        return f"{left + across * wide:.1f},{top + (1 - up) * high:.1f}"

    bottom = top + high
    parts = [
        f'<path class="axis" d="M{left} {top}V{bottom}H{left + wide}"/>',
        f'<polyline class="line" points="{" ".join(place(x, y) for x, y in points)}"/>',
        f'<text x="{left - 6}" y="{top + 9}" text-anchor="end">{y1:.4g}</text>',
        f'<text x="{left - 6}" y="{bottom}" text-anchor="end">{y0:.4g}</text>',
        f'<text x="{left}" y="{bottom + 16}">{first:g}</text>',
        f'<text x="{left + wide}" y="{bottom + 16}" text-anchor="end">{last:g}</text>',
    ]
    return _svg(bottom + 24, label, parts, width=width)


@dataclass(frozen=True)
class Dots:
    """Values of one line of a dot picture, and their mean."""

    name: str
    values: tuple[float, ...]
    mean: float


def dots(lines: Sequence[Dots], label: str, *, mark: float, scale: float = 1.0, unit: str = "") -> Markup:
    """A line of dots for each name, with its mean, around a vertical line at `mark`. Numbers are shown times `scale`."""
    left, right, row, top = 190, 20, 26, 6
    everything = [value for line_ in lines for value in (*line_.values, line_.mean)] + [mark]
    low, high = min(everything), max(everything)
    margin = (high - low) * 0.08 or 0.01 * max(abs(high), 1e-9)
    low, high = low - margin, high + margin
    wide = WIDTH - left - right

    def across(value: float) -> float:
        return left + (value - low) / (high - low) * wide

    bottom = top + row * len(lines)
    parts = [
        f'<path class="axis" d="M{left} {bottom}H{left + wide}"/>',
        f'<line class="base" x1="{across(mark):.1f}" x2="{across(mark):.1f}" y1="{top}" y2="{bottom}"/>',
    ]
    for number, line_ in enumerate(lines):
        middle = top + row * (number + 0.5)
        name = line_.name if len(line_.name) <= 24 else line_.name[:23] + "…"
        parts.append(
            f'<text x="{left - 10}" y="{middle + 4:.1f}" text-anchor="end">{brief(name)}'
            f"<title>{brief(line_.name)}</title></text>"
        )
        parts += [
            f'<circle class="dot" cx="{across(value):.1f}" cy="{middle:.1f}" r="5">'
            f"<title>{value * scale:.4g}{unit}</title></circle>"
            for value in line_.values
        ]
        x = across(line_.mean)
        parts.append(
            f'<line class="mean" x1="{x:.1f}" x2="{x:.1f}" y1="{middle - 8:.1f}" y2="{middle + 8:.1f}">'
            f"<title>{line_.mean * scale:.4g}{unit}</title></line>"
        )
    for value, anchor, x in ((low, "start", left), (high, "end", left + wide)):
        parts.append(
            f'<text x="{x}" y="{bottom + 16}" text-anchor="{anchor}">{value * scale:.4g}{unit}</text>'
        )
    return _svg(bottom + 22, label, parts)


def _bar_row(y: int, left: int, high: int, step: str, rows: int, lost: int, scale: float, label: str) -> str:
    kept, gone = rows * scale, lost * scale
    middle = y + high * 0.7
    short = step if len(step) <= 26 else step[:25] + "…"
    return (
        f'<text x="{left - 8}" y="{middle:.1f}" text-anchor="end">{brief(short)}<title>{brief(step)}</title></text>'
        f'<rect class="bar" x="{left}" y="{y}" width="{max(kept, 1):.1f}" height="{high}"/>'
        f'<rect class="lost" x="{left + kept:.1f}" y="{y}" width="{gone:.1f}" height="{high}"/>'
        f'<text x="{left + kept + gone + 8:.1f}" y="{middle:.1f}">{label}</text>'
    )


def _svg(height: float, label: str, parts: Sequence[str], *, width: int = WIDTH) -> Markup:
    return Markup(
        f'<svg role="img" aria-label="{brief(label)}" viewBox="0 0 {width} {height:.0f}" '
        f'style="max-width:{width}px">{"".join(parts)}</svg>'
    )
