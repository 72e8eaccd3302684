"""`dataclass` whose frozen classes get their methods when these are first used.

The standard library writes and compiles six methods for each frozen class when its module is imported, 0.6 ms of CPU time
in Python 3.11. A check imports a hundred of them, which was a quarter of its time, and compares or prints hardly any.
Here equality, hash, text and the refusal to be changed are functions that all classes share, and `__init__` is compiled
for the first object. What a class is besides (`fields`, `replace`, `match`, `asdict`) the standard library makes.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, **options):
        """As `dataclasses.dataclass`; only `@dataclass(frozen=True)` is made otherwise."""
        if cls is not None or options != {"frozen": True}:
            return dataclasses.dataclass(cls, **options)
        return _frozen


def _frozen(cls: Any) -> Any:
    if cls.__doc__ is None:
        cls.__doc__ = cls.__name__  # else the standard library writes down its signature, which nobody reads
    # What is derived from a frozen class must be made as one; of any other that is only said.
    is_derived = any(dataclasses.is_dataclass(base) for base in cls.__mro__[1:])
    dataclasses.dataclass(cls, init=False, repr=False, eq=False, frozen=is_derived)
    cls.__dataclass_params__.frozen = True
    made = {
        "__init__": _first_init(cls),
        "__eq__": _equal,
        "__hash__": _hash,
        "__repr__": _text,
        "__setattr__": _refuse,
        "__delattr__": _refuse,
    }
    for name, method in made.items():
        if name not in vars(cls):
            setattr(cls, name, method)
    return cls


def _first_init(cls: Any) -> Any:
    def __init__(self: Any, *values: Any, **named: Any) -> None:
        init = _compiled_init(cls)
        if vars(cls)["__init__"] is __init__:
            cls.__init__ = init
        init(self, *values, **named)

    return __init__


def _compiled_init(cls: Any) -> Any:
    """`__init__` with the class's own parameters. It writes past `__setattr__`, which refuses."""
    known: dict[str, Any] = {"missing": dataclasses.MISSING}
    parameters, lines = ["self"], ["fields = self.__dict__"]
    for field in dataclasses.fields(cls):
        name, value = field.name, field.name
        if field.default is not dataclasses.MISSING:
            known[f"default_{name}"] = field.default
            parameters.append(f"{name}=default_{name}")
        elif field.default_factory is not dataclasses.MISSING:
            known[f"new_{name}"] = field.default_factory
            parameters.append(f"{name}=missing")
            value = f"new_{name}() if {name} is missing else {name}"
        else:
            parameters.append(name)
        lines.append(f"fields[{name!r}] = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    text = f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines)
    made: dict[str, Any] = {}
    exec(text, known, made)
    return made["__init__"]


def _values(cls: Any) -> Any:
    """What takes the compared fields of an object; made once a class."""
    found = vars(cls).get("_compared")
    if found is None:
        names = [field.name for field in dataclasses.fields(cls) if field.compare]
        found = staticmethod(attrgetter(*names) if names else lambda _: ())
        cls._compared = found
    return found.__func__


def _equal(self: Any, other: Any) -> Any:
    if self is other:
        return True
    if type(self) is not type(other):
        return NotImplemented
    values = _values(type(self))
    return values(self) == values(other)


def _hash(self: Any) -> int:
    return hash(_values(type(self))(self))


def _text(self: Any) -> str:
    shown = [f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse(self: Any, name: str, *_: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot change field {name!r}")
