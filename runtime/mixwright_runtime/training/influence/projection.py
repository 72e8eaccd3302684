"""Random projections that keep inner products: a gradient of D numbers becomes one of k.

`sjlt`        each number goes, with a random sign, to 4 random places of the k, divided by 2 (Kane and Nelson 2014;
              the sparse Johnson-Lindenstrauss transform). Work 4 D, whatever k is.
`rademacher`  a dense matrix of random signs, divided by the root of k: what the reference code does. Work D k.

The error of a cosine is about 1 / sqrt(k) for both. Randomness is counter-based (Philox, keyed by the seed and the
block's number), so that nothing of the size of the matrix is stored and every machine draws the same.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

COPIES = 4
SPARSE_BLOCK = 1 << 20
"""Coordinates whose places are drawn together."""
DENSE_BLOCK = 2048
HELD_COORDINATES = 1 << 25
"""Places of gradients up to this size (1 GiB of them) are kept between examples; of larger ones drawn again."""


class Projector:
    """Projects flat gradients of one size.

    Args:
        size: numbers in a gradient, D.
        k: numbers that it becomes.
    """

    def __init__(
        self,
        size: int,
        k: int,
        *,
        seed: int,
        method: Literal["sjlt", "rademacher"] = "sjlt",
        device: Any = "cpu",
    ) -> None:
        self.size = size
        self.k = k
        self._seed = seed
        self._method = method
        self._device = device
        self._held: dict[int, tuple[Any, Any]] = {}

    def __call__(self, gradient: Any) -> Any:
        """The projection of a gradient: (size,) float32 tensor in, (k,) float32 tensor out.

        Raises:
            ValueError: a gradient of another size.
        """
        if gradient.shape != (self.size,):
            raise ValueError(
                f"a gradient of {tuple(gradient.shape)} numbers, the projection takes ({self.size},)"
            )
        return self._sparse(gradient) if self._method == "sjlt" else self._dense(gradient)

    def _sparse(self, gradient: Any) -> Any:
        import torch

        found = torch.zeros(self.k, dtype=torch.float32, device=self._device)
        for block in range(-(-self.size // SPARSE_BLOCK)):
            places, signs = self._places(block)
            part = gradient[block * SPARSE_BLOCK : (block + 1) * SPARSE_BLOCK].to(self._device, torch.float32)
            for copy in range(COPIES):
                found.index_add_(0, places[copy, : len(part)], part * signs[copy, : len(part)])
        return found / COPIES**0.5

    def _places(self, block: int) -> tuple[Any, Any]:
        """Where each coordinate of a block goes and with which sign: two (copies, block) tensors."""
        import torch

        if block in self._held:
            return self._held[block]
        count = min(SPARSE_BLOCK, self.size - block * SPARSE_BLOCK)
        drawn = np.random.Generator(np.random.Philox(key=[self._seed, block]))
        places = torch.from_numpy(drawn.integers(0, self.k, (COPIES, count), dtype=np.int64)).to(self._device)
        signs = torch.from_numpy(drawn.integers(0, 2, (COPIES, count), dtype=np.int8) * 2 - 1).to(
            self._device
        )
        if self.size <= HELD_COORDINATES:
            self._held[block] = places, signs
        return places, signs

    def _dense(self, gradient: Any) -> Any:
        import torch

        found = torch.zeros(self.k, dtype=torch.float32, device=self._device)
        for block in range(-(-self.size // DENSE_BLOCK)):
            part = gradient[block * DENSE_BLOCK : (block + 1) * DENSE_BLOCK].to(self._device, torch.float32)
            drawn = np.random.Generator(np.random.Philox(key=[self._seed, block]))
            bits = np.frombuffer(drawn.bytes(-(-DENSE_BLOCK * self.k // 8)), np.uint8)
            signs = np.unpackbits(bits, count=DENSE_BLOCK * self.k).reshape(DENSE_BLOCK, self.k)
            matrix = torch.from_numpy(signs[: len(part)]).to(self._device, torch.float32) * 2 - 1
            found += part @ matrix
        return found / self.k**0.5
