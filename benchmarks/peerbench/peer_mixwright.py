"""Throughput adapter: `peer_mixwright.py N C URL` answers N prompts with C in flight and prints what it cost.

Compiling the spec, the durable store and the report are inside the measured time.
"""

import sys
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

from spec import write_spec


def cpu_s() -> float:
    """User and system seconds of this process and its finished children."""
    used = [getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def main() -> None:
    count, in_flight, url = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    spec = write_spec(Path.cwd(), count, in_flight, url)
    began, cpu_before = time.perf_counter(), cpu_s()
    from mixwright.cli import main as mixwright

    status = mixwright(["run", str(spec), "--store", str(Path.cwd() / "store")])
    wall_s, used_s = time.perf_counter() - began, cpu_s() - cpu_before
    print("STATUS", status)
    print("CPU_GEN", round(used_s, 3))
    print("T_GEN", round(wall_s, 3))

    import mixwright as api

    rows = list(api.rows(Path.cwd() / "store", "answers"))
    print("ROWS", sum(1 for row in rows if row["answer"]))


main()
