"""Files taken to another edition of the language: rewritten, compiled again, and held to what they meant before.

All files of a call are taken over together, and each is compiled with the new text of the others, so that a library is
looked at through the specs that import it. One that would mean something else, or no longer compile, keeps all of them as
they are.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mixwright.compiling import Misuse, lock_of, plan_of, why_unreadable
from mixwright.file_changes import diff_text, write_atomically
from mixwright.file_reports import FileChange
from mixwright.fixing import as_it_was
from mixwright_compiler.bind.lock import Lock, LockUnreadable
from mixwright_compiler.catalog.blocks import EDITIONS
from mixwright_compiler.load.migrations import NoWay, migrated
from mixwright_compiler.plan.diff import differences
from mixwright_compiler.plan.fingerprint import pipeline_row_hashes
from mixwright_compiler.plan.plan import Plan
from mixwright_compiler.stages import Compilation, compile_source
from mixwright_dsl.render import render, wants_color
from mixwright_dsl.source import SourceFile, source_of


def take_over(
    specs: Sequence[Path], params: Mapping[str, str], *, changes: bool, diff: bool
) -> list[FileChange]:
    """Take files to the newest edition; returns what became of each: all `broken` where one cannot be taken over.

    Args:
        changes: also where the plan is another afterwards; the differences are told.
        diff: write nothing; say what would change.

    Raises:
        Misuse: a file cannot be read or written.
    """
    to = EDITIONS[-1]
    files = {spec.resolve(): _read(spec) for spec in specs}
    texts: dict[Path, str] = {}
    problems = []
    for path, (_, source) in files.items():
        try:
            texts[path] = migrated(source, to)
        except NoWay as why:
            problems.append(f"{source.name} stays as it is: {why}")
    changed = {path for path, text in texts.items() if text != files[path][1].text}
    if not problems:
        for path in files:
            problems += _otherwise(files[path][1], _lock(path), texts, params, changes=changes)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return [{"file": source.name, "status": "broken", "diff": ""} for _, source in files.values()]
    told: dict[Path, FileChange] = {
        path: {"file": source.name, "status": "changed" if path in changed else "same", "diff": ""}
        for path, (_, source) in files.items()
    }
    for path in sorted(changed):
        content, source = files[path]
        if diff:
            told[path]["diff"] = diff_text(source.text, texts[path], source.name, f"edition {to}")
            continue
        try:
            write_atomically(path, as_it_was(content, texts[path]))
        except OSError as error:
            raise Misuse(f"{source.name} cannot be written: {error.strerror}") from None
        print(f"{source.name} is of edition {to} now", file=sys.stderr)
    return [*told.values()]


def _otherwise(
    source: SourceFile, lock: Lock, texts: Mapping[Path, str], params: Mapping[str, str], *, changes: bool
) -> list[str]:
    """What speaks against the new texts: a spec that has errors, or means something else. changes: that is only told."""
    assert source.path is not None
    new = SourceFile(source.name, texts[source.path.resolve()], source.path)
    before = compile_source(source, params=params, lock=lock)
    after = compile_source(new, params=params, lock=lock, opened=texts)
    if before.program is None:
        return [f"{source.name} has errors; put them right first\n{_shown(before)}"]
    if after.program is None:
        return [f"{source.name} would not compile\n{_shown(after)}"]
    old_plan = plan_of(before.program, source.path, lock, None)
    new_plan = plan_of(after.program, source.path, lock, None)
    found = [f"  {difference}" for difference in differences(old_plan, new_plan)]
    found += [f"  the rows of {name} are made again" for name in _made_again(old_plan, new_plan)]
    if not found:
        return []
    told = "\n".join([f"{source.name} means something else in the new edition:", *found])
    if not changes:
        return [f"{told}\nnothing was written; 'mixwright fix --edition --guess' takes it over all the same"]
    print(told, file=sys.stderr)
    return []


def _made_again(old: Plan, new: Plan) -> list[str]:
    before, after = pipeline_row_hashes(old), pipeline_row_hashes(new)
    return [name for name, found in before.items() if after.get(name) != found]


def _shown(result: Compilation) -> str:
    return render(result.errors, color=wants_color(sys.stderr)).rstrip("\n")


def _read(spec: Path) -> tuple[bytes, SourceFile]:
    try:
        content = spec.read_bytes()
        return content, source_of(content, str(spec), spec)
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"{spec} cannot be read: {why_unreadable(error)}") from None


def _lock(path: Path) -> Lock:
    try:
        return lock_of(path)
    except LockUnreadable as error:
        raise Misuse(str(error)) from None
