"""Write, or check, the committed documents that are derived from code: catalog, grammar tables, JSON Schemas,
reference.

    python -m mixwright.catalog           write catalog.json and constraint_kinds.json in
                                          compiler/mixwright_compiler/catalog/, dsl/mixwright_dsl/grammar.json,
                                          docs/schemas/*.schema.json and docs/schemas/output/,
                                          docs/language/{reference,constraints}.md and docs/diagnostics.md
    python -m mixwright.catalog --check   exit 1 and name what is stale

`compiler/mixwright_compiler/catalog/catalog.json` comes from the runtime's declarations
(`mixwright_runtime.plugins.declare.declare`). The schemas describe the documents that cross a border: the plan
(pydantic), the lock and the catalog (dataclasses), what commands print as JSON (`mixwright/output_schemas.py`).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from mixwright.output_schemas import Unschemed, output_schemas
from mixwright.reference.commands import commands_page
from mixwright.reference.constraints import constraints_page
from mixwright.reference.pages import diagnostics_page, reference_page
from mixwright_compiler.catalog.catalog import FORMAT_VERSION as CATALOG_FORMAT
from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.catalog.constraint_kinds import kinds_to_json
from mixwright_runtime.plugins.declare import declared_catalog
from mixwright_runtime.verifiers.constraints.registry import schemas as schemas_of_kinds

ROOT = Path(__file__).resolve().parent.parent


def derived_files() -> dict[Path, str]:
    """Path from the repository's root -> the text it must have."""
    from mixwright_compiler.bind.lock import Lock
    from mixwright_compiler.plan.plan import Plan
    from mixwright_dsl.grammar_tables import tables_json

    schemas, catalog = Path("docs/schemas"), declared_catalog()
    outputs = {
        schemas / "output" / f"{command}.schema.json": _text(schema, f"{command}, as JSON")
        for command, schema in output_schemas().items()
    }
    return {
        **outputs,
        Path("compiler/mixwright_compiler/catalog/catalog.json"): catalog.to_json(),
        Path("compiler/mixwright_compiler/catalog/constraint_kinds.json"): kinds_to_json(
            schemas_of_kinds().values()
        ),
        Path("dsl/mixwright_dsl/grammar.json"): tables_json(),
        schemas / "plan.schema.json": _text(Plan.model_json_schema(), "plan.json"),
        schemas / "lock.schema.json": _text(_schema_of(Lock), "NAME.lock"),
        schemas / "catalog.schema.json": _text(_catalog_schema(), "catalog.json"),
        Path("docs/language/reference.md"): reference_page(catalog),
        Path("docs/language/constraints.md"): constraints_page(),
        Path("docs/diagnostics.md"): diagnostics_page(),
        Path("docs/commands.md"): commands_page(),
    }


def stale_files() -> list[Path]:
    """Derived files whose committed text is another one, or missing."""
    return [path for path, text in derived_files().items() if _committed(path) != text]


def main(argv: list[str] | None = None) -> int:
    """Write the derived files or check them; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m mixwright.catalog", description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    arguments = parser.parse_args(argv)
    try:
        stale = stale_files()
    except Unschemed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.check:
        for path in stale:
            print(f"stale: {path}; run 'python -m mixwright.catalog'", file=sys.stderr)
        return 1 if stale else 0
    texts = derived_files()
    for path in stale:
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(texts[path], encoding="utf-8")
        print(f"wrote {path}")
    return 0


def _committed(path: Path) -> str | None:
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _schema_of(type_: Any) -> dict[str, Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(type_).json_schema()


def _catalog_schema() -> dict[str, Any]:
    entry = _schema_of(Entry)
    definitions = entry.pop("$defs", {})
    del entry["properties"]["plugin"], definitions["Provider"]
    attribute = {"$ref": "#/$defs/AttributeSchema"}
    return {
        "type": "object",
        "properties": {
            "format_version": {"const": CATALOG_FORMAT},
            "entries": {"type": "array", "items": {"$ref": "#/$defs/Entry"}},
            "shared": {
                "type": "object",
                "additionalProperties": {"anyOf": [attribute, {"type": "array", "items": attribute}]},
            },
            "promises": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": {"type": "string"}},
            },
        },
        "required": ["format_version", "entries", "shared", "promises"],
        "additionalProperties": False,
        "$defs": {**definitions, "Entry": entry},
    }


def _text(schema: dict[str, Any], title: str) -> str:
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": f"Mixwright {title}",
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
