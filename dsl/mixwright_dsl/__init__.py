"""Text and syntax of the `.mix` language: source files, parser, formatter, diagnostics.

Imports the standard library only; lark where the grammar's tables are made (`grammar_tables.py`).
"""
