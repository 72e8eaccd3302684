"""What is bound so far, by qualified name, and how to have one more declaration bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mixwright_compiler.findings import Findings, Reported
from mixwright_compiler.load.world import CHAIN_LIMIT, Declaration, World
from mixwright_compiler.program import (
    ExportDecl,
    FragmentDecl,
    MixtureDecl,
    ModelDecl,
    PipelineDecl,
    PolicyDecl,
    SourceDecl,
    TemplateDecl,
    ToolDecl,
    TrainDecl,
)
from mixwright_compiler.schema import Columns
from mixwright_compiler.templates.messages import ParsedTemplate
from mixwright_dsl.diagnostic import Diagnostic, Label
from mixwright_dsl.source import Span

if TYPE_CHECKING:
    from mixwright_compiler.spec_tests import SpecTest, Trial


class Scope:
    """Bound declarations by qualified name; `bind` makes one of a declaration that is asked for first."""

    def __init__(self, world: World, bind: Callable[[Scope, Declaration], Any]) -> None:
        self.world = world
        world.ask = self.ask
        self.models: dict[str, ModelDecl] = {}
        self.sources: dict[str, SourceDecl] = {}
        self.templates: dict[str, TemplateDecl] = {}
        self.tools: dict[str, ToolDecl] = {}
        self.fragments: dict[str, FragmentDecl] = {}
        self.pipelines: dict[str, PipelineDecl] = {}
        self.mixtures: dict[str, MixtureDecl] = {}
        self.trains: dict[str, TrainDecl] = {}
        self.exports: dict[str, ExportDecl] = {}
        self.policies: dict[str, PolicyDecl] = {}
        self.tests: dict[str, SpecTest] = {}
        self.trials: dict[str, Trial] = {}
        self.parsed: dict[str, ParsedTemplate] = {}
        self.changes: dict[str, Any] = {}
        """What a variant has otherwise in the steps of a pipeline of its own (`bind/changed_steps.py`), by name."""
        self.columns: dict[str, Columns] = {}
        """What is known of the rows of each source, pipeline and mixture."""
        self._bind = bind
        self._asked: dict[str, dict[str, Declaration]] = {}
        self._done: dict[str, Any] = {}
        self._underway: list[tuple[Declaration, Span]] = []

    @property
    def findings(self) -> Findings:
        return self.world.findings

    def ask(self, declaration: Declaration, use: Span) -> Any:
        """The bound declaration; None when it was reported. A circle is reported at `use` (MIX103)."""
        key = declaration.qualified
        if self._underway:
            self._asked.setdefault(self._underway[-1][0].qualified, {})[key] = declaration
        if key in self._done:
            return self._done[key]
        for position, (underway, _) in enumerate(self._underway):
            if underway is declaration:
                # Nothing is noted of it here: it is being bound, and that will end as it ends.
                self._circle(position, declaration, use)
                return None
        if len(self._underway) >= CHAIN_LIMIT:
            self.world.too_long(declaration.name, use)
            return None
        self._underway.append((declaration, use))
        known = len(self.findings.items)
        try:
            result = self._bind(self, declaration)
        except Reported:
            result = None
        if declaration.variant is not None:
            self._tell_variant(declaration.variant, self.findings.items[known:])
        self._underway.pop()
        self._done[key] = result
        return result

    def asked_by(self, declaration: Declaration) -> Iterable[Declaration]:
        """What a bound declaration names that had to be bound for it."""
        return self._asked.get(declaration.qualified, {}).values()

    def is_being_bound(self, declaration: Declaration) -> bool:
        """Is it this that is bound just now?"""
        return bool(self._underway) and self._underway[-1][0] is declaration

    def _tell_variant(self, variant: Declaration, found: list[Diagnostic]) -> None:
        """Of what is found in the text of the base alone as a variant has it."""
        at = variant.node.span
        for diagnostic in found:
            span = diagnostic.primary.span
            if span.source is not at.source or not at.start <= span.start < at.end:
                self.findings.also(
                    diagnostic, Label(variant.name_span, f"as variant `{variant.name}` has it")
                )

    def _circle(self, position: int, declaration: Declaration, use: Span) -> None:
        path = [d for d, _ in self._underway[position:]] + [declaration]
        if all(d.kind == "fragment" for d in path):
            code, what = "MIX430", "fragments go"
            hint = (
                "write out the steps of one of them"
                if len(path) == 2
                else f"let `{path[-2].name}` use another"
            )
        else:
            code, what, hint = "MIX103", "rows go", f"let `{path[0].name}` start from a source"
        self.world.findings.error(
            code,
            f"{what} in a circle: {' → '.join(d.name for d in path)}",
            use,
            "this closes the circle",
            secondary=tuple(Label(d.name_span, f"`{d.name}` is declared here") for d in path[:-1]),
            hint=hint,
        )

    def bound(self, qualified: str) -> Any:
        """The declaration of that name, if it was bound."""
        return self._done.get(qualified)
