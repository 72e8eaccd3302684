"""Punctuation, quotation marks and brackets."""

from __future__ import annotations

import re
import string

from mixwright_runtime.verifiers.constraints.registry import Found, kind
from mixwright_runtime.verifiers.constraints.rule_sentences import rule_sentences
from mixwright_runtime.verifiers.constraints.scripts import COMMAS
from mixwright_runtime.verifiers.constraints.text import Text

_PAIRS = {")": "(", "]": "[", "}": "{"}
_WIDE_PAIRS = {**_PAIRS, "）": "（", "］": "［", "｝": "｛", "】": "【", "》": "《", "」": "「", "』": "『"}


@kind(
    "punctuation:no_comma",
    "ifeval",
    en="Do not use any commas.",
    zh="回答中不得使用任何逗号或顿号。",
    claims=("commas",),
    forbids=("commas",),
)
def no_comma(text: Text) -> Found:
    """No comma. Original: the ASCII comma; otherwise commas of every script, in Chinese 、 too."""
    found = text.raw.count(",") if text.is_original else sum(map(text.raw.count, COMMAS))
    return Found(found == 0, found)


@kind(
    "punctuation:punctuation_dot",
    "training",
    en="Do not use any dots, neither as punctuation nor otherwise.",
    zh="回答中不得使用任何句点（. 或 。）。",
    forbids=("full stops",),
)
def punctuation_dot(text: Text) -> Found:
    """No dot. Original: the ASCII one; otherwise 。 and … too."""
    found = text.raw.count(".") if text.is_original else sum(map(text.raw.count, ".。．｡…"))
    return Found(found == 0, found)


@kind(
    "punctuation:punctuation_exclamation",
    "training",
    en="Do not use any exclamation marks.",
    zh="回答中不得使用任何感叹号。",
    forbids=("exclamation marks",),
)
def punctuation_exclamation(text: Text) -> Found:
    """No exclamation mark. Original: the ASCII one."""
    found = text.raw.count("!") if text.is_original else sum(map(text.raw.count, "!！‼⁈⁉"))
    return Found(found == 0, found)


@kind(
    "count:punctuation",
    "ifbench",
    en="Use each of these marks at least once: . , ! ? ; : and the interrobang ?!",
    zh="以下每种标点至少使用一次：。，！？；：以及 ?!。",
    needs=("commas", "full stops", "exclamation marks"),
)
def punctuation(text: Text) -> Found:
    """Six marks and `?!`, `!?` or `‽`, whose own marks do not count for the six. In Chinese the wide forms
    count as well."""
    raw = text.raw
    if not text.is_original:
        raw = raw.translate(str.maketrans("。，！？；：", ".,!?;:"))
    if not ("!?" in raw or "?!" in raw or "‽" in raw):
        return Found(False, {"missing": ["?!"]})
    rest = raw.replace("?!", "", 1)
    if len(rest) == len(raw):
        rest = raw.replace("!?", "", 1)
    missing = [mark for mark in ".,!?;:" if mark not in rest]
    return Found(not missing, {"missing": missing})


@kind(
    "startend:quotation",
    "ifeval",
    en="Put your whole answer in double quotation marks.",
    zh="整个回答须用双引号括起。",
    claims=("the first words", "the last words"),
)
def quotation(text: Text) -> Found:
    """In quotation marks. Original: `"`, and `""` alone is enough. Otherwise “…”, „…“, «…» and 「…」 count as well."""
    body = text.stripped
    if text.is_original:
        return Found(len(body) > 1 and body[0] == '"' and body[-1] == '"')
    pairs = {'""', "“”", "„“", "„”", "«»", "»«", "「」", "『』", "＂＂"}
    return Found(len(body) > 2 and body[0] + body[-1] in pairs and any(c.isalnum() for c in body))


@kind(
    "format:parentheses",
    "ifbench",
    en="Nest brackets of the kinds ( ), [ ] and { } at least 5 levels deep.",
    zh="使用 ( )、[ ]、{ } 至少嵌套 5 层。",
)
def parentheses(text: Text) -> Found:
    """Depth of brackets that close rightly. Original: one bracket that closes after five opened is enough."""
    pairs = _PAIRS if text.is_original else _WIDE_PAIRS
    openings = set(pairs.values())
    opened: list[str] = []
    inner: list[int] = []
    deepest = 0
    for character in text.raw:
        if character in openings:
            opened.append(character)
            inner.append(0)
            if text.is_original:
                deepest = max(deepest, len(opened))
        elif character in pairs:
            if not opened or opened[-1] != pairs[character]:
                opened, inner, deepest = [], [], 0 if text.is_original else deepest
                continue
            opened.pop()
            depth = inner.pop() + 1
            if text.is_original:
                if deepest >= 5:
                    return Found(True, deepest)
            else:
                deepest = max(deepest, depth)
                if inner:
                    inner[-1] = max(inner[-1], depth)
    return Found(not text.is_original and deepest >= 5, deepest)


@kind(
    "format:quotes",
    "ifbench",
    en="Put quotes within quotes within quotes, at least 3 levels deep, with double and single quotation marks in turn.",
    zh="使用引号嵌套引号，至少 3 层，双引号与单引号交替。",
)
def quotes(text: Text) -> Found:
    """Depth of quotes in turn. Original: an apostrophe opens a quote. Otherwise an apostrophe inside a word
    is none, and curly quotes count."""
    raw = text.raw
    if not text.is_original:
        raw = re.sub(r"(?<=\w)['’](?=\w)", "", raw).translate(str.maketrans("“”„‘’", '"""\'\''))
    opened: list[str] = []
    reached = 0
    for character in raw:
        if opened and character == opened[-1]:
            opened.pop()
            if reached - len(opened) >= 3:
                return Found(True, reached)
        elif character in "\"'":
            opened.append(character)
            reached = max(reached, len(opened))
    return Found(False, reached)


@kind(
    "format:quote_unquote",
    "ifbench",
    en="Explain every quoted phrase right after it, outside the quotation marks.",
    zh="每个引用的短语之后都要有不加引号的解释。",
)
def quote_unquote(text: Text) -> Found:
    """No quote directly after another, none at the end. Original: a text without quotes follows it, and only
    `"` is a quote. Otherwise at least one quote is needed, and curly quotes count."""
    if text.is_original:
        body = "".join(text.raw.replace("'\"'", "").split())
        if '""' in body:
            return Found(False, "two quotes in a row")
        rest = body.strip(string.digits + string.punctuation.replace('"', ""))
        return Found(not rest.endswith('"'))
    parts = re.split(r"\"([^\"]*)\"", re.sub("[“”„«»「」]", '"', text.raw))
    explanations = parts[2::2]
    return Found(bool(explanations) and all(any(c.isalnum() for c in part) for part in explanations))


@kind(
    "detectable_format:square_brackets",
    "training",
    en="Put every word in square brackets.",
    languages=("en", "unicode"),
    claims=("what stands around each word",),
    needs=("square brackets",),
)
def square_brackets(text: Text) -> Found:
    """Every piece between spaces in brackets. Otherwise each is one word: `[two words]` is two pieces either way."""
    wrong = [word for word in text.split if not (word.startswith("[") and word.endswith("]"))]
    if not text.is_original:
        wrong = [word for word in text.split if not re.fullmatch(r"\[[^\[\]]+\][.,!?;:]?", word)]
    return Found(not wrong, {"without": wrong[:5]})


@kind(
    "detectable_format:bigram_wrapping",
    "training",
    en="Put every two words in double angle brackets, like this: <<I am>> <<at home>> <<with my>> <<cute dog>>.",
    languages=("en", "unicode"),
    claims=("what stands around each word",),
    needs=("angle brackets", "spaces"),
)
def bigram_wrapping(text: Text) -> Found:
    """Every two words in `<<…>>`. Original: an odd last word need not be, and a response of one word follows."""
    words = text.split
    for i in range(0, len(words) - 1, 2):
        if not (words[i].startswith("<<") and words[i + 1].endswith(">>")):
            return Found(False, f"{words[i]} {words[i + 1]}"[:100])
    return Found(text.is_original or (len(words) > 1 and len(words) % 2 == 0))


@kind(
    "detectable_format:sentence_hyphens",
    "training",
    en="Join all sentences with hyphens, without spaces between them.",
    languages=("en", "unicode"),
    claims=("how sentences are joined",),
)
def sentence_hyphens(text: Text) -> Found:
    """Sentences joined as in `One.-Two.` Original: compares what stands between hyphens with the sentences that its
    rules find, pair by pair, as far as both go."""
    if text.is_original:
        wanted = rule_sentences(text.raw.replace("-", " "))
        for piece, sentence in zip(text.raw.split("-"), wanted, strict=False):
            if piece.strip() != piece or piece != sentence:
                return Found(False, piece[:100])
        return Found(True)
    loose = re.search(r"[.!?][\"')\]]*\s+\S", text.raw)
    joined = re.search(r"[.!?][\"')\]]*-\S", text.raw)
    return Found(joined is not None and loose is None, loose.group() if loose else None)
