"""6xx and 8xx: what a mixture as a whole must have."""

from __future__ import annotations

from mixwright_compiler.checks.checked import Checked, is_written
from mixwright_compiler.program import MixtureDecl
from mixwright_compiler.suggest import listing
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.source import Span


def check_seeds(checked: Checked) -> None:
    """MIX801: no seed. MIX613: no component."""
    for mixture in checked.of_mixtures():
        if not mixture.variant_of and not is_written(mixture.attributes, "seed"):
            checked.findings.error(
                "MIX801",
                f"mixture `{mixture.name}` has no `seed`",
                mixture.name_span,
                "it decides which rows are taken",
                hint="add `seed = 42`",
            )
        if not mixture.components and checked.is_whole(mixture):
            rows = list(checked.program.pipelines or checked.program.sources)
            others = f", or other rows: {listing(rows[1:])}" if len(rows) > 1 else ""
            checked.findings.error(
                "MIX613",
                f"mixture `{mixture.name}` has no component",
                mixture.name_span,
                "nothing is left in it" if mixture.variant_of else "nothing is in it",
                hint=f"add `{rows[0]} = all`{others}"
                if rows and not mixture.variant_of
                else "give it rows: `NAME = all`, of a source or pipeline",
            )


def evaluation_sets(checked: Checked) -> dict[str, Span]:
    """Sources that something is decontaminated against or measured on, with the place that says so."""
    found: dict[str, Span] = {}
    program = checked.program
    steps = [s for p in program.pipelines.values() for s in p.steps]
    steps += [s for m in program.mixtures.values() for s in m.steps]
    for step in steps:
        bound = step.attributes.get(step.entry.apart_from)
        if bound is not None:
            for name in bound.value:
                found.setdefault(str(name), bound.span)
    for train in program.trains.values():
        for evaluation in train.evaluations:
            found.setdefault(evaluation.graded.start.rows, evaluation.span)
    return found


def sets_apart(checked: Checked) -> dict[str, Span]:
    """Evaluation sets, and those that a policy demands to keep apart, with the place that says so.

    That mixtures really are kept apart from the latter is MIX217.
    """
    demanded = [
        p.attributes["decontaminated"]
        for p in checked.program.policies.values()
        if "decontaminated" in p.attributes
    ]
    return {str(one.value): one.span for bound in demanded for one in bound.each()} | evaluation_sets(checked)


def check_evaluation_sets(checked: Checked) -> None:
    """MIX210: an evaluation set among the rows. MIX601: a trained mixture that is not decontaminated."""
    sets, apart = evaluation_sets(checked), sets_apart(checked)
    if not apart:
        return
    for mixture in checked.of_mixtures():
        for path in checked.paths_from(mixture.name):
            if path[-1] in apart and not mixture.variant_of:
                component = next(c for c in mixture.components if c.rows == path[1])
                checked.findings.error(
                    "MIX210",
                    f"evaluation set `{path[-1]}` is in mixture `{mixture.name}`",
                    component.name_span,
                    " → ".join(reversed(path)),
                    secondary=(Label(apart[path[-1]], "an evaluation set by this line"),),
                    hint="delete it, or train on another split",
                )
        outputs = [t for t in checked.program.trains.values() if t.mixture == mixture.name]
        if sets and outputs and mixture.components and not _is_decontaminated(checked, mixture):
            name, span = next(iter(sets.items()))
            checked.findings.warning(
                "MIX601",
                f"`{outputs[0].name}` trains on `{mixture.name}`, which is not decontaminated",
                outputs[0].mixture_span,
                "rows may resemble what it is measured on",
                secondary=(Label(span, "an evaluation set by this line"),),
                hint=f"add `decontaminate ngram {{ against = [{name}] }}` to `{mixture.name}`",
            )


def _is_decontaminated(checked: Checked, mixture: MixtureDecl) -> bool:
    """Does every way from a source to the mixture pass a `decontaminate`?"""
    program = checked.program

    def passes(name: str, seen: tuple[str, ...] = ()) -> bool:
        if name in seen:
            return True
        declared = program.mixtures.get(name) or program.pipelines.get(name)
        if declared is None:
            return False
        if any(s.entry.apart_from for s in declared.steps):
            return True
        if isinstance(declared, MixtureDecl):
            return all(passes(c.rows, (*seen, name)) for c in declared.components)
        return passes(declared.start.rows, (*seen, name))

    return passes(mixture.name)


def check_messages(checked: Checked) -> None:
    """MIX710: something that needs chats reads a mixture with a component that has none."""
    program = checked.program
    needs = [(t, t.mixture, t.mixture_span, "`train`") for t in program.trains.values()]
    needs += [
        (e, e.mixture, e.mixture_span, f"format `{e.entry.name}`")  # type: ignore[misc]
        for e in program.exports.values()
        if "messages" in e.entry.reads
    ]
    reported: set[tuple[str, str]] = set()
    for _declared, name, span, what in needs:
        mixture = program.mixtures.get(name)
        if mixture is None or not checked.clean(mixture.span):
            continue
        for component in mixture.components:
            columns = checked.columns.get(component.rows)
            key = (mixture.name, component.rows)
            if columns is None or columns.type_of("messages") is not None or key in reported:
                continue
            reported.add(key)
            checked.findings.error(
                "MIX710",
                f"rows of `{component.rows}` have no column `messages`, and {what} needs one",
                component.name_span,
                f"columns: {listing(columns.types)}",
                secondary=(Label(span, "needs chats"),),
                hint=f"add `chat {{ user = …, assistant = … }}` to `pipeline {component.rows}`"
                if component.kind == "pipeline"
                else f"make a pipeline: `from {component.rows}`, then `chat {{ user = …, assistant = … }}`",
            )
