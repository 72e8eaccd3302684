"""What the generated reference says of functions, calls and types: the catalog documents everything else."""

from __future__ import annotations

FUNCTIONS: dict[str, str] = {
    "len": "Characters of a text, or items of a list.",
    "lower": "The text in lower case, character by character.",
    "upper": "The text in upper case, character by character.",
    "trim": "The text without ASCII white space at its ends.",
    "contains": "Does the text contain `part`, or the list an item equal to it?",
    "starts_with": "Does the text begin with `start`?",
    "ends_with": "Does the text end with `end`?",
    "replace": "The text with every `old` replaced; an empty `old` changes nothing.",
    "matches": "Does the regular expression match anywhere in the text?",
    "extract": "The first match: the group given, else group 1 where there is one, else the whole match. "
    "Null without a match.",
    "extract_all": "All matches, as a list; the group is chosen as in `extract`.",
    "split": "The parts between the separators. The separator is the same for every row: a quoted text or a "
    "constant. An empty one splits into characters.",
    "split_at": "The parts between the matches of a regular expression, as a list, with what is ahead of the first and "
    "behind the last. One that also matches where nothing is, such as `x*`, is refused.",
    "lines": "The lines, as a list, without their ends: `\\n`, `\\r\\n` or `\\r`. An end behind the last line begins no "
    "further one.",
    "slice": "The characters or items from index `from` up to, not including, index `to` (the end without it): 0 is the "
    "first, -1 the last. Bounds beyond the ends are cut off.",
    "merge": "One list with the items of all, in order, repeated ones too.",
    "append": "The conversation with one more message, of role `system`, `user`, `assistant` or `tool`. `[]` is one "
    "without messages.",
    "words": "Number of words, in any script: what stands between white space and has a letter or a digit; in scripts "
    "without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) every character.",
    "capitalize": "The text with its first character in upper case and the rest as it is, unlike Python's `capitalize`.",
    "only_stop_words": "Is nothing left without stop words, signs and white space? Stop words are those of English and "
    "Chinese; an empty text has nothing left.",
    "bucket": "A number from 0 to `n` - 1 that follows from the value alone, equally often each: rows of one user, "
    'document or day stay together. A number goes by its text, so that 7 and `"7"` fall into one.',
    "join": "The items with the separator between them, nulls left out. The separator is the same for every row.",
    "word_count": "Number of runs of characters between ASCII white space; see `words`.",
    "int": "A whole number: of a text its digits, of a float the part before the point, of false and true 0 and 1. "
    "Null where there is none.",
    "float": "A float: of a text the decimal number that it is, else null.",
    "text": "The value as text.",
    "round": "The nearest number with that many digits after the point (0 without `digits`), halves away from zero.",
    "abs": "The number without its sign.",
    "min": "The smaller of the two.",
    "max": "The larger of the two.",
    "if": "`a` where the condition is true, `b` where it is false or null.",
    "coalesce": "The first that is not null.",
    "concat": "The texts one after another.",
    "item": "The item at an index: 0 is the first, -1 the last. Null beyond the ends.",
    "field": "A field of a struct whose name cannot be written as `column.field`.",
    "is_null": "Is it null?",
}
"""Row-expression function -> what it gives. The functions themselves are in
mixwright_compiler/expressions/functions.py."""

CALLS: dict[str, dict[str, str]] = {
    "parse": {
        'after("x")': "the text after the first `x`",
        'before("x")': "the text before the first `x`",
        'between("a", "b")': "the text between the first `a` and the next `b`",
        'regex("…")': "the first match: its group 1 where it has groups, else all of it",
        "json()": "the whole answer as JSON, which may stand in one code fence",
        'json("field")': "one field of that JSON object; `a.b` reaches into nested objects",
        "last_line()": "the last line that is not empty",
    },
    "on_fail": {
        "drop": "the row is dropped, its reason recorded",
        "keep": "the row goes on; a verifier's verdict is recorded with it",
        "retry(n)": "the model is asked again, up to `n` times, each time with another seed; then the row is dropped",
    },
    "on_verdict": {
        "drop": "the row is dropped, its reason recorded",
        "keep": "the row goes on, its verdict recorded with it",
        "retry(n)": "the model is asked the same again, up to `n` times, each time with another seed",
        "repair(template, n)": "the model is asked with another template, up to `n` times (once without `n`). The "
        "template sees the row's columns and `verdict`: `verdict.reason` (`math: wrong`), `verdict.outcome` (`measured` "
        "or `unmeasurable`), `verdict.score` (null when unmeasurable), `verdict.evidence` (see the verifier), "
        "`verdict.response` (the text that failed) and `verdict.round` (1, 2 …). Its answer is parsed as the first one "
        "was, takes its place, and is verified again",
    },
    "shortfall": {
        "error": "the run ends with status 1",
        "warn": "the run goes on, and card and report say what is missing",
        "fill(component)": "that component gives what the others lack",
    },
}
"""Set of calls -> call -> what it does. Their arguments are checked by mixwright_compiler/bind/attribute_calls.py."""

DRAWN: dict[str, dict[str, str]] = {
    "constraints": {
        "constraints(ifeval, …)": "verifiable constraints out of families (`ifeval`, `ifbench`, `training`) and ids in "
        'quotes, `"punctuation:no_comma"`; named arguments: `without = ["id"]`, `language = zh`, `words = ["…"]` for '
        "keywords, `least = 1` for from 1 to `count` a row",
    },
}
"""As `CALLS`, for the call that `draw` takes; its arguments are checked by mixwright_compiler/bind/drawn.py."""

CALL_NOTES: dict[str, str] = {
    "parse": "What `generate` takes of an answer. Texts are stripped of white space at both ends. An answer that does "
    "not match, or of which nothing is left, is a failed attempt with the reason `parse`.",
    "on_fail": "What happens to a row whose answer cannot be used.",
    "on_verdict": "What happens to a row that does not pass a verifier. With `pick` or `agree`, when no candidate of the "
    "row passes: then all that fail are asked again.",
    "constraints": "What `draw` takes in place of a source: the kinds that `verify constraints` checks.",
    "shortfall": "What happens when a quota of a mixture cannot be met.",
}

TYPES: tuple[tuple[str, str], ...] = (
    ("text, int, float, bool", "a literal, or a constant: `let`, `param`, arithmetic"),
    ("count", "a whole number: `128`, `50k`, `4Ki`"),
    ("share", "a part of 1: `30%` or `0.3`"),
    ("duration, bytes, money", "`10s`, `2h`; `512MiB`, `80GB`; `$25`"),
    ("path", "a file or directory, relative to the spec and inside the project"),
    ("secret", '`env("NAME")` only'),
    ("text or secret", 'a text, or `env("NAME")`'),
    ("name", "a word, bare or quoted"),
    ("column", "the name of a column that the rows have here"),
    ("expression", "a row expression; after the colon what it must give"),
    ("name of a …", "a declaration: `rows` is a source, pipeline or mixture"),
    (
        "json",
        'any literal: texts, numbers, lists, objects, a `<<~JSON` heredoc, or `file("x.json")`, which is read into the '
        "plan",
    ),
)

CLASSES: tuple[tuple[str, str], ...] = (
    ("row", "what a row contains: rows are made again"),
    ("set", "which rows are wanted: what was made is used again"),
    ("meta", "nothing in the data"),
    ("run", "how it is executed, and no row"),
)

DIAGNOSTIC_GROUPS: dict[str, str] = {
    "0": "Reading the text",
    "1": "Names, attributes and values",
    "2": "Sources and models",
    "3": "Templates",
    "4": "Steps and columns",
    "5": "Verification",
    "6": "Mixtures and decontamination",
    "7": "Training",
    "8": "Reproducibility",
    "9": "Safety and surroundings",
}
"""First digit of a code -> what it is about."""
