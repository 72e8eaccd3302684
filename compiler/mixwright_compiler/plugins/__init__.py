"""Plugins of a project and of packages, read from their text and never run."""
