"""How many tokens a text has for a model, without the model."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from mixwright_compiler.plan.plan import ModelSpec
from mixwright_runtime.engines.local import model_place
from mixwright_runtime.engines.protocol import EngineEnvironment
from mixwright_runtime.engines.tokenizer_files import NoTokenizer, tokenizer_at
from mixwright_runtime.errors import RunError

TEXTS_HELD = 65_536
"""Counts that are remembered: the texts of a source are counted again and again."""


class TokenCount:
    """A function from a text to its number of tokens, without those that mark its beginning and end. It reads what is
    on this machine, and fetches nothing: a plan counts too.

    Raises:
        MissingExtra: transformers is not installed.
        RunError: the model's tokenizer cannot be loaded.
    """

    def __init__(self, spec: ModelSpec, directory: Path) -> None:
        place, is_local = model_place(spec, EngineEnvironment(directory, {}))
        revision = "" if is_local else str(spec.attributes.get("revision") or "")
        try:
            tokenizer = tokenizer_at(place, f"counting tokens of model '{spec.name}'", revision=revision)
        except NoTokenizer as error:
            raise RunError(
                f"no tokenizer of model '{spec.name}' is on this machine: {error}; 'hf download {place}' fetches it"
                if not is_local
                else f"no tokenizer of model '{spec.name}' in {place}: {error}"
            ) from error
        # It warns of a text that is longer than the model takes, which is what is asked here.
        tokenizer.model_max_length = int(1e30)
        self._tokenizer = tokenizer
        self._counted = lru_cache(TEXTS_HELD)(self._count)

    def __call__(self, text: str) -> int:
        return self._counted(text)

    def _count(self, text: str) -> int:
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])
