"""Where a project begins, and where its store is."""

from __future__ import annotations

from pathlib import Path

STORE_DIRECTORY = ".mixwright"
ROOT_MARKS = (".git", "pyproject.toml", STORE_DIRECTORY)


def project_root(start: Path) -> Path:
    """The nearest directory from `start` upwards with `.git`, `pyproject.toml` or `.mixwright`; else `start`."""
    start = start.resolve()
    for directory in (start, *start.parents):
        if any((directory / mark).exists() for mark in ROOT_MARKS):
            return directory
    return start


def root_of(spec: Path) -> Path:
    """The project that a spec, which need not be there, belongs to."""
    return project_root(spec.resolve().parent)


def store_directory(root: Path | str, given: Path | None = None) -> Path:
    """Where a project's store is: `--store` if it is given, else `.mixwright` in the root."""
    return given if given is not None else Path(root) / STORE_DIRECTORY
