"""One training run at a time writes to an output directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixwright_runtime.errors import RunError


@contextmanager
def only_run(output: Path) -> Iterator[None]:
    """Hold the output directory's lock; it goes with the process, however that ends.

    Raises:
        RunError: another run holds it.
    """
    import fcntl

    (output / "state").mkdir(exist_ok=True)
    with (output / "state" / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(f"another training run writes to {output}") from error
        yield
