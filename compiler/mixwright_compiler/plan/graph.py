"""A plan as a picture: Mermaid (renders in Markdown on most forges) or Graphviz dot.

Sources on the left, each pipeline a box with its steps in order, then mixtures with their quotas on the edges,
then trainings and exports. Models hang on the steps that ask them by dotted edges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from mixwright_compiler.plan.plan import Plan, Step
from mixwright_compiler.plan.quotas import quota_text
from mixwright_dsl.lazy_dataclass import dataclass

Shape = Literal["store", "box", "hexagon", "round", "flag"]


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
    is_dotted: bool = False


@dataclass(frozen=True)
class Graph:
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def graph_of(plan: Plan) -> Graph:
    """Nodes and edges of a plan, in its own order."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    for source in plan.sources.values():
        rows = f"\n{source.pin.rows:_} rows" if source.pin else ""
        nodes.append(Node(f"source:{source.name}", source.name + rows, "store"))
    nodes += [Node(f"model:{m.name}", f"{m.name}\n{m.engine}", "hexagon") for m in plan.models.values()]
    last: dict[str, str] = {name: f"source:{name}" for name in plan.sources}
    last |= {name: f"mixture:{name}" for name in plan.mixtures}
    for pipeline in plan.pipelines_in_order():
        at = last[pipeline.start.rows]
        if not pipeline.steps:
            last[pipeline.name] = f"pipeline:{pipeline.name}"
            nodes.append(Node(last[pipeline.name], pipeline.name, "box"))
            edges.append(Edge(at, last[pipeline.name]))
            continue
        for step in pipeline.steps:
            key = f"step:{pipeline.name}.{step.id}"
            nodes.append(Node(key, step_text(step), "box", pipeline.name))
            edges.append(Edge(at, key))
            drawn = step.attributes.get("from")
            if isinstance(drawn, str) and drawn in last and drawn != pipeline.name:
                edges.append(Edge(last[drawn], key, is_dotted=True))
            if isinstance(step.attributes.get("model"), str):
                edges.append(Edge(f"model:{step.attributes['model']}", key, is_dotted=True))
            at = key
        last[pipeline.name] = at
    for mixture in plan.mixtures.values():
        key = f"mixture:{mixture.name}"
        text = "\n".join([mixture.name, *(step_text(step) for step in mixture.steps)])
        nodes.append(Node(key, text, "round"))
        edges += [Edge(last[c.rows], key, quota_text(c)) for c in mixture.components]
    for train in plan.trains.values():
        nodes.append(Node(f"train:{train.name}", f"train {train.name}", "flag"))
        edges.append(Edge(f"mixture:{train.mixture}", f"train:{train.name}"))
    for export in plan.exports.values():
        nodes.append(Node(f"export:{export.name}", f"export {export.name}\n{export.format}", "flag"))
        edges.append(Edge(f"mixture:{export.mixture}", f"export:{export.name}"))
    return Graph(tuple(nodes), tuple(edges))


def step_text(step: Step) -> str:
    """`generate problem`, `verify math`: a step as it is written."""
    family, _, name = step.operation.partition(".")
    return " ".join(part for part in ((name if family == "step" else f"{family} {name}"), step.label) if part)


def mermaid(plan: Plan) -> str:
    """The plan as a Mermaid flowchart, ends with a newline."""
    shapes: Mapping[Shape, tuple[str, str]] = {
        "store": ("[(", ")]"),
        "box": ("[", "]"),
        "hexagon": ("{{", "}}"),
        "round": ("([", "])"),
        "flag": ("[/", "/]"),
    }

    def node(id: str, node: Node) -> str:
        opened, closed = shapes[node.shape]
        text = node.text.replace('"', "#quot;").replace("\n", "<br/>")
        return f'{id}{opened}"{text}"{closed}'

    def edge(tail: str, head: str, edge: Edge) -> str:
        arrow = "-.->" if edge.is_dotted else "-->"
        text = edge.text.replace('"', "#quot;")
        return f'{tail} {arrow}|"{text}"| {head}' if text else f"{tail} {arrow} {head}"

    return _drawn(graph_of(plan), "flowchart LR", ("  subgraph {id}[{name}]", "  end"), node, edge, "")


def dot(plan: Plan) -> str:
    """The plan as a Graphviz digraph, ends with a newline."""
    shapes: Mapping[Shape, str] = {
        "store": "cylinder",
        "box": "box",
        "hexagon": "hexagon",
        "round": "ellipse",
        "flag": "parallelogram",
    }

    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

    def node(id: str, node: Node) -> str:
        return f"{id} [label={quoted(node.text)}, shape={shapes[node.shape]}];"

    def edge(tail: str, head: str, edge: Edge) -> str:
        parts = [f"label={quoted(edge.text)}"] * bool(edge.text) + ["style=dotted"] * edge.is_dotted
        return f"{tail} -> {head}{' [' + ', '.join(parts) + ']' if parts else ''};"

    opened = '  subgraph cluster_{id} {{ label="{name}";'
    return _drawn(graph_of(plan), "digraph plan {\n  rankdir=LR;", (opened, "  }"), node, edge, "}\n")


def _drawn(
    graph: Graph,
    head: str,
    group: tuple[str, str],
    node: Callable[[str, Node], str],
    edge: Callable[[str, str, Edge], str],
    tail: str,
) -> str:
    ids = {n.key: f"n{i}" for i, n in enumerate(graph.nodes)}
    lines = [head]
    lines += [f"  {node(ids[n.key], n)}" for n in graph.nodes if not n.group]
    for i, name in enumerate(dict.fromkeys(n.group for n in graph.nodes if n.group)):
        lines.append(group[0].format(id=f"g{i}", name=name))
        lines += [f"    {node(ids[n.key], n)}" for n in graph.nodes if n.group == name]
        lines.append(group[1])
    lines += [f"  {edge(ids[e.tail], ids[e.head], e)}" for e in graph.edges]
    return "\n".join(lines) + "\n" + tail
