"""What commands print as JSON, held to the committed schemas: every field is in them, and of the type that they say."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from mixwright import json_output
from tests.checkout import ROOT

HEAD = ("format_version", "command")


def faults_of(document: dict[str, Any]) -> list[str]:
    """Why a printed document is not what its command's schema says; empty where it is."""
    found = []
    for shape in shapes_of(document["command"]):
        body = {name: value for name, value in document.items() if name not in HEAD}
        faults = [
            f"{'/'.join(map(str, fault.instance_path))}: {fault.message}" for fault in shape.iter_errors(body)
        ]
        if not faults:
            return []
        found += faults
    return found or [f"no schema of {document['command']}"]


def checked_document(command: str, found: Any) -> dict[str, Any]:
    """In the place of `mixwright.json_output.document`: fails a test that prints something else than the schema says."""
    made = {"format_version": json_output.FORMAT_VERSION, "command": command, **found}
    faults = faults_of(json.loads(json.dumps(made, default=json_output._plain)))
    assert faults == [], faults[:5]
    return made


@cache
def shapes_of(command: str) -> tuple[Any, ...]:
    """A validator of each form that a command's document may have, its head apart; unknown fields are faults here."""
    import jsonschema_rs

    path = ROOT / "docs/schemas/output" / f"{command}.schema.json"
    schema = closed(json.loads(path.read_text(encoding="utf-8")))
    shapes = schema.get("allOf") or schema["anyOf"]
    return tuple(jsonschema_rs.validator_for({**shape, "$defs": schema["$defs"]}) for shape in shapes)


def closed(schema: Any) -> Any:
    """A schema whose objects have no other fields than it names."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(value) for name, value in schema.items()}
    if made.get("type") == "object" and "properties" in made and "allOf" not in made and "anyOf" not in made:
        made.setdefault("additionalProperties", False)
    return made
