"""How much: letters, words, sentences, paragraphs."""

from __future__ import annotations

import re
from collections import Counter

from mixwright_runtime.verifiers.constraints.matching import bare, trimmed
from mixwright_runtime.verifiers.constraints.registry import Found, compared, count, kind, relation, text
from mixwright_runtime.verifiers.constraints.rule_sentences import rule_sentences
from mixwright_runtime.verifiers.constraints.text import Text, tokens

_STARS = re.compile(r"\s?\*\*\*\s?")
_DIVIDER_LINE = re.compile(r"(?m)^[^\S\n]*\*[^\S\n]?\*[^\S\n]?\*[^\S\n]*$")


@kind(
    "length_constraints:number_words",
    "ifeval",
    en="Answer with {relation} {num_words} words.",
    zh="回答须{relation}{num_words}字。",
    arguments=(relation(), count("num_words", 100, 500)),
    claims=("the number of words",),
    measures=("num_words", "relation"),
)
def number_words(text: Text, relation: str, num_words: int) -> Found:
    """Words. Original: runs of letters, digits and `_`, so `don't` is two. Chinese: characters."""
    return compared(len(text.words), relation, num_words)


@kind(
    "count:word_count_range",
    "ifbench",
    en="Write between {min_words} and {max_words} words.",
    zh="回答的字数须在{min_words}到{max_words}之间。",
    arguments=(count("min_words", 100, 300), count("max_words", 320, 500)),
    claims=("the number of words",),
)
def word_count_range(text: Text, min_words: int, max_words: int) -> Found:
    """Words within a range, both ends included; counted as by `length_constraints:number_words`."""
    found = len(text.words)
    return Found(min_words <= found <= max_words, found)


@kind(
    "count:unique_word_count",
    "ifbench",
    en="Use at least {N} different words.",
    zh="至少使用{N}个不同的字词。",
    arguments=(count("N", 50, 200),),
    measures=("N",),
)
def unique_word_count(text: Text, N: int) -> Found:
    """Different words, case aside. Original: what stands between spaces, trimmed of ASCII's marks; a lone mark counts."""
    if text.is_original:
        found = len({trimmed(word) for word in text.lower.split()})
    else:
        found = len(set(text.lower_words))
    return Found(found >= N, found)


@kind(
    "count:count_unique",
    "training",
    en="Never use a word twice.",
    languages=("en", "unicode"),
    claims=("how often a word may be repeated",),
    forbids=("a word more than once",),
)
def count_unique(text: Text) -> Found:
    """No word twice. Original: marks count as words, so a second full stop breaks it, and case tells words apart."""
    words = text.tokens if text.is_original else text.lower_words
    repeated = [word for word, times in Counter(words).most_common(5) if times > 1]
    return Found(not repeated, {"repeated": repeated})


@kind(
    "count:lowercase_counting",
    "training",
    en="Use at most {N} words that are written in small letters alone.",
    arguments=(count("N", 2, 10),),
    languages=("en", "unicode"),
    claims=("the letter case",),
)
def lowercase_counting(text: Text, N: int) -> Found:
    """Words in small letters, at most N of them. Original: a to z only, `don't` is two."""
    if text.is_original:
        found = len(re.findall(r"\b[a-z]+\b", text.raw))
    else:
        found = sum(word.islower() for word in text.words)
    return Found(found <= N, found)


@kind(
    "letters:letter_counting",
    "training",
    en="Answer with {relation} {N} letters in all.",
    zh="回答中的字符（不计标点和空格）须{relation}{N}个。",
    arguments=(relation(), count("N", 100, 800)),
    claims=("the number of letters",),
    measures=("N", "relation"),
)
def letter_counting(text: Text, relation: str, N: int) -> Found:
    """Letters. Original: a to z and A to Z; otherwise letters of any script."""
    if text.is_original:
        found = sum(c.isascii() and c.isalpha() for c in text.raw)
    else:
        found = sum(c.isalpha() for c in text.raw)
    return compared(found, relation, N)


@kind(
    "length_constraints:number_sentences",
    "ifeval",
    en="Your answer should have {relation} {num_sentences} sentences.",
    zh="回答须{relation}{num_sentences}句。",
    arguments=(count("num_sentences", 4, 20), relation()),
    claims=("the number of sentences",),
    measures=("num_sentences", "relation"),
)
def number_sentences(text: Text, num_sentences: int, relation: str) -> Found:
    """Sentences. Original: Punkt's, for which the number of a list's item (`1.`) is a sentence and `e.g.` ends one.
    Chinese: ends are 。！？…, and a line ends its last sentence."""
    return compared(len(text.sentences), relation, num_sentences)


@kind(
    "length_constraints:number_paragraphs",
    "ifeval",
    en="Write {num_paragraphs} paragraphs and separate them with the Markdown divider ***.",
    zh="回答须有{num_paragraphs}段，段与段之间用 Markdown 分隔线 *** 隔开。",
    arguments=(count("num_paragraphs", 1, 5, least=1),),
    claims=("dividers",),
    needs=("asterisks", "several lines"),
    measures=("num_paragraphs",),
)
def number_paragraphs(text: Text, num_paragraphs: int) -> Found:
    """Parts between dividers. Original: any `***` divides, that of `***bold***` too; otherwise a line of its
    own. An empty part between two dividers breaks it."""
    found = _parts(text)
    return Found(found == num_paragraphs, found)


@kind(
    "paragraphs:paragraphs",
    "training",
    en="Write 2 paragraphs with the Markdown divider *** between them.",
    zh="写两段，中间用 Markdown 分隔线 *** 隔开。",
    claims=("dividers",),
    needs=("asterisks", "several lines"),
)
def paragraphs(text: Text) -> Found:
    """As `length_constraints:number_paragraphs` with 2."""
    found = _parts(text)
    return Found(found == 2, found)


def _parts(text: Text) -> int | str:
    divider = _STARS if text.is_original else _DIVIDER_LINE
    parts = divider.split(text.raw)
    if any(not part.strip() for part in parts[1:-1]):
        return "an empty paragraph"
    ends = {0, len(parts) - 1}
    return len(parts) - sum(not parts[i].strip() for i in ends)


@kind(
    "paragraphs:paragraphs2",
    "training",
    en="Write 2 paragraphs with a blank line between them, and no other blank line.",
    zh="写两段，段与段之间空一行，其他地方不得有空行。",
    claims=("blank lines",),
    needs=("several lines",),
)
def paragraphs2(text: Text) -> Found:
    """Two blocks between blank lines. Original: split at two line feeds; an empty block inside breaks it."""
    if not text.is_original:
        return Found(len(text.paragraphs) == 2, len(text.paragraphs))
    blocks = text.raw.split("\n\n")
    if any(not block.strip() for block in blocks[1:-1]):
        return Found(False, "an empty paragraph")
    found = len(blocks) - sum(not blocks[i].strip() for i in {0, len(blocks) - 1})
    return Found(found == 2, found)


@kind(
    "length_constraints:nth_paragraph_first_word",
    "ifeval",
    en=(
        "Write {num_paragraphs} paragraphs with a blank line between them, and no other blank line. Paragraph "
        "{nth_paragraph} must begin with the word {first_word}."
    ),
    zh="回答须有{num_paragraphs}段，段与段之间空一行，其他地方不得有空行。第{nth_paragraph}段必须以“{first_word}”开头。",
    arguments=(
        count("num_paragraphs", 2, 5, least=1),
        count("nth_paragraph", 1, 2, least=1),
        text("first_word"),
    ),
    claims=("blank lines",),
    needs=("several lines", "free choice of words"),
)
def nth_paragraph_first_word(text: Text, num_paragraphs: int, nth_paragraph: int, first_word: str) -> Found:
    """Paragraphs between blank lines, and the first word of one of them. Original: after an empty block
    (three blank lines) another paragraph than the n-th is looked at, and only quotes before the word are
    taken off."""
    if text.is_original:
        return _first_word_of_original(text, int(num_paragraphs), int(nth_paragraph), first_word.lower())
    blocks = text.paragraphs
    if nth_paragraph > len(blocks):
        return Found(False, {"paragraphs": len(blocks)})
    block = blocks[int(nth_paragraph) - 1]
    if text.rules.language == "en":
        found = bare(block.split()[0]).lower()
        begins = found == first_word.lower()
    else:
        found = block.lstrip('*_#>"“「『 ')[: len(first_word)].lower()
        begins = found == first_word.lower()
    return Found(begins and len(blocks) == num_paragraphs, {"paragraphs": len(blocks), "first_word": found})


def _first_word_of_original(text: Text, wanted: int, nth: int, first_word: str) -> Found:
    blocks = text.raw.split("\n\n")
    number = sum(bool(block.strip()) for block in blocks)
    if nth > number or not blocks[nth - 1].strip():
        return Found(False, {"paragraphs": number})
    word = blocks[nth - 1].split()[0].lstrip("'").lstrip('"')
    found = "".join(c.lower() for c in re.split(r"[.,?!'\"]", word, maxsplit=1)[0])
    return Found(number == wanted and found == first_word, {"paragraphs": number, "first_word": found})


@kind(
    "count:counting_composition",
    "training",
    en=(
        "Write 3 paragraphs with the Markdown divider *** between them, each of exactly {n_sent} "
        "sentences, each sentence "
        "of exactly {n_words} words."
    ),
    zh="写三段，用 Markdown 分隔线 *** 隔开；每段恰好{n_sent}句，每句恰好{n_words}字。",
    arguments=(count("n_sent", 2, 3, least=1), count("n_words", 4, 8, least=1)),
    claims=("dividers", "the number of sentences", "the number of words", "how sentences are built"),
    needs=("asterisks", "several lines"),
)
def counting_composition(text: Text, n_sent: int, n_words: int) -> Found:
    """Paragraphs, sentences in each, words in each. Original: marks count as words, so `It is so.` has four,
    and a divider at either end breaks it."""
    parts = (_STARS if text.is_original else _DIVIDER_LINE).split(text.raw)
    if not text.is_original:
        for end in (-1, 0):
            if parts and not parts[end].strip():
                parts.pop(end)
    found = [_words_of_sentences(text, part) for part in parts]
    is_right = [len(part) == n_sent and all(n == n_words for n in part) for part in found]
    return Found(len(found) == 3 and all(is_right), found[:5])


def _words_of_sentences(text: Text, part: str) -> list[int]:
    if text.is_original:
        return [len(tokens(sentence, text.rules.uses_nltk)) for sentence in rule_sentences(part)]
    inner = text.with_raw(part)
    return [len(inner.with_raw(sentence).words) for sentence in inner.sentences]
