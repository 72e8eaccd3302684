"""Rows through the steps of a pipeline."""
