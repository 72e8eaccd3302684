"""Verifier `schema`: is the response JSON of the given shape?"""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import PICK, VERIFIER
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import Measurement, StepContext
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.values.json_in_text import (
    DEPTH_LIMIT,
    ParseFailed,
    is_shallow,
    last_json,
    strict_json_of,
)
from mixwright_runtime.values.json_schema import CANNOT_TELL, compiled_schema
from mixwright_runtime.values.reading import read_beside
from mixwright_runtime.values.rows import Row
from mixwright_runtime.values.stored_text import json_of as stored_json
from mixwright_runtime.verifiers.verdicts import Selection

VIOLATIONS_SHOWN = 5
MESSAGE_CHARACTERS = 300


@declare(
    "verify",
    "schema",
    version=2,
    extra="schema",
    modules=("jsonschema_rs",),
    evidence={
        "violations": "list[struct{path: text, message: text}]",
        "reason": "text",
    },
    attributes=(
        attribute(
            "response", "column", "the column to check: text, or a structured column", default=REQUIRED
        ),
        attribute(
            "schema",
            "json",
            "a JSON Schema (draft 2020-12 unless `$schema` says otherwise): as an object, a JSON heredoc or "
            '`file("person.schema.json")`; by default the `schema` of the `generate` that makes `response`',
            holds="inherited_schema",
        ),
        attribute(
            "parse_json",
            "bool",
            "find the JSON in the text: in a code fence, or between sentences",
            default=True,
        ),
        attribute(
            "formats",
            "bool",
            "check `format` too (`date`, `email`, `uri`); the standard takes it as a remark",
            default=False,
        ),
        PICK,
        *VERIFIER,
    ),
)
class SchemaVerifier(Measure):
    """Checks that a response is JSON and follows a JSON Schema: score 1 or 0.

    With `parse_json` the JSON may stand in a code fence or between sentences; the last complete object or array counts.
    Without, the whole text must be JSON. A text without JSON is `unmeasurable`; so is JSON with `NaN`, a number that no
    float holds, or more than 64 levels. The evidence lists up to five violations with their paths.

    Nothing is fetched: a reference (`$ref`) to a URL or a file is refused, by `mixwright check` where it can be seen.
    Patterns do not backtrack without end: a text on which one reaches the limit is `unmeasurable`, `too hard`.

    ```mix
    generate person {
      prompt = extract_person
      model = teacher
      schema = file("person.schema.json")
    }
    verify schema { response = person, on_fail = retry(2) }
    ```
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._what = f"step '{step.id}'"
        self._response = str(attributes["response"])
        self._schema = attributes["schema"]
        self._finds_json = bool(attributes.get("parse_json", True))
        self._checks_formats = bool(attributes.get("formats"))
        self._validator: Any = None
        self.selection = Selection.of(step, kind="schema", wrong="violated", missing="no JSON")

    async def prepare(self) -> None:
        """Compile the schema.

        Raises:
            MissingExtra: the extra `schema` is not installed.
            RunError: it is not a JSON Schema, or refers to another document.
        """
        self._validator = compiled_schema(self._schema, self._what, checks_formats=self._checks_formats)

    async def measure(self, row: Row) -> Measurement:
        """Score 1 when the response follows the schema, 0 when it does not."""
        if self._validator is None:
            await self.prepare()
        value = row.columns.get(self._response)
        if isinstance(value, str):
            try:
                value = await read_beside(self._json_in, value)
            except ParseFailed as error:
                return Measurement("unmeasurable", None, {"reason": str(error)})
        elif value is None:
            return Measurement("unmeasurable", None, {"reason": "null"})
        if not is_shallow(value, DEPTH_LIMIT):
            return Measurement("unmeasurable", None, {"reason": "nested too deeply"})
        try:
            violations = self._violations(value)
        except UnicodeEncodeError:  # half a character: JSON can name one, and the store keeps U+FFFD for it
            violations = self._violations(json.loads(stored_json(value)))
        unclear = [violation for violation in violations if violation["message"].startswith(CANNOT_TELL)]
        if unclear:
            return Measurement.too_hard(violations=unclear)
        return Measurement.of(not violations, violations=violations)

    def _json_in(self, text: str) -> Any:
        return last_json(text, self._schema) if self._finds_json else strict_json_of(text)

    def _violations(self, value: object) -> list[dict[str, str]]:
        """The first of them."""
        if self._validator.is_valid(value):
            return []
        return [
            {
                "path": "/" + "/".join(map(str, error.instance_path)),
                "message": str(error.message)[:MESSAGE_CHARACTERS],
            }
            for error in islice(self._validator.iter_errors(value), VIOLATIONS_SHOWN)
        ]
