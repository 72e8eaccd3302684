"""One row through the rounds of a loop: what passes a round enters the next one, and what is dropped may, too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeGuard

from mixwright_runtime.plugins.shapes import Loop
from mixwright_runtime.stream.counting import Book
from mixwright_runtime.stream.flows import Flow
from mixwright_runtime.stream.nodes import Node
from mixwright_runtime.values.rows import Dropped, Row

Body = Callable[[Flow, Book], Awaitable[list[Flow]]]
"""How a row gets through the steps of a loop; the book hears what they make of it."""


class _Noting:
    """Passes on what a book is told, and notes the rows that a round ends."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.ended: list[Dropped] = []

    def took(self, result: Row | Dropped, node: Node) -> TypeGuard[Row]:
        self._note(result)
        return self._book.took(result, node)

    def forked(self, made: Sequence[Row | Dropped], node: Node) -> None:
        for result in made:
            self._note(result)
        self._book.forked(made, node)

    def folded(self, result: Row | Dropped, came: int, node: Node) -> TypeGuard[Row]:
        self._note(result)
        return self._book.folded(result, came, node)

    def began_round(self, node: Node) -> None:
        self._book.began_round(node)

    def rated(self, node: Node, passing: int, of: int) -> None:
        self._book.rated(node, passing, of)

    def asked_again(self, verdict: Row | Dropped, node: Node) -> None:
        self._book.asked_again(verdict, node)

    def _note(self, result: Row | Dropped) -> None:
        if isinstance(result, Dropped):
            self.ended.append(result)


async def rounds_of(node: Node, row: Row, body: Body, book: Book) -> list[Row]:
    """The rows that leave a loop of one that comes to it, in the order of the rounds.

    Raises:
        RunStopped: the run is stopping; the row stays unfinished with all its rounds.
    """
    loop = node.step
    assert isinstance(loop, Loop)
    start = loop.begin(row)
    left = [] if start is None else [start]
    last: Row | None = None
    before, came_from = row, row.row_id
    is_done = is_faulty = False
    for number in range(1, loop.times + 1):
        noting = _Noting(book)
        book.began_round(node)
        flows = await body(Flow(loop.enter(row, before, came_from, number)), noting)
        if flows:
            [flow] = flows
            before = flow.row
            last = loop.leave(row, flow.row)
            if not loop.emits_last:
                left.append(last)
                # Only what is told of by itself can be a parent.
                came_from = last.row_id
            is_done = loop.is_done(flow.row)
            if is_done:
                break
        else:
            is_faulty = any(ended.quarantined for ended in noting.ended)
            if is_faulty or not loop.again:
                break
            came_from = noting.ended[0].row.row_id
    ended: Dropped | None = None
    if loop.emits_last and not is_faulty:
        if last is not None and (is_done or not loop.again):
            left.append(last)
        elif not is_done and start is None:
            ended = loop.unreached(row)
    book.forked([*left, *([ended] if ended else [])], node)
    return left
