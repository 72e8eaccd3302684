"""Features of ranges of examples in the workers of a cluster (`mixwright_runtime/values/ranges.py`), the same as a job's.

    job, until it is warm ─▶ probe.json ─▶ a part of the features that are missing ─▶ worker ─▶ FeatureStore

What no worker does stays missing, and is taken by the job, which goes on where it is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixwright_runtime.training.influence.features import FeatureStore
from mixwright_runtime.training.influence.prepare import Examples, examples_told, read_examples
from mixwright_runtime.training.influence.settings import PLAIN, LessSettings
from mixwright_runtime.values.ranges import Ranges, RangeWork

MOST_ROWS = 32
"""Of a part: their features are half a megabyte. Chosen."""


@dataclass(frozen=True)
class Part:
    """Examples of which the features under an epoch are to be taken, and where they go."""

    epoch: int
    shape: str
    examples: Examples
    rows: tuple[int, ...]
    store: FeatureStore


Features = list[NDArray[np.float16] | None]
"""Of each example of a part; None of one that is not finite."""


@dataclass(frozen=True)
class Probe:
    """What a job tells when it is warm, so that others can take features in its stead.

    identity: as `Taker.identity`, of `rows`. threads: of its processors that it used. tokens: of about two seconds' work.
    limit_s: CPU seconds in which a part must be done.
    """

    identity: list[str]
    rows: list[int]
    threads: int
    tokens: int
    limit_s: float


def probe_file(directory: Path) -> Path:
    """Where a job tells of its probe."""
    return directory / "probe.json"


def stores_of(
    directory: Path, epoch: int, settings: LessSettings, rows: int, targets: int
) -> list[FeatureStore]:
    """The features of a job's rows and of its targets under an epoch."""
    place = directory / "features" / f"epoch-{epoch}"
    return [
        FeatureStore(place / name, n, settings.projection)
        for name, n in (("rows", rows), ("targets", targets))
    ]


def epoch_files(directory: Path, epoch: int) -> tuple[Path, Path]:
    """The adapters' weights and Adam's moments of an epoch (`warmup.py`)."""
    place = directory / "warmup" / f"epoch-{epoch}"
    return place / "adapter.safetensors", place / "moments.npy"


def has_all(directory: Path, settings: LessSettings) -> bool:
    """Whether nothing is missing."""
    sizes = [len(read_examples(directory / name)) for name in ("rows", "targets")]
    stores = [
        store for epoch in range(settings.epochs) for store in stores_of(directory, epoch, settings, *sizes)
    ]
    return not any(len(store.missing()) for store in stores)


def take_in_ranges(
    ranges: Ranges,
    what: str,
    directory: Path,
    settings: LessSettings,
    stop_if_interrupted: Callable[[], None],
) -> None:
    """Have others take what a job that is warm still misses; what they do not do stays missing. what: whose, in words.

    Raises what `stop_if_interrupted` raises, which is called for each part.
    """
    rows, targets = read_examples(directory / "rows"), read_examples(directory / "targets")
    probe = Probe(**json.loads(probe_file(directory).read_text(encoding="utf-8")))
    work = gradient_work(what, directory, settings, rows, probe)
    parts = _parts(directory, settings, rows, targets, probe)
    store: FeatureStore | None = None
    for part, features in ranges.each(work, parts):
        stop_if_interrupted()
        if store is not None and store is not part.store:
            store.flush()
        store = part.store
        for row, feature in zip(part.rows, features or (), strict=False):
            store.put(row, feature)
    if store is not None:
        store.flush()


def gradient_work(
    what: str, directory: Path, settings: LessSettings, rows: Examples, probe: Probe
) -> RangeWork[Part, Features | None]:
    """Features of parts. None of one that nobody else takes."""
    told = {
        "settings": settings.to_json(),
        "threads": probe.threads,
        "probe": examples_told(rows, probe.rows),
    }
    return RangeWork(
        what=what,
        here=lambda _: None,
        function="mixwright_runtime.training.influence.gradient_worker:features_of_part",
        sent=lambda part: {
            "epoch": part.epoch,
            "shape": part.shape,
            **examples_told(part.examples, part.rows),
        },
        came=lambda _, value: _came(settings, value),
        prover="mixwright_runtime.training.influence.gradient_worker:identity_there",
        proof=lambda: probe.identity,
        shared=json.dumps(told).encode,
        files=tuple(path for epoch in range(settings.epochs) for path in epoch_files(directory, epoch)),
        limit_s=probe.limit_s,
        loads_model=True,
    )


def features_told(features: Features, k: int) -> dict[str, Any]:
    """Features as they travel."""
    found = np.zeros((len(features), k), np.float16)
    for at, feature in enumerate(features):
        if feature is not None:
            found[at] = feature
    broken = [at for at, feature in enumerate(features) if feature is None]
    return {"features": base64.b64encode(found.astype("<f2").tobytes()).decode(), "broken": broken}


def _came(settings: LessSettings, value: dict[str, Any]) -> Features:
    flat = np.frombuffer(base64.b64decode(value["features"]), "<f2").astype(np.float16)
    broken = set(value["broken"])
    return [
        None if at in broken else feature for at, feature in enumerate(flat.reshape(-1, settings.projection))
    ]


def _parts(
    directory: Path, settings: LessSettings, rows: Examples, targets: Examples, probe: Probe
) -> Iterator[Part]:
    for epoch in range(settings.epochs):
        kept, wanted = stores_of(directory, epoch, settings, len(rows), len(targets))
        for examples, store, shape in ((rows, kept, settings.gradient), (targets, wanted, PLAIN)):
            for part in _cut(examples, store.missing(), probe.tokens):
                yield Part(epoch, shape, examples, tuple(part), store)


def _cut(examples: Examples, missing: NDArray[np.int64], tokens: int) -> Iterator[list[int]]:
    """Examples by their places, in lists of about so many tokens."""
    part: list[int] = []
    length = 0
    for row in map(int, missing):
        own = len(examples[row][0])
        if part and (len(part) == MOST_ROWS or length + own > tokens):
            yield part
            part, length = [], 0
        part.append(row)
        length += own
    if part:
        yield part
