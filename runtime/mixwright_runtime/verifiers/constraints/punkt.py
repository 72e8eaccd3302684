"""Sentences of a text by the Punkt algorithm, with parameters from a table.

Punkt (Kiss and Strunk 2006, "Unsupervised multilingual sentence boundary detection") decides for every `.`, `?` and `!`
whether a sentence ends there. It looks at the word before (is it an abbreviation, an initial, an ordinal?) and the
word after (does that word start sentences, and is it written with a small letter elsewhere?). The section numbers
below are the paper's. Where the paper leaves something open, this follows NLTK's implementation, so that with NLTK's
parameters the sentences are the same.

Time grows with the length of the text, whatever the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

# What was seen of a word: at a sentence's start, inside one, or after something undecided; with a capital or not.
BEGIN_UPPER, INSIDE_UPPER, UNKNOWN_UPPER = 2, 4, 8
BEGIN_LOWER, INSIDE_LOWER, UNKNOWN_LOWER = 16, 32, 64
UPPER = BEGIN_UPPER | INSIDE_UPPER | UNKNOWN_UPPER
LOWER = BEGIN_LOWER | INSIDE_LOWER | UNKNOWN_LOWER

NUMBER = "##number##"
"""The type of every number."""

_NOT_IN_WORD = r"[)\";}\]*:@'({\[!?]"
_MULTI = r"(?:-{2,}|\.{2,}|(?:\.\s){2,}\.)"
_CANDIDATE = re.compile(rf"[.?!](?=(?P<after>{_NOT_IN_WORD}|\s+(?P<next>\S+)))")
_TOKEN = re.compile(
    rf"{_MULTI}"
    rf"|[^(\"`{{\[:;&#*@)}}\]\-,\s]\S*?(?=\s|$|{_NOT_IN_WORD}|{_MULTI}|,(?:$|\s|{_NOT_IN_WORD}|{_MULTI}))"
    r"|\S"
)
_CLOSING = re.compile(r"[\"')\]}]+?(?:\s+|(?=--)|$)", re.MULTILINE)
_NUMERIC = re.compile(r"-?[.,]?\d[\d,.\-]*\.?$")
_WHITESPACE = " \t\n\r\v\f"


@dataclass(frozen=True)
class PunktParameters:
    """What Punkt knows of a language.

    abbreviations: without the final period, in lower case.
    collocations: pairs (word before the period, word after) that stand in one sentence.
    starters: words that often start a sentence.
    orthography: word -> flags of how it was seen (`BEGIN_UPPER`, ...).
    origin: where the parameters come from, for reports.
    """

    abbreviations: frozenset[str] = frozenset()
    collocations: frozenset[tuple[str, str]] = frozenset()
    starters: frozenset[str] = frozenset()
    orthography: Mapping[str, int] = field(default_factory=dict)
    origin: str = ""


class Token:
    """A word, number or mark, and what was decided of it."""

    __slots__ = (
        "ends_sentence",
        "is_abbreviation",
        "is_ellipsis",
        "starts_line",
        "starts_paragraph",
        "text",
        "type",
    )

    def __init__(self, text: str, *, starts_line: bool = False, starts_paragraph: bool = False) -> None:
        self.text = text
        self.starts_line = starts_line
        self.starts_paragraph = starts_paragraph
        lower = text.lower()
        self.type = NUMBER if _NUMERIC.match(lower) else lower
        self.ends_sentence = self.is_abbreviation = self.is_ellipsis = False

    @property
    def type_without_period(self) -> str:
        return self.type[:-1] if len(self.type) > 1 and self.type.endswith(".") else self.type

    @property
    def type_of_word(self) -> str:
        """The type without a period that ends a sentence."""
        return self.type_without_period if self.ends_sentence else self.type

    @property
    def is_initial(self) -> bool:
        text = self.text
        first = text[0]
        return (
            len(text) == 2
            and text[1] == "."
            and (first == "_" or (first.isalnum() and not first.isdecimal()))
        )


def tokens_of(text: str) -> Iterator[Token]:
    """The tokens of a text, line by line; a blank line starts a paragraph."""
    is_paragraph = False
    for line in text.split("\n"):
        if not line.strip():
            is_paragraph = True
            continue
        is_line = True
        for word in _TOKEN.findall(line):
            yield Token(word, starts_line=is_line, starts_paragraph=is_line and is_paragraph)
            is_line = is_paragraph = False


def first_pass(token: Token, abbreviations: frozenset[str]) -> None:
    """Decide by the word alone: the type-based stage (section 3)."""
    text = token.text
    if text in (".", "?", "!"):
        token.ends_sentence = True
    elif text.startswith("..") and not text.strip("."):
        token.is_ellipsis = True
    elif text.endswith(".") and not text.endswith(".."):
        word = text[:-1].lower()
        if word in abbreviations or word.rpartition("-")[2] in abbreviations:
            token.is_abbreviation = True
        else:
            token.ends_sentence = True


class Punkt:
    """Splits texts into sentences."""

    def __init__(self, parameters: PunktParameters) -> None:
        self.parameters = parameters
        # Words before a period for which the stages below decide more than "a sentence ends here".
        self._special = parameters.abbreviations | {word for word, _ in parameters.collocations}

    def sentences(self, text: str) -> list[str]:
        """The sentences in order, without the white space between them."""
        return [text[start:end] for start, end in self.spans(text)]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of each sentence. Closing quotes and brackets belong to the sentence that they close."""
        slices: list[tuple[int, int]] = []
        start = 0
        for end, following, word, mark, after in _candidates(text):
            if self._breaks(word, mark, after):
                slices.append((start, end))
                start = following
        slices.append((start, len(text.rstrip())))
        return list(_with_closings(text, slices))

    def _breaks(self, word: str, mark: str, after: str) -> bool:
        """Does a sentence end between a mark and what comes after it?"""
        if mark != ".":
            return True
        # Most periods follow a plain word, which no stage has anything to say about.
        if len(word) > 1 and word.isalpha() and word.lower() not in self._special and after[-1:] != ".":
            return True
        tokens = list(tokens_of(word + mark + after))
        for token in tokens:
            first_pass(token, self.parameters.abbreviations)
        for i in range(len(tokens) - 1):
            if tokens[i].text.endswith("."):
                self._second_pass(tokens[i], tokens[i + 1])
        # The last token is what follows; whether a sentence ends with it is another question.
        return any(token.ends_sentence for token in tokens[:-1])

    def _second_pass(self, token: Token, following: Token) -> None:
        """Decide by the words on both sides: the token-based stage (section 4)."""
        known = self.parameters
        word, following_word = token.type_without_period, following.type_of_word
        if (word, following_word) in known.collocations:  # 4.1.2
            token.ends_sentence, token.is_abbreviation = False, True
            return
        is_upper = following.text[0].isupper()
        is_starter = is_upper and following_word in known.starters  # 4.1.3
        is_undecided = (token.is_abbreviation or token.is_ellipsis) and not token.is_initial
        if is_undecided and (self._starts_sentence(following) is True or is_starter):  # 4.2
            token.ends_sentence = True
            return
        if token.is_initial or word == NUMBER:  # 4.3
            starts = self._starts_sentence(following)
            is_name = (
                starts is None
                and token.is_initial
                and is_upper
                and not known.orthography.get(following_word, 0) & LOWER
            )
            if starts is False or is_name:
                token.ends_sentence, token.is_abbreviation = False, True

    def _starts_sentence(self, token: Token) -> bool | None:
        """Does the spelling of a word say that a sentence starts with it (4.1.1)? None when it does not tell."""
        if token.text in (";", ":", ",", ".", "!", "?"):
            return False
        seen = self.parameters.orthography.get(token.type_of_word, 0)
        first = token.text[0]
        if first.isupper() and seen & LOWER and not seen & INSIDE_UPPER:
            return True
        if first.islower() and (seen & UPPER or not seen & BEGIN_LOWER):
            return False
        return None


def _candidates(text: str) -> Iterator[tuple[int, int, str, str, str]]:
    """(end, where the next sentence would start, word before, mark, what comes after) for each place where a sentence
    may end. Of marks within one word only the last is a candidate.
    """
    pending: tuple[int, int, str, str, str] | None = None
    word_start = word_end = 0
    for match in _CANDIDATE.finditer(text):
        at = match.start()
        # An index of 0 counts as no space found, as in NLTK: a word after one leading space is taken to overlap.
        space = max(text.rfind(c, word_end, at) for c in _WHITESPACE) - word_end
        start = word_start if space <= 0 else word_end + space + 1
        if pending is not None and word_end <= start:
            yield pending
        word_start, word_end = start, at
        following = match.start("next")
        pending = (
            match.end(),
            match.end() if following < 0 else following,
            text[start:at],
            match.group(),
            match.group("after"),
        )
    if pending is not None:
        yield pending


def _with_closings(text: str, slices: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    moved = 0
    for i, (start, end) in enumerate(slices):
        start += moved
        if i + 1 == len(slices):
            if text[start:end]:
                yield start, end
            return
        closing = _CLOSING.match(text, slices[i + 1][0], slices[i + 1][1])
        if closing:
            yield start, slices[i + 1][0] + len(closing.group().rstrip())
            moved = closing.end() - slices[i + 1][0]
        else:
            moved = 0
            if text[start:end]:
                yield start, end
