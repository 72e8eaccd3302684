"""Walk a row back to where it came from or tell why it is missing; or explain a code (MIX401) or a kind (verify.math).

A kind may be of a plugin: one that is installed, or with --spec one that a spec imports.

Exit status: 0 shown; 1 no such code; 2 no such row or kind, or a store that cannot be read; 75 a run holds the store.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from mixwright.terminal import duration, printable
from mixwright.told import tell
from mixwright_compiler.load.project_root import project_root, store_directory
from mixwright_runtime.errors import StoreLocked

if TYPE_CHECKING:
    from mixwright_runtime.facts.row import (
        CallFacts,
        MissingCall,
        OutcomeFacts,
        RowFacts,
        SourcePlace,
        StepPlace,
    )
    from mixwright_runtime.facts.scores import EarlierScore, ScoreFacts

LONG_TEXT = 2_000
"""Characters of a text that are printed; `--full` and `--json` give all."""


class CodePage(TypedDict):
    """The page of a diagnostic code, Markdown."""

    code: str
    text: str


class KindPage(TypedDict):
    """The manual page of a kind, such as `verify.math`."""

    kind: str
    text: str


class KindPages(TypedDict):
    """Every kind that has the name."""

    kinds: list[KindPage]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "what",
        metavar="ROW|CODE|KIND",
        help="a row's id or lineage in hex, or its first digits; or a code (MIX401), or a kind (verify.math)",
    )
    parser.add_argument("--spec", type=Path, metavar="FILE", help="the spec that imports the kind's plugin")
    parser.add_argument(
        "--run", type=int, metavar="N", help="the row as run N left it [the newest that has it]"
    )
    parser.add_argument("--full", action="store_true", help="print long texts whole")
    parser.add_argument("--store", type=Path, metavar="DIR", help="the store's directory [ROOT/.mixwright]")
    parser.add_argument("--json", action="store_true", help="print the history as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the history; 1 when no row or several match, 2 when the argument is neither a row nor a code."""
    what = arguments.what
    if re.fullmatch(r"(?i)mix\d+", what):
        return _explain_code(what.upper(), as_json=arguments.json)
    # Token exports name the pieces of a row that was split `ID/0`, `ID/1` …
    row = re.fullmatch(r"([0-9a-fA-F]{4,32})(?:/\d+)?", what)
    if row is None:
        return _explain_kind(what, arguments.spec, as_json=arguments.json)
    from mixwright_runtime.facts.row import row_facts
    from mixwright_runtime.store.store import Store

    directory = store_directory(project_root(Path.cwd()), arguments.store)
    if not directory.is_dir():
        tell(
            f"no store at {printable(str(directory))}; 'mixwright run' makes one. Rows are looked up in the "
            "project of the current directory, or where --store says"
        )
        return 2
    try:
        with Store.open(directory, read_only=True) as store:
            facts = row_facts(store, row[1], run_id=arguments.run)
    except StoreLocked as error:
        tell(f"{error}; rows can be explained when it has ended")
        return error.exit_code
    if arguments.json:
        from dataclasses import asdict

        from mixwright.json_output import document_text

        sys.stdout.write(document_text("explain", asdict(facts)))
    else:
        print(rendered(facts, limit=None if arguments.full else LONG_TEXT))
    return 0


def _explain_code(code: str, *, as_json: bool) -> int:
    from mixwright.explain_code import explain_code

    text = explain_code(code)
    if text is None:
        tell(f"no diagnostic code {code}; codes are shown in brackets: error[MIX401]")
        return 1
    if as_json:
        from mixwright.json_output import document_text

        text = document_text("explain", CodePage(code=code, text=text)).rstrip()
    print(text)
    return 0


def _explain_kind(what: str, spec: Path | None, *, as_json: bool) -> int:
    from mixwright.compiling import Misuse, why_unreadable
    from mixwright.explain_kind import kinds_named

    try:
        found = kinds_named(what, spec)
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"{spec} cannot be read: {why_unreadable(error)}") from None
    if not found:
        tell(
            f"'{printable(what)}' is neither a row id (4 to 32 hex digits) nor a code such as MIX401 nor a kind "
            "such as verify.math; exported rows carry their id, docs/diagnostics.md lists the codes, and "
            "'--spec FILE' tells the spec that imports the plugin of a kind"
        )
        return 2
    if as_json:
        from mixwright.json_output import document_text

        kinds = [KindPage(kind=key, text=text) for key, text in found.items()]
        sys.stdout.write(document_text("explain", KindPages(kinds=kinds)))
    else:
        print("\n\n".join(found.values()))
    return 0


def rendered(facts: RowFacts, *, limit: int | None) -> str:
    """The history as text for a terminal: what became of the row, then what it was made of, back to the source."""
    run_ = facts.run
    lines = [f"row {facts.row_id}"]
    lines.append(f"run {run_.run_id} of {run_.spec} ({run_.status or 'not ended'})")
    if len(facts.runs) > 1:
        lines.append(f"  also in runs {', '.join(str(n) for n in facts.runs if n != run_.run_id)}")
    for place in facts.mixtures:
        again = f", appearance {place.repeat + 1}" if place.repeat else ""
        lines.append(
            f"mixture {place.mixture}: position {place.position}, as {place.component}{again}, "
            f"exported as {place.id}"
        )
    for outcome in facts.outcomes:
        lines += ["", *_outcome(outcome, facts, limit)]
    made, asked = facts.calls, facts.verifier_calls
    numbers = {call.key: number for number, call in enumerate([*made, *asked], start=1)}
    for call in made:
        lines += ["", *_call(numbers[call.key], call, numbers, limit)]
    for score in facts.scores:
        lines += ["", *_score(score, numbers, limit)]
    for call in asked:
        lines += ["", *_call(numbers[call.key], call, numbers, limit)]
    if facts.lineage:
        lines += ["", "lineage:"]
        for ancestor in facts.lineage:
            why = f" by {ancestor.step}: {ancestor.reason}" if ancestor.step else ""
            told = "  ".join(part for part in (ancestor.place, f"{ancestor.status}{why}") if part)
            made_of = "  " * ancestor.depth + ("└ made of " if ancestor.depth else "  ")
            lines.append(f"{made_of}{ancestor.row_id}  {told}".rstrip())
    elif facts.parents:
        lines += ["", f"made of: {', '.join(facts.parents)}"]
    for other in facts.candidates:
        why = f" by {other.step} ({other.reason})" if other.step else ""
        lines.append(f"  candidate {other.candidate}: {other.row_id} {other.status}{why}")
    for outcome in facts.outcomes:
        replica = f", replica {outcome.replica}" if outcome.replica else ""
        start = f"{outcome.source} at {outcome.source_ref}" if outcome.source_ref else outcome.source
        lines += ["", f"from {start} (row {outcome.origin_id}{replica})"]
        for source in (source for source in facts.sources if source.name == outcome.source):
            lines += ["  one row without columns: all in it was made by the pipeline"] * source.is_empty
            lines.append(f"  {_where(source)}")
    return "\n".join(printable(line) for line in lines)


def _outcome(outcome: OutcomeFacts, facts: RowFacts, limit: int | None) -> list[str]:
    head = f"{outcome.pipeline}: {outcome.status}"
    if outcome.step:
        head += f" by step {outcome.step}: {outcome.reason}"
    lines = [head]
    if outcome.detail is not None:
        lines += _evidence(outcome.detail, limit)
    for step in facts.steps:
        if step.pipeline == outcome.pipeline:
            mark = ">" if step.id == outcome.step else " "
            lines.append(f" {mark} {step.id} ({step.operation})  {_where(step)}")
    for name, value in (outcome.columns or {}).items():
        text = value if isinstance(value, str) else _pretty(value)
        if "\n" in text or len(text) > 90:
            lines += [f"  {name}:", *_block(text, limit)]
        else:
            lines.append(f"  {name}: {text}")
    return lines


def _score(score: ScoreFacts, numbers: Mapping[str, int], limit: int | None) -> list[str]:
    """What a verifier found, and before that of the answers that this one replaced."""
    lines = [f"score of {score.node}: {_measured(score)}", *_evidence(score.evidence, limit)]
    for before in reversed(score.earlier):
        which = f"call {numbers[before.call]}" if before.call in numbers else "an answer"
        lines.append(f"  {which} before it: {before.reason}, {_measured(before)}")
        lines += _evidence(before.evidence, limit)
    return lines


def _measured(score: ScoreFacts | EarlierScore) -> str:
    return score.outcome if score.score is None else f"{score.outcome} {score.score:g}"


def _evidence(value: Any, limit: int | None) -> list[str]:
    """Evidence behind a bar, one line for each part: `gold: 4`; what is inside a part is indented below it."""
    if not value and not isinstance(value, bool | int | float):
        return []
    return _block("\n".join(_parts(value)), limit)


def _parts(value: Any) -> list[str]:
    if isinstance(value, dict):
        named = [(f"{name}:", part) for name, part in value.items()]
    elif isinstance(value, list) and any(isinstance(part, dict | list) for part in value):
        named = [("-", part) for part in value]
    else:
        return (value if isinstance(value, str) else _pretty(value)).split("\n")
    lines = []
    for head, part in named:
        inner = _parts(part) if part not in ({}, []) else [_pretty(part)]
        if len(inner) == 1 and not isinstance(part, dict):
            lines.append(f"{head} {inner[0]}")
        elif head == "-":
            lines += [f"{'-' if i == 0 else ' '} {line}" for i, line in enumerate(inner)]
        else:
            lines += [head, *(f"  {line}" for line in inner)]
    return lines


def _call(
    number: int, call: CallFacts | MissingCall, numbers: Mapping[str, int], limit: int | None
) -> list[str]:
    if call.status == "missing":
        return [f"call {number}: {call.key} is not in the store; 'mixwright verify-store' tells more"]
    head = f"call {number}: {call.node}, model {call.model}, attempt {call.attempt + 1}, {call.status}"
    if call.reason:
        head += f" ({call.reason})"
    if call.instead_of in numbers:
        head += f"; its answer replaces that of call {numbers[call.instead_of]}"
    lines = [
        head,
        f"  key {call.key}, made by run {call.run_id}, {duration(call.seconds)}, finish {call.finish}, "
        f"{call.prompt_tokens} tokens in, {call.output_tokens} out, seed {call.seed}",
    ]
    if call.sampling:
        lines.append(f"  sampling {_pretty(call.sampling)}")
    if call.engine:
        lines.append(f"  engine {_pretty(call.engine)}")
    for message in call.messages:
        lines += [f"  {message.get('role', '?')}:", *_block(_text(message.get("content")), limit)]
    for text in call.texts:
        lines += ["  text:", *_block(text, limit)]
    if call.reasoning:
        lines += ["  reasoning:", *_block(call.reasoning, limit)]
    return [*lines, "  answer:", *_block(call.text, limit)]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else _pretty(content)


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _where(place: StepPlace | SourcePlace) -> str:
    return f"{place.file}:{place.line}: {place.text}" if place.file else ""


def _block(text: str, limit: int | None) -> list[str]:
    """`text` indented behind a bar, so that nothing in it can pass for a line of ours."""
    shown = text if limit is None or len(text) <= limit else text[:limit]
    # Every kind of line end, or a carriage return in an answer would step in front of the bar.
    lines = [f"    | {line}" for line in re.split(r"\r\n|\n", shown)]
    if len(shown) < len(text):
        lines.append(f"    ({len(text) - len(shown):,} more characters: --full)")
    return lines
