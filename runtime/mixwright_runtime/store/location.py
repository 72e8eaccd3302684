"""Where a project's store is."""

from __future__ import annotations

from pathlib import Path

STORE_DIRECTORY = ".mixwright"
STATUS_NAME = "status.json"

_ROOT_MARKS = (".git", "pyproject.toml", STORE_DIRECTORY)


def project_root(start: Path) -> Path:
    """The nearest directory from `start` upwards with `.git`, `pyproject.toml` or `.mixwright`; else `start`."""
    start = start.resolve()
    for directory in (start, *start.parents):
        if any((directory / mark).exists() for mark in _ROOT_MARKS):
            return directory
    return start


def store_directory(root: Path) -> Path:
    """Where a project's store is unless `--store` says otherwise."""
    return root / STORE_DIRECTORY


def status_path(directory: Path) -> Path:
    """The run's status file in a store directory."""
    return directory / STATUS_NAME
