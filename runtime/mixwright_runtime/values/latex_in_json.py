r"""Tells LaTeX that a model wrote into JSON without doubling its backslashes from the escapes that JSON has.

`{"answer": "\frac{1}{2}"}` is JSON for a form feed and `rac{1}{2}`. Of a backslash and what follows it

    can only be LaTeX         what JSON has no escape for (`\alpha`, `\(`, `\underline`), and `\b` and `\f` before a
                              letter: nobody means a backspace or a form feed. `\'` is an apostrophe.
    is what JSON says it is   `\"` `\\` `\/`, `\u` and four hexadecimal digits, and `\n`, `\t`, `\r` that begin no command
    can be both               `\n`, `\t`, `\r` with the letters behind them a command: `\nabla`, `\times`, `\nu`

What can be both is LaTeX where the same value has a backslash that can only be LaTeX, so that its writer doubles none;
is an escape where it has a doubled one; and with neither is LaTeX when what would be left of the command is no word
(`\nabla` leaves `abla`, `\nu` leaves `u`), when it stands between dollars, or behind a space. A short command at the
beginning of a line or behind a sentence stays an escape in any case: `done.\nu = 3`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|[\s\S])")
_STRING = re.compile(r'"[^"\\]*(?:\\[\s\S][^"\\]*)*"')
_BOTH = re.compile(r"\\[ntr][A-Za-z]")
_PART = re.compile(r"\\(?:u[0-9a-fA-F]{4}|(?P<both>[ntr])(?P<rest>[A-Za-z]+)|[\s\S])|(?P<dollar>\$\$?)")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

_WITHOUT_A_WORD = """
nabla natural nearrow neq newcommand newline newpage nicefrac ngeq ngeqslant ngtr nleq nleqslant nleftarrow nLeftarrow
nLeftrightarrow nobreak nocite noindent nolimits nonumber norm normalsize not notag notin nprec nrightarrow nRightarrow
nsubseteq nsucc nsupseteq nvdash nwarrow
tag tanh tau tbinom text textbf textcolor textit textnormal textrm textsc textsf textstyle texttt textup tfrac therefore
theta thetasym thickapprox thicksim thickspace thinspace tilde times tiny triangle triangledown triangleleft triangleq
triangleright twoheadrightarrow
raisebox rangle rbrace rbrack rceil ref renewcommand rfloor rho right rightarrow rightharpoonup rightleftharpoons
rightsquigarrow risingdotseq rm root rtimes rule rvert rVert
"""
_WITH_A_WORD = "ne near neg nexists ni nless nmid nparallel nsim nu tan to top tt"
_COMMANDS = frozenset(_WITHOUT_A_WORD.split())
_ALSO_WORDS = frozenset(_WITH_A_WORD.split())
"""Commands of which the first letter leaves a word or a name."""


def without_broken_escapes(text: str) -> tuple[str, tuple[int, ...]]:
    """JSON text in which every backslash that can only be LaTeX is doubled, and where those are in it, in order."""
    if "\\" not in text:
        return text, ()
    parts: list[str] = []
    broken: list[int] = []
    at = size = 0
    for found in _ESCAPE.finditer(text):
        escape, follows = found.group(), text[found.end() : found.end() + 1]
        kind = escape[1]
        if len(escape) > 2 or kind in '"\\/nrt' or (kind in "bf" and follows not in _LETTERS):
            continue
        before = text[at : found.start()]
        parts += (before, "'" if kind == "'" else "\\" + escape)
        size += len(before)
        if kind != "'":
            broken.append(size)
        size += len(parts[-1])
        at = found.end()
    return "".join([*parts, text[at:]]), tuple(broken)


def with_latex(text: str, broken: Sequence[int], start: int, end: int) -> str:
    """The value `text[start:end]` of what `without_broken_escapes` gave, with what can be both decided."""
    value = text[start:end]
    if not _BOTH.search(value):
        return value
    at = bisect_left(broken, start)
    doubles_none = at < len(broken) and broken[at] < end
    doubles = not doubles_none and re.search(r"\\\\[A-Za-z]", value) is not None
    if doubles:
        return value
    return _STRING.sub(lambda string: _decided(string.group(), doubles_none), value)


def _decided(string: str, doubles_none: bool) -> str:
    """One string literal, in which a writer who doubles no backslash wrote LaTeX."""
    parts: list[str] = []
    at, is_formula = 0, False
    for found in _PART.finditer(string):
        if found["dollar"]:
            is_formula = not is_formula
        if not found["both"]:
            continue
        command, before = found["both"] + found["rest"], string[max(0, found.start() - 2) : found.start()]
        if command in _COMMANDS:
            is_latex = True
        elif command in _ALSO_WORDS and before[-1:] not in tuple(".:;!?,") and before not in ("\\n", "$$"):
            is_latex = doubles_none or is_formula or before[-1:] == " "
        else:
            is_latex = False
        if is_latex:
            parts += (string[at : found.start()], "\\")
            at = found.start()
    return "".join([*parts, string[at:]])
