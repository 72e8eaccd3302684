"""License ids, and the classes that policies speak of. What policies say of sources: `tests/cases/licenses.cases`."""

from __future__ import annotations

from mixwright_compiler.catalog.licenses import as_written, classes_of, is_known, matches


def test_ids() -> None:
    assert [as_written(name) for name in ("mit", "MIT", "Apache 2.0", "cc_by_4.0", "cc-by-nc-40")] == [
        None,
        "mit",
        "apache-2.0",
        "cc-by-4.0",
        "cc-by-nc-4.0",
    ]
    assert classes_of("CC-BY-NC-SA-4.0") == {"nc", "sa"}
    assert classes_of("mit") == frozenset()
    assert classes_of("other") is None and is_known("other")
    assert matches("cc-by-*", "CC-BY-4.0") and not matches("cc-by-*", "cc0-1.0")
