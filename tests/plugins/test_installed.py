"""Plugins of installed packages: found by their entry points, where a kind is missing, and read without an import."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from projects import SHOUT, SHOUTING, typed, write

import mixwright
from mixwright_compiler.bind.lock import read_lock
from mixwright_compiler.stages import Compilation, compile_file

Install = Callable[..., Path]

SPEC = SHOUTING.replace('import python "plugins/shout.py"\n\n', "")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    write(project, {"spec.mix": SPEC})
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package as `pip` would: its modules, and what says that they are a plugin."""
    site, names = tmp_path / "site", []
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def installed(name: str, text: str | None, *, version: str = "1.2", editable: bool = False) -> Path:
        package = name.replace("-", "_")
        names.append(package)
        info = site / f"{package}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[mixwright.plugins]\nany = {package}.plugin\n")
        (info / "direct_url.json").write_text(json.dumps({"dir_info": {"editable": editable}}))
        module = site / package / "plugin.py"
        module.parent.mkdir(exist_ok=True)
        (module.parent / "__init__.py").write_text("")
        if text is not None:
            module.write_text(text, encoding="utf-8")
        return module

    yield installed
    for module in [m for m in sys.modules if m.partition(".")[0] in names]:
        del sys.modules[module]


def compiled(project: Path) -> Compilation:
    return compile_file(project / "spec.mix")


def test_a_kind_of_an_installed_plugin_is_found_checked_and_run(
    project: Path, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme-shout", SHOUT)
    assert typed("check", "spec.mix", "--deny-warnings") == 0
    assert "acme_shout.plugin" not in sys.modules
    assert typed("lock", "spec.mix") == typed("run", "spec.mix") == 0
    assert read_lock(project / "spec.lock").plugins["acme-shout"].identity == "acme-shout==1.2"
    (plugin,) = mixwright.plan("spec.mix").plugins.values()
    assert (plugin.name, plugin.module, plugin.path) == ("acme-shout", "acme_shout.plugin", "")


def test_a_finding_shows_where_it_is_declared(project: Path, install: Install) -> None:
    module = install("acme-shout", SHOUT)
    write(project, {"spec.mix": SPEC.replace("on = note", "no = note")})
    (finding, *_) = compiled(project).errors
    assert finding.code == "MIX105"
    assert [label.span.source.path for label in finding.secondary] == [module]


def test_nothing_is_looked_for_where_every_kind_is_known(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **found: looked.append("") or ())
    write(project, {"spec.mix": SPEC.replace("shout said { on = note }", "derive { said = note }")})
    assert compiled(project).errors == ()
    assert looked == []
    write(project, {"spec.mix": SPEC})
    assert [d.code for d in compiled(project).errors] == ["MIX116"]
    assert looked == [""]


def test_another_version_makes_rows_anew_and_is_said(
    project: Path, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme-shout", SHOUT)
    assert typed("lock", "spec.mix") == typed("run", "spec.mix") == 0
    assert typed("plan", "spec.mix", "--out", "plan.json") == 0
    install("acme-shout", SHOUT, version="1.3")
    capsys.readouterr()
    assert typed("plan", "spec.mix") == 0
    said = capsys.readouterr()
    assert "(row: plugin acme-shout==1.2 -> acme-shout==1.3)" in said.out
    assert "warning[MIX805]: plugin `acme-shout` is not the one that was locked" in said.err
    assert typed("lock", "spec.mix", "--check") == 1
    assert "~ plugin acme-shout: acme-shout==1.2 -> acme-shout==1.3" in capsys.readouterr().out
    assert typed("run", "plan.json") == 2
    assert "acme-shout==1.2 then, acme-shout==1.3 now; nothing was run" in capsys.readouterr().err


def test_a_plan_is_not_run_where_the_package_is_missing(
    project: Path, install: Install, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = install("acme-shout", SHOUT)
    assert typed("plan", "spec.mix", "--out", "plan.json") == 0
    monkeypatch.setattr(sys, "path", [at for at in sys.path if at != str(module.parents[1])])
    capsys.readouterr()
    assert typed("run", "plan.json") == 2
    assert "acme-shout==1.2 then, not installed now" in capsys.readouterr().err


def test_of_one_that_is_installed_for_editing_the_files_count(project: Path, install: Install) -> None:
    install("acme-shout", SHOUT, editable=True)
    before = mixwright.plan("spec.mix").plugins["acme-shout"].identity
    install("acme-shout", SHOUT + "\n# edited\n", editable=True)
    after = mixwright.plan("spec.mix").plugins["acme-shout"].identity
    assert before.startswith("acme-shout==1.2+sha256:") and before != after


def test_a_spec_imports_before_it_looks_for_what_is_installed(project: Path, install: Install) -> None:
    install("acme-shout", SHOUT)
    write(project, {"plugins/shout.py": SHOUT, "spec.mix": SHOUTING})
    assert compiled(project).errors == ()
    assert list(mixwright.plan("spec.mix").plugins) == ["plugins/shout.py"]


def test_two_packages_with_one_kind_are_an_error_where_it_is_used(project: Path, install: Install) -> None:
    install("acme-shout", SHOUT)
    install("loud-notes", SHOUT)
    (finding,) = compiled(project).errors
    assert (finding.code, finding.message) == ("MIX133", "step `shout` is of `acme-shout`, `loud-notes`")
    assert finding.hint == "uninstall one: `pip uninstall loud-notes`"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "its entry point `any` names module `acme_shout.plugin`, which is not there"),
        ("class Shout(", "is no Python"),
        (
            "from mixwright.plugin import declare\n@declare('step', 'shout')\nclass A: ...",
            "lacks `when`, `id`",
        ),
    ],
)
def test_a_broken_one_is_named_where_a_kind_is_missing(
    text: str | None, problem: str, project: Path, install: Install
) -> None:
    install("acme-shout", text)
    found = {d.code: d for d in compiled(project).diagnostics}
    assert set(found) == {"MIX136", "MIX116"}
    assert "plugin `acme-shout` is installed and left out: " in found["MIX136"].message
    assert problem in found["MIX136"].message
    assert found["MIX136"].primary.span.text == "shout"


def test_one_that_cannot_be_imported_is_no_traceback(
    project: Path, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme-shout", SHOUT + "\n1 / 0\n")
    assert typed("check", "spec.mix") == 0
    assert typed("run", "spec.mix") == 2
    said = capsys.readouterr().err
    assert "plugin 'acme-shout' cannot be loaded: " in said and "ZeroDivisionError" in said
    assert "[MIX137]" in said and "Traceback" not in said


def test_its_kinds_have_manual_pages_and_the_doctor_knows_it(
    project: Path, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    from mixwright.commands.doctor import _plugins

    module = install("acme-shout", SHOUT)
    install("loud-notes", "class X(")
    assert typed("explain", "shout") == 0
    assert f"Declared by plugin acme-shout at {module}:4." in capsys.readouterr().out
    found = {finding.name: finding for finding in _plugins()}
    assert (found["acme-shout"].holds, found["acme-shout"].detail) == (True, "acme-shout==1.2: step shout")
    assert found["loud-notes"].holds is None and "is no Python" in found["loud-notes"].detail
