"""An example as the model will see it: its text in runs of tokens that are trained and of tokens that are not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_compiler.plan.plan import Train
from mixwright_runtime.engines.tokenizer_files import NoTokenizer, tokenizer_at
from mixwright_runtime.errors import RunError
from mixwright_runtime.training.encode import IGNORED, Encoded, EncodingCounts, Learned, encode
from mixwright_runtime.training.new_tokens import add_tokens
from mixwright_runtime.training.settings import NewTokens, TrainSettings, new_tokens_of, template_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Run:
    """Neighbouring tokens that are all trained, or all not. `pieces`: the text of each token."""

    is_trained: bool
    pieces: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True)
class PreviewedExample:
    """One sequence of the training data: its id, its runs, and how many tokens it has and trains."""

    id: str
    component: str
    runs: tuple[Run, ...]
    tokens: int
    trained_tokens: int


def previewed(
    rows: Iterable[dict[str, Any]], train: Train, directory: Path, counts: EncodingCounts
) -> Iterator[PreviewedExample]:
    """The sequences that a `train` block makes of rows, one by one; `counts` says what became of the others.

    Raises:
        MissingExtra: transformers is not installed.
        RunError: the block's tokenizer is not on this machine, or the chat template fails.
    """
    given = train.attributes
    tokenizer = tokenizer_of(train, directory)
    learned = Learned(tuple(given["learn"]), last_turn_only=given["turns"] == "last")
    options = {"context": int(given["context"]), "overlong": given["overlong"], "counts": counts}
    for sequence in encode(rows, tokenizer, learned=learned, **options):
        yield _example(sequence, tokenizer)


def tokenizer_of(train: Train, directory: Path) -> Any:
    """The tokenizer of a `train` block, with its chat template.

    Raises:
        RunError: it cannot be loaded from this machine, or has no chat template.
    """
    given = train.attributes
    if given.get("vocabulary"):
        raise RunError(
            f"train '{train.name}' makes its tokenizer of the mixture: there is none before it trains"
        )
    local = given.get("tokenizer") or given.get("base")
    place, revision = str(given.get("repo")), str(given.get("revision") or "")
    if local:
        place, revision = str(directory / str(local)), ""
    return load_tokenizer(place, revision, template=template_of(given, directory), new=new_tokens_of(given))


def job_tokenizer(settings: TrainSettings) -> Any:
    """The tokenizer of a job, with the template and the tokens that its block gives it: see `load_tokenizer`."""
    return load_tokenizer(
        settings.tokenizer, settings.revision, template=settings.chat_template, new=settings.new_tokens
    )


def load_tokenizer(
    place: str, revision: str = "", *, template: str | None = None, new: NewTokens | None = None
) -> Any:
    """A tokenizer with a chat template, its own or `template`, from a directory or the hub's cache.

    new: tokens to add to it.

    Raises:
        MissingExtra: transformers is not installed.
        RunError: it cannot be loaded, has no chat template, or has one of the new tokens already.
    """
    try:
        tokenizer = tokenizer_at(
            place, "reading a tokenizer", extra="train", revision=revision, is_local=False
        )
    except NoTokenizer as error:
        raise RunError(f"no tokenizer can be loaded from {place}: {error}") from error
    if template is not None:
        tokenizer.chat_template = template
    if not tokenizer.chat_template:
        raise RunError(f"the tokenizer in {place} has no chat template")
    if new is not None:
        add_tokens(tokenizer, new, place)
    return tokenizer


def _example(sequence: Encoded, tokenizer: PreTrainedTokenizerBase) -> PreviewedExample:
    pieces = _pieces([int(token) for token in sequence.tokens], tokenizer)
    is_trained = [int(label) != IGNORED for label in sequence.labels]
    runs = tuple(
        Run(trained, tuple(piece for _, piece in group))
        for trained, group in groupby(zip(is_trained, pieces, strict=True), key=lambda pair: pair[0])
    )
    return PreviewedExample(sequence.id, sequence.component, runs, len(pieces), sum(is_trained))


def _pieces(tokens: list[int], tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The text that each token adds to those before it; a token that is part of a character adds it when it is whole."""
    pieces, before, start = [], "", 0
    for end in range(1, len(tokens) + 1):
        # A window: decoding all tokens again for each would take quadratic time.
        start = max(start, end - 12)
        before = tokenizer.decode(tokens[start : end - 1], skip_special_tokens=False)
        after = tokenizer.decode(tokens[start:end], skip_special_tokens=False)
        if after.endswith("\ufffd"):
            pieces.append("")
            continue
        whole = before.rstrip("\ufffd")
        pieces.append(after[len(whole) :] if after.startswith(whole) else after[len(before) :])
    return pieces
