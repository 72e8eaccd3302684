"""`render(template)` and `score(step)` in what a test expects: columns that only tests have."""

from __future__ import annotations

from collections.abc import Collection

from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.findings import Reported
from mixwright_compiler.program import TemplateDecl
from mixwright_compiler.schema import Columns
from mixwright_compiler.suggest import listing, nearest, one_of, suggested
from mixwright_compiler.templates.messages import ROLES, check_use
from mixwright_dsl.lazy_dataclass import dataclass, field, replace
from mixwright_dsl.nodes import Binary, Call, Expression, ListNode, Ref, Text, Unary
from mixwright_dsl.source import Span


@dataclass
class CalledColumns:
    """Puts columns in the place of calls. `place` has the columns of the rows, and gets these; `measured` are the ids of
    verifiers. rendered, scored: see `mixwright_compiler.spec_tests.SpecTest`."""

    scope: Scope
    place: Place
    measured: Collection[str]
    rendered: dict[str, tuple[str, str]] = field(default_factory=dict)
    scored: dict[str, str] = field(default_factory=dict)

    def written_with(self, node: Expression) -> Expression:
        """An expression with a column's name in the place of each `render(…)` and `score(…)`."""
        match node:
            case Call(function=Ref(parts=("render",))):
                return self._render(node)
            case Call(function=Ref(parts=("score",))):
                return self._score(node)
            case Call():
                arguments = tuple(map(self.written_with, node.arguments))
                keywords = tuple(replace(k, value=self.written_with(k.value)) for k in node.keywords)
                return replace(node, arguments=arguments, keywords=keywords)
            case ListNode():
                return replace(node, items=tuple(map(self.written_with, node.items)))
            case Unary():
                return replace(node, operand=self.written_with(node.operand))
            case Binary():
                return replace(node, left=self.written_with(node.left), right=self.written_with(node.right))
        return node

    def _render(self, node: Call) -> Ref:
        scope, findings = self.scope, self.place.findings
        match node.arguments, node.keywords:
            case (Ref() as name, *role), ():
                pass
            case _:
                role = [node, node]
        if len(role) > 1 or (role and not isinstance(role[0], Ref | Text)):
            raise findings.error(
                "MIX122",
                "`render` takes a template, and a role where not all messages are meant",
                node.span,
                hint="for example `render(my_template, user)`",
            )
        found = scope.world.need(self.place.module, name, "template")
        scope.ask(found, name.span)
        template = scope.templates.get(found.qualified)
        parsed = scope.parsed.get(found.qualified)
        if not isinstance(template, TemplateDecl) or parsed is None:
            raise Reported
        only = self._role(role[0], template) if role else ""
        before = len(findings.items)
        columns = self.place.columns or Columns(is_open=True)
        check_use(scope.world, parsed, columns, name.span, self.place.rows_words, {})
        if len(findings.items) > before:
            raise Reported
        for column in parsed.reads:
            self.place.reads.setdefault(column, name.span)
        name = self._stand_in(node, f"render({found.qualified}{only and ', '}{only})", "text")
        self.rendered[name.name] = found.qualified, only
        return name

    def _role(self, node: Expression, template: TemplateDecl) -> str:
        word = node.name if isinstance(node, Ref) else str(getattr(node, "value", ""))
        there = [message.role for message in template.messages]
        if word in there:
            return word
        near = nearest(word, there)
        what = "has no message of" if word in ROLES else "has no role"
        raise self.place.findings.error(
            "MIX118",
            f"`{template.name}` {what} `{word}`",
            node.span,
            f"it has: {listing(there)}",
            **suggested(near, node.span, one_of(there)),
        )

    def _score(self, node: Call) -> Ref:
        match node.arguments, node.keywords:
            case (Ref() as name,), ():
                pass
            case _:
                raise self.place.findings.error(
                    "MIX122",
                    "`score` takes the name of a verifier's step",
                    node.span,
                    hint=f"for example `score({next(iter(self.measured), 'verify_math')})`",
                )
        step = checked_step(self.place, name.name, name.span, self.measured)
        column = self._stand_in(node, f"score({step})", "float")
        self.scored[column.name] = step
        return column

    def _stand_in(self, node: Call, name: str, type: str) -> Ref:
        """A column of a name that nobody can write, in the place of a call."""
        assert self.place.columns is not None
        self.place.columns = self.place.columns.with_columns({name: type})
        return Ref((name,), node.span, (node.span,))


def checked_step(place: Place, name: str, span: Span, known: Collection[str]) -> str:
    """The name of a step of the test, of those that are `known`; raises Reported (MIX972)."""
    if name in known:
        return name
    near = nearest(name, known)
    raise place.findings.error(
        "MIX972",
        f"no such step `{name}` in this test",
        span,
        f"there are: {listing(known)}" if known else "there is none",
        **suggested(near, span, one_of(known) if known else ""),
    )
