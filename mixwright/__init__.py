"""Mixwright: write an instruction-tuning mixture as a spec, check it, plan it, run it, train on it."""

__version__ = "0.1.0"
