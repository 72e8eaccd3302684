"""A plan as a picture: Mermaid (renders in Markdown on most forges), Graphviz dot, or SVG (`svg.py`).

Sources on the left, each pipeline a box with its steps in order, then mixtures with their quotas on the edges,
then trainings and exports. The edges tell the rows that go along, and the yield of the step that they leave. Models hang
on the steps that ask them, and rows on those that draw them, by dotted edges.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from mixwright_compiler.plan.flows import Flows
from mixwright_compiler.plan.plan import Plan, Step
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.visible import visible

Shape = Literal["store", "box", "hexagon", "round", "flag"]
Carries = Literal["rows", "draws", "answers"]
"""What goes along an edge: rows, rows that a step draws beside its own, answers of a model."""


@dataclass(frozen=True)
class Node:
    """`key` is unique in the graph, `group` the pipeline it is drawn in."""

    key: str
    text: str
    shape: Shape
    group: str = ""


@dataclass(frozen=True)
class Edge:
    tail: str
    head: str
    text: str = ""
    carries: Carries = "rows"

    @property
    def is_dotted(self) -> bool:
        """No row of the head was one of the tail."""
        return self.carries != "rows"


@dataclass(frozen=True)
class Graph:
    """title: what the figures on the edges rest on."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def graph_of(plan: Plan, measured_by: str = "") -> Graph:
    """Nodes and edges of a plan, in its own order. measured_by: whose yields its estimates rest on, `run 5`."""
    flows = Flows(plan)
    nodes: list[Node] = []
    edges: list[Edge] = []
    for source in plan.sources.values():
        rows = f"\n{source.pin.rows:_} rows" if source.pin else ""
        nodes.append(Node(f"source:{source.name}", source.name + rows, "store"))
    nodes += [Node(f"model:{m.name}", f"{m.name}\n{m.engine}", "hexagon") for m in plan.models.values()]
    last: dict[str, str] = {name: f"source:{name}" for name in plan.sources}
    last |= {name: f"mixture:{name}" for name in plan.mixtures}
    for pipeline in plan.pipelines_in_order():
        at, text = last[pipeline.start.rows], flows.started(pipeline.name)
        if not pipeline.steps:
            last[pipeline.name] = f"pipeline:{pipeline.name}"
            nodes.append(Node(last[pipeline.name], pipeline.name, "box"))
            edges.append(Edge(at, last[pipeline.name], text))
            continue
        before = ""
        for step in pipeline.steps:
            node = f"{pipeline.name}.{step.id}"
            key = f"step:{node}"
            nodes.append(Node(key, step_text(step), "box", pipeline.name))
            edges.append(Edge(at, key, flows.between(before, node) if before else text))
            beside = [name for name in _beside(plan, step) if name in last and name != pipeline.name]
            edges += [Edge(last[name], key, carries="draws") for name in beside]
            if isinstance(step.attributes.get("model"), str):
                edges.append(Edge(f"model:{step.attributes['model']}", key, carries="answers"))
            at, before = key, node
        last[pipeline.name] = at
    for mixture in plan.mixtures.values():
        key = f"mixture:{mixture.name}"
        text = "\n".join([mixture.name, *(step_text(step) for step in mixture.steps)])
        nodes.append(Node(key, text, "round"))
        for component in mixture.components:
            text = flows.taken(mixture.name, component, last[component.rows].removeprefix("step:"))
            edges.append(Edge(last[component.rows], key, text))
        beside = [name for step in mixture.steps for name in _beside(plan, step) if name in last]
        edges += [Edge(last[name], key, carries="draws") for name in dict.fromkeys(beside)]
    for train in plan.trains.values():
        nodes.append(Node(f"train:{train.name}", f"train {train.name}", "flag"))
        text = flows.mixed(plan.mixtures[train.mixture])
        edges.append(Edge(f"mixture:{train.mixture}", f"train:{train.name}", text))
    for export in plan.exports.values():
        nodes.append(Node(f"export:{export.name}", f"export {export.name}\n{export.format}", "flag"))
        text = flows.mixed(plan.mixtures[export.mixture])
        edges.append(Edge(f"mixture:{export.mixture}", f"export:{export.name}", text))
    title = f"{Path(plan.spec).name}: rows that a run is expected to make, " + (
        f"by the yields of {measured_by}" if measured_by else "what is dropped is not known yet"
    )
    return Graph(title, tuple(nodes), tuple(edges))


_ROWS = ("drawn", "ref:source", "list[ref:source]")
"""Types of attributes that name rows which a step reads beside those that come to it."""


def _beside(plan: Plan, step: Step) -> list[str]:
    """Names of the rows that a step draws, or compares its own with."""
    entry = plan.catalog.entries.get(step.operation)
    values = [
        step.attributes.get(schema.name)
        for schema in (entry.attributes if entry else ())
        if schema.type in _ROWS
    ]
    named = [name for value in values for name in (value if isinstance(value, (list, tuple)) else [value])]
    return [name for name in named if isinstance(name, str)]


def step_text(step: Step) -> str:
    """`generate problem`, `verify math`: a step as it is written."""
    family, _, name = step.operation.partition(".")
    return " ".join(part for part in ((name if family == "step" else f"{family} {name}"), step.label) if part)


def mermaid(graph: Graph) -> str:
    """A Mermaid flowchart, ends with a newline."""
    shapes: Mapping[Shape, tuple[str, str]] = {
        "store": ("[(", ")]"),
        "box": ("[", "]"),
        "hexagon": ("{{", "}}"),
        "round": ("([", "])"),
        "flag": ("[/", "/]"),
    }

    def quoted(text: str) -> str:
        codes = str.maketrans({c: f"#{ord(c)};" for c in '#;&"<>'})
        return '"' + visible(text).translate(codes).replace("\n", "<br/>") + '"'

    def node(id: str, node: Node) -> str:
        opened, closed = shapes[node.shape]
        return f"{id}{opened}{quoted(node.text)}{closed}"

    def edge(tail: str, head: str, edge: Edge) -> str:
        arrow = "-.->" if edge.is_dotted else "-->"
        return f"{tail} {arrow}|{quoted(edge.text)}| {head}" if edge.text else f"{tail} {arrow} {head}"

    # The title is YAML, of which JSON is a part.
    head = f"---\ntitle: {json.dumps(visible(graph.title), ensure_ascii=False)}\n---\nflowchart LR"
    return _drawn(graph, head, lambda id, name: f"  subgraph {id}[{quoted(name)}]", "  end", node, edge, "")


def dot(graph: Graph) -> str:
    """A Graphviz digraph, ends with a newline."""
    shapes: Mapping[Shape, str] = {
        "store": "cylinder",
        "box": "box",
        "hexagon": "hexagon",
        "round": "ellipse",
        "flag": "parallelogram",
    }

    def quoted(text: str) -> str:
        escaped = visible(text).replace("\\", "\\\\").replace('"', '\\"')
        return '"' + escaped.replace("\n", "\\n") + '"'

    def node(id: str, node: Node) -> str:
        return f"{id} [label={quoted(node.text)}, shape={shapes[node.shape]}];"

    def edge(tail: str, head: str, edge: Edge) -> str:
        parts = [f"label={quoted(edge.text)}"] * bool(edge.text) + ["style=dotted"] * edge.is_dotted
        return f"{tail} -> {head}{' [' + ', '.join(parts) + ']' if parts else ''};"

    head = f"digraph plan {{\n  rankdir=LR;\n  labelloc=t;\n  label={quoted(graph.title)};"
    return _drawn(
        graph,
        head,
        lambda id, name: f"  subgraph cluster_{id} {{ label={quoted(name)};",
        "  }",
        node,
        edge,
        "}\n",
    )


def _drawn(
    graph: Graph,
    head: str,
    group: Callable[[str, str], str],
    group_end: str,
    node: Callable[[str, Node], str],
    edge: Callable[[str, str, Edge], str],
    tail: str,
) -> str:
    ids = {n.key: f"n{i}" for i, n in enumerate(graph.nodes)}
    lines = [head]
    lines += [f"  {node(ids[n.key], n)}" for n in graph.nodes if not n.group]
    for i, name in enumerate(dict.fromkeys(n.group for n in graph.nodes if n.group)):
        lines.append(group(f"g{i}", name))
        lines += [f"    {node(ids[n.key], n)}" for n in graph.nodes if n.group == name]
        lines.append(group_end)
    lines += [f"  {edge(ids[e.tail], ids[e.head], e)}" for e in graph.edges]
    return "\n".join(lines) + "\n" + tail
