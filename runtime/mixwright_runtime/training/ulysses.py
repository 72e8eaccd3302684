"""One sequence over several ranks: each holds a slice of its tokens and, within attention, all tokens of some heads.

    tokens of a slice, all heads ─exchange─▶ all tokens, some heads ─attention─▶ ─exchange─▶ tokens of a slice, all heads

Ulysses (Jacobs et al. 2023). All else in a decoder works token by token. Attention stays the library's own kernel, with
its masks: they are made of the positions of all tokens, of which each rank has a copy, so that packed examples stay apart
and windows slide over the cuts. Labels are shifted before the sequence is cut: the last token of a slice learns the first
of the next.

Written here because DeepSpeed 0.19 lets packed examples see each other where a mask tells them apart (it leaves the mask
out for scaled-dot-product attention), and accelerate 1.15 has context parallelism under FSDP2 alone and without masks.
Which architectures can be cut is measured on a small one before any rank starts, see
`mixwright_runtime.training.preflight`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from mixwright_runtime.training.encode import IGNORED
from mixwright_runtime.training.loss import predicted


@dataclass
class Group:
    """The ranks that share a sequence, as one of them sees them: the `number`th of `size`.

    swap: of a tensor (size, n) row i goes to rank i; gives the rows that came, in order of ranks. total: the sum of a
    tensor over the ranks. positions: of all tokens of the batch in work, (bins, width).
    """

    size: int
    number: int
    swap: Callable[[Any], Any]
    total: Callable[[Any], Any]
    positions: Any = None

    def part_of(self, batch: dict[str, Any]) -> dict[str, Any]:
        """This rank's slice of a batch that all ranks of the group hold, and remember the whole one's positions.

        It has `shift_labels`, and `shift_weights` where there are weights: each stands where it is predicted.
        """
        import torch

        labels, weights = predicted(batch)
        padding = -labels.shape[1] % self.size
        wide = {
            "input_ids": torch.nn.functional.pad(batch["input_ids"], (0, padding)),
            "shift_labels": torch.nn.functional.pad(labels, (0, padding), value=IGNORED),
        }
        if weights is not None:
            wide["shift_weights"] = torch.nn.functional.pad(weights, (0, padding))
        # As the padding of a bin: positions start again.
        more = torch.arange(padding, device=labels.device).expand(len(labels), -1)
        self.positions = torch.cat([batch["position_ids"], more], dim=1)
        wide["position_ids"] = self.positions
        return {name: value.chunk(self.size, dim=1)[self.number] for name, value in wide.items()}

    def exchanged(self, *tensors: Any) -> list[Any]:
        """Each tensor's parts along dimension 1, one for each rank, joined along dimension 2 as they come.

        (bins, heads, tokens of a slice, head) becomes (bins, some heads, tokens, head), and attention's output
        (bins, tokens, some heads, head) becomes (bins, tokens of a slice, heads, head). Gradients go the other way.
        """
        return list(_exchange().apply(self, 1, 2, *tensors))


def joined(size: int) -> Group | None:
    """This process' group of neighbouring ranks; None where each rank has sequences of its own. All ranks call it."""
    if size == 1:
        return None
    import torch
    import torch.distributed as distributed

    rank, own = distributed.get_rank(), None
    for first in range(0, distributed.get_world_size(), size):
        made = distributed.new_group(list(range(first, first + size)))
        own = made if first <= rank < first + size else own

    def swap(sent: Any) -> Any:
        got = torch.empty_like(sent)
        distributed.all_to_all_single(got, sent, group=own)
        return got

    def total(value: Any) -> Any:
        distributed.all_reduce(value, group=own)
        return value

    return Group(size, rank % size, swap, total)


def install(group_of: Callable[[], Group | None]) -> Callable[[], None]:
    """Let the attention of `transformers` models work on the whole sequence of the group that `group_of` gives.

    Returns what takes that back.
    """
    from transformers import masking_utils
    from transformers.modeling_utils import AttentionInterface

    chosen, masked = AttentionInterface.get_interface, masking_utils._preprocess_mask_arguments

    def get_interface(self: Any, *given: Any, **keywords: Any) -> Any:
        inner = chosen(self, *given, **keywords)

        def attention(module: Any, query: Any, key: Any, value: Any, *more: Any, **named: Any) -> Any:
            group = group_of()
            if group is None:
                return inner(module, query, key, value, *more, **named)
            query, key, value = group.exchanged(query, key, value)
            if named.get("position_ids") is not None:
                named["position_ids"] = group.positions
            output, weights = inner(module, query, key, value, *more, **named)
            return group.exchanged(output)[0], weights

        return attention

    def preprocess(
        config: Any, embeddings: Any, mask: Any, cache: Any, positions: Any, *more: Any, **named: Any
    ) -> Any:
        group = group_of()
        if group is not None:
            if positions is not None:  # what a model does not pass on it does not look at
                positions = group.positions
            # Only its shape, device and number format are looked at.
            embeddings = embeddings[:, :1].expand(-1, group.positions.shape[1], -1)
        return masked(config, embeddings, mask, cache, positions, *more, **named)

    AttentionInterface.get_interface = get_interface
    masking_utils._preprocess_mask_arguments = preprocess

    def undo() -> None:
        AttentionInterface.get_interface = chosen
        masking_utils._preprocess_mask_arguments = masked

    return undo


@cache
def _exchange() -> Any:
    """The autograd function; made when first needed, for it is a class of torch's."""
    import torch

    class Exchange(torch.autograd.Function):  # type: ignore[misc]  # torch is untyped here
        @staticmethod
        def forward(ctx: Any, group: Group, cut: int, join: int, *tensors: Any) -> Any:
            ctx.group, ctx.cut, ctx.join = group, cut, join
            parts = [torch.stack(tensor.chunk(group.size, dim=cut)) for tensor in tensors]
            # In one message: each costs the wait for the slowest rank.
            got = group.swap(torch.cat([part.flatten(1) for part in parts], dim=1))
            pieces = got.split([part[0].numel() for part in parts], dim=1)
            return tuple(
                torch.cat(list(piece.reshape(part.shape)), dim=join).to(part.dtype)
                for piece, part in zip(pieces, parts, strict=True)
            )

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            return (None, None, None, *Exchange.apply(ctx.group, ctx.join, ctx.cut, *gradients))

    return Exchange


def in_threads(size: int, work: Callable[[Group], Any]) -> list[Any]:
    """What `work` gives for each rank of a group whose ranks are threads of this process.

    Within, `install(group_of_thread)` finds a thread's group.
    """
    meeting = threading.Barrier(size)
    board: list[Any] = [None] * size
    found: list[Any] = [None] * size
    failures: list[BaseException] = []

    def everyones(number: int, value: Any) -> list[Any]:
        board[number] = value
        meeting.wait()
        seen = list(board)
        meeting.wait()
        return seen

    def run(number: int) -> None:
        import torch

        def swap(sent: Any) -> Any:
            return torch.stack([rows[number] for rows in everyones(number, sent)])

        def total(value: Any) -> Any:
            return sum(everyones(number, value))

        _thread.group = Group(size, number, swap, total)
        try:
            found[number] = work(_thread.group)
        except threading.BrokenBarrierError:
            pass  # another one failed
        except BaseException as error:
            failures.append(error)
            meeting.abort()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return found


_thread = threading.local()


def group_of_thread() -> Group | None:
    """The group of a thread of `in_threads`; None in any other."""
    return getattr(_thread, "group", None)
