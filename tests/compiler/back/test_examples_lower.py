"""Every example of the code pages that compiles also becomes a plan that can be drawn, printed and compared."""

from __future__ import annotations

import re
from pathlib import Path

from mixwright.plan_text import plan_text
from mixwright.recorded import Recorded
from mixwright_compiler.plan.diff import differences
from mixwright_compiler.plan.graph import dot, graph_of, mermaid
from mixwright_compiler.plan.lower import lower
from mixwright_compiler.plan.plan import plan_from_json
from mixwright_compiler.plan.svg import svg
from mixwright_compiler.stages import compile_source
from mixwright_dsl.source import SourceFile
from tests.checkout import PACKAGES

PAGES = PACKAGES["mixwright_compiler"] / "codes"


def test_examples(tmp_path: Path) -> None:
    planned = 0
    for page in sorted(PAGES.glob("*.md")):
        for example in re.findall(r"```mix[^\n]*\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S):
            program = compile_source(SourceFile("a.mix", example, tmp_path / "a.mix")).program
            if program is None:
                continue
            plan = lower(program, root=tmp_path, directory=tmp_path)
            assert plan_from_json(plan.model_dump_json()) == plan, page.name
            assert differences(plan, plan) == (), page.name
            assert all(draw(graph_of(plan)) for draw in (mermaid, dot, svg)), page.name
            assert plan_text(plan, Recorded()), page.name
            planned += 1
    assert planned > 50
