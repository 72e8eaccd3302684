"""CPU time of whole `mixwright check` processes: the quickstart with its imports, and generated lines.

    python benchmarks/check_speed.py [LINES]

User and system milliseconds, the median of ten processes after one that warms the caches of bytecode and grammar,
and those of a bare interpreter to compare with. The generated spec has findings (its data files are not there).
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from parse_speed import spec

QUICKSTART = Path(__file__).resolve().parent.parent / "specs" / "quickstart.mix"


def cpu_ms(arguments: list[str], environment: dict[str, str]) -> float:
    """User and system time of `python ARGUMENTS`, milliseconds, the median of ten processes."""
    times = []
    for _ in range(11):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode in (0, 1), done.stderr
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(times[1:]) * 1000


def main() -> None:
    """Print the figures."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as directory:
        # Own caches, always written: where PYTHONDONTWRITEBYTECODE is set, every start compiles our modules again.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": directory, "XDG_CACHE_HOME": directory}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        big = Path(directory) / "big.mix"
        big.write_text(spec(lines), encoding="utf-8")
        for name, arguments in (
            ("bare interpreter", ["-c", "pass"]),
            ("check of the quickstart", ["-m", "mixwright", "check", str(QUICKSTART)]),
            (f"check of {lines:,} lines", ["-m", "mixwright", "check", "--format=concise", str(big)]),
        ):
            print(f"{name:24} {cpu_ms(arguments, environment):6.0f} ms CPU", flush=True)


if __name__ == "__main__":
    main()
