"""Applies fixes of findings to a spec's text, compiles it again, and keeps only what mends something and breaks nothing.

Fixes that are `machine-applicable` say the same in a right way, or the only thing that can be meant. Those that are
`maybe-incorrect` are guesses, and are taken where somebody asks for them; what has a place to be filled in never is.
Only the spec's own text is changed: files that it imports are fixed by naming them, and the library by nobody.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_dsl.diagnostic import Applicability, Diagnostic, Edit, applied
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import SourceFile

if TYPE_CHECKING:
    from mixwright_compiler.stages import Compilation

MOST_ROUNDS = 100
"""Compilations after which it is left as it is: each one that goes on has mended something, so few are needed."""


@dataclass(frozen=True)
class Fixed:
    """A spec's text after fixes. codes: of what was mended, in order; findings: what is left, at places in `text`."""

    text: str
    codes: tuple[str, ...]
    findings: tuple[Diagnostic, ...]


def fixed(source: SourceFile, *, params: Mapping[str, str], lock: Any = None, guesses: bool = False) -> Fixed:
    """Mend what can be mended. guesses: also by fixes that may be incorrect.

    A fix is kept when its finding is gone, and there are not more errors than before. What is fixed is fixed: the same
    again changes nothing.
    """
    from mixwright_compiler.stages import compile_source

    def compiled(text: str) -> Compilation:
        return compile_source(SourceFile(source.name, text, source.path), params=params, lock=lock)

    text, result = source.text, compiled(source.text)
    codes: list[str] = []
    refused: set[tuple[str, str, tuple[tuple[str, str], ...]]] = set()
    kept_before = 0
    for _ in range(MOST_ROUNDS):
        finding = _next(result.diagnostics, source.name, guesses, refused)
        if finding is None and refused and len(codes) > kept_before:
            # What helped nothing may do so now: the same command again would find it.
            refused.clear()
            kept_before = len(codes)
            continue
        if finding is None:
            break
        changed = applied(text, _edits(finding))
        after = compiled(changed)
        if _is_better(finding, result.diagnostics, after.diagnostics):
            text, result = changed, after
            codes.append(finding.code)
        else:
            refused.add(_key(finding))
    return Fixed(text, tuple(codes), result.diagnostics)


def _next(findings: Sequence[Diagnostic], name: str, guesses: bool, refused: set[Any]) -> Diagnostic | None:
    """The first finding with a fix that may be tried; those that are sure go before guesses."""
    kinds = [Applicability.MACHINE, *([Applicability.MAYBE] if guesses else [])]
    for kind in kinds:
        for finding in findings:
            fix = finding.fix
            is_own = fix is not None and all(edit.span.source.name == name for edit in fix.edits)
            if fix is not None and fix.applicability is kind and is_own and _key(finding) not in refused:
                return finding
    return None


def _key(finding: Diagnostic) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """A finding's fix, wherever it stands by now."""
    return finding.code, finding.message, tuple((e.span.text, e.replacement) for e in _edits(finding))


def _edits(finding: Diagnostic) -> tuple[Edit, ...]:
    return finding.fix.edits if finding.fix is not None else ()


def _is_better(finding: Diagnostic, before: Sequence[Diagnostic], after: Sequence[Diagnostic]) -> bool:
    """Is the finding gone, and no further error there? An error that hid others may uncover as many as it wants."""

    def same(findings: Sequence[Diagnostic]) -> int:
        return sum((each.code, each.message) == (finding.code, finding.message) for each in findings)

    def errors(findings: Sequence[Diagnostic]) -> set[tuple[str, str]]:
        return {(each.code, each.message) for each in findings if each.is_error}

    if same(after) >= same(before):
        return False
    fresh = errors(after) - errors(before)
    # Text that does not parse is not read further: what comes to light behind it was there before.
    return not fresh or finding.code.startswith("MIX0")


def fix_file(
    spec: Path, params: Mapping[str, str], *, guesses: bool, diff: bool
) -> tuple[int, tuple[Diagnostic, ...]]:
    """Fix one file, or show how; returns the exit status and what is left."""
    from mixwright.file_changes import print_diff, write_atomically
    from mixwright_compiler.bind.lock import LockUnreadable, lock_path, read_lock
    from mixwright_dsl.source import source_of

    try:
        content = spec.read_bytes()
        source = source_of(content, str(spec), spec)
        lock = read_lock(lock_path(spec)) if lock_path(spec).exists() else None
    except (OSError, UnicodeDecodeError, LockUnreadable) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error
        reason = getattr(error, "strerror", None) or reason
        print(f"error: {spec} cannot be read: {reason}", file=sys.stderr)
        return 2, ()
    found = fixed(source, params=params, lock=lock, guesses=guesses)
    if found.text == source.text:
        return 0, found.findings
    if diff:
        print_diff(source.text, found.text, str(spec), "fixed")
        return 1, found.findings
    try:
        write_atomically(spec, as_it_was(content, found.text))
    except OSError as error:
        print(f"error: {spec} cannot be written: {error.strerror}", file=sys.stderr)
        return 2, found.findings
    counts = Counter(found.codes)
    words = ", ".join(f"{code} ×{count}" if count > 1 else code for code, count in sorted(counts.items()))
    print(f"fixed {spec}: {words}", file=sys.stderr)
    return 0, found.findings


def as_it_was(content: bytes, text: str) -> bytes:
    """The text with the line ends and the byte order mark that the file has."""
    if b"\r\n" in content:
        text = text.replace("\n", "\r\n")
    return (b"\xef\xbb\xbf" if content.startswith(b"\xef\xbb\xbf") else b"") + text.encode()
