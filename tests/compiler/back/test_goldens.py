"""Specs and their whole plans. `pytest --update` rewrites the plans; their diff is reviewed like code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mixwright_compiler.bind.lock import lock_path, read_lock
from mixwright_compiler.load.project_root import root_of
from mixwright_compiler.plan.lower import lower
from mixwright_compiler.plan.plan import Plan, plan_from_json
from mixwright_compiler.stages import compile_file
from mixwright_dsl.render import render

GOLDENS = Path(__file__).parent / "goldens"
SPECS = sorted(GOLDENS.glob("*.mix"))


def planned(path: Path, variant: str | None = None) -> Plan:
    lock = read_lock(lock_path(path))
    result = compile_file(path, lock=lock, variant=variant)
    assert result.program is not None, render(result.diagnostics)
    return lower(
        result.program,
        root=root_of(path),
        directory=path.parent,
        lock=lock,
        version="0.0.0",
        variant=variant,
    )


def normalised(plan: Plan) -> str:
    """The plan's JSON without the folder that this checkout lies in."""
    text = json.dumps(plan.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
    folder = json.dumps(str(GOLDENS))[1:-1]
    root = json.dumps(plan.root)[1:-1]
    return text.replace(folder + "/", "").replace(folder, "<directory>").replace(root, "<root>")


@pytest.mark.parametrize("path", SPECS, ids=[path.stem for path in SPECS])
def test_a_spec_lowers_to_its_plan(path: Path, update: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDENS)
    plan = planned(path)
    golden = path.with_suffix(".plan.json")
    if update:
        golden.write_text(normalised(plan), encoding="utf-8")
    assert normalised(plan) == golden.read_text(encoding="utf-8"), "'pytest --update' accepts the new plan"


@pytest.mark.parametrize("path", SPECS, ids=[path.stem for path in SPECS])
def test_a_plan_survives_its_json(path: Path) -> None:
    plan = planned(path)
    assert plan_from_json(plan.model_dump_json()) == plan


def test_lowering_twice_gives_the_same_text() -> None:
    path = GOLDENS / "mixtures.mix"
    assert planned(path).model_dump_json() == planned(path).model_dump_json()


def test_a_variant_takes_the_place_of_its_mixture() -> None:
    plan = planned(GOLDENS / "mixtures.mix", variant="small")
    assert plan.mixtures_to_run() == ["small"]
    assert {name: e.mixture for name, e in plan.exports.items()} == {"hub": "small"}
    assert {name: t.mixture for name, t in plan.trains.items()} == {"student": "small"}
    assert set(plan.pipelines) == {"one", "four"}
    assert plan.mixtures["small"].total == 50


def test_specs_that_mean_the_same_have_the_same_hashes(tmp_path: Path) -> None:
    text = (GOLDENS / "verified.mix").read_text(encoding="utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/personas.jsonl").write_text('{"text": "a beekeeper"}\n', encoding="utf-8")
    other = tmp_path / "other.mix"
    other.write_text(
        text.replace("hard_math", "renamed").replace("    temperature = 0.7", "\ttemperature = 7e-1")
        + "# more\n",
        encoding="utf-8",
    )
    steps = [planned(path).pipelines["persona_math"].steps for path in (GOLDENS / "verified.mix", other)]
    assert [s.fingerprint for s in steps[0]] == [s.fingerprint for s in steps[1]]
