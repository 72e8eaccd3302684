"""Expected work of a plan, before it runs: rows, requests and tokens per step.

Rows. A step turns `rows_in` into `rows_out = rows_in * yield`. The yield is the one observed in the last run of the
same rows, else what the attributes alone say: `samples` for `generate`, the most items for `each`, 1 / (rows made of
one) for a verifier that picks one of them and for a `fold`, what `count` or `top` keep for `select`, 1 for everything
else. A step that was never run is thus
taken to drop nothing, so a first plan's figures are a *lower* bound of the work where a quota must be met, and an
*upper* bound where all rows are taken.

    rows_started = rows * repeat                                     where everything is wanted
    rows_started = min(rows * repeat, quota / product of yields)     where a mixture wants `quota` rows
    rows_started = rows * repeat                                     where a step decides once, on all rows
    requests     = rows_in * questions of a row                      as it declares them
                                                                     (`mixwright_compiler.catalog.traits`); retries
                                                                     and cached answers are not counted
                   + rows_in * calls of a tool * its questions       as often as the step may call it

A loop. Of `rows_in` rows that come to it so many enter a round, each with a yield `y` of the body's steps together:

    rounds    = rows_in * times                                      failed = again
    rounds    = rows_in * (1 + y + ... + y^(times - 1))              failed = end
    rows_out  = rounds * y                                           emit = passed, and rows_in with start = keep
    rows_out  = rows_in * (1 - (1 - y)^times), or rows_in * y        emit = last, failed = again or end

A row that is done earlier (`until`) is not known before a run, so that these are upper bounds.

Tokens. Four characters count as one token, the usual figure for English.

    prompt_tokens = requests * (template characters + characters of its columns) / 4 + 4 per message
    output_tokens = requests * max_tokens                            an upper bound, unless observed

A column is as long as the lock measured it on average, one that a model writes as long as its answers may get, any other
`UNKNOWN_CHARACTERS`. Whatever cannot be known is None, and so is what follows from it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from mixwright_compiler.catalog.traits import RowRequests
from mixwright_compiler.plan.plan import Component, Estimate, Mixture, Pipeline, Plan, Step
from mixwright_compiler.plan.questions import questions_of_tools
from mixwright_compiler.plan.quota_rows import component_rows, mixture_rows
from mixwright_dsl.lazy_dataclass import dataclass, field

SELECTIONS = "select"
"""The family of steps that keep a `count` of rows, or a part of them, `top`."""
CHARACTERS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4
"""Chosen. What a chat template adds around a message: role and separators."""
UNKNOWN_CHARACTERS = 200
"""Length of a text column that was never measured. Chosen."""

_JINJA = re.compile(r"\{[{%#].*?[}%#]\}", re.DOTALL)


@dataclass(frozen=True)
class Observed:
    """What earlier runs measured, by node `pipeline.step`.

    yields: rows out per row in. prompt_tokens, output_tokens: mean per request.
    """

    yields: Mapping[str, float] = field(default_factory=dict)
    prompt_tokens: Mapping[str, float] = field(default_factory=dict)
    output_tokens: Mapping[str, float] = field(default_factory=dict)


def estimates(
    plan: Plan,
    characters: Mapping[str, Mapping[str, float]] | None = None,
    observed: Observed | None = None,
    mixtures: Iterable[str] | None = None,
) -> tuple[Estimate, ...]:
    """Estimates of every pipeline (`pipeline.from`, then its steps) and mixture component (`mixture.component`).

    Args:
        characters: source -> column -> mean length in code points.
        mixtures: the mixtures that are wanted; `plan.mixtures_to_run()` without it. Pipelines serve them together: the
            largest demand counts, for they share rows. A pipeline that no mixture takes rows of does not run, and
            has no estimates, unless the plan has no mixture at all.
    """
    return _Estimation(plan, characters or {}, observed or Observed(), mixtures).all()


class _Estimation:
    def __init__(
        self,
        plan: Plan,
        characters: Mapping[str, Mapping[str, float]],
        observed: Observed,
        mixtures: Iterable[str] | None,
    ) -> None:
        self.plan = plan
        self.characters = characters
        self.observed = observed
        names = plan.mixtures_to_run() if mixtures is None else mixtures
        self.mixtures = [plan.mixtures[name] for name in names]
        self.kept: dict[str, float | None] = {}
        """Pipeline or mixture -> rows that leave it."""
        self.lengths: dict[str, dict[str, float]] = {}
        """Pipeline -> mean characters of its columns."""

    def all(self) -> tuple[Estimate, ...]:
        # Forwards what there could be, since quotas depend on it; backwards what is wanted; forwards what is started.
        ordered = self.plan.pipelines_in_order()
        for pipeline in ordered:
            self.note_rows(pipeline)
        demand = self.demand()
        found: list[Estimate] = []
        for pipeline in ordered:
            if not self.mixtures or pipeline.name in demand:
                found.extend(self.pipeline(pipeline, demand.get(pipeline.name)))
        for mixture in self.with_nested():
            found.extend(self.mixture(mixture))
        return tuple(found)

    def with_nested(self) -> list[Mixture]:
        """The mixtures wanted and those inside them, the inner ones first."""
        ordered: dict[str, Mixture] = {}

        def visit(mixture: Mixture) -> None:
            for component in mixture.components:
                if component.kind == "mixture" and component.rows not in ordered:
                    visit(self.plan.mixtures[component.rows])
            ordered[mixture.name] = mixture

        for mixture in self.mixtures:
            visit(mixture)
        return list(ordered.values())

    def note_rows(self, pipeline: Pipeline) -> None:
        """Note the rows that would leave a pipeline if everything were started once."""
        rows = self.rows_of(pipeline.start.rows)
        if rows is not None and pipeline.start.limit is not None:
            rows = min(rows, pipeline.start.limit)
        self.kept[pipeline.name] = None if rows is None else rows * self.yield_of(pipeline)

    def rows_of(self, name: str) -> float | None:
        """Rows of a source, pipeline or mixture as far as they are known."""
        if name in self.kept:
            return self.kept[name]
        source = self.plan.sources.get(name)
        if source is None:
            mixture = self.plan.mixtures.get(name)
            return mixture_rows(mixture, self.rows_of) if mixture else None
        if source.pin is not None and source.pin.selected is not None:
            return source.pin.selected
        if source.where is not None:
            return None  # nobody has counted what it lets in
        rows: float | None = source.pin.rows if source.pin else None
        entry = self.plan.catalog.entries.get(f"source.{source.kind}")
        if entry is not None and entry.is_empty:
            rows = 1
        elif entry is not None and entry.rows_in:
            rows = len(source.attributes[entry.rows_in])
        limit = source.attributes.get("limit")
        return rows if limit is None or rows is None else min(rows, limit)

    def yield_of(self, pipeline: Pipeline) -> float:
        """Rows that leave a pipeline per row that is started."""
        of_one = self.rows_of_one(pipeline)
        return next((of_one[step.id][1] for step in reversed(pipeline.steps) if not step.inside), 1.0)

    def rows_of_one(self, pipeline: Pipeline) -> dict[str, tuple[float, float]]:
        """Step -> rows that come to it and that leave it, per row that is started."""
        closed = {group.closed_by: group.samples for group in pipeline.groups if group.closed_by}
        found: dict[str, tuple[float, float]] = {}

        def walk(inside: str, rows: float) -> float:
            for step in pipeline.steps:
                if step.inside != inside:
                    continue
                observed = self.observed.yields.get(f"{pipeline.name}.{step.id}")
                if step.traits.loops:
                    found[step.id] = (rows, rows)  # in its place, in front of its body
                    passed = walk(step.id, 1.0)
                    entered, out = _rounds(step, passed)
                    for other in pipeline.steps:
                        if step in pipeline.around(other):
                            before, behind = found[other.id]
                            found[other.id] = (before * rows * entered, behind * rows * entered)
                    out = rows * (out if observed is None else observed)
                elif observed is not None:
                    out = rows * observed
                elif step.operation.partition(".")[0] == SELECTIONS:
                    out = self.selected(pipeline, step, rows)
                else:
                    out = rows / closed[step.id] if step.id in closed else rows * step.traits.candidates
                found[step.id] = (rows, out)
                rows = out
            return rows

        walk("", 1.0)
        return found

    def selected(self, pipeline: Pipeline, step: Step, rows: float) -> float:
        """Rows that a `select` keeps of so many, both per row that is started."""
        count, share = step.attributes.get("count"), step.attributes.get("top")
        if count is None:
            return rows * (1.0 if share is None else share)
        started = self.all_rows(pipeline)
        return rows if not started else min(rows, count / started)

    def all_rows(self, pipeline: Pipeline) -> float | None:
        """Rows that a pipeline can start."""
        rows = self.rows_of(pipeline.start.rows)
        if rows is None:
            return None
        return (
            rows if pipeline.start.limit is None else min(rows, pipeline.start.limit)
        ) * pipeline.start.repeat

    def demand(self) -> dict[str, float | None]:
        """Pipeline -> rows that must leave it, None for all it can make; one that is not in it is not wanted."""
        wanted: dict[str, float | None] = {}

        def asked(mixture: Mixture, component: Component) -> float | None:
            is_all = component.quota.kind == "all"
            return None if is_all else component_rows(mixture, component, self.rows_of)

        def ask(name: str, rows: float | None) -> None:
            mixture = self.plan.mixtures.get(name)
            if mixture is not None:
                for component in mixture.components:
                    ask(component.rows, asked(mixture, component))
            elif name in self.plan.pipelines:
                known = wanted.get(name, 0.0)
                wanted[name] = None if rows is None or known is None else max(known, rows)

        for mixture in self.mixtures:
            for component in mixture.components:
                ask(component.rows, asked(mixture, component))
        # Backwards: those that start from a pipeline have all asked when its turn comes.
        for pipeline in reversed(self.plan.pipelines_in_order()):
            if pipeline.name in wanted:
                rows = wanted[pipeline.name]
                needed = (
                    None if rows is None or _takes_all(pipeline) else _divided(rows, self.yield_of(pipeline))
                )
                ask(pipeline.start.rows, needed)
                for drawn in pipeline.draws:
                    ask(drawn.rows, drawn.limit)
        return wanted

    def pipeline(self, pipeline: Pipeline, demand: float | None) -> list[Estimate]:
        start = pipeline.start
        available = self.rows_of(start.rows)
        if available is not None and start.limit is not None:
            available = min(available, start.limit)
        rows = self.all_rows(pipeline)
        if demand is not None and not _takes_all(pipeline):
            needed = _divided(demand, self.yield_of(pipeline))
            most = math.inf if available is None else available * start.repeat
            rows = min(needed, most) if min(needed, most) < math.inf else None
        found = [_estimate(f"{pipeline.name}.from", available, rows)]
        lengths = dict(self.lengths.get(start.rows) or self.characters.get(start.rows) or {})
        of_one = self.rows_of_one(pipeline)
        for step in pipeline.steps:
            come, leave = (None, None) if rows is None else (rows * count for count in of_one[step.id])
            found.append(self.step(f"{pipeline.name}.{step.id}", step, come, leave, lengths))
        self.kept[pipeline.name] = None if rows is None else rows * self.yield_of(pipeline)
        self.lengths[pipeline.name] = lengths
        return found

    def step(
        self, node: str, step: Step, rows: float | None, out: float | None, lengths: dict[str, float]
    ) -> Estimate:
        of_tools = questions_of_tools(self.plan, step)
        if not step.traits.asks and not of_tools:
            return _estimate(node, rows, out, 0.0, 0.0, 0.0)
        found: list[tuple[RowRequests, float, float]] = []
        # What a tool is called with is nobody's column.
        known_to = [
            *((question, _called(lengths, step)) for question in step.traits.asks),
            *((question, {}) for question in of_tools),
        ]
        for question, known in known_to:
            written = self.observed.output_tokens.get(node, float(question.max_tokens))
            prompt = self.observed.prompt_tokens.get(node)
            if prompt is None:
                shares = question.templates or {question.template: 1.0}
                prompt = sum(part * self.prompt_tokens(name, known) for name, part in shares.items())
                before = sum(lengths.get(name, UNKNOWN_CHARACTERS) for name in question.before)
                prompt += before / CHARACTERS_PER_TOKEN
            if question.writes:
                lengths[question.writes] = written * CHARACTERS_PER_TOKEN
            found.append((question, prompt, written))
        if rows is None:
            return _estimate(node, rows, out, None, None, None)
        return _estimate(
            node,
            rows,
            out,
            rows * sum(question.requests for question, _, _ in found),
            rows * sum(question.requests * prompt for question, prompt, _ in found),
            rows * sum(question.requests * written for question, _, written in found),
        )

    def prompt_tokens(self, template: str, lengths: Mapping[str, float]) -> float:
        """Tokens of one rendered prompt."""
        spec = self.plan.templates.get(template)
        if spec is None:
            return UNKNOWN_CHARACTERS / CHARACTERS_PER_TOKEN
        fixed = sum(len(_JINJA.sub("", message.text)) for message in spec.messages)
        columns = sum(lengths.get(name, UNKNOWN_CHARACTERS) for name in spec.inputs)
        return (fixed + columns) / CHARACTERS_PER_TOKEN + TOKENS_PER_MESSAGE * len(spec.messages)

    def mixture(self, mixture: Mixture) -> list[Estimate]:
        found = []
        for component in mixture.components:
            available = self.rows_of(component.rows)
            wanted = component_rows(mixture, component, self.rows_of)
            found.append(_estimate(f"{mixture.name}.{component.rows}", available, wanted))
        self.kept[mixture.name] = mixture_rows(mixture, self.rows_of)
        return found


def _takes_all(pipeline: Pipeline) -> bool:
    """Some step decides on all rows at once: whatever is wanted, all are started."""
    return any(step.traits.needs_all_rows for step in pipeline.steps)


def _rounds(loop: Step, passed: float) -> tuple[float, float]:
    """Rounds that one row enters, and rows that leave the loop of it, where a round lets so many pass."""
    times, again = int(loop.attributes["times"]), loop.attributes["failed"] == "again"
    entered = float(times) if again else math.fsum(passed**n for n in range(times))
    start = loop.attributes["start"] == "keep"
    if loop.attributes["emit"] == "last":
        out = 1 - (1 - min(1.0, passed)) ** times if again else min(1.0, passed)
        return entered, out + start
    return entered, entered * passed + start


def _called(lengths: Mapping[str, float], step: Step) -> Mapping[str, float]:
    """Lengths of columns by the names that a step's templates have for them."""
    if not step.names:
        return lengths
    return {**lengths, **{name: lengths[column] for name, column in step.names.items() if column in lengths}}


def _divided(rows: float, yield_: float) -> float:
    """Rows to start for `rows` to survive; infinity where none did so far."""
    # Less a little: 21 / 0.7 is above 30 in floats.
    return math.ceil(rows / yield_ - 1e-9) if yield_ > 0 else math.inf


def _estimate(
    node: str,
    rows_in: float | None,
    rows_out: float | None,
    requests: float | None = 0.0,
    prompt_tokens: float | None = 0.0,
    output_tokens: float | None = 0.0,
) -> Estimate:
    def whole(number: float | None) -> int | None:
        return None if number is None else round(number)

    return Estimate(
        node=node,
        rows_in=whole(rows_in),
        rows_out=whole(rows_out),
        requests=whole(requests),
        prompt_tokens=whole(prompt_tokens),
        output_tokens=whole(output_tokens),
    )
