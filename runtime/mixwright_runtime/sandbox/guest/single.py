"""One job in a process of its own, for back-ends that start a container or a confined process for each.

    stdin    the order as a frame, then what the job's kind reads (`calls.py`, `exchange.py`, `programs.py`)
    stdout   for calls and exchanges, their frames; for a program, its own output, then what was collected, then a frame
             backwards: the contents, the JSON, its length, and an end mark

The walls are the back-end's; limits of this process and the system-call filter are added here.
"""

from __future__ import annotations

import json
import os
from typing import Any, NoReturn

from mixwright_runtime.sandbox.guest import calls, frames, job, kernel, programs, seccomp

ANSWERS = 5
END_MARK = b"\0mixwright-end\0"


def main() -> NoReturn:
    """Run the job on standard input."""
    order: dict[str, Any] = frames.read(0)
    limits = job.process_limits(order["profile"], order["memory_bytes"], order["disk_bytes"], order["cpu_s"])
    filters = [seccomp.box_program(kernel.MACHINE), seccomp.job_program(kernel.MACHINE, order["profile"])]
    confine = [
        # How many processes there may be is the back-end's to say: here other processes of the user would count.
        *limits,
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1),
        *map(kernel.system_call_filter, filters),
    ]
    if order["kind"] != "program":
        os.dup2(0, calls.CHANNEL)
        os.dup2(1, ANSWERS)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        kernel.make(confine)
        job.KINDS[order["kind"]].run(None, ANSWERS)
    work = programs.prepare(0)
    os.dup2(1, programs.STDOUT)
    os.dup2(2, programs.STDERR)
    kernel.make(confine)
    pid = os.fork()
    if pid == 0:
        programs.run(work)
    status, cpu_s = job.ending_of(pid)
    files = programs.collected(work) if status == 0 else []
    sizes = [[path, len(content)] for path, content in files]
    body = json.dumps({"status": status, "cpu_s": cpu_s, "files": sizes}).encode()
    trailer = b"".join([*(content for _, content in files), body, len(body).to_bytes(4, "little"), END_MARK])
    frames.write_bytes(programs.STDOUT, trailer)
    os._exit(0)
