"""What came out of a test, held to what it expects: a finding for each expectation that is not met."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mixwright.terminal import number_of
from mixwright.testing.golden import Golden, golden_rows, golden_text
from mixwright.testing.telling import row_name, row_notes, shown, values_notes
from mixwright_compiler.program import MixtureDecl
from mixwright_compiler.spec_tests import Ends, Expectation, HasValues, IsGolden, IsShort, IsTrue, SpecTest
from mixwright_dsl.diagnostic import Diagnostic, Label, error
from mixwright_dsl.nodes import Binary, Bool, Call, Expression, Heredoc, Null, Quantity, Text, Unary
from mixwright_dsl.source import Span

if TYPE_CHECKING:
    from mixwright_compiler.plan.plan import TemplateSpec
    from mixwright_runtime.run.trial import Ended, Tried

NEAR = 1e-9
"""How far apart two numbers may be, of the larger one, that are not whole: as far as rounding goes."""

Templates = Mapping[str, "tuple[TemplateSpec, str]"]
"""Column that stands for a rendering -> template, and role."""


def judged(test: SpecTest, found: Tried, templates: Templates, golden: Golden) -> Iterator[Diagnostic]:
    """The expectations that are not met, in their order; first of all a mixture that a run would fail for.

    Raises:
        OSError: a golden file cannot be written.
    """
    judge = _Judge(test, found, templates, golden)
    failure = judge.unforeseen()
    if failure is not None:
        yield failure
    for expected in test.expectations:
        failure = judge.failure(expected)
        if failure is not None:
            yield failure


class _Judge:
    def __init__(self, test: SpecTest, found: Tried, templates: Templates, golden: Golden) -> None:
        self.test = test
        self.found = found
        self.golden = golden
        self.kept = [row for row in found.rows if row.status == "kept"]
        self.lost = [row for row in found.rows if row.status != "kept"]
        self.subjects = self.lost if test.are_lost else self.kept
        self._columns = [(name, _rendering(*of)) for name, of in templates.items()]

    def failure(self, expected: Expectation) -> Diagnostic | None:
        match expected:
            case Ends():
                return self.ends(expected)
            case IsShort():
                return self.short(expected)
            case IsTrue():
                return self.each(expected.span, lambda row: self.untrue(expected, row))
            case HasValues():
                return self.each(expected.span, lambda row: self.other(expected, row))
            case IsGolden():
                return self.differs(expected)

    def each(self, span: Span, failure: Callable[[Ended], Diagnostic | None]) -> Diagnostic | None:
        """The first row's failure; one of its own where no row is there that could be looked at."""
        if not self.subjects:
            what = "every row was kept" if self.test.are_lost else "no row was kept"
            return self.failed(
                f"{what}, so nothing can be said of it", span, notes=self.told(self.found.rows)
            )
        return next(filter(None, map(failure, self.subjects)), None)

    # -- how rows end

    def ends(self, expected: Ends) -> Diagnostic | None:
        rows = [row for row in self.found.rows if _is_meant(row, expected)]
        matching = [row for row in rows if _is_so(row, expected)]
        words = _words(expected)
        if expected.of and not rows and expected.count is None:
            return self.failed(
                f"no row of `{expected.of}` is given, so nothing can be said of it", expected.span
            )
        if expected.count is not None:
            if len(matching) == expected.count:
                return None
            message = f"expected {number_of(expected.count, 'row')} {words}, found {len(matching)}"
            return self.failed(message, expected.span, f"{len(matching)}", notes=self.told(rows))
        started = len({row.started for row in rows}) if expected.of else self.found.started
        if expected.status == "kept":
            kept = {row.started for row in matching}
            others = [row for row in rows if row.started not in kept]
            is_met = bool(matching) and len(kept) == started
        else:
            others = [row for row in rows if not _is_so(row, expected)]
            is_met = not others and bool(matching)
        if is_met:
            return None
        count = len({row.started for row in others})
        return self.failed(
            f"expected every row {words}, and {count} of {started} {'is' if count == 1 else 'are'} not"
            if self.found.started > 1
            else f"expected the row {words}",
            expected.span,
            _instead(others),
            notes=self.told(others),
        )

    # -- what a mixture lacks

    def short(self, expected: IsShort) -> Diagnostic | None:
        lacking = sum(
            rows
            for name, rows in self.found.lacking.items()
            if not expected.of or name in expected.components
        )
        is_met = bool(lacking if expected.of else self.found.shortfall)
        if lacking == expected.count or (expected.count is None and is_met):
            return None
        return self.failed(
            f"expected `{expected.of or self.test.of}` to be short"
            + ("" if expected.count is None else f" of {number_of(expected.count, 'row')}")
            + f", and it lacks {number_of(lacking, 'row') if lacking and expected.of else 'nothing'}",
            expected.span,
            notes=self.shortfall_notes(),
        )

    def unforeseen(self) -> Diagnostic | None:
        """A shortfall that a run ends with as an error, and that the test does not speak of."""
        mixture = self.test.tested
        if self.found.shortfall is None or not isinstance(mixture, MixtureDecl):
            return None
        if any(isinstance(expected, IsShort) for expected in self.test.expectations):
            return None
        stated = mixture.attributes.get("shortfall")
        if stated is not None and stated.value != "error":
            return None
        return error(
            "MIX973",
            f"`{mixture.name}` is short of its quotas, which is an error in a run",
            self.test.name_span,
            notes=self.shortfall_notes(),
            hint="give more rows, expect `short`, or test a variant with `scale`",
        )

    def shortfall_notes(self) -> tuple[str, ...]:
        return () if self.found.shortfall is None else (self.found.shortfall,)

    # -- what rows say

    def untrue(self, expected: IsTrue, row: Ended) -> Diagnostic | None:
        from mixwright_runtime.errors import RowError
        from mixwright_runtime.values.expressions import compile_expression

        try:
            columns = self.columns(row, expected.expression.columns)
        except RowError as failed:
            return self.failed(str(failed), expected.span, "cannot be rendered", row=row)
        value = compile_expression({"tree": expected.expression.tree, "type": "bool"})(columns)
        if value is True:
            return None
        node, tree = _first_untrue(expected.node, expected.expression.tree, columns)
        said = "null" if value is None else "false"
        notes = tuple(f"`{part.span.text}` is {shown(value)}" for part, value in _parts(node, tree, columns))
        at = node.span if node.span.source is expected.span.source else expected.span
        return self.failed(f"expected this to be true{self.of(row)}", at, said, notes=notes)

    def other(self, expected: HasValues, row: Ended) -> Diagnostic | None:
        for name, bound in expected.values.items():
            value = row.columns.get(name)
            if _is_equal(bound.value, value, expected.within.get(name)):
                continue
            notes = values_notes(bound.value, value)
            return self.failed(f"`{name}` is something else{self.of(row)}", bound.span, notes=notes)
        return None

    def differs(self, expected: IsGolden) -> Diagnostic | None:
        from mixwright_runtime.errors import RowError
        from mixwright_runtime.values.expressions import compile_expression

        if expected.text is None:
            return self.golden.compared(expected, golden_rows(self.found.rows))
        evaluate = compile_expression({"tree": expected.text.tree, "type": "text"})
        try:
            texts = [evaluate(self.columns(row, expected.text.columns)) for row in self.subjects]
        except RowError as failed:
            return self.failed(str(failed), expected.span, "cannot be rendered")
        if not texts:
            return self.each(expected.span, lambda _: None)
        return self.golden.compared(expected, golden_text(["null" if t is None else str(t) for t in texts]))

    # -- what they share

    def columns(self, row: Ended, names: Sequence[str]) -> Mapping[str, Any]:
        """The columns of a row, with those that stand for renderings and scores; raises RowError."""
        more: dict[str, Any] = {
            name: rendering(row.columns) for name, rendering in self._columns if name in names
        }
        for name, step in self.test.scored.items():
            more[name] = row.scores.get(step, {}).get("score")
        return {**row.columns, **more}

    def of(self, row: Ended) -> str:
        return f" of {row_name(row)}" if self.found.started > 1 else ""

    def told(self, rows: Sequence[Ended]) -> tuple[str, ...]:
        return row_notes(rows, self.found.started)

    def failed(
        self,
        message: str,
        span: Span,
        label: str = "",
        *,
        notes: tuple[str, ...] = (),
        row: Ended | None = None,
    ) -> Diagnostic:
        secondary: tuple[Label, ...] = ()
        if row is not None and row.started < len(self.test.given_spans) and self.found.started > 1:
            secondary = (Label(self.test.given_spans[row.started], "this row"),)
        return error("MIX973", message, span, label, notes=notes, secondary=secondary)


def _rendering(template: TemplateSpec, role: str) -> Callable[[Mapping[str, Any]], str]:
    from mixwright_runtime.values.templates import compile_template

    render = compile_template(template)

    def rendered(columns: Mapping[str, Any]) -> str:
        messages = [m for m in render(columns).messages if not role or m["role"] == role]
        return "\n\n".join(message["content"] for message in messages)

    return rendered


def _is_so(row: Ended, expected: Ends) -> bool:
    return (
        row.status == expected.status
        and (not expected.step or row.step == expected.step)
        and (not expected.because or expected.because in f"{row.reason} {shown(row.detail, 10_000)}")
    )


def _is_meant(row: Ended, expected: Ends) -> bool:
    return not expected.of or row.component in expected.components


def _words(expected: Ends) -> str:
    of = f"of `{expected.of}` " if expected.of else ""
    by = f" by `{expected.step}`" if expected.step else ""
    because = f" because of `{expected.because}`" if expected.because else ""
    return f"{of}to be {expected.status}{by}{because}"


def _instead(rows: Sequence[Ended]) -> str:
    found = dict.fromkeys(f"{row.status}: {row.reason}" if row.step else row.status for row in rows)
    return ", ".join(found)


def _is_equal(expected: Any, found: Any, within: float | None) -> bool:
    """Are two values the same? Numbers that are not whole as far as rounding goes, or as is written."""
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, int | float) and isinstance(found, int | float):
        if within is not None:
            return abs(expected - found) <= within
        return expected == found or (
            isinstance(expected + found, float) and math.isclose(expected, found, rel_tol=NEAR)
        )
    if isinstance(expected, list) and isinstance(found, list | tuple):
        return len(expected) == len(found) and all(map(_is_equal, expected, found, [within] * len(expected)))
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return expected.keys() == found.keys() and all(
            _is_equal(value, found[name], within) for name, value in expected.items()
        )
    return bool(expected == found)


def _first_untrue(node: Expression, tree: Any, columns: Mapping[str, Any]) -> tuple[Expression, Any]:
    """Of `a and b` the first that is not true, however deep."""
    from mixwright_runtime.values.expressions import compile_expression

    while isinstance(node, Binary) and node.operator == "and":
        left = compile_expression({"tree": tree[2]})(columns)
        node, tree = (node.left, tree[2]) if left is not True else (node.right, tree[3])
    return node, tree


def _parts(node: Expression, tree: Any, columns: Mapping[str, Any]) -> Iterator[tuple[Expression, Any]]:
    """What stands in an expression, each part with its value; literals say themselves."""
    from mixwright_runtime.values.expressions import compile_expression

    inner: Sequence[Expression] = ()
    match node:
        case Binary():
            inner = (node.left, node.right)
        case Unary(operand=Call() as call) if tree[0] == "op":
            yield from _parts(call, tree[2], columns)
            return
        case Unary():
            inner = (node.operand,)
        case Call():
            inner = node.arguments
    if not inner:
        yield node, compile_expression({"tree": tree})(columns)
        return
    for part, of in zip(inner, tree[2:], strict=False):
        if not isinstance(part, Text | Quantity | Bool | Null | Heredoc):
            yield part, compile_expression({"tree": of})(columns)
