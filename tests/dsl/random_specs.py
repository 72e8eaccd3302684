"""Specs made at random, with comments and line breaks everywhere the language takes them."""

from __future__ import annotations

from hypothesis import strategies as st

names = st.sampled_from(["a", "persona", "x1", "_b", "on_fail", "T"])
refs = st.one_of(names, st.builds("{}.{}".format, names, names))
strings = st.sampled_from(['""', '"x"', '"a # b"', r'"\"q\" \\ \n é"', '"日本 {{ x }}"', r'"é"'])
quantities = st.sampled_from(["0", "149_960", "150k", "4Ki", "30%", "10s", "512MiB", "5e-6", "$25", "1.5"])
words = st.sampled_from(["true", "false", "null"])
comments = st.sampled_from(["# c", "#", "# mix: allow MIX104 -- why", "# é # {"])
spaces = st.sampled_from(["", " ", "  ", "\t"])
operators = st.sampled_from(["+", "-", "*", "/", "==", "!=", "<", ">=", "in", "not in", "and", "or"])

newlines = st.lists(
    st.one_of(st.builds("{}{}\n".format, spaces, comments), st.builds("{}\n".format, spaces)),
    min_size=1,
    max_size=3,
).map("".join)
trivia = st.one_of(spaces, newlines)
"""What may stand between any two tokens inside ( ) and [ ]."""

heredoc_lines = st.sampled_from(
    ["", "hi {{ x }}", "  deeper", "# no comment", "TEXTS", "}", "\tTab", "   ", "a  "]
)


@st.composite
def heredocs(draw: st.DrawFn) -> str:
    indent = draw(st.sampled_from(["", "  ", "\t", "      "]))
    lines = draw(st.lists(heredoc_lines, max_size=4))
    body = "".join(f"{indent + line if line else ''}\n" for line in lines)
    return f"<<~TEXT{draw(spaces)}\n{body}{indent}TEXT\n"


@st.composite
def joined(draw: st.DrawFn, items: list[str], opener: str, closer: str, *, trailing: bool = True) -> str:
    text = opener
    for number, item in enumerate(items):
        text += draw(trivia) + item + draw(trivia)
        if number < len(items) - 1 or (trailing and draw(st.booleans())):
            text += ","
    return text + draw(trivia) + closer


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    kinds = ["ref", "string", "quantity", "word"]
    if depth:
        kinds += ["list", "call", "object", "paren", "binary", "unary", "heredoc_list"]
    match draw(st.sampled_from(kinds)):
        case "ref":
            return draw(refs)
        case "string":
            return draw(strings)
        case "quantity":
            return draw(quantities)
        case "word":
            return draw(words)
        case "list":
            return draw(joined(draw(st.lists(values(depth - 1), max_size=3)), "[", "]"))
        case "heredoc_list":
            return f"[{draw(heredocs())}{draw(spaces)}]"
        case "call":
            items = draw(st.lists(values(depth - 1), max_size=2))
            if draw(st.booleans()):
                items.append(f"key{draw(trivia)}={draw(trivia)}{draw(values(depth - 1))}")
            return draw(refs) + draw(joined(items, "(", ")"))
        case "object":
            return draw(bodies(depth - 1))
        case "paren":
            return draw(joined([draw(values(depth - 1))], "(", ")", trailing=False))
        case "binary":
            after = draw(st.one_of(st.just(" "), newlines))
            left, right = draw(values(depth - 1)), draw(values(depth - 1))
            return f"({left}) {draw(operators)} {after}({right})"
        case "unary":
            return draw(st.sampled_from(["-", "+", "not ", "not not ", "- -"])) + draw(values(0))
    raise AssertionError


@st.composite
def statements(draw: st.DrawFn, depth: int = 2) -> str:
    if draw(st.booleans()):
        return f"{draw(refs)}{draw(spaces)}={draw(spaces)}{draw(values(depth))}"
    labels = draw(st.lists(st.one_of(refs, strings, quantities), max_size=3))
    header = " ".join([draw(names), *labels])
    if len(labels) == 1 and labels[0][0] in '"$0123456789':  # `samples 4` alone lacks its `=`
        return f"{header} {draw(bodies(depth - 1))}"
    return header if draw(st.booleans()) or not depth else f"{header} {draw(bodies(depth - 1))}"


@st.composite
def statement_lists(draw: st.DrawFn, depth: int) -> str:
    text = draw(st.one_of(spaces, newlines))
    items = draw(st.lists(statements(depth), max_size=3))
    for number, item in enumerate(items):
        is_last = number == len(items) - 1
        ends = [newlines, st.builds(",{}{}".format, spaces, st.one_of(st.just(""), newlines))]
        if is_last:
            ends.append(spaces)
        text += item
        if draw(st.booleans()) and depth == 2:
            text += f"\n{draw(names)} = {draw(heredocs())}"
        elif (end := draw(st.one_of(ends))) is not None:
            text += end
    return text


@st.composite
def bodies(draw: st.DrawFn, depth: int) -> str:
    return "{" + draw(statement_lists(max(depth, 0))) + "}"


specs = statement_lists(2)
