"""Features of parts of examples, in a process of a worker. Named by `gradient_ranges.py`, imported by no other module:
what a model is loaded with is imported with it, so that the time which that takes is no part's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peft  # noqa: F401
import torch
import transformers  # noqa: F401

from mixwright_runtime.training.influence.features import feature_of
from mixwright_runtime.training.influence.gradient_ranges import features_told
from mixwright_runtime.training.influence.prepare import examples_in
from mixwright_runtime.training.influence.settings import settings_from_json
from mixwright_runtime.training.influence.taking import Taker


def identity_there(place: str, files: list[str]) -> list[str]:
    """What decides features here, under the last epoch."""
    there = _at(place)
    return there.under(len(files) // 2 - 1, files).identity(examples_in(there.told["probe"]))


def features_of_part(place: str, files: list[str], part: dict[str, Any]) -> dict[str, Any]:
    """The features of a part's examples, as `gradient_ranges` reads them. files: adapters and moments of each epoch."""
    there = _at(place)
    taker = there.under(int(part["epoch"]), files)
    examples = examples_in(part)
    features = [feature_of(taker.feature(*examples[at], part["shape"])) for at in range(len(examples))]
    return features_told(features, there.settings.projection)


class _There:
    """A model with adapters, turned to an epoch."""

    def __init__(self, place: str) -> None:
        self.told = json.loads(Path(place).read_bytes())
        self.settings = settings_from_json(self.told["settings"])
        # As many as the run's own job uses: how sums are shared among threads may decide their last bits.
        torch.set_num_threads(self.told["threads"])
        self._taker = Taker(self.settings)
        self._epoch = -1

    def under(self, epoch: int, files: list[str]) -> Taker:
        """The taker under an epoch."""
        if self._epoch != epoch:
            adapter, moments = files[2 * epoch : 2 * epoch + 2]
            self._taker.turn_to(Path(adapter), Path(moments))
            self._epoch = epoch
        return self._taker


_HELD: dict[str, _There] = {}


def _at(place: str) -> _There:
    if place not in _HELD:
        _HELD.clear()  # before the next model is loaded
        _HELD[place] = _There(place)
    return _HELD[place]
