"""The texts that an editor has open, and what the compiler makes of them and of the other specs of the project."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import RLock

from mixwright.language_server.part import Declaration, declarations_of, part_of
from mixwright.language_server.stable_text import Moves, StableText
from mixwright_compiler.bind.lock import Lock, LockUnreadable, lock_path, read_lock
from mixwright_compiler.bind.remembered import Remembered
from mixwright_compiler.catalog.catalog import Catalog, builtin_catalog
from mixwright_compiler.load.library import library_folder
from mixwright_compiler.load.project_root import root_of
from mixwright_compiler.load.world import Mention, Module
from mixwright_compiler.program import Program
from mixwright_compiler.stages import Compilation, bind_parsed, compile_source
from mixwright_dsl.nodes import File
from mixwright_dsl.source import SourceFile, Span, read_source

MOST_FILES = 500
"""Chosen: specs of a project in which references are looked for, the nearest to its root first."""


@dataclass(frozen=True)
class Analysis:
    """One text, and what came of it. `stamp`: what its imports and its lock were when it was compiled. `moves`: where its
    declarations stand in the text that was compiled, where that is another one."""

    source: SourceFile
    compilation: Compilation
    stamp: tuple[object, ...]
    moves: Moves | None = None

    @property
    def compiled(self) -> SourceFile:
        """The text that places in trees are in."""
        return self.source if self.moves is None else self.moves.stable

    def there(self, offset: int) -> int:
        """The place in the compiled text of one in the text."""
        return offset if self.moves is None else self.moves.there(offset)

    def here(self, offset: int) -> int:
        """The place in the text of one in the compiled text."""
        return offset if self.moves is None else self.moves.here(offset)

    def real(self, span: Span) -> Span:
        """The place in the text of one in the compiled text."""
        return span if self.moves is None else self.moves.real(span)

    @property
    def module(self) -> Module | None:
        return self.compilation.modules[0] if self.compilation.modules else None

    @property
    def file(self) -> File:
        """The tree of what could be read."""
        return self.module.file if self.module is not None else File(self.source, ())

    @cached_property
    def mentions(self) -> tuple[Mention, ...]:
        """Places that name what they lead to, in this file and in those that it imports, each once."""
        found = {}
        for mention in self.compilation.mentions:
            if mention.span.text.strip('"').rpartition(".")[2] == mention.declared.text:
                found[str(mention.span), str(mention.declared)] = mention
        return tuple(found.values())

    def mention_at(self, offset: int) -> Mention | None:
        """What is named at an offset of the compiled text."""
        return next(
            (
                m
                for m in self.mentions
                if _is_in(m.span, self.compiled) and m.span.start <= offset <= m.span.end
            ),
            None,
        )


class Documents:
    """Open texts by their paths. Nothing here raises for what a text says."""

    def __init__(self) -> None:
        self._opened: dict[Path, str] = {}
        self._analyses: dict[Path, Analysis] = {}
        self._drafts: dict[Path, Analysis] = {}
        self._written: dict[Path, tuple[StableText, Remembered]] = {}
        self._compiling = RLock()
        self._binding = RLock()

    def change(self, path: Path, text: str) -> None:
        """An editor has this text of a file, saved or not."""
        self._opened[path] = text.replace("\r\n", "\n")

    def close(self, path: Path) -> None:
        for known in (self._opened, self._analyses, self._drafts, self._written):
            known.pop(path, None)

    @property
    def opened(self) -> list[Path]:
        return list(self._opened)

    def source(self, path: Path) -> SourceFile:
        """The text of a file as it is now.

        Raises:
            OSError, UnicodeDecodeError: it is not open and cannot be read.
        """
        text = self._opened.get(path)
        return read_source(path) if text is None else SourceFile(str(path), text, path)

    def analysis(self, path: Path) -> Analysis:
        """What the compiler makes of a file as it is now, with its lock and with the texts that are open.

        Raises:
            OSError, UnicodeDecodeError: it is not open and cannot be read.
        """
        with self._compiling:
            source = self.source(path)
            known = self._analyses.get(path)
            if known is not None and self._is_current(known, path, source):
                return known
            found = self._compiled(path, source)
            self._analyses[path] = found
            if found.compilation.draft is not None:
                self._drafts[path] = found
            return found

    def analysis_around(self, path: Path, offset: int) -> Analysis:
        """What is known of one place of a file as it is now, for somebody who waits: the analysis of the whole file where
        there is one, else what its names mean in the part that the place hangs on.

        Raises:
            OSError, UnicodeDecodeError: it is not open and cannot be read.
        """
        source = self.source(path)
        return self._known(path, source) or self._bound(path, source, part_of(source.text, offset))

    def reading(self, path: Path) -> Analysis:
        """What the names of a whole file mean as it is now, for somebody who waits: without what is wrong in it, unless
        that is known or the file cannot be read.

        Raises:
            OSError, UnicodeDecodeError: it is not open and cannot be read.
        """
        source = self.source(path)
        known = self._known(path, source)
        if known is None:
            known = self._bound(path, source)
            if known.compilation.draft is None:
                return self.analysis(path)
        return known

    def prepare(self, path: Path) -> None:
        """Bind a file that was opened, so that the first keystroke in it is answered as the next ones are.

        Raises:
            OSError, UnicodeDecodeError: it is not open and cannot be read.
        """
        if path not in self._written:
            source = self.source(path)
            self._bound(path, source)

    def _known(self, path: Path, source: SourceFile) -> Analysis | None:
        known = self._analyses.get(path)
        return known if known is not None and self._is_current(known, path, source) else None

    def _bound(self, path: Path, source: SourceFile, part: list[Declaration] | None = None) -> Analysis:
        is_whole = part is None
        declarations = declarations_of(source.text) if part is None else part
        with self._binding:
            stable, remembered = self._written.get(path, (None, None))
            if stable is None or remembered is None or stable.is_full:
                stable, remembered = self._written[path] = (
                    StableText(path, len(source.text)),
                    Remembered(),
                )
            parsed, moves = stable.read(source, declarations, is_whole=is_whole)
            if is_whole:
                remembered.keep(parsed.file.body)
            compilation = bind_parsed(parsed, remembered, lock=known_lock(path), opened=dict(self._opened))
        return Analysis(source, compilation, (), moves)

    def draft(self, path: Path) -> Analysis | None:
        """The last analysis of a text that could be read whole: what is known of names while one is being typed."""
        return self._drafts.get(path)

    def program(self, path: Path) -> Program | None:
        found = self._drafts.get(path)
        return None if found is None else found.compilation.draft

    def catalog(self, path: Path) -> Catalog:
        """What can be written in a file, with the kinds of its plugins."""
        program = self.program(path)
        return builtin_catalog() if program is None else program.catalog

    def importing(self, path: Path) -> list[Path]:
        """Open files that this one is imported by, however far away."""
        return [
            other
            for other, analysis in list(self._analyses.items())
            if other != path and any(source.path == path for source in analysis.compilation.files)
        ]

    def project(self, path: Path, *, is_awaited: bool = False) -> Iterator[Analysis]:
        """Every spec of the project that a file is in, itself first; of it only what names mean where somebody waits."""
        yield self.reading(path) if is_awaited else self.analysis(path)
        for other in _specs_of(root_of(path)):
            if other != path:
                try:
                    yield self.analysis(other)
                except (OSError, UnicodeDecodeError):
                    continue

    def mentions_of(self, declared: Span, path: Path) -> list[Span]:
        """Places in the project that name what is declared at `declared`, in the order of files and texts."""
        found: dict[Path, dict[int, Span]] = {}
        for analysis in self.project(path, is_awaited=True):
            for mention in analysis.mentions:
                if same_place(analysis.real(mention.declared), declared):
                    span = analysis.real(mention.span)
                    found.setdefault(path_of(span), {}).setdefault(span.start, span)
        return [spans[start] for spans in found.values() for start in sorted(spans)]

    def _compiled(self, path: Path, source: SourceFile) -> Analysis:
        compilation = compile_source(source, lock=known_lock(path), opened=dict(self._opened))
        return Analysis(source, compilation, self._stamp(path, compilation))

    def _is_current(self, known: Analysis, path: Path, source: SourceFile) -> bool:
        """Is it of the text as it is now, with the imports and the lock as they are?"""
        return known.source.text == source.text and known.stamp == self._stamp(path, known.compilation)

    def _stamp(self, path: Path, compilation: Compilation) -> tuple[object, ...]:
        """What else the findings in a file hang on: its lock, and the texts of its imports."""
        parts: list[object] = [_modified(lock_path(path))]
        for source in compilation.files[1:]:
            if source.path is not None:
                parts.append(self._opened.get(source.path.resolve()) or _modified(source.path))
        return tuple(parts)


def same_place(a: Span, b: Span) -> bool:
    return a.start == b.start and a.end == b.end and path_of(a) == path_of(b)


def is_library(path: Path) -> bool:
    """Is it a file that comes with Mixwright and is not the user's to change?"""
    return path.is_relative_to(library_folder())


def path_of(span: Span) -> Path:
    """The file that a place is in."""
    return (span.source.path or Path(span.source.name)).resolve()


def _is_in(span: Span, source: SourceFile) -> bool:
    return span.source is source or path_of(span) == (source.path or Path(source.name)).resolve()


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def known_lock(path: Path) -> Lock | None:
    """The lock beside a spec; None where there is none that can be read."""
    try:
        return read_lock(lock_path(path))
    except (LockUnreadable, OSError, UnicodeDecodeError):
        return None


def _specs_of(root: Path) -> list[Path]:
    found: list[Path] = []
    for directory, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        found += [Path(directory, name) for name in sorted(names) if name.endswith(".mix")]
        if len(found) >= MOST_FILES:
            break
    return found[:MOST_FILES]
