"""Applies fixes of findings to a spec's text, compiles it again, and keeps only what mends something and breaks nothing.

Fixes that are `machine-applicable` say the same in a right way, or the only thing that can be meant. Those that are
`maybe-incorrect` are guesses, and are taken where somebody asks for them; what has a place to be filled in never is.
Only the spec's own text is changed: files that it imports are fixed by naming them, and the library by nobody.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright.told import tell
from mixwright_dsl.diagnostic import Applicability, Diagnostic, Edit, applied, touch
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import SourceFile

if TYPE_CHECKING:
    from mixwright.file_reports import FixedFile
    from mixwright_compiler.stages import Compilation

MOST_TRIALS = 40
"""Chosen: compilations after which a text is left as it is. All fixes are tried at once, and half of them where that
breaks something, so few are needed: of 160 damaged specs of benchmarks/fuzz.py most take one or two, the worst 11."""

_Key = tuple[str, str, tuple[tuple[str, str], ...]]


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
    refused: set[_Key] = set()
    kept_before, most = 0, sys.maxsize
    for _ in range(MOST_TRIALS):
        together = _together(result.diagnostics, source.name, guesses, refused)[:most]
        if not together and refused and len(codes) > kept_before:
            # What helped nothing may do so now: the same command again would find it.
            refused.clear()
            kept_before, most = len(codes), sys.maxsize
            continue
        if not together:
            break
        changed = applied(text, (edit for finding in together for edit in _edits(finding)))
        after = compiled(changed)
        if _is_better(together, result.diagnostics, after.diagnostics):
            text, result = changed, after
            codes += [finding.code for finding in together]
            most = 2 * len(together)
        elif len(together) > 1:
            most = len(together) // 2
        else:
            refused.add(_key(together[0]))
    return Fixed(text, tuple(codes), result.diagnostics)


def _together(
    findings: Sequence[Diagnostic], name: str, guesses: bool, refused: Container[_Key]
) -> list[Diagnostic]:
    """The findings whose fixes may be tried at once; those that are sure go before guesses."""
    found: list[Diagnostic] = []
    for kind in (Applicability.MACHINE, *([Applicability.MAYBE] if guesses else [])):
        edits: list[Edit] = []
        for finding in findings:
            fix = finding.fix
            if fix is None or fix.applicability is not kind or _key(finding) in refused:
                continue
            if all(edit.span.source.name == name for edit in fix.edits) and not touch(fix.edits, edits):
                found.append(finding)
                edits += fix.edits
        if found:
            break
    return found


def _key(finding: Diagnostic) -> _Key:
    """A finding's fix, wherever it stands by now."""
    return finding.code, finding.message, tuple((e.span.text, e.replacement) for e in _edits(finding))


def _edits(finding: Diagnostic) -> tuple[Edit, ...]:
    return finding.fix.edits if finding.fix is not None else ()


def _is_better(
    mended: Sequence[Diagnostic], before: Sequence[Diagnostic], after: Sequence[Diagnostic]
) -> bool:
    """Are these findings gone, and no further error there? An error that hid others may uncover as many as it wants."""
    were, are = _counts(before), _counts(after)
    for same, count in _counts(mended).items():
        if are[same] > were[same] or (are[same] > were[same] - count and not _moved_on(same, mended, after)):
            return False
    fresh = _counts(found for found in after if found.is_error).keys() - were.keys()
    # Text that does not parse is not read further: what comes to light behind it was there before.
    return not fresh or all(finding.code.startswith("MIX0") for finding in mended)


def _moved_on(same: tuple[str, str], mended: Sequence[Diagnostic], after: Sequence[Diagnostic]) -> bool:
    """Is a finding that is still there one of a later place, which the first had hidden? What is misspelt twice is told
    where it is first. Of text that does not parse that cannot be told: one comma more moves it, too."""
    if same[0].startswith("MIX0"):
        return False
    first = min(_start(finding) for finding in mended if _counted(finding) == same)
    edits = [edit for finding in mended for edit in _edits(finding) if edit.span.start < first]
    first += sum(len(edit.replacement) - len(edit.span.text) for edit in edits)
    name = mended[0].primary.span.source.name
    left = [found for found in after if _counted(found) == same and found.primary.span.source.name == name]
    return bool(left) and min(map(_start, left)) > first


def _start(finding: Diagnostic) -> int:
    return finding.primary.span.start


def _counted(finding: Diagnostic) -> tuple[str, str]:
    return finding.code, finding.message


def _counts(findings: Iterable[Diagnostic]) -> Counter[tuple[str, str]]:
    """How often each is found, wherever it stands."""
    return Counter(map(_counted, findings))


def fix_file(
    spec: Path, params: Mapping[str, str], *, guesses: bool, diff: bool
) -> tuple[FixedFile, tuple[Diagnostic, ...]]:
    """Fix one file, or with `diff` only say how; returns what became of it and the findings that are left.

    What cannot be read or written is told on standard error, as is what was mended.
    """
    from mixwright.compiling import why_unreadable
    from mixwright.file_changes import diff_text, write_atomically
    from mixwright_compiler.bind.lock import LockUnreadable, lock_path, read_lock
    from mixwright_dsl.source import source_of

    told: FixedFile = {"file": str(spec), "status": "same", "diff": "", "fixed": []}
    try:
        content = spec.read_bytes()
        source = source_of(content, str(spec), spec)
        lock = read_lock(lock_path(spec)) if lock_path(spec).exists() else None
    except (OSError, UnicodeDecodeError, LockUnreadable) as error:
        reason = error if isinstance(error, LockUnreadable) else why_unreadable(error)
        tell(f"{spec} cannot be read: {reason}")
        return {**told, "status": "unreadable"}, ()
    found = fixed(source, params=params, lock=lock, guesses=guesses)
    if found.text == source.text:
        return told, found.findings
    told = {**told, "status": "changed", "fixed": list(found.codes)}
    if diff:
        told["diff"] = diff_text(source.text, found.text, str(spec), "fixed")
        return told, found.findings
    try:
        write_atomically(spec, as_it_was(content, found.text))
    except OSError as error:
        tell(f"{spec} cannot be written: {error.strerror}")
        return {**told, "status": "unreadable", "fixed": []}, found.findings
    counts = Counter(found.codes)
    words = ", ".join(f"{code} ×{count}" if count > 1 else code for code, count in sorted(counts.items()))
    print(f"fixed {spec}: {words}", file=sys.stderr)
    return told, found.findings


def as_it_was(content: bytes, text: str) -> bytes:
    """The text with the line ends and the byte order mark that the file has."""
    if b"\r\n" in content:
        text = text.replace("\n", "\r\n")
    return (b"\xef\xbb\xbf" if content.startswith(b"\xef\xbb\xbf") else b"") + text.encode()
