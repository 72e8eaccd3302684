"""The plan as a picture."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

from bound_programs import math_program

from mixwright_compiler.plan.estimate import Observed, estimates
from mixwright_compiler.plan.graph import Edge, Graph, Node, dot, graph_of, mermaid
from mixwright_compiler.plan.layers import Box, Link, placed
from mixwright_compiler.plan.lower import lower
from mixwright_compiler.plan.svg import svg

PLAN = lower(math_program(), root=Path("/p"), directory=Path("/p"))
MEASURED = PLAN.model_copy(
    update={"estimates": estimates(PLAN, observed=Observed(yields={"math.agreement": 0.05}))}
)
HOSTILE = 'a <b> & "c" ]]> \u202e\x1b[31m --> #1; \\'
"""What a name must not do: end an element, a string or a label, or turn the text around it."""


def test_mermaid() -> None:
    assert mermaid(graph_of(PLAN)) == (
        "---\n"
        'title: "math.mix: rows that a run is expected to make, what is dropped is not known yet"\n'
        "---\n"
        "flowchart LR\n"
        '  n0[("personas")]\n'
        '  n1[("gsm8k")]\n'
        '  n2{{"teacher<br/>openai"}}\n'
        '  n6(["mix"])\n'
        '  subgraph g0["math"]\n'
        '    n3["generate problem"]\n'
        '    n4["verify agreement"]\n'
        '    n5["chat"]\n'
        "  end\n"
        '  n0 -->|"100 rows"| n3\n'
        "  n2 -.-> n3\n"
        '  n3 -->|"800 rows, ×8"| n4\n'
        '  n4 -->|"100 rows, 12.5%"| n5\n'
        '  n5 -->|"100 rows"| n6\n'
        '  n1 -->|"all"| n6\n'
    )


def test_dot() -> None:
    lines = dot(graph_of(MEASURED, "run 5")).splitlines()
    assert lines[0] == "digraph plan {" and lines[-1] == "}"
    assert lines[3] == '  label="math.mix: rows that a run is expected to make, by the yields of run 5";'
    assert '  n2 [label="teacher\\nopenai", shape=hexagon];' in lines
    assert "  n2 -> n3 [style=dotted];" in lines
    assert '  n3 -> n4 [label="2,000 rows, ×8"];' in lines
    assert '  n4 -> n5 [label="100 rows, 5%"];' in lines


def shown(document: str) -> list[str]:
    """The texts of an SVG document, in order; that it is XML is a part of it."""
    root = ElementTree.fromstring(document)
    return ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_svg() -> None:
    texts = shown(svg(graph_of(MEASURED, "run 5")))
    assert texts == [
        "math.mix: rows that a run is expected to make, by the yields of run 5",
        "250 rows",
        "100 rows",
        "all",
        "personas",
        "gsm8k",
        "math",
        "generate problem",
        "teacher",
        "2,000 rows, ×8",
        "verify agreement",
        "100 rows, 5%",
        "chat",
        "mix",
        "model teacher: openai",
    ]


def test_names_do_nothing_to_a_picture() -> None:
    nodes = (
        Node("a", HOSTILE, "store"),
        Node("b", HOSTILE, "box", HOSTILE),
        Node("m", f"{HOSTILE}\n{HOSTILE}", "hexagon"),
    )
    graph = Graph(HOSTILE, nodes, (Edge("a", "b", HOSTILE), Edge("m", "b", carries="answers")))
    seen = HOSTILE.replace("\u202e", "<U+202E>").replace("\x1b", "␛")
    texts = shown(svg(graph))
    assert texts[0] == seen and len(texts) == 7
    for text in (mermaid(graph), dot(graph), svg(graph)):
        assert "\x1b" not in text and "\u202e" not in text
    assert '"a #60;b#62; #38; ' in mermaid(graph) and "#34;c#34;" in mermaid(graph)
    assert r"\"c\"" in dot(graph) and r'\\"' in dot(graph)


def test_a_long_text_is_cut_and_its_whole_is_the_tooltip() -> None:
    document = svg(Graph("t", (Node("a", "x" * 100, "store"),), ()))
    assert f">{'x' * 43}…<" in document and f"<title>{'x' * 100}</title>" in document


BOXES = [Box(name, 50 + 10 * at, 30 + 40 * (at % 3)) for at, name in enumerate("abcdefgh")]
LINKS = [
    Link(tail, head, 10, 12, 40)
    for tail, head in ("ad", "bd", "ce", "dh", "eh", "fh", "af", "ag", "bh", "ch", "gh")
]


def test_boxes_stand_apart_and_links_lead_to_the_right_around_them() -> None:
    found = placed(BOXES, LINKS)
    areas = {
        box.key: (x, y, x + box.width, y + box.height) for box in BOXES for x, y in [found.corners[box.key]]
    }
    for one, other in combinations(areas.values(), 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    for link, way in zip(LINKS, found.ways, strict=True):
        xs = [x for x, _ in way]
        assert xs == sorted(xs), link
        assert way[0] == (areas[link.tail][2], areas[link.tail][1] + 10)
        assert way[-1] == (areas[link.head][0], areas[link.head][1] + 12)
        assert way[-1][0] - way[-2][0] == 40
        for (left, y), (right, _) in zip(way[2:-1:2], way[3::2], strict=False):
            lane = [area for area in areas.values() if area[0] < right and left < area[2]]
            assert not any(top < y < bottom for _, top, _, bottom in lane), link
    assert found.height >= max(area[3] for area in areas.values())


def test_links_do_not_cross_where_they_need_not() -> None:
    boxes = [Box(name, 10, 10) for name in "abcxyz"]
    found = placed(boxes, [Link("a", "z", 5, 5), Link("b", "y", 5, 5), Link("c", "x", 5, 5)])
    order = sorted("abc", key=lambda name: found.corners[name][1])
    assert sorted("zyx", key=lambda name: found.corners[name][1]) == ["zyx"["abc".index(n)] for n in order]


def test_a_circle_and_nothing_at_all_are_drawn() -> None:
    found = placed(BOXES[:2], [Link("a", "b", 1, 1), Link("b", "a", 1, 1)])
    assert found.corners["a"][0] != found.corners["b"][0]
    assert placed([], []).ways == []
    assert shown(svg(Graph("empty", (), ()))) == ["empty"]
