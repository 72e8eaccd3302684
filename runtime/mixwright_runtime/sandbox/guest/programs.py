"""Runs one program: writes its files, executes it or runs it in the pre-imported interpreter, and collects its output.

read   {"argv", "environment", "files": [[path, size], …], "stdin_bytes", "collect", "limit_bytes"}, then the contents
       of the files and of standard input, one after the other
write  {"status", "cpu_s", "files": [[path, size], …]}, then the contents
"""

from __future__ import annotations

import atexit
import os
import signal
import stat
import sys
import threading
import traceback
from typing import Any, NoReturn

from mixwright_runtime.sandbox.guest import candidate, fork_handlers, frames

STDOUT, STDERR = 4, 5
FILE_COUNT_LIMIT = 2_000


def prepare(report: int) -> dict[str, Any]:
    """Write the program's files into the empty working directory; runs in the job's own first process."""
    work: dict[str, Any] = frames.read(report)
    for path, size in work["files"]:
        parent = os.path.dirname(path)
        if parent:
            os.makedirs(parent, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
        frames.write_bytes(descriptor, frames.read_bytes(report, size))
        os.close(descriptor)
    # A file without a name: readable and seekable by the program, found by nothing else.
    stdin = os.open(".", os.O_RDWR | os.O_TMPFILE, 0o600)
    frames.write_bytes(stdin, frames.read_bytes(report, work["stdin_bytes"]))
    os.lseek(stdin, 0, os.SEEK_SET)
    os.dup2(stdin, 0)
    os.close(stdin)
    return work


def run(work: dict[str, Any]) -> NoReturn:
    """Become the program."""
    fork_handlers.register_kept()
    os.dup2(STDOUT, 1)
    os.dup2(STDERR, 2)
    os.closerange(3, 16)
    home = os.getcwd()
    environment = {"PATH": os.environ["PATH"], "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8"}
    environment.update(work["environment"])
    if work["argv"][0] == "python":
        os.environ.update(environment)
        _run_python(work["argv"])
    try:
        os.execvpe(work["argv"][0], work["argv"], environment)
    except OSError as error:
        os.write(2, f"{work['argv'][0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _run_python(argv: list[str]) -> NoReturn:
    """As `python main.py …` would: the same standard streams, exit status, exit handlers, and traceback."""
    sys.argv = argv[1:]
    sys.path.insert(0, os.getcwd())
    names = candidate.module("__main__")
    path = names["__file__"] = os.path.abspath(argv[1])
    try:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
        exec(code, names)
        status = 0
    except SystemExit as error:
        status = _exit_status(error)
    except BaseException as error:
        trace = error.__traceback__
        traceback.print_exception(type(error), error, trace.tb_next if trace is not None else None)
        status = 1
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
    except BaseException:
        status = status or 120
    os._exit(status)


def _exit_status(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def report(descriptor: int, work: dict[str, Any], status: int, cpu_s: float) -> None:
    """Say how the program ended and, after exit status 0, send what is to be collected."""
    files = collected(work) if status == 0 else []
    sizes = [[path, len(content)] for path, content in files]
    frames.write(descriptor, {"status": status, "cpu_s": cpu_s, "files": sizes})
    for _, content in files:
        frames.write_bytes(descriptor, content)


def collected(work: dict[str, Any]) -> list[tuple[str, bytes]]:
    """The files that the job's caller wants, after everything else in the job has ended."""
    if not work["collect"]:
        return []
    if os.getpid() == 1:
        _end_all_others()
    return _collected(work["collect"], work["limit_bytes"])


def _end_all_others() -> None:
    """Kill and reap what the untrusted process left running, so that nothing changes a file while it is collected."""
    try:
        os.kill(-1, signal.SIGKILL)
        while True:
            os.waitpid(-1, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def _collected(paths: list[str], limit_bytes: int) -> list[tuple[str, bytes]]:
    """Regular files by path, and those in directories; links are not followed, and what is too much is left out."""
    found: list[tuple[str, bytes]] = []
    left = limit_bytes
    waiting = list(reversed(paths))
    while waiting and len(found) < FILE_COUNT_LIMIT:
        path = waiting.pop()
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            waiting.extend(f"{path}/{name}" for name in sorted(os.listdir(descriptor), reverse=True))
        elif stat.S_ISREG(status.st_mode) and status.st_size <= left:
            content = frames.read_bytes(descriptor, status.st_size)
            found.append((path, content))
            left -= len(content)
        os.close(descriptor)
    return found
