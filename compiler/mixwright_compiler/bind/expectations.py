"""What a test expects, from expressions and the few words and calls of its own to what the test is held to."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mixwright_compiler.bind.called_columns import CalledColumns, checked_step
from mixwright_compiler.bind.expressions import expression_value
from mixwright_compiler.bind.json_values import json_value
from mixwright_compiler.bind.place import Place, missing_column, place_path
from mixwright_compiler.catalog.trials import SHORT
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.constants import as_type
from mixwright_compiler.load.params import constant_expression
from mixwright_compiler.program import Bound
from mixwright_compiler.schema import Columns, is_assignable, type_of_value
from mixwright_compiler.spec_tests import Ends, Expectation, HasValues, IsGolden, IsShort, IsTrue
from mixwright_compiler.suggest import listing, nearest, one_of, suggested
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.nodes import (
    Attribute,
    Call,
    Expression,
    ListNode,
    ObjectNode,
    Ref,
)
from mixwright_dsl.source import Span


@dataclass
class Expecting:
    """Binds the expectations of one test. `place` has the columns of the rows that come out; `steps` are the ids that may
    be named, `components` what can be named of a mixture, none of a pipeline."""

    place: Place
    steps: Collection[str]
    called: CalledColumns
    components: Mapping[str, tuple[str, ...]]

    def all(self, node: Expression) -> tuple[Expectation, ...]:
        """Each of a list, or the one; those with mistakes are reported and left out."""
        if isinstance(node, ListNode) and not node.items:
            self.place.findings.error(
                "MIX970", "the test expects nothing", node.span, "an empty list", hint="write `expect = kept`"
            )
        found = []
        for item in node.items if isinstance(node, ListNode) else (node,):
            try:
                found.append(self.one(item))
            except Reported:
                continue
        return tuple(found)

    def one(self, node: Expression) -> Expectation:
        """One expectation; raises Reported."""
        match node:
            case Ref(parts=("kept" | "dropped" | "quarantined",)):
                return Ends(status=node.parts[0], span=node.span)  # type: ignore[arg-type]
            case Call(function=Ref(parts=("kept" | "dropped" | "quarantined",))):
                return self._ends(node)
            case Ref(parts=(word,)) if word == SHORT and self.components:
                return IsShort(span=node.span)
            case Call(function=Ref(parts=(word,))) if word == SHORT:
                return self._short(node)
            case Call(function=Ref(parts=("golden",))):
                return self._golden(node)
            case ObjectNode():
                return self._values(node)
        written = self.called.written_with(node)
        expression = expression_value(self.place, written, "bool")
        if not expression.columns:
            raise self.place.findings.error(
                "MIX970",
                "this is the same for every row",
                node.span,
                "it reads no column, so it tests nothing",
                hint="name a column, or `render(template)`",
            )
        return IsTrue(expression=expression, node=written, span=node.span)

    # -- how rows end

    def _ends(self, node: Call) -> Ends:
        status = node.function.name
        step, because, of, count = "", "", "", None
        for argument in node.arguments:
            is_name = isinstance(argument, Ref) and not self._is_constant(argument)
            if isinstance(argument, Ref) and is_name and self._is_component(argument, status) and not of:
                of = self._component(argument)
            elif isinstance(argument, Ref) and is_name and status != "kept" and not step:
                known = self.steps if of else [*self.steps, *self.components]
                step = checked_step(self.place, argument.name, argument.span, known)
            elif count is None and not is_name:
                count = self._count(argument, status)
            else:
                raise self._wrong_call(node, argument.span)
        for keyword in node.keywords:
            if keyword.name.name != "because" or status == "kept":
                raise self._wrong_call(node, keyword.name.span)
            constant = constant_expression(self.place.world, self.place.module, keyword.value)
            because = as_type(constant, "text", "`because`", keyword.value.span, self.place.findings)
        if not node.arguments and not node.keywords:
            raise self._wrong_call(node, node.span)
        return Ends(
            status=status,  # type: ignore[arg-type]
            span=node.span,
            count=count,
            step=step,
            because=because,
            of=of,
            components=self.components.get(of, ()),
        )

    def _short(self, node: Call) -> IsShort:
        if not self.components:
            raise self.place.findings.error(
                "MIX970",
                "rows are short in a mixture alone",
                node.span,
                "this test is of no mixture",
                hint='write `test "…" of my_mixture { … }`, or `kept(2)`',
            )
        match node.arguments, node.keywords:
            case (Ref() as component,), ():
                count = None
            case (Ref() as component, written), ():
                count = self._count(written, SHORT)
            case _:
                raise self._wrong_call(node, node.span)
        of = self._component(component)
        return IsShort(span=node.span, count=count, of=of, components=self.components[of])

    def _count(self, node: Expression, word: str) -> int:
        constant = constant_expression(self.place.world, self.place.module, node)
        return int(as_type(constant, "count", f"`{word}`", node.span, self.place.findings))

    def _is_component(self, ref: Ref, status: str) -> bool:
        """Does a name mean rows of a component? A step of the same name comes first."""
        if status == "kept":
            return bool(self.components)
        return ref.name not in self.steps and ref.name in self.components

    def _component(self, ref: Ref) -> str:
        """The component or group that is named; raises Reported (MIX972)."""
        if ref.name in self.components:
            return ref.name
        near = nearest(ref.name, self.components)
        raise self.place.findings.error(
            "MIX972",
            f"`{ref.name}` is no component or group of this mixture",
            ref.span,
            f"there are: {listing(list(self.components))}",
            **suggested(near, ref.span, one_of(list(self.components))),
        )

    def _is_constant(self, ref: Ref) -> bool:
        found, _ = self.place.world.find(self.place.module, ref)
        return found is not None and found.kind in ("let", "param")

    def _wrong_call(self, node: Call, span: Span) -> Exception:
        name = node.function.name
        example = f"{name}(2)" if name == "kept" else f'{name}(my_step, because = "…")'
        what = "a number of rows" if name == "kept" else "a step, a number of rows, and `because`"
        if self.components:
            one = next(iter(self.components))
            example = f"{name}({one}, 2)"
            what = f"a component, {what}" if name != SHORT else "a component and a number of rows"
        return self.place.findings.error(
            "MIX122", f"`{name}` takes {what}", span, hint=f"for example `{example}`"
        )

    # -- values

    def _values(self, node: ObjectNode) -> HasValues:
        columns = self.place.columns or Columns(is_open=True)
        values: dict[str, Bound] = {}
        within: dict[str, float] = {}
        has_failed = False
        for item in node.body:
            if not isinstance(item, Attribute):
                raise self.place.findings.error(
                    "MIX121",
                    f"`{item.kind}` cannot stand here",
                    item.kind_span,
                    hint="write `column = value`",
                )
            name, wanted = item.name.name, columns.type_of(item.name.name)
            if wanted is None:
                missing_column(self.place, name, item.name.span)
                has_failed = True
                continue
            value, far = self._value(item.value)
            if value is not None and not is_assignable(type_of_value(value), wanted):
                self.place.findings.error(
                    "MIX123",
                    f"column `{name}` is {wanted}, and this is {type_of_value(value)}",
                    item.value.span,
                    f"of type {type_of_value(value)}",
                )
                has_failed = True
            values[name] = Bound(value=value, span=item.value.span)
            if far is not None:
                within[name] = far
        if has_failed:
            raise Reported
        if not values:
            raise self.place.findings.error(
                "MIX970",
                "the test expects nothing here",
                node.span,
                "no column",
                hint="write `{ column = … }`",
            )
        return HasValues(values=values, within=within, span=node.span)

    def _value(self, node: Expression) -> tuple[object, float | None]:
        """A value, and how far off a number may be: of `approx(0.5, 0.01)`."""
        if not (isinstance(node, Call) and node.function.parts == ("approx",)):
            return json_value(self.place, node, False), None
        if len(node.arguments) != 2 or node.keywords:
            raise self.place.findings.error(
                "MIX122",
                "`approx` takes a number and how far off it may be",
                node.span,
                hint="for example `approx(0.5, 0.01)`",
            )
        number, far = (
            as_type(
                constant_expression(self.place.world, self.place.module, argument),
                "float",
                "`approx`",
                argument.span,
                self.place.findings,
            )
            for argument in node.arguments
        )
        return number, abs(float(far))

    # -- files

    def _golden(self, node: Call) -> IsGolden:
        if not 1 <= len(node.arguments) <= 2 or node.keywords:
            raise self.place.findings.error(
                "MIX122",
                "`golden` takes a path, and a text of each row where not all is to be in it",
                node.span,
                hint='for example `golden("tests/prompt.txt", render(ask))`',
            )
        where, *text = node.arguments
        constant = constant_expression(self.place.world, self.place.module, where)
        written = as_type(constant, "path", "`golden`", where.span, self.place.findings)
        path = place_path(self.place, written, where.span, is_vouched=constant.is_vouched)
        of = expression_value(self.place, self.called.written_with(text[0]), "text") if text else None
        return IsGolden(path=path, text=of, span=node.span)
