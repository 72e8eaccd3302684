"""Blocks that nothing refers to: train, export, policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixwright_compiler.bind.attributes import bind_attributes, bind_budget
from mixwright_compiler.bind.evaluations import bind_evaluations, is_evaluation
from mixwright_compiler.bind.kinds import is_excused, kind_of
from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.catalog.blocks import language_blocks
from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.world import Module
from mixwright_compiler.program import (
    ExcludedDecl,
    ExportDecl,
    PolicyDecl,
    TrainDecl,
)
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Attribute, Block, Ref, named
from mixwright_dsl.source import Span


def bind_output(scope: Scope, module: Module, block: Block) -> None:
    try:
        match block.kind:
            case "train":
                _train(scope, module, block)
            case "export":
                _export(scope, module, block)
            case "policy":
                _policy(scope, module, block)
    except Reported:
        pass


def _name_and_mixture(scope: Scope, module: Module, block: Block, word: str) -> tuple[Ref, Ref, str]:
    """The labels of `train NAME on MIXTURE` and `export NAME of MIXTURE`; raises Reported."""
    match block.labels:
        case (Ref(parts=(_,)) as name, Ref(parts=(found,)), Ref() as mixture) if found == word:
            found_mixture = scope.world.need(module, mixture, "mixture")
            scope.ask(found_mixture, mixture.span)
            return name, mixture, found_mixture.qualified
    raise scope.findings.error(
        "MIX120",
        f"`{block.kind}` needs a name and a mixture",
        block.labels[0].span if block.labels else block.kind_span,
        hint=f"write `{block.kind} my_{block.kind} {word} my_mixture {{ … }}`",
    )


def _fresh(scope: Scope, table: dict[str, Any], name: str, span: Span) -> None:
    if name in table:
        raise scope.findings.error(
            "MIX114",
            f"`{name}` is declared twice",
            span,
            "declared again here",
            secondary=(Label(table[name].name_span, "first declared here"),),
            hint=f"rename one: `{name}_2`",
        )


def _train(scope: Scope, module: Module, block: Block) -> None:
    name, mixture, qualified = _name_and_mixture(scope, module, block, "on")
    entry = scope.world.catalog.only("train")
    _fresh(scope, scope.trains, name.name, name.span)
    attributes = bind_attributes(
        Place(scope.world, module),
        entry,
        block.body,
        name.span,
        f"train `{name.name}`",
        taken=is_evaluation,
    )
    evaluations = bind_evaluations(scope, module, name.name, block.body)
    scope.trains[name.name] = TrainDecl(
        name=name.name,
        entry=entry,
        attributes=attributes,
        span=block.span,
        name_span=name.span,
        mixture=qualified,
        mixture_span=mixture.span,
        evaluations=evaluations,
    )


def _export(scope: Scope, module: Module, block: Block) -> None:
    name, mixture, qualified = _name_and_mixture(scope, module, block, "of")
    _fresh(scope, scope.exports, name.name, name.span)
    written = next((s.value for s in block.body if isinstance(s, Attribute) and _is(s, "format")), None)
    chosen = written.name if isinstance(written, Ref) else getattr(written, "value", None)
    entry = kind_of(scope.world, "export", str(chosen)) if chosen is not None else None
    is_known = entry is not None or chosen is None
    if entry is None:
        at = block.kind_span if written is None else written.span
        if chosen is not None and is_excused(scope.world, "export", str(chosen), at):
            raise Reported
        entries = scope.world.catalog.family("export")
        entry = entries[_usual_format(entries)]
    place = Place(scope.world, module, scope.columns.get(qualified), f"rows of `{mixture.name}`")
    known = {schema.name for schema in entry.attributes}
    attributes = bind_attributes(
        place,
        entry,
        block.body,
        name.span,
        f"export `{name.name}`",
        # What an unknown format takes is not known either.
        taken=lambda s: not is_known and named(s)[0] not in known,
    )
    scope.exports[name.name] = ExportDecl(
        name=name.name,
        entry=entry,
        attributes=attributes,
        span=block.span,
        name_span=name.span,
        mixture=qualified,
        mixture_span=mixture.span,
    )


def _usual_format(entries: Mapping[str, Entry]) -> str:
    """The format of an export that names none."""
    found = (entry.attribute("format") for entry in entries.values())
    return next((str(schema.default) for schema in found if schema is not None), next(iter(entries)))


def _policy(scope: Scope, module: Module, block: Block) -> None:
    of = ""
    match block.labels:
        case (Ref(parts=(_,)) as name,):
            pass
        case (Ref(), Ref(parts=("of",)), Ref()):
            name, _, of = _name_and_mixture(scope, module, block, "of")
        case _:
            raise scope.findings.error(
                "MIX120",
                "`policy` needs a name",
                block.kind_span,
                hint="write `policy release { … }`, or `policy release of my_mixture { … }`",
            )
    _fresh(scope, scope.policies, name.name, name.span)
    entry = language_blocks()["policy"]
    place = Place(scope.world, module)
    attributes = bind_attributes(
        place,
        entry,
        block.body,
        name.span,
        f"policy `{name.name}`",
        taken=lambda s: isinstance(s, Block) and s.kind in ("budget", "exclude"),
    )
    budget = bind_budget(place, block.body)
    if budget is not None:
        attributes["budget"] = budget
    scope.policies[name.name] = PolicyDecl(
        name=name.name,
        entry=entry,
        attributes=attributes,
        span=block.span,
        name_span=name.span,
        mixture=of,
        excluded=_excluded(scope, place, block),
    )


def _excluded(scope: Scope, place: Place, policy: Block) -> tuple[ExcludedDecl, ...]:
    """What the `exclude` blocks of a policy keep out; of a broken one the others."""
    found: dict[str, ExcludedDecl] = {}
    for block in policy.body:
        if not isinstance(block, Block) or block.kind != "exclude":
            continue
        try:
            one = _one_excluded(scope, place, block)
        except Reported:
            continue
        if one.source in found:
            scope.findings.error(
                "MIX115",
                f"`{one.source}` is excluded twice",
                one.span,
                "given again here",
                secondary=(Label(found[one.source].span, "first given here"),),
                hint="put both reasons into one",
            )
        found.setdefault(one.source, one)
    return tuple(found.values())


def _one_excluded(scope: Scope, place: Place, block: Block) -> ExcludedDecl:
    match block.labels:
        case (Ref() as label,):
            source = scope.world.need(place.module, label, "source")
        case _:
            raise scope.findings.error(
                "MIX120",
                "`exclude` needs the name of a source",
                block.kind_span,
                hint='write `exclude my_source { because = "its terms forbid it" }`',
            )
    scope.ask(source, label.span)
    attributes = bind_attributes(
        place, language_blocks()["exclude"], block.body, block.kind_span, f"`exclude {label.name}`"
    )
    because = attributes.get("because")
    if because is None:
        raise Reported
    if not str(because.value).strip():
        raise scope.findings.error(
            "MIX117",
            "`because` is empty",
            because.span,
            "readers of the dataset see it",
            hint='say why: `because = "its terms forbid it"`',
        )
    return ExcludedDecl(source=source.qualified, because=str(because.value).strip(), span=label.span)


def _is(statement: Any, name: str) -> bool:
    return named(statement)[0] == name
