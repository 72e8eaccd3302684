"""Verifier `schema`: is the response JSON of the given shape?"""

from __future__ import annotations

from runtime.plugin import REQUIRED, attribute, declare
from runtime.steps.attributes import COMMON
from runtime.verifiers.attributes import ON_FAIL, pick


@declare(
    "verify",
    "schema",
    extra="schema",
    modules=("jsonschema_rs",),
    attributes=(
        attribute(
            "response", "column", "the column to check: text, or a structured column", default=REQUIRED
        ),
        attribute(
            "schema",
            "json",
            "a JSON Schema (draft 2020-12 unless `$schema` says otherwise)",
            default=REQUIRED,
        ),
        attribute(
            "parse_json",
            "bool",
            "find the JSON in the text: in a code fence, or after reasoning",
            default=True,
        ),
        ON_FAIL,
        pick("all|first|best", "all"),
        *COMMON,
    ),
)
class SchemaVerifier:
    """Checks that a response is JSON and follows a JSON Schema: score 1 or 0.

    With `parse_json` the JSON may stand in a code fence, after reasoning, or between sentences; the last complete
    object or array counts. Without, the whole text must be JSON. A text without JSON is `unmeasurable`. The evidence
    lists up to five violations with their paths. References to other documents (`$ref` to a URL or file) are refused.
    """
