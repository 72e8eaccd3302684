"""Processes beside the run, with deadlines."""
