"""Exports of a few rows for a trainer, without a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import Export, Train
from mixwright_runtime.exporters.card import CardFacts
from mixwright_runtime.exporters.write import write_export
from mixwright_runtime.facts.mixture import MixtureFacts
from mixwright_runtime.mixture import MixtureRow, mixture_row
from mixwright_runtime.mixture.record import MixtureRecord
from mixwright_runtime.plugins.declare import implementation, plugins
from tests.training.conftest import ORIGIN


def mixed(rows: Sequence[dict[str, Any]]) -> list[MixtureRow]:
    """Rows with `messages` and perhaps `tools`, the n-th with n as its id."""
    return [
        replace(mixture_row(number.to_bytes(16), row, component="sums", source="seeds"), columns=dict(row))
        for number, row in enumerate(rows)
    ]


def exported(
    format: str, rows: Sequence[dict[str, Any]], train: Train | None, target: Path, **attributes: Any
) -> Path:
    """The directory of an export of rows; the paths of `train` start in the directory above."""
    entry = plugins()[f"export.{format}"].entry
    given = {a.name: a.default for a in entry.attributes} | {"path": target.name} | attributes
    export = Export(name="hub", mixture="m", format=format, attributes=given, origin=ORIGIN)
    facts = CardFacts(
        title=target.name,
        mixture=MixtureFacts(
            record=MixtureRecord("m", len(rows), ()),
            seed=0,
            sources=(),
            models=(),
            drops=(),
            checks=(),
            spec="t.mix",
            spec_files=(),
            params={},
            mixwright_version="",
        ),
        data_file=implementation(f"export.{format}").data_file,
        shape=implementation(f"export.{format}").shape,
    )
    return write_export(target, export, mixed(rows), facts, train=train, root=target.parent).path
