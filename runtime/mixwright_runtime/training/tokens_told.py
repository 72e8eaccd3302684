"""Token ids and labels as they travel to and from a worker: numbers as bytes in base64, labels as a bit each."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixwright_runtime.training.encode import IGNORED


def tokens_told(tokens: NDArray[np.int32], labels: NDArray[np.int32]) -> dict[str, str]:
    """Flat tokens and labels as JSON."""
    return {
        "tokens": base64.b64encode(tokens.astype("<i4").tobytes()).decode(),
        "trained": base64.b64encode(np.packbits(labels != IGNORED).tobytes()).decode(),
    }


def tokens_in(told: Mapping[str, Any]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The flat tokens and labels that were told."""
    tokens = np.frombuffer(base64.b64decode(told["tokens"]), "<i4").astype(np.int32)
    bits = np.frombuffer(base64.b64decode(told["trained"]), np.uint8)
    return tokens, np.where(np.unpackbits(bits, count=len(tokens)), tokens, np.int32(IGNORED))
