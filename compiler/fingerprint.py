"""Content hashes: what a step, a source or a model decides, by attribute class.

The class of an attribute (`compiler.catalog`) says which hash it enters: `row`, `set` or `meta`; attributes of
class `run` enter none. Names of declarations enter none either: a template counts by its text, a model by its
identity, a source by its definition and pinned digest, an expression by its tree. So renaming, reformatting and
moving change no hash. Every hash covers the operation's key and version, is separated by a domain with a version
of its own, and is pinned by a golden test: an upgrade cannot invalidate a store unnoticed.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any

NODE_DOMAIN = "mixwright.node.v1"
MODEL_DOMAIN = "mixwright.model.v1"
SOURCE_DOMAIN = "mixwright.source-definition.v1"
PIPELINE_DOMAIN = "mixwright.pipeline.v1"


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
