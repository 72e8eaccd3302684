"""6xx, 8xx and licences: what a mixture as a whole must have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mixwright_compiler.catalog.licenses import CLASSES, as_written, classes_of, is_glob, is_known, matches
from mixwright_compiler.checks.checked import Checked, is_written, value_of
from mixwright_compiler.program import MixtureDecl, PolicyDecl, SourceDecl
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
        bound = step.attributes.get(step.entry.apart_from)
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
        if any(s.entry.apart_from for s in declared.steps):
            return True
        if isinstance(declared, MixtureDecl):
            return all(passes(c.rows, (*seen, name)) for c in declared.components)
        return passes(declared.start.rows, (*seen, name))

    return passes(mixture.name)


def check_licenses(checked: Checked) -> None:
    """MIX205 and MIX206: a policy says which licenses rows of a mixture may have, and they have none or another one."""
    for policy in checked.program.policies.values():
        allowed = [str(one) for one in value_of(policy.attributes, "licenses") or ()]
        forbidden = [str(one) for one in value_of(policy.attributes, "forbid") or ()]
        if not allowed and not forbidden:
            continue
        reported: set[str] = set()
        for source, path in _sources(checked, policy.mixture):
            if source.name in reported or source.entry.is_empty or not checked.clean(source.span):
                continue
            if _check_license(checked, policy, source, path, allowed, forbidden):
                reported.add(source.name)


def _check_license(
    checked: Checked,
    policy: PolicyDecl,
    source: SourceDecl,
    path: tuple[str, ...],
    allowed: Sequence[str],
    forbidden: Sequence[str],
) -> bool:
    """Whether a source's license was reported."""
    found = str(value_of(source.attributes, "license") or _locked_license(checked, source) or "")
    at = policy.attributes["licenses" if allowed else "forbid"].span
    way = " → ".join(reversed(path))
    if not found:
        checked.findings.error(
            "MIX205",
            f"source `{source.name}` has no license, and policy `{policy.name}` asks for one",
            source.name_span,
            way,
            secondary=(Label(at, "the policy"),),
            hint='add `license = "…"` with the id under which its rows were published',
        )
        return True
    bound = source.attributes.get("license")
    span = bound.span if bound is not None else source.name_span
    is_named = any(matches(one, found) and not is_glob(one) for one in allowed)
    is_allowed = not allowed or any(matches(one, found) for one in allowed)
    classes = classes_of(found)
    against = [one for one in forbidden if classes is None or one in classes]
    if not is_allowed:
        message = f"license `{found}` of source `{source.name}` is not allowed by policy `{policy.name}`"
        label = Label(at, f"allowed: {listing(allowed)}")
        written = None if is_known(found) else as_written(found)
        # Only a slip of an id is mended by writing another one; a license is what its publisher chose.
        hint = f"did you mean `{written}`?" if written is not None else ""
    elif against and not is_named:
        label = Label(policy.attributes["forbid"].span, "the policy")
        hint = ""
        if classes is None:
            message = f"what license `{found}` of source `{source.name}` asks is not known, and policy "
            message += f"`{policy.name}` forbids {listing(forbidden)}"
            hint = f"read it, and name it in `licenses` of `{policy.name}` if it may be used"
        else:
            message = f"policy `{policy.name}` forbids license `{found}` of source `{source.name}`: {CLASSES[against[0]]}"
    else:
        return False
    checked.findings.error(
        "MIX206",
        message,
        span,
        way,
        secondary=(label,),
        hint=hint or f"leave `{source.name}` out of this mixture, or change the policy",
    )
    return True


def check_license_ids(checked: Checked) -> None:
    """MIX214: an id that no license has, or in another case."""
    program = checked.program
    declared = (*program.sources.values(), *program.models.values(), *program.exports.values())
    written = [
        (d.attributes["license"], [d.attributes["license"].value])
        for d in declared
        if "license" in d.attributes
    ]
    for policy in program.policies.values():
        if "licenses" in policy.attributes:
            bound = policy.attributes["licenses"]
            written.append((bound, [name for name in bound.value or () if not is_glob(str(name))]))
    for bound, names in written:
        for name in names:
            if not isinstance(name, str) or not name or (is_known(name) and as_written(name) is None):
                continue
            better = as_written(name)
            checked.findings.lint(
                "MIX214",
                f"`{name}` is no license id"
                if not is_known(name)
                else f"license ids are in lower case: `{name}`",
                bound.span,
                hint=f"write `{better}`" if better else "write an SPDX id in lower case, or `other`",
            )


def _sources(checked: Checked, of: str = "") -> Iterator[tuple[SourceDecl, tuple[str, ...]]]:
    """Every source that reaches a mixture, or this one, with one way there."""
    for mixture in checked.of_mixtures():
        if of and mixture.name != of:
            continue
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
                hint="end the pipeline with `chat { user = …, assistant = … }`"
                if component.kind == "pipeline"
                else f"make a pipeline: `from {component.rows}`, then `chat {{ user = …, assistant = … }}`",
            )
