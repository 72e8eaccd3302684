"""Why a name is not changed."""

from __future__ import annotations


class CannotRename(Exception):
    """Why a name cannot be changed, as an editor shows it."""
