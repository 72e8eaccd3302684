"""87x: languages that there are none of, and translations that cannot be checked as written."""

from __future__ import annotations

from compiler.checks.checked import Checked
from compiler.languages import languages, suggestion_for, tag_of
from compiler.program import Bound, TypedExpression

LANGUAGES_OF = {"verify.language": ("is",), "verify.translation": ("from", "to")}
"""Attributes that take a language: a quoted code, or an expression that gives one."""


def check_languages(checked: Checked) -> None:
    """MIX870: a quoted code that names no language."""
    for _, _, step in checked.clean_steps():
        for name in LANGUAGES_OF.get(step.entry.key, ()):
            bound = step.attributes.get(name)
            code = literal_of(bound)
            if bound is None or code is None or tag_of(code) is not None:
                continue
            meant = suggestion_for(code)
            checked.findings.error(
                "MIX870",
                f"no language has the code `{code}`",
                bound.value.span,
                f"one of {len(languages())} codes, such as en, zh, zh-Hant, pt-BR, deu_Latn",
                hint=f'did you mean `"{meant}"`?' if meant else 'write a code of ISO 639, for example `"zh"`',
            )


def literal_of(bound: Bound | None) -> str | None:
    """The text that an expression is, when it is one and nothing else."""
    match bound.value if bound is not None else None:
        case TypedExpression(tree=["lit", str() as text]):
            return text
    return None
