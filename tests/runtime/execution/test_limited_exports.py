"""A limited, short or variant run leaves the export of a whole mixture as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from spec_runs import HEAD, SpecRuns

import mixwright
from mixwright_runtime.exporters.write import write_exports
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions, RunReport

SPEC = """
source topics inline { license = "mit", rows = [{ n = 1 }, { n = 2 }, { n = 3 }, { n = 4 }, { n = 5 }, { n = 6 }] }
source given inline { license = "mit", rows = [
  { messages = [{ role = user, content = "a" }, { role = assistant, content = "b" }] },
  { messages = [{ role = user, content = "c" }, { role = assistant, content = "d" }] },
  { messages = [{ role = user, content = "e" }, { role = assistant, content = "f" }] },
] }
template ask { user = "{{ n }}" }
pipeline essays { from topics { repeat = 5 }
  generate a { prompt = ask, model = teacher }
  derive { q = text(n) }
  chat { user = q, assistant = a } }
mixture main { seed = 1
  essays = 20
  given = all }
variant without_given of main { without = [given] }
export files of main { format = messages, path = "out" }
"""
SPEC = SPEC.replace("role = user", 'role = "user"').replace("role = assistant", 'role = "assistant"')

SHORT = SPEC.replace("derive {", "filter { where = n > 4 }\n  derive {")
"""Ten of the twenty rows are there."""


class Exports:
    def __init__(self, directory: Path) -> None:
        self.runs = SpecRuns(directory, lambda prompt: f"on {prompt}")

    def run(self, spec: str = SPEC, *, variant: str | None = None, **options: Any) -> RunReport:
        path = self.runs.directory / "spec.mix"
        path.write_text(HEAD + spec, encoding="utf-8")
        plan = mixwright.plan(path, variant=variant)
        engines = dict.fromkeys(plan.models, self.runs.engine)
        return run_plan(plan, store=self.runs.store, options=RunOptions(**options), engines=engines)

    def rows(self, name: str = "out") -> int:
        return int(json.loads((self.runs.directory / name / "manifest.json").read_text())["rows"])


@pytest.fixture
def exports(tmp_path: Path) -> Iterator[Exports]:
    made = Exports(tmp_path)
    yield made
    made.runs.store.close()


def test_a_limit_counts_starts_everywhere(exports: Exports) -> None:
    """Not times `repeat`, and the rows of a source that is a component too; it is what was asked for."""
    report = exports.run(limit=2)
    assert report.summary["requests"] == 2
    found = report.summary["mixtures"]["main"]["components"]
    assert {name: component["got"] for name, component in found.items()} == {"essays": 2, "given": 2}
    assert (report.status, report.exit_code) == ("done", 0)


def test_a_limited_run_writes_beside_the_export(exports: Exports) -> None:
    exports.run()
    report = exports.run(limit=2)
    assert (exports.rows(), exports.rows("out.limited")) == (23, 4)
    assert report.summary["exports"]["files"]["path"].endswith("out.limited")


def test_a_limited_selection_is_written_beside_whoever_writes_it(exports: Exports) -> None:
    exports.run()
    report = exports.run(limit=2, exports=False)
    plan = mixwright.plan(exports.runs.directory / "spec.mix")
    (written,) = write_exports(plan, exports.runs.store, report.run_id, "main")
    assert (written.path.name, exports.rows()) == ("out.limited", 23)


def test_a_short_run_replaces_no_complete_export(exports: Exports) -> None:
    exports.run()
    report = exports.run(SHORT)
    assert (report.status, report.exit_code) == ("short", 1)
    assert (exports.rows(), exports.rows("out.short")) == (23, 13)


def test_a_short_export_is_replaced_by_the_next(exports: Exports) -> None:
    exports.run(SHORT)
    assert exports.rows() == 13
    exports.run()
    assert exports.rows() == 23


def test_a_variant_has_a_directory_and_a_title_of_its_own(exports: Exports) -> None:
    exports.run()
    exports.run(variant="without_given")
    assert (exports.rows(), exports.rows("out-without_given")) == (23, 20)
    assert "out-without_given" in (exports.runs.directory / "out-without_given/README.md").read_text()
