"""What does not fit together in a step's class and what is declared of it."""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from mixwright_compiler.catalog.blocks import STEP_FAMILIES
from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.catalog.shape_traits import SHAPES as SHAPE_KINDS
from mixwright_compiler.catalog.shape_traits import conflicts
from mixwright_runtime.plugins.shapes import SHAPES, Breaker, Shape

SIMILAR = 0.75
"""From here on a public method's name counts as a slip of one of the shape's."""


def problems_of(entry: Entry, implementation: object) -> Iterator[str]:
    """What is wrong with a step's class and what is declared of it; nothing of what is no step."""
    if entry.family not in ("step", *STEP_FAMILIES):
        return
    if not inspect.isclass(implementation):
        yield "a step is a class of one of the shapes (mixwright_runtime/plugins/shapes.py)"
        return
    shapes = [shape for shape in SHAPES if issubclass(implementation, shape)]
    if not shapes:
        yield _no_shape(implementation)
        return
    if len({SHAPE_KINDS[shape.__name__] for shape in shapes}) == 1:
        yield from _wrong_methods(shapes[0], implementation)
    found = conflicts(implementation.__name__, [shape.__name__ for shape in shapes], entry)
    yield from (conflict.message for conflict in found)


_FOR_PLUGINS = ("Apply", "Ask", "Measure", "MeasureGroup", "Keep")
"""What `mixwright.plugin` has."""


def _no_shape(implementation: type) -> str:
    has = [shape.__name__ for shape in SHAPES if any(name in vars(implementation) for name in needed(shape))]
    which = has[0] if has else f"one of {', '.join(_FOR_PLUGINS)}"
    return f"`{implementation.__name__}` is of no shape: derive it from {which} (mixwright_runtime/plugins/shapes.py)"


def needed(shape: type[Shape]) -> list[str]:
    """Methods that a class of this shape must have."""
    return [
        name for name, method in inspect.getmembers(shape) if getattr(method, "__isabstractmethod__", False)
    ]


def _wrong_methods(shape: type[Shape], implementation: type) -> Iterator[str]:
    names = [name for name, _ in inspect.getmembers(shape, inspect.isfunction) if not name.startswith("_")]
    written = {
        name: value
        for cls in reversed(implementation.__mro__)
        if cls not in (*SHAPES, Breaker, Shape, ABC, object)
        for name, value in vars(cls).items()
        if callable(value) and not name.startswith("_")
    }
    slips: dict[str, str] = {}
    for name in written.keys() - set(names):
        for meant in get_close_matches(name, names, 1, SIMILAR):
            slips[meant] = name
    for name in needed(shape):
        if name not in written:
            slip = f"; is `{slips.pop(name)}` meant to be it?" if name in slips else ""
            yield f"{shape.__name__} needs `{name}{_signature(getattr(shape, name))}`{slip}"
    for meant, name in sorted(slips.items()):
        yield (
            f"`{name}` is no method of {shape.__name__}; is `{meant}` meant? A method of your own begins with `_`"
        )
    for name in sorted(written.keys() & set(names)):
        yield from _wrong_method(getattr(shape, name), written[name])


def _wrong_method(promised: Any, written: Any) -> Iterator[str]:
    name = promised.__name__
    if inspect.iscoroutinefunction(promised) != inspect.iscoroutinefunction(written):
        is_async = inspect.iscoroutinefunction(promised)
        yield f"`{name}` must {'be' if is_async else 'not be'} `async`"
    takes = inspect.signature(promised).parameters
    try:
        inspect.signature(written).bind(*takes)
    except TypeError:
        yield f"`{name}` is called as `{name}{_signature(promised)}`"


def _signature(method: Any) -> str:
    return f"({', '.join(list(inspect.signature(method).parameters)[1:])})"
