"""Features of `select less` taken by workers of a cluster: the same as its own process takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from mixwright_runtime.training.influence import gradient_ranges, gradient_worker, job  # noqa: E402
from mixwright_runtime.training.influence.gradient_ranges import (  # noqa: E402
    Probe,
    gradient_work,
    has_all,
    probe_file,
    stores_of,
    take_in_ranges,
)
from mixwright_runtime.training.influence.prepare import (  # noqa: E402
    Examples,
    examples_in,
    examples_told,
    read_examples,
    write_examples,
)
from mixwright_runtime.training.influence.settings import Adapters, LessSettings  # noqa: E402
from mixwright_runtime.values.ranges import HERE, RangeWork  # noqa: E402

ROWS = 7


def examples(count: int, seed: int) -> Examples:
    drawn = np.random.default_rng(seed)
    sizes = drawn.integers(4, 20, count)
    tokens = drawn.integers(5, 60, sizes.sum()).astype(np.int32)
    offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    labels = tokens.copy()
    labels[offsets[:-1]] = labels[offsets[:-1] + 1] = -100
    labels[offsets[2] : offsets[3]] = -100  # one that trains nothing
    return Examples(tokens, labels, offsets, tuple(f"row {n}" for n in range(count)))


@pytest.fixture(scope="module")
def settings(random_model: Path) -> LessSettings:
    return LessSettings(
        str(random_model),
        adapters=Adapters(rank=4, alpha=16, dropout=0.0),
        epochs=2,
        fraction=0.5,
        batch=2,
        learning_rate=1e-3,
        projection=64,
    )


@pytest.fixture
def directory(settings: LessSettings, tmp_path: Path) -> Path:
    """Of a job that is warm."""
    write_examples(examples(ROWS, 0), tmp_path / "rows")
    write_examples(examples(3, 1), tmp_path / "targets")
    (tmp_path / "tasks.json").write_text("[0, 0, 1]")
    (tmp_path / "settings.json").write_text(settings.to_json())
    job.run_until_warm(tmp_path)
    return tmp_path


class Others:
    """Does ranges as a worker does; those at some places stay undone."""

    def __init__(self, undone: Iterable[int] = ()) -> None:
        self.undone = set(undone)
        self.sent: list[Any] = []

    def each(self, work: RangeWork[Any, Any], ranges: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        place = work.files[0].parent / "shared"
        place.write_bytes(work.shared())
        files = [str(path) for path in work.files]
        assert gradient_worker.identity_there(str(place), files) == work.proof()
        for at, given in enumerate(ranges):
            sent = json.loads(json.dumps(work.sent(given)))
            self.sent.append(sent)
            if at in self.undone:
                yield given, work.here(given)
                continue
            value = json.loads(json.dumps(gradient_worker.features_of_part(str(place), files, sent)))
            yield given, work.came(given, value)

    async def one(self, work: RangeWork[Any, Any], given: Any) -> Any:
        raise AssertionError


def features(directory: Path, settings: LessSettings) -> list[bytes]:
    stores = [store for epoch in range(2) for store in stores_of(directory, epoch, settings, ROWS, 3)]
    return [store.read().tobytes() for store in stores]


def test_what_others_take_is_what_the_job_takes(
    directory: Path, settings: LessSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradient_ranges, "MOST_ROWS", 3)
    others = Others(undone=[1, 4])
    take_in_ranges(others, "gradients", directory, settings, lambda: None)
    assert [(sent["epoch"], sent["shape"], len(sent["sizes"])) for sent in others.sent] == [
        *((0, "adam", 3), (0, "adam", 3), (0, "adam", 1), (0, "sgd", 3)),
        *((1, "adam", 3), (1, "adam", 3), (1, "adam", 1), (1, "sgd", 3)),
    ]
    left = [
        store.missing().tolist() for n in range(2) for store in stores_of(directory, n, settings, ROWS, 3)
    ]
    assert left == [[3, 4, 5], [], [0, 1, 2], []] and not has_all(directory, settings)
    job.run(directory)
    assert has_all(directory, settings)
    shared = features(directory, settings), next(directory.glob("scores-*.npy")).read_bytes()

    for file in [*directory.rglob("written.npy"), *directory.glob("scores-*.npy")]:
        file.unlink()
    for file in directory.rglob("features.npy"):
        file.unlink()
    take_in_ranges(HERE, "gradients", directory, settings, lambda: None)
    assert not stores_of(directory, 0, settings, ROWS, 3)[0].read().any()
    job.run(directory)
    assert shared == (features(directory, settings), next(directory.glob("scores-*.npy")).read_bytes())


def test_features_of_other_weights_show(directory: Path, settings: LessSettings) -> None:
    """Of the model or of its adapters; and a gradient that is not finite travels as one."""
    rows = read_examples(directory / "rows")
    probe = Probe(**json.loads(probe_file(directory).read_text()))
    work = gradient_work("gradients", directory, settings, rows, probe)
    place = directory / "shared"
    place.write_bytes(work.shared())
    files = [str(path) for path in work.files]
    assert gradient_worker.identity_there(str(place), files) == probe.identity
    other = gradient_worker.identity_there(str(place), files[:2])
    assert other[:-1] == probe.identity[:-1] and other[-1] != probe.identity[-1]

    moments = np.load(files[3])
    np.save(files[3], moments * np.nan)
    gradient_worker._HELD.clear()
    part = {"epoch": 1, "shape": "adam", **examples_told(rows, [0, 2])}
    came = work.came(None, gradient_worker.features_of_part(str(place), files, part))  # type: ignore[arg-type]
    assert came is not None and came[0] is None
    assert came[1] is not None and not came[1].any(), "nothing is trained in it: zeros"


def test_examples_are_the_same_when_they_arrive() -> None:
    given = examples(5, 3)
    came = examples_in(json.loads(json.dumps(examples_told(given, [3, 0]))))
    assert len(came) == 2
    for at, row in enumerate((3, 0)):
        for one, other in zip(came[at], given[row], strict=True):
            assert one.tolist() == other.tolist() and one.dtype == np.int32
    assert len(examples_in(examples_told(given, []))) == 0
