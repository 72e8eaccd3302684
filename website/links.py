"""Check a built site: every link and anchor leads somewhere, and no page fetches anything from elsewhere.

    python -m website.links out/site    exit 1 and a line for each that does not

Reads what a browser would, so it also sees links that the theme makes.
"""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHES = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("link", "href")}
"""What a browser fetches unasked, unlike the target of `<a href>`."""
_SOURCE_ONLY = ("canonical", "alternate", "next", "prev", "edit")


class _Page(HTMLParser):
    """Places that can be linked to, and what the page links to or fetches."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: list[tuple[str, bool]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {name for name in (values.get("id"), values.get("name")) if name}
        for key in ("href", "src"):
            if target := values.get(key):
                fetches = (tag, key) in FETCHES and values.get("rel") not in _SOURCE_ONLY
                self.targets.append((target, fetches))


def broken(site: Path) -> Iterator[str]:
    """`PAGE: TARGET why` for each link that leads nowhere and each fetch from elsewhere."""
    pages = {
        f.relative_to(site).as_posix(): _Page(f.read_text(encoding="utf-8")) for f in site.rglob("*.html")
    }
    for name, page in sorted(pages.items()):
        for target, fetches in page.targets:
            parts = urlsplit(target)
            if parts.scheme in ("data", "mailto", "javascript"):
                continue
            if parts.scheme or parts.netloc:
                if fetches:
                    yield f"{name}: {target} is fetched from elsewhere"
                continue
            # The page for what is not found is served at any address, so its links begin at the root.
            folder = "" if parts.path.startswith("/") else posixpath.dirname(name)
            path = (
                posixpath.normpath(posixpath.join(folder, unquote(parts.path).lstrip("/")))
                if parts.path
                else name
            )
            if path in (".", ""):
                path = "index.html"
            if not (site / path).exists():
                yield f"{name}: {target} is not there"
            elif parts.fragment and path in pages and not _has(pages[path], unquote(parts.fragment)):
                yield f"{name}: {target} has no such place"


def _has(page: _Page, fragment: str) -> bool:
    return fragment in page.anchors or fragment.startswith("__")


def main(argv: list[str]) -> int:
    """Check the site in the directory given; 0 where all is well."""
    site = Path(argv[0])
    if not (site / "index.html").is_file():
        print(f"no site in {site}", file=sys.stderr)
        return 2
    found = list(broken(site))
    print("\n".join(found) or f"all links of {len(list(site.rglob('*.html')))} pages lead somewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
