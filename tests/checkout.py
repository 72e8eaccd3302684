"""Where the packages of this checkout lie, for tests that read them or start a process with them."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "mixwright_dsl": ROOT / "dsl" / "mixwright_dsl",
    "mixwright_compiler": ROOT / "compiler" / "mixwright_compiler",
    "mixwright_runtime": ROOT / "runtime" / "mixwright_runtime",
    "mixwright": ROOT / "mixwright",
}
IMPORT_PATH = os.pathsep.join(str(folder.parent) for folder in PACKAGES.values())
"""`PYTHONPATH` of a process that is to run this checkout."""
