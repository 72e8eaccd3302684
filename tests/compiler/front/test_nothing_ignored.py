"""Nothing that a spec may say is accepted and ignored.

Every attribute of every block, step, verifier, source, engine and export is written into a spec of its own: the plan
changes, or a finding says why not. And every attribute's name is read by the code that the entry belongs to.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from front_specs import compiled

from mixwright_compiler.bind.plain import block_entry, weaker
from mixwright_compiler.catalog.blocks import language_blocks
from mixwright_compiler.catalog.catalog import AttributeSchema, Entry, builtin_catalog
from mixwright_compiler.plan.diff import differences
from mixwright_compiler.plan.fingerprint import pipeline_row_hashes
from mixwright_compiler.plan.lower import lower
from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.plugins.declare import plugins
from tests.checkout import PACKAGES

PRELUDE = """edition 2026
import "more.mix" as more
source rows inline {
  rows = [{ q = "1 + 1?", a = "2", n = 2, f = 0.5, flag = true, t = "def f(x): return x", spare = "x", de = "zwei",
    made = ["assert f(1) == 2"], fixed = [{ id = "length:words", min_words = 2 }],
    talk = [{ role = "user", content = "q" }, { role = "assistant", content = "a" }], pair = [["q", "a"]],
    kinds = ["keywords:existence"], given = [{ keywords = ["x"] }], tools = [] }]
  license = "mit"
}
source held inline { rows = [{ q = "7 + 7?", a = "14" }], license = "mit" }
source graded inline { rows = [{ q = "1", a = "2", response = "2", good = true, g = "x", n = 2, spare = "x",
  made = ["assert f(1) == 2"], kinds = ["keywords:existence"] }, { q = "1", a = "2", response = "3", good = false,
  g = "x", n = 2, spare = "x", made = ["assert f(1) == 2"], kinds = ["keywords:existence"] }], license = "mit" }
source other inline { rows = [{ q = "1 + 1?", a = "2", term = "x", de = "y" }], license = "mit" }
model writer openai { base_url = "http://127.0.0.1:1/v1", model = "w" }
model grader openai { base_url = "http://127.0.0.1:1/v1", model = "g", serves = vllm }
model second openai { base_url = "http://127.0.0.1:1/v1", model = "x" }
model reward transformers { repo = "r/r", task = reward }
model steps transformers { repo = "r/p", task = process_reward }
model classes transformers { repo = "r/c", task = classify }
model vectors transformers { repo = "r/e", task = embed }
model others transformers { repo = "r/o", task = embed }
template ask { user = "{{ q }}" }
template again { user = "{{ q }} again" }
template back { user = "{{ a }} {{ to }} {{ from }}" }
template rubric { user = "{{ q }} {{ response }} {{ spare }}" }
template rubric2 { user = "{{ q }}: {{ response }}" }
tool adder arithmetic { }
tool calendar date { day = "2024-03-05" }
template guard { user = "{{ response }}: safe or unsafe?" }
model base transformers { repo = "r/base" }
model base2 transformers { repo = "r/base2" }
template shown { user = "[adder(1 + 1)] {{ q }}" }
"""

ROWS = """
pipeline made { from rows
  derive { response = a }
  STEP
  chat { user = q, assistant = a }
}
mixture main { seed = 1
  made = 1
  MIXTURE
}
"""

MINIMAL: dict[str, dict[str, str]] = {
    "decontaminate.ngram": {"against": "[other]"},
    "dedup.exact": {"on": "q"},
    "dedup.minhash": {"on": "q"},
    "dedup.rouge": {"on": "q"},
    "dedup.semantic": {"on": "q", "model": "vectors"},
    **{
        f"export.{format}": {"path": '"out/x"', "format": format}
        for format in (
            "axolotl",
            "llama_factory",
            "messages",
            "open_instruct",
            "packed",
            "parquet",
            "prompt_completion",
            "tokenized",
            "trl",
        )
    },
    "export.preference": {"path": '"out/x"', "format": "preference", "group": "picked"},
    "export.rlvr": {"path": '"out/x"', "format": "rlvr", "ground_truth": "a", "dataset": '"math"'},
    "model.openai": {"base_url": '"http://127.0.0.1:1/v1"', "model": '"m"'},
    "model.transformers": {"repo": '"m/m"'},
    "model.vllm": {"repo": '"m/m"'},
    "select.less": {"repo": '"m/m"', "targets": "[other]", "user": "q", "assistant": "a", "count": "1"},
    "select.deita": {"by": "n", "on": "q", "model": "vectors", "count": "1"},
    "select.diverse": {"by": "kinds", "count": "1"},
    "select.random": {"count": "1"},
    "select.top": {"by": "n", "count": "1"},
    "source.csv": {"path": '"data/x"'},
    "source.duckdb": {"sql": '"SELECT 1 AS q"'},
    "source.hf": {"repo": '"a/b"'},
    "source.inline": {"rows": '[{ q = "x", n = 1 }]'},
    "source.json": {"path": '"data/x"'},
    "source.jsonl": {"path": '"data/x"'},
    "source.natural_instructions": {"path": '"data/x"'},
    "source.parquet": {"path": '"data/x"'},
    "source.sql": {"sql": '"SELECT 1 AS q"'},
    "step.chat": {"user": "q", "assistant": "a"},
    "step.balance": {"by": "q", "to": "equal"},
    "step.cluster": {"on": "q", "model": "vectors"},
    "step.derive": {"extra": "q"},
    "step.draw": {"values": "[1, 2]"},
    "step.each": {"of": "kinds"},
    "step.filter": {"where": "n > 1"},
    "step.fold": {"count": "count()"},
    "step.fold_by": {"by": "one_group", "count": "count()"},
    "step.generate": {"prompt": "ask", "model": "writer"},
    "step.normalize": {"from": "kinds", "model": "vectors"},
    "step.options": {"of": "kinds"},
    "step.render": {"templates": "[ask]"},
    "step.profile": {"of": "q"},
    "step.review": {"of": "q", "out": '"review.csv"'},
    "step.rounds": {},
    "step.call_tools": {"from": "q", "model": "base", "use": "adder { prompt = shown }"},
    "call_tools_block.use": {"tool": "adder", "prompt": "shown"},
    "step.call": {"calls": "kinds", "tools": "[adder]"},
    "tool.arithmetic": {},
    "tool.bm25": {"over": "other", "on": "q"},
    "tool.date": {"day": '"2024-03-05"'},
    "tool.mcp": {"record": '"data/record.jsonl"'},
    "tool.model": {"model": "writer", "prompt": "ask"},
    "tool.python": {"code": '"def one(q: str): return q"'},
    "train.sft": {"repo": '"m/m"', "output": '"out/t"', "holdout": "5%"},
    "verify.agreement": {"agree": "2"},
    "verify.code": {"tests": "made"},
    "verify.constraints": {"constraints": "kinds"},
    "verify.judge": {"rubric": "rubric", "models": "[writer]"},
    "verify.language": {"is": '"en"'},
    "verify.math": {"answer": "a"},
    "verify.reward": {"model": "reward", "request": "q", "response": "response"},
    "verify.rubric": {"criteria": '["short"]', "model": "grader"},
    "verify.safety": {"model": "writer"},
    "verify.score": {"labels": '["1", "2"]', "prompt": "ask", "model": "grader"},
    "verify.schema": {"schema": '{ type = "object" }'},
    "verify.translation": {"source": "q", "from": '"en"', "to": '"de"'},
    "verify.value": {"of": "n"},
    "verify.where": {"expr": "n > 1"},
    "train_block.cluster": {"gpus": "8"},
    "train_block.measure": {"every": "8"},
    "train_block.evaluate": {"on": "other", "prompt": "ask", "answer": "a"},
    "verify_block.band": {"min": "10%"},
    "verify_block.calibrate": {"rows": "graded", "label": "good", "precision": "50%"},
}
"""The least that each entry can be written with."""

BY_TYPE = {
    "text": '"zz"',
    "int": "3",
    "float": "0.25",
    "count": "3",
    "share": "25%",
    "duration": "7s",
    "bytes": "1GiB",
    "money": "$0.5",
    "secret": 'env("KEY")',
    "path": '"elsewhere"',
    "name": "q",
    "column": "spare",
    "new_column": "found",
    "expr:bool": "n > 5",
    "expr:float": "f",
    "expr:text": "spare",
    "expr:any": "spare",
    "drawn_expr:bool": "drawn != 1",
    "count_or_expr": "3",
    "expr:chat": "talk",
    "json": "[1]",
    "map[new_column=expr:any]": "{ spare = q }",
    "list[text]": '["zz"]',
    "list[float]": "[0.9, 0.95]",
    "list[enum:wandb|mlflow|trackio]": "[wandb]",
    "list[name]": "[zz]",
    "list[column]": "[spare]",
    "map[share]": "{ zz = 100% }",
    "list[ref:source]": "[rows]",
    "list[ref:template]": "[again]",
    "list[ref:model]": "[second]",
    "ref:template": "again",
    "some[text]": '["http://one/v1", "http://two/v1"]',
    "some[ref:template]": "[ask, again]",
    "some[ref:tool]": "[calendar]",
    "ref:model": "second",
    "ref:source": "rows",
    "call:parse": "json()",
    "call:on_fail": "retry(2)",
    "call:on_verdict": "retry(2)",
    "map[text_or_secret]": '{ team = "zz" }',
    "map[path]": '{ x = "data/x" }',
    "map[new_column=text]": '{ q = "q" }',
}
COMMIT = '"' + "a" * 40 + '"'
VALUES: dict[str, str] = {
    "revision": COMMIT,
    "decontaminate.ngram.against": "[held]",
    "select.less.targets": "[held]",
    "evaluate.on": "held",
    "permutations": "512",
    "export.train": "one",
    "export.preference.group": "loud",
    "export.preference.by": "verify_value",
    "export.rlvr.ground_truth": "spare",
    "model.transformers.path": '"models/small"',
    "model.vllm.path": '"models/small"',
    "context": "16Ki",
    "projection": "64",
    "vocabulary": "1000",
    "source.path": '"data/y"',
    "sql": '"SELECT 2 AS q"',
    "source.names": '{ x = ["q"] }',
    "source.csv.names": '["q"]',
    "verify.judge.rubric": "rubric2",
    "verify.safety.prompt": "guard",
    "verify.translation.from": '"fr"',
    "select.less.user": "a",
    "source.hf.revision": COMMIT,
    "source.inline.rows": '[{ q = "y", n = 2 }]',
    "from": "other",
    "values": "[3, 4]",
    "step.call.tools": "[calendar]",
    "step.generate.tools": "[calendar]",
    "tool.arithmetic.digits": "3",
    "tool.bm25.over": "held",
    "tool.bm25.on": "a",
    "tool.bm25.top": "2",
    "tool.date.day": '"2024-03-06"',
    "tool.mcp.record": '"data/elsewhere.jsonl"',
    "tool.python.code": '"def one(a: str): return a"',
    "tool.python.file": '"data/one.py"',
    "step.draw.count": "2",
    "step.each.of": "made",
    "step.options.of": "made",
    "step.options.gold": "q",
    "step.each.least": "1",
    "step.fold.least": "0",
    "step.fold_by.by": "other_group",
    "step.fold_by.least": "2",
    "step.cluster.model": "others",
    "step.normalize.model": "others",
    "step.normalize.from": "made",
    "select.deita.model": "others",
    "select.diverse.by": "made",
    "dedup.semantic.model": "others",
    "step.call_tools.from": "a",
    "step.call_tools.model": "base2",
    "step.call_tools.use": 'calendar { prompt = shown, called = "adder" }',
    "call_tools_block.use.tool": "calendar",
    "call_tools_block.use.prompt": "ask",
    "step.rounds.until": 'response == "x"',
    "step.draw.of": "made",
    "step.draw.where": "drawn != 1",
    "step.draw.least": "1",
    "step.draw.tokens": "100",
    "step.draw.tokenizer": "reward",
    "step.draw.with": "ask",
    "step.draw.weights": "[1, 3]",
    "step.draw.balance": "n",
    "step.draw.column": "q",
    "schema": '{ type = "array" }',
    "step.generate.schema": '{ type = "object", properties = { q = { type = "string" } } }',
    "architecture": "{ hidden_size = 8 }",
    "tokenizer": '"models/tokenizer"',
    "learn": "[reasoning]",
    "checks": "[length]",
    "zero": "1",
    "user": "spare",
    "turns": "talk",
    "train.sft.turns": "last",
    "tools": "tools",
    "reasoning": "spare",
    "good": "0",
    "least": "{ length = 0.5 }",
    "glossary": "other",
    "pairs": "other",
    "labels": "[1, 2]",
    "verify.score.labels": '["3", "4"]',
    "verify.score.values": "[1, 2]",
    "scale": "[1, 5]",
    "back": "back",
    "verify_block.calibrate.rows": "other",
    "verify_block.calibrate.label": "a",
    "group": "g",
    "optimizer": "muon",
    "verify.agree": "1",
    "samples": "2",
    "quorum": "1",
    "verify.judge.min": "2",
    "verify.rubric.criteria": '["long"]',
    "verify.rubric.prompt": "rubric2",
    "verify.rubric.min": "0.5",
    "verify.judge.samples": "3",
    "train_block.evaluate.on": "held",
    "rates": '[{ of = "a*", rate = 0.1 }]',
    "train_block.measure.best": "held_out",
    "verify.constraints.kwargs": "given",
    "verify.constraints.constraints": "fixed",
    "verify.safety.model": "classes",
    "verify.reward.model": "steps",
    "verify.translation.similarity": "vectors",
    "verify.translation.quality": "reward",
    "verify.value.of": "f",
    "verify.messages": "talk",
}
"""By entry and attribute, family and attribute, or attribute: where its type alone does not make a fitting value."""


def value_of(entry: Entry, schema: AttributeSchema) -> str:
    """A value that is not the default, nor the one of MINIMAL."""
    for key in (f"{entry.key}.{schema.name}", f"{entry.family}.{schema.name}", schema.name):
        if key in VALUES:
            return VALUES[key]
    if schema.type.startswith("enum:"):
        given = MINIMAL.get(entry.key, {}).get(schema.name, schema.default)
        return next(word for word in schema.type[5:].split("|") if word not in (given, schema.unsaid))
    if schema.type == "bool":
        return "false" if schema.default else "true"
    if schema.type.startswith("block:"):
        key = schema.type.removeprefix("block:")
        return "{ " + ", ".join(f"{k} = {v}" for k, v in MINIMAL.get(key, {}).items()) + " }"
    return BY_TYPE[schema.type]


def spec_of(key: str, body: dict[str, str]) -> str:
    """A spec in which an entry is written with these attributes."""
    family, _, name = key.partition(".")
    text = " , ".join(
        f"{k} {v}"
        if k == "use" or (v.startswith("{") and k != "values" and not k.startswith("map:"))
        else f"{k} = {v}"
        for k, v in body.items()
    )
    if family == "call_tools_block":
        inner = " , ".join(f"{k} = {v}" for k, v in body.items() if k != "tool")
        return spec_of(
            "step.call_tools", {**MINIMAL["step.call_tools"], name: f"{body['tool']} {{ {inner} }}"}
        )
    nested = {
        "train_block": (
            "train.sft",
            {"cluster": "cluster", "lora": "lora", "evaluate": "evaluate", "measure": "measure"}.get(
                name, ""
            ),
        ),
        "less_block": ("select.less", name),
        "review_block": ("step.review", name),
        "verify_block": ("verify.agreement" if name == "band" else "verify.math", name),
    }
    if family in nested:
        outer, block = nested[family]
        return spec_of(outer, {**MINIMAL[outer], block: "{ " + text + " }"})
    step = mixture = after = ""
    if key == "step.rounds":
        text += "\nderive { response = spare }"
    if key == "step.fold_by":
        step = "".join(
            f"cluster {g}_group {{ on = q, model = vectors, min = {m} }}\n"
            for g, m in (("one", 0.9), ("other", 0.8))
        )
    if key == "step.fold":
        step = "each item { of = kinds }\n"
    if key == "step.chat":
        return PRELUDE + f"pipeline tries {{ from rows\n chat {{ {text} }} }}\n"
    if family == "model":
        after = f"model tried {name} {{ {text} }}\n"
        after += "pipeline tries { from rows\n generate m { prompt = ask, model = tried } }\n"
    elif family == "source":
        after = f'source tried {name} {{ {text} }}\npipeline tries {{ from tried\n derive {{ m = "x" }} }}\n'
    elif family == "export":
        step = "each picked { of = kinds }\n derive { loud = upper(picked) }\n verify value { of = f, pick = best }\n"
        after = f"export tried of main {{ {text} }}\n"
        after += 'train one on main { repo = "m/m", output = "out/one" }\n'
    elif family == "tool":
        step = "call tried { calls = kinds, tools = [one] }"
        after = f"tool one {name} {{ {text} }}\n"
    elif family == "train":
        after = f"train tried on main {{ {text} }}\n"
    elif family == "step" and builtin_catalog().entries[key].label == "new_column":
        step = f"{name} tried {{ {text} }}"
    elif family == "step":
        step += f"{builtin_catalog().entries[key].keyword} {{ {text} }}"
    else:
        words = {"verify": {"response": "response"}}.get(family, {})
        full = {**words, **body} if family == "verify" and key != "verify.reward" else body
        text = " , ".join(f"{k} {v}" if v.startswith("{") else f"{k} = {v}" for k, v in full.items())
        step = f"{family} {name} {{ {text} }}"
        if key == "verify.agreement":
            step = f"generate again {{ prompt = ask, model = writer, samples = 5 }}\n {step}"
    return PRELUDE + ROWS.replace("STEP", step).replace("MIXTURE", mixture) + after


LISTED = (
    '{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}\n'
    '{"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "NAME"}]}}\n'
)
FILES = {
    "more.mix": "edition 2026\n",
    "data/x": "",
    "data/y": "",
    "data/one.py": "def one(): return 1\n",
    "data/record.jsonl": LISTED,
    "data/elsewhere.jsonl": LISTED.replace("NAME", "other"),
}


def result_of(directory: Path, text: str) -> tuple[str, list[str]]:
    """The plan without where things stand in the text, and what the findings say."""
    plan, said = planned(directory, text)
    if plan is None:
        return "", said
    document = plan.model_copy(update={"files": ()}).model_dump_json(indent=0)
    return re.sub(r'"(?:line|column)": ?\d+,?', "", document), said


@cache
def planned(directory: Path, text: str) -> tuple[Plan | None, list[str]]:
    (directory / "more.mix").parent.mkdir(exist_ok=True, parents=True)
    result = compiled(directory, text, files=FILES)
    said = [
        f"{d.code} {d.message}: {d.primary.message} {d.primary.span.text}; {d.hint}"
        for d in result.diagnostics
        if d.is_error
    ]
    if result.program is None:
        return None, said
    return lower(result.program, root=directory, directory=directory), said


ATTRIBUTES = [
    (entry.key, schema.name)
    for entry in builtin_catalog().entries.values()
    for schema in entry.attributes
    if schema.name != "*"
]


@pytest.mark.parametrize(("key", "name"), ATTRIBUTES)
def test_an_attribute_changes_the_plan(key, name, tmp_path):
    entry = builtin_catalog().entries[key]
    schema = entry.attribute(name)
    body = MINIMAL.get(key, {})
    without, said = result_of(tmp_path, spec_of(key, body))
    assert said == []
    with_it, said = result_of(tmp_path, spec_of(key, {**body, name: value_of(entry, schema)}))
    if said:
        # What was written does not fit here, and the compiler says so: it was read.
        assert any(re.search(rf"\b{re.escape(name)}\b", text) for text in said)
    else:
        assert with_it != without
        if entry.family in OF_STEPS:
            check_class(
                tmp_path,
                spec_of(key, body),
                spec_of(key, {**body, name: value_of(entry, schema)}),
                entry,
                schema,
            )


OF_STEPS = {"step", "verify", "dedup", "decontaminate", "select"} | {
    f"{family}_block" for family in ("call_tools", "verify", "less", "review")
}


def check_class(directory: Path, text: str, other: str, entry: Entry, schema: AttributeSchema) -> None:
    """A changed attribute of a step, or of a block in one, is told as its class says, and no other changes a row."""
    around = [
        outer.cls
        for step in builtin_catalog().entries.values()
        for outer in step.attributes
        if (block := block_entry(outer)) is not None and block.key == entry.key
    ]
    cls = weaker(around[0], schema.cls) if around else schema.cls
    before, after = (planned(directory, each)[0] for each in (text, other))
    assert before is not None and after is not None
    found = differences(before, after)
    assert {change.cls for one in found for change in one.changes} == {cls}
    assert (pipeline_row_hashes(before) == pipeline_row_hashes(after)) is (cls != "row")


@pytest.mark.parametrize("key", [e.key for e in builtin_catalog().entries.values() if e.family in OF_STEPS])
def test_a_default_that_is_written_out_changes_no_row(key, tmp_path):
    entry, body = builtin_catalog().entries[key], MINIMAL.get(key, {})
    without, _ = planned(tmp_path, spec_of(key, body))
    assert without is not None
    written = {
        schema.name: json.dumps(schema.default)
        for schema in entry.attributes
        if isinstance(schema.default, bool | int | float | list | str)
        and schema.name not in body
        and schema.type in ("bool", "count", "int", "float", "text", "list[float]", "list[text]")
    }
    words = {
        schema.name: schema.unsaid or schema.default
        for schema in entry.attributes
        if schema.type.startswith("enum:")
    }
    written |= {name: word for name, word in words.items() if word is not None and name not in body}
    for name, value in written.items():
        plan, _ = planned(tmp_path, spec_of(key, {**body, name: value}))
        if plan is not None:  # it does not fit what else is said there
            assert (name, pipeline_row_hashes(plan)) == (name, pipeline_row_hashes(without))


LANGUAGE = """edition 2026
param size { type = count, default = 2{param} }
source rows inline { rows = [{ q = "1 + 1?", a = "2", n = 2 }, { q = "3 + 1?", a = "4", n = 7 }], license = "mit" }
source other inline { rows = [{ q = "2 + 2?", a = "4", n = 3 }], license = "mit" }
model writer openai { base_url = "http://127.0.0.1:1/v1", model = "w" }
template ask { {user}{template} }
template again { user = "{{ q }} again" }
operator deeper depth { {prompt}{operator} }
fragment kept {
  params { least { type = {type}{default} } }
  {fragment}
  filter { where = n >= least }
  needs { n = int }
}
pipeline made {
  {pipeline}
  from rows { {from} }
  use kept { {use} }
  generate r { prompt = ask, model = writer }
  generate o { prompt = [deeper, ask], model = writer }
  chat { user = q, assistant = a }
}
pipeline more { from other
  chat { user = q, assistant = a } }
mixture main { seed = 1
  made = size
  group rest { more = 1 }
  {mixture}
  {budget}
  tag few { rows = {tagged} {tag} }
}
variant half of main { set { total = 4 } {variant} }
policy release { {policy} }
"""

WRITTEN: dict[tuple[str, str], tuple[str, str]] = {
    ("param", "type"): ("param", "type = count"),  # written in LANGUAGE, as `default` is
    ("param", "default"): ("param", "default = 2"),
    ("param", "min"): ("param", ", min = 5"),
    ("param", "max"): ("param", ", max = 1"),
    ("param", "doc"): ("param", ""),  # shown where the value is missing
    ("template", "system"): ("template", ', system = "Be brief."'),
    ("template", "user"): ("user", 'user = "{{ q }}!"'),
    ("template", "assistant"): ("template", ', assistant = "It is"'),
    ("template", "file"): ("user", 'file = "data/x"'),
    ("template", "doc"): ("template", ', doc = "asks"'),
    ("fragment", "doc"): ("fragment", 'doc = "keeps"'),
    ("params", "type"): ("type", "bool"),
    ("params", "default"): ("default", ", default = 2"),
    ("params", "doc"): ("default", ', doc = "fewest"'),  # shown where the value is missing
    ("operator", "prompt"): ("prompt", "prompt = again"),
    ("operator", "guard"): ("operator", ", guard = len(result) > 2"),
    ("operator", "weight"): ("operator", ", weight = 2"),
    ("operator", "doc"): ("operator", ', doc = "goes deeper"'),
    ("use", "id"): ("use", "id = k"),
    ("use", "*"): ("use", "least = 2"),
    ("pipeline", "seed"): ("pipeline", "seed = 7"),
    ("pipeline", "doc"): ("pipeline", 'doc = "makes"'),
    ("from", "where"): ("from", "where = n > 1"),
    ("from", "columns"): ("from", "columns = [q, a]"),
    ("from", "limit"): ("from", "limit = 1"),
    ("from", "repeat"): ("from", "repeat = 2"),
    ("mixture", "seed"): ("mixture", "seed = 9"),
    ("mixture", "total"): ("mixture", "total = 3"),
    ("mixture", "shortfall"): ("mixture", "shortfall = warn"),
    ("mixture", "doc"): ("mixture", 'doc = "teaches"'),
    ("mixture", "scale"): ("mixture", "scale = 0.5"),
    ("tag", "rows"): ("tagged", "[rest]"),
    ("tag", "least"): ("tag", ", least = 10%"),
    ("tag", "most"): ("tag", ", most = 5k"),
    ("tag", "doc"): ("tag", ', doc = "those that are few"'),
    ("budget", "requests"): ("budget", "budget { requests = 5 }"),
    ("budget", "tokens"): ("budget", "budget { tokens = 5 }"),
    ("budget", "time"): ("budget", "budget { time = 5s }"),
    ("budget", "cost"): ("budget", "budget { cost = $5 }"),
    ("variant", "without"): ("variant", "without = [rest]"),
    ("variant", "doc"): ("variant", 'doc = "half of it"'),
    ("policy", "licenses"): ("policy", 'licenses = ["apache-2.0"]'),
    ("policy", "forbid"): ("policy", "forbid = [nc]"),
    ("policy", "decontaminated"): ("policy", "decontaminated = [other]"),
    ("policy", "reviewed"): ("policy", "reviewed = 95%"),
    ("exclude", "because"): ("policy", 'exclude other { because = "it was withdrawn" }'),
    ("policy", "max_quarantined"): ("policy", "max_quarantined = 5%"),
    ("policy", "doc"): ("policy", 'doc = "for release"'),
}
"""Where each attribute of the language's own blocks goes in LANGUAGE, and what it says."""


HOLES = (
    *("param", "user", "template", "prompt", "operator", "fragment", "type", "default", "use", "pipeline"),
    *("from", "mixture", "budget", "tagged", "tag", "variant", "policy"),
)


def language_spec(hole: str = "", text: str = "") -> str:
    """LANGUAGE with one hole filled, the others as they are without."""
    spec = LANGUAGE
    for name in HOLES:
        without = {
            "user": 'user = "{{ q }}"',
            "prompt": "prompt = ask",
            "type": "int",
            "default": ", default = 1",
            "tagged": "[more, made]",
        }.get(name, "")
        spec = spec.replace("{" + name + "}", text if name == hole else without)
    return spec if "seed = 9" not in text else spec.replace("mixture main { seed = 1", "mixture main {")


def spoken(directory: Path, spec: str) -> tuple[str, list[str]]:
    plan, said = result_of(directory, spec)
    return re.sub(r'"(?:line|column)": ?\d+,?', "", plan), said


@pytest.mark.parametrize(
    ("block", "name"),
    [(e.name, a.name) for e in language_blocks().values() for a in e.attributes if e.name != "test"],
)
def test_an_attribute_of_the_language_changes_the_plan(block, name, tmp_path):
    hole, text = WRITTEN[block, name]
    (tmp_path / "data").mkdir(exist_ok=True)
    if block == "param" and name in ("type", "default", "doc"):
        without = spoken(tmp_path, language_spec())
        other = {
            "type": ("= count", "= int"),
            "default": ("default = 2", "default = 1"),
            "doc": ("default = 2", 'doc = "rows to make"'),
        }
        spec = language_spec().replace(*other[name])
        if name == "doc":
            result = compiled(tmp_path, spec)
            assert [d.notes for d in result.diagnostics if d.code == "MIX109"] == [("rows to make",)]
        elif name == "type":
            assert spoken(tmp_path, language_spec().replace("= count", "= bool"))[1] != []
        else:
            assert spoken(tmp_path, spec) != without
        return
    assert spoken(tmp_path, language_spec())[1] == []
    assert spoken(tmp_path, language_spec(hole, text)) != spoken(tmp_path, language_spec())


@pytest.mark.parametrize("limit", ["requests = 5", "tokens = 5", "time = 5s", "cost = $5"])
def test_the_budget_of_a_policy_is_in_the_plan(limit, tmp_path):
    with_it = spoken(tmp_path, language_spec("policy", f"budget {{ {limit} }}"))
    assert with_it[1] == []
    assert with_it != spoken(tmp_path, language_spec("policy", "budget { }"))


@pytest.mark.parametrize("hole", ["budget", "policy"])
def test_a_second_budget_and_a_named_one_are_errors(hole, tmp_path):
    _, said = spoken(tmp_path, language_spec(hole, "budget { requests = 5 }\n  budget { tokens = 5 }"))
    assert [text[:6] for text in said] == ["MIX115"]
    _, said = spoken(tmp_path, language_spec(hole, "budget big { requests = 5 }"))
    assert [text[:6] for text in said] == ["MIX120"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("given", "given = { n = 2 }"),
        ("answers", 'answers = { generate_said = "b" }'),
        ("rows", "rows = { pool = [{ w = 2 }] }"),
        ("expect", "expect = kept"),
    ],
)
def test_an_attribute_of_a_test_changes_it_and_never_the_plan(name, text, tmp_path):

    spec = """edition 2026
model m openai { base_url = "http://localhost:1", model = "m" }
template ask { user = "{{ n }}" }
source pool inline { rows = [{ w = 1 }] }
test "one" {
  given = { n = 1 }
  answers = { generate_said = "a" }
  rows = { pool = [{ w = 3 }] }
  draw drawn { from = pool }
  generate said { prompt = ask, model = m }
  expect = kept(1)
}
"""
    other = re.sub(rf"\n  {name} = .*", f"\n  {text}", spec)
    found = [compiled(tmp_path, each) for each in (spec, other)]
    assert [each.diagnostics for each in found] == [(), ()]
    one, two = (each.program.tests["one"] for each in found)
    assert (one.given, one.answers, one.sources, one.expectations) != (
        two.given,
        two.answers,
        two.sources,
        two.expectations,
    )
    assert {"answers", "rows", "given", "expect"} == {a.name for a in language_blocks()["test"].attributes}


# What reads the attributes that every entry of a family has.
SHARED = {
    "": (
        "mixwright_runtime.stream.ordering",
        "mixwright_runtime.stream.nodes",
        "mixwright_runtime.stream.answering",
    ),
    "model": (
        "mixwright_runtime.calls.models",
        "mixwright_runtime.calls.admission",
        "mixwright_runtime.calls.service",
        "mixwright_compiler.checks.generation",
        "mixwright_runtime.facts.mixture",
    ),
    "source": ("mixwright_runtime.sources.reader", "mixwright_runtime.facts.mixture"),
    "step": ("mixwright_compiler.plan.drawn",),
    "tool": ("mixwright_compiler.bind.tools",),
    "export": (
        "mixwright_runtime.exporters.write",
        "mixwright_runtime.exporters.protocol",
        "mixwright_runtime.exporters.recipe",
    ),
    "verify": (
        "mixwright_runtime.run.calibration",
        "mixwright_runtime.stream.measuring",
        "mixwright_runtime.stream.nodes",
        "mixwright_runtime.run.run",
    ),
    "verify_block": ("mixwright_runtime.run.calibration", "mixwright_runtime.verifiers.calibrate"),
    "train": ("mixwright_runtime.training",),
    "train_block": (
        "mixwright_runtime.training",
        "mixwright_compiler.bind.evaluations",
        "mixwright.training_forecast",
    ),
    "less_block": ("mixwright_runtime.steps.select_less",),
    "call_tools_block": ("mixwright_runtime.steps.call_tools",),
}


def test_the_code_of_an_entry_reads_each_of_its_attributes():
    unread = []
    for key, plugin in plugins().items():
        if key not in builtin_catalog().entries:
            continue  # another test's
        words = set(words_of(sys.modules[plugin.implementation.__module__]))
        for module in SHARED.get(plugin.entry.family, ()) + SHARED[""]:
            words |= words_in(module)
        names = {a.name for a in plugin.entry.attributes if a.name not in ("*", "when", "id")}
        unread += [f"{key}.{name}" for name in sorted(names - words)]
    assert unread == []


def words_of(module: ModuleType, depth: int = 2) -> Iterator[str]:
    """Texts and attribute names in a module of the runtime and in those it imports, without its declarations."""
    yield from words_in(module.__name__)
    if depth:
        for name in imported_by(module.__name__):
            yield from words_in(name)
            if name in sys.modules:
                yield from words_of(sys.modules[name], depth - 1)


def path_of(name: str) -> list[Path]:
    package, *rest = name.split(".")
    place = PACKAGES[package].joinpath(*rest)
    found = [place.with_suffix(".py")] if place.with_suffix(".py").exists() else sorted(place.rglob("*.py"))
    assert found, f"no module {name}"
    return found


@cache
def imported_by(name: str) -> tuple[str, ...]:
    found = []
    for path in path_of(name):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mixwright_runtime."):
                found.append(node.module or "")
    return tuple(dict.fromkeys(found))


@cache
def words_in(name: str) -> frozenset[str]:
    found: set[str] = set()

    def look(node: ast.AST) -> None:
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if called in ("attribute", "threshold", "declare"):
                return
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        for child in ast.iter_child_nodes(node):
            look(child)

    for path in path_of(name):
        look(ast.parse(path.read_text(encoding="utf-8")))
    return frozenset(found)
