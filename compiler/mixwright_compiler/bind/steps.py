"""Columns on their way through the steps of a pipeline or mixture."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from mixwright_compiler.bind.attributes import bind_attributes, value_without_equal
from mixwright_compiler.bind.drawn import CONSTRAINTS
from mixwright_compiler.bind.kinds import is_excused, kind_of
from mixwright_compiler.bind.labels import extra_labels, kind_entry
from mixwright_compiler.bind.place import Place, missing_column
from mixwright_compiler.bind.repair import check_repair_reads, repair_columns, repair_template
from mixwright_compiler.bind.schema_of_response import inherit_schema
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.catalog.blocks import STEP_FAMILIES, language_blocks
from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.catalog.makes import DRAWN, NAMED_BY_ATTRIBUTES, is_always_made, made_type, remakes
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.world import Declaration, Module
from mixwright_compiler.program import Bound, CallValue, FromDecl, StepDecl, TypedExpression
from mixwright_compiler.schema import Columns, common_type_of_values
from mixwright_compiler.suggest import listing, nearest, replace_fix
from mixwright_compiler.templates.messages import check_use
from mixwright_dsl.diagnostic import Edit, Fix, Label
from mixwright_dsl.nodes import Attribute, Block, Ref, Text
from mixwright_dsl.source import Span


def step_entry(scope: Scope, block: Block) -> tuple[Entry, list[Any]]:
    """The catalog entry of a step, and the labels after its kind; raises Reported (MIX116)."""
    catalog, labels = scope.world.catalog, list(block.labels)
    if block.kind in STEP_FAMILIES and catalog.family(block.kind):
        return kind_entry(scope.world, block.kind, block, labels, "a kind"), labels[1:]
    entry = kind_of(scope.world, "step", block.kind)
    if entry is not None:
        return entry, labels
    if is_excused(scope.world, "step", block.kind, block.kind_span):
        raise Reported
    names = [*scope.world.catalog.family("step"), "from", *(f for f in STEP_FAMILIES if catalog.family(f))]
    near = nearest(block.kind, names)
    raise scope.findings.error(
        "MIX116",
        f"no step `{block.kind}`",
        block.kind_span,
        hint=f"did you mean `{near}`?" if near else f"steps are: {listing(names, 20)}",
        fix=replace_fix(block.kind_span, near) if near else None,
    )


class Flow:
    """Columns on their way through the steps of one pipeline or mixture."""

    def __init__(self, scope: Scope, module: Module, name: str, blocks: list[Block]) -> None:
        self.scope = scope
        self.module = module
        self.rows_words = f"rows of `{name}`"
        self.columns = Columns()
        self.ids: dict[str, Span] = {}
        self.made_ids: set[str] = set()
        self.earlier: list[StepDecl] = []
        self.made_at: dict[str, tuple[Span, bool]] = {}
        """Columns made so far: where, and whether under a `when`."""
        self._blocks = blocks
        self._text = blocks[0].span.source.text[blocks[0].span.start : blocks[-1].span.end] if blocks else ""

    @property
    def findings(self) -> Any:
        return self.scope.findings

    def place(self, later: dict[str, Span] | None = None) -> Place:
        return Place(self.scope.world, self.module, self.columns, self.rows_words, later or {})

    def start(self, block: Block) -> FromDecl | None:
        """Bind `from`; on a mistake the columns stay open, so that nothing follows from it."""
        self.columns = Columns(is_open=True)
        match block.labels:
            case (Ref() as rows,):
                pass
            case (Text(value=name) as quoted,) if name:
                parts = tuple(name.split("."))
                rows = Ref(parts, quoted.span, (quoted.span,) * len(parts))
                self.findings.lint(
                    "MIX112",
                    f"`{name}` needs no quotes",
                    quoted.span,
                    "the name of a declaration",
                    hint=f"write `{name}`",
                    fix=Fix("remove the quotes", (Edit(quoted.span, name),)),
                )
            case _:
                self.findings.error(
                    "MIX120",
                    "`from` needs the name of a source or pipeline",
                    block.labels[1].span if len(block.labels) > 1 else block.kind_span,
                    hint="write `from rows { … }`",
                )
                return None
        try:
            found = self.scope.world.need(self.module, rows, "start")
            is_bound = self.scope.ask(found, rows.span) is not None
        except Reported:
            return None
        if is_bound or found.qualified in self.scope.columns:
            self.columns = self.scope.columns[found.qualified]
        self.columns = Columns(self.columns.types, self.columns.is_open)
        attributes = bind_attributes(
            Place(self.scope.world, self.module, self.columns, f"`{rows.name}`"),
            language_blocks()["from"],
            block.body,
            block.kind_span,
            "`from`",
        )
        if (kept := attributes.get("columns")) is not None and kept.value:
            types = {name: self.columns.type_of(name) or "any" for name in kept.value}
            gone = {name: "`from` keeps other columns" for name in self.columns.types if name not in types}
            self.columns = Columns(types, False, gone)
        if not is_bound:
            return None
        return FromDecl(
            rows=found.qualified,
            kind=found.kind,
            attributes=attributes,
            span=block.span,
            rows_span=rows.span,
        )

    def steps(self, blocks: list[Block]) -> list[StepDecl]:
        later = [self._labels_of(block) for block in blocks]
        steps = []
        for position, block in enumerate(blocks):
            following: dict[str, Span] = {}
            # From the last step back: of several that make a column the nearest is named.
            for made in reversed(later[position:]):
                following.update(made)
            try:
                step = self.step(block, following)
            except Reported:
                # What it would have made is not known for sure: later steps may rely on any column.
                guessed = dict.fromkeys(later[position], "any")
                self.columns = replace(self.columns.with_columns(guessed), is_open=True)
                continue
            steps.append(step)
            self.earlier.append(step)
        return steps

    def _labels_of(self, block: Block) -> dict[str, Span]:
        """Columns a step will make, as far as its text shows."""
        entry = None if block.kind in STEP_FAMILIES else kind_of(self.scope.world, "step", block.kind)
        if entry is not None and remakes(entry):
            return {
                s.name.name: s.name.span
                for s in block.body
                if isinstance(s, Attribute) and entry.attribute(s.name.name) is None
            }
        always = [name for name, type in entry.makes.items() if is_always_made(type)] if entry else []
        made = {name: block.kind_span for name in always if "{" not in name}
        if (
            block.labels
            and isinstance(block.labels[0], Ref)
            and (entry is None or entry.label == "new_column")
        ) and block.kind not in STEP_FAMILIES:
            label = block.labels[0].name
            made[label] = block.labels[0].span
            for name in always:
                made[name.replace("{label}", label)] = block.labels[0].span
        return made

    def step(self, block: Block, later: dict[str, Span]) -> StepDecl:
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
        entry, labels = step_entry(self.scope, block)
        label = self._label(block, entry, labels)
        title = f"`{block.kind} {entry.name}`" if block.kind != entry.name else f"`{block.kind}`"
        place = self.place(later)
        place.step = block.span
        attributes = bind_attributes(
            place,
            entry,
            block.body,
            label.span if label else block.kind_span,
            title,
        )
        if NAMED_BY_ATTRIBUTES in entry.makes and not block.body:
            self.findings.error(
                "MIX106",
                f"{title} makes no column",
                block.kind_span,
                "nothing is in it",
                hint=f"for example `{block.kind} {{ length = len(text) }}`",
            )
        self._check_text_columns(entry, attributes)
        if _inherits(entry) and not _is_written(block, "schema"):
            inherit_schema(self.findings, self.earlier, attributes, block.kind_span)
        missing = place.missing | self._check_templates(entry, attributes, later)
        when = attributes.get("when")
        makes = self.made_by(entry, label.name if label else "", attributes)
        if remakes(entry):
            # A column whose expression was reported is there all the same.
            makes = {name: makes.get(name, "any") for name in self._labels_of(block)}
        for name in entry.reads:
            if self.columns.type_of(name) is not None:
                place.reads.setdefault(name, block.kind_span)
            elif entry.plugin is not None:  # what ships can do without
                missing_column(place, name, block.kind_span)
        self._check_made_twice(entry, makes, label, block, attributes)
        reads = tuple(dict.fromkeys([*place.reads, *self._template_inputs(entry, attributes)]))
        # The columns move on only here: all that the step reads was held against those in front of it. One that was
        # reported as missing counts as there, so that the steps behind do not report it again; one that a later step
        # makes will be there by itself, and is missing for each step in front of that.
        trusted = dict.fromkeys((n for n in missing if n not in later), "any")
        self.columns = self.columns.with_columns({**trusted, **makes})
        stem = block.kind if block.kind == entry.name else f"{block.kind}_{entry.name}"
        stem = f"{stem}_{label.name}" if label else stem
        return StepDecl(
            id=self._id(block, stem, attributes),
            made_id=self._made_id(stem),
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
        )

    def _label(self, block: Block, entry: Entry, labels: list[Any]) -> Ref | None:
        if entry.label == "none":
            shape = (
                f"{block.kind} {entry.name} {{ … }}" if block.kind != entry.name else f"{block.kind} {{ … }}"
            )
            extra_labels(self.scope.world, block, labels, shape)
            return None
        match labels:
            case [Ref(parts=(_,)) as label, *rest]:
                extra_labels(self.scope.world, block, rest, f"{block.kind} {label.name} {{ … }}")
                return label
        raise self.findings.error(
            "MIX120",
            f"`{block.kind}` needs the name of the column it makes",
            labels[0].span if labels else block.kind_span,
            hint=f"write `{block.kind} answer {{ … }}`",
        )

    def _id(self, block: Block, stem: str, attributes: dict[str, Bound]) -> str:
        """`id = name` as written, else made from kind and label (the stem), with a number when taken."""
        written = attributes.get("id")
        if written is not None and not written.is_default:
            name = str(written.value)
            if name in self.ids:
                self.findings.error(
                    "MIX114",
                    f"step `{name}` is declared twice",
                    written.span,
                    "declared again here",
                    secondary=(Label(self.ids[name], "first declared here"),),
                    hint=f"rename one: `{name}_2`",
                )
            self.ids[name] = written.span
            return name
        name = _numbered(stem, self.ids)
        self.ids[name] = block.kind_span
        return name

    def _made_id(self, stem: str) -> str:
        """The step's id if no step said `id`."""
        name = _numbered(stem, self.made_ids)
        self.made_ids.add(name)
        return name

    def _check_text_columns(self, entry: Entry, attributes: dict[str, Bound]) -> None:
        for name in (schema.name for schema in entry.attributes if schema.holds == "text"):
            bound = attributes.get(name)
            if bound is None or bound.is_default:
                continue
            found = self.columns.type_of(str(bound.value))
            if found not in (None, "text", "any", "json"):
                self.findings.error(
                    "MIX503",
                    f"`{name}` takes a text column, and `{bound.value}` is {found}",
                    bound.span,
                    f"a column of {found}",
                    hint=f"convert it first: `derive {{ {bound.value}_text = text({bound.value}) }}`",
                )

    def _check_templates(
        self, entry: Entry, attributes: dict[str, Bound], later: dict[str, Span]
    ) -> set[str]:
        missing: set[str] = set()
        for bound, name in _template_names(entry, attributes):
            self.scope.ask(*self._declaration(name, bound.span))
            parsed = self.scope.parsed.get(name)
            if parsed is not None:
                missing |= check_use(
                    self.scope.world, parsed, self.columns, bound.span, self.rows_words, later
                )
        return missing | self._check_repair(entry, attributes, later)

    def _check_repair(self, entry: Entry, attributes: dict[str, Bound], later: dict[str, Span]) -> set[str]:
        """Check the template of `on_fail = repair(…)`: it sees the rows here, and what the verifier found."""
        on_fail = attributes.get("on_fail")
        name = repair_template(on_fail.value) if on_fail is not None else None
        if on_fail is None or name is None:
            return set()
        declaration, span = self._declaration(name, on_fail.span)
        self.scope.ask(declaration, span)
        parsed = self.scope.parsed.get(name)
        if parsed is None:
            return set()
        response = attributes.get("response")
        check_repair_reads(
            name,
            parsed.reads,
            "" if response is None else str(response.value),
            on_fail,
            Label(declaration.name_span, "this template"),
            self.findings,
        )
        columns = repair_columns(self.columns, on_fail, entry.evidence, self.findings)
        return check_use(self.scope.world, parsed, columns, span, self.rows_words, later)

    def _declaration(self, qualified: str, span: Span) -> tuple[Declaration, Span]:
        return self.scope.world.by_name[qualified], span

    def _template_inputs(self, entry: Entry, attributes: dict[str, Bound]) -> list[str]:
        """Columns that the step's templates need. That of `on_fail = repair(…)` is no part: no measurement reads it."""
        parsed = [self.scope.parsed.get(name) for _, name in _template_names(entry, attributes)]
        inputs = [name for template in parsed if template is not None for name in template.inputs]
        return [name for name in inputs if self.columns.type_of(name) is not None]

    def _check_made_twice(
        self,
        entry: Entry,
        makes: dict[str, str],
        label: Ref | None,
        block: Block,
        attributes: dict[str, Bound],
    ) -> None:
        """A column may be made again by `derive`, and by steps that apply to different rows."""
        is_conditional = "when" in attributes
        span = label.span if label else block.kind_span
        for name in makes:
            before = self.made_at.get(name)
            if (
                not remakes(entry)
                and name in self.columns.types
                and not (is_conditional and before is not None and before[1])
            ):
                self.findings.error(
                    "MIX416",
                    f"column `{name}` is already there in {self.rows_words}",
                    span,
                    "made again",
                    secondary=(Label(before[0], "first made here"),) if before else (),
                    hint=f"choose another name: `{block.kind} {name}_2 {{ … }}`"
                    if label
                    else "leave one of the two out",
                )
            self.made_at[name] = (span, is_conditional)

    def made_by(self, entry: Entry, label: str, attributes: dict[str, Bound]) -> dict[str, str]:
        """Columns a step makes, with their types."""
        values = {name: bound.value for name, bound in attributes.items()}
        found: dict[str, str] = {}
        for stated, type in entry.makes.items():
            name = stated.replace("{label}", label)
            if name == NAMED_BY_ATTRIBUTES:
                found |= {
                    name: value.type
                    for name, value in values.items()
                    if isinstance(value, TypedExpression) and entry.attribute(name) is None
                }
            elif type == DRAWN:
                found[name] = self._drawn_type(attributes)
            elif (made := made_type(type, entry, values, is_read=name in self._text)) is not None:
                found[name] = made
        return found

    def _drawn_type(self, attributes: dict[str, Bound]) -> str:
        item = "any"
        if "from" in attributes and isinstance(attributes["from"].value, CallValue):
            return CONSTRAINTS
        if "from" in attributes:
            drawn = self.scope.columns.get(str(attributes["from"].value))
            if drawn is None:
                declaration, span = self._declaration(str(attributes["from"].value), attributes["from"].span)
                self.scope.ask(declaration, span)
                drawn = self.scope.columns.get(declaration.qualified, Columns(is_open=True))
            column, balance = attributes.get("column"), attributes.get("balance")
            if balance is not None and drawn.type_of(str(balance.value)) is None:
                self._no_drawn(attributes, drawn, balance)
            if column is not None:
                item = drawn.type_of(str(column.value)) or self._no_drawn(attributes, drawn, column)
            elif not drawn.is_open:
                from mixwright_compiler.schema import struct_of

                item = struct_of(drawn.types)
        elif "values" in attributes:
            item = common_type_of_values(attributes["values"].value)
        count = attributes.get("count")
        is_list = count is not None and isinstance(count.value, int) and count.value > 1
        return f"list[{item}]" if is_list else item

    def _no_drawn(self, attributes: dict[str, Bound], drawn: Columns, column: Bound) -> str:
        near = nearest(str(column.value), drawn.types)
        self.findings.error(
            "MIX401",
            f"no column `{column.value}` in rows of `{attributes['from'].value}`",
            column.span,
            f"columns there: {listing(drawn.types)}",
            hint=f"did you mean `{near}`?" if near else f"write one of: {listing(drawn.types)}",
        )
        return "any"


def _numbered(stem: str, taken: Collection[str]) -> str:
    """The stem, or the first of `stem_2`, `stem_3` … that is not taken."""
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    return name


def _inherits(entry: Entry) -> bool:
    return any(schema.holds == "inherited_schema" for schema in entry.attributes)


def _is_written(block: Block, name: str) -> bool:
    return any((s.name.name if isinstance(s, Attribute) else s.kind) == name for s in block.body)


def _template_names(entry: Entry, attributes: dict[str, Bound]) -> list[tuple[Bound, str]]:
    found = []
    for schema in entry.attributes:
        bound = attributes.get(schema.name)
        if bound is None or bound.is_default:
            continue
        if schema.type == "ref:template":
            found.append((bound, str(bound.value)))
        elif schema.type == "list[ref:template]":
            found += [(bound, str(name)) for name in bound.value]
    return found
