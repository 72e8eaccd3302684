"""GitHub's Markdown, in which the pages are written, made into that of Python-Markdown, which the site is made with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import groupby

_FENCE = re.compile(r"^(?P<marks>`{3,})(?P<language>\S*)(?: (?P<name>\S+))?$")
_ITEM = re.compile(r"^(?:[-*]|\d+\.) ")
_LINK = re.compile(
    r"(?P<code>`+)[^`].*?(?P=code)(?!`)|"
    r"(?P<before>!?\[(?:[^\]\[\n]|\n(?!\n)|\[[^\]]*\])*\]\()(?P<target>[^)\s]+)(?P<after>\))"
)
_CODE = re.compile(r"(`+)(.+?)\1(?!`)")


def lines_outside_fences(text: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is prose: neither a fence nor inside of one."""
    for line, is_prose, _ in _read(text):
        yield line, is_prose


def python_markdown(text: str) -> str:
    """The same page: file names of fences are titles, lists begin after an empty line, pipes in code stand bare."""
    made: list[str] = []
    for line, is_prose, fence in _read(text):
        if fence and fence["name"]:
            line = f'{fence["marks"]}{fence["language"]} title="{fence["name"]}"'
        elif is_prose and _ITEM.match(line) and made and made[-1].strip() and not _is_of_list(made):
            made.append("")
        elif is_prose and line.startswith("|"):
            line = _CODE.sub(lambda code: code[0].replace("\\|", "|"), line)
        made.append(line)
    return "\n".join(made)


def with_links(text: str, rewritten: Callable[[str], str]) -> str:
    """The page with the target of every link in its prose put through `rewritten`; links out to the web stay."""

    def replaced(found: re.Match[str]) -> str:
        if found["code"] or re.match(r"[a-z]+:", found["target"]):
            return found[0]
        return found["before"] + rewritten(found["target"]) + found["after"]

    runs = groupby(lines_outside_fences(text), key=lambda line: line[1])
    parts = [("\n".join(line for line, _ in lines), is_prose) for is_prose, lines in runs]
    return "\n".join(_LINK.sub(replaced, part) if is_prose else part for part, is_prose in parts)


def links(text: str) -> list[str]:
    """Targets of all links in the prose of a page that do not lead out to the web."""
    found: list[str] = []

    def seen(target: str) -> str:
        found.append(target)
        return target

    with_links(text, seen)
    return found


def heading(text: str) -> str:
    """The text of the first heading of the first level, without marks of code."""
    found = next((line for line, prose in lines_outside_fences(text) if prose and line.startswith("# ")), "")
    return found.removeprefix("# ").replace("`", "")


def _is_of_list(lines: list[str]) -> bool:
    """Whether the last line belongs to a list: it is an item, or goes on with one."""
    for line in reversed(lines):
        if _ITEM.match(line):
            return True
        if not line.startswith("  "):
            return False
    return False


def _read(text: str) -> Iterator[tuple[str, bool, re.Match[str] | None]]:
    """Each line, whether it is prose, and what it opens where it is a fence."""
    marks = ""
    for line in text.split("\n"):
        fence = None if marks else _FENCE.match(line)
        yield line, not marks and not fence, fence
        if fence:
            marks = fence["marks"]
        elif marks and line.rstrip() == marks:
            marks = ""
