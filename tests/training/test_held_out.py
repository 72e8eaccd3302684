"""Which examples are held out, and what is written for TensorBoard."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixwright_compiler.hardware.machines import machine_of_device
from mixwright_runtime.training.held_out import divided
from mixwright_runtime.training.tensorboard import EventFile, crc32c


def row(name: str, component: str) -> dict[str, object]:
    return {"id": name, "component": component, "messages": []}


def test_each_component_gives_its_share() -> None:
    rows = [row(f"{c}{i}", c) for c, n in (("a", 40), ("b", 10), ("c", 1)) for i in range(n)]
    trained, held = divided(rows, 0.1)
    assert {name: len(found) for name, found in held.items()} == {"a": 4, "b": 1}
    assert len(trained) == 46
    assert not {r["id"] for r in trained} & {r["id"] for found in held.values() for r in found}


def test_repeats_of_a_row_are_held_out_with_it() -> None:
    """Else a model would be measured on what it was trained on."""
    rows = [row(name, "a") for name in ("x", "x+1", "x+2", "y", "y+1", "z")]
    trained, held = divided(rows, 0.34)
    [only] = held["a"]
    assert not [r for r in trained if str(r["id"]).partition("+")[0] == only["id"]]


@given(st.sets(st.integers(0, 500), min_size=2), st.integers(1, 49))
def test_more_rows_or_a_larger_share_only_add(numbers: set[int], percent: int) -> None:
    rows = [row(str(n), "a") for n in numbers]
    smaller = {r["id"] for r in divided(rows, percent / 100)[1]["a"]}
    larger = {r["id"] for r in divided(rows, (percent + 1) / 100)[1]["a"]}
    assert smaller <= larger


def test_what_one_component_holds_out_no_other_trains_on() -> None:
    """The same rows in a small and a large component, and once more under other ids."""
    said = [[{"role": "user", "content": f"q{i}"}] for i in range(200)]
    rows = [{"id": f"r{i}", "component": "small", "messages": said[i]} for i in range(20)]
    rows += [{"id": f"r{i}", "component": "large", "messages": said[i]} for i in range(200)]
    rows += [{"id": f"copy{i}", "component": "copies", "messages": said[i]} for i in range(200)]
    trained, held = divided(rows, 0.1)
    assert {name: len(found) for name, found in held.items()} == {"small": 2, "large": 20, "copies": 20}
    texts = {row["messages"][0]["content"] for found in held.values() for row in found}
    assert not texts & {row["messages"][0]["content"] for row in trained}


def test_nothing_is_held_out_unasked() -> None:
    rows = [row("x", "a")]
    assert divided(rows, 0.0) == (rows, {})


def test_crc32c_is_that_of_the_standard() -> None:
    """RFC 3720, B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"123456789") == 0xE3069283


def test_event_files_hold_records_with_checksums(tmp_path: Path) -> None:
    file = EventFile(tmp_path, started_at=1000.0)
    file.scalars(3, 1001.0, {"train/loss": 0.5})
    file.close()
    [path] = tmp_path.iterdir()
    data, records = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        records.append(data[12 : 12 + length])
        data = data[16 + length :]
    assert b"brain.Event:2" in records[0]
    assert b"train/loss" in records[1] and struct.pack("<f", 0.5) in records[1]


def test_tensorboard_reads_them(tmp_path: Path) -> None:
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    file = EventFile(tmp_path, started_at=1000.0)
    for step in range(3):
        file.scalars(step, 1000.0 + step, {"train/loss": 2.0 - step, "train/mfu": 0.25})
    found = loader.EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in found.Scalars("train/loss")] == [(0, 2.0), (1, 1.0), (2, 0.0)]
    assert found.Tags()["scalars"] == ["train/loss", "train/mfu"]


@pytest.mark.parametrize(
    ("device", "size", "name"),
    [
        ("NVIDIA H100 80GB HBM3", 85e9, "h100_80gb"),
        ("NVIDIA A100-SXM4-40GB", 42e9, "a100_40gb"),
        ("NVIDIA A100-SXM4-80GB", 85e9, "a100_80gb"),
        ("NVIDIA H200", 150e9, "h200_141gb"),
        ("NVIDIA GeForce RTX 4090", 25e9, "rtx4090_24gb"),
        ("NVIDIA A10G", 24e9, "a10_24gb"),
    ],
)
def test_a_gpu_is_known_by_its_driver_s_name(device: str, size: float, name: str) -> None:
    found = machine_of_device(device, size)
    assert found is not None and found.name == name


def test_an_unknown_gpu_has_no_peak() -> None:
    assert machine_of_device("Some Accelerator 9000", 1e9) is None
