"""Every diagnostic code has a page, and what the page shows is what the compiler does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from front_specs import compiled, expected, found

from mixwright.compiling import held_to_budgets
from mixwright.explain_code import explain_code
from mixwright.testing.running import run_tests
from mixwright_compiler.bind.lock import Lock, read_lock
from mixwright_compiler.codes import HEADING, page, titles
from mixwright_compiler.plan.breaking import Spec, breaking_changes
from mixwright_compiler.plan.lock_fit import misfits
from mixwright_compiler.plan.lower import lower
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.loading import load_plugins
from tests.checkout import PACKAGES

ROOT = Path(__file__).parents[3]
CODES = sorted(p.stem for p in (PACKAGES["mixwright_compiler"] / "codes").glob("MIX*.md"))
BLOCK = re.compile(r"```(\w+)(?: (planned))?(?: (\S+))?\n(.*?)```", re.DOTALL)

MISSING = {"MIX908": ("model.vllm",)}
"""What a page takes not to be installed."""

WITH_ANOTHER = {"MIX136": {"MIX116"}}
"""Pages whose wrong example cannot but have a second finding."""

AT_RUN = ("MIX137", "MIX138")
"""Pages of what only comes to light when a plugin's code is run."""

AGAINST = ("MIX950", "MIX951", "MIX952", "MIX953", "MIX954")
"""Pages of what only a comparison with a released revision finds."""

TESTED = ("MIX973", "MIX974", "MIX975", "MIX976")
"""Pages of what only comes to light when the tests of a spec are run."""

PLANNED = "MIX617"
"""The page of what is only told of a plan."""

LOCKED = "MIX807"
"""The page of what is only asked of a lock where it must fit."""

SYNTAX = "MIX0"
"""Pages of the parser may show several codes at once: what cannot be read can be wrong in more than one way."""


@dataclass(frozen=True)
class Example:
    """A spec of a page, and the other files beside it. planned: those that were there when the plan was made."""

    spec: str
    files: dict[str, str]
    planned: dict[str, str]

    @property
    def expected(self) -> list[tuple[int, str, str]]:
        return [mark for text in (self.spec, *self.files.values()) for mark in expected(text)]


def examples(code: str) -> tuple[Example, Example]:
    """The wrong and the right example of a page; files above both are of both."""
    head, wrong = (page(code) or "").split("## Wrong")
    wrong, right = wrong.split("## Right")
    above = BLOCK.findall(head)
    planned = {name: content for _, when, name, content in above if when}
    shared = {name: content for _, when, name, content in above if name and not when}
    found = []
    for part in (wrong, right):
        blocks = BLOCK.findall(part)
        spec = next(content for _, _, name, content in blocks if not name)
        own = {name: content for _, _, name, content in blocks if name}
        found.append(Example(spec, shared | own, planned))
    return found[0], found[1]


WITHOUT_TOOLS = ("MIX830",)
"""Pages that take no program to be installed; for all others every one is."""


@pytest.fixture(autouse=True)
def _tools(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    is_wrong_example = "test_wrong_example" in request.node.name
    has_none = is_wrong_example and any(code in request.node.name for code in WITHOUT_TOOLS)
    monkeypatch.setattr("shutil.which", lambda name: None if has_none else f"/usr/bin/{name}")


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages that a page shows are installed."""
    metadata = tmp_path / "acme_tone-1.2.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: acme-tone\nVersion: 1.2\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(
    "code", [code for code in CODES if code not in (*AT_RUN, *AGAINST, *TESTED, PLANNED, LOCKED)]
)
def test_wrong_example_gives_this_code_on_the_marked_lines(code: str, tmp_path: Path) -> None:
    wrong, _ = examples(code)
    result = compiled(tmp_path, wrong.spec, files=wrong.files, missing=MISSING.get(code, ()))
    marked = [mark for mark in wrong.expected if mark[2] == code]
    assert [f for f in found(result) if f[2] == code] == marked != []
    if not code.startswith(SYNTAX):
        others = {c for _, severity, c in found(result) if severity != "lint"} - {code}
        assert others == WITH_ANOTHER.get(code, set())


@pytest.mark.parametrize("code", AT_RUN)
def test_wrong_example_of_a_plugin_gives_this_code_when_it_is_run(code: str, tmp_path: Path) -> None:
    wrong, _ = examples(code)
    program = compiled(tmp_path, wrong.spec, files=wrong.files | wrong.planned).program
    assert program is not None
    plan = lower(program, root=tmp_path, directory=tmp_path)
    for name, text in wrong.files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    ((line, _, _),) = wrong.expected
    with pytest.raises(RunError, match=rf"\[{code}\]") as failed:
        load_plugins(plan)
    assert code != "MIX137" or f"plugins/shout.py:{line}: " in str(failed.value)


@pytest.mark.parametrize("code", AGAINST)
def test_wrong_example_breaks_what_was_released_and_the_right_one_does_not(code: str, tmp_path: Path) -> None:
    wrong, right = examples(code)

    def spec(text: str) -> Spec:
        program = compiled(tmp_path, text).program
        assert program is not None
        return Spec(program, lower(program, root=tmp_path, directory=tmp_path))

    released = spec(wrong.planned["released.mix"])
    found = [
        (d.primary.span.position.line, d.severity.value, d.code)
        for d in breaking_changes(released, spec(wrong.spec))
    ]
    assert found == wrong.expected != []
    assert breaking_changes(released, spec(right.spec)) == ()


@pytest.mark.parametrize("code", TESTED)
def test_wrong_example_fails_when_its_tests_are_run_and_the_right_one_does_not(
    code: str, tmp_path: Path
) -> None:
    def failures(example: Example) -> list[tuple[int, str, str]]:
        program = compiled(tmp_path, example.spec, files=example.files).program
        assert program is not None
        runs = list(run_tests(program, tmp_path / "spec.mix", Lock(), list(program.tests.values())))
        assert runs
        found = [failure for run in runs for failure in run.failures]
        return [(f.primary.span.position.line, f.severity.value, f.code) for f in found]

    wrong, right = examples(code)
    assert failures(wrong) == wrong.expected != []
    assert failures(right) == []


def test_wrong_example_is_told_of_its_plan_and_the_right_one_is_not(tmp_path: Path) -> None:
    def told(example: Example) -> list[tuple[int, str, str]]:
        result = held_to_budgets(compiled(tmp_path, example.spec), tmp_path / "spec.mix", Lock())
        return [(d.primary.span.position.line, d.severity.value, d.code) for d in result.diagnostics]

    wrong, right = examples(PLANNED)
    assert told(wrong) == wrong.expected != []
    assert told(right) == []


def test_wrong_example_is_not_what_its_lock_fits(tmp_path: Path) -> None:
    wrong, _ = examples(LOCKED)
    program = compiled(tmp_path, wrong.spec, files=wrong.files).program
    assert program is not None
    lock = read_lock(tmp_path / "spec.lock")
    plan = lower(program, root=tmp_path, directory=tmp_path, lock=lock)
    found = misfits(program, plan, lock)
    assert [(d.primary.span.position.line, d.severity.value, d.code) for d in found] == wrong.expected


@pytest.mark.parametrize("code", CODES)
def test_right_example_is_free_of_findings(code: str, tmp_path: Path) -> None:
    _, right = examples(code)
    result = compiled(tmp_path, right.spec, files=right.files | right.planned)
    assert [d for d in result.diagnostics if d.code == code] == []
    # Syntax pages show fragments: names in them need not be declared.
    assert result.errors == () or code.startswith(SYNTAX)


@pytest.mark.parametrize("code", CODES)
def test_page_is_what_explain_prints(code: str) -> None:
    text = explain_code(code.lower())
    assert text is not None
    match = HEADING.match(text)
    assert match is not None and match[1] == code
    assert len(text.split("## Wrong")[0].split("\n\n")[1]) > 60, "the page does not say why"
    assert all(len(line) <= 120 for line in text.split("\n"))


def test_codes_in_the_source_and_pages_are_the_same() -> None:
    used: set[str] = set()
    for package in ("mixwright_dsl", "mixwright_compiler", "mixwright"):
        for file in PACKAGES[package].rglob("*.py"):
            used |= set(re.findall(r"\"(MIX\d{3})\"", file.read_text(encoding="utf-8")))
    for file in PACKAGES["mixwright_runtime"].rglob("*.py"):
        used |= set(re.findall(r"\[(MIX\d{3})\]", file.read_text(encoding="utf-8")))
    assert sorted(used - {"MIX007"}) == CODES


def test_unknown_code_has_no_page() -> None:
    assert explain_code("MIX999") is None
    assert explain_code("../catalog") is None


def test_at_least_forty_codes_are_documented() -> None:
    assert len(titles()) >= 40
    assert {severity for _, severity in titles().values()} == {"error", "warning", "lint"}
