"""Engines: what answers model requests. One file an engine, one small protocol (`protocol.py`)."""
