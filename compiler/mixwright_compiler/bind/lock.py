"""The lock file: what every source, model and plugin was when `mixwright lock` read it.

`NAME.lock` stands beside `NAME.mix` and is committed with it. It pins the bytes (digests), the schemas, and what
a branch name or a missing revision meant, so that `check` is offline and fully typed and `run` notices a changed
file. JSON, sorted by name, one key a line, so that a diff in git reads like a list of what changed.

Column names and types are those of the *file*, before the source's `columns` mapping: they hold when a mapping is
edited. `definition` is the hash of how the file is read (`source_definition`); a lock whose definition is another one
is stale. `selection` is the hash of what is taken of it (`where`, `limit`, `columns`); where it is another one, only
the number of `selected` rows is unknown.

A lock is written source by source while it is made. What is broken off leaves a whole file: `unfinished` then names what
`mixwright lock` did not come to, whose record is that of an earlier lock or missing; every other record is as good as one
of a finished lock.

Imports neither pydantic nor duckdb: `check` reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mixwright_compiler.bind.plain import FIELDS_OF_SOURCES, by_class, plain, resolved, schema_of
from mixwright_compiler.catalog.catalog import PATH_TYPES, Entry
from mixwright_compiler.content_hash import content_hash
from mixwright_compiler.load.json_text import json_of
from mixwright_compiler.plugins.files import of_plugin, short
from mixwright_dsl.lazy_dataclass import dataclass, field, names_of

FORMAT_VERSION = "1.2"

PART_DOMAIN = "mixwright.source-part.v1"
DEFINITION_DOMAIN = "mixwright.source-definition.v1"
SELECTION_DOMAIN = "mixwright.source-selection.v1"


@dataclass(frozen=True)
class SourceLock:
    """One source as it was read.

    digest: sha256 (hex) of the bytes read, or of the rows of a SQL or inline source
        (`mixwright_runtime/sources/reader.py`).
    rows: rows of the file, before `where` and `limit`.
    columns: column name in the file -> type, in the file's order.
    characters: mean length of each text column in code points, over the first rows, for token estimates.
    revision: commit of a hub data set, else empty.
    selection: hash of `where`, `limit` and `columns`, empty for none of them.
    selected: rows after `where` and `limit`; None where the whole file is read.
    parts: attribute -> short hash of what it was, to say which of them is another one; of no older lock.
    """

    digest: str
    rows: int
    columns: Mapping[str, str]
    definition: str
    selection: str = ""
    selected: int | None = None
    characters: Mapping[str, float] = field(default_factory=dict)
    revision: str = ""
    license: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelLock:
    """One model as it was found: `digest` (sha256, hex) and size of config, tokenizer and weights where they are on
    this machine, and the commit that its revision named. `definition` is what the spec asked for then."""

    identity: str
    definition: str
    digest: str = ""
    size_bytes: int = 0
    revision: str = ""


@dataclass(frozen=True)
class PluginLock:
    """One plugin as it was: `sha256:…` of its files, or `acme-tone==1.2`; a library: `sha256:…` of its text."""

    identity: str


@dataclass(frozen=True)
class Lock:
    """A whole lock file, by qualified name of source and model, and by name of plugin and library (`std:evol`).

    unfinished: `source web`, `model teacher`: what was not read yet when the making of the lock was broken off.
    """

    sources: Mapping[str, SourceLock] = field(default_factory=dict)
    models: Mapping[str, ModelLock] = field(default_factory=dict)
    plugins: Mapping[str, PluginLock] = field(default_factory=dict)
    libraries: Mapping[str, PluginLock] = field(default_factory=dict)
    format_version: str = FORMAT_VERSION
    unfinished: tuple[str, ...] = ()


class LockUnreadable(ValueError):
    """The lock file is no lock, or of another major version; the message says which and what to do."""


def lock_path(spec: Path) -> Path:
    """`NAME.lock` beside `NAME.mix`."""
    return spec.with_suffix(".lock")


def read_lock(path: Path) -> Lock:
    """The lock file; an empty lock when there is none.

    Raises:
        LockUnreadable: it is damaged, or made by a version that this one cannot read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Lock()
    except (OSError, UnicodeDecodeError) as error:
        raise LockUnreadable(f"{path.name} cannot be read: {error}") from error
    try:
        document = json_of(text)
        version = str(document["format_version"])
    except (ValueError, KeyError, TypeError):
        raise LockUnreadable(f"{path.name} is damaged; 'mixwright lock' writes it anew") from None
    if version.split(".")[0] != FORMAT_VERSION.split(".")[0]:
        raise LockUnreadable(f"{path.name} has format {version}, this version reads {FORMAT_VERSION}")
    try:
        return Lock(
            sources={name: _known(SourceLock, raw) for name, raw in document["sources"].items()},
            models={name: _known(ModelLock, raw) for name, raw in document["models"].items()},
            plugins={name: _known(PluginLock, raw) for name, raw in document.get("plugins", {}).items()},
            libraries={name: _known(PluginLock, raw) for name, raw in document.get("libraries", {}).items()},
            format_version=version,
            unfinished=_names(document.get("unfinished", [])),
        )
    except (KeyError, TypeError, AttributeError):
        raise LockUnreadable(f"{path.name} is damaged; 'mixwright lock' writes it anew") from None


def _names(raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(type(name) is str for name in raw):
        raise TypeError(f"unfinished holds {raw!r}")
    return tuple(raw)


def _known(record: Any, raw: Mapping[str, Any]) -> Any:
    """A record of the fields this version knows: a newer minor version may have more.

    Raises:
        TypeError: a field is missing, or holds what it cannot hold.
    """
    known = {name: value for name, value in raw.items() if name in names_of(record)}
    for name, value in known.items():
        if not _fits(name, value):
            raise TypeError(f"{name} holds {value!r}")
    return record(**known)


def _fits(name: str, value: Any) -> bool:
    """Is it a value that this field of a lock can have?"""
    if name in ("rows", "size_bytes", "selected"):
        return (type(value) is int and value >= 0) or (value is None and name == "selected")
    if name in ("columns", "characters", "parts"):
        types = (int, float) if name == "characters" else (str,)
        return isinstance(value, dict) and all(type(item) in types for item in value.values())
    return isinstance(value, str)


def lock_text(lock: Lock) -> str:
    """Canonical text of a lock file: names sorted, fields in order, one key a line, ends with a newline."""
    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        **({"unfinished": list(lock.unfinished)} if lock.unfinished else {}),
        "sources": {name: _written(lock.sources[name]) for name in sorted(lock.sources)},
        "models": {name: _written(lock.models[name]) for name in sorted(lock.models)},
    }
    if lock.plugins:
        document["plugins"] = {name: _written(lock.plugins[name]) for name in sorted(lock.plugins)}
    if lock.libraries:
        document["libraries"] = {name: _written(lock.libraries[name]) for name in sorted(lock.libraries)}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


NEEDED = ("rows", "columns", "definition", "identity")
"""Fields that a lock file always has; the others are left out when they say nothing."""


def _written(record: SourceLock | ModelLock | PluginLock) -> dict[str, Any]:
    from dataclasses import asdict  # a check reads locks and writes none

    return {
        name: value
        for name, value in asdict(record).items()
        if name in NEEDED or (name == "selected" and value is not None) or value not in ("", {}, 0, None)
    }


def write_lock(path: Path, lock: Lock) -> None:
    """Replace the lock file at once: a reader sees the old one or the new one, never half of one.

    Raises:
        OSError: it cannot be written; the old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(lock_text(lock))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def source_definition(entry: Entry, attributes: Mapping[str, Any]) -> str:
    """Hash of how a source's file is found and read: kind, row-class attributes, revision; without `columns`,
    `where` and `limit`.

    A path enters as written when it is relative, and by its last part when it is absolute (it then came from `-p`
    and differs between machines); the digest tells whether the file is the same.
    """
    values = resolved(entry, attributes, without=FIELDS_OF_SOURCES)
    row = {name: _portable(entry, name, value) for name, value in by_class(entry, values)["row"].items()}
    return content_hash(
        DEFINITION_DOMAIN, {"kind": entry.key, "version": entry.version, "row": row, **of_plugin(entry)}
    )


def source_selection(attributes: Mapping[str, Any]) -> str:
    """Hash of what is taken of a source's rows: `where`, `limit` and `columns`; empty when all of it is, as it is."""
    where = plain(attributes["where"])["tree"] if "where" in attributes else None
    taken = {name: plain(attributes[name]) if name in attributes else None for name in ("limit", "columns")}
    if where is None and not any(taken.values()):
        return ""
    return content_hash(SELECTION_DOMAIN, {"where": where, **taken})


def source_parts(entry: Entry, attributes: Mapping[str, Any]) -> dict[str, str]:
    """Attribute -> short hash of its value, for each that decides what is read of a source and is given."""
    values = resolved(entry, attributes, without=FIELDS_OF_SOURCES)
    parts = {name: _portable(entry, name, value) for name, value in by_class(entry, values)["row"].items()}
    for name in ("where", "limit", "columns"):
        if name in attributes:
            value = plain(attributes[name])
            parts[name] = value["tree"] if name == "where" else value
    given = {name: value for name, value in parts.items() if value not in (None, {}, [])}
    return {name: content_hash(PART_DOMAIN, {"value": value})[:8] for name, value in sorted(given.items())}


def selected_rows(lock: SourceLock, attributes: Mapping[str, Any]) -> int | None:
    """Rows of a locked source after its `where` and `limit`; None where it selects otherwise than when it was locked."""
    if lock.selection != source_selection(attributes):
        return None
    return lock.rows if lock.selected is None else lock.selected


def model_definition(values: Mapping[str, Any]) -> str:
    """What a spec asks for in a model: `tiny/model`, `Qwen/Qwen2.5-7B@main`. A lock of another one is stale."""
    if values.get("path"):
        path = Path(values["path"])
        return path.name if path.is_absolute() else str(values["path"])
    name, revision = values.get("repo") or values.get("model") or "", values.get("revision")
    return f"{name}@{revision}" if revision else str(name)


def _portable(entry: Entry, name: str, value: Any) -> Any:
    schema = schema_of(entry, name)
    if schema is None or schema.type not in PATH_TYPES:
        return value
    if isinstance(value, str):
        return Path(value).name if Path(value).is_absolute() else value
    if isinstance(value, Mapping):
        return {key: _portable(entry, name, item) for key, item in value.items()}
    return [_portable(entry, name, item) for item in value]


def lock_changes(old: Lock, new: Lock) -> list[str]:
    """What differs between two locks, a line each: `~ source gsm8k: rows 7473 -> 7474, digest`."""
    lines: list[str] = []
    for kind, before, after in (
        ("source", old.sources, new.sources),
        ("model", old.models, new.models),
        ("plugin", old.plugins, new.plugins),
        ("library", old.libraries, new.libraries),
    ):
        for name in sorted({*before, *after}):
            if name not in before:
                lines.append(f"+ {kind} {name}")
            elif name not in after:
                lines.append(f"- {kind} {name}")
            elif changes := record_changes(before[name], after[name]):
                lines.append(f"~ {kind} {name}: {', '.join(changes)}")
    return lines


def record_changes(old: Any, new: Any, without: Collection[str] = ()) -> list[str]:
    """What differs between two records of one thing, in words; of the fields in `without` nothing is said."""
    from dataclasses import asdict

    before, after = asdict(old), asdict(new)
    changes = []
    for name, value in after.items():
        if before[name] == value or name in ("characters", "parts", *without):
            continue
        if isinstance(old, PluginLock):
            changes.append(f"{short(before[name])} -> {short(value)}")
        elif name in ("rows", "selected", "size_bytes", "revision", "license"):
            changes.append(f"{name} {_shown(before[name])} -> {_shown(value)}")
        elif name == "columns":
            changes.append(_column_changes(before[name], value))
        else:
            changes.append(name)
    return changes


def _shown(value: Any) -> Any:
    return "none" if value in (None, "") else value


def _column_changes(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    words = [f"+{name}" for name in new if name not in old]
    words += [f"-{name}" for name in old if name not in new]
    words += [f"{n}: {old[n]} -> {t}" for n, t in new.items() if n in old and old[n] != t]
    return f"columns ({', '.join(words) or 'order'})"


def is_stale(lock: SourceLock, entry: Entry, attributes: Mapping[str, Any]) -> bool:
    """Was the source locked under another definition than it has now?"""
    return lock.definition != source_definition(entry, attributes)
