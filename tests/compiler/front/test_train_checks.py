"""What a `train` block says that cannot be trained: the place, and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compiler.front.front_specs import compiled

SPEC = """edition 2026

source people inline {{ rows = [{{ q = "1+1", a = "2" }}] }}
pipeline chats {{
  from people
  chat {{ user = q, assistant = a }}
}}
mixture main {{
  seed = 1
  chats = all
}}
train student on main {{
  base = "base"
  output = "out/student"
  {more}
}}
"""


@pytest.mark.parametrize(
    ("more", "message", "at", "hint"),
    [
        ('new_tokens = ["<a>", ""]', "a new token is empty", '["<a>", ""]', 'write `new_tokens = ["<a>"]`'),
        (
            'new_tokens = ["<a> "]',
            'the new token "<a> " begins or ends with a space',
            '["<a> "]',
            'write `new_tokens = ["<a>"]`',
        ),
        (
            'new_tokens = ["<a>"]\n  new_special_tokens = ["<a>"]',
            'the new token "<a>" stands there twice',
            '["<a>"]',
            "delete `new_special_tokens`",
        ),
        (
            'new_tokens = ["<a>"]\n  lora { rank = 8 }',
            "new tokens are learned in the embeddings, which `lora` does not train",
            '["<a>"]',
            "delete `lora` or `new_tokens`",
        ),
    ],
)
def test_new_tokens_that_cannot_be(tmp_path: Path, more: str, message: str, at: str, hint: str) -> None:
    found = [d for d in compiled(tmp_path, SPEC.format(more=more)).diagnostics if d.code == "MIX763"]
    assert [(d.message, d.primary.span.text, d.hint) for d in found] == [(message, at, hint)]
