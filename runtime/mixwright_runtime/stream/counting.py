"""Counting what steps make of rows, and writing down those that a step ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeGuard

from mixwright_runtime.stream.nodes import Node
from mixwright_runtime.stream.outcomes import Outcomes, Start, Whence
from mixwright_runtime.values.rows import Dropped, Row


class Book(Protocol):
    """Hears what each step makes of rows."""

    def took(self, result: Row | Dropped, node: Node) -> TypeGuard[Row]:
        """One row came to a step, and this became of it; True when it goes on."""

    def forked(self, made: Sequence[Row | Dropped], node: Node) -> None:
        """One row came to a step that made these of it."""

    def folded(self, result: Row | Dropped, came: int, node: Node) -> TypeGuard[Row]:
        """So many rows came to a step that made this one of them; True when it goes on."""

    def began_round(self, node: Node) -> None:
        """A row enters a round."""

    def rated(self, node: Node, passing: int, of: int) -> None:
        """So many of a row's candidates pass a verifier that looks at them together."""

    def asked_again(self, verdict: Row | Dropped, node: Node) -> None:
        """A verifier asked for another answer of a row, and this is its last word."""


class Counted:
    """The book of one pipeline's rows: everything is counted at the step, and what it ended is recorded."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._whence: dict[int, Whence] = {}
        """Of each row under way, by its position."""

    def started(self, start: Start) -> None:
        """A row is under way, with all that will be made of it."""
        self._whence[start.row.position] = start.whence

    def set_aside(self, position: int) -> Whence:
        """The row at this position waits, for long and with many; who keeps it keeps where it comes from."""
        return self._whence.pop(position)

    def resumed(self, position: int, whence: Whence) -> None:
        """It is under way again."""
        self._whence[position] = whence

    def finished(self, position: int, rows: Sequence[Row]) -> list[tuple[Start, str | None]]:
        """Nothing is under way any more of the row at this position; these are kept, with where they came from and as
        `Outcomes.keep` says."""
        whence = self._whence.pop(position)
        return [(Start(row, *whence), self._outcomes.keep(row, whence)) for row in rows]

    def took(self, result: Row | Dropped, node: Node) -> TypeGuard[Row]:
        node.tally.rows_in += 1
        return self._made(result, node)

    def forked(self, made: Sequence[Row | Dropped], node: Node) -> None:
        node.tally.rows_in += 1
        node.tally.forked += len(made) - 1
        for result in made:
            self._made(result, node)

    def folded(self, result: Row | Dropped, came: int, node: Node) -> TypeGuard[Row]:
        node.tally.rows_in += came
        node.tally.forked += 1 - came
        return self._made(result, node)

    def began_round(self, node: Node) -> None:
        node.tally.rounds += 1

    def rated(self, node: Node, passing: int, of: int) -> None:
        # Where candidates are compared, a verdict on one says how many agree with it, not whether it is right.
        if not node.traits.compares:
            node.passing[passing, of] += 1

    def asked_again(self, verdict: Row | Dropped, node: Node) -> None:
        node.rows_again += 1
        node.passed_again += isinstance(verdict, Row)

    def _made(self, result: Row | Dropped, node: Node) -> TypeGuard[Row]:
        if isinstance(result, Dropped):
            node.tally.ended(result)
            self._outcomes.end(result, self._whence[result.row.position])
            return False
        node.tally.rows_out += 1
        return True


class Uncounted:
    """The book of a further answer on its way: the row is counted once, at the verifier that asked for it."""

    def took(self, result: Row | Dropped, node: Node) -> TypeGuard[Row]:
        return isinstance(result, Row)

    def forked(self, made: Sequence[Row | Dropped], node: Node) -> None:
        pass

    def folded(self, result: Row | Dropped, came: int, node: Node) -> TypeGuard[Row]:
        return isinstance(result, Row)

    def began_round(self, node: Node) -> None:
        pass

    def rated(self, node: Node, passing: int, of: int) -> None:
        pass

    def asked_again(self, verdict: Row | Dropped, node: Node) -> None:
        pass
