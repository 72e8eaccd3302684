"""From one edition of the language to the next: what is written otherwise there, as edits of a file's text.

A new edition is a number in `EDITIONS` (`mixwright_compiler/catalog/blocks.py`) and a migration here, which rewrites what
its compiler reads otherwise. Files of the edition before are read on; `mixwright fix --edition` takes them over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mixwright_compiler.load.editions import is_edition
from mixwright_dsl.diagnostic import Edit, applied
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.nodes import Block, File, Quantity
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile

Rewrite = Callable[[File], Iterable[Edit]]
"""Edits of a parsed file that say in a later edition what the file says. They do not overlap."""


@dataclass(frozen=True)
class Migration:
    """From the edition `before` to the one `after` it: rewrites, each of what the ones in front of it have left."""

    before: int
    after: int
    rewrites: tuple[Rewrite, ...]


MIGRATIONS: tuple[Migration, ...] = ()
"""One for each edition but the first. There is none yet: 2026 is the first."""


class NoWay(Exception):
    """A file cannot be taken to another edition; the message says why."""


def edition_of(file: File) -> int | None:
    """The edition that a file says it is written in; None where it says none that can be read."""
    match next((statement for statement in file.body if is_edition(statement)), None):
        case Block(labels=(Quantity(value=int(value)), *_)):
            return value
    return None


def migrated(source: SourceFile, to: int, migrations: Sequence[Migration] | None = None) -> str:
    """The text of a file in a later edition: everything that is not rewritten stays as it is, comments and layout too.

    Raises:
        NoWay: it cannot be read, it is of a later edition, or no migrations lead to that one.
    """
    known = {migration.before: migration for migration in (MIGRATIONS if migrations is None else migrations)}
    at = edition_of(_parsed(source))
    if at is None:
        raise NoWay("it does not say its edition")
    if at > to:
        raise NoWay(f"it is of edition {at}, which is later than {to}")
    while at < to:
        if at not in known:
            raise NoWay(f"nothing is known of what is otherwise after edition {at}")
        for rewrite in (*known[at].rewrites, _renumbering(known[at].after)):
            text = applied(source.text, tuple(rewrite(_parsed(source))))
            source = SourceFile(source.name, text, source.path)
        at = known[at].after
    _parsed(source)
    return source.text


def _parsed(source: SourceFile) -> File:
    result = parse(source)
    if any(finding.is_error for finding in result.diagnostics):
        raise NoWay("it cannot be read")
    return result.file


def _renumbering(to: int) -> Rewrite:
    def rewrite(file: File) -> Iterable[Edit]:
        for statement in file.body:
            if isinstance(statement, Block) and statement.kind == "edition":
                yield Edit(statement.labels[0].span, str(to))

    return rewrite
