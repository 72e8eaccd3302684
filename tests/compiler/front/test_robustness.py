"""Whatever the text, compiling ends with findings: no exception, no foreign message, no finding without a place."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from front_specs import catalog_with
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mixwright_compiler.codes import page, titles
from mixwright_compiler.stages import Compilation, compile_source
from mixwright_dsl.source import SourceFile

EVERYTHING = """\
edition 2026

param scale { type = float, default = 1.0, min = 0.001, max = 10 }
param data { type = path, default = "data" }
let { n = 150, options = { a = 1, b = [1, 2] }, rows_wanted = n / 2 }

model teacher openai {
  base_url = "http://127.0.0.1:8000/v1"
  model = "tiny"
  api_key = env("KEY")
  timeout = 60s
  price_in = $2.5
}
model local transformers { path = "model", dtype = bfloat16 }

source personas inline {
  license = "mit"
  rows = [{ persona = "a beekeeper", age = 3, tags = ["x"] }, { persona = "a pilot", age = 4, tags = [] }]
  where = len(persona) < 400 and age in [3, 4]
}
source problems jsonl {
  license = "mit", path = data + "/problems.jsonl"
  columns = { problem = question, answer = answer }
}
source numbers duckdb {
  sql = <<~SQL
    SELECT range AS n FROM range(100)
    SQL
}
source examples inline { rows = [{ problem = "1 + 2", answer = "3" }], license = "mit" }
source held_out inline { rows = [{ problem = "1 + 1", answer = "2" }], license = "mit" }

template write {
  system = "You write problems."
  user = <<~JINJA
    {% for shot in shots %}
    Example {{ loop.index }}: {{ shot.problem | trim }}
    {% endfor %}
    {% if age is defined and age > 2 %}For {{ persona }}, aged {{ age }}{% else %}For all{% endif %}
    JINJA
}
template solve { user = "Solve: {{ problem }}\\n{{ topic | default('') }}" }

pipeline persona_math {
  seed = 3
  from personas { where = not is_null(persona), limit = 10, repeat = 20 }
  draw shots { from = examples, count = 1 }
  draw topic { values = ["bees", "ships"] }
  derive { words = word_count(persona), short = if(len(persona) < 5, "yes", "no") }
  filter { where = words >= 1 or short == "yes" }
  generate problem { prompt = write, model = teacher, parse = after("Problem:"), on_fail = retry(2) }
  generate solution { prompt = solve, model = local, samples = 8, temperature = 0.7, top_p = 95% }
  verify math { response = solution, agree = 5, pick = first }
  dedup minhash { on = problem, threshold = 80% }
  decontaminate ngram { against = [held_out], n = 8, overlap = 50% }
  chat { user = problem, assistant = solution }
}
pipeline gold { from problems, chat { user = problem, assistant = answer } }

mixture main {
  seed = 42
  total = 1k
  shortfall = fill(gold)
  budget { requests = 10k, tokens = 1M, time = 2h, cost = $25 }
  group math { persona_math = 40 * scale, gold = weight(2) }
  dedup exact { on = problem }
  decontaminate ngram { against = [held_out] }
}
variant half of main { set { total = 500, math.gold = max(10), budget.requests = 1 } }
variant bare of half { without = [persona_math] }

train student on main {
  base = "base", output = "out/student", context = 4Ki, warmup = 3%, learning_rate = 5e-6
  cluster { gpus = 8, gpu = h100_80gb }
  evaluate { on = held_out, prompt = solve, answer = answer }
}
export hub of main { format = messages, path = "out/hub", card = true }
policy release { licenses = ["mit"], max_quarantined = 2% }
"""

TOKEN = re.compile(r"<<~[A-Z]+|\"[^\"\n]*\"|[A-Za-z_][\w.]*|[\d_.]+[A-Za-z%]*|\s+|.", re.DOTALL)

FOREIGN = re.compile(
    r"pydantic|lark|jinja2|duckdb\.|Traceback|TemplateSyntaxError|UnexpectedToken|KeyError", re.I
)


def compile_text(text: str) -> Compilation:
    return compile_source(SourceFile("spec.mix", text, Path("/nowhere/spec.mix")), catalog=catalog_with())


def assert_sound(result: Compilation) -> None:
    known = titles()
    for d in result.diagnostics:
        assert d.code in known, d
        assert known[d.code][1] == d.severity.value, d
        assert 0 <= d.primary.span.start <= d.primary.span.end <= len(d.primary.span.source.text) + 1
        assert d.message and "\n" not in d.message and not d.message.endswith("."), d
        # What is quoted is the spec's own text.
        assert not FOREIGN.search(re.sub("`[^`]*`", "", d.message + d.primary.message + d.hint)), d
    assert (result.program is None) == bool(result.errors)


def mutated(text: str, choice: random.Random, count: int) -> str:
    tokens = TOKEN.findall(text)
    for _ in range(count):
        i, j = choice.randrange(len(tokens)), choice.randrange(len(tokens))
        match choice.randrange(4):
            case 0:
                tokens[i] = ""
            case 1:
                tokens[i] = tokens[i] * 2
            case 2:
                tokens[i] = tokens[j]
            case _:
                tokens[i], tokens[j] = tokens[j], tokens[i]
    return "".join(tokens)


def test_spec_with_everything_compiles() -> None:
    codes = [
        d.code for d in compile_text(EVERYTHING).diagnostics if d.code not in ("MIX104", "MIX213", "MIX211")
    ]
    assert codes == ["MIX202"]  # the file is nowhere


@given(seed=st.integers(0, 2**32), count=st.integers(1, 4))
@example(seed=391, count=1)  # a `decontaminate` whose `against` cannot be used, in a spec with an evaluation
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_specs_end_in_findings(seed: int, count: int) -> None:
    assert_sound(compile_text(mutated(EVERYTHING, random.Random(seed), count)))


@pytest.mark.parametrize("code", sorted(titles()))
def test_mutated_pages_end_in_findings(code: str) -> None:
    blocks = re.findall(r"```mix\n(.*?)```", page(code) or "", re.DOTALL)
    choice = random.Random(code)
    for block in blocks:
        assert_sound(compile_text(block))
        for _ in range(4):
            assert_sound(compile_text(mutated(block, choice, 2)))


@given(text=st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_text_ends_in_findings(text: str) -> None:
    assert_sound(compile_text("edition 2026\n" + text))


JINJA = """{{ }} {% %} {# #} if endif for in x y endfor set = | upper default ( ) . [ ] 'a' 1 is defined not else
elif include block macro raw endraw - + ~ , loop with"""


@given(jinja=st.lists(st.sampled_from([*JINJA.split(), "\n"]), max_size=14).map(" ".join))
@settings(max_examples=200, deadline=None)
def test_any_template_ends_in_findings(jinja: str) -> None:
    body = jinja.replace("\n", "\n    ")
    assert_sound(
        compile_text(
            'edition 2026\nsource s inline { rows = [{ x = 1, y = ["a"] }] }\n'
            f"template t {{\n  user = <<~JINJA\n    {body}\n    JINJA\n}}\n"
            "pipeline p {\n  from s\n  render r { templates = [t] }\n}\n"
        )
    )


@pytest.mark.parametrize("depth", [50, 400, 5000])
def test_deep_nesting_ends_in_findings(depth: int) -> None:
    assert_sound(compile_text(f"edition 2026\nlet {{ x = {'(' * depth}1{')' * depth} }}\n"))
    assert_sound(compile_text(f"edition 2026\nlet {{ x = {'[' * depth}1{']' * depth} }}\n"))
    assert_sound(compile_text(f"edition 2026\nlet {{ x = {' + '.join(['1'] * depth)} }}\n"))
    assert_sound(compile_text(f'edition 2026\ntemplate t {{ user = "{"{% if x %}" * depth}" }}\n'))
    chain = "\n".join(f"let {{ a{i} = a{i + 1} }}" for i in range(depth))
    assert_sound(compile_text(f"edition 2026\n{chain}\n"))
    pipes = "\n".join(f"pipeline p{i} {{ from p{i + 1} }}" for i in range(depth))
    assert_sound(compile_text(f"edition 2026\n{pipes}\n"))
