"""Files of a training job that a kill cut short or a failing disk filled with anything: a message, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from mixwright_compiler.load.json_text import Damaged
from mixwright_compiler.plan.plan import Train
from mixwright_runtime.errors import RunError
from mixwright_runtime.training import launch
from mixwright_runtime.training.curve import read_curve
from mixwright_runtime.training.held_out import read_held_out
from mixwright_runtime.training.launch import COMPLETE, last_checkpoint, read_ended, run_ranks
from mixwright_runtime.training.nodes import Told
from mixwright_runtime.training.packed import mapped
from mixwright_runtime.training.schedule import Layout
from mixwright_runtime.training.settings import TrainSettings, settings_of
from mixwright_runtime.training.state import read_state, state_of, write_lines, write_state

pytestmark = pytest.mark.train

CURVE = {"step": 1, "loss": 2.5, "tokens_per_s": 10.0, "seconds": 1, "grad_norm": 1.0}

READERS: dict[str, tuple[Callable[[Path], Any], Any]] = {
    "layout.json": (lambda path: read_state(Layout, path), asdict(Layout(8, 2, 2, 2))),
    "ended.json": (read_ended, {"how": "done", "step": 8, "probe_loss": 1.5}),
    "curve.jsonl": (read_curve, CURVE),
    "held_out.jsonl": (read_held_out, {"step": 4, "losses": {"sums": 1.25}}),
    "what a node hears": (lambda path: state_of(Told, path.read_bytes(), "it"), asdict(Told("d", ["a"], 2))),
}


@pytest.mark.parametrize("name", READERS)
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    read, value = READERS[name]
    write_state(tmp_path / "it", value)
    found = read(tmp_path / "it")
    assert found == [value] if name.endswith("jsonl") else asdict(found) == value


def test_settings_are_read_as_they_were_written(tmp_path: Path, train_block: Callable[..., Train]) -> None:
    lora = {"rank": 8, "alpha": 16, "dropout": 0.0, "layers": ["q_proj"]}
    settings = settings_of(train_block(lora=lora), tmp_path)
    (tmp_path / "settings.json").write_text(settings.to_json())
    assert read_state(TrainSettings, tmp_path / "settings.json") == settings


@pytest.mark.parametrize("name", READERS)
@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    noise=st.one_of(
        st.binary(),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["step", "loss", "how"]), inner),
        ).map(lambda value: json.dumps(value).encode()),
        st.integers(1, 40).map(lambda cut: cut * b"["),
    ),
    end=st.sampled_from([b"", b"\n"]),
)
def test_any_bytes_are_read_or_named(tmp_path: Path, name: str, noise: bytes, end: bytes) -> None:
    read, _ = READERS[name]
    path = tmp_path / "it"
    path.write_bytes(noise + end)
    with suppress(Damaged):
        read(path)


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_was_cut_off_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    read, value = READERS[name]
    whole = json.dumps(value).encode()
    for cut in range(len(whole)):
        (tmp_path / "it").write_bytes(whole[:cut])
        if name.endswith("jsonl"):
            assert read(tmp_path / "it") == []  # a kill cut the line off: the run goes on from before it
        else:
            with pytest.raises(Damaged, match="is damaged: "):
                read(tmp_path / "it")


def test_a_damaged_line_is_named_by_its_number(tmp_path: Path) -> None:
    write_lines(tmp_path / "curve.jsonl", [CURVE, {**CURVE, "loss": "low"}])
    with pytest.raises(Damaged, match=r"curve\.jsonl:2 is damaged: delete it") as told:
        read_curve(tmp_path / "curve.jsonl")
    assert told.value.exit_code == 2


def test_an_array_that_was_cut_off_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "slots.npy", np.arange(100))
    whole = (tmp_path / "slots.npy").read_bytes()
    for cut in (0, 5, 60, len(whole) - 8):
        (tmp_path / "slots.npy").write_bytes(whole[:cut])
        with pytest.raises(Damaged, match=r"slots\.npy is damaged"):
            mapped(tmp_path / "slots.npy")


@pytest.mark.parametrize("mark", [b"", b'{"ra', b"\xff", b"[]", b'{"ranks": "two"}'])
def test_a_checkpoint_whose_mark_is_damaged_does_not_count(tmp_path: Path, mark: bytes) -> None:
    for step, held in ((2, b'{"ranks": 2}'), (4, mark)):
        place = tmp_path / f"checkpoint-{step}"
        place.mkdir()
        (place / COMPLETE).write_bytes(held)
    found = last_checkpoint(tmp_path)
    assert found is not None and found.step == 2


def _ranks(code: str) -> Callable[..., list[str]]:
    return lambda directory, *rest: [sys.executable, "-c", code, str(directory)]


@pytest.mark.parametrize(
    "story",
    [
        pytest.param("", id="no room for the story"),
        pytest.param("RuntimeError: unexpected pos 704 vs 598", id="what torch says"),
    ],
)
def test_a_full_disk_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, story: str) -> None:
    """And the checkpoint before it is the one that the next try goes on from."""
    whole = tmp_path / "checkpoints" / "checkpoint-2"
    whole.mkdir(parents=True)
    write_state(whole / COMPLETE, {"ranks": 1})
    code = f"import pathlib, sys; (pathlib.Path(sys.argv[1]) / 'failed.0').write_text({story!r}); sys.exit(1)"
    monkeypatch.setattr(launch, "ranks_command", _ranks(code))
    monkeypatch.setattr(launch.shutil, "disk_usage", lambda place: SimpleNamespace(free=4096))
    with pytest.raises(RunError, match=r"no space left on the device of .*the same command continues"):
        run_ranks(tmp_path, ranks=1, on_line=lambda line: None)
    found = last_checkpoint(tmp_path / "checkpoints")
    assert found is not None and found.place == whole


def test_a_rank_that_died_without_a_word_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import pathlib, sys; (pathlib.Path(sys.argv[1]) / 'failed.0').touch(); sys.exit(1)"
    monkeypatch.setattr(launch, "ranks_command", _ranks(code))
    with pytest.raises(RunError, match="ended from outside"):
        run_ranks(tmp_path, ranks=1, on_line=lambda line: None)


def test_half_a_checkpoint_is_gone_before_other_ranks_write_to_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its shards would be read as the new one's: DeepSpeed's converter takes all that lie there."""
    for step in (2, 4):
        (tmp_path / "checkpoints" / f"checkpoint-{step}").mkdir(parents=True)
    write_state(tmp_path / "checkpoints" / "checkpoint-2" / COMPLETE, {"ranks": 1})
    code = (
        "import json, pathlib, sys; place = pathlib.Path(sys.argv[1]);"
        "found = [c.name for c in place.glob('checkpoints/*')];"
        "(place / 'ended.json').write_text(json.dumps({'how': ' '.join(found), 'step': 2}))"
    )
    monkeypatch.setattr(launch, "ranks_command", _ranks(code))
    assert run_ranks(tmp_path, ranks=1, on_line=lambda line: None).how == "checkpoint-2"


def test_the_peak_of_a_process_is_not_its_parent_s() -> None:
    """A parent that holds 300 MB starts a rank; what the curve tells is the rank's own."""
    held = b"\1" * 300_000_000
    code = (
        "from mixwright_runtime.training.curve import peak_resident_bytes as peak; "
        "a = peak(); b = b'\\1' * 200_000_000; print(a, peak())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(int, ran.stdout.split())
    assert before < len(held) and after - before > 150_000_000
