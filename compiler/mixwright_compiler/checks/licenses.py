"""Licenses: what policies let in, what an export says its rows are under, and ids that no license has."""

from __future__ import annotations

from collections.abc import Sequence

from mixwright_compiler.catalog.license_expressions import alternatives
from mixwright_compiler.catalog.licenses import (
    CLASSES,
    as_written,
    asked_by,
    classes_of,
    is_allowed,
    is_class,
    is_glob,
    is_known,
    matches,
)
from mixwright_compiler.checks.checked import Checked, value_of
from mixwright_compiler.checks.ways import Way, ways_into
from mixwright_compiler.program import Declared, ExportDecl, ModelDecl, PolicyDecl, SourceDecl
from mixwright_compiler.suggest import did_you_mean, listing
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import Span


@dataclass(frozen=True)
class _Refusal:
    """Why a policy does not take a license. by: the attribute that says so."""

    by: str
    message: str
    label: str = "the policy"
    hint: str = ""


def check_license(checked: Checked, policy: PolicyDecl, declared: SourceDecl | ModelDecl, way: Way) -> bool:
    """MIX205 and MIX206: a policy, and the license of a source or a model; whether something was reported."""
    allowed = [str(one) for one in value_of(policy.attributes, "licenses") or ()]
    forbidden = [str(one) for one in value_of(policy.attributes, "forbid") or ()]
    if not allowed and not forbidden:
        return False
    what = _named(declared)
    found = _license_of(checked, declared)
    if not found and isinstance(declared, ModelDecl):
        return False  # most servers do not say what their models' text is under
    if not found:
        at = policy.attributes["licenses" if allowed else "forbid"].span
        checked.findings.error(
            "MIX205",
            f"{what} has no license, and policy `{policy.name}` asks for one",
            declared.name_span,
            way.text,
            secondary=(Label(at, "the policy"), way.quota),
            hint='add `license = "…"` with the id under which its rows were published',
        )
        return True
    refusal = _refused(policy, what, found, allowed, forbidden)
    if refusal is None:
        return False
    checked.findings.error(
        "MIX206",
        refusal.message,
        _place(declared),
        way.text,
        secondary=(Label(policy.attributes[refusal.by].span, refusal.label), way.quota),
        hint=refusal.hint or f"leave `{way.component.rows}` out of `{way.path[0]}`, or change the policy",
    )
    return True


def _named(declared: SourceDecl | ModelDecl) -> str:
    return f"{'source' if isinstance(declared, SourceDecl) else 'model'} `{declared.name}`"


def _place(declared: Declared) -> Span:
    bound = declared.attributes.get("license")
    return bound.span if bound is not None else declared.name_span


def _license_of(checked: Checked, declared: SourceDecl | ModelDecl) -> str:
    """As it is written, or for a source as the lock has it; empty where neither says it."""
    lock = checked.world.lock
    locked = (
        lock.sources.get(declared.name) if lock is not None and isinstance(declared, SourceDecl) else None
    )
    return str(value_of(declared.attributes, "license") or (locked.license if locked is not None else ""))


def _refused(
    policy: PolicyDecl, what: str, found: str, allowed: Sequence[str], forbidden: Sequence[str]
) -> _Refusal | None:
    """Why a policy does not take a license, or none of those that one may choose among."""
    if found in allowed:
        return None
    refusals = []
    for terms in alternatives(found):
        whole = "" if terms == (found,) else found
        refusals.append(
            next(
                filter(None, (_refusal(policy, what, one, allowed, forbidden, whole) for one in terms)), None
            )
        )
    return None if None in refusals else refusals[0]


def _refusal(
    policy: PolicyDecl, what: str, found: str, allowed: Sequence[str], forbidden: Sequence[str], whole: str
) -> _Refusal | None:
    """Why a policy does not take one license. whole: the expression that it is a part of."""
    name = f"`{found}`" + (f" in `{whole}`" if whole else "")
    if allowed and not is_allowed(found, allowed):
        written = None if is_known(found) else as_written(found)
        # Only a slip of an id is mended by writing another one; a license is what its publisher chose.
        return _Refusal(
            "licenses",
            f"license {name} of {what} is not allowed by policy `{policy.name}`",
            f"allowed: {listing(allowed)}",
            "" if whole else did_you_mean(written),
        )
    classes = classes_of(found)
    words = [one for one in forbidden if is_class(one)]
    against = [one for one in words if classes is None or one in classes]
    patterns = [one for one in forbidden if not is_class(one) and matches(one, found)]
    is_named = any(matches(one, found) and not is_glob(one) for one in allowed)
    if is_named or not (against or patterns):
        return None
    message, hint = f"policy `{policy.name}` forbids license {name} of {what}", ""
    if patterns and patterns[0] != found:
        message += f": `{patterns[0]}`"
    elif not patterns and classes is None:
        message = f"what license {name} of {what} asks is not known, and policy "
        message += f"`{policy.name}` forbids {listing(words)}"
        hint = f"read it, and name it in `licenses` of `{policy.name}` if it may be used"
    elif not patterns:
        message += f": {CLASSES[against[0]]}"
    return _Refusal("forbid", message, hint=hint)


def check_export_licenses(checked: Checked) -> None:
    """MIX208: an export that is said to be under a license which asks less than one of its rows."""
    for export in checked.program.exports.values():
        stated = export.attributes.get("license")
        mixture = checked.program.mixtures.get(export.mixture)
        if (
            stated is None
            or not stated.value
            or mixture is None
            or not checked.clean(export.span, mixture.span)
        ):
            continue
        offered = [asked_by(terms) for terms in alternatives(str(stated.value))]
        if None in offered:
            continue  # terms of its own: whether they cover the rows' is not told by an id
        for declared, way in ways_into(checked, mixture):
            license = _license_of(checked, declared)
            chosen = [asked_by(terms) for terms in alternatives(license)] if license else [None]
            lacking = [_lacking(each, chosen) for each in offered if each is not None]
            if missing := max(lacking, key=len, default=frozenset()):
                _say_less(checked, export, str(stated.value), stated.span, declared, license, way, missing)
                break


def _lacking(offered: frozenset[str], chosen: Sequence[frozenset[str] | None]) -> frozenset[str]:
    """What rows ask and an offer does not; nothing where one of the licenses to choose among asks no more, or does not
    say what it asks."""
    missing = [frozenset[str]() if each is None else each - offered for each in chosen]
    return min(missing, key=len, default=frozenset())


def _say_less(
    checked: Checked,
    export: ExportDecl,
    stated: str,
    span: Span,
    declared: SourceDecl | ModelDecl,
    license: str,
    way: Way,
    missing: frozenset[str],
) -> None:
    asks = "; ".join(words for word, words in CLASSES.items() if word in missing)
    checked.findings.warning(
        "MIX208",
        f"export `{export.name}` is said to be under `{stated}`, and `{license}` of {_named(declared)} asks more: {asks}",
        span,
        way.text,
        secondary=(Label(_place(declared), "asks it"), way.quota),
        hint=f"leave `{way.component.rows}` out of `{export.mixture}`, or state a license that asks it too",
    )


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
