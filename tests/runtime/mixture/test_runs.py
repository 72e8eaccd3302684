"""Mixtures in whole runs: sources are read, rows selected, recorded and exported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import Export, Mixture, Plan, SourceSpec
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store
from tests.runtime.mixture.finished import chat
from tests.runtime.mixture.mixtures import ORIGIN, count, everything, mixture, rate, take, weight


def source(name: str, rows: int, **columns: list[str]) -> SourceSpec:
    """`rows` chats in a source; `columns` give more of each, over and over."""
    found = [
        chat(f"{name} {i}?", f"{i}.") | {key: values[i % len(values)] for key, values in columns.items()}
        for i in range(rows)
    ]
    schema = {"messages": "chat"} | dict.fromkeys(columns, "text")
    return SourceSpec(name=name, kind="inline", attributes={"rows": found}, columns=schema, origin=ORIGIN)


def run(
    directory: Path, mixtures: list[Mixture], sources: list[SourceSpec]
) -> tuple[dict[str, Any], list[Any]]:
    """Run the last mixture; returns its part of the summary and the exported examples."""
    name = mixtures[-1].name
    made = Plan(
        mixwright_version="0.1.0",
        edition=2026,
        spec="spec.mix",
        root=str(directory),
        directory=str(directory),
        files=(),
        sources={s.name: s for s in sources},
        mixtures={m.name: m for m in mixtures},
        exports={
            "out": Export(
                name="out", mixture=name, format="messages", attributes={"path": "out"}, origin=ORIGIN
            )
        },
    )
    with Store.open(directory / "store") as store:
        report = run_plan(made, store=store, options=RunOptions(mixtures=(name,)))
    lines = (
        (directory / "out" / "data" / "train-00000-of-00001.jsonl").read_text(encoding="utf-8").splitlines()
    )
    return report.summary["mixtures"][name], [json.loads(line) for line in lines]


def per(examples: list[Mapping[str, Any]], key: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for example in examples:
        counts[example[key]] = counts.get(example[key], 0) + 1
    return counts


def test_a_source_gives_its_first_rows_in_the_mixtures_order(tmp_path):
    _, few = run(tmp_path / "few", [mixture({"web": count(3)})], [source("web", 20)])
    _, more = run(tmp_path / "more", [mixture({"web": count(7)})], [source("web", 20)])
    assert {e["id"] for e in few} < {e["id"] for e in more}
    assert (len(few), len(more)) == (3, 7)


def test_a_rare_value_of_a_source_is_balanced_too(tmp_path):
    web = source("web", 100, language=["en"] * 99 + ["zu"])
    summary, examples = run(tmp_path, [mixture({"web": take(2, balance="language")})], [web])
    assert summary["components"]["web"]["got"] == 2
    assert sum("web 99?" in e["messages"][0]["content"] for e in examples) == 1


def test_rates_of_sources_follow_their_sizes(tmp_path):
    mix = mixture({"big": rate(30), "small": rate(30)}, total=20)
    _, examples = run(tmp_path, [mix], [source("big", 90), source("small", 10)])
    assert per(examples, "component") == {"big": 15, "small": 5}


def test_a_nested_mixture_sends_its_rows_under_its_own_name(tmp_path):
    inner = mixture({"a": take(4, repeat=2), "b": count(3)}, name="inner")
    outer = mixture({"inner": everything(), "c": count(2)}, kinds={"inner": "mixture"}, name="outer")
    _, examples = run(tmp_path, [inner, outer], [source("a", 2), source("b", 9), source("c", 9)])
    assert per(examples, "component") == {"inner": 7, "c": 2}
    assert per(examples, "source") == {"a": 4, "b": 3, "c": 2}


def test_a_nested_mixture_of_weights_is_as_large_as_the_outer_one_asks(tmp_path):
    inner = mixture({"a": weight(3), "b": weight(1)}, name="inner")
    outer = mixture(
        {"inner": weight(1), "c": everything()}, kinds={"inner": "mixture"}, name="outer", total=12
    )
    _, examples = run(tmp_path, [inner, outer], [source("a", 50), source("b", 50), source("c", 4)])
    assert per(examples, "component") == {"inner": 8, "c": 4}
    assert per(examples, "source") == {"a": 6, "b": 2, "c": 4}


def test_two_components_of_a_nested_mixture_may_start_from_the_same_rows(tmp_path):
    one = mixture({"a": count(2)}, name="one")
    two = mixture({"a": count(2)}, name="two", seed=42)
    outer = mixture(
        {"one": everything(), "two": everything()}, kinds=dict.fromkeys(("one", "two"), "mixture"), name="o"
    )
    _, examples = run(tmp_path, [one, two, outer], [source("a", 9)])
    assert per(examples, "component") == {"one": 2, "two": 2}
    assert len({e["id"] for e in examples}) == 2
