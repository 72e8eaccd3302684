"""What the steps of a pipeline are called: as they say, or by kind and label, each name once."""

from __future__ import annotations

from collections.abc import Collection

from mixwright_compiler.findings import Findings
from mixwright_compiler.load.uses import use_of
from mixwright_compiler.program import Bound
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Block
from mixwright_dsl.source import Span


class StepIds:
    """The names given so far in one pipeline."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._ids: dict[str, Span] = {}
        self._made: set[str] = set()

    def of(self, block: Block, stem: str, attributes: dict[str, Bound]) -> str:
        """`id = name` as written, else made from kind and label (the stem), with a number when taken."""
        written = attributes.get("id")
        use = use_of(block.kind_span)
        prefix = use.prefix if use is not None else ""
        if written is not None and not written.is_default:
            name = prefix + str(written.value)
            if name in self._ids:
                self._findings.error(
                    "MIX114",
                    f"step `{name}` is declared twice",
                    written.span,
                    "declared again here",
                    secondary=(Label(self._ids[name], "first declared here"),),
                    hint=f"rename one: `{name}_2`",
                )
            self._ids[name] = written.span
            return name
        name = numbered(prefix + stem, self._ids)
        self._ids[name] = block.kind_span
        return name

    def made(self, stem: str) -> str:
        """The step's id if no step said `id`."""
        name = numbered(stem, self._made)
        self._made.add(name)
        return name


def numbered(stem: str, taken: Collection[str]) -> str:
    """The stem, or the first of `stem_2`, `stem_3` … that is not taken."""
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    return name
