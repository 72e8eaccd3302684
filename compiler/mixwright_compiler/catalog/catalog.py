"""What can be written in a spec: every block and step kind with its typed attributes.

The catalog is data (`catalog.json`, generated from the runtime's declarations by `python -m mixwright.catalog`
and committed), so the compiler checks `dedup minhash { ... }` while knowing nothing of the runtime.

Attribute types, a small closed language:

    text int float bool            a literal or a constant expression (`let`, `param`, arithmetic)
    count share duration bytes money   a quantity of that unit; a bare number is accepted for count and share
    path                           a file path, relative to the spec's directory
    secret                         `env("NAME")` only
    text_or_secret                 a text, or `env("NAME")`
    name                           a bare or quoted word, free of meaning to the compiler
    enum:a|b|c                     one of these bare words; word_or_text:a|b|c: or a text
    column                         the name of a column in scope
    new_column                     a column this step makes
    expr:bool|text|int|float|any   a row expression over the columns in scope; `expr:chat` gives messages
    ref:model|template|source|tool|mixture|rows   a declaration (`rows`: a source, pipeline or mixture); of a model its
                                   `task` must be one of the attribute's `tasks`
    call:NAME                      one of a closed set of calls (parse, on_fail, on_verdict); see
                                   `mixwright_compiler/bind/attribute_calls.py`
    list[T] map[T]                 lists and `{ key = T }`; `map[new_column=expr:any]` names its keys' type
    some[ref:KIND] some[text]      one of these, or a list of them; names in a list are data, and count in hashes
    json                           any literal value, or file("x.json")
    column_or_json                 the name of a column in scope, or a literal list or object
    drawn                          the name of a source, or `constraints(…)`
    drawn_expr:T                   as expr:T; the thing that may be drawn is in scope as `drawn`, and is read
    count_or_expr count_or_share   a count, or a whole number by the row; a count, or a part of all: 10k, 30%
    block:FAMILY.NAME              a nested block `NAME { ... }` with the attributes of that catalog entry;
                                   its value in the plan is an object with defaults filled in
    list[block:FAMILY.NAME]        such blocks, each with a label that its first attribute takes: `use calculator { ... }`
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from mixwright_compiler.catalog.stored_entries import Families, StoredEntries
from mixwright_dsl.lazy_dataclass import dataclass, field, replace

AttributeClass = Literal["row", "set", "meta", "run"]
LabelKind = Literal["none", "name", "new_column", "rows", "kind"]

FORMAT_VERSION = "1.2"

RULES = (
    *("opinions", "guard", "ratings", "translated", "programs", "targets"),
    *("compared", "turns", "labels", "alone", "grouped", "tags", "semantic", "reviewed", "tools"),
    *("criteria", "profiled", "annotates"),
)
"""Checks of a kind of their own (`mixwright_compiler.checks`) that steps are declared to be held to."""

PATH_TYPES = ("path", "map[path]", "list[path]")
"""Types of attributes that name files of the project."""


@dataclass(frozen=True)
class AttributeSchema:
    """One attribute: its type in the language above, default, bounds, unit, class and manual text.

    `cls` says what a change of it changes: `row` what a row contains, `set` which rows are wanted,
    `meta` nothing in the data, `run` how it is executed. The default is `row`, the safe one.
    `tasks`: of a reference to a model, what the model must be for; None for writing text.
    `holds`: of a model, `tokenizer` where it only lends that; of a template, `drawn` where it is of what is drawn;
        of a column, `text` where it must hold text; of an expression, `language` where it gives a code of one;
        of a text, `address`, `character`, `day`, or `token`: one token of the models that the step asks, each text of a
        list by itself; of what a tool is made of, `python`, `mcp_record`, or `column_of_source`; of a new column,
        `verdict`; `constraints`; `inherited_schema` of a JSON Schema that the step which made `response` may have.
    `short_for`: of a column with the right answer: the verifier that compares with it.
    `given_when`: the condition (`mixwright_compiler.catalog.conditions`) under which it must be given, or has its
        default, and under no other may be.
    `only_when`: the condition under which alone it may be given; under any other its default counts for nothing.
    `waived_by`: of a required one, the attribute beside which it may be missing, or several: `turn or history`.
    `unsaid`: the word that says what holds without it: written, it is as if it were not.
    """

    name: str
    type: str
    doc: str
    required: bool = False
    default: Any = None
    cls: AttributeClass = "row"
    minimum: float | None = None
    maximum: float | None = None
    tasks: tuple[str, ...] | None = None
    holds: str | None = None
    short_for: str | None = None
    given_when: str | None = None
    only_when: str | None = None
    waived_by: str | None = None
    unsaid: str | None = None


@dataclass(frozen=True)
class Asks:
    """Requests that a step sends to models for each row; what is said here names its attributes.

    model: the attribute with the model, or with the models that are each asked; where it is not given nothing is asked.
    tools: instead, the attribute with the tools that are called, or `use.tool` of blocks; these say what a call asks.
    template: the attribute with the template of the request, `use.prompt` of a list of blocks; empty for one that the
        step makes up. Of several (`some[ref:template]`) a row is asked with one, by the `weights` of the attribute
        named so. history: the attribute with messages that go before it.
    times: attributes that multiply the requests, a count by its number, a list by its length; of a list of blocks
        `use.positions` is an attribute of theirs, whose products are added up. each: how many there are of one model
        before that. twice, when: the conditions (`mixwright_compiler.catalog.conditions`) under which each is sent
        twice, and anything is asked.
    max_tokens: the attribute with the longest answer in tokens; empty where a score or a vector is asked for.
    writes: the column that the answers go into, as in `makes`: each answer is a candidate of the row.
    needs: what not every engine offers (`mixwright_compiler.catalog.capabilities`), when: `(("schema", "with schema"),)`.
    """

    model: str = ""
    tools: str = ""
    template: str = ""
    weights: str = ""
    history: str = ""
    times: tuple[str, ...] = ()
    each: int = 1
    twice: str = ""
    when: str = "always"
    max_tokens: str = ""
    writes: str = ""
    needs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Provider:
    """The plugin that declares an entry.

    name: its path from the project's root (`plugins/tone.py`), or the distribution that brings it (`acme-tone`).
    identity: what tells it from another version of itself: `sha256:…` of its files, or `acme-tone==1.2`.
    line: where it declares the entry, `plugins/tone.py:12`.
    """

    name: str
    identity: str
    line: str = ""


@dataclass(frozen=True)
class Entry:
    """One block or step kind, e.g. family `step`, name `generate`; or `verify` with kind `math`.

    family: `block` (template, mixture, train ...), `model`, `source`, `step`, `verify`, `dedup`,
        `decontaminate`, `export`, `tool`.
    label: what the label after the kind is; for families with kinds the kind itself comes first.
    reads / makes: columns read whatever the attributes say, and columns made (name -> type; see
        `mixwright_compiler.catalog.makes`).
        Those named by attributes of type `column`, `new_column` and `expr` are found by the compiler.
    extra: the pip extra that brings the packages it needs; empty for none.
    modules: import names that must be found for the extra to count as installed.
    breaker: True when the step needs the whole table.
    evidence: of a verifier, what its evidence may hold (name -> type), which a template of `repair` can show; empty when
        it does not say. A field that one measurement lacks is null there.
    compares: of a verifier, the condition (`mixwright_compiler.catalog.conditions`) under which its verdict on a
        candidate needs the row's other candidates; empty for never (see `mixwright_compiler.catalog.groups`).
    asks: what it asks models.
    one_of: alternatives of which exactly one must be given, each whole: `(("user", "assistant"), ("turns",))`.
    goes_with: attributes that belong to one alternative: (attribute, of that one, of the one where it means nothing).
    rules: those of `RULES` that it is held to.
    offers: of an engine, what not every one can do (`mixwright_compiler.catalog.capabilities`), where need be under a
        condition: `labels if serves = vllm`; also `conversation`, to pass on messages as they are, and `server`, that
        what is asked goes to a server with rules of its own.
    rows_in: of a source, the attribute in which its rows are written.
    is_empty: of a source: it has one row, and no column; there is nothing in it to pin or to license.
    apart_from: of a step that keeps rows apart from evaluation sets, the attribute that names them; its report says of
        each how many rows it `removed`.
    needs_all_rows: of a breaker: it decides once, on all rows that ever reach it; or the condition under which it does.
    drops_only: of a step that takes row after row: a row goes on as it is or not at all, by the columns that it reads and
        nothing else, so that it may be asked as soon as they are there (`mixwright_compiler.logical`).
    spreads: of a step that makes several rows of one: the attribute that says how many at most.
    folds: of a step that brings the rows together again that were made of one, as that one.
    loops: of a step with a body of steps, through which a row goes several times.
    takes: of a tool: name -> `text`, `int`, `float` or `bool`; of one made of a template, code or a recording nothing.
    with_attribute: of a step that another one is where it has this attribute, which it alone has: `fold_by`, which is
        written `fold { by = … }`. Its name is of both.
    plugin: what declares it, where that is not Mixwright.
    """

    family: str
    name: str
    doc: str
    version: int = 1
    label: LabelKind = "none"
    attributes: tuple[AttributeSchema, ...] = ()
    reads: tuple[str, ...] = ()
    makes: Mapping[str, str] = field(default_factory=dict)
    extra: str = ""
    modules: tuple[str, ...] = ()
    breaker: bool = False
    evidence: Mapping[str, str] = field(default_factory=dict)
    compares: str = ""
    asks: tuple[Asks, ...] = ()
    needs_all_rows: bool | str = False
    one_of: tuple[tuple[str, ...], ...] = ()
    goes_with: tuple[tuple[str, str, str], ...] = ()
    rules: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    rows_in: str = ""
    is_empty: bool = False
    drops_only: bool = False
    apart_from: str = ""
    spreads: str = ""
    folds: bool = False
    loops: bool = False
    with_attribute: str = ""
    takes: Mapping[str, str] = field(default_factory=dict)
    plugin: Provider | None = None

    @property
    def is_pinned_by_spec(self) -> bool:
        """Of a source: are its rows those of the spec, so that a lock has nothing to add?"""
        return bool(self.rows_in) or self.is_empty

    @property
    def key(self) -> str:
        """`step.generate`, `verify.math`: unique in the catalog."""
        return f"{self.family}.{self.name}"

    @property
    def keyword(self) -> str:
        """What a step is written with."""
        return self.name.removesuffix(f"_{self.with_attribute}") if self.with_attribute else self.name

    @property
    def writes(self) -> bool:
        """Its column is what a model answers."""
        return any(asks.writes for asks in self.asks)

    def attribute(self, name: str) -> AttributeSchema | None:
        return next((a for a in self.attributes if a.name == name), None)


Shared = AttributeSchema | tuple[AttributeSchema, ...]


@dataclass(frozen=True)
class Catalog:
    """Entries by their keys, e.g. `step.generate`.

    shared: attributes that a plugin names in its declarations (`VERIFIER`).
    promises: family, or class that a step derives from -> what a class of it must have.
    """

    entries: Mapping[str, Entry]
    shared: Mapping[str, Shared] = field(default_factory=dict)
    promises: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def family(self, family: str) -> Mapping[str, Entry]:
        """Entries of a family by name."""
        found: Mapping[str, Entry] = self.__dict__.setdefault("_families", Families(self.entries))[family]
        return found

    def only(self, family: str) -> Entry:
        """The entry of a family that has one."""
        (entry,) = self.family(family).values()
        return entry

    def joined(self, entries: Iterable[Entry]) -> Catalog:
        """With a plugin's entries. Every export format can then be named by `format`."""
        found = {**self.entries, **{entry.key: entry for entry in entries}}
        ours = self.family("export")
        theirs = [e.name for e in found.values() if e.family == "export" and e.plugin]
        if theirs:
            formats = "|".join(dict.fromkeys((*_formats(ours), *theirs)))
            found = {k: _with_formats(e, formats) if e.family == "export" else e for k, e in found.items()}
        return replace(self, entries=found)

    def to_json(self) -> str:
        """Canonical text of `catalog.json`: sorted, one entry after another, ends with a newline."""
        document = {
            "format_version": FORMAT_VERSION,
            "entries": [entry_to_json(self.entries[key]) for key in sorted(self.entries)],
            "shared": {name: _shared_to_json(found) for name, found in self.shared.items()},
            "promises": {name: list(found) for name, found in self.promises.items()},
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _formats(exports: Mapping[str, Entry]) -> Iterator[str]:
    """Export formats in the order in which `format` names them."""
    for entry in exports.values():
        schema = entry.attribute("format")
        if schema is not None:
            yield from schema.type.removeprefix("enum:").split("|")


def _with_formats(entry: Entry, formats: str) -> Entry:
    attributes = tuple(
        replace(a, type=f"enum:{formats}") if a.name == "format" else a for a in entry.attributes
    )
    return replace(entry, attributes=attributes)


def _attribute_to_json(schema: AttributeSchema) -> dict[str, Any]:
    return {k: v for k, v in vars(schema).items() if v is not None}


def _shared_to_json(found: Shared) -> Any:
    return list(map(_attribute_to_json, found)) if isinstance(found, tuple) else _attribute_to_json(found)


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """An entry as it stands in `catalog.json`; what declares it is no part of that."""
    return {
        "family": entry.family,
        "name": entry.name,
        "doc": entry.doc,
        "version": entry.version,
        "label": entry.label,
        "attributes": [_attribute_to_json(a) for a in entry.attributes],
        "reads": list(entry.reads),
        "makes": dict(entry.makes),
        "extra": entry.extra,
        "modules": list(entry.modules),
        "breaker": entry.breaker,
        **({"evidence": dict(entry.evidence)} if entry.evidence else {}),
        **({"compares": entry.compares} if entry.compares else {}),
        **({"asks": [_stated(asks) for asks in entry.asks]} if entry.asks else {}),
        **({"needs_all_rows": entry.needs_all_rows} if entry.needs_all_rows else {}),
        **({"one_of": [list(choice) for choice in entry.one_of]} if entry.one_of else {}),
        **({"goes_with": [list(names) for names in entry.goes_with]} if entry.goes_with else {}),
        **({"rules": list(entry.rules)} if entry.rules else {}),
        **({"offers": list(entry.offers)} if entry.offers else {}),
        **{name: getattr(entry, name) for name in _PLAIN if getattr(entry, name)},
        **({"takes": dict(entry.takes)} if entry.takes else {}),
    }


_PLAIN = ("rows_in", "is_empty", "drops_only", "apart_from", "spreads", "folds", "loops", "with_attribute")


def _stated(asks: Asks) -> dict[str, Any]:
    """What is not as it is by default."""
    usual = vars(Asks())
    found = {name: value for name, value in vars(asks).items() if value != usual[name]}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def catalog_from_json(text: str) -> Catalog:
    """Read `catalog.json`.

    Raises:
        ValueError: the format version is another one.
    """
    document = json.loads(text)
    if document["format_version"].split(".")[0] != FORMAT_VERSION.split(".")[0]:
        raise ValueError(f"catalog format {document['format_version']}, this compiler reads {FORMAT_VERSION}")
    entries = {f"{raw['family']}.{raw['name']}": raw for raw in document["entries"]}
    shared = StoredEntries(document["shared"], _shared_from_json)
    promises = {name: tuple(found) for name, found in document["promises"].items()}
    return Catalog(StoredEntries(entries, entry_from_json), shared, promises)


def _shared_from_json(raw: Any) -> Shared:
    return tuple(map(_attribute_from_json, raw)) if isinstance(raw, list) else _attribute_from_json(raw)


def _attribute_from_json(raw: Mapping[str, Any]) -> AttributeSchema:
    return AttributeSchema(**{**raw, "tasks": tuple(raw["tasks"])} if "tasks" in raw else raw)


def entry_from_json(raw: Mapping[str, Any]) -> Entry:
    """The entry that `entry_to_json` wrote.

    Raises:
        KeyError, TypeError: it is none.
    """
    return Entry(
        **{
            **raw,
            "attributes": tuple(map(_attribute_from_json, raw["attributes"])),
            "reads": tuple(raw["reads"]),
            "modules": tuple(raw["modules"]),
            "asks": tuple(map(_asks_of, raw.get("asks", ()))),
            "one_of": tuple(map(tuple, raw.get("one_of", ()))),
            "goes_with": tuple(map(tuple, raw.get("goes_with", ()))),
            "rules": tuple(raw.get("rules", ())),
            "offers": tuple(raw.get("offers", ())),
        }
    )


def _asks_of(raw: Mapping[str, Any]) -> Asks:
    return Asks(
        **{**raw, "times": tuple(raw.get("times", ())), "needs": tuple(map(tuple, raw.get("needs", ())))}
    )


@cache
def builtin_catalog() -> Catalog:
    """The committed catalog of everything that ships with Mixwright."""
    # Not importlib.resources: it reads archives too, and its imports cost as much as half of a small check.
    return catalog_from_json(Path(__file__).with_name("catalog.json").read_text(encoding="utf-8"))
