"""506 and 852: JSON Schemas that are none, and those that refer to another document."""

from __future__ import annotations

from typing import Any

from mixwright_compiler.checks.checked import Checked
from mixwright_compiler.suggest import did_you_mean, listing, nearest, one_of

JSON_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
ELSEWHERE = {
    "int": "integer",
    "float": "number",
    "str": "string",
    "text": "string",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
    "none": "null",
}
"""What programs and this language call JSON's types."""
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
KEYWORDS = (
    *REFERENCES,
    *("$anchor", "$comment", "$defs", "$dynamicAnchor", "$id", "$schema", "$vocabulary", "additionalItems"),
    *("additionalProperties", "allOf", "anyOf", "const", "contains", "contentEncoding", "contentMediaType"),
    *("contentSchema", "default", "definitions", "dependencies", "dependentRequired", "dependentSchemas"),
    *(
        "deprecated",
        "description",
        "else",
        "enum",
        "examples",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
    ),
    *("if", "items", "maxContains", "maxItems", "maxLength", "maxProperties", "maximum", "minContains"),
    *("minItems", "minLength", "minProperties", "minimum", "multipleOf", "not", "oneOf", "pattern"),
    *("patternProperties", "prefixItems", "properties", "propertyNames", "readOnly", "required", "then"),
    *("title", "type", "unevaluatedItems", "unevaluatedProperties", "uniqueItems", "writeOnly"),
)
DATA = ("const", "default", "enum", "examples")
"""Keywords whose values are data, whatever they look like."""
META_SCHEMAS = ("http://json-schema.org/", "https://json-schema.org/")
"""Documents that the validator brings."""


def check_schemas(checked: Checked) -> None:
    """MIX506: a JSON Schema that is no object, or names a type that JSON has not. MIX507: a misspelt keyword. MIX852:
    a schema that refers to another document."""
    for _, _, step in checked.clean_steps():
        bound = step.attributes.get("schema")
        if bound is None or bound.value is None or bound.is_default:
            continue
        if not isinstance(bound.value, dict):
            checked.findings.error(
                "MIX506",
                "a JSON Schema is an object",
                bound.span,
                hint='for example `{ type = "object" }`',
            )
            continue
        wrong = _wrong_type(bound.value)
        if wrong is not None:
            near = ELSEWHERE.get(wrong.lower()) or nearest(wrong, JSON_TYPES)
            checked.findings.error(
                "MIX506",
                f"JSON Schema has no type `{wrong}`",
                bound.span,
                f"types are: {listing(JSON_TYPES)}",
                hint=did_you_mean(near, one_of(JSON_TYPES)),
            )
        elif (unknown := _unknown_keyword(bound.value)) is not None:
            keyword, near = unknown
            checked.findings.lint(
                "MIX507",
                f"JSON Schema has no keyword `{keyword}`",
                bound.span,
                "a keyword that it does not know checks nothing",
                hint=did_you_mean(near),
            )
        elsewhere = _reference_elsewhere(bound.value)
        if elsewhere is not None:
            checked.findings.error(
                "MIX852",
                f"the schema refers to another document, `{elsewhere}`",
                bound.span,
                "nothing is fetched while rows are checked",
                hint="copy what it refers to into `$defs` and write `#/$defs/name`",
            )


def _wrong_type(schema: Any) -> str | None:
    """The first `type` of a schema, or of one nested in it, that is no type."""
    if not isinstance(schema, dict):
        return None
    found = schema.get("type")
    for name in found if isinstance(found, list) else [found]:
        if isinstance(name, str) and name not in JSON_TYPES:
            return name
    nested = [*_values(schema.get("properties")), *_values(schema.get("$defs")), schema.get("items")]
    nested += [s for key in ("anyOf", "oneOf", "allOf") for s in schema.get(key) or () if isinstance(s, dict)]
    return next((w for s in nested if (w := _wrong_type(s)) is not None), None)


def _unknown_keyword(schema: Any) -> tuple[str, str] | None:
    """The first keyword of a schema, or of one nested in it, that is none but is near to one; with that one."""
    if not isinstance(schema, dict):
        return None
    for keyword in schema:
        near = None if keyword in KEYWORDS else nearest(keyword, KEYWORDS)
        if near is not None and near not in schema:
            return keyword, near
    nested = [*_values(schema.get("properties")), *_values(schema.get("$defs")), schema.get("items")]
    nested += [s for key in ("anyOf", "oneOf", "allOf") for s in schema.get(key) or () if isinstance(s, dict)]
    return next((found for s in nested if (found := _unknown_keyword(s)) is not None), None)


def _values(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else []


def _reference_elsewhere(schema: Any) -> str | None:
    """The first reference of a schema that leads out of it."""
    names: set[str] = set()
    references: list[str] = []
    pending = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            for key, value in node.items():
                if key in REFERENCES and isinstance(value, str):
                    references.append(value)
                elif key in ("$id", "id") and isinstance(value, str):
                    names.add(value.rpartition("/")[2].partition("#")[0])
                elif key not in DATA:
                    pending.append(value)
    for reference in references:
        document = reference.partition("#")[0]
        is_known = document.rpartition("/")[2] in names or document.startswith(META_SCHEMAS)
        if document and not is_known:
            return reference
    return None
