"""`evaluate` blocks of a train: held-out problems, and the verifiers that grade the replies to them.

A verifier stands in the block as it does in a pipeline, and is bound by the same code: the rows it sees are those of
the set, with the model's answer in the column `reply`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixwright_compiler.bind.attributes import bind_attributes
from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.bind.steps import Flow
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.world import Module
from mixwright_compiler.program import Bound, EvaluationDecl, FromDecl, PipelineDecl, StepDecl
from mixwright_compiler.schema import Columns
from mixwright_compiler.suggest import did_you_mean, listing, nearest, one_of
from mixwright_compiler.templates.messages import check_use
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Block, ObjectNode, Ref, Statement

REPLY = "reply"
"""Column with what the model answered."""


def is_evaluation(statement: Statement) -> bool:
    """Is a statement of a train an evaluation: `evaluate NAME { … }`, or `evaluate = { … }`?"""
    if isinstance(statement, Block):
        return statement.kind == "evaluate"
    return statement.name.name == "evaluate" and isinstance(statement.value, ObjectNode)


def bind_evaluations(
    scope: Scope, module: Module, train: str, body: Sequence[Statement]
) -> tuple[EvaluationDecl, ...]:
    """The evaluations of a train in the order of its text; those with mistakes are reported and left out."""
    found: dict[str, EvaluationDecl] = {}
    for statement in filter(is_evaluation, body):
        try:
            evaluation = _Evaluation(scope, module, train, statement).bind()
        except Reported:
            continue
        if evaluation.name in found:
            scope.findings.error(
                "MIX744",
                f"evaluation `{evaluation.name}` of `{train}` is there twice",
                evaluation.name_span,
                "the same name again",
                secondary=(Label(found[evaluation.name].name_span, "first here"),),
                hint=f"give it another name: `evaluate {evaluation.name.rpartition('.')[2]}_2 {{ … }}`",
            )
            continue
        found[evaluation.name] = evaluation
    return tuple(found.values())


class _Evaluation:
    def __init__(self, scope: Scope, module: Module, train: str, statement: Statement) -> None:
        self.scope = scope
        self.module = module
        self.train = train
        self.labels: tuple[Any, ...] = ()
        if isinstance(statement, Block):
            self.body, self.at, self.labels = statement.body, statement.kind_span, statement.labels
        else:
            assert isinstance(statement.value, ObjectNode)
            self.body, self.at = statement.value.body, statement.name.span
        self.span = statement.span
        self.entry = scope.world.catalog.family("train_block")["evaluate"]

    @property
    def findings(self) -> Any:
        return self.scope.findings

    def bind(self) -> EvaluationDecl:
        name = self._written_name()
        attributes = bind_attributes(
            Place(self.scope.world, self.module),
            self.entry,
            self.body,
            self.at,
            "`evaluate`",
            taken=_is_verifier,
        )
        if "on" not in attributes or "prompt" not in attributes:
            raise Reported
        rows = str(attributes["on"].value)
        columns = self.scope.columns.get(rows, Columns(is_open=True))
        self._check_columns(rows, columns, attributes)
        blocks = [s for s in self.body if isinstance(s, Block) and _is_verifier(s)]
        steps = self._steps(rows, columns, attributes, blocks)
        title = name.name if name is not None else rows
        start = FromDecl(
            rows=rows, kind="source", attributes={}, span=self.span, rows_span=attributes["on"].span
        )
        name_span = name.span if name is not None else self.at
        graded = PipelineDecl(
            name=f"{self.train}.{title}",
            attributes={},
            start=start,
            steps=tuple(steps),
            columns={**columns.types, REPLY: "text"},
            entry=self.entry,
            span=self.span,
            name_span=name_span,
        )
        return EvaluationDecl(
            name=title,
            entry=self.entry,
            attributes=attributes,
            span=self.span,
            name_span=name_span,
            graded=graded,
        )

    def _written_name(self) -> Ref | None:
        match self.labels:
            case ():
                return None
            case (Ref(parts=(_,)) as name,):
                return name
        at = self.labels[1] if len(self.labels) > 1 else self.labels[0]
        raise self.findings.error(
            "MIX120", "`evaluate` takes one name", at.span, "unexpected", hint="write `evaluate exam { … }`"
        )

    def _check_columns(self, rows: str, columns: Columns, attributes: dict[str, Bound]) -> None:
        parsed = self.scope.parsed.get(str(attributes["prompt"].value))
        if parsed is not None:
            at = attributes["prompt"].span
            check_use(self.scope.world, parsed, columns, at, f"rows of `{rows}`", {})
        for name in ("answer", "by"):
            bound = attributes.get(name)
            if bound is None or columns.type_of(str(bound.value)) is not None:
                continue
            near = nearest(str(bound.value), columns.types)
            self.findings.error(
                "MIX712",
                f"no column `{bound.value}` in rows of `{rows}`",
                bound.span,
                f"columns there: {listing(columns.types)}",
                hint=did_you_mean(near, one_of(columns.types)),
            )
        if REPLY in columns.types:
            self.findings.error(
                "MIX744",
                f"rows of `{rows}` have a column `{REPLY}`, which is the model's in an evaluation",
                attributes["on"].span,
                "the name is taken",
                hint=f"give it another name in the source: `columns = {{ expected = {REPLY} }}`",
            )

    def _steps(
        self, rows: str, columns: Columns, attributes: dict[str, Bound], blocks: list[Block]
    ) -> list[StepDecl]:
        answer = attributes.get("answer")
        if answer is None and not blocks:
            raise self.findings.error(
                "MIX740",
                "nothing grades the replies",
                self.at,
                "no verifier, and no `answer`",
                hint="add `verify math { response = reply, answer = … }`, or `answer = …` for short",
            )
        if answer is not None and blocks:
            raise self.findings.error(
                "MIX740",
                "`answer` is short for a verifier, and there is one",
                answer.span,
                "grades a second time",
                secondary=(Label(blocks[0].kind_span, "this one grades"),),
                hint=f"delete `answer`, or add `verify math {{ response = {REPLY}, answer = {answer.value} }}`",
            )
        if answer is not None:
            return [self._short_form(columns, answer)]
        flow = Flow(self.scope, self.module, rows, blocks)
        flow.rows_words = f"the replies to `{rows}`"
        flow.columns = Columns({**columns.types, REPLY: "text"}, columns.is_open, columns.left_out)
        return flow.steps(blocks)

    def _short_form(self, columns: Columns, answer: Bound) -> StepDecl:
        """`answer = column` stands for the verifier that it is short for, with this column and the reply."""
        schema = self.entry.attribute("answer")
        assert schema is not None and schema.short_for is not None
        entry = self.scope.world.catalog.entries[schema.short_for]
        id = schema.short_for.replace(".", "_")
        return StepDecl(
            id=id,
            made_id=id,
            entry=entry,
            label="",
            label_span=None,
            attributes={
                "response": Bound(value=REPLY, span=answer.span),
                "answer": Bound(value=answer.value, span=answer.span),
            },
            when=None,
            reads=(REPLY, str(answer.value)),
            makes={},
            columns={**columns.types, REPLY: "text"},
            span=answer.span,
            kind_span=answer.span,
        )


def _is_verifier(statement: Statement) -> bool:
    return isinstance(statement, Block) and statement.kind == "verify"


__all__ = ["REPLY", "bind_evaluations", "is_evaluation"]
