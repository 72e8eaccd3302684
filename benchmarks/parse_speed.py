"""Lines a second of the front end on a generated spec: lexing, parsing, formatting, and start-up from cold.

    python benchmarks/parse_speed.py [LINES]

CPU seconds of the best of three runs without garbage collection, as the commands run; start-up is that of a fresh
process over a bare interpreter. What a user waits for is in check_speed.py.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable

BLOCK = """\
# Problems about the people of group {n}.
source personas_{n} jsonl {{
  path = "data/personas_{n}.jsonl"
  columns = {{ persona = text, id = persona_id }}
  where = len(persona) < 400 and not (lang in ["de", "fr"])
}}

template ask_{n} {{
  system = "You write rigorous mathematics problems."
  user = <<~JINJA
    Create a math problem related to the following persona:

    {{{{ persona }}}}
    JINJA
}}

pipeline math_{n} {{
  from personas_{n} {{ limit = 50k }}
  generate problem {{
    prompt = ask_{n}
    model = teacher
    temperature = 0.7
    parse = after("Math problem:")
  }}
  verify math {{ response = problem, agree = 5, on_fail = retry(2) }}
  chat {{ user = problem, assistant = solution }}
}}

"""


FIRST_PARSE = (
    "from mixwright_dsl.parser import parse; from mixwright_dsl.source import SourceFile; "
    "parse(SourceFile('a', 'a = 1'))"
)


def spec(lines: int) -> str:
    """A spec of at least that many lines."""
    per_block = BLOCK.count("\n")
    return "edition 2026\n\n" + "".join(BLOCK.format(n=n) for n in range(lines // per_block + 1))


def best_cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of the fastest of three runs."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def start_up_seconds(code: str) -> float:
    """CPU seconds of a fresh interpreter that runs `code`, the fastest of five."""
    script = f"{code}\nimport time; print(time.process_time())"
    runs = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        for _ in range(5)
    ]
    return min(float(run.stdout) for run in runs)


def main() -> None:
    """Print the figures."""
    from mixwright_dsl.formatter import format_text
    from mixwright_dsl.grammar import lex
    from mixwright_dsl.parser import parse
    from mixwright_dsl.source import SourceFile

    gc.disable()
    text = spec(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
    source = SourceFile("big.mix", text)
    assert not parse(source).diagnostics
    lines = text.count("\n")
    broken = SourceFile("broken.mix", text.replace("temperature = 0.7", "temperature: 0.7", 5))
    for name, work in (
        ("lex", lambda: lex(text)),
        ("parse", lambda: parse(source)),
        ("parse with 5 mistakes", lambda: parse(broken)),
        ("format", lambda: format_text(source)),
    ):
        seconds = best_cpu_seconds(work)
        print(f"{name:22} {seconds:6.3f} s CPU {lines / seconds:10,.0f} lines/s")
    bare = start_up_seconds("")
    for name, code in (
        ("import mixwright_dsl.parser", "import mixwright_dsl.parser"),
        ("first parse, cached", FIRST_PARSE),
    ):
        print(f"{name:22} {(start_up_seconds(code) - bare) * 1000:6.0f} ms CPU over a bare interpreter")


if __name__ == "__main__":
    main()
