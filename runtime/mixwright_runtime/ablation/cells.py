"""The cells of an ablation: one training job for each mixture and seed, kept in a file each, so that none is repeated."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mixwright_compiler.load.json_text import json_of
from mixwright_compiler.plan.plan import Train
from mixwright_runtime.training.fresh import base_digest
from mixwright_runtime.training.settings import TrainSettings

FILE = "cell.json"


@dataclass(frozen=True)
class Cell:
    """A training job of an ablation: a mixture (the base, or a variant of it) and a seed."""

    mixture: str
    seed: int

    def directory(self, output: Path) -> Path:
        """Where the cell's model, curve and result are."""
        return output / self.mixture / f"seed-{self.seed}"


@dataclass(frozen=True)
class Result:
    """What a finished cell measured. `key`: of everything that decides it."""

    mixture: str
    seed: int
    key: str
    rows: int
    steps: int
    seconds: float
    last_loss: float | None
    measures: dict[str, dict[str, Any]]
    """Of each measure its `mixwright_runtime.training.evaluate.Accuracy`."""
    held_out: dict[str, float]
    """Loss per trained token of each component's held-out examples, after training."""
    components: dict[str, int] = field(default_factory=dict)
    """Rows of each component."""


def cells_of(mixtures: Sequence[str], seeds: Sequence[int]) -> list[Cell]:
    """Cells in the order of work: all mixtures with the first seed, then with the next, so that a run which is
    stopped leaves a whole table of fewer seeds."""
    return [Cell(mixture, seed) for seed in seeds for mixture in mixtures]


def key_of(
    settings: TrainSettings,
    rows: Sequence[Mapping[str, Any]],
    held_out: Mapping[str, Sequence[Mapping[str, Any]]],
    problems: str,
) -> str:
    """Hex digest of what decides a cell's result: settings and seed, rows that are trained on, held-out rows, weights to
    start from, and the evaluations (`problems_digest`)."""
    hashed = blake2b(digest_size=16)
    for row in rows:
        hashed.update(json.dumps([row["id"], row["component"], row["messages"]], sort_keys=True).encode())
    parts = {component: [row["id"] for row in found] for component, found in sorted(held_out.items())}
    hashed.update(json.dumps([parts, problems]).encode())
    return settings.fingerprint(hashed.hexdigest(), base_digest(settings))


def finished(cell: Cell, output: Path, key: str) -> Result | None:
    """The result of a cell that was finished with this key; None when it has to be trained."""
    try:
        values = json_of((cell.directory(output) / FILE).read_text(encoding="utf-8"))
        result = Result(**values)
    except (OSError, ValueError, TypeError):
        return None
    return result if result.key == key else None


def keep(result: Result, output: Path) -> None:
    """Write a cell's result at once: a reader never sees half of it."""
    directory = Cell(result.mixture, result.seed).directory(output)
    directory.mkdir(parents=True, exist_ok=True)
    write_whole(directory / FILE, json.dumps(asdict(result), ensure_ascii=False, indent=1) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Replace a file at once.

    Raises:
        OSError: it cannot be written.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)


def with_seed(train: Train, seed: int) -> Train:
    """The training job with another seed: the order of its examples, and fresh weights."""
    return train.model_copy(update={"attributes": {**train.attributes, "seed": seed}})
