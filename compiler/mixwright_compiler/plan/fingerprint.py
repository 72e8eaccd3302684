"""Content hashes: what a step, a source or a model decides, by attribute class.

The class of an attribute (`mixwright_compiler.catalog.catalog`) says which hash it enters: `row`, `set` or `meta`;
attributes of class `run` enter none. Names of declarations enter none either: a template counts by its text, a model
by its identity, a source by its definition and pinned digest, an expression by its tree. So renaming, reformatting and
moving change no hash. Every hash covers the operation's key and version, is separated by a domain with a version
of its own, and is pinned by a golden test: an upgrade cannot invalidate a store unnoticed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mixwright_compiler.catalog.capabilities import GENERATES
from mixwright_compiler.catalog.catalog import PATH_TYPES, Catalog, Entry
from mixwright_compiler.catalog.references import is_expression, names_in_rows
from mixwright_compiler.content_hash import content_hash
from mixwright_compiler.plugins.files import of_plugin
from mixwright_dsl.lazy_dataclass import dataclass, field

if TYPE_CHECKING:
    from mixwright_compiler.plan.plan import Plan, SourceSpec, Step

NODE_DOMAIN = "mixwright.node.v1"
MODEL_DOMAIN = "mixwright.model.v1"
SOURCE_DOMAIN = "mixwright.source-rows.v1"
PIPELINE_DOMAIN = "mixwright.pipeline.v1"
TOOL_DOMAIN = "mixwright.tool.v1"


class Hashes(NamedTuple):
    """Content hashes of one node by attribute class."""

    row: str
    set: str
    meta: str


@dataclass(frozen=True)
class Meanings:
    """What names stand for, so that hashes cover contents and never names."""

    models: Mapping[str, str] = field(default_factory=dict)
    """Model -> `model_identity`."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Source -> `source_hashes(...).row`."""
    templates: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    """Template -> [[role, text], ...]."""
    tools: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Tool -> its identity, and what models are told of it."""
    pipelines: Collection[str] = ()
    """Their rows count where a pipeline does that draws from them (`pipeline_row_hashes`)."""

    def of(self, type: str, value: Any, catalog: Catalog) -> Any:
        """What decides the data in a value of an attribute type."""
        if value is None:
            return None
        if type.startswith("list["):
            return [self.of(type[5:-1], item, catalog) for item in value]
        if type == "some[text]":
            return value
        if type.startswith("some["):
            if not isinstance(value, list):
                return self.of(type[5:-1], value, catalog)
            meant = (self.of(type[5:-1], item, catalog) for item in value)
            # Rows name the one that they were made with.
            return [{**one, "name": name} for one, name in zip(meant, names_in_rows(value), strict=True)]
        if type.startswith("map["):
            inner = type[4:-1].partition("=")[2] or type[4:-1]
            return {name: self.of(inner, item, catalog) for name, item in value.items()}
        if is_expression(type) and isinstance(value, Mapping):
            return value["tree"]
        if type.startswith("block:"):
            entry = catalog.entries.get(type.removeprefix("block:"))
            if entry is None:
                return value
            return {name: self.of(inner, item, catalog) for name, inner, item in _typed(entry, value)}
        if type == "aggregate" and isinstance(value["of"], Mapping):
            return {**value, "of": value["of"]["tree"]}
        match type:
            case "ref:model":
                return {"model": self.models.get(value, value)}
            case "ref:template":
                return {"template": self.templates.get(value, value)}
            case "ref:tool":
                # Models call it by its name, and so do rows.
                return {"tool": self.tools.get(value, value), "name": names_in_rows([value])[0]}
            case "call:on_verdict" if isinstance(value, Mapping) and value.get("call") == "repair":
                template, *rest = value["args"]
                return {**value, "args": [{"template": self.templates.get(template, template)}, *rest]}
            case "drawn" if isinstance(value, str) and value in self.pipelines:
                return {"rows": "pipeline"}
            case "ref:source" | "ref:rows" | "drawn" if isinstance(value, str):
                return {"rows": self.sources.get(value, value)}
            case _:
                return value


def _typed(entry: Entry, values: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    from mixwright_compiler.bind.plain import schema_of

    schemas = {name: schema_of(entry, name) for name in values}
    return [(name, s.type if s else "json", values[name]) for name, s in schemas.items()]


def node_hashes(
    entry: Entry,
    values: Mapping[str, Any],
    meanings: Meanings,
    catalog: Catalog,
    *,
    label: str = "",
    when: Any = None,
    names: Mapping[str, str] | None = None,
) -> Hashes:
    """Hashes of a step or training job: its operation, version and label count as `row`, its `when` (a tree) too, and
    the columns that names in its templates stand for."""
    from mixwright_compiler.bind.plain import by_class

    meant = {
        name: meanings.of(type, value, catalog)
        for name, type, value in _typed(entry, values)
        if name not in verdict_columns(entry, values)
    }
    split = by_class(entry, meant, catalog)
    row = {
        "operation": entry.key,
        "version": entry.version,
        "label": label,
        "when": when,
        "row": split["row"],
        **({"names": names} if names else {}),
        **of_plugin(entry),
    }
    return Hashes(
        content_hash(NODE_DOMAIN, row),
        content_hash(NODE_DOMAIN, split["set"]),
        content_hash(NODE_DOMAIN, split["meta"]),
    )


def verdict_columns(entry: Entry, values: Mapping[str, Any]) -> dict[str, str]:
    """The columns in which a verifier's verdict is to stand, by the attributes that name them. They change no
    measurement, and so no hash that measurements are stored by: see `of_row`."""
    named = (schema.name for schema in entry.attributes if schema.holds == "verdict")
    return {name: str(values[name]) for name in named if values.get(name) is not None}


ON_THE_WAY = ("on_fail", "pick", "band")
"""What of a verifier decides which rows go on, and nothing of its verdict on one."""


def of_row(plan: Plan, step: Step) -> dict[str, Any]:
    """What decides the content of rows at a step besides what its own hash has: the messages that ask for a better answer
    where its verdict is against a row, and a column with the verdict, which its thresholds decide."""
    found: dict[str, Any] = {}
    on_fail = step.attributes.get("on_fail")
    if isinstance(on_fail, Mapping) and on_fail.get("call") == "repair":
        messages = plan.templates[on_fail["args"][0]].messages
        found["repairs"] = [[m.role, m.text] for m in messages]
    entry = plan.catalog.entries.get(step.operation)
    if entry is not None and (columns := verdict_columns(entry, step.attributes)):
        thresholds = {name: step.attributes.get(name) for name in thresholds_of(entry)}
        found["verdicts"] = [columns, thresholds, step.traits.gathers]
    return found


def thresholds_of(entry: Entry) -> list[str]:
    """The attributes of a verifier by which a measurement passes."""
    return [
        schema.name for schema in entry.attributes if schema.cls == "set" and schema.name not in ON_THE_WAY
    ]


NO_PART_OF_A_TEXT = ("context",)
"""Row-class attributes of models that bound a request without changing an answer that is kept."""

FOR_OTHER_TASKS = ("task", "pooling")
"""Row-class attributes that say nothing of a model that writes text."""

WHERE_WEIGHTS_ARE = ("path", "repo", "revision")


def model_identity(entry: Entry, values: Mapping[str, Any], *, weights: str = "") -> str:
    """Hash of what decides the text a model writes.

    An engine that loads weights itself (it has the attribute `path` or `repo`) is known by its weights and its other
    row-class attributes such as dtype: two engines with the same weights answer for each other. An engine behind an
    address is known by the engine's name, the model's name and revision; the address is `run`. An engine of a plugin
    answers for itself alone, and for the plugin as it is.

    Args:
        weights: digest of the files at `path` (`mixwright_compiler.plan.weights.weights_identity`); empty counts the
            path itself.
    """
    from mixwright_compiler.bind.plain import by_class

    row = {k: v for k, v in by_class(entry, values)["row"].items() if k not in NO_PART_OF_A_TEXT}
    if row.get("task") == GENERATES:
        # As it was before there were other tasks, so that every stored answer is found.
        row = {k: v for k, v in row.items() if k not in FOR_OTHER_TASKS}
    found: dict[str, Any]
    if entry.plugin is not None or not {"path", "repo"} & {a.name for a in entry.attributes}:
        found = {"path": {"weights": weights}} if weights else {}
        return content_hash(MODEL_DOMAIN, {"engine": entry.name, **row, **found, **of_plugin(entry)})
    if row.get("path"):
        found = {"weights": weights or f"path:{row['path']}"}
    else:
        found = {"repo": row.get("repo", ""), "revision": row.get("revision", "")}
    rest = {k: v for k, v in row.items() if k not in WHERE_WEIGHTS_ARE}
    return content_hash(MODEL_DOMAIN, {"engine": "local", **found, **rest})


def source_hashes(source: SourceSpec, entry: Entry) -> Hashes:
    """Hashes of a source. Pinned by a digest, its paths do not count: moving a file changes no row."""
    from mixwright_compiler.bind.plain import by_class

    digest = source.pin.digest if source.pin else ""
    split = by_class(entry, source.attributes)
    types = {name: type for name, type, _ in _typed(entry, source.attributes)}
    read = {k: v for k, v in split["row"].items() if not (digest and types[k] in PATH_TYPES)}
    whole = {
        "operation": entry.key,
        "version": entry.version,
        "digest": digest,
        "row": read,
        "mapping": source.mapping,
        "where": source.where.tree if source.where else None,
        **of_plugin(entry),
    }
    return Hashes(
        content_hash(SOURCE_DOMAIN, whole),
        content_hash(SOURCE_DOMAIN, split["set"]),
        content_hash(SOURCE_DOMAIN, split["meta"]),
    )


NO_PART_OF_A_RESULT = ("python", "mcp_record")
"""What a tool's attribute `holds` that counts by its content: code, or the digest of a recording."""


def tool_identity(
    entry: Entry, values: Mapping[str, Any], meanings: Meanings, catalog: Catalog, *, code: str, digest: str
) -> str:
    """Hash of what decides a tool's results; what models are told of it is no part of it."""
    from mixwright_compiler.bind.plain import by_class

    told = {"doc", *(schema.name for schema in entry.attributes if schema.holds in NO_PART_OF_A_RESULT)}
    meant = {
        name: meanings.of(type, value, catalog)
        for name, type, value in _typed(entry, values)
        if name not in told
    }
    whole = {
        "operation": entry.key,
        "version": entry.version,
        "row": by_class(entry, meant, catalog)["row"],
        "code": code,
        "digest": digest,
        **of_plugin(entry),
    }
    return content_hash(TOOL_DOMAIN, whole)


def _nested(steps: Sequence[Step], inside: str = "") -> list[Any]:
    """The steps' hashes, those of a loop's body in a list behind it."""
    found: list[Any] = []
    for step in steps:
        if step.inside == inside:
            found.append(step.fingerprint.row)
            if step.traits.loops:
                found.append(_nested(steps, step.id))
    return found


def pipeline_row_hashes(plan: Plan) -> dict[str, str]:
    """Pipeline -> hash of everything that decides what its rows contain, from the source on.

    Two plans in which it is equal make the same rows of a pipeline, up to how many are asked for. Steps count in the
    order of the spec: a pass that moves one changes no row.
    """
    hashes: dict[str, str] = {}
    for pipeline in plan.pipelines_in_order():
        start = pipeline.start
        if start.kind == "pipeline":
            parent = hashes[start.rows]
        else:
            source = plan.sources[start.rows]
            parent = source_hashes(source, plan.catalog.entries[f"source.{source.kind}"]).row
        whole = {
            "start": parent,
            "where": start.where.tree if start.where else None,
            "columns": list(start.columns),
            "seed": pipeline.seed,
            "steps": _nested(pipeline.steps_as_written),
        }
        if pipeline.draws:
            whole["draws"] = [hashes[drawn.rows] for drawn in pipeline.draws]
        if pipeline.lag is not None:
            # Which rows are kept decides what later ones are asked.
            whole["pool"] = [step.fingerprint.set for step in pipeline.steps_as_written]
        more: dict[str, dict[str, Any]] = {}
        for step in pipeline.steps_as_written:
            for what, value in of_row(plan, step).items():
                more.setdefault(what, {})[step.identity] = value
        hashes[pipeline.name] = content_hash(PIPELINE_DOMAIN, {**whole, **more})
    return hashes
