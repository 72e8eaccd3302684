"""`dataclass` whose classes get their methods and fields when these are first used.

The standard library writes and compiles up to six methods for each class when its module is imported, 0.6 ms of CPU time
in Python 3.11. A check imports over a hundred of them, which was a quarter of its time, and compares or prints few.
Here equality, hash, text and the refusal to be changed are functions that all classes share, and `__init__` is compiled
for the first object, and the standard library finds the fields when they are first asked for: by that, by `fields`,
`replace`, `match` or `asdict`.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, *, frozen=False, eq=True, kw_only=False):
        """As `dataclasses.dataclass`, of whose options it has these."""
        if cls is not None:
            return _made(cls, frozen, eq, kw_only)
        return lambda cls: _made(cls, frozen, eq, kw_only)


class _Later:
    """Stands for what the standard library writes into a class, and has it written when it is asked for."""

    NAMES = ("__dataclass_fields__", "__dataclass_params__", "__match_args__")

    def __init__(self, cls: Any, name: str, frozen: bool, kw_only: bool) -> None:
        self.cls, self.name, self.frozen, self.kw_only = cls, name, frozen, kw_only

    def __get__(self, _instance: object, _owner: object) -> Any:
        cls = self.cls
        for name in self.NAMES:
            delattr(cls, name)
        # For what is derived from a frozen class it would compile once more what refuses changes, and that is there.
        made = [getattr(base, "__dataclass_params__", None) for base in cls.__mro__[1:]]
        frozen = [params for params in made if params is not None and params.frozen]
        for params in frozen:
            params.frozen = False
        dataclasses.dataclass(cls, init=False, repr=False, eq=False, kw_only=self.kw_only)
        for params in frozen:
            params.frozen = True
        cls.__dataclass_params__.frozen = self.frozen
        return getattr(cls, self.name)


def _made(cls: Any, frozen: bool, eq: bool, kw_only: bool) -> Any:
    if cls.__doc__ is None:
        cls.__doc__ = cls.__name__  # else the standard library writes down its signature, which nobody reads
    for name in _Later.NAMES:
        setattr(cls, name, _Later(cls, name, frozen, kw_only))
    made: dict[str, Any] = {"__init__": _first_init(cls), "__repr__": _text}
    if eq:
        made |= {"__eq__": _equal, "__hash__": _hash if frozen else None}
    if frozen:
        made |= {"__setattr__": _refuse, "__delattr__": _refuse}
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
    by_name: list[str] = []
    for field in dataclasses.fields(cls):
        name, value = field.name, field.name
        if field.default is not dataclasses.MISSING:
            known[f"default_{name}"] = field.default
            parameter = f"{name}=default_{name}"
        elif field.default_factory is not dataclasses.MISSING:
            known[f"new_{name}"] = field.default_factory
            parameter = f"{name}=missing"
            value = f"new_{name}() if {name} is missing else {name}"
        else:
            parameter = name
        (by_name if field.kw_only else parameters).append(parameter)
        lines.append(f"fields[{name!r}] = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    if by_name:
        parameters += ["*", *by_name]
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
