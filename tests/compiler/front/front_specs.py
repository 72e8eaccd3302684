"""Specs written in a test: compiled from memory in a directory of their own, findings compared with comments."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from mixwright_compiler.bind.lock import lock_path, read_lock
from mixwright_compiler.catalog.catalog import Catalog, builtin_catalog
from mixwright_compiler.stages import Compilation, compile_file

EXPECTED = re.compile(r"# (error|warning|lint)\[(MIX\d{3})\]")


def catalog_with(missing: tuple[str, ...] = ()) -> Catalog:
    """The shipped catalog as if every extra were installed, except those of the entries in `missing`."""
    entries = {
        key: replace(entry, modules=("no_such_module",) if key in missing else ())
        for key, entry in builtin_catalog().entries.items()
    }
    return replace(builtin_catalog(), entries=entries)


def compiled(
    directory: Path,
    text: str,
    *,
    files: dict[str, str] | None = None,
    missing: tuple[str, ...] = (),
    params: dict[str, str] | None = None,
    variant: str | None = None,
) -> Compilation:
    """Write `text` as `spec.mix`, with other files beside it, and compile it under a project root of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / ".mixwright").mkdir(exist_ok=True)
    for name, content in {"data/problems.jsonl": "", **(files or {})}.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content, encoding="utf-8")
    spec = directory / "spec.mix"
    spec.write_text(text, encoding="utf-8")
    lock = read_lock(lock_path(spec)) if lock_path(spec).exists() else None
    return compile_file(spec, params=params, lock=lock, catalog=catalog_with(missing), variant=variant)


def found(compilation: Compilation) -> list[tuple[int, str, str]]:
    """Line, severity and code of each finding."""
    return [(d.primary.span.position.line, d.severity.value, d.code) for d in compilation.diagnostics]


def expected(text: str) -> list[tuple[int, str, str]]:
    """Line, severity and code of each `# error[MIX101]` comment."""
    return [
        (number, match[1], match[2])
        for number, line in enumerate(text.split("\n"), start=1)
        for match in EXPECTED.finditer(line)
    ]
