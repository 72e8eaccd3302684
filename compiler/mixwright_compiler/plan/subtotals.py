"""What the parts of a mixture come to: its groups and tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mixwright_compiler.plan.plan import Tag
from mixwright_dsl.lazy_dataclass import dataclass


@dataclass(frozen=True)
class Subtotal:
    """Rows of a group or a tag; None where they are not known. kind: `group` or `tag`. name: empty for the components
    in no group."""

    kind: str
    name: str
    rows: int | None


def subtotals(
    rows: Mapping[str, int | None], groups: Mapping[str, str], tags: Mapping[str, Sequence[str]]
) -> Iterator[Subtotal]:
    """The groups in the order of their first component, what is in none last, then the tags.

    Args:
        rows: of each component.
        groups: the group of each component, empty for none.
        tags: the components of each tag; those that the mixture has not are left out.
    """
    names = list(dict.fromkeys(groups.values()))
    if names != [""]:
        for name in sorted(names, key=lambda name: not name):
            yield Subtotal("group", name, _sum(rows[c] for c, group in groups.items() if group == name))
    for name, tagged in tags.items():
        yield Subtotal("tag", name, _sum(rows[c] for c in tagged if c in rows))


def changed_tags(old: Sequence[Tag], new: Sequence[Tag]) -> Iterator[tuple[str, str, str]]:
    """Tags that have other components, with what they had and have: `none` of one that is not there."""
    before, after = ({tag.name: ", ".join(tag.rows) for tag in tags} for tags in (old, new))
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield name, before.get(name, "none"), after.get(name, "none")


def _sum(counts: Iterator[int | None]) -> int | None:
    whole = 0
    for count in counts:
        if count is None:
            return None
        whole += count
    return whole
