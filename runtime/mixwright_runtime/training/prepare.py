"""A training job before its ranks start: rows encoded, packed and scheduled, and all that ranks read written down.

rows ─encode─▶ sequences ─pack─▶ packed/ ─schedule─▶ slots.npy
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mixwright_runtime.errors import RunError
from mixwright_runtime.training.encode import EncodingCounts, Learned, encode
from mixwright_runtime.training.groups import parameter_names, refuse_idle_patterns
from mixwright_runtime.training.held_out import divided, open_held_out, without
from mixwright_runtime.training.launch import last_checkpoint
from mixwright_runtime.training.packed import PackedManifest, packed_source, read_manifest, write_packed
from mixwright_runtime.training.preflight import check_attention, check_sharing, with_chunks, with_packing
from mixwright_runtime.training.preview import job_tokenizer
from mixwright_runtime.training.schedule import Layout, bins_by_slot, layout_of, steps_of
from mixwright_runtime.training.settings import TrainSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Prepared:
    """A job before its ranks start. `steps` is the whole run's, `resumed_at` where it continues."""

    directory: Path
    fingerprint: str
    settings: TrainSettings
    manifest: PackedManifest
    layout: Layout
    steps: int
    parameters: int
    resumed_at: int
    notes: tuple[str, ...] = ()
    """Why `packing = auto` pads and `chunked_loss = auto` computes the loss whole, where they do."""


def prepare(
    settings: TrainSettings,
    rows: Iterable[dict[str, Any]],
    output: Path,
    *,
    held_out: Mapping[str, list[dict[str, Any]]] | None = None,
) -> Prepared:
    """Encode, pack and schedule the rows, and write everything that ranks read.

    held_out: these examples are not trained on, instead of those that `holdout` chooses.

    Raises:
        RunError: nothing to train on, or an architecture that cannot keep packed sequences apart.
    """
    from mixwright_runtime.training.fresh import base_digest, parameter_count, start_config, write_start

    listed = list(rows)
    if settings.vocabulary is not None:
        settings = replace(settings, tokenizer=str(_made_tokenizer(settings, listed, output / "state")))
    tokenizer = job_tokenizer(settings)
    if settings.chat_template is not None or settings.new_tokens is not None:
        settings = replace(settings, tokenizer=str(_changed_tokenizer(settings, tokenizer, output / "state")))
    check_attention(settings)
    settings, why_padded = with_packing(settings)
    settings, why_whole = with_chunks(settings)
    check_sharing(settings)
    listed, held = divided(listed, settings.holdout) if held_out is None else without(listed, held_out)
    packed_place = output / "state" / "packed" / packed_source(settings, listed, tokenizer)[:12]
    manifest = _pack(settings, listed, tokenizer, packed_place)
    layout = layout_of(
        batch=settings.batch,
        examples=manifest.examples,
        bins=manifest.bins,
        ranks=settings.groups,
        micro_batch=settings.micro_batch,
    )
    steps = steps_of(layout, bins=manifest.bins, epochs=settings.epochs, steps=settings.steps)
    last = max(1, round(manifest.bins * settings.epochs)) if settings.steps is None else None
    fingerprint = settings.fingerprint(manifest.digest, base_digest(settings))
    directory = output / "state" / fingerprint[:12]
    directory.mkdir(parents=True, exist_ok=True)
    _link(directory / "packed", packed_place)
    _hold_out(settings, held, tokenizer, directory / "held")
    if settings.measure is not None and settings.measure.is_loss and open_held_out(directory).is_empty:
        raise RunError(
            "`measure` chooses by the loss of held-out examples, and there are none: write `holdout = 2%`"
        )
    np.save(
        directory / "slots.npy",
        bins_by_slot(layout, bins=manifest.bins, steps=steps, seed=settings.seed, last=last),
    )
    (directory / "layout.json").write_text(json.dumps(asdict(layout)) + "\n", encoding="utf-8")
    (directory / "settings.json").write_text(settings.to_json(), encoding="utf-8")
    if settings.rates or settings.frozen:
        refuse_idle_patterns(settings, *parameter_names(start_config(settings, tokenizer)))
    write_start(settings, tokenizer, directory)
    place = Path(settings.start(directory)[0])
    parameters = parameter_count(place) if place.is_dir() else 0
    resume = last_checkpoint(directory / "checkpoints")
    resumed_at = resume.step if resume else 0
    return Prepared(
        directory,
        fingerprint,
        settings,
        manifest,
        layout,
        steps,
        parameters,
        resumed_at,
        notes=tuple(note for note in (why_padded, why_whole) if note),
    )


def _changed_tokenizer(settings: TrainSettings, tokenizer: PreTrainedTokenizerBase, state: Path) -> Path:
    """Directory of the tokenizer with the template and the new tokens of the block; ranks load it, and save it with the
    model."""
    key = f"{settings.tokenizer}@{settings.revision}\0{settings.chat_template}\0{settings.new_tokens}"
    place = state / "tokenizer" / f"changed-{blake2b(key.encode(), digest_size=6).hexdigest()}"
    partial = place.with_name(place.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    tokenizer.save_pretrained(partial)
    shutil.rmtree(place, ignore_errors=True)
    partial.rename(place)
    return place


def _made_tokenizer(settings: TrainSettings, rows: list[dict[str, Any]], state: Path) -> Path:
    """Directory of a tokenizer made from the rows' texts; made once for the same texts."""
    from mixwright_runtime.training.tokenizer import train_tokenizer

    assert settings.vocabulary is not None
    texts = [str(message.get("content") or "") for row in rows for message in row["messages"]]
    key = json.dumps(["mixwright.tokenizer.v1", settings.vocabulary, settings.context, texts])
    place = state / "tokenizer" / blake2b(key.encode(), digest_size=6).hexdigest()
    if not place.exists():
        # Whole or not at all: one that a kill cut short would be taken for made.
        partial = place.with_name(place.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        train_tokenizer(texts, partial, vocabulary=settings.vocabulary, context=settings.context)
        partial.rename(place)
    return place


def _pack(
    settings: TrainSettings, rows: list[dict[str, Any]], tokenizer: PreTrainedTokenizerBase, place: Path
) -> PackedManifest:
    found = read_manifest(place)
    if found is not None:
        return found
    counts = EncodingCounts()
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0
    sequences = encode(
        rows,
        tokenizer,
        context=settings.context,
        overlong=settings.overlong,
        counts=counts,
        learned=Learned(settings.learn, last_turn_only=settings.turns == "last"),
    )
    return write_packed(
        sequences,
        place,
        context=settings.context,
        packing="none" if settings.packing == "none" else "best_fit",
        seed=settings.seed,
        pad=pad,
        source=place.name,
        counts=counts,
    )


def _hold_out(
    settings: TrainSettings,
    held: dict[str, list[dict[str, Any]]],
    tokenizer: PreTrainedTokenizerBase,
    place: Path,
) -> None:
    """Pack each component's held-out examples; one in which nothing is trained has none."""
    names = {}
    for number, (component, rows) in enumerate(sorted(held.items())):
        name = f"{number}/{packed_source(settings, rows, tokenizer)[:12]}"
        try:
            _pack(settings, rows, tokenizer, place / name)
        except RunError:
            continue
        names[component] = name
    if names:
        (place / "names.json").write_text(json.dumps(names) + "\n", encoding="utf-8")


def _link(link: Path, target: Path) -> None:
    relative = os.path.relpath(target, link.parent)
    if link.is_symlink() and os.readlink(link) == relative:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(relative)
