"""The chat template that a `train` block states: its text, and whether it writes a plain conversation.

It is Jinja as `transformers` sets it up: in the immutable sandbox, with `break` and `continue`, `raise_exception`,
`strftime_now`, and the `generation` tag around what an assistant says. A name that is not there is empty.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_compiler.templates.growth import GROWING, is_too_large
from mixwright_dsl.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from types import FrameType

    from jinja2 import Environment

QUESTION, ANSWER = "How many apples are two and three apples?", "They are five apples."
SYSTEM = "Answer in one sentence."
TOOL = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]},
    },
}
_SPECIAL = tuple(f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"))
NAMES = ("messages", "tools", "documents", "add_generation_prompt", *_SPECIAL)
"""What a chat template is given."""
MOST_LINES = 100_000
"""Lines of a template, or of its loops' turns, that one short conversation may take: the common ones take hundreds."""
MOST_CHARACTERS = 1_000_000
_NAME = "<template>"
"""What Jinja calls a template that was given as a text, in the story of an error."""


@dataclass(frozen=True)
class TemplateProblem:
    """What keeps a template from being used. `line`: where in its text, from 1; None where that cannot be told."""

    message: str
    line: int | None


def is_a_file(written: str) -> bool:
    """Does what stands in a block name a file? A template without an expression is the same text for all rows."""
    return "{" not in written


def file_text(path: Path) -> str:
    """The text of a template's file.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: the file is not UTF-8.
    """
    return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")


def syntax_problem(text: str) -> TemplateProblem | None:
    """Why a text is no template; None where it is one."""
    from jinja2 import TemplateSyntaxError

    try:
        _environment().from_string(text)
    except TemplateSyntaxError as error:
        return TemplateProblem(f"does not parse: {_sentence(str(error.message))}", error.lineno)
    except RecursionError:
        return TemplateProblem("is nested too deeply", None)
    return None


def rendering_problem(text: str) -> TemplateProblem | None:
    """Why a template cannot write a question and its answer; None where it can, whatever it wants beside them.

    Templates may ask for a system message or tools, and take content as a text or in parts.
    """
    template = _environment().from_string(text)
    first: TemplateProblem | None = None
    special = {name: f"<{name.removesuffix('_token')}>" for name in _SPECIAL}
    is_written = False
    for in_parts, has_system, tools in product((False, True), (False, True), (None, [TOOL])):
        turns = [("system", SYSTEM)] * has_system + [("user", QUESTION), ("assistant", ANSWER)]
        messages = [
            {"role": role, "content": [{"type": "text", "text": said}] if in_parts else said}
            for role, said in turns
        ]
        try:
            with _limited():
                written = template.render(
                    messages=messages, tools=tools, documents=None, add_generation_prompt=False, **special
                )
        except Exception as error:  # a template is a program of its own
            first = first or TemplateProblem(
                f"fails on a question and its answer: {_sentence(str(error))}", _line_of(error)
            )
            continue
        is_written = True
        if ANSWER.casefold() in written.casefold():
            return None
    return TemplateProblem("leaves out what the assistant says", None) if is_written else first


@contextmanager
def _limited() -> Iterator[None]:
    """Let templates run `MOST_LINES` lines within the block. Nothing else ends a loop that never ends by itself.

    Raises:
        TemplateRuntimeError: one runs more.
    """
    from jinja2 import TemplateRuntimeError

    lines = 0

    def count(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename != _NAME:
            return None
        lines += event == "line"
        if lines > MOST_LINES:
            raise TemplateRuntimeError(f"its loops run more than {MOST_LINES:,} lines")
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        yield
    finally:
        sys.settrace(before)


def _sentence(text: str) -> str:
    """The first sentence of a library's words, as diagnostics are written."""
    shown = " ".join(text.split()).partition(". ")[0].rstrip(".")[:200] or "it gives no reason"
    return shown[:1].lower() + shown[1:] if shown[1:2].islower() else shown


def _line_of(error: BaseException) -> int | None:
    """The innermost line of the template in the story of an error."""
    found, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _NAME:
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


@cache
def _environment() -> Environment:
    from datetime import datetime

    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """What an assistant says; written as it is."""

        tags = {"generation"}  # noqa: RUF012 - Jinja's own declaration

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body).set_lineno(line)

    class Sandbox(ImmutableSandboxedEnvironment):
        intercepted_binops = GROWING

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if is_too_large(operator, left, right, MOST_CHARACTERS):
                text = f"it makes a text longer than {MOST_CHARACTERS:,} characters"
                raise TemplateError(text if operator == "*" else "it takes a power that is too large")
            return super().call_binop(context, operator, left, right)

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def tojson(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, **options)

    made = Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = lambda format: datetime.now().strftime(format)
    return made
