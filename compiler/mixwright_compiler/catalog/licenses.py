"""License ids: which there are, and which of them bind what is made from a text: the one table of licenses.

Ids are written in lower case, as the Hugging Face hub writes them and dataset cards need them: SPDX ids (`apache-2.0`
for `Apache-2.0`), and the hub's own for what SPDX has none (`other`, `llama3`, `gemma`). In comparing, case is ignored.

Classes follow what SPDX's and ScanCode's public lists tell apart (permissive; copyleft, limited or not; free but for
commerce or for changes), as far as they bind a dataset: by what is asked of those who pass on what is made of a text.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from mixwright_compiler.catalog.license_expressions import OPERATORS, base_of, terms_of, with_terms
from mixwright_compiler.suggest import nearest

PERMISSIVE = "permissive"
"""The class of the licenses that ask nothing of `CLASSES`: at most that names and notices are kept."""

CLASSES = {
    "nc": "no commercial use",
    "nd": "no derived works",
    "sa": "derived works under the same license",
    "copyleft": "derived software under the same license",
}

_OPEN = """
0bsd afl-3.0 apache-1.1 apache-2.0 artistic-2.0 blueoak-1.0.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0
c-uda cc cc-pddc cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0
etalab-2.0 isc lppl-1.3c mit mit-0 ms-pl ncsa odc-by odc-by-1.0
ofl-1.1 pddl pddl-1.0 postgresql psf-2.0 public-domain python-2.0 unlicense upl-1.0 w3c wtfpl x11 zlib
ogl-uk-3.0 nlod-2.0 dl-de-by-2.0 dl-de-zero-2.0
"""
_COPYLEFT = """
agpl-3.0 agpl-3.0-only agpl-3.0-or-later cecill-2.1 cddl-1.0 cddl-1.1 ecl-2.0 epl-1.0 epl-2.0 eupl-1.1 eupl-1.2
gpl gpl-2.0 gpl-2.0-only gpl-2.0-or-later gpl-3.0 gpl-3.0-only gpl-3.0-or-later
lgpl lgpl-2.1 lgpl-2.1-only lgpl-2.1-or-later lgpl-3.0 lgpl-3.0-only lgpl-3.0-or-later lgpl-lr mpl-1.1 mpl-2.0 ms-rl
osl-3.0
"""
_SHARE_ALIKE = "cdla-sharing-1.0 gfdl gfdl-1.2 gfdl-1.3 odbl odbl-1.0"
_NO_COMMERCE = """
apple-amlr apple-ascl deepfloyd-if-license fair-noncommercial-research-license intel-research polyform-noncommercial-1.0.0
"""
_OWN_TERMS = """
bigcode-openrail-m bigscience-bloom-rail-1.0 bigscience-openrail-m creativeml-openrail-m gemma h-research llama2 llama3
llama3.1 llama3.2 llama3.3 llama4 open-mdw openrail openrail++ other unknown
"""
"""What these forbid is not said by the id."""


def _creative_commons() -> frozenset[str]:
    kinds = ("by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd")
    return frozenset(
        f"cc-{kind}-{version}" for kind in kinds for version in ("1.0", "2.0", "2.5", "3.0", "4.0")
    )


_CLASSES_OF: dict[str, frozenset[str] | None] = {
    **{name: frozenset[str]() for name in _OPEN.split()},
    **{name: frozenset({"copyleft"}) for name in _COPYLEFT.split()},
    **{name: frozenset({"sa"}) for name in _SHARE_ALIKE.split()},
    **{name: frozenset({"nc"}) for name in _NO_COMMERCE.split()},
    **dict.fromkeys(_OWN_TERMS.split()),
    **{name: frozenset(name.split("-")) & frozenset(CLASSES) for name in _creative_commons()},
}


OWN = ("licenseref-", "documentref-")
"""How SPDX begins the name of terms that are somebody's own."""


def is_known(name: str) -> bool:
    """Whether a license id is known, in any case; an expression where all ids in it are."""
    return all(_id(term) in _CLASSES_OF or _id(term).startswith(OWN) for term in terms_of(name))


def classes_of(term: str) -> frozenset[str] | None:
    """How one license binds what is made from the text, by the names of `CLASSES`; None where the id does not say. An
    exception (`WITH`) only permits more, so the license without it is taken."""
    return _CLASSES_OF.get(_id(term))


def asked_by(terms: Iterable[str]) -> frozenset[str] | None:
    """What licenses that hold together ask, by the names of `CLASSES`; None where an id does not say."""
    found = [classes_of(term) for term in terms]
    return None if None in found else frozenset(word for each in found if each is not None for word in each)


def _id(term: str) -> str:
    """The id in the table: without an exception, and without the `+` of later versions."""
    name = base_of(term).lower()
    return name if name in _CLASSES_OF else name.removesuffix("+")


def as_written(name: str) -> str | None:
    """The id that an unknown one is a slip of, or a known one in its own case; None where there is nothing to say. Of an
    expression each id is put right."""
    return with_terms(name, _as_written)


def _as_written(name: str) -> str | None:
    folded = name.strip().lower().replace(" ", "-").replace("_", "-")
    if folded in _CLASSES_OF or folded.startswith(OWN) or folded.removesuffix("+") in _CLASSES_OF:
        return None if folded == name else folded
    if set(OPERATORS) & set(name.split()):
        return None
    # Never an id that asks for something else: `cc-by-nc-40` is not `cc-by-4.0`.
    bound = frozenset(folded.split("-")) & frozenset(CLASSES)
    return nearest(
        folded, [name for name, asks in _CLASSES_OF.items() if not name.startswith("cc-") or asks == bound]
    )


def matches(pattern: str, term: str) -> bool:
    """Whether a license is the one that a policy names, or one of those (`cc-by-*`); with or without its exception."""
    pattern = pattern.lower()
    names = {term.lower(), base_of(term).lower()}
    return pattern in names or any(fnmatchcase(name, pattern) for name in names)


def is_allowed(term: str, allowed: Iterable[str]) -> bool:
    """Whether a policy's list lets a license in: by its id, a pattern, or by classes. All that a license asks must be
    among the classes; `permissive` are those that ask nothing."""
    listed = list(allowed)
    classes = classes_of(term)
    words = {one for one in listed if is_class(one)}
    if classes is not None and (classes <= words if classes else PERMISSIVE in words):
        return True
    return any(matches(one, term) for one in listed if not is_class(one))


def is_class(word: str) -> bool:
    """True for the name of a class; no license is called like one."""
    return word in CLASSES or word == PERMISSIVE


def is_glob(pattern: str) -> bool:
    """True for a pattern that stands for several licenses."""
    return any(sign in pattern for sign in "*?[")
