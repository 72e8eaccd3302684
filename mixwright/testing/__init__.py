"""Tests of a spec: run without a model, held to what they expect, and told as text, JSON and JUnit."""
