"""The functions of row expressions: what they take, what they give, and their regular expressions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mixwright_compiler.findings import Findings
from mixwright_compiler.schema import UNTYPED, common_type, element_of, fields_of, is_assignable
from mixwright_compiler.suggest import listing, nearest
from mixwright_dsl.nodes import Attribute, Call
from mixwright_dsl.source import Span

OTHER_NAMES = {
    "abs": ("fabs",),
    "coalesce": ("ifnull", "nvl", "default", "isnull_or"),
    "contains": ("includes", "has", "in_list", "any"),
    "ends_with": ("endswith", "endsWith", "has_suffix"),
    "extract": ("regexp_extract", "search", "findone"),
    "extract_all": ("regexp_extract_all", "findall", "find_all"),
    "float": ("double", "number"),
    "if": ("ifelse", "iff", "iif", "cond", "case", "choose", "where"),
    "int": ("integer", "to_int", "parseInt"),
    "is_null": ("isnull", "isna", "is_none", "empty"),
    "item": ("nth", "get", "element", "at"),
    "join": ("string_agg", "implode"),
    "len": ("length", "size", "count", "char_length", "strlen"),
    "lower": ("lowercase", "tolower", "to_lower", "toLowerCase", "lcase"),
    "matches": ("match", "regex", "regexp", "regexp_matches", "rlike", "test"),
    "replace": ("sub", "gsub", "regexp_replace", "replaceAll"),
    "split": ("string_split", "explode"),
    "starts_with": ("startswith", "startsWith", "has_prefix"),
    "text": ("str", "string", "to_string", "toString", "varchar"),
    "trim": ("strip", "btrim"),
    "upper": ("uppercase", "toupper", "to_upper", "toUpperCase", "ucase"),
    "word_count": ("wordcount", "words", "count_words"),
}
"""Names that other languages have for these functions."""

_BY_OTHER_NAME = {other: name for name, others in OTHER_NAMES.items() for other in others}


def function_meant(name: str) -> str | None:
    """The function that a name is, is called elsewhere, or is nearest to."""
    if name in FUNCTIONS:
        return name
    return _BY_OTHER_NAME.get(name) or nearest(name, FUNCTIONS)


@dataclass(frozen=True)
class Typed:
    """One node of an expression: its SQL, its tree and its type (`null` for the literal)."""

    sql: str
    tree: Any
    type: str


@dataclass(frozen=True)
class Function:
    """`parameters`: name and type of each; `sized` is text or a list, `T` any one type. The last may repeat.

    `result`: a type, or `T` for the common type of the arguments of type `T`, or `item` and `field` (see check_call).
    """

    name: str
    parameters: tuple[tuple[str, str], ...]
    result: str
    required: int
    repeats: bool = False
    usage: str = ""


def _f(usage: str, result: str, *parameters: str, required: int = -1, repeats: bool = False) -> Function:
    pairs = tuple((p.partition(":")[0], p.partition(":")[2]) for p in parameters)
    return Function(
        usage.partition("(")[0],
        pairs,
        result,
        len(pairs) if required < 0 else required,
        repeats,
        usage,
    )


FUNCTIONS: dict[str, Function] = {
    f.name: f
    for f in (
        _f("len(text_or_list)", "int", "x:sized"),
        _f("lower(text)", "text", "x:text"),
        _f("upper(text)", "text", "x:text"),
        _f("trim(text)", "text", "x:text"),
        _f("contains(text, part)", "bool", "x:sized", "part:any"),
        _f("starts_with(text, start)", "bool", "x:text", "start:text"),
        _f("ends_with(text, end)", "bool", "x:text", "end:text"),
        _f("replace(text, old, new)", "text", "x:text", "old:text", "new:text"),
        _f('matches(text, "regex")', "bool", "x:text", "regex:regex"),
        _f('extract(text, "regex", group)', "text", "x:text", "regex:regex", "group:group", required=2),
        _f(
            'extract_all(text, "regex", group)',
            "list[text]",
            "x:text",
            "regex:regex",
            "group:group",
            required=2,
        ),
        _f('split(text, "separator")', "list[text]", "x:text", "separator:text"),
        _f('join(list, "separator")', "text", "x:list[text]", "separator:text"),
        _f("word_count(text)", "int", "x:text"),
        _f("int(x)", "int", "x:scalar"),
        _f("float(x)", "float", "x:scalar"),
        _f("text(x)", "text", "x:scalar"),
        _f("round(x, digits)", "float", "x:float", "digits:int", required=1),
        _f("abs(x)", "T", "x:number"),
        _f("min(a, b)", "T", "a:T", "b:T"),
        _f("max(a, b)", "T", "a:T", "b:T"),
        _f("if(condition, a, b)", "T", "condition:bool", "a:T", "b:T"),
        _f("coalesce(a, b, …)", "T", "a:T", "b:T", repeats=True),
        _f("concat(a, b, …)", "text", "a:text", "b:text", repeats=True),
        _f("item(list, index)", "item", "x:list[any]", "index:int"),
        _f('field(struct, "name")', "field", "x:any", "name:text"),
        _f("is_null(x)", "bool", "x:any"),
    )
}


def check_call(
    function: Function,
    node: Call,
    arguments: list[Typed],
    keywords: dict[str, tuple[Typed, Attribute]],
    findings: Findings,
) -> tuple[list[Typed], str]:
    """The arguments in order with defaults written out, and the result's type; raises Reported."""
    names = [name for name, _ in function.parameters]
    spans = [a.span for a in node.arguments]
    for name, (typed, attribute) in keywords.items():
        if name not in names or names.index(name) != len(arguments):
            near = nearest(name, names)
            raise findings.error(
                "MIX122",
                f"`{function.name}` has no argument `{name}` here",
                attribute.name.span,
                hint=f"did you mean `{near}`?" if near else f"write `{function.usage}`",
            )
        arguments = [*arguments, typed]
        spans.append(attribute.value.span)
    count, most = len(arguments), len(function.parameters)
    if count < function.required or (count > most and not function.repeats):
        wanted = (
            f"{function.required}"
            if function.required == most
            else f"{function.required} {'or more' if function.repeats else f'to {most}'}"
        )
        raise findings.error(
            "MIX122",
            f"`{function.name}` takes {wanted} argument{'' if wanted == '1' else 's'}, here {count}",
            node.span,
            hint=f"write `{function.usage}`",
        )
    common = _check_types(function, arguments, spans, findings)
    match function.name:
        case "extract" | "extract_all" | "matches":
            return _regex_call(function, arguments, spans, findings), function.result
        case "item":
            return arguments, element_of(arguments[0].type) or "any"
        case "field":
            return arguments, _field_type(arguments, spans, findings)
        case "contains":
            _check_contains(arguments, spans, findings)
        case "split" | "join":
            _check_separator(function, arguments[1], spans[1], findings)
        case "round" if count == 1:
            return [*arguments, Typed("CAST(0 AS BIGINT)", ["lit", 0], "int")], "float"
    return arguments, common if function.result == "T" else function.result


def _check_types(function: Function, arguments: list[Typed], spans: list[Span], findings: Findings) -> str:
    """Check every argument; the common type of those of type `T`."""
    common = "null"
    for position, (argument, span) in enumerate(zip(arguments, spans, strict=True)):
        wanted = function.parameters[min(position, len(function.parameters) - 1)][1]
        found = argument.type
        if wanted in ("T", "number"):
            if wanted == "number" and found not in ("int", "float", "null", *UNTYPED):
                raise _wrong(function, found, "a number", span, findings)
            merged = common_type(common, found)
            if merged is None:
                raise findings.error(
                    "MIX123",
                    f"`{function.name}` takes values of one type, here {common} and {found}",
                    span,
                    f"of type {found}",
                    hint="convert one: `text(x)`",
                )
            common = merged
        elif not _fits(found, wanted):
            raise _wrong(function, found, _words(wanted), span, findings)
    return "any" if common == "null" else common


def _fits(found: str, wanted: str) -> bool:
    if found == "null":
        return True
    match wanted:
        case "sized":
            return found == "text" or element_of(found) is not None
        case "scalar":
            return found in ("text", "int", "float", "bool", *UNTYPED)
        case "regex":
            return found == "text"
        case "group":
            return found == "int"
        case _:
            return is_assignable(found, wanted)


def _words(wanted: str) -> str:
    return {
        "sized": "text or a list",
        "scalar": "text, a number, or true or false",
        "regex": "a quoted regular expression",
        "group": "a group number",
        "list[any]": "a list",
        "list[text]": "a list of text",
        "float": "a number",
        "int": "a whole number",
    }.get(wanted, wanted)


def _wrong(function: Function, found: str, wanted: str, span: Span, findings: Findings) -> Exception:
    hint = ""
    if wanted == "text" and found in ("int", "float", "bool") and "\n" not in span.text:
        hint = f"convert it: `text({span.text})`"
    return findings.error(
        "MIX123",
        f"`{function.name}` takes {wanted}, here {found}",
        span,
        f"of type {found}",
        hint=hint or f"write `{function.usage}`",
    )


def _check_contains(arguments: list[Typed], spans: list[Span], findings: Findings) -> None:
    whole, part = arguments[0].type, arguments[1].type
    wanted = "text" if whole == "text" else element_of(whole)
    if wanted is not None and part != "null" and common_type(wanted, part) is None:
        raise findings.error(
            "MIX123", f"`contains` looks for {wanted} here, not {part}", spans[1], f"of type {part}"
        )


def _check_separator(function: Function, separator: Typed, span: Span, findings: Findings) -> None:
    """DuckDB takes one separator for all rows, so it cannot come out of a column."""
    if separator.tree[0] != "lit" or not isinstance(separator.tree[1], str):
        raise findings.error(
            "MIX123",
            f"the separator of `{function.name}` must be a quoted text",
            span,
            "not the same for every row",
            hint=f'for example `{function.name}({function.parameters[0][0]}, ", ")`',
        )


def _field_type(arguments: list[Typed], spans: list[Span], findings: Findings) -> str:
    fields = fields_of(arguments[0].type)
    name = arguments[1].tree
    if name[0] != "lit" or not isinstance(name[1], str):
        raise findings.error("MIX123", "the field's name must be a quoted text", spans[1])
    if fields is None:
        if arguments[0].type in UNTYPED:
            return "json"
        raise findings.error("MIX123", f"{arguments[0].type} has no fields", spans[0])
    if name[1] not in fields:
        near = nearest(name[1], fields)
        raise findings.error(
            "MIX123",
            f"no field `{name[1]}`",
            spans[1],
            f"it has: {listing(fields)}",
            hint=f'did you mean `"{near}"`?' if near else f"write one of: {listing(fields)}",
        )
    return fields[name[1]]


def _regex_call(
    function: Function, arguments: list[Typed], spans: list[Span], findings: Findings
) -> list[Typed]:
    pattern = arguments[1].tree
    if pattern[0] != "lit" or not isinstance(pattern[1], str):
        raise findings.error(
            "MIX124",
            "a regular expression must be a quoted text",
            spans[1],
            hint=r'for example `"[0-9]+"`',
        )
    groups = regex_groups(pattern[1], spans[1], findings)
    if function.name == "matches":
        return arguments
    if len(arguments) == 2:
        group = 1 if groups else 0
        return [*arguments, Typed(str(group), ["lit", group], "int")]
    tree = arguments[2].tree
    if tree[0] != "lit" or not isinstance(tree[1], int) or not 0 <= tree[1] <= groups:
        raise findings.error(
            "MIX124",
            f"the expression has {groups} group{'' if groups == 1 else 's'}, here `{spans[2].text}`",
            spans[2],
            hint=f"write a number from 0 (the whole match) to {groups}",
        )
    return [*arguments[:2], Typed(str(tree[1]), tree, "int")]


def regex_groups(pattern: str, span: Span, findings: Findings) -> int:
    """Number of groups of a regular expression; raises Reported (MIX124) unless RE2 reads it, in rows and in tables."""
    import re2

    problem = _beyond_re2(pattern)
    if not problem:
        options = re2.Options()
        options.log_errors = False
        try:
            groups: int = re2.compile(pattern, options).groups
        except re2.error as broken:
            problem = f"not a regular expression: {broken.args[0].decode()}"
        else:
            return groups
    raise findings.error("MIX124", problem, span, hint=r'for example `"Answer: ([0-9]+)"`')


_BEYOND = (
    ("(?=", "lookahead `(?=`"),
    ("(?!", "lookahead `(?!`"),
    ("(?<=", "lookbehind `(?<=`"),
    ("(?<!", "lookbehind `(?<!`"),
    ("(?>", "atomic group `(?>`"),
    ("(?(", "condition `(?(`"),
    ("(?P=", "back-reference `(?P=`"),
    ("(?#", "comment `(?#`"),
    # The RE2 of tables is an older one, which has it under Python's name alone.
    ("(?<", "a name written `(?<name>`, unlike `(?P<name>`,"),
)


def _beyond_re2(pattern: str) -> str:
    """What other expressions have and RE2, or one of its two copies here, has not; empty for nothing."""
    i, in_class = 0, False
    while i < len(pattern):
        c = pattern[i]
        if c == "\\":
            after = pattern[i + 1 : i + 2]
            if after.isdigit() and after != "0" and not in_class:
                return f"back-reference `\\{after}` is not available"
            # RE2's `\C` is a byte, which may be half a character.
            if after in ("Z", "N", "u", "U", "0", "C"):
                return f"`\\{after}` is not available"
            i += 2
            continue
        if in_class:
            in_class = c != "]"
        elif c == "[":
            in_class = True
            i += 1 if pattern[i + 1 : i + 2] == "]" else 2 if pattern[i + 1 : i + 3] == "^]" else 0
        elif c == "(":
            for start, words in _BEYOND:
                if pattern.startswith(start, i):
                    return f"{words} is not available"
        elif c in "*+?}" and pattern[i + 1 : i + 2] == "+":
            return f"possessive `{c}+` is not available"
        i += 1
    return ""
