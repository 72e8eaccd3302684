"""CPU time of whole `check` and `fmt` processes: the quickstart with its imports, and generated lines.

    python benchmarks/check_speed.py [LINES]

User and system milliseconds, the median of ten processes after one that warms the caches of bytecode and templates,
those of a bare interpreter to compare with, and those without the cache of templates. The generated lines are those
of parse_speed.py, checked as they are (mistakes in every block, so the time is mostly that of findings), and a copy in
which nothing is wrong. Of the latter `fmt --check` is timed as it is, where the result is lexed again to see that
nothing else changed, and formatted.
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

MODEL = 'model teacher openai { base_url = "http://localhost/v1", model = "tiny" }\n\n'
CORRECTIONS = (
    (' and not (lang in ["de", "fr"])', ""),
    (
        "verify math { response = problem, agree = 5, on_fail = retry(2) }",
        "filter { where = len(problem) > 20 }",
    ),
    ("assistant = solution", "assistant = problem"),
)
"""What makes the generated lines right: a column, a sample count and an answer that are not there go."""


def correct(text: str) -> str:
    """The generated spec with a model and without its mistakes."""
    for wrong, right in CORRECTIONS:
        text = text.replace(wrong, right)
    return text.replace("edition 2026\n\n", "edition 2026\n\n" + MODEL, 1)


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
        clean, faulty = Path(directory) / "clean.mix", Path(directory) / "faulty.mix"
        clean.write_text(correct(spec(lines)), encoding="utf-8")
        (Path(directory) / "data").mkdir()
        for n in range(clean.read_text(encoding="utf-8").count("source personas_")):
            (Path(directory) / "data" / f"personas_{n}.jsonl").write_text('{"persona": "a", "id": "b"}\n')
        faulty.write_text(spec(lines), encoding="utf-8")
        formatted = Path(directory) / "formatted.mix"
        formatted.write_text(clean.read_text(encoding="utf-8"), encoding="utf-8")
        command = ["-m", "mixwright"]
        cpu_ms([*command, "fmt", str(formatted)], environment)
        for name, arguments, more in (
            ("bare interpreter", ["-c", "pass"], {}),
            ("check of the quickstart", [*command, "check", str(QUICKSTART)], {}),
            ("  without the cache", [*command, "check", str(QUICKSTART)], {"MIXWRIGHT_CACHE": ""}),
            (f"check {lines:,} lines", [*command, "check", "--format=concise", str(clean)], {}),
            (f"check {lines:,} lines, faulty", [*command, "check", "--format=concise", str(faulty)], {}),
            (f"fmt {lines:,} lines", [*command, "fmt", "--check", str(clean)], {}),
            (f"fmt {lines:,} lines, formatted", [*command, "fmt", "--check", str(formatted)], {}),
        ):
            print(f"{name:28} {cpu_ms(arguments, environment | more):6.0f} ms CPU", flush=True)


if __name__ == "__main__":
    main()
