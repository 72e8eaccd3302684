"""Where parameters for English come from: our own table, or the user's nltk_data."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

from mixwright_runtime.verifiers.constraints.first_word import FirstTag
from mixwright_runtime.verifiers.constraints.punkt import PunktParameters

OWN = Path(__file__).with_name("english.punkt")
_TABLES = Path("tokenizers/punkt_tab/english")
_TAGGER = Path("taggers/averaged_perceptron_tagger_eng/averaged_perceptron_tagger_eng.weights.json")


def nltk_data_directories() -> list[Path]:
    """Where NLTK looks for data: `NLTK_DATA`, the home directory, the Python prefix and the system's directories."""
    named = [Path(part) for part in os.environ.get("NLTK_DATA", "").split(os.pathsep) if part]
    home = Path(os.path.expanduser("~")) / "nltk_data"
    prefixes = [Path(sys.prefix) / sub / "nltk_data" for sub in ("", "share", "lib")]
    system = [
        Path(root) / "nltk_data" for root in ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib")
    ]
    return [*named, home, *prefixes, *system]


def nltk_parameters(directory: Path) -> PunktParameters:
    """Parameters in the form of NLTK's package `punkt_tab`: four tables of text. Nothing is unpickled.

    Raises:
        OSError: a table is not there.
        ValueError: a line is not of the form.
    """
    texts = {name: (directory / name).read_text(encoding="utf-8") for name in _FILES}
    rows = {name: [line.split("\t") for line in text.split("\n") if line] for name, text in texts.items()}
    if any(len(row) != 2 for name in ("collocations.tab", "ortho_context.tab") for row in rows[name]):
        raise ValueError(f"{directory} is not a table of Punkt parameters")
    return PunktParameters(
        frozenset(row[0] for row in rows["abbrev_types.txt"]),
        frozenset((row[0], row[1]) for row in rows["collocations.tab"]),
        frozenset(row[0] for row in rows["sent_starters.txt"]),
        {row[0]: int(row[1]) for row in rows["ortho_context.tab"]},
        str(directory),
    )


@cache
def installed_nltk_parameters() -> PunktParameters:
    """NLTK's English parameters out of the user's nltk_data.

    Raises:
        FileNotFoundError: they are in none of the directories; the message says how to get them.
    """
    return nltk_parameters(_installed(_TABLES / _FILES[-1]).parent)


@cache
def installed_tagger() -> FirstTag:
    """NLTK's English tagger out of the user's nltk_data.

    Raises:
        FileNotFoundError: as above.
    """
    return FirstTag.load(_installed(_TAGGER).parent)


def _installed(file: Path) -> Path:
    for root in nltk_data_directories():
        if (root / file).is_file():
            return root / file
    package = file.parts[1]
    raise FileNotFoundError(
        f"nltk_data has no `{package}`: get it with 'python -m nltk.downloader {package}', or drop `nltk_data = true`"
    )


@cache
def own_parameters() -> PunktParameters:
    """The table that ships with Mixwright, made by `punkt_training.py`."""
    lists: dict[str, list[str]] = {}
    orthography: dict[str, int] = {}
    for line in OWN.read_text(encoding="utf-8").splitlines():
        name, *words = line.split(" ")
        if name.isdecimal():
            orthography.update(dict.fromkeys(words, int(name)))
        elif name != "#":
            lists[name] = words
    return PunktParameters(
        abbreviations=frozenset(lists["abbreviations"]),
        starters=frozenset(lists["starters"]),
        orthography=orthography,
        origin="mixwright",
    )


_FILES = ("abbrev_types.txt", "collocations.tab", "sent_starters.txt", "ortho_context.tab")
