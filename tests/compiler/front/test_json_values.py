"""Values that are any JSON: read from a file into the plan, or taken from the step that made the column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from front_specs import compiled, found

HEAD = """edition 2026
model m openai { base_url = "http://localhost/v1", model = "tiny" }
source people inline { rows = [{ name = "Ada" }] }
template ask { user = "{{ name }}" }
"""
PERSON = (
    '{"type": "object", "properties": {"name": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "string"}}}'
)


def schema_of(tmp_path: Path, steps: str, **files: str) -> Any:
    text = f"{HEAD}pipeline p {{\n  from people\n{steps}\n}}\n"
    result = compiled(tmp_path, text, files={"person.json": PERSON, **files})
    assert result.program is not None, result.diagnostics
    return result.program.pipelines["p"].steps[-1].attributes["schema"].value


def test_a_file_is_read_into_the_spec(tmp_path: Path) -> None:
    steps = 'verify schema { response = name, schema = file("person.json") }'
    assert schema_of(tmp_path, steps)["type"] == "object"


def test_the_schema_of_the_generate_is_the_columns_own(tmp_path: Path) -> None:
    steps = """
  generate person { prompt = ask, model = m, schema = file("person.json") }
  verify schema { response = person }
"""
    assert schema_of(tmp_path, steps)["properties"] == {"name": {"$ref": "#/$defs/n"}}


def test_a_column_that_holds_one_field_has_that_fields_schema(tmp_path: Path) -> None:
    steps = """
  generate who { prompt = ask, model = m, schema = file("person.json"), parse = json("name") }
  verify schema { response = who }
"""
    assert schema_of(tmp_path, steps) == {"$defs": {"n": {"type": "string"}}, "$ref": "#/$defs/n"}


@pytest.mark.parametrize(
    ("schema", "code"),
    [
        ('file("persn.json")', "MIX202"),
        ('file("../outside.json")', "MIX902"),
        ('file("/etc/passwd")', "MIX902"),
        ('file("a.json", "b.json")', "MIX122"),
        ("file(3)", "MIX107"),
        ('file("bad.json")', "MIX850"),
        ('file("deep.json")', "MIX850"),
        ('file("nan.json")', "MIX850"),
    ],
)
def test_a_file_that_cannot_be_used_is_found_in_the_spec(tmp_path: Path, schema: str, code: str) -> None:
    text = (
        f"{HEAD}pipeline p {{\n  from people\n  verify schema {{ response = name, schema = {schema} }}\n}}\n"
    )
    files = {"person.json": PERSON, "bad.json": "{,}", "deep.json": "[" * 100_000, "nan.json": "[NaN]"}
    result = compiled(tmp_path, text, files=files)
    assert [f for f in found(result) if f[1] == "error"] == [(7, "error", code)]


def test_a_broken_file_is_shown_where_it_breaks(tmp_path: Path) -> None:
    steps = 'verify schema { response = name, schema = file("bad.json") }'
    text = f"{HEAD}pipeline p {{\n  from people\n{steps}\n}}\n"
    result = compiled(tmp_path, text, files={"bad.json": '{\n "a": }'})
    (label,) = result.diagnostics[0].secondary
    at = label.span.position
    assert (Path(label.span.source.name).name, at.line, at.column) == ("bad.json", 2, 7)
