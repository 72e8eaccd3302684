"""Test programs of other languages taken apart: a program that prints what the candidate returns, one that prints what
is expected, and nothing of the second in the first.

The form is that of MultiPL-E (Cassano et al. 2023): the candidate's file goes on with a `main`, a `test()` or a
`TestXxx` that asserts call by call.

    C++         assert(candidate(ARGS) == (EXPECTED));
    Java        assert(f(ARGS).equals(EXPECTED));  assert(f(ARGS) == (EXPECTED));
    JavaScript  assert.deepEqual(candidate(ARGS), EXPECTED);
    Rust        assert_eq!(candidate(ARGS), EXPECTED);
    Go          { actual: candidate(ARGS), expected: EXPECTED },
    Bash        [[ $(candidate ARGS) = "EXPECTED" ]]

Values are printed as JSON records (`printers/`) and compared here. A program with an assertion of another form stays as
it is and is judged by its exit status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mixwright_runtime.verifiers.code.scanning import Unreadable, balance_of, closing_of, split_once

TEXT_LIMIT = 300


@dataclass(frozen=True)
class Printing:
    """A test program as two.

    Attributes:
        asked: files of the candidate's program: prints one record for each test.
        expected: files of the program that prints the expected values; needs no candidate.
        texts: each test's assertion, in order.
    """

    asked: Mapping[str, str]
    expected: Mapping[str, str]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Whole:
    """A test program that stays as it is: candidate and tests in one. `reason` says why."""

    files: Mapping[str, str]
    reason: str


def joined(language: str, prefix: str, code: str, tests: str, entry_point: str) -> str:
    """Candidate and tests as one source file, as a completion or as a whole program.

    A completion goes on from `prefix`, which opens a function; a program that defines the function itself takes from
    the prefix only what stands before it. The brace that MultiPL-E puts in front of the tests is dropped where the
    candidate has closed its own.
    """
    code = without_main(language, code)
    head = (
        f"{prefix}{code}"
        if not prefix or _is_completion(language, code, entry_point)
        else _before(prefix, code)
    )
    if language == "java":
        head = _open_problem(head)
    if language == "bash":
        opened = _bash_is_open(head)
    else:
        try:
            opened = balance_of(head) > (1 if language == "java" else 0)
        except Unreadable:
            opened = True
    rest = tests
    if not opened and rest.lstrip().startswith("}"):
        rest = rest.lstrip()[1:]
    return f"{head.rstrip()}\n{rest}"


_MAINS: Mapping[str, str] = {
    "cpp": r"^[ \t]*(?:signed|int|auto)\s+main\s*\([^)]*\)\s*(?:->\s*int\s*)?\{",
    "rust": r"^[ \t]*(?:pub\s+)?fn\s+main\s*\(\s*\)[^{]*\{",
    "go": r"^func\s+main\s*\(\s*\)\s*\{",
    "java": r"^[ \t]*public\s+static\s+void\s+main\s*\([^)]*\)[^{]*\{",
}


def without_main(language: str, code: str) -> str:
    """A candidate without its `main`: the tests have one."""
    found = re.search(_MAINS[language], code, re.M) if language in _MAINS else None
    try:
        if found is not None:
            code = code[: found.start()] + code[closing_of(code, found.end() - 1) + 1 :]
    except Unreadable:
        pass
    return code


_JAVA_CLASS = r"^(?:public\s+)?(?:final\s+)?class\s+\w+"


def _open_problem(head: str) -> str:
    """A Java program as the class `Problem`, open at its end: tests go on in it, and call its methods by name."""
    head = re.sub(_JAVA_CLASS, "class Problem", head, count=1, flags=re.M)
    try:
        is_closed = balance_of(head) == 0
    except Unreadable:
        return head
    return head[: head.rindex("}")] if is_closed and "}" in head else head


def _bash_is_open(head: str) -> bool:
    """Bash quotes too freely for `balance_of`: a function is closed by a `}` at the start of a line."""
    opened = len(re.findall(r"^[^\n#]*\(\)[ \t]*\{[ \t]*$", head, re.M))
    return opened > len(re.findall(r"^\}", head, re.M))


def _is_completion(language: str, code: str, entry_point: str) -> bool:
    from mixwright_runtime.verifiers.code.fences import mentions_definition

    if not entry_point:
        return True
    if language in ("cpp", "java"):
        word = re.escape(entry_point)
        return re.search(rf"^[ \t]*[\w:<>,&*\[\] \t]+[ \t&*>]{word}[ \t]*\([^;]*$", code, re.M) is None
    if language == "javascript":
        word = re.escape(entry_point)
        return re.search(rf"\bfunction\b[ \t*]*{word}\b|\b(?:const|let|var)[ \t]+{word}\b", code) is None
    return not mentions_definition(code, language, entry_point)


def _before(prefix: str, code: str) -> str:
    """A whole program after the lines of a prefix that a program starts with: includes, imports, package, class."""
    starts = ("#include", "#!", "import ", "package ", "use ", "using ", "class Problem")
    kept: list[str] = []
    in_imports = False
    for line in prefix.split("\n"):
        stripped = line.strip()
        in_imports = in_imports or stripped == "import ("
        if (in_imports or stripped.startswith(starts)) and stripped not in code:
            kept.append(line)
        if stripped == ")":
            in_imports = False
    if re.search(r"^\s*(?:public\s+)?class\s+\w+", code, re.M):
        kept = [line for line in kept if not line.strip().startswith("class Problem")]
    if re.search(r"^package\s", code, re.M):
        kept = []
    elif re.search(r"^import[ (]", code, re.M):
        kept = [line for line in kept if not re.match(r'\s*(import|"|\))', line)]
    return "\n".join([*kept, code])


def take_apart(language: str, program: str, tests: str) -> Printing | Whole:
    """The program that prints and the one that prints what is expected.

    Args:
        program: candidate and tests as one file (`joined`).
        tests: the tests alone: only what stands there is taken for an assertion.
    """
    start = program.rfind(tests.strip().lstrip("}").strip()[:2_000]) if tests.strip() else -1
    if start < 0:
        return Whole(_whole_files(language, program), "the tests cannot be told from the candidate")
    head, tail = program[:start], program[start:]
    try:
        taken: Printing = _FORMS[language](head, tail)
        return taken
    except Unreadable as error:
        return Whole(_whole_files(language, program), str(error))


def apart(language: str, prefix: str, code: str, tests: str, entry_point: str) -> dict[str, Any]:
    """Candidate and tests as JSON: runs in a worker, for it reads text that is not trusted.

    `asked` and `expected` are the files of the two programs, `texts` the assertions, `whole` the files of the one program
    that has both, which prints `word` at its end where that could be added, and `reason` why there are no two.
    """
    program = joined(language, prefix, code, tests, entry_point)
    parts = take_apart(language, program, tests)
    marked, word = with_end_marker(language, program)
    result = {
        "asked": {},
        "expected": {},
        "texts": [],
        "reason": "",
        "whole": _whole_files(language, marked),
        "word": word,
    }
    if isinstance(parts, Whole):
        return {**result, "reason": parts.reason}
    return {
        **result,
        "asked": dict(parts.asked),
        "expected": dict(parts.expected),
        "texts": list(parts.texts),
    }


END_WORD = "mixwright-end-of-tests"
_PRINTS: Mapping[str, tuple[str, str]] = {
    "cpp": (r"\bint\s+main\s*\([^)]*\)\s*\{", 'std::cout << "{word}" << std::endl;'),
    "java": (r"\bstatic\s+void\s+main\s*\([^)]*\)[^{]*\{", 'System.out.println("{word}");'),
    "rust": (r"\bfn\s+main\s*\(\)\s*\{", 'println!("{word}");'),
}


def with_end_marker(language: str, program: str) -> tuple[str, str]:
    """The program printing a word when the last line of its tests was reached, and the word; empty where it cannot be
    added. The word stands for one that is drawn when it runs."""
    if language == "javascript":
        return f"{program}\nconsole.log('{END_WORD}');\n", END_WORD
    if language == "bash":
        return f"{program}\nbuiltin echo '{END_WORD}'\n", END_WORD
    if language not in _PRINTS:
        return program, ""
    opening, prints = _PRINTS[language]
    found = list(re.finditer(opening, program))
    if not found:
        return program, ""
    try:
        end = closing_of(program, found[-1].end() - 1)
    except Unreadable:
        return program, ""
    return f"{program[:end]}\n{prints.format(word=END_WORD)}\n{program[end:]}", END_WORD


@cache
def printer(name: str) -> str:
    """A file that a program is given, from `printers/`."""
    return (Path(__file__).parent / "printers" / name).read_text(encoding="utf-8")


def _assertions(text: str, opening: str, closing: str) -> list[tuple[int, int, str]]:
    """(start, end, inside) of every `opening … )closing` of a text.

    Raises:
        Unreadable: there is none, or one is not closed.
    """
    found = []
    at = 0
    while (start := text.find(opening, at)) >= 0:
        bracket = start + len(opening) - 1
        end = closing_of(text, bracket)
        stop = end + 1
        if text[stop : stop + len(closing)] == closing:
            stop += len(closing)
        found.append((start, stop, text[bracket + 1 : end]))
        at = stop
    if not found:
        raise Unreadable(f"no `{opening}…)` in the tests")
    return found


def _replaced(text: str, parts: list[tuple[int, int, str]]) -> str:
    out, at = [], 0
    for start, stop, new in parts:
        out += [text[at:start], new]
        at = stop
    return "".join([*out, text[at:]])


def _sides(inside: str, separator: str) -> tuple[str, str]:
    sides = split_once(inside, separator)
    if sides is None or not all(sides):
        raise Unreadable(f"an assertion without `{separator}`: {inside[:60]}")
    return sides


def _refuse_candidate(expected: str) -> None:
    if re.search(r"\bcandidate\b", expected):
        raise Unreadable("an expected value calls the candidate")


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= TEXT_LIMIT else f"{flat[: TEXT_LIMIT - 3]}..."


def _cpp(head: str, tail: str) -> Printing:
    found = _assertions(tail, "assert(", ";")
    sides = [_sides(inside, "==") for _, _, inside in found]
    for _, expected in sides:
        _refuse_candidate(expected)
    shows = [
        (start, stop, f"mixwright::show({i}, [&]() {{ return {call}; }});")
        for i, ((start, stop, _), (call, _)) in enumerate(zip(found, sides, strict=True))
    ]
    prints = "\n".join(
        f"    mixwright::show({i}, [&]() {{ return {expected}; }});" for i, (_, expected) in enumerate(sides)
    )
    main = f'#include "show.hpp"\nint main() {{\n{prints}\n}}\n'
    return Printing(
        {"main.cpp": f'#include "show.hpp"\n{head}{_replaced(tail, shows)}', "show.hpp": printer("show.hpp")},
        {"main.cpp": main, "show.hpp": printer("show.hpp")},
        tuple(_cut(tail[start:stop]) for start, stop, _ in found),
    )


_JAVA_IMPORTS = (
    "import java.util.*;\nimport java.math.*;\nimport java.util.stream.*;\nimport org.javatuples.*;\n"
)


def _java(head: str, tail: str) -> Printing:
    found = _assertions(tail, "assert(", ";")
    sides = [_java_sides(inside) for _, _, inside in found]
    shows = [
        (start, stop, f"MixwrightShow.show({i}, () -> {call});")
        for i, ((start, stop, _), (call, _)) in enumerate(zip(found, sides, strict=True))
    ]
    prints = "\n".join(
        f"        MixwrightShow.show({i}, () -> {expected});" for i, (_, expected) in enumerate(sides)
    )
    main = f"{_JAVA_IMPORTS}class Problem {{\n    public static void main(String[] args) {{\n{prints}\n    }}\n}}\n"
    shared = {"MixwrightShow.java": printer("MixwrightShow.java"), **_javatuples()}
    return Printing(
        {"Problem.java": f"{head}{_replaced(tail, shows)}", **shared},
        {"Problem.java": main, **shared},
        tuple(_cut(tail[start:stop]) for start, stop, _ in found),
    )


def _java_sides(inside: str) -> tuple[str, str]:
    marker = ".equals("
    if inside.rstrip().endswith(")") and marker in inside:
        parted = split_once(inside, marker)
        if (
            parted is not None
            and closing_of(inside, len(parted[0]) + len(marker) - 1) == len(inside.rstrip()) - 1
        ):
            return parted[0], parted[1].rstrip()[:-1]
    return _sides(inside, "==")


def _javatuples() -> dict[str, str]:
    names = ("Tuple", "Unit", "Pair", "Triplet", "Quartet", "Quintet")
    return {f"org/javatuples/{name}.java": printer(f"org/javatuples/{name}.java") for name in names}


def _javascript(head: str, tail: str) -> Printing:
    found = _assertions(tail, "assert.deepEqual(", ";")
    sides = [_sides(inside, ",") for _, _, inside in found]
    for _, expected in sides:
        _refuse_candidate(expected)
    shows = [
        (start, stop, f"mixwright.show({i}, () => {call});")
        for i, ((start, stop, _), (call, _)) in enumerate(zip(found, sides, strict=True))
    ]
    prints = "\n".join(f"mixwright.show({i}, () => ({expected}));" for i, (_, expected) in enumerate(sides))
    return Printing(
        {"main.js": f"{printer('show.js')}\n{head}{_replaced(tail, shows)}"},
        {"main.js": f"{printer('show.js')}\n{prints}\n"},
        tuple(_cut(tail[start:stop]) for start, stop, _ in found),
    )


def _rust(head: str, tail: str) -> Printing:
    found = _assertions(tail, "assert_eq!(", ";")
    sides = [_sides(inside, ",") for _, _, inside in found]
    for _, expected in sides:
        _refuse_candidate(expected)
    named = re.search(r"let\s+candidate\s*=\s*(\w+)", tail)
    signature = re.search(
        rf"\bfn\s+{named.group(1)}\s*\([^{{]*\)\s*->\s*([^{{]+?)\s*\{{" if named else r"$^", head, re.S
    )
    # Without the function's type an expected `vec![]` or `0` would have another one, or none.
    type_of = signature.group(1).strip() if signature else ""
    if not re.fullmatch(r"[\w<>,()\[\]&;:' \n]*", type_of):
        raise Unreadable("a return type that cannot be read")
    prints = "\n".join(
        f"    mixwright::show({i}, || {{ {f'let value: {type_of} = {expected}; value' if type_of else expected} }});"
        for i, (_, expected) in enumerate(sides)
    )
    shows = [
        (start, stop, f"mixwright::show({i}, || {call});")
        for i, ((start, stop, _), (call, _)) in enumerate(zip(found, sides, strict=True))
    ]
    uses = "#![allow(warnings)]\nuse std::collections::*;\n"
    return Printing(
        {"main.rs": f"{head}{_replaced(tail, shows)}\n{printer('show.rs')}"},
        {"main.rs": f"{uses}fn main() {{\n{prints}\n}}\n{printer('show.rs')}"},
        tuple(_cut(tail[start:stop]) for start, stop, _ in found),
    )


def _go(head: str, tail: str) -> Printing:
    named = re.search(r"candidate\s*:=\s*(\w+)", tail)
    if named is None:
        raise Unreadable("no `candidate := …` in the tests")
    calls, expecteds, texts = [], [], []
    at = 0
    while (start := tail.find("{ actual:", at)) >= 0:
        end = closing_of(tail, start)
        call, expected = _sides(tail[start + len("{ actual:") : end], ", expected:")
        _refuse_candidate(expected)
        calls.append(call)
        expecteds.append(expected)
        texts.append(_cut(tail[start : end + 1]))
        at = end
    if not calls:
        raise Unreadable("no `{ actual: …, expected: … }` in the tests")
    asked = "\n".join(
        f"\tmixwrightShow({i}, func() interface{{}} {{ return {c} }})" for i, c in enumerate(calls)
    )
    wanted = "\n".join(
        f"\tmixwrightShow({i}, func() interface{{}} {{ return {e} }})" for i, e in enumerate(expecteds)
    )
    package = re.sub(r"^package\s+\w+", "package main", head, count=1, flags=re.M)
    imported = re.findall(r'^\s*(?:import\s+)?"([\w/]+)"\s*$', package, re.M)
    # Go refuses what is imported and not used; the tests used these two.
    used = "".join(
        f"var _ = {use}\n"
        for name, use in (("testing", "testing.Short"), ("fmt", "fmt.Sprint"))
        if name in imported
    )
    main = f"{package}\n{used}\nfunc main() {{\n\tcandidate := {named.group(1)}\n{asked}\n}}\n"
    return Printing(
        {"main.go": main, "show.go": printer("show.go")},
        {"main.go": f"package main\n\nfunc main() {{\n{wanted}\n}}\n", "show.go": printer("show.go")},
        tuple(texts),
    )


_BASH_TEST = re.compile(
    r"^[ \t]*\[\[[ \t]+(\$\(candidate\b(?:[ \t]+(?:\"(?:\\.|[^\"\\])*\"|'[^']*'))*\))[ \t]+==?[ \t]+"
    r"(\"(?:\\.|[^\"\\])*\"|'[^']*'|\$'(?:\\.|[^'\\])*')[ \t]+\]\][ \t]*$",
    re.M | re.S,
)


def _bash(head: str, tail: str) -> Printing:
    found = list(_BASH_TEST.finditer(tail))
    if not found or len(found) != len(re.findall(r"^[ \t]*\[\[ ", tail, re.M)):
        raise Unreadable('a test that is not `[[ $(candidate …) = "…" ]]`')
    shows = [(m.start(), m.end(), f'mixwright_show {i} "{m.group(1)}"') for i, m in enumerate(found)]
    prints = "\n".join(f"mixwright_show {i} {m.group(2)}" for i, m in enumerate(found))
    asked = re.sub(r"^set -e[ \t]*$", "", _replaced(tail, shows), flags=re.M)
    return Printing(
        # The function that prints comes last, so that the candidate's of the same name is not used by accident.
        {"main.sh": f"{head}{_before_run(asked)}"},
        {"main.sh": f"{printer('show.sh')}\n{prints}\n"},
        tuple(_cut(m.group(0)) for m in found),
    )


def _before_run(asked: str) -> str:
    return re.sub(r"^run_test[ \t]*$", lambda m: f"{printer('show.sh')}{m.group(0)}", asked, flags=re.M)


_FORMS: Mapping[str, Any] = {
    "cpp": _cpp,
    "java": _java,
    "javascript": _javascript,
    "rust": _rust,
    "go": _go,
    "bash": _bash,
}


def _whole_files(language: str, program: str) -> dict[str, str]:
    from mixwright_runtime.verifiers.code.languages import LANGUAGES

    files = {LANGUAGES[language].main_file: program}
    if language == "java":
        files |= _javatuples()
    if language == "go":
        package = re.search(r"^package\s+(\w+)", program, re.M)
        if package and package.group(1).endswith("_test"):
            files = {"main_test.go": program}
    return files
