"""One part as a process: `python -m benchmarks.gpu.child MODULE:NAME REQUEST RESULT`, both files of JSON."""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.gpu.findings import Findings, Skip, Wrong


def main(function: str, request: Path, result: Path) -> None:
    """Run a part and write how it ended."""
    findings = Findings(result)
    asked: Mapping[str, Any] = json.loads(request.read_text(encoding="utf-8"))
    module, _, name = function.partition(":")
    try:
        getattr(importlib.import_module(module), name)(asked, findings)
    except Skip as why:
        findings.end("skipped", str(why))
    except Wrong as why:
        findings.end("wrong", str(why))
    except Exception as error:
        traceback.print_exc()
        findings.end("failed", f"{type(error).__name__}: {error}")
    else:
        findings.end("done")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
