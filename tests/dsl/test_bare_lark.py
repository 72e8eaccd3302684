"""Lark loads without the packages it does not need here, and they stay importable."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from mixwright_dsl.bare_lark import UNUSED, import_lark
import_lark()
print("lark" in sys.modules, [name for name in UNUSED if name in sys.modules])
import interegular
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile
print(interegular.__name__, parse(SourceFile("a.mix", "a = 1")).diagnostics)
"""


def test_lark_loads_alone_and_what_was_hidden_can_be_imported_afterwards() -> None:
    pytest.importorskip("interegular")
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert found.stdout.splitlines() == ["True []", "interegular ()"], found.stderr
