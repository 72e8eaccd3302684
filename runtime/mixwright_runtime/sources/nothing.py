"""Source kind `nothing`: one row without columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import SourceSpec
from mixwright_runtime.plugins.declare import declare


@declare("source", "nothing", is_empty=True)
class Nothing:
    """One row without columns, for pipelines whose rows are made from nothing: by a model, or by `draw`.

    The source `nothing` is built in and needs no declaration:

    ```mix
    pipeline tasks {
      from nothing { repeat = 20k }
      draw topic { values = ["rivers", "trains", "stars"] }
    }
    ```

    `repeat` starts its row as often as rows are wanted; each is a replica with an identity of its own, so that a model
    answers each anew and `draw` draws for each. There is nothing in it to lock or to license, and no other source,
    pipeline or mixture can have its name.
    """

    revision = ""
    files: tuple[Path, ...] = ()

    def __init__(self, spec: SourceSpec, directory: Path) -> None:
        pass

    def rows(self) -> Iterator[tuple[dict[str, Any], str]]:
        """The one row; it has no place."""
        yield {}, ""
