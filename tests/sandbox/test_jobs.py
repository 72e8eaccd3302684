"""What each kind of job returns, and how each way to end is told apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mixwright_runtime.sandbox.pool import Sandbox
from mixwright_runtime.sandbox.protocol import (
    Call,
    CallsJob,
    Evaluate,
    ExchangeJob,
    Failure,
    Limits,
    Opaque,
    ProgramJob,
    Raised,
    Ran,
    Value,
)
from tests.sandbox.conftest import Run

QUICK = Limits(wall_s=60, cpu_s=3)
"""Patient by the clock: nothing here waits for it, and the machine may be busy."""


def bare(ran: Ran) -> Ran:
    """Without what differs from run to run."""
    return replace(ran, wall_s=0, cpu_s=0, status=None)


def test_calls_are_answered_in_order_by_one_process(run: Run) -> None:
    job = CallsJob(
        setup="start = 10",
        source="seen = []\ndef add(n, by=1):\n    seen.append(n)\n    return start + n + by",
        calls=[
            Call("add", [1]),
            Call("add", [2], {"by": -2}),
            Call("add", ["x"]),
            Call("missing"),
            Call("seen.copy"),
            Call("len", [[1, 2]]),
            Evaluate("[add(n) for n in range(2)]"),
            Evaluate("add"),
        ],
    )
    assert run(job).answers == (
        Value(12),
        Value(10),
        Raised("TypeError", "unsupported operand type(s) for +: 'int' and 'str'"),
        Raised("NameError", "name 'missing' is not defined"),
        Value([1, 2, "x"]),
        Value(2),
        Value([11, 12]),
        Opaque("function is not plain data"),
    )


def test_a_call_that_works_in_place_returns_its_arguments(run: Run) -> None:
    job = CallsJob("def sort(items):\n    items.sort()", [Call("sort", [[3, 1, 2]], with_arguments=True)])
    assert run(job).answers == (Value((None, [[1, 2, 3]])),)


def test_modules_classes_and_dataclasses_work(run: Run) -> None:
    source = """
import asyncio, dataclasses, random, tempfile, threading, multiprocessing, os

@dataclasses.dataclass
class Point:
    x: int

async def later():
    await asyncio.sleep(0)
    return 7

def threads():
    found = []
    thread = threading.Thread(target=found.append, args=(1,))
    thread.start()
    thread.join()
    return found

def files():
    with tempfile.TemporaryFile() as file:
        file.write(b"abc")
        file.seek(0)
        return file.read()

def forked():
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, b"child")
        os._exit(0)
    os.wait()
    return os.read(read, 5)
"""
    calls = ["Point(3).x", "asyncio.run(later())", "threads()", "files()", "forked()", "random.random()"]
    found = run(CallsJob(source, [Evaluate(call) for call in calls]))
    # The seed of `random` and the hashes of text are fixed: a verdict does not depend on the run.
    assert found.answers == tuple(map(Value, (3, 7, [1], b"abc", b"child", 0.8444218515250481)))


@pytest.mark.parametrize(
    ("source", "outcome", "detail", "failure"),
    [
        (
            "def f(:",
            "error",
            "source, line 1: SyntaxError: invalid syntax (<source>, line 1)",
            Failure("source", "SyntaxError", "invalid syntax (<source>, line 1)", 1),
        ),
        (
            "\n1 / 0",
            "error",
            "source, line 2: ZeroDivisionError: division by zero",
            Failure("source", "ZeroDivisionError", "division by zero", 2),
        ),
        (
            "import os\nos._exit(3)",
            "error",
            "ended before its last answer: exit 3",
            Failure("calls", "exit", "3"),
        ),
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
            "error",
            "ended before its last answer: signal SIGSEGV",
            Failure("calls", "signal", "SIGSEGV"),
        ),
        ("while True: pass", "limit", "more than 1 s of CPU time", None),
        ("x = bytearray(10**10)", "limit", "source ran out of memory", None),
    ],
)
def test_an_end_before_the_last_answer_is_told(
    run: Run, source: str, outcome: str, detail: str, failure: Failure | None
) -> None:
    ran = run(CallsJob(source, [Call("f")], limits=replace(QUICK, cpu_s=1)))
    assert (ran.outcome, ran.detail, ran.failure) == (outcome, detail, failure)


def test_a_timeout_keeps_the_earlier_answers(run: Run) -> None:
    source = "import time\ndef f(s):\n    time.sleep(s)\n    return s"
    job = CallsJob(source, [Call("f", [0]), Call("f", [100])], limits=Limits(wall_s=1))
    assert bare(run(job)) == Ran("timeout", "no result after 1 s", answers=(Value(0),))


def test_answers_are_capped(run: Run) -> None:
    small = replace(QUICK, output_bytes=1000)
    assert run(CallsJob("f = lambda: 'x' * 5000", [Call("f")], limits=small)).answers == (
        Opaque("too large"),
    )
    ran = run(CallsJob("f = lambda: 'x' * 400", [Call("f")] * 5, limits=small))
    assert (ran.outcome, ran.limit, len(ran.answers)) == ("limit", "output", 2)


def test_a_program_gets_files_and_input_and_returns_output(run: Run) -> None:
    main = b"import sys, words\nprint(words.LIST, sys.stdin.read(), sys.argv[1:], __name__)\nsys.exit('bad')"
    ran = run(ProgramJob(["python", "main.py", "-x"], {"main.py": main, "words.py": b"LIST = [1]"}, b"in"))
    assert bare(ran) == Ran("done", stdout=b"[1] in ['-x'] __main__\n", stderr=b"bad\n")
    assert ran.status == 1


def test_a_program_ends_as_python_would_end_it(run: Run) -> None:
    source = b"""
import atexit, threading, time
atexit.register(print, "last")
threading.Thread(target=lambda: (time.sleep(0.05), print("thread"))).start()
print("first")
raise ValueError("no")
"""
    ran = run(ProgramJob(["python", "main.py"], {"main.py": source}))
    assert (ran.status, ran.stdout) == (1, b"first\nthread\nlast\n")
    assert ran.stderr.decode().splitlines() == [
        "Traceback (most recent call last):",
        '  File "/tmp/main.py", line 6, in <module>',
        '    raise ValueError("no")',
        "ValueError: no",
    ]


def test_any_program_of_usr_runs_and_its_files_are_collected(run: Run) -> None:
    script = (
        "cat; echo err >&2; mkdir -p out/sub; echo 1 > out/a; echo 2 > out/sub/b; ln -s /etc/passwd out/link"
    )
    ran = run(
        ProgramJob(["sh", "-c", script], {"d/f.txt": b"x"}, b"input", collect=["out", "d/f.txt", "none"])
    )
    assert bare(ran) == Ran(
        "done",
        stdout=b"input",
        stderr=b"err\n",
        files={"out/a": b"1\n", "out/sub/b": b"2\n", "d/f.txt": b"x"},
    )


@pytest.mark.parametrize(
    ("argv", "status", "stderr"),
    [
        (["sh", "-c", "exit 7"], 7, b""),
        (["sh", "-c", "kill -TERM $$"], -15, b""),
        (["no-such-program"], 127, b"no-such-program: No such file or directory\n"),
    ],
)
def test_a_program_that_fails_is_done_with_a_status(
    run: Run, argv: list[str], status: int, stderr: bytes
) -> None:
    ran = run(ProgramJob(argv))
    assert (ran.outcome, ran.status, ran.stderr) == ("done", status, stderr)


@pytest.mark.parametrize(
    ("script", "outcome", "limit", "stdout"),
    [
        ("echo begun; sleep 100", "timeout", None, b"begun\n"),
        ("echo begun; sleep 100 & disown; sleep 100", "timeout", None, b"begun\n"),
        ("yes", "limit", "output", b"y\n" * 500),
        ("while :; do :; done", "limit", "cpu", b""),
    ],
)
def test_a_program_over_its_limits_is_ended(
    run: Run, script: str, outcome: str, limit: str | None, stdout: bytes
) -> None:
    limits = Limits(wall_s=1 if outcome == "timeout" else 60, cpu_s=1, output_bytes=1000)
    ran = run(ProgramJob(["bash", "-c", script], limits=limits))
    assert (ran.outcome, ran.limit, ran.stdout) == (outcome, limit, stdout)


def test_a_background_process_ends_with_its_program(run: Run) -> None:
    ran = run(ProgramJob(["bash", "-c", "sleep 100 & echo over"], limits=Limits(wall_s=20)))
    assert (ran.outcome, ran.stdout) == ("done", b"over\n")
    assert ran.wall_s < 15


EXCHANGE = """
def check(candidate):
    assert candidate(2) == 4
    assert candidate([1]) == [1, 1]
    assert abs(candidate(0.1) - 0.2) < 1e-9
    try:
        candidate(None)
    except _mixwright_wanted(TypeError):
        pass
    else:
        assert False, "should have raised"
check(candidate)
"""


@pytest.mark.parametrize(
    ("source", "outcome", "failure"),
    [
        ("def double(x): return 2 * x", "done", None),
        (
            "def double(x): return 2 * (x or 0)",
            "error",
            Failure("test", "AssertionError", "should have raised", 11),
        ),
        ("def double(x): return 5", "error", Failure("test", "AssertionError", "", 3)),
        (
            "def other(x): return 5",
            "error",
            Failure("raised", "NameError", "name 'double' is not defined", 3),
        ),
        ("import os\ndef double(x): os._exit(0)", "error", Failure("candidate", "exit", "0")),
        (
            "class Yes:\n    def __eq__(self, other): return True\ndef double(x): return Yes()",
            "error",
            Failure("candidate", "NotPlain", "the value of candidate: Yes is not plain data", 3),
        ),
        (
            "def double(:",
            "error",
            Failure("source", "SyntaxError", "invalid syntax (<source>, line 1)", 1),
        ),
    ],
)
def test_a_test_program_judges_a_candidate_in_another_job(
    run: Run, source: str, outcome: str, failure: Failure | None
) -> None:
    ran = run(ExchangeJob(EXCHANGE, source, {"candidate": "double"}, limits=QUICK))
    assert (ran.outcome, ran.failure) == (outcome, failure)


def test_an_exchange_that_hangs_is_a_timeout(run: Run) -> None:
    loops = "import time\ndef double(x):\n    time.sleep(100)"
    assert (
        run(ExchangeJob(EXCHANGE, loops, {"candidate": "double"}, limits=Limits(wall_s=1))).outcome
        == "timeout"
    )


def test_arguments_that_are_not_plain_data_are_refused_before_anything_runs(run: Run) -> None:
    with pytest.raises(ValueError, match="function is not plain data"):
        run(CallsJob("", [Call("f", [bare])]))


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../up", "", "a\0b"])
def test_paths_outside_the_working_directory_are_refused(run: Run, path: str) -> None:
    with pytest.raises(ValueError, match="not a path inside"):
        run(ProgramJob(["true"], {path: b""}))


def test_the_sandbox_knows_its_python(sandbox: Sandbox) -> None:
    assert sandbox.python.startswith("3.")
