"""Solutions for tasks that come without one, made of their tests: a function that looks its arguments up in a table.

No program that anyone would write, but one with the task's own types, which passes; and with an entry that is swapped or
missing, one that fails. It stands in for a solution in all tasks of a data set of tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mixwright_runtime.verifiers.code.scanning import Unreadable, characters_of, closing_of, split_once


@dataclass(frozen=True)
class Entry:
    args: tuple[str, ...]
    expected: str


def entries_of(language: str, tests: str) -> list[Entry]:
    """Arguments and expected value of each test, as source text."""
    found = []
    opening = {"cpp": "assert(", "java": "assert(", "javascript": "assert.deepEqual(", "rust": "assert_eq!("}
    if language in opening:
        at = 0
        while (start := tests.find(opening[language], at)) >= 0:
            bracket = start + len(opening[language]) - 1
            end = closing_of(tests, bracket)
            found.append(_entry(language, tests[bracket + 1 : end]))
            at = end
    elif language == "go":
        at = 0
        while (start := tests.find("{ actual:", at)) >= 0:
            end = closing_of(tests, start)
            call, expected = split_once(tests[start + 9 : end], ", expected:") or ("", "")
            found.append(Entry(_args(call), expected.strip()))
            at = end
    else:
        for match in re.finditer(
            r'\[\[ \$\(candidate((?: "(?:\\.|[^"\\])*")*)\) = ("(?:\\.|[^"\\])*") \]\]', tests, re.S
        ):
            args = re.findall(r'"(?:\\.|[^"\\])*"', match.group(1), re.S)
            found.append(Entry(tuple(args), match.group(2)))
    return found


def _entry(language: str, inside: str) -> Entry:
    separator = "," if language in ("javascript", "rust") else "=="
    if language == "java" and ".equals(" in inside:
        call, expected = split_once(inside, ".equals(") or ("", "")
        if call and closing_of(inside, inside.index(expected, len(call)) - 1) == len(inside.rstrip()) - 1:
            return Entry(_args(call), expected[:-1])
    sides = split_once(inside, separator)
    if sides is None:
        raise Unreadable(inside)
    return Entry(_args(sides[0]), sides[1])


def _args(call: str) -> tuple[str, ...]:
    opening = call.index("(")
    return split_all(call[opening + 1 : closing_of(call, opening)])


def split_all(text: str) -> tuple[str, ...]:
    parts, depth, start = [], 0, 0
    for at, c in characters_of(text):
        if c == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
        depth += (c in "([{") - (c in ")]}")
    parts.append(text[start:].strip())
    return tuple(part for part in parts if part)


def table_body(language: str, prompt: str, entries: list[Entry]) -> str:
    """The body of the function that the prompt opens."""
    names = _parameters(language, prompt)
    lines = []
    for entry in entries:
        pairs = list(zip(names, entry.args, strict=True))
        match language:
            case "cpp":
                test = " && ".join(f"({name} == {arg})" for name, arg in pairs) or "true"
                lines.append(f"    if ({test}) return {entry.expected};")
            case "java":
                test = " && ".join(f"Objects.equals({name}, {arg})" for name, arg in pairs) or "true"
                lines.append(f"        if ({test}) return {entry.expected};")
            case "javascript":
                given, wanted = ", ".join(names), ", ".join(entry.args)
                lines.append(
                    f"  if (JSON.stringify([{given}]) === JSON.stringify([{wanted}])) return {entry.expected};"
                )
            case "rust":
                test = " && ".join(f"{name} == {arg}" for name, arg in pairs) or "true"
                lines.append(f"    if {test} {{ return {entry.expected}; }}")
            case "go":
                test = (
                    " && ".join(f"fmt.Sprint({name}) == fmt.Sprint({arg})" for name, arg in pairs) or "true"
                )
                lines.append(f"    if {test} {{ return {entry.expected} }}")
            case _:
                test = " && ".join(f'"${{{i}}}" == {arg}' for i, arg in enumerate(entry.args, 1)) or "1 == 1"
                lines.append(f"    if [[ {test} ]]; then printf '%s' {entry.expected}; return; fi")
    ending = {
        "cpp": '    throw std::runtime_error("no entry");\n',
        "java": '        throw new RuntimeException("no entry");\n',
        "javascript": "  throw new Error('no entry');\n}\n",
        "rust": '    panic!("no entry")\n',
        "go": '    panic("no entry")\n}\n\n',
        "bash": "    return 1\n",
    }
    return "\n".join(lines) + "\n" + ending[language]


def _parameters(language: str, prompt: str) -> list[str]:
    if language == "bash":
        return [f"${i}" for i in range(1, 10)][: len(re.findall(r"^# \$\d", prompt, re.M))]
    signature = prompt.rstrip().split("\n")[-1]
    opening = signature.index("(", signature.index("fn ") if language == "rust" else 0)
    inside = signature[opening + 1 : closing_of(signature, opening)]
    parts = _split_types(inside)
    match language:
        case "rust":
            return [part.split(":")[0].strip() for part in parts]
        case "go" | "javascript":
            return [part.split()[0] for part in parts]
    return [part.split()[-1] for part in parts]


def _split_types(text: str) -> list[str]:
    parts, depth, current = [], 0, ""
    for c in text:
        if c == "," and depth == 0:
            parts.append(current)
            current = ""
            continue
        depth += (c in "<([{") - (c in ">)]}")
        current += c
    return [part.strip() for part in [*parts, current] if part.strip()]


def table_mutants(entries: list[Entry]) -> list[tuple[str, list[Entry]]]:
    """Tables with one entry that gives another's value, one entry too few, and all values moved by one."""
    values = [entry.expected for entry in entries]
    found = []
    other = next((v for v in values if v != values[-1]), None)
    if other is not None:
        found.append(("wrong constant", [*entries[:-1], Entry(entries[-1].args, other)]))
    if len(entries) > 1:
        found.append(("deleted line", entries[1:]))
        moved = [Entry(e.args, v) for e, v in zip(entries, [*values[1:], values[0]], strict=True)]
        if [e.expected for e in moved] != values:
            found.append(("off by one", moved))
    return found
