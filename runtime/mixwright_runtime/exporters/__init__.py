"""Exporters: a mixture as files for other tools. One file a format; `directory.py` writes them atomically."""
