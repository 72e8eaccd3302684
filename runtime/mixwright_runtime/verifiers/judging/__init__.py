"""Asking models for verdicts: forms of questions and answers."""
