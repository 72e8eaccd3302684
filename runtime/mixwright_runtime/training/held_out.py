"""Examples that are not trained on: which they are, and their loss, component by component."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mixwright_runtime.training.encode import IGNORED
from mixwright_runtime.training.loss import whole_loss
from mixwright_runtime.training.packed import Packed, open_packed
from mixwright_runtime.training.state import read_lines, read_state, write_lines

FILE = "held_out.jsonl"


def divided(
    rows: Iterable[dict[str, Any]], share: float
) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """Rows to train on, in their order, and the held-out ones of each component.

    Of each component `share` of its rows are held out, at least one of two or more: those whose ids hash lowest, so that
    another mixture of the same rows holds out the same. All appearances of a repeated row go the same way; one whose
    messages are held out, by another component or under another id, is not trained on either.
    """
    listed = list(rows)
    if not share:
        return listed, {}
    by_component: dict[str, dict[str, None]] = {}
    for row in listed:
        by_component.setdefault(str(row["component"]), {})[_original(row)] = None
    chosen: dict[str, set[str]] = {}
    for component, names in by_component.items():
        ordered = sorted(names, key=lambda name: blake2b(name.encode(), digest_size=8).digest())
        count = max(1, round(share * len(ordered))) if len(ordered) > 1 else 0
        chosen[component] = set(ordered[:count])
    trained: list[dict[str, Any]] = []
    held: dict[str, list[dict[str, Any]]] = {component: [] for component, names in chosen.items() if names}
    seen: set[tuple[str, str]] = set()
    for row in listed:
        component, name = str(row["component"]), _original(row)
        if name not in chosen[component]:
            trained.append(row)
        elif (component, name) not in seen:
            seen.add((component, name))
            held[component].append(row)
    return _unlike(trained, held), held


def without(
    rows: Iterable[dict[str, Any]], held: Mapping[str, list[dict[str, Any]]]
) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """Rows that are not among the held-out ones, in their order, and these.

    So that the variants of a mixture are measured on the same examples, also of a component that one of them leaves out.
    """
    named = {(component, _original(row)) for component, found in held.items() for row in found}
    kept = [row for row in rows if (str(row["component"]), _original(row)) not in named]
    return _unlike(kept, held), {component: list(found) for component, found in held.items()}


def _unlike(rows: list[dict[str, Any]], held: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rows whose messages are none of the held-out ones'."""
    said = {_said(row) for found in held.values() for row in found if row.get("messages")}
    return [row for row in rows if not row.get("messages") or _said(row) not in said] if said else rows


def _said(row: dict[str, Any]) -> bytes:
    return blake2b(json.dumps(row["messages"], sort_keys=True).encode(), digest_size=16).digest()


def _original(row: dict[str, Any]) -> str:
    return str(row.get("lineage") or row["id"]).partition("+")[0]


@dataclass(frozen=True)
class HeldOut:
    """The packed held-out examples of each component."""

    components: dict[str, Packed]

    @property
    def is_empty(self) -> bool:
        return not self.components


def open_held_out(directory: Path) -> HeldOut:
    """What a job's directory holds out; nothing where it has no `held/names.json`."""
    listing = directory / "held" / "names.json"
    if not listing.exists():
        return HeldOut({})
    names = read_state(dict[str, str], listing)
    return HeldOut({name: open_packed(directory / "held" / place) for name, place in names.items()})


def losses(
    model: Any,
    held: HeldOut,
    *,
    micro: int,
    device: Any,
    summed: Callable[[Any, dict[str, Any]], Any] = whole_loss,
    sharing: int = 1,
) -> dict[str, float]:
    """Mean loss per trained token of each component. Every rank takes part, with the same number of forward passes.

    summed: of a model and a batch the sum over trained tokens of -log p. sharing: ranks that work on the same batch.
    """
    import torch
    import torch.distributed as distributed

    from mixwright_runtime.training.batches import batch_of
    from mixwright_runtime.training.schedule import EMPTY

    ranks, rank = 1, 0
    if distributed.is_initialized():
        ranks, rank = distributed.get_world_size() // sharing, distributed.get_rank() // sharing
    was_training = model.training
    model.eval()
    found = {}
    for name, packed in held.components.items():
        total = torch.zeros(2, dtype=torch.float64, device=device)
        bins = len(packed.used)
        for start in range(0, bins, ranks * micro):
            mine = [start + rank * micro + i for i in range(micro)]
            batch = batch_of(packed, [b if b < bins else EMPTY for b in mine])
            batch = {name: value.to(device) for name, value in batch.items()}
            count = (batch["labels"][:, 1:] != IGNORED).sum()
            with torch.no_grad():
                total += torch.stack([summed(model, batch).double(), count.double()])
        if distributed.is_initialized():
            distributed.all_reduce(total)
        found[name] = float(total[0] / total[1]) if total[1] else float("nan")
    model.train(was_training)
    return found


def held_out_callback(
    path: Path,
    held: HeldOut,
    micro: int,
    is_moment: Callable[[int, int], bool] = lambda step, steps: False,
    *,
    sharing: int = 1,
) -> Any:
    """A callback that appends `{"step", "losses", "mean"}` at the start, at each checkpoint and at the end; `mean` is
    over the trained tokens of all components.

    is_moment: of a step and the number of steps, is it measured there as well? sharing: ranks that share a sequence.
    Its attribute `trainer` must be set: the losses are those of the wrapped model, whose weights are sharded.
    """
    from transformers import TrainerCallback

    sizes = {name: int((packed.labels[:, 1:] != IGNORED).sum()) for name, packed in held.components.items()}

    def mean(found: Mapping[str, float]) -> float:
        return sum(found[name] * size for name, size in sizes.items() if size) / max(1, sum(sizes.values()))

    class Measured(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
        trainer: Any = None
        _last = -1

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                kept = [line for line in read_held_out(path) if line["step"] <= state.global_step]
                write_lines(path, kept)
            if state.global_step == 0:
                self._measure(args, state)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if is_moment(state.global_step, state.max_steps):
                self._measure(args, state)

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._measure(args, state)

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._measure(args, state)

        def _measure(self, args: Any, state: Any) -> None:
            if self._last == state.global_step:
                return
            self._last = state.global_step
            found = losses(
                self.trainer.model_wrapped,
                held,
                micro=micro,
                device=args.device,
                summed=self.trainer.summed_loss,
                sharing=sharing,
            )
            if not state.is_world_process_zero:
                return
            lines = read_held_out(path)
            if not lines or lines[-1]["step"] < state.global_step:
                with path.open("a", encoding="utf-8") as file:
                    line = {"step": state.global_step, "losses": found, "mean": mean(found)}
                    file.write(json.dumps(line) + "\n")

    return Measured()


def read_held_out(path: Path) -> list[dict[str, Any]]:
    """The lines of a held-out file, in order of steps; empty when there is none."""
    what_to_do = "delete it, and the same command goes on; the losses of earlier steps are then gone"
    return read_lines(path, {"step": int, "losses": dict[str, float]}, what_to_do=what_to_do)
