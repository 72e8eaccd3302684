"""83x: `verify code` without its tools, with tests that nothing can check, or with attributes that do nothing."""

from __future__ import annotations

from collections.abc import Mapping

from mixwright_compiler.checks.checked import Checked, is_written, maker_of, value_of
from mixwright_compiler.program import StepDecl
from mixwright_dsl.diagnostic import Label

SANDBOX = ("bwrap", "bubblewrap")
TOOLS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "python": (SANDBOX,),
    "javascript": (SANDBOX, ("node", "nodejs")),
    "cpp": (SANDBOX, ("g++", "g++")),
    "java": (SANDBOX, ("javac", "default-jdk-headless")),
    "rust": (SANDBOX, ("rustc", "rustc")),
    "go": (SANDBOX, ("go", "golang-go")),
    "bash": (SANDBOX, ("bash", "bash")),
    "sql": (),
}
"""Programs that each language needs, and the Debian package that has them."""

ONLY_FOR: Mapping[str, tuple[str, ...]] = {
    "equality": ("python",),
    "prefix": ("python", "javascript", "cpp", "java", "rust", "go", "bash"),
    "entry_point": ("python", "javascript", "cpp", "java", "rust", "go", "bash"),
    "whitespace": ("python", "javascript", "cpp", "java", "rust", "go", "bash"),
}
"""Languages in which an attribute means something."""


NO_TESTS = ("int", "float", "bool")


def check_code(checked: Checked) -> None:
    """MIX830: a tool that is missing. MIX831: agreement with nobody. MIX832: an attribute that does nothing. MIX833:
    tests of a type that holds none. MIX834: a model's tests, taken on trust."""
    told: set[str] = set()
    for pipeline, position, step in checked.clean_steps():
        if "programs" not in step.entry.rules:
            continue
        _check_tools(checked, step, told)
        _check_attributes(checked, step)
        _check_tests(checked, step, pipeline.steps[:position], checked.groups(pipeline).looked_at(position))


def _check_tools(checked: Checked, step: StepDecl, told: set[str]) -> None:
    import shutil  # with three archive formats, which a check of other specs does not need

    language = str(value_of(step.attributes, "language", "python"))
    for program, package in TOOLS[language]:
        if program in told or shutil.which(program) is not None:
            continue
        told.add(program)
        bound = step.attributes.get("language")
        is_sandbox = program == SANDBOX[0]
        checked.findings.warning(
            "MIX830",
            f"`verify code` needs `{program}`, which is not installed"
            + (" to run code that is not trusted" if is_sandbox else f" for {language}"),
            step.kind_span if is_sandbox or bound is None or bound.is_default else bound.span,
            "a run would stop here",
            hint=f"apt install {package}",
        )


def _check_attributes(checked: Checked, step: StepDecl) -> None:
    language = str(value_of(step.attributes, "language", "python"))
    for name, languages in ONLY_FOR.items():
        if is_written(step.attributes, name) and language not in languages:
            checked.findings.warning(
                "MIX832",
                f"`{name}` means nothing for {language}",
                step.attributes[name].span,
                hint=f"delete `{name}`",
            )
    if is_written(step.attributes, "min_tests") and value_of(step.attributes, "agree") is None:
        checked.findings.warning(
            "MIX832",
            "`min_tests` counts the tests that candidates agree on, and without `agree` none are left out",
            step.attributes["min_tests"].span,
            hint="add `agree = 3`, or delete `min_tests`",
        )


def _check_type(checked: Checked, step: StepDecl, tests: str) -> None:
    found = step.columns.get(tests)
    if found in NO_TESTS:
        checked.findings.error(
            "MIX833",
            f"`{tests}` is {found}, and tests are texts or lists",
            step.attributes["tests"].span,
            f"a column of {found}",
            hint="name the column with the assertions, or with `{ input, output }` objects",
        )


def _check_tests(checked: Checked, step: StepDecl, before: tuple[StepDecl, ...], candidates: int) -> None:
    tests = str(value_of(step.attributes, "tests", ""))
    _check_type(checked, step, tests)
    agree = value_of(step.attributes, "agree")
    maker = maker_of(before, tests)
    if maker is not None and maker.entry.writes and agree is None:
        checked.findings.warning(
            "MIX834",
            f"a model wrote `{tests}`, and nothing checks these tests",
            step.attributes["tests"].span,
            "a wrong test drops right programs",
            secondary=(Label(maker.kind_span, f"`{tests}` is written here"),),
            hint="write `agree = 4`: only tests that so many of a row's candidates pass count",
        )
    if not isinstance(agree, int):
        return
    at = step.attributes["agree"].span
    if agree > candidates:
        checked.findings.error(
            "MIX831",
            f"{agree} candidates must agree on a test, and a row has {candidates}",
            at,
            "no test can count",
            hint=f"write `samples = {2 * agree}` in the `generate` that makes the code",
        )
    elif agree == 1:
        checked.findings.warning(
            "MIX831",
            "every candidate agrees with itself, so each vouches for its own tests",
            at,
            hint=f"write `agree = {max(2, candidates // 2)}`",
        )
