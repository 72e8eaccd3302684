"""Show examples of a mixture as they will be trained on, or with --prompts what models will be asked.

The rows are those the last 'mixwright run' selected, or a JSON-lines file with `messages`. With --tokens each is shown
as the model of a `train` block sees it, its chat template applied: what is trained stands out (in colour on a terminal,
else between « and »), the rest is dim.

With --prompts N no run is needed: the requests of every step that asks a model are rendered for N rows of its source,
with the model's chat template where it is on this machine, and their tokens and dollars. No model is asked and no store
is read or written; what only a model could say is stood for by ⟨its column⟩.

Exit status: 0 shown; 1 errors in the spec; 2 nothing selected yet, misuse, or a source that cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright.number_options import count
from mixwright.params_option import add_params_option
from mixwright.terminal import Painted, printable

if TYPE_CHECKING:
    from mixwright_compiler.plan.plan import Plan
    from mixwright_runtime.training.preview import PreviewedExample

_TRAINED, _OTHER, _HEAD, _PLAIN = "\x1b[1;32m", "\x1b[2m", "\x1b[1m", "\x1b[0m"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", type=Path, metavar="FILE", help="a .mix file, or a plan.json")
    add_params_option(parser)
    parser.add_argument("--mixture", metavar="NAME", help="which mixture; needed when there are several")
    parser.add_argument("--train", metavar="NAME", help="which `train` block, for --tokens")
    parser.add_argument("--tokens", action="store_true", help="show what of each example is trained")
    parser.add_argument(
        "--prompts",
        type=count,
        metavar="N",
        help="show the requests of N rows at each step that asks a model",
    )
    parser.add_argument(
        "--pipeline", action="append", default=[], metavar="NAME", help="only this pipeline, for --prompts"
    )
    parser.add_argument("--limit", type=count, default=3, metavar="N", help="examples to show (3)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="the store with the mixture (.mixwright)")
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="show examples of this JSON-lines file instead"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Print the examples; returns the exit status."""
    from mixwright.compiling import plan_of_file
    from mixwright_dsl.render import wants_color

    plan = plan_of_file(arguments.spec, arguments.params, errors_only=True)
    if plan is None:
        return 1
    is_colored = wants_color(sys.stdout)
    if arguments.prompts is not None:
        return _show_prompts(plan, arguments, is_colored)
    if arguments.tokens:
        return _show_tokens(plan, arguments, is_colored)
    for row in islice(_rows(plan, _mixture(plan, arguments), arguments), arguments.limit):
        if arguments.json:
            print(json.dumps(row, ensure_ascii=False))
        else:
            print(Painted(_row_text(row, is_colored)))
    return 0


def _show_prompts(plan: Plan, arguments: argparse.Namespace, is_colored: bool) -> int:
    from mixwright.asked import asked, requests_report, requests_text
    from mixwright.compiling import Misuse
    from mixwright.json_output import document_text

    for name in arguments.pipeline:
        if name not in plan.pipelines:
            raise Misuse(
                f"{plan.spec} has no pipeline '{name}'; it has {', '.join(plan.pipelines) or 'none'}"
            )
    found = asked(plan, arguments.prompts, arguments.pipeline)
    if arguments.json:
        sys.stdout.write(document_text("preview", requests_report(found)))
        return 0
    for part in requests_text(found, color=is_colored):
        sys.stdout.write(Painted(part))
    return 0


def _show_tokens(plan: Plan, arguments: argparse.Namespace, is_colored: bool) -> int:
    from mixwright.compiling import chosen_train
    from mixwright_runtime.training.encode import EncodingCounts, fates
    from mixwright_runtime.training.preview import previewed

    train = chosen_train(plan, arguments.train)
    counts = EncodingCounts()
    rows = islice(_rows(plan, train.mixture, arguments), arguments.limit)
    for example in previewed(rows, train, Path(plan.directory), counts):
        print(_tokens_json(example) if arguments.json else Painted(_tokens_text(example, is_colored)))
    for text, ids in fates(counts):
        for row_id in ids:
            print(f"row {row_id}: {text}", file=sys.stderr)
    if counts.unstopped:
        print("warning: the chat template puts no end token after an answer", file=sys.stderr)
    return 0


def _mixture(plan: Plan, arguments: argparse.Namespace) -> str:
    from mixwright.compiling import Misuse

    names = [name for name, mixture in plan.mixtures.items() if not mixture.variant_of]
    if arguments.mixture is not None and arguments.mixture not in plan.mixtures:
        raise Misuse(f"{plan.spec} has no mixture '{arguments.mixture}'; it has {', '.join(plan.mixtures)}")
    if arguments.mixture is None and len(names) != 1:
        raise Misuse(f"name one of the mixtures with --mixture: {', '.join(plan.mixtures) or 'none'}")
    return arguments.mixture or names[0]


def _rows(plan: Plan, mixture: str, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    from mixwright.selected import training_rows

    return training_rows(plan, mixture, store=arguments.store, data=arguments.data)


def _row_text(row: dict[str, Any], is_colored: bool) -> str:
    lines = [_head(row["id"], row["component"], "", is_colored)]
    for message in row["messages"]:
        role = f"{printable(message['role'])}:"
        lines.append(f"{_HEAD}{role}{_PLAIN}" if is_colored else role)
        if message.get("reasoning_content"):
            lines.append("  (reasoning) " + _indented(printable(message["reasoning_content"])))
        if message["content"]:
            lines.append("  " + _indented(printable(message["content"])))
        for call in message.get("tool_calls") or []:
            function = call["function"]
            lines.append(f"  calls {printable(function['name'])}({printable(function['arguments'])})")
    return "\n".join(lines) + "\n"


def _tokens_text(example: PreviewedExample, is_colored: bool) -> str:
    facts = f"{example.tokens:,} tokens, {example.trained_tokens:,} trained"
    lines = [_head(example.id, example.component, facts, is_colored)]
    body = []
    for part in example.runs:
        text = printable(part.text)
        if not is_colored:
            body.append(f"«{text}»" if part.is_trained else text)
            continue
        # Colour line by line: a pager starts each line plain.
        color = _TRAINED if part.is_trained else _OTHER
        body.append("\n".join(f"{color}{line}{_PLAIN}" if line else "" for line in text.split("\n")))
    return "\n".join([*lines, "".join(body)]) + "\n"


def _tokens_json(example: PreviewedExample) -> str:
    return json.dumps(asdict(example), ensure_ascii=False)


def _head(row_id: str, component: str, facts: str, is_colored: bool) -> str:
    parts = [f"row {printable(row_id)}", printable(component), facts]
    text = "   ".join(part for part in parts if part)
    return f"{_HEAD}{text}{_PLAIN}" if is_colored else text


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")
