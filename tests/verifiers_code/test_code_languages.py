"""Programs of other languages: compiled and run in the sandbox, their values printed and compared outside."""

from __future__ import annotations

import asyncio
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixwright_runtime.errors import RunError
from mixwright_runtime.verifiers.code import languages
from mixwright_runtime.verifiers.code.foreign import apart, joined
from mixwright_runtime.verifiers.code.judge import CodeJudge
from mixwright_runtime.verifiers.code.languages import main_class_of

PROGRAMS = Path(__file__).parent / "programs"


def sections_of(path: Path) -> dict[str, str]:
    """A file of `=== name ===` lines with text between them."""
    parts = re.split(r"^=== (\w+) ===\n", path.read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


CASES = {path.stem: sections_of(path) for path in sorted(PROGRAMS.glob("*.txt"))}
"""Of each language a task's prefix and tests, and candidates: right, wrong, a cheat, one that is broken, a whole one."""
NAMES = {
    "cpp": "lengths",
    "java": "tally",
    "javascript": "letters",
    "rust": "sized",
    "go": "count",
    "bash": "double",
}
TOOL = {"cpp": "g++", "java": "javac", "javascript": "node", "rust": "rustc", "go": "go", "bash": "bash"}


def needs(language: str) -> Any:
    return pytest.param(
        language,
        marks=pytest.mark.skipif(shutil.which(TOOL[language]) is None, reason=f"no {TOOL[language]}"),
    )


@pytest.mark.parametrize("language", [needs(language) for language in CASES])
def test_values_are_printed_and_compared_outside(judged: Any, language: str) -> None:
    case = CASES[language]

    def verdict(answer: str) -> dict[str, Any]:
        found = judged(
            answer, case["tests"], language=language, prefix=case["prefix"], entry_point=NAMES[language]
        )
        return found.evidence()

    right = {"language": language, "passed": 2, "of": 2, "grade": "outside", "results": "11"}
    assert verdict(case["right"]) == right
    assert verdict(case["whole"]) == right
    wrong = verdict(case["wrong"])
    assert wrong["passed"] < 2 and wrong["reason"] == "wrong" and wrong["grade"] == "outside"
    assert verdict(case["cheat"])["passed"] == 0


@pytest.mark.parametrize("language", [needs(language) for language in CASES])
def test_what_does_not_compile_fails_with_the_compilers_words(judged: Any, language: str) -> None:
    case = CASES[language]
    found = judged(
        case["broken"], case["tests"], language=language, prefix=case["prefix"], entry_point=NAMES[language]
    )
    assert found.outcome == "measured" and found.score == 0.0
    if languages.LANGUAGES[language].compile:
        assert found.reason == "does not compile"
        assert "main" in found.detail or "Problem.java" in found.detail


@pytest.mark.parametrize("language", CASES)
def test_the_candidates_program_holds_no_expected_value(language: str) -> None:
    case = CASES[language]
    marked = {"cpp": ("(long)3", "(long)30303"), "java": ("5l", "30303l"), "javascript": (": 2", ": 30303"),
              "rust": ('"), 2)', '"), 30303)'), "go": ('"a": 2', '"a": 30303'), "bash": ('"6"', '"30303"')}  # fmt: skip
    tests = case["tests"].replace(*marked[language])
    assert "30303" in tests
    parts = apart(language, case["prefix"], case["right"], tests, NAMES[language])
    assert parts["reason"] == "" and len(parts["texts"]) == 2
    assert "30303" not in "".join(parts["asked"].values())
    assert "30303" in "".join(parts["expected"].values())


@pytest.mark.parametrize("language", [needs("javascript"), needs("bash")])
def test_tests_of_another_form_need_the_weakest_grade(judged: Any, language: str) -> None:
    case = CASES[language]
    tests = {
        "javascript": "if (letters('aa').a !== 2) throw new Error('no');",
        "bash": '}\n[ "$(double 4)" -eq 8 ] || exit 1',
    }[language]

    def verdict(answer: str, **more: Any) -> Any:
        return judged(answer, tests, language=language, prefix=case["prefix"], **more)

    assert verdict(case["right"]).evidence()["reason"] == "grade"
    assert verdict(case["right"], grade="same_program").evidence()["grade"] == "same_program"
    assert verdict(case["right"], grade="same_program").score == 1.0
    assert verdict(case["wrong"], grade="same_program").score == 0.0
    exits = {"javascript": "  process.exit(0);\n}\n", "bash": "    :\n}\nexit 0\ntrue() {\n"}[language]
    assert verdict(exits, grade="same_program").score == 0.0


@pytest.mark.parametrize(
    ("language", "right", "wrong"),
    [
        ("javascript", "function add(a, b) { return a + b; }", "function add(a, b) { return '3'; }"),
        ("bash", "add() { echo $(($1 + $2)); }", "add() { echo; }"),
    ],
)
def test_calls_as_data_in_languages_of_json_and_text(
    judged: Any, language: str, right: str, wrong: str
) -> None:
    tests = [{"args": [1, 2], "expected": 3}, {"args": [5, -5], "expected": 0}]
    assert judged(right, tests, language=language, entry_point="add").score == 1.0
    assert judged(wrong, tests, language=language, entry_point="add").score == 0.0
    cpp = judged("int add(int a, int b) { return a + b; }", tests, language="cpp", entry_point="add")
    assert cpp.outcome == "unmeasurable" and "cannot be made in cpp" in cpp.detail


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_programs_with_input_and_output_are_compiled_once(judged: Any, compiled: Path) -> None:
    code = "#include <iostream>\nint main() { long a, b; std::cin >> a >> b; std::cout << a + b << std::endl; }\n"
    tests = [{"input": f"{i} 1", "output": str(i + 1)} for i in range(4)]
    assert judged(code, tests, language="cpp").score == 1.0
    before = set(compiled.iterdir())
    assert judged(f"```cpp\n{code}```", tests, language="cpp").score == 1.0
    assert set(compiled.iterdir()) == before


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("public class Solve { public static void main(String[] a) {} }", "Solve"),
        ("class Helper {}\nclass Run { public static void main(String[] a) {} }", "Run"),
        ("class Only {}", "Only"),
        ("", "Main"),
    ],
)
def test_class_that_java_starts(source: str, name: str) -> None:
    assert main_class_of(source) == name


def test_a_missing_compiler_is_an_error_of_the_run_with_the_remedy(
    code_loop: asyncio.AbstractEventLoop,
    code_sandbox: Any,
    code_workers: Any,
    compiled: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = replace(languages.LANGUAGES["cpp"], compile=("no-such-compiler", "{files}"))
    monkeypatch.setattr(
        "mixwright_runtime.verifiers.code.judge.LANGUAGES", {**languages.LANGUAGES, "cpp": gone}
    )
    judge = CodeJudge(lambda: code_sandbox, lambda: code_workers, language="cpp", cache=compiled)
    with pytest.raises(
        RunError, match=r"cpp does not work in the sandbox: .*; apt install g\+\+, and run again"
    ):
        code_loop.run_until_complete(judge.prepare())


def test_printers_are_shipped() -> None:
    assert (Path(languages.__file__).parent / "printers" / "org" / "javatuples" / "Pair.java").is_file()


@pytest.mark.parametrize(
    ("language", "code", "tests", "program"),
    [
        # a candidate's own main gives way to that of the tests
        (
            "cpp",
            "int f(int x) { return x; }\nint main() {\n    f(1);\n}\n",
            "}\nint main() {\n    assert(f(1) == (1));\n}\n",
            "int f(int x) { return x; }\n\nint main() {\n    assert(f(1) == (1));\n}\n",
        ),
        # a Java class of any name becomes the one that the tests go on in
        (
            "java",
            "public class Solution {\n    static long f(long x) { return x; }\n"
            "    public static void main(String[] a) { f(1); }\n}\n",
            "    }\n    public static void main(String[] args) {\n    assert(f(1l) == (1l));\n    }\n\n}\n",
            "class Problem {\n    static long f(long x) { return x; }\n"
            "\n    public static void main(String[] args) {\n    assert(f(1l) == (1l));\n    }\n\n}\n",
        ),
        # a completion that closes what the prefix opened, and more
        (
            "rust",
            "fn f(x: isize) -> isize { x }\nfn main() { f(1); }\n",
            "}\n\nfn main() {\n    assert_eq!(f(1), 1);\n}\n",
            "fn f(x: isize) -> isize { x }\n\n\nfn main() {\n    assert_eq!(f(1), 1);\n}\n",
        ),
        ("javascript", "function f() {}\n", "f();", "function f() {}\nf();"),
    ],
)
def test_candidate_and_tests_become_one_program(language: str, code: str, tests: str, program: str) -> None:
    assert joined(language, "", code, tests, "f") == program
