"""Colours of `.mix` on the site: as in the editors' grammar a word is what its place makes it, and no kind is named."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Text

__all__ = ["MixLexer"]


class MixLexer(RegexLexer):
    """The language's tokens."""

    name = "Mixwright"
    aliases = ("mix",)
    filenames = ("*.mix",)

    tokens: ClassVar = {
        "root": [
            (r"^([ \t]*)([a-z]\w*)(?=[ \t]+[\w\"{])", bygroups(Text, Keyword.Declaration)),
            (r"#.*$", Comment.Single),
            (r"(<<~)(\w+)([ \t]*\n)", bygroups(Operator, Name.Label, Text), "heredoc"),
            (r'"(?:\\.|[^"\\\n])*"', String),
            (r"\b(true|false|null)\b", Keyword.Constant),
            (r"\b(and|or|not|in)\b", Operator.Word),
            (r"[\w.]+(?=[ \t]*=(?!=))", Name.Attribute),
            (r"\w[\w.]*(?=\()", Name.Function),
            (r"(?<![\w.])\$?\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?(?:%|[A-Za-z]+)?", Number),
            (r"[a-z]\w*(?=[ \t]*\{)", Name.Class),
            (r"\w[\w.]*", Name),
            (r"[-+*/<>=!]+", Operator),
            (r"[{}()\[\],.|…]", Punctuation),
            (r"\n|[ \t]+", Text),
            (r".", Text),
        ],
        "heredoc": [
            (r"^[ \t]*[A-Z]+\b(?=[ \t]*(?:[,})\]#]|$))", Name.Label, "#pop"),
            (r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", Name.Variable),
            (r"[^\n{]+|\{|\n", String),
        ],
    }
