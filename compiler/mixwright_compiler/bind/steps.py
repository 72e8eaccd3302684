"""Columns on their way through the steps of a pipeline or mixture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixwright_compiler.bind.attributes import bind_attributes, value_without_equal
from mixwright_compiler.bind.changed_steps import UNCHANGED, StepChanges
from mixwright_compiler.bind.columns_ahead import columns_ahead
from mixwright_compiler.bind.fragment_names import refs_in
from mixwright_compiler.bind.kinds import is_excused, plain_step
from mixwright_compiler.bind.labels import kind_entry, step_label
from mixwright_compiler.bind.loops import bind_loop, loop_entry, unfolded
from mixwright_compiler.bind.made_columns import drawn_item, made_by
from mixwright_compiler.bind.place import Place, missing_column
from mixwright_compiler.bind.replaced_columns import check_replaced, hint_to_let_name
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.bind.step_ids import StepIds
from mixwright_compiler.bind.step_templates import check_templates, template_inputs
from mixwright_compiler.bind.used_columns import entered, left, local_name, stated
from mixwright_compiler.catalog.blocks import STEP_FAMILIES, language_blocks
from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.catalog.makes import NAMED_BY_ATTRIBUTES, remakes
from mixwright_compiler.catalog.references import kind_of_reference
from mixwright_compiler.findings import Findings, Reported
from mixwright_compiler.load.uses import Use, use_of, uses_of
from mixwright_compiler.load.world import Module
from mixwright_compiler.program import Bound, StepDecl, TypedExpression
from mixwright_compiler.schema import Columns
from mixwright_compiler.suggest import MOST_KINDS, listing, nearest, suggested
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.lazy_dataclass import replace
from mixwright_dsl.nodes import Attribute, Block, Ref, named
from mixwright_dsl.source import Span


def step_entry(scope: Scope, block: Block) -> tuple[Entry, list[Any]]:
    """The catalog entry of a step, and the labels after its kind; raises Reported (MIX116)."""
    catalog, labels = scope.world.catalog, list(block.labels)
    if block.kind in STEP_FAMILIES and catalog.family(block.kind):
        return kind_entry(scope.world, block.kind, block, labels, "a kind"), labels[1:]
    entry = plain_step(scope.world, block)
    if entry is not None:
        return entry, labels
    if is_excused(scope.world, "step", block.kind, block.kind_span):
        raise Reported
    names = [
        *(name for name, other in catalog.family("step").items() if not other.with_attribute),
        "from",
        "use",
        *(f for f in STEP_FAMILIES if catalog.family(f)),
    ]
    near = nearest(block.kind, names)
    raise scope.findings.error(
        "MIX116",
        f"no step `{block.kind}`",
        block.kind_span,
        **suggested(near, block.kind_span, f"steps are: {listing(names, MOST_KINDS)}"),
    )


class Flow:
    """Columns on their way through the steps of one pipeline or mixture."""

    def __init__(
        self,
        scope: Scope,
        module: Module,
        name: str,
        blocks: list[Block],
        *,
        owner: str = "",
        changes: StepChanges = UNCHANGED,
    ) -> None:
        """`owner`: the pipeline whose steps they are, by its qualified name."""
        self.scope = scope
        self.owner = owner
        self.changes = changes
        self.module = module
        self.rows_words = f"rows of `{name}`"
        self.columns = Columns()
        self.step_ids = StepIds(scope.findings)
        self.earlier: list[StepDecl] = []
        self.columns_before: list[Columns] = []
        """In front of each of them."""
        self.made_at: dict[str, tuple[Span, bool]] = {}
        """Columns made so far: where, and whether under a `when`."""
        self.inside: tuple[Use, ...] = ()
        """The uses of fragments that the steps at hand come from, the outermost first."""
        self.before_uses: tuple[Columns, ...] = ()
        """In front of each of them."""
        self._blocks = blocks
        self._text = blocks[0].span.source.text[blocks[0].span.start : blocks[-1].span.end] if blocks else ""

    @property
    def findings(self) -> Findings:
        return self.scope.findings

    def place(self, later: dict[str, Span] | None = None, use: Use | None = None) -> Place:
        place = Place(
            self.scope.world, self.module, self.columns, self.rows_words, later or {}, owner=self.owner
        )
        if use is not None:
            place.columns, place.around = stated(use, self.columns), self.columns
            place.called = {column: name for name, column in use.names.items()}
        return place

    def also_names(self, blocks: Sequence[Block]) -> None:
        """Steps that are not in the text of the pipeline, but stand for something that is."""
        self._text = "\n".join([self._text, *(ref.name for ref in refs_in(blocks))])

    def as_changed(self, block: Block) -> Block:
        """A step as the variant has it whose pipeline this is."""
        changed = self.changes.applied(block)
        if changed is not block:
            self.also_names([changed])
        return changed

    def steps(self, blocks: list[Block], inside: str = "") -> list[StepDecl]:
        """Bind steps one after another; `inside`: the loop whose body they are."""
        around = self.inside
        blocks = [self.as_changed(block) for block in blocks]
        later = [columns_ahead(self.scope.world, block) for block in blocks]
        steps: list[StepDecl] = []
        for position, block in enumerate(blocks):
            following: dict[str, Span] = {}
            # From the last step back: of several that make a column the nearest is named.
            for made in reversed(later[position:]):
                following.update(made)
            self._enter_uses(block)
            is_left_out = self.changes.leave_out(block)
            before, known = self.columns, len(self.earlier)
            made_at = dict(self.made_at) if is_left_out else {}
            try:
                bound = self._bound(block, following, inside)
            except Reported:
                # What it would have made is not known for sure: later steps may rely on any column.
                guessed = dict.fromkeys(later[position], "any")
                self.columns = replace(self.columns.with_columns(guessed), is_open=True)
                continue
            if is_left_out:
                # It is bound all the same, and then forgotten: what the steps behind it are called hangs on it.
                self.columns, self.made_at = before, made_at
                del self.earlier[known:], self.columns_before[known:]
                continue
            steps += bound
        self._leave_uses(around)
        return steps

    def _bound(self, block: Block, following: dict[str, Span], inside: str) -> list[StepDecl]:
        """A step, or a loop with the steps of its body."""
        entry = loop_entry(self, block)
        if entry is not None:
            label = step_label(self.scope.world, block, entry, list(block.labels))
            assert label is not None
            loop, *body = bind_loop(self, block, entry, label, following)
            return [replace(loop, inside=inside), *body]
        before = self.columns
        step = replace(self.step(block, following, inside), inside=inside)
        self.earlier.append(step)
        self.columns_before.append(before)
        return [step]

    def _enter_uses(self, block: Block) -> None:
        """Look at what each fragment needs where its steps begin, and at what it made where they end."""
        uses = tuple(use for use in uses_of(block.kind_span) if not use.is_guard)
        self._leave_uses(uses)
        for use in uses[len(self.inside) :]:
            self.before_uses += (self.columns,)
            self.columns = entered(self.scope, self.module, use, self.columns, self.rows_words)
        self.inside = uses

    def _leave_uses(self, uses: tuple[Use, ...]) -> None:
        while self.inside != uses[: len(self.inside)]:
            left(self.scope, self.inside[-1], self.columns)
            self.inside, self.before_uses = self.inside[:-1], self.before_uses[:-1]

    def step(self, block: Block, later: dict[str, Span], inside: str = "") -> StepDecl:
        """Bind one step and advance the columns; raises Reported when its kind or name is wrong."""
        if block.kind == "from":
            raise self.findings.error(
                "MIX417",
                "`from` stands in the middle of a pipeline",
                block.kind_span,
                "it can only be the first step",
                hint="use `draw` to bring in rows of another source",
            )
        if block.kind in [a.name for a in language_blocks()["pipeline"].attributes] and value_without_equal(
            self.place(), block
        ):
            raise Reported
        if block.kind == "use":
            raise Reported  # it stands here still because it was reported
        use = use_of(block.kind_span)
        entry, labels = step_entry(self.scope, block)
        label = step_label(self.scope.world, block, entry, labels)
        title = f"`{block.kind} {entry.name}`" if block.kind != entry.keyword else f"`{block.kind}`"
        place = self.place(later, use)
        place.step = block.span
        attributes = self._attributes(place, entry, block, label.span if label else block.kind_span, title)
        if NAMED_BY_ATTRIBUTES in entry.makes and not block.body:
            self.findings.error(
                "MIX106",
                f"{title} makes no column",
                block.kind_span,
                "nothing is in it",
                hint=f"for example `{block.kind} {{ length = len(text) }}`",
            )
        _check_text_columns(self.columns, entry, attributes, self.findings)
        if _inherits(entry) and not _is_written(block, "schema"):
            _inherit_schema(self.findings, self.earlier, attributes, block.kind_span)
        names: dict[str, str] = {}
        missing = place.missing | check_templates(self.scope, place, entry, attributes, use, names)
        when = attributes.get("when")
        # A reference that was reported counts as given: which columns there are hangs on that.
        written = {name: Bound(value="", span=span) for name, span in map(named, block.body)}
        references = {a.name for a in entry.attributes if kind_of_reference(a.type) is not None}
        stated = {**{name: written[name] for name in references & written.keys()}, **attributes}
        makes = made_by(self.scope, entry, label.name if label else "", stated, text=self._text)
        if remakes(entry):
            # A column whose expression was reported is there all the same.
            makes = {name: makes.get(name, "any") for name in columns_ahead(self.scope.world, block)}
        for name in entry.reads:
            if self.columns.type_of(name) is not None:
                place.reads.setdefault(name, block.kind_span)
            elif entry.plugin is not None:  # what ships can do without
                missing_column(place, name, block.kind_span)
        if entry.folds:
            self.columns = unfolded(self, block, inside)
        self.check_made_twice(entry, makes, label, block, attributes)
        reads = tuple(
            dict.fromkeys(
                [*place.reads, *template_inputs(self.scope, self.columns, entry, attributes, names)]
            )
        )
        # The columns move on only here: all that the step reads was held against those in front of it. One that was
        # reported as missing counts as there, so that the steps behind do not report it again; one that a later step
        # makes will be there by itself, and is missing for each step in front of that.
        trusted = dict.fromkeys((n for n in missing if n not in later), "any")
        self.columns = self.columns.with_columns({**trusted, **makes})
        stem = block.kind if block.kind == entry.keyword else f"{block.kind}_{entry.name}"
        if label:
            # A fragment's own columns are called otherwise at each use: what stands for the step is not.
            stem = f"{stem}_{local_name(block.kind_span, label.name)}"
        return StepDecl(
            id=self.step_ids.of(block, stem, attributes),
            made_id=self.step_ids.made(stem),
            entry=entry,
            label=label.name if label else "",
            label_span=label.span if label else None,
            attributes={k: v for k, v in attributes.items() if k not in ("when", "id")},
            when=when.value if when is not None and isinstance(when.value, TypedExpression) else None,
            reads=reads,
            makes=makes,
            columns=self.columns.types,
            span=block.span,
            kind_span=block.kind_span,
            names=names,
        )

    def _attributes(self, place: Place, entry: Entry, block: Block, at: Span, title: str) -> dict[str, Bound]:
        """Those over what is drawn are bound last: what that is follows from the others."""
        last = tuple(schema for schema in entry.attributes if schema.type.startswith("drawn_expr:"))
        names = [schema.name for schema in last]
        attributes = bind_attributes(
            place,
            entry,
            block.body,
            at,
            title,
            taken=lambda s: isinstance(s, Attribute) and s.name.name in names,
        )
        if last:
            place.drawn = drawn_item(self.scope, attributes)
            written = [s for s in block.body if isinstance(s, Attribute) and s.name.name in names]
            attributes |= bind_attributes(place, replace(entry, attributes=last), written, at, title)
        return attributes

    def check_made_twice(
        self,
        entry: Entry,
        makes: dict[str, str],
        label: Ref | None,
        block: Block,
        attributes: dict[str, Bound],
    ) -> None:
        """A column may be made again by `derive`, by steps for different rows, and by one that is given it (`chat`)."""
        is_conditional, given = "when" in attributes, _given(entry, attributes)
        named = _verdicts(entry, attributes)
        for name in makes:
            span = named.get(name) or (label.span if label else block.kind_span)
            before = self.made_at.get(name)
            is_shared = is_conditional and before is not None and before[1]
            if is_shared or name not in self.columns.types:
                pass
            elif remakes(entry) or name in given:
                at = columns_ahead(self.scope.world, block).get(name, span)
                check_replaced(self, name, at, is_read=name in given | _in_expressions(attributes))
            else:
                self.findings.error(
                    "MIX416",
                    f"column `{name}` is already there in {self.rows_words}",
                    span,
                    "made again",
                    secondary=(Label(before[0], "first made here"),) if before else (),
                    hint=f"choose another name: `{name}_2`"
                    if name in named
                    else _other_name(block, name, label),
                )
            self.made_at[name] = (span, is_conditional)


def _given(entry: Entry, attributes: dict[str, Bound]) -> set[str]:
    """Columns that the attributes of a step name."""
    columns = (schema.name for schema in entry.attributes if schema.type == "column")
    return {str(attributes[name].value) for name in columns if name in attributes}


def _verdicts(entry: Entry, attributes: dict[str, Bound]) -> dict[str, Span]:
    """Columns with the verdict of a step, and where each is named."""
    return {
        str(attributes[schema.name].value): attributes[schema.name].span
        for schema in entry.attributes
        if schema.holds == "verdict" and schema.name in attributes
    }


def _in_expressions(attributes: dict[str, Bound]) -> set[str]:
    """Columns that the expressions of a step read."""
    return {
        name
        for bound in attributes.values()
        if isinstance(bound.value, TypedExpression)
        for name in bound.value.columns
    }


def _check_text_columns(
    columns: Columns, entry: Entry, attributes: dict[str, Bound], findings: Findings
) -> None:
    for name in (schema.name for schema in entry.attributes if schema.holds == "text"):
        bound = attributes.get(name)
        if bound is None or bound.is_default:
            continue
        found = columns.type_of(str(bound.value))
        if found not in (None, "text", "any", "json"):
            findings.error(
                "MIX503",
                f"`{name}` takes a text column, and `{bound.value}` is {found}",
                bound.span,
                f"a column of {found}",
                hint=f"convert it first: `derive {{ {bound.value}_text = text({bound.value}) }}`",
            )


def _other_name(block: Block, column: str, label: Ref | None) -> str:
    """The hint for a column that is there already."""
    if use_of(block.kind_span) is not None:
        return hint_to_let_name(local_name(block.kind_span, column))
    return f"choose another name: `{block.kind} {column}_2 {{ … }}`" if label else "leave one of the two out"


def _inherits(entry: Entry) -> bool:
    return any(schema.holds == "inherited_schema" for schema in entry.attributes)


def _inherit_schema(
    findings: Findings, earlier: Sequence[StepDecl], attributes: dict[str, Bound], at: Span
) -> None:
    from mixwright_compiler.bind.schema_of_response import inherit_schema

    inherit_schema(findings, earlier, attributes, at)


def _is_written(block: Block, name: str) -> bool:
    return any(named(s)[0] == name for s in block.body)
