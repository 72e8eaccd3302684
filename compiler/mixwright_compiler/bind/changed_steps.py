"""What a variant says of steps: `set { problems.ask.temperature = 1 }`, `without = [problems.judge]`.

A path begins with a pipeline or mixture that the variant's base takes rows from, then comes the step by its id, which
may have dots in it (a step of a fragment), then in `set` the attribute. Steps of the base itself are named alone:
`set { dedup_exact.on = problem }`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.catalog.blocks import language_blocks
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.constants import UNITS
from mixwright_compiler.load.uses import at_home, use_of
from mixwright_compiler.load.world import Declaration
from mixwright_compiler.program import FromDecl, MixtureDecl, PipelineDecl, StepDecl
from mixwright_compiler.suggest import did_you_mean, listing, nearest, suggested
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.lazy_dataclass import dataclass, field, replace
from mixwright_dsl.nodes import Attribute, Block, Bool, Expression, Quantity, Ref, Text, named
from mixwright_dsl.source import Span

Address = tuple[int, int, str]
"""One step of a spec: where it is written, and for which use of a fragment."""

FROM = "from"
"""What the start of a pipeline is called in a path."""


def address(kind_span: Span) -> Address:
    """The step whose kind stands there, the same each time that the text is bound."""
    home, use = at_home(kind_span), use_of(kind_span)
    return id(home.source), home.start, use.prefix if use is not None else ""


@dataclass(frozen=True)
class StepChange:
    """What is otherwise in one step: these attributes, or that it is left out at all."""

    values: Mapping[str, Attribute] = field(default_factory=dict)
    left_out: Span | None = None

    def applied(self, block: Block) -> Block:
        there = {named(statement)[0] for statement in block.body}
        body = [self.values.get(named(statement)[0], statement) for statement in block.body]
        body += [value for name, value in self.values.items() if name not in there]
        return replace(block, body=tuple(body), has_body=True) if self.values else block

    @property
    def spans(self) -> tuple[Span, ...]:
        """Where it is said."""
        out = () if self.left_out is None else (self.left_out,)
        return (*out, *(value.span for value in self.values.values()))


@dataclass(frozen=True)
class StepChanges:
    """What is otherwise in the steps of one pipeline or mixture."""

    of: Mapping[Address, StepChange] = field(default_factory=dict)

    def applied(self, block: Block) -> Block:
        """A step with its attributes as they are otherwise."""
        change = self.of.get(address(block.kind_span)) if self.of else None
        return block if change is None else change.applied(block)

    def leave_out(self, block: Block) -> bool:
        change = self.of.get(address(block.kind_span)) if self.of else None
        return change is not None and change.left_out is not None

    @property
    def spans(self) -> tuple[Span, ...]:
        """Where it is said."""
        return tuple(span for change in self.of.values() for span in change.spans)


UNCHANGED = StepChanges()

Changes = Mapping[str, StepChanges]
"""By the qualified name of the pipeline or mixture whose steps they are."""


def with_change(changes: Changes, owner: str, step: Address, change: StepChange) -> Changes:
    """The changes with one more: what is said later of an attribute counts."""
    of_owner = changes.get(owner, UNCHANGED).of
    before = of_owner.get(step, StepChange())
    merged = StepChange({**before.values, **change.values}, change.left_out or before.left_out)
    return {**changes, owner: StepChanges({**of_owner, step: merged})}


def parts_with_steps(scope: Scope, root: Declaration) -> dict[str, Declaration]:
    """The pipelines and mixtures that a mixture's rows come from, itself included, by qualified name.

    Not those of a variant that is a part of it: a variant's rows are as it says.
    """
    found: dict[str, Declaration] = {root.qualified: root}
    ahead = [root]
    while ahead:
        for declaration in scope.asked_by(ahead.pop()):
            if declaration.kind in ("pipeline", "mixture") and declaration.qualified not in found:
                found[declaration.qualified] = declaration
                ahead.append(declaration)
    return found


@dataclass(frozen=True)
class Named:
    """What a path names: a step, or the start of a pipeline, and in `set` an attribute of it."""

    owner: str
    decl: StepDecl | FromDecl
    step: Address
    attribute: str

    def is_same(self, value: Attribute) -> bool:
        """Is that what the step says already, or what holds without it?"""
        node, bound = value.value, self.decl.attributes.get(self.attribute)
        if bound is None and isinstance(self.decl, StepDecl) and self.attribute == "when" and self.decl.when:
            return self.decl.when.span.text == node.span.text
        schema = self.decl.entry.attribute(self.attribute) if isinstance(self.decl, StepDecl) else None
        if bound is not None and not bound.is_default:
            return bound.span.text == node.span.text or (
                schema is not None and _says(node, schema.type, bound.value)
            )
        return schema is not None and any(
            _says(node, schema.type, without) for without in (schema.default, schema.unsaid)
        )


def _says(node: Expression, type: str, value: Any) -> bool:
    """Does a literal say this value, in an attribute of this type?"""
    match node:
        case Quantity():
            return node.unit in UNITS.get(type, ()) and node.value == value
        case Bool():
            return type == "bool" and node.value is value
        case Text():
            return type == "text" and node.value == value
        case Ref():
            return type.startswith("enum:") and node.name == value
    return False


class StepPaths:
    """The steps that a variant of one mixture can name."""

    def __init__(self, scope: Scope, root: Declaration) -> None:
        self.findings = scope.findings
        self.root = root
        self.owners: dict[str, tuple[Declaration, PipelineDecl | MixtureDecl | None]] = {}
        prefix = root.module.prefix
        for name, declaration in parts_with_steps(scope, root).items():
            bound = scope.bound(name)
            if declaration is not root:
                self.owners[name.removeprefix(prefix)] = declaration, bound
        self.own = scope.bound(root.qualified)

    def find(self, path: Ref, *, of_set: bool) -> Named | None:
        """What a path names; None where it begins with no part of the mixture and no step of its own.

        Raises:
            Reported: there is such a part, and no such step in it.
        """
        for length in range(len(path.parts), 0, -1):
            found = self.owners.get(".".join(path.parts[:length]))
            if found is not None:
                declaration, decl = found
                if decl is None:
                    raise Reported
                return self._in(declaration, decl, path, length, of_set)
        own = self.own.steps if isinstance(self.own, MixtureDecl) else ()
        if any(step.id == ".".join(path.parts[: len(step.id.split("."))]) for step in own):
            return self._in(self.root, self.own, path, 0, of_set)
        return None

    def _in(
        self, declaration: Declaration, decl: PipelineDecl | MixtureDecl, path: Ref, start: int, of_set: bool
    ) -> Named:
        steps: dict[str, StepDecl | FromDecl] = {step.id: step for step in decl.steps}
        if isinstance(decl, PipelineDecl):
            steps = {FROM: decl.start, **steps}
        owner = ".".join(path.parts[:start]) or self.root.name
        rest = path.parts[start:]
        at = path.part_spans[start] if rest else path.span
        at = at.to(path.part_spans[-1]) if rest else at
        length = next((n for n in range(len(rest), 0, -1) if ".".join(rest[:n]) in steps), 0)
        if not length:
            if self._has_error(declaration.node):
                raise Reported  # it may be the step that was reported
            declared = Label(declaration.name_span, f"`{owner}` is declared here")
            near = nearest(".".join(rest[:-1] if of_set else rest), steps)
            raise self.findings.error(
                "MIX110",
                f"`{'.'.join(rest)}` is no step of `{owner}`"
                if rest
                else f"`{owner}` is all of a {declaration.kind}, not a step of it",
                at,
                f"its steps are: {listing(list(steps), 12)}",
                secondary=(declared,),
                hint=did_you_mean(near and f"{owner}.{near}", "name a step by its id"),
            )
        step = ".".join(rest[:length])
        written = f"{owner}.{step}" if start else step
        attribute = rest[length:]
        if of_set and len(attribute) != 1:
            raise self._attribute(steps[step], written, path, start + length, attribute)
        if not of_set and (attribute or step == FROM):
            raise self.findings.error(
                "MIX110",
                f"`{path.name}` cannot be left out",
                path.span,
                "an attribute" if attribute else "without it there are no rows",
                hint=f"leave out the step: `without = [{written}]`"
                if attribute and step != FROM
                else "set another value",
            )
        kind_span = steps[step].span if step == FROM else steps[step].kind_span  # type: ignore[union-attr]
        return Named(declaration.qualified, steps[step], address(kind_span), attribute[0] if of_set else "")

    def _has_error(self, block: Block) -> bool:
        places = [at_home(found.primary.span) for found in self.findings.items if found.is_error]
        return any(
            place.source is block.span.source and block.span.start <= place.start < block.span.end
            for place in places
        )

    def _attribute(
        self, step: StepDecl | FromDecl, written: str, path: Ref, length: int, attribute: Iterable[str]
    ) -> Reported:
        names = [name for name in _settable(step) if name != "*"]
        rest = tuple(attribute)
        if not rest:
            return self.findings.error(
                "MIX110",
                f"`{path.name}` is a step, and `set` takes an attribute of one",
                path.span,
                "which of its attributes?",
                hint=f"write `{written}.{names[0]} = …`; it has: {listing(names, 12)}"
                if names
                else f"leave it out: `without = [{written}]`",
            )
        span = path.part_spans[length + 1].to(path.part_spans[-1])
        return self.findings.error(
            "MIX110",
            f"`{written}.{rest[0]}` is set as a whole",
            span,
            "no part of an attribute can be set",
            hint=f"write `{written}.{rest[0]} = {{ … }}`",
        )


def check_settable(paths: StepPaths, named: Named, item: Attribute) -> None:
    """MIX110: `id` of a step, or an attribute that it does not have. Raises Reported."""
    names = _settable(named.decl)
    if named.attribute in names or ("*" in names and named.attribute != "id"):
        return
    span = item.name.part_spans[-1]
    near = nearest(named.attribute, names)
    raise paths.findings.error(
        "MIX110",
        "the `id` of a step cannot be set"
        if named.attribute == "id"
        else f"`{'.'.join(item.name.parts[:-1])}` has no attribute `{named.attribute}`",
        span,
        "it is what the step is called" if named.attribute == "id" else "unknown",
        **suggested(near, span, f"it has: {listing([n for n in names if n != '*'], 12)}"),
    )


def _settable(step: StepDecl | FromDecl) -> list[str]:
    if isinstance(step, StepDecl):
        return [schema.name for schema in step.entry.attributes if schema.name != "id"]
    return [schema.name for schema in language_blocks()[FROM].attributes]
