"""Throughput adapter: `peer_mixwright.py N C URL` answers N prompts with C in flight and prints what it cost.

Like its peers it imports and builds first; the measured part is the run: store opened, every row asked for,
committed and accounted for, store closed. `measure.py` takes the whole process beside it.
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
    import aiohttp  # noqa: F401
    import duckdb  # noqa: F401

    import mixwright as api
    import mixwright_runtime.run.run  # noqa: F401

    plan = api.plan(spec)
    began, cpu_before = time.perf_counter(), cpu_s()
    report = api.run(plan, store=Path.cwd() / "store")
    wall_s, used_s = time.perf_counter() - began, cpu_s() - cpu_before
    print("STATUS", report.exit_code)
    print("CPU_GEN", round(used_s, 3))
    print("T_GEN", round(wall_s, 3))
    rows = list(api.rows(Path.cwd() / "store", "answers"))
    print("ROWS", sum(1 for row in rows if row["answer"]))


main()
