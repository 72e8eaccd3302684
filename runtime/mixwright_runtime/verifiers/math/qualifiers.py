"""What is said behind an answer: when it holds (`2x if x > 0`), or nothing new (`2x for all x`)."""

from __future__ import annotations

import re

from mixwright_runtime.verifiers.math.shapes import is_prose

_QUALIFIED = re.compile(
    r"(?P<said>\S.*?)\s*[,;]?\s*(?P<open>\(?)\s*"
    r"(?:\\forall(?![a-zA-Z])|(?<![A-Za-z\\])(?:if|when|whenever|where|for|provided(?:\s+that)?|given(?:\s+that)?|"
    r"such\s+that|as\s+long\s+as|assuming)(?![A-Za-z]))\s*(?P<condition>\S.*)",
    re.IGNORECASE,
)
_SAYS_NOTHING = re.compile(
    r"(?:\s|,|(?<![A-Za-z])(?:all|any|every|each|arbitrary|some|constants?|numbers?|values?|variables?|reals?|of|the|is|are|"
    r"can|be|and|[A-Za-z])(?![A-Za-z])|\\(?:alpha|beta|gamma|theta|lambda|mu|phi)(?![a-zA-Z])"
    r"|\\in\s*\\mathbb\s*\{?\s*R\s*\}?)+"
)


def without_qualifier(text: str) -> tuple[str, str]:
    """What an answer says and under which condition; no condition where there is none, or one that always holds."""
    if " " not in text and "\\forall" not in text:
        return text, ""
    found = _QUALIFIED.fullmatch(text)
    if found is None or is_prose(found["said"]):
        return text, ""
    condition = found["condition"].strip()
    if found["open"]:
        if not condition.endswith(")"):
            return text, ""
        condition = condition[:-1].rstrip()
    return found["said"], "" if _SAYS_NOTHING.fullmatch(condition) else condition
