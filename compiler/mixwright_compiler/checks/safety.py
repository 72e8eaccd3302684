"""9xx: secrets in the text, packages that are not installed."""

from __future__ import annotations

import re
from functools import cache

from mixwright_compiler.catalog.catalog import Catalog, Entry
from mixwright_compiler.checks.checked import Checked, value_of
from mixwright_dsl.diagnostic import Diagnostic
from mixwright_dsl.source import Span

SECRETS = (
    r"\b(?P<key>sk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{24,}|gh[pousr]_[A-Za-z0-9]{30,}"
    r"|github_pat_[A-Za-z0-9_]{30,}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,}|xox[abprs]-[A-Za-z0-9-]{10,})"
    r"|(?P<private>-----BEGIN [A-Z ]*PRIVATE KEY-----)"
    r"|://[^/\s:@\"]+:(?P<password>[^/\s:@\"]{3,})@"
)
"""Keys of well-known services by their prefix, private keys, and passwords in URLs."""

HINTS = (
    "sk-",
    "hf_",
    *(f"gh{kind}_" for kind in "pousr"),
    "github_pat_",
    "AKIA",
    "AIza",
    "xox",
    "PRIVATE KEY",
    "://",
)
"""One of these is in every match; looking for them first is ten times faster than the expression."""


def check_secrets(checked: Checked) -> None:
    """MIX901: a key, token or password anywhere in the text, comments included; nothing else is said of one."""
    for module in checked.world.modules:
        text = module.source.text
        if not any(hint in text for hint in HINTS):
            continue
        for match in re.finditer(SECRETS, text):
            group = match.lastgroup or "key"
            span = Span(module.source, match.start(group), match.end(group))
            checked.findings.take_back(lambda finding, span=span: _is_of(finding, span))  # type: ignore[misc]
            checked.findings.error(
                "MIX901",
                "a secret is written into the file",
                span,
                "everyone who reads the file reads it",
                hint=_instead(group),
                hides=True,
            )


def _is_of(finding: Diagnostic, secret: Span) -> bool:
    """Is it about the secret, or does it show it?"""
    at = finding.primary.span
    is_inside = at.source is secret.source and secret.start - 1 <= at.start and at.end <= secret.end + 1
    said = (
        finding.message,
        finding.hint,
        finding.primary.message,
        *(label.message for label in finding.secondary),
    )
    return is_inside or any(secret.text in text for text in said)


def _instead(group: str) -> str:
    if group == "password":
        return 'take it out of the URL; a key is given by `api_key = env("API_KEY")`'
    return 'revoke it, then write `env("API_KEY")` and set that variable'


@cache
def missing_modules(modules: tuple[str, ...]) -> tuple[str, ...]:
    """Import names that are not installed."""
    from importlib.util import find_spec

    return tuple(m for m in modules if find_spec(m) is None)


def _holding_to_schemas(catalog: Catalog) -> list[Entry]:
    """The verifier with such an attribute: what a step has its answers held to, it holds rows to, by its package."""
    return [entry for entry in catalog.entries.values() if entry.extra and entry.attribute("schema")][:1]


def check_extras(checked: Checked) -> None:
    """MIX908: a package that a run of this spec needs and that is not installed."""
    program = checked.program
    needed: dict[str, tuple[Entry, Span, str]] = {}

    def need(entry: Entry, span: Span, what: str) -> None:
        if entry.extra and missing_modules(entry.modules):
            needed.setdefault(entry.extra, (entry, span, what))

    for model in program.models.values():
        need(model.entry, model.name_span, f"engine `{model.engine}`")
    for source in program.sources.values():
        need(source.entry, source.name_span, f"source kind `{source.kind}`")
    for pipeline in (*program.pipelines.values(), *checked.graded):
        for step in pipeline.steps:
            need(step.entry, step.kind_span, f"`{step.entry.family} {step.entry.name}`")
            if value_of(step.attributes, "schema") is not None:
                for entry in _holding_to_schemas(checked.world.catalog):
                    need(entry, step.attributes["schema"].span, "`schema`")
    for train in program.trains.values():
        need(train.entry, train.name_span, "`train`")
    for export in program.exports.values():
        need(export.entry, export.name_span, f"format `{export.entry.name}`")
    for extra, (entry, span, what) in needed.items():
        checked.findings.warning(
            "MIX908",
            f"{what} needs a package that is not installed: {', '.join(missing_modules(entry.modules))}",
            span,
            "a run would stop here",
            hint=f"pip install '{extra}'"
            if entry.plugin is not None
            else f"pip install 'mixwright[{extra}]'",
        )
