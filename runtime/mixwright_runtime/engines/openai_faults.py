"""What an HTTP status other than 200 means, and what to write where a server does not take what it was sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from mixwright_runtime.engines.protocol import EngineFault, Fault

_DENIED_STATUS = frozenset({401, 402, 403, 404, 405, 407})
_TOO_LONG = re.compile(
    r"(?i)context[ _]?(?:length|window|size)|max_model_len|must have less than \d+ tokens|too (?:long|many tokens)"
)
"""How servers say that a text has too many tokens: OpenAI, vLLM, SGLang, llama.cpp, text-embeddings-inference."""
_NO_ROOM = re.compile(r"(?i)max_(?:completion_)?tokens\W.{0,60}?too large")
"""The text would fit, but not with `max_tokens` behind it: a setting, wrong for every row."""


def fault_of_status(status: int, body: bytes, headers: Mapping[str, str]) -> EngineFault:
    """The fault that an HTTP status other than 200 means, with the server's own words (at most 300 characters).

    503 with `Retry-After` is admission control (vLLM's queue limit) and treated as 429. 429 with
    `insufficient_quota` never recovers and is an access problem.
    """
    text = _error_text(body)
    message = f"HTTP {status}" + (f": {text}" if text else "")
    wait_s = retry_after_s(headers.get("Retry-After"))
    if status == 429 and "insufficient_quota" in text:
        return EngineFault(Fault.DENIED, message)
    if status == 429 or (status == 503 and wait_s is not None):
        return EngineFault(Fault.RATE_LIMITED, message, wait_s)
    if status in _DENIED_STATUS or 300 <= status < 400:
        return EngineFault(Fault.DENIED, message)
    if status in (408, 504):
        return EngineFault(Fault.TIMEOUT, message)
    if status >= 500 or status in (409, 425):
        return EngineFault(Fault.SERVER, message, wait_s)
    if 400 <= status < 500:
        is_long = _TOO_LONG.search(text) and not _NO_ROOM.search(text)
        return EngineFault(Fault.TOO_LONG if is_long else Fault.BAD_REQUEST, message)
    return EngineFault(Fault.MALFORMED, message)


_NOT_TAKEN = re.compile(
    r"(?i)unsupported|not (?:supported|permitted|allowed)|un(?:known|recognized|expected)|extra (?:inputs|fields)"
)
_ADVICE = (
    (re.compile(r"max_completion_tokens"), "max_tokens_as = max_completion_tokens"),
    (re.compile(r"\b(?:temperature|top_p)\b"), "sampling = leave_out"),
    (re.compile(r"\b(?:random_)?seed\b"), "seed = leave_out"),
)
"""What a server's refusal names, and the line in a model's block that does without it."""


def advised(fault: EngineFault) -> EngineFault:
    """A fault that also says what to write, where the server does not take what it was sent."""
    if fault.fault is Fault.BAD_REQUEST and _NOT_TAKEN.search(str(fault)):
        line = next((line for named, line in _ADVICE if named.search(str(fault))), "")
        if line:
            return EngineFault(fault.fault, f"{fault}; if it never takes this, write `{line}` in the model")
    return fault


def _error_text(body: bytes) -> str:
    raw = body[:4096].decode("utf-8", "replace")
    try:
        error = json.loads(raw)
        error = error.get("error", error)
        if isinstance(error, Mapping):
            parts = [str(error[k]) for k in ("message", "code") if error.get(k) not in (None, "")]
            raw = " ".join(parts) or raw
        else:
            raw = str(error)
    except (ValueError, AttributeError, RecursionError):
        pass
    return " ".join(raw.split())[:300]


def retry_after_s(value: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for: a number, or a date (RFC 9110, 10.2.3); None if neither."""
    if not value:
        return None
    try:
        seconds = float(value)
        return seconds if 0 <= seconds < float("inf") else None
    except ValueError:
        pass
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
