"""Content hashes of JSON values: equal values share one, whatever their order and spelling."""

from __future__ import annotations

import json
from typing import Any

try:
    from _blake2 import blake2b as blake2b  # what hashlib gives, which loads OpenSSL first
except ImportError:
    from hashlib import blake2b as blake2b


def canonical_json(value: Any) -> str:
    """JSON text that equal values share: sorted keys, no spaces, no escapes of non-ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_hash(domain: str, value: Any) -> str:
    """32 hex digits (16 bytes of BLAKE2b) of a JSON value in a versioned domain."""
    h = blake2b(digest_size=16, person=b"mixwright")
    for part in (domain, canonical_json(value)):
        raw = part.encode("utf-8", "surrogatepass")
        h.update(len(raw).to_bytes(8, "little"))
        h.update(raw)
    return h.hexdigest()
