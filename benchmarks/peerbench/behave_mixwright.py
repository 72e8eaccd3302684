"""Behaviour adapter: `behave_mixwright.py N C URL WORK VARIANT`; the store lives in WORK, so a rerun resumes."""

import sys
from pathlib import Path

from spec import write_spec

from mixwright import rows as kept_rows
from mixwright.cli import main as mixwright


def main() -> int:
    count, in_flight, url, work, variant = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:6]
    directory = Path(work)
    directory.mkdir(parents=True, exist_ok=True)
    spec = write_spec(
        directory,
        count,
        in_flight,
        url.replace("/v1", "/b/v1") if variant == "endpoint" else url,
        prompt="Write ONLY answer number {{ i }}." if variant == "prompt" else "Write answer number {{ i }}.",
        system="You are terse." if variant == "system" else "",
        temperature=0.9 if variant == "temp" else 0.1,
    )
    status = mixwright(["run", str(spec), "--store", str(directory / "store")])
    rows = list(kept_rows(directory / "store", "answers"))
    print("ROWS", len(rows))
    print("NONNULL", sum(1 for row in rows if row["answer"]))
    print("DISTINCT", len({row["i"] for row in rows}))
    return status


sys.exit(main())
