"""What may import what, how light the fast commands are, and that no name is taken twice."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.checkout import IMPORT_PATH, PACKAGES, ROOT

HEAVY = (
    "torch",
    "vllm",
    "transformers",
    "deepspeed",
    "duckdb",
    "pydantic",
    "numpy",
    "rich",
    "aiohttp",
    "asyncio",
)

FOR_OTHERS = (
    *("dataclasses", "inspect", "lark", "shutil", "threading"),
    *("decimal", "hashlib"),
    *(
        "mixwright_dsl.hidden",
        "mixwright_dsl.json_report",
        "mixwright_dsl.recovery",
        "mixwright_dsl.sarif",
        "mixwright_dsl.snippet",
        "mixwright_dsl.suppressions",
    ),
    *(
        "mixwright_compiler.bind.fragments",
        "mixwright_compiler.bind.operators",
        "mixwright_compiler.bind.tools",
    ),
    *(
        "mixwright_compiler.bind.spec_tests",
        "mixwright_compiler.bind.used_steps",
        "mixwright_compiler.bind.variants",
    ),
    *(
        "mixwright_compiler.catalog.new_tokens",
        "mixwright_compiler.catalog.text_patterns",
        "mixwright_compiler.checks.edits",
        "mixwright_compiler.checks.hinted_fixes",
        "mixwright_compiler.plan.fingerprint",
        "mixwright_compiler.rounding",
    ),
    *(
        "mixwright_compiler.bind.aggregates",
        "mixwright_compiler.bind.drawn",
        "mixwright_compiler.bind.schema_of_response",
        "mixwright_compiler.bind.tags",
    ),
)
"""What a check of such a spec as the next does without."""

SPEC = """edition 2026

source words inline { rows = [{ word = "a" }] }

template ask { user = "Define {{ word }}." }

model teacher openai { base_url = "http://localhost:1/v1", model = "m" }

pipeline answers {
  from words
  generate answer { prompt = ask, model = teacher }
  chat { user = word, assistant = answer }
}

mixture all_of_it {
  seed = 1
  answers = 1
}
"""


def test_packages_import_downwards_alone() -> None:
    pytest.importorskip("importlinter", reason="the vLLM environment has no development tools")
    found = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": IMPORT_PATH},
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("arguments", [["check"], ["fmt", "--check"], ["fmt", "--diff"]])
def test_fast_commands_import_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    spec = tmp_path / "a.mix"
    spec.write_text(SPEC, encoding="utf-8")
    code = (
        "import sys\n"
        "from mixwright.cli import main\n"
        f"status = main({[*arguments, str(spec)]!r})\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print('LOADED', status, loaded)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert found.stdout.splitlines()[-1] == "LOADED 0 []", found.stdout + found.stderr


def test_a_check_imports_nothing_that_its_spec_does_not_need(tmp_path: Path) -> None:
    """Each of these is some of the CPU time of every check, and for other specs or other outputs.

    So are the annotations of a `NamedTuple` or a `TypedDict`, which `typing` compiles when its module is imported.
    """
    (tmp_path / "a.mix").write_text(SPEC, encoding="utf-8")
    code = (
        "import builtins, sys\n"
        "was, texts = builtins.compile, []\n"
        "def noted(text, name, *rest, **named):\n"
        "    texts.extend([text] * (name == '<string>'))\n"
        "    return was(text, name, *rest, **named)\n"
        "builtins.compile = noted\n"
        "from mixwright.cli import main\n"
        "status = main(['check', 'a.mix'])\n"
        "from mixwright_compiler.checks import RARE\n"
        "rare = {'mixwright_compiler.checks.' + n.partition('.')[0] for _, names in RARE for n in names}\n"
        "rare -= {'mixwright_compiler.checks.' + name for name in ('profiles', 'reviews', 'tools', 'turns')}\n"
        f"print('LOADED', status, sorted(sys.modules.keys() & {{*{FOR_OTHERS!r}, *rare}}), texts)\n"
    )
    cached = {**os.environ, "MIXWRIGHT_CACHE": str(tmp_path / "cache")}
    for _ in range(2):  # the first, which parses the template with Jinja, fills the cache
        command = [sys.executable, "-c", code]
        found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=cached)
    assert found.stdout.splitlines()[-1] == "LOADED 0 [] []", found.stdout + found.stderr


def test_one_module_imports_ray() -> None:
    importing = {
        file.relative_to(package).as_posix()
        for package in PACKAGES.values()
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ray")
        or (isinstance(node, ast.Import) and any(name.name.split(".")[0] == "ray" for name in node.names))
        or (
            isinstance(node, ast.Call)
            and [a.value for a in node.args[:1] if isinstance(a, ast.Constant)] == ["ray"]
        )
    }
    assert importing == {"cluster/ray.py"}


def test_a_lock_is_read_without_heavy_packages() -> None:
    code = f"import sys, mixwright_compiler.bind.lock\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "[]", found.stderr


def test_declarations_import_nothing_heavy() -> None:
    heavy = tuple(name for name in HEAVY if name not in ("pydantic", "numpy", "asyncio"))
    code = (
        "import sys\nfrom mixwright_runtime.plugins.declare import plugins\nplugins()\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "[]", found.stderr


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_each_package_name_has_one_owner(package: str) -> None:
    assert set(packages_distributions().get(package, ["mixwright"])) == {"mixwright"}


def test_no_package_of_ours_is_named_like_a_module_of_the_standard_library() -> None:
    assert not PACKAGES.keys() & sys.stdlib_module_names


def test_scripts_run_by_path_do_not_shadow_the_standard_library() -> None:
    """`python runtime/x.py` puts its folder first on the path, so a sibling named `json.py` would be taken for json."""
    scripts = {
        path.parent
        for package in PACKAGES.values()
        for path in package.rglob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    shadowing = [
        path.relative_to(ROOT).as_posix()
        for folder in scripts
        for path in folder.glob("*.py")
        if path.stem in sys.stdlib_module_names
    ]
    assert shadowing == []


def test_tests_have_names_of_their_own() -> None:
    """Test folders are no packages, so two test files of one name cannot both be imported."""
    names: dict[str, list[str]] = {}
    for path in (ROOT / "tests").rglob("*.py"):
        if path.name != "conftest.py":
            names.setdefault(path.name, []).append(path.relative_to(ROOT).as_posix())
    assert [paths for paths in names.values() if len(paths) > 1] == []


def test_the_tables_of_the_store_are_known_to_the_store_alone() -> None:
    """What else is read of a store, `runs`, `counts` and `row_records` of its room answer, typed."""
    room = PACKAGES["mixwright_runtime"] / "store"
    asking = {
        f"{path.relative_to(ROOT).as_posix()}:{line}"
        for package in PACKAGES.values()
        for path in package.rglob("*.py")
        if room not in path.parents
        for line in lines_with_sql_of_the_store(path.read_text(encoding="utf-8"))
    }
    assert asking == set()


@pytest.mark.parametrize(
    "text",
    [
        "store.sql('SELECT 1')",
        "opened.read(f'SELECT count(*) FROM run_state WHERE run_id = {run_id}')",
        "query = 'SELECT * FROM run JOIN call USING (run_id)'",
        "from mixwright_runtime.store.database import Database",
        "store._database.cursor()",
    ],
)
def test_sql_of_the_store_is_found(text: str) -> None:
    assert lines_with_sql_of_the_store(f"x = 1\n{text}") == [2]


def test_other_sql_is_not_of_the_store() -> None:
    assert (
        lines_with_sql_of_the_store("connection.execute('SELECT * FROM read_json($1)')\nrun(self.sql)") == []
    )


def lines_with_sql_of_the_store(text: str) -> list[int]:
    """Lines of a module that ask a store in SQL, name one of its tables in SQL, or reach for its connection."""
    schema = "\n".join(
        path.read_text(encoding="utf-8") for path in (PACKAGES["mixwright_runtime"] / "store").glob("*.sql")
    )
    tables = re.findall(r"CREATE (?:TABLE|VIEW)(?: IF NOT EXISTS)? (\w+)", schema)
    named = re.compile(rf"\b(?:FROM|JOIN|INTO)\s+(?:{'|'.join(tables)})\b")
    found = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case (
                ast.Call(func=ast.Attribute(attr="sql"), lineno=line)
                | ast.Attribute(attr="_database", lineno=line)
                | ast.ImportFrom(module="mixwright_runtime.store.database", lineno=line)
            ):
                found.add(line)
            case ast.Constant(value=str(string), lineno=line) if named.search(string):
                found.add(line)
    return sorted(found)


def test_no_module_is_too_long_to_read_in_a_sitting() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for package in PACKAGES.values()
        for path in package.rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > 600} == {}
