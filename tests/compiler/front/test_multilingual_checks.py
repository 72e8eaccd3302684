"""Languages and translations as written: what is told beyond the pages of the codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from front_specs import compiled

from compiler.checks import multilingual
from runtime.verifiers import separation
from runtime.verifiers.translation import DEFAULT_CHECKS, LEAST

SPEC = """edition 2026

model embedder openai {{ base_url = "http://localhost:8000/v1", model = "embedder", task = embed }}

source texts inline {{
  rows = [{{ en = "The shop opens.", zh = "商店开门了。", lang = "zh" }}, {{ en = "Hi", zh = "你好", lang = "zh" }}]
}}
source pairs jsonl {{ path = "data/problems.jsonl", columns = {{ source = a, target = b }} }}

pipeline translated {{
  from texts
  verify translation {{
    source = en, response = zh
    {attributes}
  }}
  chat {{ user = en, assistant = zh }}
}}
"""


def findings(directory: Path, attributes: str) -> list[tuple[str, str]]:
    result = compiled(directory, SPEC.format(attributes=attributes))
    return [(d.code, d.hint or "") for d in result.diagnostics if d.severity.value == "error"]


@pytest.mark.parametrize(
    ("attributes", "code", "hint"),
    [
        ('from = "english", to = "zh"', "MIX870", 'did you mean `"en"`?'),
        ('from = "en", to = "cht"', "MIX870", 'did you mean `"zh-Hant"`?'),
        ('from = "en", to = "tlh"', "MIX870", 'write a code of ISO 639, for example `"zh"`'),
        (
            'from = "zh-CN", to = "zho"',
            "MIX871",
            'write the language it is translated into, for example `to = "zh"`',
        ),
        ('from = "en", to = "zh", least = { nubmers = 1 }', "MIX874", "did you mean `numbers`?"),
        ('from = "en", to = "zh", least = { numbers = 80 }', "MIX874", "for example `numbers = 0.8`"),
        (
            'from = "en", to = "zh", checks = [length], least = { numbers = 1 }',
            "MIX874",
            "name one of: length",
        ),
        ('from = "en", to = "zh", checks = [lenght]', "MIX118", "did you mean `length`?"),
    ],
)
def test_the_hint_can_be_typed_in(tmp_path: Path, attributes: str, code: str, hint: str) -> None:
    assert findings(tmp_path, attributes) == [(code, hint)]


@pytest.mark.parametrize(
    "attributes",
    [
        'from = "en", to = lang',
        'from = "zh-Hans", to = "zh-Hant"',
        'from = "eng_Latn", to = "zho_Hans"',
        'from = "en", to = "zh", similarity = embedder, pairs = pairs, least = { similarity = 0.6 }',
        'from = "en", to = "zh", checks = [], similarity = embedder, pairs = pairs',
    ],
)
def test_what_can_be_checked_is_free_of_findings(tmp_path: Path, attributes: str) -> None:
    assert findings(tmp_path, attributes) == []


def test_compiler_and_runtime_agree() -> None:
    assert multilingual.FEWEST_PAIRS == separation.FEWEST_PAIRS
    assert {*LEAST} == {*DEFAULT_CHECKS, "glossary", "back"}
