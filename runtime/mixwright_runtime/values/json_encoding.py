"""JSON encoders for what is written of every row."""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Callable
from typing import Any


def encoder(**form: Any) -> Callable[[object], str]:
    """`json.JSONEncoder(**form).encode`, with what it makes anew for each value made once: that takes longer than to
    write a short one. No circles are looked for, either; a value that holds itself ends as one that is too deep does."""
    made = json.JSONEncoder(check_circular=False, **form)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # an interpreter without the module in C
        return made.encode
    pieces = make(
        None,
        made.default,
        json.encoder.encode_basestring_ascii if made.ensure_ascii else json.encoder.encode_basestring,
        made.indent,
        made.key_separator,
        made.item_separator,
        made.sort_keys,
        made.skipkeys,
        made.allow_nan,
    )
    return lambda value: "".join(pieces(value, 0))
