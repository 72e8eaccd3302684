"""Renders prompts: Jinja in its sandbox, on one row at a time.

Templates are the spec author's, but the columns are not: a template can reach its row's columns and nothing else.
There are no global functions (so no `range` or `lipsum`), no filter that is random or looks outside, no attribute
with an underscore, and no way to make a text longer than OUTPUT_LIMIT.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from mixwright_compiler.plan.plan import TemplateSpec
from mixwright_compiler.templates.growth import GROWING, is_too_large
from mixwright_runtime.errors import RowError, RunError
from mixwright_runtime.values.rows import Rendered

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

OUTPUT_LIMIT = 4 * 1024 * 1024
"""Characters in one rendered message; far above any model's context."""

FILTERS = (
    "abs",
    "attr",
    "batch",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "filesizeformat",
    "first",
    "float",
    "forceescape",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "wordcount",
    "wordwrap",
)
"""Jinja filters that depend on their input alone; `tojson` is replaced by plain JSON without HTML escapes."""

_GROWING_METHODS = frozenset(("center", "expandtabs", "format", "format_map", "ljust", "rjust", "zfill"))
"""Methods of texts that make a text of any length out of a number."""

Render = Callable[[Mapping[str, Any]], str]


def compile_template(template: TemplateSpec) -> Callable[[Mapping[str, Any]], Rendered]:
    """A function from a row's columns to the template's messages.

    A column that is null cannot be printed (test it with `{% if %}`); lists and structs print as JSON. Rendered text
    is stripped at both ends; a system message that renders empty is left out.

    Raises:
        RunError: the template is not Jinja. The returned function raises RowError when a row cannot be rendered:
            a null or missing value, an empty user message, or a text longer than OUTPUT_LIMIT.
    """
    parts = [(message.role, compile_text(message.text, template.name)) for message in template.messages]

    def render(columns: Mapping[str, object]) -> Rendered:
        messages = []
        for role, part in parts:
            text = part(columns)
            if text:
                messages.append({"role": role, "content": text})
            elif role == "user":
                raise RowError(f"template '{template.name}' renders an empty user message")
        return Rendered(tuple(messages))

    return render


@lru_cache(maxsize=4096)
def compile_text(source: str, name: str) -> Render:
    """A function from columns to the text that a Jinja source renders to, stripped at both ends."""
    from jinja2 import TemplateError

    try:
        template = _environment().from_string(source)
    except TemplateError as error:
        raise RunError(f"template '{name}': {error}") from None

    root, blocks = template.root_render_func, template.blocks
    environment = template.environment

    def render(columns: Mapping[str, object]) -> str:
        pieces: list[str] = []
        length = 0
        try:
            for piece in root(environment.context_class(environment, dict(columns), None, blocks)):
                length += len(piece)
                if length > OUTPUT_LIMIT:
                    raise RowError(f"template '{name}' renders more than {OUTPUT_LIMIT} characters")
                pieces.append(piece)
        except RowError:
            raise
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise RowError(f"template '{name}': {error}") from None
        except (MemoryError, RecursionError) as error:
            raise RowError(f"template '{name}': {type(error).__name__}") from None
        return "".join(pieces).strip()

    return render


def printable(value: object) -> Any:
    """What `{{ value }}` prints: JSON for lists and structs. Null is refused: `None` in a prompt is never meant."""
    if value is None:
        raise ValueError("a null value is printed; test it with {% if %} or default(...)")
    return plain_json(value) if isinstance(value, list | dict) else value


def plain_json(value: object, indent: int | None = None) -> str:
    """Filter `tojson`: JSON for prompts, so without the HTML escapes of Jinja's own filter."""
    if indent is not None and not 0 <= indent <= 16:
        raise ValueError("tojson indents by at most 16")
    return json.dumps(value, ensure_ascii=False, indent=indent)


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        # Formatting, too, can make a text of any length out of a few characters.
        intercepted_binops = GROWING | {"%"}

        def wrap_str_format(self, value: object) -> None:
            # Jinja gives out its own `format` before it asks whether the attribute is safe; it bounds no width.
            return None

        def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
            if isinstance(obj, str) and attr in _GROWING_METHODS:
                return False
            return super().is_safe_attribute(obj, attr, value)

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if is_too_large(operator, left, right, OUTPUT_LIMIT):
                text = f"a value longer than {OUTPUT_LIMIT}"
                raise ValueError(text if operator == "*" else "a power that is too large")
            if operator == "%" and isinstance(left, str):
                raise ValueError("formatting with % is not available; use ~ to join texts")
            return super().call_binop(context, operator, left, right)

    environment = Environment(
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        finalize=printable,
        cache_size=0,
    )
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    environment.filters["tojson"] = plain_json
    environment.filters["indent"] = _bounded(environment.filters["indent"])
    environment.filters["wordwrap"] = _bounded(environment.filters["wordwrap"])
    return environment


def _bounded(filter_function: Callable[..., Any]) -> Callable[..., Any]:
    """A Jinja filter whose numbers may not exceed 1,000: they say how much white space to make."""
    from functools import wraps

    @wraps(filter_function)
    def bounded(*args: object, **keywords: object) -> Any:
        if any(isinstance(a, int) and abs(a) > 1_000 for a in (*args[1:], *keywords.values())):
            raise ValueError("a width above 1000")
        return filter_function(*args, **keywords)

    return bounded
