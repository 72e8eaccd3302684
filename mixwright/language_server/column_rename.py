"""A column with another name: at its step, in expressions, in templates, in the pipelines that go on with its rows, and
in the specs that import them.

Places are looked for by what they mean, and the compiler says whether they were all: with the edits every spec of the
project must compile as it did, to a plan that is the same but for the name. Where something still says the old name, in
SQL, in a fragment, in a quota, nothing is renamed, and the reason names the place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mixwright.language_server.cannot_rename import CannotRename
from mixwright.language_server.columns import Column, columns_of_rows
from mixwright.language_server.documents import (
    Analysis,
    Documents,
    is_library,
    known_lock,
    path_of,
    same_place,
)
from mixwright.language_server.places import OfColumn, jinja_names, place_at
from mixwright_compiler.load.project_root import root_of
from mixwright_compiler.plan.lower import lower
from mixwright_compiler.program import Program
from mixwright_compiler.stages import compile_source
from mixwright_dsl.diagnostic import Edit, applied
from mixwright_dsl.source import SourceFile, Span

_WORD = r"(?<![\w.]){}(?!\w)"
_COMPUTED = frozenset(("files", "fingerprint", "identity", "origin", "sql", "estimates", "mixwright_version"))
"""Parts of a plan that say nothing more than the others, or where something stands in the text."""


def home_of(column: Column) -> Span:
    """What tells a column that can be renamed from others of its name: where it is made.

    Raises:
        CannotRename: it is one of a source, or of something that comes with Mixwright.
    """
    if column.span is None or isinstance(column.made, str):
        raise CannotRename(
            f"`{column.name}` comes with the rows of `{column.made}`: give it another name there, "
            f"`columns = {{ new = {column.name} }}`"
        )
    if is_library(path_of(column.span)):
        raise CannotRename(f"`{column.name}` is made by a step that comes with Mixwright")
    return column.span


def rename_column(documents: Documents, column: Column, new: str) -> dict[Path, list[tuple[Span, str]]]:
    """File -> edits that give a column another name, in the whole project.

    Raises:
        CannotRename: it has its name from elsewhere, the new one is taken, or a place could not be found.
    """
    home = home_of(column)
    path = path_of(home)
    found: dict[Path, dict[int, Span]] = {}
    analyses = list(documents.project(path))
    for analysis in analyses:
        program = analysis.compilation.draft
        if program is None:
            continue
        _check_free(analysis, program, column.name, new)
        for span in _places(analysis, program, column, home):
            found.setdefault(path_of(span), {})[span.start] = span
    edits = {file: [(span, new) for span in spans.values()] for file, spans in found.items()}
    texts = {
        file: applied(documents.source(file).text, [Edit(span, text) for span, text in of_file])
        for file, of_file in edits.items()
    }
    for analysis in analyses:
        _check_same(documents, analysis, texts, column.name, new)
    return edits


def _places(analysis: Analysis, program: Program, column: Column, home: Span) -> Iterator[Span]:
    """Where the text says the column: its name, as a name by itself, that means what is made at `home`."""
    texts = [message.span for template in program.templates.values() for message in template.messages]
    own = [span for span in texts if span.source is analysis.source]
    names = {name.start for span in own for name in jinja_names(span)}
    for match in re.finditer(_WORD.format(re.escape(column.name)), analysis.source.text):
        at = match.start()
        if at not in names and any(span.start <= at < span.end for span in own):
            continue
        place = place_at(analysis, program, at)
        if isinstance(place, OfColumn) and place.span.text == column.name and _is_made_at(place.column, home):
            yield place.span


def _is_made_at(column: Column, home: Span) -> bool:
    return column.span is not None and same_place(column.span, home)


def _check_free(analysis: Analysis, program: Program, old: str, new: str) -> None:
    """Is the old name of one column alone, and the new one free wherever the column is: among the columns, in the texts
    that read it, among the declarations?"""
    if analysis.module is not None and new in analysis.module.declarations:
        raise CannotRename(f"`{new}` is declared in {path_of(analysis.source.span(0, 0)).name} already")
    for pipeline in program.pipelines.values():
        started = set(columns_of_rows(program, pipeline.start.rows))
        makers = [step for step in pipeline.steps if old in step.makes and not step.traits.loops]
        if len(makers) + (old in started and bool(makers)) > 1:
            raise CannotRename(f"`{old}` is made in several places of `{pipeline.name}`")
        names = started.union(*((*step.columns, *step.makes) for step in pipeline.steps))
        if old in names and new in names:
            raise CannotRename(f"rows of `{pipeline.name}` have a column `{new}` already")
    for template in program.templates.values():
        for message in template.messages:
            inside = {span.text for span in jinja_names(message.span)}
            if old in inside and new in inside:
                raise CannotRename(f"template `{template.name}` has a name `{new}` already")


def _check_same(documents: Documents, analysis: Analysis, texts: dict[Path, str], old: str, new: str) -> None:
    """Does a spec mean what it meant, when all files have their new texts?"""
    path = path_of(analysis.source.span(0, 0))
    reads = {path_of(file.span(0, 0)) for file in analysis.compilation.files}
    if not reads & set(texts):
        return
    before = analysis.compilation.program
    if before is None:
        if path in texts:
            raise CannotRename(f"{path.name} has errors; put them right first")
        return
    opened = {other: documents.source(other).text for other in documents.opened} | texts
    source = SourceFile(analysis.source.name, texts.get(path, analysis.source.text), analysis.source.path)
    after = compile_source(source, lock=known_lock(path), opened=opened)
    if after.program is None:
        error = after.errors[0]
        at = error.primary.span
        raise CannotRename(
            f"`{old}` is also meant in a place that cannot be told from the text: {path_of(at).name}, line "
            f"{at.position.line}: {error.message}"
        )
    if _shape(before, path, old, new) != _shape(after.program, path, old, new):
        raise CannotRename(f"{path.name} would mean something else")


def _shape(program: Program, path: Path, old: str, new: str) -> Any:
    """The plan with one name for both, and without what only says where things stand or is computed of the rest."""
    plan = lower(program, root=root_of(path), directory=path.parent, reads_weights=False)

    either = re.compile("|".join(re.escape(name) for name in sorted((old, new), key=len, reverse=True)))

    def bare(value: Any) -> Any:
        match value:
            case dict():
                return {bare(key): bare(item) for key, item in value.items() if key not in _COMPUTED}
            case list():
                return [bare(item) for item in value]
            case str():
                return either.sub("\0", value)
        return value

    return bare(plan.model_dump(mode="json"))
