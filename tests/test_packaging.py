"""What is installed: wheel and sdist hold the same, clash with nobody's folders, and have something to run."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from mixwright.project_templates import TEMPLATES, project_files
from tests.checkout import PACKAGES, ROOT

pytest.importorskip("hatchling", reason="the vLLM environment has no development tools")


def build(source: Path, target: Path, kind: str) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    return next(target.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel holds, as site-packages would have it."""
    place = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of somebody's with folders and files of the names that they like."""
    for name in ("compiler", "runtime"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('another project')\n")
    (tmp_path / "dsl.py").write_text("raise ImportError('another project')\n")
    return tmp_path


def in_project(project: Path, installed: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *command], cwd=project, env=environment, capture_output=True, text=True
    )


def test_a_wheel_of_the_sdist_holds_what_a_wheel_of_the_checkout_does(wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(build(ROOT, tmp_path / "sdist", "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    source = next(path for path in tmp_path.glob("mixwright-*") if path.is_dir())
    again = build(source, tmp_path / "wheel", "wheel")
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


def test_four_packages_are_installed_and_each_is_typed(installed: Path) -> None:
    there = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert there == set(PACKAGES)
    assert all((installed / name / "py.typed").is_file() for name in PACKAGES)


def test_every_file_of_the_packages_is_installed(installed: Path) -> None:
    for name, folder in PACKAGES.items():
        ours = {
            p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts
        }
        assert ours <= {p.relative_to(installed / name) for p in (installed / name).rglob("*")}, name


def test_a_project_may_have_folders_of_any_name(project: Path, installed: Path) -> None:
    """Every module is imported from the installed wheel, in a folder with a `compiler/`, a `runtime/` and a `dsl.py`."""
    code = (
        "import importlib, json, pkgutil, sys\n"
        "needs_more = []\n"
        f"for name in {sorted(PACKAGES)!r}:\n"
        "    package = importlib.import_module(name)\n"
        f"    assert package.__file__.startswith({str(installed)!r}), package.__file__\n"
        "    for module in pkgutil.walk_packages(package.__path__, name + '.'):\n"
        "        if module.name.endswith(('__main__', 'landlock_child', 'sandbox.launch')):\n"
        "            continue  # scripts\n"
        "        try:\n"
        "            importlib.import_module(module.name)\n"
        "        except ModuleNotFoundError as error:\n"
        "            needs_more.append(error.name)\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in needs_more})))\n"
    )
    found = in_project(project, installed, "-c", code)
    assert found.returncode == 0, found.stderr
    missing = set(json.loads(found.stdout))
    assert not missing & {"compiler", "runtime", "dsl", *PACKAGES}, found.stdout


def test_what_is_installed_has_something_to_run(project: Path, installed: Path) -> None:
    """`mixwright init` writes the quickstart, its model and what CI does with it; it checks, and can be planned."""
    for command in (["init"], ["check", "specs/quickstart.mix"], ["plan", "specs/quickstart.mix"]):
        found = in_project(project, installed, "-m", "mixwright", *command)
        assert found.returncode == 0, (command, found.stdout, found.stderr)
    assert (project / "specs" / "tiny" / "model" / "model.safetensors").is_file()
    for name in ("quickstart.mix", "tiny/teacher.mix", "tiny/model/config.json"):
        assert (project / "specs" / name).read_bytes() == (ROOT / "specs" / name).read_bytes()
    assert (project / ".github/actions/mixwright/action.yml").read_bytes() == (
        ROOT / "action.yml"
    ).read_bytes()


def test_every_template_is_installed(project: Path, installed: Path) -> None:
    listing = (
        "from mixwright.project_templates import TEMPLATES, project_files as of\n"
        "print({name: sorted(of(name)) for name in TEMPLATES})"
    )
    found = in_project(project, installed, "-c", listing)
    assert ast.literal_eval(found.stdout) == {name: sorted(project_files(name)) for name in TEMPLATES}, (
        found.stderr
    )


def test_init_leaves_what_is_there(project: Path, installed: Path) -> None:
    (project / "specs").mkdir()
    (project / "specs" / "quickstart.mix").write_text("edition 2026\n")
    found = in_project(project, installed, "-m", "mixwright", "init")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith(
        "error: specs/quickstart.mix is another file already; nothing was written\n"
    )
    assert (project / "specs" / "quickstart.mix").read_text() == "edition 2026\n"
    assert not (project / "specs" / "tiny").exists()
    found = in_project(project, installed, "-m", "mixwright", "init", "begin", "--json")
    assert '"directory": "begin"' in found.stdout and ".gitignore" in found.stdout
    again = in_project(project, installed, "-m", "mixwright", "init", "begin")
    assert again.stdout.startswith("everything is there already\nnext: cd begin && mixwright check")


def test_the_library_comes_with_the_wheel(project: Path, installed: Path) -> None:
    """It is imported from a folder that has nothing to do with where Mixwright lies, and copied out of it."""
    (project / "spec.mix").write_text(
        "edition 2026\n"
        'import "std:answered" as lib\n'
        'source asked inline { rows = [{ q = "1 + 1?" }] }\n'
        'model teacher openai { base_url = "http://localhost:8000/v1", model = "tiny" }\n'
        "pipeline p {\n  from asked\n  use lib.answered { to = q, model = teacher }\n}\n"
    )
    checked = in_project(project, installed, "-m", "mixwright", "check", "spec.mix")
    assert (checked.returncode, checked.stdout) == (0, "1 file checked, nothing found\n"), checked.stderr
    assert in_project(project, installed, "-m", "mixwright", "vendor", "std:answered").returncode == 0
    assert (project / "lib/answered.mix").read_bytes() == (ROOT / "specs/lib/answered.mix").read_bytes()
