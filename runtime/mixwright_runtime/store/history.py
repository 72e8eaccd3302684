"""Where a row comes from, or why it is missing: everything the store knows of one row, as one JSON document."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mixwright_compiler.plan.plan import Origin, Plan, plan_from_json
from mixwright_runtime.errors import RunError
from mixwright_runtime.store.finished import steps_of
from mixwright_runtime.store.store import Store
from mixwright_runtime.values.rows import entry_id

_KEY = re.compile(r"[0-9a-f]{32}")
LISTED = 20
"""At most this many matches of an ambiguous prefix, candidates and descendants are listed."""


class UnknownRow(RunError):
    """No row, or more than one, has this id."""

    exit_code = 1


def history_of(store: Store, prefix: str, *, run_id: int | None = None) -> dict[str, Any]:
    """The history of the row whose id starts with `prefix` (hex), in `run_id` or the newest run that has it.

    Keys: `row_id`, `run` (id, spec, command, status, started), `runs` (ids), `outcomes` (status, step, reason,
    detail, columns, source, source_ref ...; newest pipeline last), `mixtures` (positions), `calls` (messages,
    answer, tokens, engine ... in the order they were made; `instead_of`: key of the call whose answer failed),
    `verifier_calls` (the same of calls that evidence names), `scores` (node, outcome, score, evidence; `earlier`:
    of answers that `retry` or `repair` replaced, with `reason` and `call`), `parents`, `candidates` (rows made of
    the same parent), `steps` (id, operation, file, line, text), `source` (file, line, text of its block).

    Raises:
        UnknownRow: no row or several match; the message lists what is near.
    """
    row_id = _resolved(store, prefix.lower())
    runs = [
        run
        for (run,) in store.sql("SELECT DISTINCT run_id FROM outcome WHERE row_id = ? ORDER BY 1", [row_id])
    ]
    chosen = runs[-1] if run_id is None else run_id
    if chosen not in runs:
        raise UnknownRow(f"run {chosen} has no row {row_id.hex()}; runs that have it: {_listed(runs)}")
    run, spec, command, status, started, plan_text = store.sql(
        "SELECT run_id, spec, command, status, started, plan FROM run_state WHERE run_id = ?", [chosen]
    )[0]
    plan = plan_from_json(plan_text)
    outcomes = _outcomes(store, chosen, row_id)
    scores = _scores(store, row_id, outcomes)
    asked = _calls(store, _named_in(scores), {})
    calls = list(dict.fromkeys(key for outcome in outcomes for key in outcome.pop("call_keys")))
    parents = list(dict.fromkeys(parent for outcome in outcomes for parent in outcome["parents"]))
    return {
        "row_id": row_id.hex(),
        "run": {"run_id": run, "spec": spec, "command": command, "status": status, "started": started},
        "runs": runs,
        "outcomes": outcomes,
        "mixtures": [
            {
                "mixture": mixture,
                "position": position,
                "component": component,
                "repeat": repeat,
                "id": entry_id(pipeline, row_id, repeat).hex(),
            }
            for mixture, position, component, repeat, pipeline in store.sql(
                """SELECT mixture, position, component, repeat, pipeline FROM selection WHERE run_id = ? AND row_id = ?
                ORDER BY mixture, position""",
                [chosen, row_id],
            )
        ],
        "calls": _calls(store, calls, {e["next_call"]: e["call"] for s in scores for e in s["earlier"]}),
        "verifier_calls": [
            call
            for call in asked
            # Evidence may hold what a model wrote: a key that names nothing is not said to be lost.
            if call["status"] != "missing" and bytes.fromhex(call["key"]) not in calls
        ],
        "scores": scores,
        "parents": parents,
        "candidates": _candidates(store, chosen, row_id, parents),
        "steps": [
            {"pipeline": outcome["pipeline"], **step}
            for outcome in outcomes
            for step in _steps(plan, outcome["pipeline"])
        ],
        "sources": [
            {"name": name, **_place(plan, plan.sources[name].origin)}
            for name in dict.fromkeys(outcome["source"] for outcome in outcomes)
            if name in plan.sources
        ],
    }


def _resolved(store: Store, prefix: str) -> bytes:
    """The row of that lineage; or that an export names so. An entry's name follows from what the store has held since
    its first version, so that rows of old stores are found by it too."""
    rows = store.sql(
        "SELECT DISTINCT row_id FROM outcome WHERE starts_with(lower(hex(row_id)), ?) ORDER BY 1 LIMIT ?",
        [prefix, LISTED + 1],
    )
    if len(rows) == 1:
        return bytes(rows[0][0])
    if rows:
        raise UnknownRow(
            f"{_count(rows)} rows start with {prefix}: {_listed([row.hex() for (row,) in rows])}"
        )
    exported = {
        bytes(row_id)
        for leaf, row_id, repeat in store.sql("SELECT DISTINCT pipeline, row_id, repeat FROM selection")
        if entry_id(leaf, bytes(row_id), repeat).hex().startswith(prefix)
    }
    if len(exported) == 1:
        return exported.pop()
    if exported:
        found = sorted(row_id.hex() for row_id in exported)
        raise UnknownRow(f"{_count(found)} rows are exported with an id of {prefix}: {_listed(found)}")
    made_of = store.sql(
        """SELECT DISTINCT row_id FROM outcome
        WHERE starts_with(lower(hex(origin_id)), $1)
            OR len(list_filter(parents, lambda parent: starts_with(lower(hex(parent)), $1))) > 0
            OR len(list_filter(calls, lambda key: starts_with(lower(hex(key)), $1))) > 0
        ORDER BY 1 LIMIT $2""",
        [prefix, LISTED + 1],
    )
    if len(made_of) == 1:
        return bytes(made_of[0][0])
    if made_of:
        raise UnknownRow(
            f"{prefix} did not get to the end of a pipeline itself; {_count(made_of)} rows were made of it: "
            f"{_listed([row.hex() for (row,) in made_of])}"
        )
    raise UnknownRow(f"no row {prefix} in the store; rows not yet started have no entry")


def _count(rows: list[Any]) -> str:
    return f"more than {LISTED}" if len(rows) > LISTED else str(len(rows))


def _listed(items: list[Any]) -> str:
    return ", ".join(str(item) for item in items[:LISTED]) + (" ..." if len(items) > LISTED else "")


def _outcomes(store: Store, run_id: int, row_id: bytes) -> list[dict[str, Any]]:
    names = (
        "pipeline", "status", "step", "reason", "detail", "columns", "source", "source_ref", "origin_id", "position",
        "replica", "candidate", "parents", "scores", "calls",
    )  # fmt: skip
    outcomes = []
    for values in store.sql(
        f"SELECT {', '.join(names)} FROM row_outcome WHERE run_id = ? AND row_id = ? ORDER BY row_outcome.batch",
        [run_id, row_id],
    ):
        outcome = dict(zip(names, values, strict=True))
        outcome["call_keys"] = outcome.pop("calls")
        outcome["parents"] = [parent.hex() for parent in outcome["parents"]]
        outcome["origin_id"] = outcome["origin_id"].hex()
        for name in ("detail", "columns", "scores"):
            outcome[name] = json.loads(outcome[name]) if outcome[name] else None
        outcomes.append(outcome)
    return outcomes


def _calls(store: Store, keys: list[bytes], instead_of: Mapping[str, str]) -> list[dict[str, Any]]:
    names = (
        "key", "run_id", "node", "model", "attempt", "status", "finish", "reason", "request", "text", "reasoning",
        "prompt_tokens", "output_tokens", "seed", "engine", "started", "ended",
    )  # fmt: skip
    found: dict[bytes, dict[str, Any]] = {}
    for values in store.sql(
        f"""SELECT {", ".join(names)} FROM call WHERE key IN (SELECT unnest(?::BLOB[]))
        ORDER BY status = 'ok', batch DESC""",
        [keys],
    ):
        call = dict(zip(names, values, strict=True))
        found[call["key"]] = call  # the last one stays: the first good answer, else the first failure
    calls: list[dict[str, Any]] = []
    for key in keys:
        if key not in found:
            calls.append({"key": key.hex(), "status": "missing"})
            continue
        call = found[key]
        request: dict[str, Any] = json.loads(call.pop("request") or "{}")
        seconds = call.pop("ended") - call["started"]
        calls.append(
            {
                **call,
                "key": key.hex(),
                "instead_of": instead_of.get(key.hex(), ""),
                "messages": request.get("messages", []),
                "texts": [*request.get("texts", ()), *([request["text"]] if "text" in request else [])],
                "sampling": request.get("sampling", {}),
                "engine": json.loads(call["engine"] or "{}"),
                "seconds": round(seconds, 3),
            }
        )
    return calls


def _scores(store: Store, row_id: bytes, outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The measurements kept with the row's outcomes, then those stored for it under other nodes."""
    scores = []
    for outcome in outcomes:
        for step, found in (outcome["scores"] or {}).items():
            keys = [key.hex() for key in outcome["call_keys"]]
            earlier = [_earlier(before, keys) for before in found.get("earlier", ())]
            scores.append({"node": f"{outcome['pipeline']}.{step}", **found, "earlier": earlier})
    known = {score["node"] for score in scores}
    for node, outcome, score, evidence in store.sql(
        """SELECT node, outcome, score, evidence FROM score WHERE row_id = ?
        QUALIFY row_number() OVER (PARTITION BY key ORDER BY batch) = 1 ORDER BY batch, node""",
        [row_id],
    ):
        if node not in known:
            found = {"outcome": outcome, "score": score, "evidence": json.loads(evidence or "{}")}
            scores.append({"node": node, **found, "earlier": []})
    return scores


def _named_in(evidence: Any) -> list[bytes]:
    """Keys of the calls that evidence names as `call`, in order: what a verifier asked of models."""
    found: dict[bytes, None] = {}
    open_parts = [evidence]
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, dict):
            name = part.get("call")
            if isinstance(name, str) and _KEY.fullmatch(name):
                found[bytes.fromhex(name)] = None
            open_parts += reversed(part.values())
        elif isinstance(part, list):
            open_parts += reversed(part)
    return list(found)


def _earlier(before: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """What was found of an answer that another replaced, with the keys of the call that gave it and of the next."""
    calls = before["calls"]
    found = {name: value for name, value in before.items() if name != "calls"}
    return {**found, "call": "".join(keys[calls - 1 : calls]), "next_call": "".join(keys[calls : calls + 1])}


def _candidates(store: Store, run_id: int, row_id: bytes, parents: list[str]) -> list[dict[str, Any]]:
    if not parents:
        return []
    return [
        {"row_id": other.hex(), "candidate": candidate, "status": status, "step": step, "reason": reason}
        for other, candidate, status, step, reason in store.sql(
            """SELECT row_id, candidate, status, step, reason FROM outcome
            WHERE run_id = ? AND row_id <> ? AND list_has_any(parents, ?::BLOB[])
            ORDER BY candidate, pipeline LIMIT ?""",
            [run_id, row_id, [bytes.fromhex(parent) for parent in parents], LISTED],
        )
    ]


def _steps(plan: Plan, name: str) -> list[dict[str, Any]]:
    return [
        {"id": step.id, "operation": step.operation, **_place(plan, step.origin)}
        for step in steps_of(plan, name)
    ]


def _place(plan: Plan, origin: Origin) -> dict[str, Any]:
    """File, line and the text of that line in the spec as it was when the run began."""
    text = next((file.text for file in plan.files if file.name == origin.file), "")
    lines = text.splitlines()
    line = lines[origin.line - 1].strip() if 0 < origin.line <= len(lines) else ""
    return {"file": origin.file, "line": origin.line, "text": line}
