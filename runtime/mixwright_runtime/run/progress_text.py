"""A run at one moment, in words: one line for logs, and a block with a bar a quota and a line a model for terminals."""

from __future__ import annotations

from collections.abc import Sequence

from mixwright_dsl.visible import width
from mixwright_runtime.calls.service import Service
from mixwright_runtime.engines.replicas import not_answering
from mixwright_runtime.run.live import clipped, one_line
from mixwright_runtime.run.pace import Quota
from mixwright_runtime.run.quotas import quotas_of
from mixwright_runtime.run.run import Run

FULL, EMPTY = "█", "░"
EIGHTHS = " ▏▎▍▌▋▊▉"
SHORTEST_BAR, LONGEST_BAR = 5, 50
LOGGED_QUOTAS = 3
"""In a line of a log: the least filled."""


def line_of(run: Run, columns: int | None = None) -> str:
    """The run in one line of plain text, of at most `columns`: what is left to do stays, the last parts go."""
    parts = _state(run)
    lacking = sorted((q for q in quotas_of(run) if q.share is None or q.share < 1), key=_by_share)
    shown = [f"{q.component} {_amount(q)}" for q in lacking[:LOGGED_QUOTAS]]
    if len(lacking) > LOGGED_QUOTAS:
        shown.append(f"{len(lacking) - LOGGED_QUOTAS} other quotas")
    parts += [", ".join(shown)] if shown else []
    parts += [f"{name}: {', '.join(_rates(service))}" for name, service in _asked(run)]
    return _joined(parts, columns)


def block_of(run: Run, columns: int, rows: int) -> list[str]:
    """The run in at most `rows` lines of at most `columns`: how it stands, a bar a quota, a line a model."""
    quotas, models = quotas_of(run), _asked(run)
    labels = _labels(quotas)
    # A third for models, what they leave for quotas: bars tell how far it is.
    most_models = max(1, rows // 3)
    room = rows - 1 - min(len(models), most_models)
    broad = max((width(label) for label in [*labels, *(one_line(name) for name, _ in models)]), default=0)
    broad = min(broad, columns // 3)
    lines = [_joined(_state(run), columns)]
    lines += _bars(quotas, labels, columns, room, broad)
    lines += _model_lines(models, columns, most_models, broad)
    return lines[:rows]


def span(seconds: float) -> str:
    """`45 s`, `12 min`, `2.4 h`."""
    return " ".join(_measured(seconds))


def span_between(low: float, high: float) -> str:
    """`12 to 18 min`, `80 s to 2 min`."""
    (least, unit), (most, last) = _measured(low), _measured(high)
    if (least, unit) == (most, last):
        return f"{least} {unit}"
    return f"{least} to {most} {unit}" if unit == last else f"{least} {unit} to {most} {last}"


def _measured(seconds: float) -> tuple[str, str]:
    if seconds < 90:
        return f"{seconds:.0f}", "s"
    minutes = seconds / 60
    return (f"{minutes:.0f}", "min") if minutes < 90 else (f"{minutes / 60:.1f}", "h")


def _state(run: Run) -> list[str]:
    started = sum(pipeline.executor.started for pipeline in run.runs.values())
    kept = sum(outcomes.kept for outcomes in run.outcomes.values())
    dropped = sum(outcomes.dropped for outcomes in run.outcomes.values())
    quarantined = sum(outcomes.quarantined for outcomes in run.outcomes.values())
    counts = run.calls.counts.values()
    parts = []
    left = run.pace.left()
    if run.stop.reason:
        parts.append(f"stopping: {run.stop.reason}")
    elif left is not None:
        parts.append(f"{span_between(*left)} left")
    elif run.pace.least is not None:
        parts.append(f"more than {span(run.pace.least)} left")
    parts.append(f"{span(run.spending.seconds)} so far")
    if run.spending.limit.cost is not None:
        parts.append(f"{_dollars(run.spending.cost)} of {_dollars(run.spending.limit.cost)}")
    parts.append(f"{kept:,} kept of {started:,} started")
    if dropped:
        parts.append(f"{dropped:,} dropped")
    if quarantined:
        parts.append(f"{quarantined:,} quarantined")
    if reused := sum(c.reused for c in counts):
        parts.append(f"{reused:,} answers reused")
    if failed := sum(c.failed for c in counts):
        parts.append(f"{failed:,} failed")
    parts.append(f"{run.calls.in_flight} in flight")
    return parts


def _joined(parts: Sequence[str], columns: int | None) -> str:
    """Parts in a line; the last ones go where it is too long, and the end of the first where that alone is."""
    shown = [one_line(part) for part in parts]
    if columns is None:
        return " · ".join(shown)
    while len(shown) > 1 and width(" · ".join(shown)) > columns:
        shown.pop()
    return clipped(" · ".join(shown), columns)


def _labels(quotas: Sequence[Quota]) -> list[str]:
    """The component's name; with its mixture's where there are several."""
    of_several = len({quota.mixture for quota in quotas}) > 1
    return [
        one_line(f"{quota.mixture}.{quota.component}" if of_several else quota.component) for quota in quotas
    ]


def _by_share(quota: Quota) -> float:
    return -1.0 if quota.share is None else quota.share


def _amount(quota: Quota) -> str:
    return f"{quota.there:,} of {'all' if quota.wanted is None else f'{quota.wanted:,}'}"


def _bars(quotas: Sequence[Quota], labels: Sequence[str], columns: int, room: int, broad: int) -> list[str]:
    """A line a quota; of more than there is room for the least filled, and how many others there are."""
    chosen = list(range(len(quotas)))
    others = 0
    if len(quotas) > room:
        chosen.sort(key=lambda number: _by_share(quotas[number]))
        others = len(quotas) - max(0, room - 1)
        chosen = chosen[: max(0, room - 1)]
    amounts = [_amount(quotas[number]) for number in chosen]
    numbers = max(map(len, amounts), default=0)
    lines = []
    for number, amount in zip(chosen, amounts, strict=True):
        label = clipped(labels[number], broad)
        label += " " * (broad - width(label))
        share = quotas[number].share
        # Whole per cents, and 100 only for what is full.
        percent = f"{int(share * 100):3d}%" if share is not None else "    "
        size = min(LONGEST_BAR, columns - broad - numbers - len(percent) - 6)
        bar = f"{_bar(share or 0.0, size)}  " if size >= SHORTEST_BAR else ""
        lines.append(clipped(f"{label}  {bar}{percent}  {amount}", columns))
    if others:
        full = sum(quota.share == 1 for quota in quotas) - sum(quotas[n].share == 1 for n in chosen)
        told = f"{others} {'other quotas' if chosen else 'quotas'}"
        lines.append(clipped(told + (f", {full} of them full" if full else ""), columns))
    return lines


def _bar(share: float, size: int) -> str:
    eighths = int(share * size * 8)
    whole, part = divmod(eighths, 8)
    bar = FULL * whole + (EIGHTHS[part] if part else "")
    return bar + EMPTY * (size - len(bar))


def _asked(run: Run) -> list[tuple[str, Service]]:
    """The models that were asked in this run, or are being."""
    return [(name, s) for name, s in run.calls.services.items() if s.used.requests or s.admission.gate.in_use]


def _model_lines(models: Sequence[tuple[str, Service]], columns: int, most: int, broad: int) -> list[str]:
    others = len(models) - max(0, most - 1) if len(models) > most else 0
    busy = sorted(models, key=lambda one: -(one[1].used.recent_requests.a_second or 0))
    lines = []
    for name, service in models if not others else busy[: len(models) - others]:
        label = clipped(one_line(name), broad)
        rates = _joined(_rates(service), columns - broad - 2)
        lines.append(clipped(f"{label}{' ' * (broad - width(label))}  {rates}", columns))
    if others:
        lines.append(clipped(f"{others} {'other models' if lines else 'models'}", columns))
    return lines


def _rates(service: Service) -> list[str]:
    """Requests and tokens in a second, dollars where they are known, what it is waiting for."""
    used = service.used
    parts = []
    requests, tokens = used.recent_requests.a_second, used.recent_tokens.a_second
    if used.requests and requests is not None and tokens is not None:
        parts = [f"{_rate(requests)} requests/s", f"{_rate(tokens)} tokens/s"]
    if service.is_priced:
        parts.append(_dollars(used.cost))
    if service.admission.pause_s > 0:
        parts.append(f"paused for {span(service.admission.pause_s)}, as the server asks")
    parts.append(f"{service.admission.gate.in_use} in flight")
    if aside := not_answering(service.engine):
        parts.append(aside)
    return parts


def _rate(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 1 else f"{number:.2f}"


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 0.1 or not amount else f"${amount:.4f}"
