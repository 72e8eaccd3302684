"""The derived files are fresh, and every declaration is documented."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

from mixwright.catalog import ROOT, derived_files, main, stale_files
from mixwright_compiler.catalog.catalog import builtin_catalog, catalog_from_json
from mixwright_runtime.plugins.declare import declared_catalog

ENTRIES = sorted(declared_catalog().entries.items())
CLASSES = ("row", "set", "meta", "run")


def test_the_committed_files_are_what_the_code_declares() -> None:
    assert stale_files() == [], "run 'python -m mixwright.catalog'"


def test_check_names_what_is_stale(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mixwright.catalog.ROOT", tmp_path)
    assert main(["--check"]) == 1
    assert (
        "stale: compiler/mixwright_compiler/catalog/catalog.json; run 'python -m mixwright.catalog'"
        in capsys.readouterr().err
    )
    assert main([]) == 0
    assert main(["--check"]) == 0


def test_the_catalog_survives_its_file() -> None:
    text = (ROOT / "compiler/mixwright_compiler/catalog/catalog.json").read_text(encoding="utf-8")
    assert catalog_from_json(text) == declared_catalog() == builtin_catalog()


def test_another_major_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"catalog format 2\.0"):
        catalog_from_json('{"format_version": "2.0", "entries": []}')


@pytest.mark.parametrize(("key", "entry"), ENTRIES, ids=[key for key, _ in ENTRIES])
def test_every_declaration_is_documented_and_classed(key: str, entry: object) -> None:
    declared = dict(ENTRIES)[key]
    assert declared.doc, f"{key} has no docstring"
    assert declared.doc.split("\n")[0].rstrip().endswith((".", ":")), f"{key}: no sentence comes first"
    # A `\n` that is none of the text's own would make a code block of the rest.
    assert not inspect.cleandoc(declared.doc).partition("\n\n")[2].startswith(" "), (
        f"{key}: its text is indented"
    )
    assert declared.attributes or declared.is_empty, f"{key} has no attributes"
    for attribute in declared.attributes:
        assert attribute.doc, f"{key}.{attribute.name} has no doc"
        assert attribute.cls in CLASSES
        assert not (attribute.required and attribute.default is not None)
    names = [attribute.name for attribute in declared.attributes]
    assert len(names) == len(set(names)), f"{key} declares an attribute twice"
    assert bool(declared.extra) == bool(declared.modules), f"{key}: extra and modules go together"


def test_extras_are_those_that_can_be_installed() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {entry.extra for _, entry in ENTRIES} - {""} <= set(project["optional-dependencies"])


def test_the_plan_schema_describes_a_plan() -> None:
    schema = json.loads(derived_files()[Path("docs/schemas/plan.schema.json")])
    assert schema["properties"]["format_version"]["default"] == "1.4"
    assert schema["$defs"]["Step"]["required"] == [
        "id",
        "operation",
        "version",
        "attributes",
        "columns",
        "fingerprint",
        "origin",
    ]
