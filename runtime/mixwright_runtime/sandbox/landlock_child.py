"""Starts one command under Landlock with the `sandlock` package, and ends all of it when told to end.

Run as a program: its argument is JSON with `directory`, `readable`, `memory` and `processes`, the rest the command.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any


def main() -> int:
    import sandlock

    orders: dict[str, Any] = json.loads(sys.argv[1])
    box = sandlock.Sandbox(
        fs_readable=[path for path in orders["readable"] if os.path.exists(path)],
        fs_writable=[orders["directory"], "/dev/null"],
        max_memory=orders["memory"],
        max_processes=orders["processes"],
        max_open_files=1024,
        no_coredump=True,
        clean_env=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONHASHSEED": "0", "LANG": "C.UTF-8"},
        cwd=orders["directory"],
    )
    process = box.popen(sys.argv[2:])

    def end(number: int, frame: object) -> None:
        process.kill()

    signal.signal(signal.SIGTERM, end)
    results: list[Any] = []
    # The wait is in C, where no signal handler of Python runs: it has a thread, and this one stays awake.
    waiting = threading.Thread(target=lambda: results.append(process.wait()))
    waiting.start()
    while waiting.is_alive():
        waiting.join(0.5)
    return int(results[0].exit_code) & 0xFF if results else 1


if __name__ == "__main__":
    sys.exit(main())
