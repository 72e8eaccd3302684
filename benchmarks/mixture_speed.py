"""Time to select 150,000 of 1,000,000 rows, balanced over 30 values, beside what DuckDB does with the same question.

    python benchmarks/mixture_speed.py [ROWS]

Beside: `row_number() OVER (PARTITION BY value ORDER BY random())`, which picks other rows every time, and the same
by md5 of seed and id, which does not, but cannot divide exactly, cap or grow a quota. Prints CPU seconds and ratios.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import duckdb
import numpy as np

from mixwright_compiler.plan.plan import Component, Mixture, Origin, TakeQuota
from mixwright_runtime.mixture import Candidates, required_rows, select, start_positions
from mixwright_runtime.values.rows import digest

VALUES = 30
SHARE = 0.15


def mixture(count: int) -> Mixture:
    origin = Origin(file="benchmark.mix", line=1, column=1)
    quota = TakeQuota(count=count, balance="value")
    component = Component(rows="web", kind="source", quota=quota, origin=origin)
    return Mixture(name="mix", seed=42, components=(component,), columns={}, origin=origin)


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one run, all threads."""
    before = time.process_time()
    work()
    return time.process_time() - before


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    wanted = int(rows * SHARE)
    row_ids = [digest("benchmark", number) for number in range(rows)]
    # Sizes of the values fall as in real data: the rarest is a hundredth of the largest.
    weights = np.geomspace(1, 0.01, VALUES)
    drawn = np.random.default_rng(1).choice(VALUES, rows, p=weights / weights.sum())
    values = [f"value {number:02}" for number in drawn.tolist()]
    mix = mixture(wanted)

    def ours() -> None:
        candidates = {"web": Candidates(row_ids, start_positions(mix.seed, row_ids), {"value": values})}
        required_rows(mix, candidates)
        selection = select(mix, candidates)
        assert len(selection) == wanted
        assert min(taken for _, there, taken in selection.results[0].strata if there > taken) > 0

    connection = duckdb.connect()
    connection.execute("CREATE TABLE web (id BLOB, value VARCHAR)")
    for start in range(0, rows, 100_000):
        end = start + 100_000
        connection.execute(
            "INSERT INTO web SELECT unnest($1::BLOB[]), unnest($2::VARCHAR[])",
            [row_ids[start:end], values[start:end]],
        )

    def in_duckdb(key: str) -> Callable[[], object]:
        query = f"""SELECT id FROM (SELECT *, {key} AS key FROM web)
            QUALIFY row_number() OVER (PARTITION BY value ORDER BY key) <= {wanted // VALUES} ORDER BY key"""
        return lambda: connection.execute(query).fetchall()

    measured = cpu_seconds(ours)
    print(f"{wanted:,} of {rows:,} rows over {VALUES} values, CPU seconds")
    print(f"  mixwright: order, demand, selection, shuffle  {measured:6.2f}  (1.00x)")
    for name, key in (("DuckDB, random()", "random()"), ("DuckDB, md5", "md5(concat('42', id))")):
        other = cpu_seconds(in_duckdb(key))
        print(f"  {name:<45} {other:6.2f}  {other / measured:.2f}x")
    connection.close()


if __name__ == "__main__":
    main()
