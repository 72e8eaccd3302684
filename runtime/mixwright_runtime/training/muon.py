"""Muon for hidden matrices, AdamW for the rest: the optimizer of the small model.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) replaces the momentum of a matrix by the nearest
orthogonal one, found by five steps of a quintic Newton-Schulz iteration. It needs whole matrices on one rank, so ZeRO
cannot shard it here. On the small model it takes about a third of the steps AdamW takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the iteration; they maximise its slope at zero (Jordan et al. 2024)."""
_ADAMW_BETAS = (0.9, 0.98)
_MOMENTUM = 0.95
"""As Jordan et al. 2024 have it."""


def orthogonalised(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """(rows, columns) -> the same shape, singular values about 1 (0.7..1.2)."""
    a, b, c = _COEFFICIENTS
    x = matrix / (matrix.norm() + 1e-7)
    is_tall = x.shape[0] > x.shape[1]
    if is_tall:
        x = x.T
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if is_tall else x


class MuonWithAdamW(torch.optim.Optimizer):  # type: ignore[misc]  # torch is untyped here
    """Two groups of parameters: matrices of hidden layers under Muon, embeddings, head and vectors under AdamW."""

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, Any]],
        *,
        muon_learning_rate: float,
        learning_rate: float,
        weight_decay: float = 0.0,
        betas: tuple[float, float] | None = None,
        epsilon: float = 1e-8,
    ) -> None:
        self._adamw = partial(_adamw, betas=betas or _ADAMW_BETAS, epsilon=epsilon)
        hidden: list[Any] = []
        rest: list[Any] = []
        for name, parameter in named_parameters:
            is_hidden = parameter.ndim == 2 and not any(word in name for word in ("embed", "lm_head"))
            (hidden if is_hidden else rest).append(parameter)
        groups = [
            {"params": hidden, "lr": muon_learning_rate, "is_muon": True},
            {"params": rest, "lr": learning_rate, "is_muon": False},
        ]
        super().__init__([group for group in groups if group["params"]], {"weight_decay": weight_decay})

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update = _muon if group["is_muon"] else self._adamw
            for parameter in group["params"]:
                if parameter.grad is not None:
                    if parameter.ndim > 1:
                        parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    update(parameter, self.state[parameter], group["lr"])
        return loss


def _muon(parameter: Any, state: dict[str, Any], rate: float) -> None:
    momentum = state.setdefault("momentum", torch.zeros_like(parameter))
    momentum.lerp_(parameter.grad, 1 - _MOMENTUM)
    ahead = parameter.grad.lerp(momentum, _MOMENTUM)
    rows, columns = parameter.shape
    # Tall matrices take longer steps, so that a unit of output moves as far whatever the shape.
    parameter.add_(orthogonalised(ahead), alpha=-rate * max(1.0, rows / columns) ** 0.5)


def _adamw(
    parameter: Any, state: dict[str, Any], rate: float, *, betas: tuple[float, float], epsilon: float
) -> None:
    mean = state.setdefault("mean", torch.zeros_like(parameter))
    square = state.setdefault("square", torch.zeros_like(parameter))
    count = state["count"] = state.get("count", 0) + 1
    first, second = betas
    mean.lerp_(parameter.grad, 1 - first)
    square.lerp_(parameter.grad.square(), 1 - second)
    scale = (square / (1 - second**count)).sqrt_().add_(epsilon)
    parameter.addcdiv_(mean / (1 - first**count), scale, value=-rate)
