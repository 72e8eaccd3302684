"""The library that comes with Mixwright: files of fragments and templates, imported as `"std:NAME"` from any folder."""

from __future__ import annotations

from pathlib import Path

from mixwright_compiler.suggest import nearest

PREFIX = "std:"
"""What the name of a library file begins with in an import."""

_INSTALLED = Path(__file__).resolve().parents[1] / "library"
_CHECKOUT = Path(__file__).resolve().parents[3] / "specs" / "lib"


def library_folder() -> Path:
    """Where the files lie: in an installed package beside the compiler, in a checkout in `specs/lib/`."""
    return _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT


def nearest_library(name: str) -> str | None:
    """The library that a name is a slip of; what all of them begin with makes none more alike."""
    near = nearest(name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in library_names()])
    return f"{PREFIX}{near}" if near is not None else None


def library_names() -> list[str]:
    """`std:answered` and the like, sorted."""
    return sorted(f"{PREFIX}{file.stem}" for file in library_folder().glob("*.mix"))


def library_file(name: str) -> Path | None:
    """The file of `std:answered`; None where there is no such library."""
    return library_folder() / f"{name.removeprefix(PREFIX)}.mix" if name in library_names() else None


def library_identity(text: str) -> str:
    """What pins a library: the digest of its text."""
    import hashlib  # loads OpenSSL, for a lock alone

    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
