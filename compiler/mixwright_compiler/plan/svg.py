"""A plan's picture as SVG: one file without scripts, fonts or links, light or dark as the reader's screen is.

A pipeline is a card with its steps from top to bottom; what else there is has a card of its own. A model is named at the
steps that ask it, and has no edges: with twenty steps nobody could follow them.
"""

from __future__ import annotations

from collections import defaultdict
from xml.sax.saxutils import escape

from mixwright_compiler.plan.graph import Edge, Graph, Node
from mixwright_compiler.plan.layers import Box, Link, placed
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.visible import visible, width

CHARACTER = 7.25
"""Pixels that a character of a monospaced font of 12 px takes, at most: 0.602 em in the widest of those named below."""
SMALL = CHARACTER * 11 / 12
LINE = 18.0
STEP = 38.0
"""From a step to the next: its line, and the edge between them with its text."""
PORT = 18.0
"""From an edge that ends at a card's side to the next one: so much does its text need."""
PADDING = 12.0
MARGIN = 24.0
LONGEST = 44
"""Characters of a text that are shown; the whole of a longer one is its tooltip."""

STYLE = """
  svg { color-scheme: light dark; background: #ffffff; }
  text { font: 12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328; }
  .name { font-weight: 600; }
  .small { font-size: 11px; fill: #57606a; }
  .on-edge { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round; }
  .card { stroke: #afb8c1; fill: #ffffff; }
  .store { fill: #eef6ff; stroke: #54a3ff; }
  .round { fill: #eefbf1; stroke: #4ac26b; }
  .flag { fill: #fff8e6; stroke: #d4a72c; }
  .edge { fill: none; stroke: #6e7781; stroke-width: 1.3; }
  .dotted { stroke-dasharray: 2 4; }
  .head { fill: #6e7781; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; }
    text { fill: #e6edf3; }
    .small { fill: #9198a1; }
    .on-edge { stroke: #0d1117; }
    .card { stroke: #3d444d; fill: #161b22; }
    .store { fill: #0f2440; stroke: #316dca; }
    .round { fill: #10291a; stroke: #347d39; }
    .flag { fill: #2b2209; stroke: #966600; }
    .edge { stroke: #8b949e; }
    .head { fill: #8b949e; }
  }
"""


@dataclass(frozen=True)
class _Line:
    """A line of a card. at: its middle below the card's top; edge: what the edge from the line above says, if any."""

    text: str
    at: float
    css: str = ""
    asks: str = ""
    edge: str | None = None


@dataclass(frozen=True)
class _Card:
    key: str
    css: str
    lines: tuple[_Line, ...]
    width: float
    height: float


def svg(graph: Graph) -> str:
    """An SVG document, ends with a newline."""
    nodes = {node.key: node for node in graph.nodes}
    card_of = {key: f"pipeline:{node.group}" if node.group else key for key, node in nodes.items()}
    asks: dict[str, list[str]] = defaultdict(list)
    inside: dict[tuple[str, str], str] = {}
    between: list[Edge] = []
    for edge in graph.edges:
        if edge.carries == "answers":
            asks[edge.head].append(nodes[edge.tail].text.partition("\n")[0])
        elif card_of[edge.tail] == card_of[edge.head]:
            inside[edge.tail, edge.head] = edge.text
        else:
            between.append(edge)
    members: dict[str, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        if node.shape != "hexagon":
            members[card_of[node.key]].append(node)
    into: dict[str, list[Edge]] = defaultdict(list)
    for edge in between:
        into[edge.head].append(edge)
    ports: dict[str, float] = {}
    cards = [_card(key, found, asks, inside, into, ports) for key, found in members.items()]
    links = []
    used: dict[str, int] = defaultdict(int)
    for edge in between:
        # Several that end at one card end below each other.
        head_y = ports[edge.head] + PORT * used[edge.head]
        used[edge.head] += 1
        room = width(_cut(edge.text)) * SMALL + 2 * PADDING if edge.text else 0.0
        links.append(Link(card_of[edge.tail], card_of[edge.head], ports[edge.tail], head_y, room))
    found = placed([Box(card.key, card.width, card.height) for card in cards], links)
    parts = [
        _edge(edge, [(x + MARGIN, y + 2 * MARGIN) for x, y in way])
        for edge, way in zip(between, found.ways, strict=True)
    ]
    for card in cards:
        x, y = found.corners[card.key]
        parts += _drawn(card, x + MARGIN, y + 2 * MARGIN)
    models = [node.text.replace("\n", ": ") for node in graph.nodes if node.shape == "hexagon"]
    below = found.height + 3 * MARGIN
    for row, model in enumerate(models):
        parts.append(_text(f"model {model}", MARGIN, below + row * LINE, "small"))
    wide = max([found.width, *(width(_cut(text)) * CHARACTER for text in (*models, "model"))]) + 2 * MARGIN
    wide = max(wide, width(visible(graph.title)) * SMALL + 2 * MARGIN)
    tall = below + len(models) * LINE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{wide:.0f}" height="{tall:.0f}" '
        f'viewBox="0 0 {wide:.0f} {tall:.0f}">\n<title>{_escaped(graph.title)}</title>\n<style>{STYLE}</style>\n'
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0 0 8 4 0 8z"/></marker></defs>\n'
        + f'<text class="small" x="{MARGIN:.0f}" y="{MARGIN:.0f}">{_escaped(graph.title)}</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _card(
    key: str,
    members: list[Node],
    asks: dict[str, list[str]],
    inside: dict[tuple[str, str], str],
    into: dict[str, list[Edge]],
    ports: dict[str, float],
) -> _Card:
    """The card of a pipeline's steps or of one node; `ports` gets the height at which edges of its nodes end."""
    first = members[0]
    lines: list[_Line] = []
    y = PADDING + LINE / 2
    if first.group:
        lines.append(_Line(first.group, y, "name"))
        y += LINE + 4
        for before, node in zip([None, *members], members, strict=False):
            text = inside.get((before.key, node.key)) if before else None
            y += STEP - LINE if before else 0.0
            lines.append(_Line(node.text, y, asks=", ".join(asks.get(node.key, ())), edge=text))
            ports[node.key] = y
            y += LINE
    else:
        name, *rest = first.text.split("\n")
        ports[first.key] = y
        lines.append(_Line(name, y, "name"))
        for text in rest:
            y += LINE
            lines.append(_Line(text, y, "small"))
        y += LINE
        y = max(y, PADDING + LINE / 2 + PORT * len(into.get(first.key, ())))
    wide = max(
        max(
            (width(_cut(line.text)) + (width(_cut(line.asks)) + 2 if line.asks else 0)) * CHARACTER,
            width(_cut(line.edge or "")) * SMALL + 4 * PADDING,
        )
        for line in lines
    )
    css = "card" if first.shape == "box" else f"card {first.shape}"
    return _Card(key, css, tuple(lines), wide + 2 * PADDING, y - LINE / 2 + PADDING)


def _drawn(card: _Card, x: float, y: float) -> list[str]:
    parts = [
        f'<rect class="{card.css}" x="{x:.1f}" y="{y:.1f}" width="{card.width:.1f}" height="{card.height:.1f}" '
        f'rx="{8 if "round" not in card.css else 16}"/>'
    ]
    before = 0.0
    for line in card.lines:
        middle = y + line.at
        if line.edge is not None:
            left = x + PADDING + 8
            parts.append(
                f'<path class="edge" marker-end="url(#head)" d="M{left:.1f} {y + before + 8:.1f}V{middle - 8:.1f}"/>'
            )
            if line.edge:
                text = _text(line.edge, left + PADDING, y + (before + line.at) / 2 + 4, "small")
                parts.append(text)
        parts.append(_text(line.text, x + PADDING, middle + 4, line.css))
        if line.asks:
            parts.append(_text(line.asks, x + card.width - PADDING, middle + 4, "small", "end"))
        before = line.at
    return parts


def _edge(edge: Edge, way: list[tuple[float, float]]) -> str:
    """A line that leaves and comes in level, with its text before its head."""
    (x, y), *rest = way
    path = f"M{x:.1f} {y:.1f}"
    for at, (to_x, to_y) in enumerate(rest):
        half = (x + to_x) / 2
        curve = f"C{half:.1f} {y:.1f} {half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
        path += f"L{to_x:.1f} {to_y:.1f}" if at % 2 == 0 else curve
        x, y = to_x, to_y
    css = "edge dotted" if edge.is_dotted else "edge"
    line = f'<path class="{css}" marker-end="url(#head)" d="{path}"/>'
    return (line + "\n" + _text(edge.text, x - 10, y - 4, "small on-edge", "end")) if edge.text else line


def _text(text: str, x: float, y: float, css: str = "", anchor: str = "") -> str:
    shown = _cut(text)
    whole = f"<title>{_escaped(text)}</title>" if shown != visible(text) else ""
    attributes = (f' class="{css}"' if css else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text{attributes} x="{x:.1f}" y="{y:.1f}">{whole}{escape(shown)}</text>'


def _cut(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def _escaped(text: str) -> str:
    return escape(visible(text))
