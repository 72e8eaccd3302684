"""The plan as a picture."""

from __future__ import annotations

from pathlib import Path

from bound_programs import math_program

from mixwright_compiler.plan.graph import dot, mermaid
from mixwright_compiler.plan.lower import lower

PLAN = lower(math_program(), root=Path("/p"), directory=Path("/p"))


def test_mermaid() -> None:
    assert mermaid(PLAN) == (
        "flowchart LR\n"
        '  n0[("personas")]\n'
        '  n1[("gsm8k")]\n'
        '  n2{{"teacher<br/>openai"}}\n'
        '  n6(["mix"])\n'
        "  subgraph g0[math]\n"
        '    n3["generate problem"]\n'
        '    n4["verify agreement"]\n'
        '    n5["chat"]\n'
        "  end\n"
        "  n0 --> n3\n"
        "  n2 -.-> n3\n"
        "  n3 --> n4\n"
        "  n4 --> n5\n"
        '  n5 -->|"100"| n6\n'
        '  n1 -->|"all"| n6\n'
    )


def test_dot() -> None:
    lines = dot(PLAN).splitlines()
    assert lines[0] == "digraph plan {" and lines[-1] == "}"
    assert '  n2 [label="teacher\\nopenai", shape=hexagon];' in lines
    assert "  n2 -> n3 [style=dotted];" in lines
    assert '  n5 -> n6 [label="100"];' in lines
