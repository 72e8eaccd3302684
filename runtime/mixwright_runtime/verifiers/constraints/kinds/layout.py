"""Lists, sections, highlights, titles, quotes, JSON: how the response is laid out."""

from __future__ import annotations

import itertools
import json
import re

from mixwright_runtime.verifiers.constraints.matching import pattern, without_punctuation
from mixwright_runtime.verifiers.constraints.registry import Found, count, kind, text
from mixwright_runtime.verifiers.constraints.scripts import is_emoji
from mixwright_runtime.verifiers.constraints.text import Text

_PLACEHOLDER = re.compile(r"\[([^\[\]\n]+)\](?!\()|【([^【】\n]+)】")
_BULLET = re.compile(r"[^\S\n]*[*+•·\-][^\S\n]+\S")
_HIGHLIGHT = re.compile(r"\*\*[^\s*][^\n*]*\*\*|(?<![*\w])\*[^\s*][^\n*]*\*(?!\*)")
_FENCE = re.compile(r"(?:```|~~~)[^\n`]*\n(.*?)\n?(?:```|~~~)\Z", re.DOTALL)
_CHINESE_NUMBER = "0-9一二三四五六七八九十"


@kind(
    "detectable_content:number_placeholders",
    "ifeval",
    en="Include at least {num_placeholders} placeholders in square brackets, such as [address].",
    zh="至少包含{num_placeholders}个用方括号表示的占位符，例如[地址]。",
    arguments=(count("num_placeholders", 1, 4),),
    needs=("square brackets", "free choice of words"),
    measures=("num_placeholders",),
)
def number_placeholders(text: Text, num_placeholders: int) -> Found:
    """Texts in square brackets. Original: `[]`, `[ ]` and Markdown's `[link](…)` count too."""
    if text.is_original:
        found = sum(_bracketed(line) for line in text.lines)
    else:
        inner = (m.group(1) or m.group(2) for m in _PLACEHOLDER.finditer(text.raw))
        found = sum(1 for name in inner if name.strip() and name.strip() not in ("x", "X"))
    return Found(found >= num_placeholders, found)


def _bracketed(line: str) -> int:
    """How many times `[`, anything, `]` follow each other in a line."""
    found = at = 0
    while (at := line.find("[", at)) >= 0 and (at := line.find("]", at)) >= 0:
        found += 1
    return found


@kind(
    "detectable_content:postscript",
    "ifeval",
    en="End your answer with a postscript that starts with {postscript_marker}",
    zh="在回答末尾加上以“{postscript_marker}”开头的附言。",
    arguments=(text("postscript_marker", ("P.S.", "P.P.S")),),
    needs=("free choice of words", "full stops"),
    patterns=("postscript_marker",),
)
def postscript(text: Text, postscript_marker: str) -> Found:
    """A postscript. Original: the marker anywhere, inside a word too. Otherwise it begins a line, and
    something follows it."""
    marker = postscript_marker.strip()
    if text.is_original:
        wanted = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}.get(marker, marker.lower())
        return Found(pattern(wanted, ignores_case=False).search(text.lower) is not None)
    folded = marker.casefold()
    for line in text.lines:
        body = line.lstrip("*_# \t").casefold().replace("p. s.", "p.s.").replace("p. p. s", "p.p.s")
        if body.startswith(folded) and any(c.isalnum() for c in body[len(folded) :]):
            return Found(True, line[:200])
    return Found(False)


@kind(
    "detectable_format:number_bullet_lists",
    "ifeval",
    en=(
        "Your answer must have exactly {num_bullets} bullet points, written in Markdown like "
        "this:\n* First point\n* Second point"
    ),
    zh="回答须恰好包含{num_bullets}个要点，用 Markdown 列表表示，例如：\n* 第一点\n* 第二点",
    arguments=(count("num_bullets", 1, 5),),
    claims=("bullet points",),
    needs=("asterisks", "several lines", "spaces"),
    measures=("num_bullets",),
)
def number_bullet_lists(text: Text, num_bullets: int) -> Found:
    """Lines that are bullet points. Original: any line that begins with `-` is one (`---`, `-5 °C`), as is a line that
    begins with one `*` (`*emphasis*`). Otherwise a space must follow the bullet, and `+` and `•` are bullets too."""
    found = (
        _bullets_of_original(text.lines)
        if text.is_original
        else sum(map(bool, map(_BULLET.match, text.lines)))
    )
    return Found(found == num_bullets, found)


def _bullets_of_original(lines: list[str]) -> int:
    found, skips = 0, False
    for i, line in enumerate(lines):
        body = line.lstrip()
        found += body.startswith("-")
        if skips:
            # A `*` that ends its line takes the next line into its match.
            skips = False
        elif body == "*":
            if i + 1 < len(lines):
                found, skips = found + 1, True
        elif body.startswith("*") and body[1] != "*":
            found += 1
    return found


@kind(
    "detectable_format:number_highlighted_sections",
    "ifeval",
    en="Highlight at least {num_highlights} parts of your answer with Markdown, like *this part*.",
    zh="至少用 Markdown 突出显示{num_highlights}处内容，例如 *突出显示的内容*。",
    arguments=(count("num_highlights", 1, 4),),
    needs=("asterisks",),
    measures=("num_highlights",),
)
def number_highlighted_sections(text: Text, num_highlights: int) -> Found:
    """Texts between asterisks. Original: what stands between the asterisks of two bullet points on one line counts."""
    if text.is_original:
        single = re.findall(r"\*[^\n*]*\*", text.raw)
        double = re.findall(r"\*\*[^\n*]*\*\*", text.raw)
        found = sum(bool(part.strip("*").strip()) for part in single)
        found += sum(bool(part.removeprefix("**").removesuffix("**").strip()) for part in double)
    else:
        found = len(_HIGHLIGHT.findall(text.raw))
    return Found(found >= num_highlights, found)


@kind(
    "detectable_format:multiple_sections",
    "ifeval",
    en=(
        "Divide your answer into {num_sections} sections. Begin each with {section_spliter} and its "
        "number, like this:\n"
        "{section_spliter} 1\n[text of section 1]\n{section_spliter} 2\n[text of section 2]"
    ),
    zh=(
        "回答须分为{num_sections}节，每节以“{section_spliter} 编号”开头，例如：\n"
        "{section_spliter} 1\n[内容]\n{section_spliter} 2\n[内容]"
    ),
    arguments=(text("section_spliter", ("Section", "SECTION", "Part")), count("num_sections", 1, 5, least=1)),
    claims=("sections",),
    needs=("free choice of words", "capital letters", "small letters", "digits"),
    patterns=("section_spliter",),
)
def multiple_sections(text: Text, section_spliter: str, num_sections: int) -> Found:
    """Numbered sections. Original: at least so many, the word and a number anywhere (`as Section 2 says`),
    and the word is a regular expression. Otherwise exactly so many, each beginning a line; in Chinese `第二节`
    is a section of `节`."""
    word = section_spliter.strip()
    if text.is_original:
        found = len(pattern(rf"\s?{word}\s?\d+\s?", ignores_case=False).split(text.raw)) - 1
        return Found(found >= num_sections, found)
    body = re.escape(word)
    heading = rf"(?m)^[^\S\n]*[#*_>\[【]*[^\S\n]*(?:{body}\s?[{_CHINESE_NUMBER}]+|第\s?[{_CHINESE_NUMBER}]+\s?{body})"
    found = len(pattern(heading, ignores_case=False).findall(text.raw))
    return Found(found == num_sections, found)


@kind(
    "detectable_format:constrained_response",
    "ifeval",
    en='Answer with one of these: "My answer is yes.", "My answer is no.", "My answer is maybe."',
    languages=("en",),
    alone=True,
)
def constrained_response(text: Text) -> Found:
    """One of three answers. Original: anywhere in the response. Otherwise it is the response."""
    options = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
    if text.is_original:
        return Found(any(option in text.stripped for option in options))
    found = text.stripped.strip("*\"' ")
    return Found(found in options, found[:100])


@kind(
    "detectable_format:json_format",
    "ifeval",
    en="Give your whole answer as JSON. A Markdown code fence around it is fine.",
    zh="整个回答须为 JSON 格式，可以放在 Markdown 代码块中。",
    alone=True,
    beside=(
        "keywords:existence",
        "keywords:frequency",
        "keywords:forbidden_words",
        "keywords:letter_frequency",
        "letters:letter_counting2",
        "keywords:exclude_word_harder",
        "length_constraints:number_words",
        "count:word_count_range",
        "count:unique_word_count",
        "detectable_content:number_placeholders",
        "language:response_language",
    ),
)
def json_format(text: Text) -> Found:
    """JSON. Original: fences named other than `json` break it, and `NaN` is accepted."""
    value = text.stripped
    if text.is_original:
        for fence in ("```json", "```Json", "```JSON", "```"):
            value = value.removeprefix(fence)
        value = value.removesuffix("```").strip()
    elif fenced := _FENCE.match(value):
        value = fenced.group(1)
    try:
        json.loads(value, parse_constant=None if text.is_original else _no_constant)
    except (ValueError, RecursionError) as error:
        return Found(False, str(error)[:200])
    return Found(True)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


@kind(
    "detectable_format:title",
    "ifeval",
    en="Give your answer a title in double angle brackets, such as <<the joy of rain>>.",
    zh="回答须有标题，用双尖括号括起，例如 <<雨的快乐>>。",
    needs=("angle brackets", "free choice of words"),
)
def title(text: Text) -> Found:
    """A text in double angle brackets on one line; in Chinese also in 《》."""
    for line in text.lines:
        start, end = line.find("<<"), line.rfind(">>")
        if 0 <= start < end - 2 and line[start : end + 2].lstrip("<").rstrip(">").strip():
            return Found(True, line[start : end + 2][:200])
        if not text.is_original and text.rules.language != "en" and re.search(r"《[^《》\s][^《》]*》", line):
            return Found(True, line[:200])
    return Found(False)


@kind(
    "combination:two_responses",
    "ifeval",
    en="Give two different answers, and separate them, and nothing else, with six asterisks: ******.",
    zh="给出两个不同的回答，中间只用六个星号 ****** 隔开。",
    alone=True,
    beside=(
        "keywords:existence",
        "keywords:forbidden_words",
        "keywords:exclude_word_harder",
        "keywords:letter_frequency",
        "letters:letter_counting2",
        "language:response_language",
        "detectable_format:title",
        "punctuation:no_comma",
        "punctuation:punctuation_dot",
        "punctuation:punctuation_exclamation",
        "length_constraints:number_words",
        "count:word_count_range",
        "count:unique_word_count",
        "change_case:english_capital",
        "change_case:english_lowercase",
        "detectable_content:number_placeholders",
    ),
)
def two_responses(text: Text) -> Found:
    """Two different texts around `******`. Original: a run of more asterisks counts as one or more separators."""
    parts = text.raw.split("******") if text.is_original else re.split(r"(?<!\*)\*{6}(?!\*)", text.raw)
    if any(not part.strip() for part in parts[1:-1]):
        return Found(False, "an empty response")
    answers = [part.strip() for part in parts if part.strip()]
    return Found(len(answers) == 2 and answers[0] != answers[1], len(answers))


@kind(
    "format:list",
    "ifbench",
    en="Answer with a list of items, each marked by {sep} in place of a bullet point.",
    zh="用列表回答，以 {sep} 代替项目符号。",
    arguments=(text("sep", ("...", "SEPARATOR", "!?!?", "-")),),
    needs=("free choice of words", "several lines"),
)
def list_format(text: Text, sep: str) -> Found:
    """At least two items. Original: the mark anywhere. Otherwise it begins a line."""
    if text.is_original:
        found = text.raw.count(sep)
    else:
        found = sum(line.lstrip().startswith(sep) for line in text.lines)
    return Found(found >= 2, found)


@kind(
    "format:sub-bullets",
    "ifbench",
    en="Use bullet points written with *, and under each at least one sub-point written with -.",
    zh="使用以 * 表示的要点，每个要点下至少有一个以 - 表示的子要点。",
    claims=("bullet points",),
    needs=("asterisks", "several lines"),
)
def sub_bullets(text: Text) -> Found:
    """Points with sub-points. Original: every `*` must be followed by a `-` before the next, and no `*` at
    all follows."""
    if text.is_original:
        return Found(all("-" in part for part in text.raw.split("*")[1:]))
    counts: list[int] = []
    for line in text.lines:
        body = line.lstrip()
        if re.match(r"\*\s+\S", body):
            counts.append(0)
        elif counts and re.match(r"-\s+\S", body):
            counts[-1] += 1
    return Found(bool(counts) and all(counts), counts[:50])


@kind(
    "format:no_bullets_bullets",
    "ifbench",
    en=(
        "Write at least two sentences that end with a period, then at least two bullet points "
        "written with *, and nothing more."
    ),
    zh="先写至少两个以句号结尾的句子，再写至少两个以 * 表示的要点，此后不再写其他内容。",
    claims=("bullet points", "the last words"),
    needs=("asterisks", "several lines", "full stops"),
)
def no_bullets_bullets(text: Text) -> Found:
    """Sentences, then bullet points. Original: a line that ends the list, an empty one too, breaks it."""
    sentences = bullets = 0
    has_text = True
    for line in text.lines:
        body = line.strip()
        if not text.is_original and not body:
            continue
        if body.startswith("*") if text.is_original else re.match(r"\*\s+\S", body):
            has_text = False
            if sentences < 2:
                return Found(False, {"sentences": sentences})
            bullets += 1
        elif has_text:
            inner = text.with_raw(body).sentences
            if text.is_original:
                sentences += len(inner)
                # An empty line counts as no more text: the original keeps the list of sentences as its flag.
                has_text = bool(inner)
            else:
                sentences += sum(s.rstrip("\"')*”").endswith((".", "。")) for s in inner)
        else:
            return Found(False, {"after the list": body[:100]})
    return Found(bullets >= 2, {"sentences": sentences, "bullets": bullets})


@kind(
    "format:thesis",
    "ifbench",
    en="Begin each section with a thesis statement in italics, written as HTML.",
    zh="每节以用 HTML 斜体写的论点句开头。",
    needs=("angle brackets", "spaces"),
)
def thesis(text: Text) -> Found:
    """HTML italics, and text after them. Original: one such place is enough, and only `<i>`'s length is taken off."""
    if not text.is_original:
        found = re.search(r"<(i|em)>([^<]*)</\1>(.*)", text.raw, re.DOTALL)
        return Found(bool(found and found.group(2).strip() and found.group(3).strip()))
    start = text.raw.find("<i>")
    start = text.raw.find("<em>") if start < 0 else start
    if start < 0:
        return Found(False, "no italics")
    rest = text.raw[start:]
    end = rest.find("</i>")
    end = rest.find("</em>") if end < 0 else end
    return Found(end >= 0 and bool(rest[3:end].strip()) and bool(rest[end + 4 :].strip()))


@kind(
    "format:output_template",
    "ifbench",
    en="Follow this template exactly: My Answer: [answer] My Conclusion: [conclusion] Future Outlook: [outlook]",
    languages=("en",),
    claims=("the first words",),
    needs=("free choice of words", "capital letters", "small letters", "spaces"),
)
def output_template(text: Text) -> Found:
    """Three labels. Original: in any order, anywhere. Otherwise in order, the first at the start, with text
    after each."""
    labels = ("My Answer:", "My Conclusion:", "Future Outlook:")
    if text.is_original:
        return Found(all(label in text.raw for label in labels))
    parts = re.split("|".join(map(re.escape, labels)), text.stripped.replace("**", ""))
    in_order = re.findall("|".join(map(re.escape, labels)), text.raw) == list(labels)
    return Found(in_order and not parts[0].strip() and all(p.strip() for p in parts[1:]))


@kind(
    "format:newline",
    "ifbench",
    en="Put every word on a line of its own.",
    languages=("en", "unicode"),
    claims=("how lines are laid out",),
    needs=("several lines",),
    forbids=("spaces",),
)
def newline(text: Text) -> Found:
    """As many lines as words; empty lines and ASCII's marks are not counted. Otherwise no line has two words."""
    if text.is_original:
        body = without_punctuation(text.raw).strip()
        lines = [line for line in body.split("\n") if line != ""]
        return Found(len(lines) == len(body.split()), {"lines": len(lines), "words": len(body.split())})
    longest = max((len(line.split()) for line in text.lines), default=0)
    return Found(longest == 1, {"words on a line": longest})


@kind(
    "format:line_indent",
    "ifbench",
    en="Indent every line further than the line before, like stairs.",
    zh="每一行都比上一行缩进得更多，形成阶梯。",
    claims=("how lines are laid out",),
    needs=("several lines", "spaces"),
)
def line_indent(text: Text) -> Found:
    """Spaces before each line, more than before the last. Original: of empty lines in a row some are counted, because it
    removes from the list it walks over. Otherwise there are at least two lines."""
    lines = list(text.lines)
    if text.is_original:
        for line in lines:
            if not line.strip():
                lines.remove(line)
    else:
        lines = [line for line in lines if line.strip()]
    indents = [len(line) - len(line.lstrip(" ")) for line in lines]
    grows = all(b > a for a, b in itertools.pairwise(indents))
    return Found(grows and (text.is_original or len(lines) > 1), indents[:50])


@kind(
    "format:no_whitespace",
    "ifbench",
    en="Use no white space at all.",
    zh="回答中不得有任何空白字符。",
    claims=("how lines are laid out",),
    forbids=("spaces", "several lines"),
)
def no_whitespace(text: Text) -> Found:
    """No white space, that of line ends included."""
    return Found(not any(c.isspace() for c in text.raw))


@kind(
    "format:emoji",
    "ifbench",
    en="End every sentence with an emoji.",
    zh="每句话都以一个表情符号结尾。",
    needs=("emoji",),
)
def emoji(text: Text) -> Found:
    """An emoji at the end of every sentence. Original: Punkt puts an emoji after the full stop into the next sentence, so
    one at that sentence's start counts as well."""
    if text.is_original:
        return _emoji_of_original(text)
    pieces = re.split(r"(?<=[.!?。！？])(?![.!?。！？])", text.raw)
    without = [p.strip() for p in pieces if any(c.isalnum() for c in p)]
    missing = []
    for i, piece in enumerate(pieces):
        following = pieces[i + 1] if i + 1 < len(pieces) else ""
        if any(c.isalnum() for c in piece) and not (_ends_in_emoji(piece) or _begins_with_emoji(following)):
            missing.append(piece.strip()[-80:])
    return Found(bool(without) and not missing, {"without": missing[:5]})


def _ends_in_emoji(piece: str) -> bool:
    body = piece.rstrip(" \t\n.!?。！？\"'”’*)\ufe0f\u200d")
    return bool(body) and (is_emoji(body[-1]) or "\U0001f3fb" <= body[-1] <= "\U0001f3ff")


def _begins_with_emoji(piece: str) -> bool:
    body = piece.lstrip(" \t\"'”’*)")
    return bool(body) and is_emoji(body[0])


def _emoji_of_original(text: Text) -> Found:
    sentences = [without_punctuation(sentence).strip() for sentence in text.sentences]
    for i, sentence in enumerate(sentences):
        if not sentence:
            return Found(False, {"sentence": i + 1})
        # The last character but one: a variation selector may follow the emoji.
        if not is_emoji(sentence[-1]) and not is_emoji(sentence[-2:][0]):
            following = sentences[i + 1] if i + 1 < len(sentences) else ""
            if not following or not is_emoji(following[0]):
                return Found(False, {"sentence": i + 1})
    return Found(True)
