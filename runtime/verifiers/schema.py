"""Verifier `schema`: is the response JSON of the given shape?"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from compiler.plan import Step
from runtime.parse import DEPTH_LIMIT, ParseFailed, is_shallow, json_of
from runtime.plugin import REQUIRED, RunError, attribute, declare, require
from runtime.rows import Dropped, Row
from runtime.steps.protocol import Measurement, StepContext
from runtime.verifiers.attributes import PICK, VERIFIER
from runtime.verifiers.verdicts import decide_by_score

VIOLATIONS_SHOWN = 5
TAIL_CHARACTERS = 200_000
ATTEMPTS = 1_000
"""Most places in a text where JSON is looked for; each may cost a scan of what follows."""

_FENCE = re.compile(r"```[A-Za-z0-9_-]*[ \t]*\n(.*?)```", re.DOTALL)
_OPENING = re.compile(r"[{\[]")


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
        PICK,
        *VERIFIER,
    ),
)
class SchemaVerifier:
    """Checks that a response is JSON and follows a JSON Schema: score 1 or 0.

    With `parse_json` the JSON may stand in a code fence, after reasoning, or between sentences; the last complete
    object or array counts. Without, the whole text must be JSON. A text without JSON is `unmeasurable`. The evidence
    lists up to five violations with their paths. References to other documents (`$ref` to a URL or file) are refused.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step_id = step.id
        self._response = str(attributes["response"])
        self._schema = attributes["schema"]
        self._finds_json = bool(attributes.get("parse_json", True))
        self._pick = str(attributes.get("pick") or "all")
        self.closes_group = self._pick != "all"
        self._validator: Any = None

    async def prepare(self) -> None:
        """Compile the schema.

        Raises:
            MissingExtra: the extra `schema` is not installed.
            RunError: it is not a JSON Schema, or refers to another document.
        """
        jsonschema_rs = require("jsonschema_rs", "schema", "verify schema")
        try:
            self._validator = jsonschema_rs.validator_for(self._schema, retriever=_refuse)
        except ValueError as error:
            raise RunError(f"step '{self._step_id}': schema: {str(error).splitlines()[0]}") from None

    async def measure(self, row: Row) -> Measurement:
        """Score 1 when the response follows the schema, 0 when it does not."""
        if self._validator is None:
            await self.prepare()
        value = row.columns.get(self._response)
        if isinstance(value, str):
            try:
                value = last_json(value, self._schema) if self._finds_json else json_of(value)
            except ParseFailed as error:
                return Measurement("unmeasurable", None, {"reason": str(error)})
        elif value is None:
            return Measurement("unmeasurable", None, {"reason": "null"})
        violations = [
            {"path": "/" + "/".join(map(str, error.instance_path)), "message": str(error.message)[:300]}
            for error in islice(self._validator.iter_errors(value), VIOLATIONS_SHOWN)
        ]
        return Measurement("measured", 0.0 if violations else 1.0, {"violations": violations})

    def decide(self, rows: Sequence[Row], measurements: Sequence[Measurement]) -> list[Row | Dropped]:
        """Which rows pass; see the protocol."""
        return decide_by_score(
            rows,
            measurements,
            step_id=self._step_id,
            kind="schema",
            wrong="violated",
            missing="no JSON",
            pick=self._pick,
        )


def last_json(text: str, schema: Any = None) -> Any:
    """The JSON in a model's answer: all of it, else the last code fence, else the last object or array between words.

    Where `schema` asks for an object, arrays are passed over, and the other way round.

    Raises:
        ParseFailed: there is none.
    """
    with suppress(ParseFailed):
        return json_of(text)
    wanted = {"object": dict, "array": list}.get(str(schema.get("type")) if isinstance(schema, dict) else "")
    kinds: tuple[type, ...] = (wanted,) if wanted else (dict, list)
    for fenced in reversed(_FENCE.findall(text)):
        with suppress(ParseFailed):
            value = json_of(fenced)
            if isinstance(value, kinds):
                return value
    found: list[Any] = []
    decode = json.JSONDecoder(parse_constant=_refuse).raw_decode
    at, attempts = 0, 0
    tail = text[-TAIL_CHARACTERS:]
    while attempts < ATTEMPTS and (opening := _OPENING.search(tail, at)) is not None:
        attempts += 1
        try:
            value, at = decode(tail, opening.start())
        except (ValueError, RecursionError):
            at = opening.end()
            continue
        if isinstance(value, kinds) and is_shallow(value, DEPTH_LIMIT):
            found.append(value)
    if not found:
        raise ParseFailed("no JSON in the answer")
    return found[-1]


def _refuse(reference: str) -> Any:
    raise ValueError(f"{reference} is refused")
