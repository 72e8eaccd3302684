"""What the policies of a spec demand of its mixtures: licenses, sources kept out, decontamination, reviews by people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mixwright_compiler.catalog.licenses import (
    CLASSES,
    as_written,
    classes_of,
    is_allowed,
    is_class,
    is_glob,
    is_known,
    matches,
)
from mixwright_compiler.catalog.traits import traits_of
from mixwright_compiler.checks.checked import Checked, named_by, value_of
from mixwright_compiler.checks.reviews import RULE
from mixwright_compiler.program import (
    Bound,
    ComponentDecl,
    Declared,
    MixtureDecl,
    ModelDecl,
    PipelineDecl,
    PolicyDecl,
    SourceDecl,
    StepDecl,
    ToolDecl,
)
from mixwright_compiler.suggest import did_you_mean, listing
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import Span


@dataclass(frozen=True)
class _Way:
    """How rows of a source, or what a model writes, come into a mixture. path: names from the mixture to it."""

    component: ComponentDecl
    path: tuple[str, ...]

    @property
    def text(self) -> str:
        return " → ".join(reversed(self.path))

    @property
    def quota(self) -> Label:
        return Label(self.component.name_span, "by this quota")


def check_policies(checked: Checked) -> None:
    """MIX205 and MIX206: licenses. MIX216: a source that is kept out. MIX217: no decontamination. MIX218: no review."""
    for policy in checked.program.policies.values():
        if not checked.clean(policy.span):
            continue
        reported: set[int] = set()
        for mixture in _mixtures(checked, policy):
            for declared, way in _ways(checked, mixture):
                if id(declared) not in reported and _check_declared(checked, policy, declared, way):
                    reported.add(id(declared))
            _check_decontaminated(checked, policy, mixture)
            _check_reviewed(checked, policy, mixture)


def _mixtures(checked: Checked, policy: PolicyDecl) -> Iterator[MixtureDecl]:
    return (m for m in checked.of_mixtures() if policy.mixture in ("", m.name))


def _ways(checked: Checked, mixture: MixtureDecl) -> Iterator[tuple[SourceDecl | ModelDecl, _Way]]:
    """Every source with something in it that reaches the mixture, and every model that writes text of its rows, with a
    shortest way: rows that start from the source, and rows into which something of it is drawn or found by a tool."""
    program = checked.program
    seen = {mixture.name}
    pending = [_Way(component, (mixture.name, component.rows)) for component in mixture.components]
    written: dict[str, _Way] = {}
    while pending:
        further: list[_Way] = []
        for way in pending:
            name = way.path[-1]
            if name in seen:
                continue
            seen.add(name)
            if name in program.sources:
                source = program.sources[name]
                if not source.entry.is_empty and checked.clean(source.span):
                    yield source, way
            else:
                further += [_Way(way.component, (*way.path, below)) for below in _below(checked, name)]
            if name in program.pipelines:
                for model in _writers(checked, program.pipelines[name]):
                    written.setdefault(model, _Way(way.component, (*way.path, model)))
        pending = further
    yield from (
        (program.models[name], way)
        for name, way in written.items()
        if name in program.models and checked.clean(program.models[name].span)
    )


def _writers(checked: Checked, pipeline: PipelineDecl) -> Iterator[str]:
    """The models whose text its steps put into rows, by themselves or by the tools that they call; those that only judge
    write none."""
    for step in pipeline.steps:
        if step.entry.family != "step":
            continue
        asked = [*step.traits.asks]
        for tool in _tools(checked, step):
            values = {name: bound.value for name, bound in tool.attributes.items()}
            asked += traits_of(tool.entry, values).asks
        yield from (
            model for question in asked if question.writes or question.max_tokens for model in question.models
        )


def _tools(checked: Checked, step: StepDecl) -> Iterator[ToolDecl]:
    """The tools that a step calls."""
    tools = checked.program.tools
    return (tools[name] for name in step.traits.calls if name in tools)


def _below(checked: Checked, name: str) -> Iterator[str]:
    """What a pipeline's or mixture's rows are made of."""
    program = checked.program
    if name in program.mixtures:
        yield from (component.rows for component in program.mixtures[name].components)
    elif name in program.pipelines:
        pipeline = program.pipelines[name]
        yield pipeline.start.rows
        for step in pipeline.steps:
            drawn = (
                value_of(step.attributes, schema.name)
                for schema in step.entry.attributes
                if schema.type == "drawn"
            )
            yield from (each for each in drawn if isinstance(each, str))
            for tool in _tools(checked, step):
                yield from (str(bound.value) for _, bound in named_by(tool, "source"))


def _check_declared(
    checked: Checked, policy: PolicyDecl, declared: SourceDecl | ModelDecl, way: _Way
) -> bool:
    """Whether something of a source or a model was reported."""
    is_source = isinstance(declared, SourceDecl)
    excluded = next((one for one in policy.excluded if is_source and one.source == declared.name), None)
    if excluded is not None:
        checked.findings.error(
            "MIX216",
            f"policy `{policy.name}` excludes source `{declared.name}`: {excluded.because}",
            way.component.name_span,
            way.text,
            secondary=(Label(excluded.span, "excluded here"),),
            hint=f"leave `{way.component.rows}` out of `{way.path[0]}`, or start it from another source",
        )
        return True
    allowed = [str(one) for one in value_of(policy.attributes, "licenses") or ()]
    forbidden = [str(one) for one in value_of(policy.attributes, "forbid") or ()]
    return bool(allowed or forbidden) and _check_license(checked, policy, declared, way, allowed, forbidden)


def _check_license(
    checked: Checked,
    policy: PolicyDecl,
    declared: SourceDecl | ModelDecl,
    way: _Way,
    allowed: Sequence[str],
    forbidden: Sequence[str],
) -> bool:
    is_source = isinstance(declared, SourceDecl)
    what = f"{'source' if is_source else 'model'} `{declared.name}`"
    locked = _locked_license(checked, declared) if is_source else ""
    found = str(value_of(declared.attributes, "license") or locked)
    at = policy.attributes["licenses" if allowed else "forbid"].span
    if not found and not is_source:
        return False  # most servers do not say what their models' text is under
    if not found:
        checked.findings.error(
            "MIX205",
            f"{what} has no license, and policy `{policy.name}` asks for one",
            declared.name_span,
            way.text,
            secondary=(Label(at, "the policy"), way.quota),
            hint='add `license = "…"` with the id under which its rows were published',
        )
        return True
    bound = declared.attributes.get("license")
    span = bound.span if bound is not None else declared.name_span
    is_named = any(matches(one, found) and not is_glob(one) for one in allowed)
    classes = classes_of(found)
    words = [one for one in forbidden if is_class(one)]
    against = [one for one in words if classes is None or one in classes]
    patterns = [one for one in forbidden if not is_class(one) and matches(one, found)]
    hint = ""
    label = Label(at, "the policy")
    if allowed and not is_allowed(found, allowed):
        message = f"license `{found}` of {what} is not allowed by policy `{policy.name}`"
        label = Label(at, f"allowed: {listing(allowed)}")
        written = None if is_known(found) else as_written(found)
        # Only a slip of an id is mended by writing another one; a license is what its publisher chose.
        hint = did_you_mean(written)
    elif is_named or not (against or patterns):
        return False
    else:
        label = Label(policy.attributes["forbid"].span, "the policy")
        message = f"policy `{policy.name}` forbids license `{found}` of {what}"
        if patterns and patterns[0] != found:
            message += f": `{patterns[0]}`"
        elif not patterns and classes is None:
            message = f"what license `{found}` of {what} asks is not known, and policy "
            message += f"`{policy.name}` forbids {listing(words)}"
            hint = f"read it, and name it in `licenses` of `{policy.name}` if it may be used"
        elif not patterns:
            message += f": {CLASSES[against[0]]}"
    checked.findings.error(
        "MIX206",
        message,
        span,
        way.text,
        secondary=(label, way.quota),
        hint=hint or f"leave `{way.component.rows}` out of `{way.path[0]}`, or change the policy",
    )
    return True


def _locked_license(checked: Checked, source: Declared) -> str:
    lock = checked.world.lock
    locked = lock.sources.get(source.name) if lock is not None else None
    return str(locked.license) if locked is not None else ""


def _check_decontaminated(checked: Checked, policy: PolicyDecl, mixture: MixtureDecl) -> None:
    demand = policy.attributes.get("decontaminated")
    if demand is None or not demand.value:
        return
    wanted = tuple(dict.fromkeys(map(str, demand.value)))
    for component, path, missing in _unguarded(checked, mixture, wanted):
        checked.findings.error(
            "MIX217",
            f"rows of `{component.rows}` are not kept apart from {listing(f'`{one}`' for one in missing)}, as policy "
            f"`{policy.name}` demands",
            component.name_span,
            " → ".join(reversed(path)),
            secondary=(Label(_item(demand, missing[0]), "the policy"),),
            hint=f"add `decontaminate ngram {{ against = [{', '.join(missing)}] }}` to `{mixture.name}`",
        )


def _item(demand: Bound, name: str) -> Span:
    return next((one.span for one in demand.each() if one.value == name), demand.span)


def _unguarded(
    checked: Checked, mixture: MixtureDecl, wanted: tuple[str, ...]
) -> Iterator[tuple[ComponentDecl, tuple[str, ...], tuple[str, ...]]]:
    """Components of which some rows come in past no `decontaminate` against some of the sets: one way, and the sets."""
    left = _without_guards(mixture.steps, wanted)
    for component in mixture.components:
        seen: set[tuple[str, tuple[str, ...]]] = set()
        start: tuple[str, ...] = (mixture.name, component.rows)
        pending = [(start, left)] if left else []
        while pending:
            path, missing = pending.pop(0)
            name = path[-1]
            if (name, missing) in seen:
                continue
            seen.add((name, missing))
            if name in checked.program.sources:
                yield component, path, missing
                break
            declared = checked.program.mixtures.get(name) or checked.program.pipelines.get(name)
            if declared is None:
                break
            still = _without_guards(declared.steps, missing)
            if still:
                below = (
                    [declared.start.rows]
                    if isinstance(declared, PipelineDecl)
                    else [c.rows for c in declared.components]
                )
                pending += [((*path, each), still) for each in below]


def _without_guards(steps: Sequence[StepDecl], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the sets that no step keeps all rows apart from: one with `when` lets some pass."""
    guarded = {
        str(name)
        for step in steps
        if step.entry.apart_from and step.when is None
        for name in value_of(step.attributes, step.entry.apart_from) or ()
    }
    return tuple(name for name in wanted if name not in guarded)


def _check_reviewed(checked: Checked, policy: PolicyDecl, mixture: MixtureDecl) -> None:
    demand = policy.attributes.get("reviewed")
    if demand is None:
        return
    for component in mixture.components:
        found = _unreviewed(checked, component.rows, (mixture.name,))
        if found is None:
            continue
        path, writer = found
        checked.findings.error(
            "MIX218",
            f"no `review` follows `{writer.id}`, and policy `{policy.name}` demands one of what models write",
            component.name_span,
            " → ".join(reversed(path)),
            secondary=(Label(demand.span, "the policy"), Label(writer.kind_span, "a model writes here")),
            hint=f'add `review checked {{ of = {writer.label or "answer"}, out = "review/{path[-1]}.csv" }}` to '
            f"`{path[-1]}`",
        )


def _unreviewed(
    checked: Checked, name: str, chain: tuple[str, ...]
) -> tuple[tuple[str, ...], StepDecl] | None:
    """A way down to a step whose text no later step has people judge, and that step."""
    if name in chain:
        return None
    chain = (*chain, name)
    program = checked.program
    if name in program.mixtures:
        ways = (_unreviewed(checked, c.rows, chain) for c in program.mixtures[name].components)
        return next((way for way in ways if way is not None), None)
    if name not in program.pipelines:
        return None
    pipeline = program.pipelines[name]
    for step in reversed(pipeline.steps):
        if RULE in step.entry.rules:
            return None
        if step.entry.family == "step" and any(question.writes for question in step.traits.asks):
            return chain, step
    return _unreviewed(checked, pipeline.start.rows, chain)


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
        for bound in (
            policy.attributes[name] for name in ("licenses", "forbid") if name in policy.attributes
        ):
            ids = [str(one) for one in bound.value or () if not is_class(str(one))]
            written.append((bound, [name for name in ids if not is_glob(name)]))
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
