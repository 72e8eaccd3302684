"""Trees of templates are Jinja's own, and are read back from the cache; what is wrong there is parsed again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mixwright_compiler.templates import trees
from mixwright_compiler.templates.trees import Node, environment, tree_of
from mixwright_dsl.nodes import Heredoc, parts_of
from mixwright_dsl.parser import parse
from mixwright_dsl.source import read_source
from tests.checkout import ROOT

TEXT = """{% set least = 1 if n < 2 else 0.5 %}{% for ex in shots if ex.ok is defined and loop.index > least %}
Text that stands here.
{{ ex["promt"] | default("none", true) ~ names[-1:] }} {{ "%d" | format(n, width=3) }}{% else %}{{ none }}
{% endfor %}"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MIXWRIGHT_CACHE", str(tmp_path))
    trees._folder.cache_clear()
    yield tmp_path
    trees._folder.cache_clear()


def same(ours: Any, jinja: Any) -> bool:
    if isinstance(jinja, list | tuple):
        return len(ours) == len(jinja) and all(map(same, ours, jinja))
    if not hasattr(jinja, "fields"):
        return type(ours) is type(jinja) and bool(ours == jinja)
    if (ours.kind, ours.lineno) != (type(jinja).__name__, jinja.lineno):
        return False
    if [child.kind for child in ours.children()] != [type(c).__name__ for c in jinja.iter_child_nodes()]:
        return False
    return ours.kind == "TemplateData" or all(same(getattr(ours, f), getattr(jinja, f)) for f in jinja.fields)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_tree_is_that_of_jinja_parsed_or_read_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = parse(read_source(ROOT / "specs" / "lib" / "evol.mix")).file
    prompts = [node.value for s in library.body for node in parts_of(s) if isinstance(node, Heredoc)]
    assert len(prompts) > 5
    parsed = {text: environment().parse(text) for text in (TEXT, *prompts)}
    assert all(same(tree_of(text), tree) for text, tree in parsed.items())
    with monkeypatch.context() as patch:
        patch.setattr(trees, "environment", lambda: pytest.fail("it was parsed again"))
        assert all(same(tree_of(text), tree) for text, tree in parsed.items())
    assert not any("stands here" in kept.read_text(encoding="utf-8") for kept in files(folder))


def test_what_is_damaged_or_cannot_be_written_is_parsed(folder: Path) -> None:
    tree_of("{{ name }}")
    (kept,) = files(folder)
    whole = kept.read_text(encoding="utf-8")
    for damaged in (whole[:-4], whole.replace("name", "nmae"), "", "\0"):
        kept.write_text(damaged, encoding="utf-8")
        assert tree_of("{{ name }}").body[0].nodes[0].name == "name"  # type: ignore[attr-defined]
        assert kept.read_text(encoding="utf-8") == whole
    kept.unlink()
    kept.parent.rmdir()
    kept.parent.write_text("a file where the folder would be")
    assert isinstance(tree_of("{{ name }}"), Node)


def test_a_full_cache_is_emptied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MOST_KEPT", 3)
    for n in range(7):
        tree_of(f"{{{{ name_{n} }}}}")
    assert len(files(folder)) == 1


def test_without_a_cache_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    trees._folder.cache_clear()
    tree_of("{{ name }}")
    assert not files(tmp_path)
    monkeypatch.delenv("MIXWRIGHT_CACHE")
    trees._folder.cache_clear()
    tree_of("{{ name }}")
    trees._folder.cache_clear()
    assert [path.relative_to(tmp_path).parts[:2] for path in files(tmp_path)] == [("mixwright", "templates")]


def test_a_second_check_imports_no_jinja(folder: Path) -> None:
    spec = folder / "a.mix"
    spec.write_text('edition 2026\n\ntemplate ask { user = "Say {{ word }}" }\n', encoding="utf-8")
    code = f"import sys; from mixwright.cli import main; main(['check', {str(spec)!r}]); print('jinja2' in sys.modules)"
    told = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True) for _ in range(2)]
    assert [run.stdout.split()[-1] for run in told] == ["True", "False"], told
