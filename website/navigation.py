"""The site's navigation: what `mkdocs.yml` names, and every page that it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from website.pages import REPOSITORY, Page

LINKED_ONLY = (f"{REPOSITORY}/", "codes/")
"""Folders whose pages are reached by links and the search: hundreds of lines beside every page help nobody."""
REST = "More"


def completed(nav: list[Any], pages: Mapping[str, Page]) -> list[Any]:
    """The navigation with each folder that it names (`methods/`) as its pages, and at its end the pages it lacks."""
    made = [_filled(entry, pages) for entry in nav]
    known = set(listed(made))
    rest = [place for place in pages if place not in known and not place.startswith(LINKED_ONLY)]
    return [*made, {REST: _titled(rest, pages)}] if rest else made


def listed(nav: Any) -> list[str]:
    """All pages of a navigation, in its order."""
    return list(_leaves(nav))


def sections(nav: list[Any]) -> Iterator[tuple[str, list[str]]]:
    """The heading of each part at the top and its pages; of a page at the top an empty heading."""
    for entry in nav:
        if isinstance(entry, dict):
            ((title, inside),) = entry.items()
            yield ("", [inside]) if isinstance(inside, str) else (title, listed(inside))
        else:
            yield "", [entry]


def _filled(entry: Any, pages: Mapping[str, Page]) -> Any:
    if isinstance(entry, dict):
        return {title: _filled(inside, pages) for title, inside in entry.items()}
    if isinstance(entry, list):
        filled = [_filled(inside, pages) for inside in entry]
        return [one for part in filled for one in (part if isinstance(part, list) else [part])]
    if not entry.endswith("/"):
        return entry
    return _titled(
        [place for place in pages if place.startswith(entry) and place != f"{entry}index.md"], pages
    )


def _titled(places: list[str], pages: Mapping[str, Page]) -> list[dict[str, str]]:
    return [
        {pages[place].title: place}
        for place in sorted(places, key=lambda place: (pages[place].order, pages[place].title.lower()))
    ]


def _leaves(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for inside in nav.values() if isinstance(nav, dict) else nav:
            yield from _leaves(inside)
