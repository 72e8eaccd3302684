"""Text and syntax of the `.mix` language: source files, parser, formatter, diagnostics.

Imports lark and the standard library only.
"""
