"""Tokens of ranges of rows, inside a process of a worker's pool. Named by `token_ranges.py`, imported by no other module:
`transformers` is imported with it, so that the time which that takes is no range's, and without torch, which tokenizers
do not need: 2.2 CPU seconds a process and not 5.5.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

if "torch" not in sys.modules:
    sys.modules["torch"] = None  # type: ignore[assignment]
import transformers  # noqa: F401

from mixwright_runtime.training.preview import load_tokenizer
from mixwright_runtime.training.settings import NewTokens
from mixwright_runtime.training.token_ranges import Rows, encoded_range, identity_of
from mixwright_runtime.training.tokens_told import tokens_told


def identity_there(place: str) -> list[str]:
    """What the tokenizer of a work is here."""
    return identity_of(_work_at(place)[1])


def tokens_of_range(place: str, rows: Rows) -> dict[str, Any]:
    """The sequences of a range, as `token_ranges` reads them: numbers of all of them as bytes in base64."""
    told, tokenizer = _work_at(place)
    found = encoded_range(rows, tokenizer, told)
    none = np.empty(0, np.int32)
    tokens = np.concatenate([none, *(sequence.tokens for sequence in found.sequences)])
    labels = np.concatenate([none, *(sequence.labels for sequence in found.sequences)])
    return {
        "names": [[s.id, s.component, s.lineage, len(s.tokens)] for s in found.sequences],
        "counts": vars(found.counts),
        **tokens_told(tokens, labels),
    }


@lru_cache(maxsize=2)
def _work_at(place: str) -> tuple[dict[str, Any], Any]:
    """What a work is told of, and its tokenizer: once a process."""
    told = json.loads(Path(place).read_bytes())
    new = told["new"] and NewTokens(tuple(told["new"]["plain"]), tuple(told["new"]["special"]))
    tokenizer = load_tokenizer(told["place"], told["revision"], template=told["template"], new=new)
    return told, tokenizer
