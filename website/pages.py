"""The pages of the site: those of `docs/`, and those made of what is elsewhere, so that every link leads to a page.

Made here are a page of every diagnostic code, the language reference cut into parts, and a page of every file of the
repository that a page links to. Nothing here knows what the site is built with.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from website.dialect import heading, links, python_markdown, with_links

CODES = "compiler/mixwright_compiler/codes"
REFERENCE = "docs/language/reference.md"
REPOSITORY = "repository"
"""Folder of the site for files of the repository that pages link to."""
LARGEST = 100_000
"""Bytes of the largest file that is shown; a larger one is only named."""
LANGUAGES = {
    ".mix": "mix",
    ".py": "python",
    ".yml": "yaml",
    ".yaml": "yaml",
    ".json": "json",
    ".lock": "json",
    ".toml": "toml",
}


@dataclass(frozen=True)
class Page:
    """One page: its Markdown as GitHub reads it, with links that hold on the site, the file it is of, and its place
    among the pages of its folder, which stand by title where it is the same."""

    text: str
    origin: str
    order: int = 0

    @property
    def title(self) -> str:
        return heading(self.text) or self.origin

    @property
    def markdown(self) -> str:
        """The text as Python-Markdown reads it."""
        return python_markdown(self.text)


def site_pages(root: Path) -> dict[str, Page]:
    """Path on the site -> page.

    Raises:
        LookupError: a page links to what is not there; the message names both.
    """
    texts = {file.relative_to(root).as_posix(): file.read_text(encoding="utf-8") for file in _written(root)}
    parts, anchors = _parts_of_reference(texts.pop(REFERENCE))
    texts |= parts
    waiting = list(texts)
    while waiting:
        origin = waiting.pop()
        for target in links(texts[origin]):
            file = _file_of(origin, target)
            if file and file not in texts and file != REFERENCE and not _is_data(file):
                texts[file] = _shown(root, file, origin)
                waiting.append(file)
    places = {origin: _place(origin) for origin in texts}
    order = {origin: number for number, origin in enumerate(parts)}
    return {
        places[origin]: Page(
            with_links(text, _rewriting(origin, places, anchors)), origin, order.get(origin, 0)
        )
        for origin, text in sorted(texts.items())
    }


def _written(root: Path) -> Iterator[Path]:
    yield from sorted((root / "docs").rglob("*.md"))
    yield from sorted((root / CODES).glob("MIX*.md"))


def _is_data(file: str) -> bool:
    """What lies in `docs/` and is no page is copied as it is."""
    return file.startswith("docs/") and not file.endswith(".md")


def _file_of(origin: str, target: str) -> str:
    """The file of the repository that a page's link means; empty for a place on the page itself."""
    path = target.partition("#")[0]
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), path)) if path else ""


def _place(origin: str) -> str:
    if origin.startswith("docs/"):
        return origin.removeprefix("docs/")
    if origin.startswith(f"{CODES}/"):
        return f"codes/{posixpath.basename(origin)}"
    return f"{REPOSITORY}/{origin}" if origin.endswith(".md") else f"{REPOSITORY}/{origin}.md"


def _rewriting(origin: str, places: Mapping[str, str], anchors: Mapping[str, str]) -> Callable[[str], str]:
    """What a link of a page is on the site."""
    folder = posixpath.dirname(places[origin])

    def rewritten(target: str) -> str:
        anchor = target.partition("#")[2]
        file = _file_of(origin, target)
        of_reference = file == REFERENCE or (not file and origin in anchors.values())
        if of_reference and anchor in anchors:
            file = anchors[anchor]
        elif file == REFERENCE:
            file = _part("")
        if not file or file == origin:
            return f"#{anchor}"
        place = file.removeprefix("docs/") if _is_data(file) else places[file]
        return posixpath.relpath(place, folder or ".") + (f"#{anchor}" if anchor else "")

    return rewritten


def _shown(root: Path, file: str, origin: str) -> str:
    """The page of a file or folder of the repository."""
    path = root / file
    if file.startswith("..") or not path.exists():
        raise LookupError(f"{origin} links to {file}, which is not there")
    if path.is_dir():
        inside = sorted(one for one in path.iterdir() if one.is_dir() or _is_shown(one))
        rows = "\n".join(
            f"- [{one.name}]({path.name}/{one.name})" for one in inside if not one.name.startswith((".", "_"))
        )
        return f"# {file}/\n\n{rows}"
    if file.endswith(".md"):
        return path.read_text(encoding="utf-8")
    if not _is_shown(path):
        return f"# {file}\n\nA file of {path.stat().st_size:,} bytes."
    text = path.read_text(encoding="utf-8")
    marks = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"# {file}\n\n{marks}{LANGUAGES.get(path.suffix, 'text')}\n{text.rstrip()}\n{marks}"


def _is_shown(path: Path) -> bool:
    return path.stat().st_size <= LARGEST and b"\0" not in path.read_bytes()


def _part(heading: str) -> str:
    """The page of a part of the reference; of none the page that lists them."""
    return f"docs/language/reference/{slug(heading)}.md" if heading else "docs/language/reference/index.md"


def _parts_of_reference(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """The reference, one page in `docs/`, in parts that a browser likes: page -> text; and heading -> its page."""
    head, *sections = re.split(r"^## (?=.*$)", text, flags=re.M)
    pages, anchors, names = {}, {}, []
    for section in sections:
        title, _, body = section.partition("\n")
        page = _part(title)
        # A part is a level higher than it was as a section.
        pages[page] = f"# {title}\n" + re.sub(r"^#(?=##+ )", "", _moved(body), flags=re.M)
        anchors |= {slug(found): page for found in [title, *re.findall(r"^#+ (.+)$", body, flags=re.M)]}
        names.append((title, posixpath.basename(page), re.findall(r"^### (.+)$", body, flags=re.M)))
    listed = "\n".join(
        f"- [{title}]({page})"
        + (": " + ", ".join(f"[{kind}]({page}#{slug(kind)})" for kind in kinds) if kinds else "")
        for title, page, kinds in names
    )
    pages[_part("")] = f"{_moved(head).rstrip()}\n\n## Parts\n\n{listed}\n"
    return pages, anchors


def _moved(text: str) -> str:
    """A text of the reference with its links as they are from a folder further down."""
    return with_links(text, lambda target: target if target.startswith("#") else posixpath.join("..", target))


def slug(title: str) -> str:
    """The name of a heading's place, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-")
