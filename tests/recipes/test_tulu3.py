"""The recipe of Tulu 3: its counts, its licenses, its ablations, and a small run of it on stand-ins."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

import mixwright
from mixwright_compiler.plan.plan import CountQuota, Mixture, Plan
from mixwright_compiler.rounding import exact, largest_remainder
from tests.checkout import ROOT

SPEC = ROOT / "specs" / "recipes" / "tulu3.mix"
GROUPS = {
    "general": 116_872,
    "knowledge": 104_982,
    "math": 334_252,
    "code": 142_275,
    "safety": 110_983,
    "multilingual": 100_000,
    "precise_if": 29_980,
}
"""Rows of each category, as published."""
PERSONA = {"persona_math", "persona_gsm", "persona_algebra", "persona_python", "persona_if"}


def counts_of(mixture: Mixture) -> dict[str, int]:
    return {c.rows: c.quota.count for c in mixture.components if isinstance(c.quota, CountQuota)}


@pytest.fixture(scope="module")
def whole() -> Plan:
    return mixwright.plan(SPEC)


def test_it_is_as_large_as_published(whole: Plan) -> None:
    mixture = whole.mixtures["tulu3"]
    groups: Counter[str] = Counter()
    for component in mixture.components:
        assert isinstance(component.quota, CountQuota)
        groups[component.group] += component.quota.count
    assert len(mixture.components) == 19 and groups == GROUPS and sum(groups.values()) == 939_344
    [persona, people] = mixture.tags
    assert (persona.name, set(persona.rows)) == ("persona", PERSONA)
    assert set(people.rows) == {"oasst", "no_robots", "aya"}


@pytest.mark.parametrize(
    ("variant", "rows"),
    [
        ("no_wildchat", 939_344 - 100_000),
        ("no_safety", 939_344 - 110_983),
        ("no_persona", 939_344 - 284_919),
        ("no_math", 939_344 - 334_252),
        ("no_multilingual", 939_344 - 100_000),
        ("permissive", 939_344 - 9_500 - 284_919),
    ],
)
def test_an_ablation_leaves_out_what_it_says_and_changes_nothing_else(
    whole: Plan, variant: str, rows: int
) -> None:
    plan = mixwright.plan(SPEC, variant=variant)
    counts = counts_of(plan.mixtures[variant])
    assert sum(counts.values()) == rows
    assert counts.items() <= counts_of(whole.mixtures["tulu3"]).items()


@pytest.mark.parametrize("scale", ["0.0001", "0.003", "0.5"])
def test_a_small_one_has_counts_by_largest_remainder(whole: Plan, scale: str) -> None:
    counts = counts_of(whole.mixtures["tulu3"])
    small = mixwright.plan(SPEC, params={"scale": scale})
    parts = {name: Fraction(rows) * exact(float(scale)) for name, rows in counts.items()}
    assert counts_of(small.mixtures["tulu3"]) == largest_remainder(parts)
    # An ablation of the small one has the counts of the small one.
    ablated = mixwright.plan(SPEC, params={"scale": scale}, variant="no_persona")
    assert counts_of(ablated.mixtures["no_persona"]).items() <= counts_of(small.mixtures["tulu3"]).items()


def test_the_data_themselves_can_be_taken_instead(whole: Plan, tmp_path: Path) -> None:
    """The file with the real sets declares what the stand-ins stand in for, under the same licenses."""
    shutil.copytree(SPEC.parent, tmp_path / "specs" / "recipes")
    shutil.copytree(
        ROOT / "specs" / "tiny", tmp_path / "specs" / "tiny", ignore=shutil.ignore_patterns("out")
    )
    (tmp_path / "pyproject.toml").touch()
    spec = tmp_path / "specs" / "recipes" / "tulu3.mix"
    spec.with_suffix(".lock").unlink()
    text = spec.read_text(encoding="utf-8")
    assert 'import "tulu3/stand_ins.mix" as sets' in text
    spec.write_text(text.replace('import "tulu3/stand_ins.mix"', 'import "tulu3/hub.mix"'), encoding="utf-8")
    # Not locked; and the small training cuts what these models write.
    assert {d.code for d in mixwright.check(spec)} == {"MIX211", "MIX408"}
    real = mixwright.plan(spec)
    assert counts_of(real.mixtures["tulu3"]) == counts_of(whole.mixtures["tulu3"])
    licenses = {name.removesuffix("_rows"): source.license for name, source in whole.sources.items()}
    mixed = [s for s in real.sources.values() if s.attributes.get("repo") == "allenai/tulu-3-sft-mixture"]
    assert len(mixed) == 14
    for source in (*mixed, real.sources["sets.personas"]):
        assert source.license == licenses[source.name]
    assert {model.attributes["model"].split("-")[0] for model in real.models.values()} == {"gpt", "claude"}


def test_a_license_that_the_policy_does_not_know_is_an_error(tmp_path: Path) -> None:
    shutil.copytree(SPEC.parent, tmp_path / "specs" / "recipes")
    shutil.copytree(
        ROOT / "specs" / "tiny", tmp_path / "specs" / "tiny", ignore=shutil.ignore_patterns("out")
    )
    (tmp_path / "pyproject.toml").touch()
    spec = tmp_path / "specs" / "recipes" / "tulu3.mix"
    text = spec.read_text(encoding="utf-8")
    left_out = "without = [no_robots, tag.persona]"
    assert left_out in text
    spec.write_text(text.replace(left_out, "without = [no_robots]"), encoding="utf-8")
    found = [d for d in mixwright.check(spec) if d.is_error]
    assert found and "cc-by-nc-sa-4.0" in str(found[0])


@pytest.mark.train
@pytest.mark.slow
def test_it_runs_small(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    shutil.copytree(ROOT / "specs", tmp_path / "specs", ignore=shutil.ignore_patterns("out", ".mixwright"))
    (tmp_path / "pyproject.toml").touch()
    spec = tmp_path / "specs" / "recipes" / "tulu3.mix"
    report = mixwright.run(spec, params={"scale": "0.00005"}, store=tmp_path / "store")
    plan = mixwright.plan(spec, params={"scale": "0.00005"})
    made = report.summary["mixtures"]["tulu3"]
    assert {name: part["got"] for name, part in made["components"].items()} == counts_of(
        plan.mixtures["tulu3"]
    )
    assert made["rows"] == 46 and report.summary["mixtures"]["tulu3"]["shortfall"] is None
    rows = {part["name"]: part["rows"] for part in made["subtotals"] if part["kind"] == "tag"}
    assert rows["persona"] == sum(made["components"][name]["got"] for name in PERSONA) > 5
    card = (tmp_path / "out" / "recipes" / "tulu3" / "README.md").read_text(encoding="utf-8")
    assert f"| persona | {rows['persona']} |" in card and "cc-by-nc-sa-4.0" in card
    lines = (tmp_path / "out" / "recipes" / "tulu3" / "data").glob("*.jsonl")
    written = [json.loads(line) for file in lines for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(written) == 46 and all(row["messages"][-1]["role"] == "assistant" for row in written)
