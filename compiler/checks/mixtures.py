"""6xx, 8xx and licences: what a mixture as a whole must have."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.checks.checked import Checked, is_written, value_of
from compiler.program import MixtureDecl, SourceDecl
from compiler.suggest import listing, nearest
from dsl.diagnostic import Label
from dsl.source import Span


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
            checked.findings.error(
                "MIX613",
                f"mixture `{mixture.name}` has no component",
                mixture.name_span,
                "nothing is left in it" if mixture.variant_of else "nothing is in it",
                hint="add `rows = all` for a source or pipeline `rows`",
            )


def evaluation_sets(checked: Checked) -> dict[str, Span]:
    """Sources that something is decontaminated against or measured on, with the place that says so."""
    found: dict[str, Span] = {}
    program = checked.program
    steps = [s for p in program.pipelines.values() for s in p.steps]
    steps += [s for m in program.mixtures.values() for s in m.steps]
    for step in steps:
        bound = step.attributes.get("against")
        if bound is not None:
            for name in bound.value:
                found.setdefault(str(name), bound.span)
    for train in program.trains.values():
        for evaluation in train.evaluations:
            found.setdefault(evaluation.graded.start.rows, evaluation.span)
    return found


def check_evaluation_sets(checked: Checked) -> None:
    """MIX210: an evaluation set among the rows. MIX601: a trained mixture that is not decontaminated."""
    sets = evaluation_sets(checked)
    if not sets:
        return
    for mixture in checked.of_mixtures():
        for path in checked.paths_from(mixture.name):
            if path[-1] in sets and not mixture.variant_of:
                component = next(c for c in mixture.components if c.rows == path[1])
                checked.findings.error(
                    "MIX210",
                    f"evaluation set `{path[-1]}` is in mixture `{mixture.name}`",
                    component.name_span,
                    " → ".join(reversed(path)),
                    secondary=(Label(sets[path[-1]], "an evaluation set by this line"),),
                    hint=f"leave `{component.rows}` out, or train on another split",
                )
        outputs = [t for t in checked.program.trains.values() if t.mixture == mixture.name]
        if outputs and mixture.components and not _is_decontaminated(checked, mixture):
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
        if any(s.entry.family == "decontaminate" for s in declared.steps):
            return True
        if isinstance(declared, MixtureDecl):
            return all(passes(c.rows, (*seen, name)) for c in declared.components)
        return passes(declared.start.rows, (*seen, name))

    return passes(mixture.name)


def check_licenses(checked: Checked) -> None:
    """MIX205 and MIX206: a policy lists the licences, and rows of a mixture have none or another one."""
    for policy in checked.program.policies.values():
        allowed = value_of(policy.attributes, "licenses")
        if not isinstance(allowed, list):
            continue
        at = policy.attributes["licenses"].span
        reported: set[str] = set()
        for source, path in _sources(checked):
            if source.name in reported or not checked.clean(source.span):
                continue
            found = value_of(source.attributes, "license") or _locked_license(checked, source)
            way = " → ".join(reversed(path))
            if not found:
                reported.add(source.name)
                checked.findings.error(
                    "MIX205",
                    f"source `{source.name}` has no license, and policy `{policy.name}` asks for one",
                    source.name_span,
                    way,
                    secondary=(Label(at, "the policy"),),
                    hint=f'add `license = "{allowed[0] if allowed else "mit"}"` if that is what it is',
                )
            elif str(found).lower() not in [str(a).lower() for a in allowed]:
                reported.add(source.name)
                bound = source.attributes.get("license")
                near = nearest(str(found), [str(a) for a in allowed])
                checked.findings.error(
                    "MIX206",
                    f"license `{found}` of source `{source.name}` is not allowed by policy `{policy.name}`",
                    bound.span if bound is not None else source.name_span,
                    way,
                    secondary=(Label(at, f"allowed: {listing(map(str, allowed))}"),),
                    hint=f"did you mean `{near}`?"
                    if near
                    else f"leave `{source.name}` out, or allow its license",
                )


def _sources(checked: Checked) -> Iterator[tuple[SourceDecl, tuple[str, ...]]]:
    """Every source that reaches a mixture, with one way there."""
    for mixture in checked.of_mixtures():
        for path in checked.paths_from(mixture.name):
            source = checked.program.sources.get(path[-1])
            if source is not None:
                yield source, path


def _locked_license(checked: Checked, source: SourceDecl) -> str:
    lock = checked.world.lock
    locked = lock.sources.get(source.name) if lock is not None else None
    return str(locked.license) if locked is not None else ""


def check_messages(checked: Checked) -> None:
    """MIX710: something that needs chats reads a mixture with a component that has none."""
    program = checked.program
    needs = [(t, t.mixture, t.mixture_span, "`train`") for t in program.trains.values()]
    needs += [
        (e, e.mixture, e.mixture_span, "format `messages`")  # type: ignore[misc]
        for e in program.exports.values()
        if value_of(e.attributes, "format", "messages") == "messages"
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
                hint="end the pipeline with `chat { user = …, assistant = … }`"
                if component.kind == "pipeline"
                else f"make a pipeline: `from {component.rows}`, then `chat {{ user = …, assistant = … }}`",
            )
