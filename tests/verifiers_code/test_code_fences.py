"""Which part of an answer is the program."""

from __future__ import annotations

import pytest

from mixwright_runtime.verifiers.code.fences import assertions_in, blocks_of, code_in

F = "```"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("def f():\n    return 1", "def f():\n    return 1"),
        (f"Here it is:\n{F}python\ndef f(): return 1\n{F}\nDone.", "def f(): return 1"),
        (f"{F}\ndef f(): return 1\n{F}", "def f(): return 1"),
        # the last block that defines the entry point, not the example after it
        (f"{F}python\ndef f(): return 1\n{F}\nUse it:\n{F}python\nprint(f())\n{F}", "def f(): return 1"),
        # a second try replaces the first
        (f"{F}py\ndef f(): return 1\n{F}\nWait, better:\n{F}py\ndef f(): return 2\n{F}", "def f(): return 2"),
        # a block of another language is not the program
        (f"{F}bash\npip install f\n{F}\n{F}python\ndef f(): return 1\n{F}", "def f(): return 1"),
        (f"{F}javascript\nfunction f() {{}}\n{F}", None),
        (f"{F}text\nno code\n{F}", None),
        (f"{F}python3.11\ndef f(): return 1\n{F}", "def f(): return 1"),
        # an answer that was cut off ends inside its block
        (f"{F}python\ndef f():\n    return 1", "def f():\n    return 1"),
        # what a model thinks before it answers is not looked at
        (
            f"<think>{F}python\ndef f(): return 0\n{F}</think>\n{F}python\ndef f(): return 1\n{F}",
            "def f(): return 1",
        ),
        # a block in a list is indented with it
        (f"1. So:\n   {F}python\n   def f():\n       return 1\n   {F}", "def f():\n    return 1"),
        # a longer fence may hold a shorter one
        (f"{F}`python\ndef f():\n    '''{F}'''\n{F}`", f"def f():\n    '''{F}'''"),
        ("~~~python\ndef f(): return 1\n~~~", "def f(): return 1"),
        # a completion keeps its indentation
        ("    return 1\n", "    return 1"),
        ("", None),
        ("  \n", None),
        (f"{F}python\n\n{F}", None),
    ],
)
def test_code_of_an_answer(answer: str, code: str | None) -> None:
    assert code_in(answer, "python", "f") == code


def test_many_fences_are_read_in_linear_time() -> None:
    assert len(blocks_of(f"{F}python\nx\n{F}\n" * 20_000)) == 20_000


def test_tests_that_a_model_wrote_may_stand_in_several_blocks() -> None:
    text = f"First:\n{F}python\nassert f(1)\n{F}\nRun with {F}pytest{F}.\n{F}python\nassert f(2)\n{F}\n{F}sh\npytest\n{F}"
    assert assertions_in(text, "python") == "assert f(1)\n\nassert f(2)\n"
    assert assertions_in("assert f(1)\n", "python") == "assert f(1)\n"
