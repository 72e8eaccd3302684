"""The functions of row expressions: what they take, what they give, and their regular expressions."""

from __future__ import annotations

from typing import Any

from mixwright_compiler.expressions.regexes import matches_nothing, regex_groups
from mixwright_compiler.findings import Findings
from mixwright_compiler.schema import UNTYPED, common_type, element_of, fields_of, is_assignable
from mixwright_compiler.suggest import did_you_mean, listing, nearest, one_of, replace_fix
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.nodes import Attribute, Call
from mixwright_dsl.source import Span

OTHER_NAMES = {
    "abs": ("fabs",),
    "append": ("add_message", "push"),
    "bucket": ("hash", "hash_bucket", "fold_of"),
    "capitalize": ("capitalise", "initcap", "ucfirst"),
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
    "lines": ("splitlines", "split_lines", "readlines"),
    "lower": ("lowercase", "tolower", "to_lower", "toLowerCase", "lcase"),
    "matches": ("match", "regex", "regexp", "regexp_matches", "rlike", "test"),
    "merge": ("extend", "list_concat", "concat_lists", "array_concat"),
    "replace": ("sub", "gsub", "regexp_replace", "replaceAll"),
    "slice": ("substring", "substr", "sublist", "list_slice", "array_slice"),
    "split": ("string_split", "explode"),
    "split_at": ("split_by", "regexp_split", "re_split", "string_split_regex"),
    "starts_with": ("startswith", "startsWith", "has_prefix"),
    "text": ("str", "string", "to_string", "toString", "varchar"),
    "trim": ("strip", "btrim"),
    "upper": ("uppercase", "toupper", "to_upper", "toUpperCase", "ucase"),
    "word_count": ("wordcount", "count_words"),
    "words": ("num_words", "n_words"),
}
"""Names that other languages have for these functions."""

LAST = 2**63 - 1
"""Where `slice` ends when nothing is said: behind any item."""

_BY_OTHER_NAME = {other: name for name, others in OTHER_NAMES.items() for other in others}


def function_meant(name: str) -> str | None:
    """The function that a name is, is called elsewhere, or is nearest to."""
    if name in FUNCTIONS:
        return name
    near = nearest(name, FUNCTIONS, _BY_OTHER_NAME)
    return _BY_OTHER_NAME.get(name) or (_BY_OTHER_NAME.get(near, near) if near is not None else None)


@dataclass(frozen=True)
class Typed:
    """One node of an expression: its SQL, its tree and its type (`null` for the literal)."""

    sql: str
    tree: Any
    type: str


@dataclass(frozen=True)
class Function:
    """`parameters`: name and type of each; `sized` is text or a list, `T` any one type, `lists` one that is a list. The
    last may repeat.

    `result`: a type, or `T` for the common type of the arguments of type `T`, `same` for that of the first argument, or
    `item` and `field` (see check_call).
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
        _f('split_at(text, "regex")', "list[text]", "x:text", "regex:regex"),
        _f("lines(text)", "list[text]", "x:text"),
        _f('join(list, "separator")', "text", "x:list[text]", "separator:text"),
        _f("slice(text_or_list, from, to)", "same", "x:sized", "from:int", "to:int", required=2),
        _f("merge(a, b, …)", "T", "a:lists", "b:lists", repeats=True),
        _f('append(history, "role", text)', "chat", "history:chat", "role:text", "text:text"),
        _f("word_count(text)", "int", "x:text"),
        _f("words(text)", "int", "x:text"),
        _f("capitalize(text)", "text", "x:text"),
        _f("only_stop_words(text)", "bool", "x:text"),
        _f("bucket(x, n)", "int", "x:scalar", "n:int"),
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
                hint=did_you_mean(near, f"write `{function.usage}`"),
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
        case "extract" | "extract_all" | "matches" | "split_at":
            return _regex_call(function, arguments, spans, findings), function.result
        case "item":
            return arguments, element_of(arguments[0].type) or "any"
        case "field":
            return arguments, _field_type(arguments, spans, findings)
        case "contains":
            _check_contains(arguments, spans, findings)
        case "split" | "join":
            _check_separator(function, arguments[1], spans[1], findings)
        case "append":
            _check_role(arguments[1], spans[1], findings)
        case "bucket":
            _check_buckets(arguments[1], spans[1], findings)
        case "merge":
            return arguments, "list[any]" if common in UNTYPED else common
        case "slice":
            end = [] if count == 3 else [Typed(f"CAST({LAST} AS BIGINT)", ["lit", LAST], "int")]
            return [*arguments, *end], arguments[0].type if arguments[0].type != "null" else "any"
        case "round" if count == 1:
            return [*arguments, Typed("CAST(0 AS BIGINT)", ["lit", 0], "int")], "float"
    return arguments, common if function.result == "T" else function.result


def _check_types(function: Function, arguments: list[Typed], spans: list[Span], findings: Findings) -> str:
    """Check every argument; the common type of those of type `T`."""
    common = "null"
    for position, (argument, span) in enumerate(zip(arguments, spans, strict=True)):
        wanted = function.parameters[min(position, len(function.parameters) - 1)][1]
        found = argument.type
        if wanted in ("T", "number", "lists"):
            if wanted == "lists" and found != "null" and element_of(found) is None:
                raise _wrong(function, found, "lists", span, findings)
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
        "chat": "a conversation",
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


def _check_role(role: Typed, span: Span, findings: Findings) -> None:
    """A role that is written out is one of those that a conversation has."""
    from mixwright_compiler.templates.messages import ROLES

    roles = (*ROLES, "tool")
    kind, *value = role.tree
    if kind != "lit" or value[0] is None or value[0] in roles:
        return
    near = nearest(str(value[0]), roles)
    raise findings.error(
        "MIX118",
        f"no role `{value[0]}`",
        span,
        f"roles are: {listing(roles)}",
        hint=f'write `"{near or "user"}"`',
        fix=replace_fix(span, f'"{near}"') if near else None,
    )


def _check_buckets(count: Typed, span: Span, findings: Findings) -> None:
    kind, *value = count.tree
    if kind == "lit" and isinstance(value[0], int) and value[0] < 1:
        raise findings.error(
            "MIX117", f"the number of buckets is at least 1, here {value[0]}", span, "out of range"
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
            hint=did_you_mean(near and f'"{near}"', one_of(fields)),
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
    if function.name == "split_at" and matches_nothing(pattern[1]):
        raise findings.error(
            "MIX124",
            "the regular expression also matches where nothing is, so it parts every character from the next",
            spans[1],
            hint=r'say what stands between the parts, with `+` for one or more: `"\n+"`',
        )
    if function.name in ("matches", "split_at"):
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
