"""JSON Schemas, compiled: what a schema refers to must be in it, nothing is fetched."""

from __future__ import annotations

from typing import Any, NoReturn

from mixwright_runtime.errors import RunError, require

CANNOT_TELL = "Error executing regex"
"""Start of a violation's message when a `pattern` backtracks beyond the library's limit: no verdict on the text."""


def compiled_schema(schema: object, what: str, *, checks_formats: bool = False) -> Any:
    """A validator (`is_valid`, `iter_errors`) of a JSON Schema, draft 2020-12 unless `$schema` says otherwise.

    Left to itself the library loads `http://` and `file://` references.

    Args:
        what: names the step in messages: `step 'p.verify_schema'`.
        checks_formats: `format` is checked; by default it is an annotation, as the standard has it.

    Raises:
        MissingExtra: the extra `schema` is not installed.
        RunError: it is not a JSON Schema, or refers to another document.
    """
    jsonschema_rs = require("jsonschema_rs", "schema", what)
    try:
        return jsonschema_rs.validator_for(schema, retriever=_refuse, validate_formats=checks_formats)
    except (ValueError, TypeError) as error:
        raise RunError(f"{what}: schema: {str(error).splitlines()[0]}") from None


def _refuse(reference: str) -> NoReturn:
    raise ValueError(f"{reference} is refused")
