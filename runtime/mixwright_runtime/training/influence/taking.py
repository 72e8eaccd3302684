"""Features of single examples under an epoch's weights: what a job takes of all of them, and workers of ranges."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixwright_compiler.plan.weights import weights_of
from mixwright_runtime.training.influence.gradients import adam_direction, gradient_of, trainable
from mixwright_runtime.training.influence.prepare import Examples
from mixwright_runtime.training.influence.projection import Projector
from mixwright_runtime.training.influence.settings import LessSettings
from mixwright_runtime.training.influence.warmup import load_adapted, load_adapters


class Taker:
    """Takes features with a model of its own, on this process's first GPU or its processors."""

    def __init__(self, settings: LessSettings) -> None:
        """Raises OSError where there is no such model on this machine."""
        import torch

        if torch.cuda.is_available():
            # Sums of a GPU come in any order otherwise, and features would be others each time they are taken. cuBLAS
            # reads its variable when it is first used.
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True, warn_only=True)
            torch.utils.deterministic.fill_uninitialized_memory = False
        self._settings = settings
        self._model = load_adapted(settings).eval()
        size = sum(parameter.numel() for _, parameter in trainable(self._model))
        self._device = next(self._model.parameters()).device
        self._projector = Projector(
            size, settings.projection, seed=settings.seed, method=settings.method, device=self._device
        )
        self._moments: Any = ()

    def turn_to(self, adapter: Path, moments: Path) -> None:
        """Take features under these weights and Adam's moments from now on (see `warmup.py`)."""
        import torch

        load_adapters(self._model, adapter)
        self._moments = tuple(torch.from_numpy(array).to(self._device) for array in np.load(moments))

    def feature(
        self, tokens: NDArray[np.int32], labels: NDArray[np.int32], shape: str
    ) -> NDArray[np.float32]:
        """An example's gradient, shaped (`LessSettings.gradient`) and projected, (k,); zeros where it trains nothing."""
        gradient = gradient_of(self._model, tokens, labels)
        if gradient is None:
            return np.zeros(self._settings.projection, np.float32)
        return self._projected(gradient, shape)

    def identity(self, examples: Examples) -> list[str]:
        """What decides features, to be compared with another process's: versions, the device, the model's files, and what
        comes of some examples (`digest`)."""
        import peft
        import torch
        import transformers

        versions = [torch.__version__, transformers.__version__, peft.__version__]
        return [*versions, _device_name(), self._model_identity(), self.digest(examples)]

    def digest(self, examples: Examples) -> str:
        """Hex digest of the gradients of some examples and of their features."""
        found = blake2b(digest_size=16)
        for at in range(len(examples)):
            gradient = gradient_of(self._model, *examples[at])
            if gradient is not None:
                found.update(gradient.cpu().numpy().tobytes())
                found.update(self._projected(gradient, self._settings.gradient).tobytes())
        return found.hexdigest()

    def _projected(self, gradient: Any, shape: str) -> NDArray[np.float32]:
        if shape == "adam":
            first, second = self._moments
            gradient = adam_direction(gradient, first, second, epsilon_inside=self._settings.epsilon_inside)
        elif shape == "sign":
            gradient = gradient.sign()
        found: NDArray[np.float32] = self._projector(gradient).cpu().numpy()
        return found

    def _model_identity(self) -> str:
        """The digest of a directory's files; the commit of a repository's."""
        weights = weights_of(Path(self._settings.place))
        return weights.digest if weights else str(getattr(self._model.config, "_commit_hash", ""))


def _device_name() -> str:
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"CPU, {torch.backends.cpu.get_cpu_capability()}"
