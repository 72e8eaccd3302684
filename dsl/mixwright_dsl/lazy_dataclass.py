"""`dataclass` whose classes get their methods and fields when these are first used, with `field` and `replace` for them.

The standard library writes and compiles up to six methods for each class when its module is imported, 0.6 ms of CPU time
in Python 3.11. A check imports over a hundred of them, which was a quarter of its time, and compares or prints few.
Here equality, hash, text and the refusal to be changed are functions that all classes share, and `__init__` is compiled
for the first object. The standard library's module, which takes eight milliseconds more, is imported when something asks
it of such a class: `fields`, `asdict`, its own `replace`.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
else:

    def dataclass(cls=None, *, frozen=False, eq=True, kw_only=False):
        """As `dataclasses.dataclass`, of whose options it has these."""
        if cls is not None:
            return _made(cls, frozen, eq, kw_only)
        return lambda cls: _made(cls, frozen, eq, kw_only)

    def field(**options):
        """As `dataclasses.field`, of whose options it has `default`, `default_factory`, `repr` and `compare`."""
        return _Field(**options)

    def replace(changed, /, **changes):
        """As `dataclasses.replace`."""
        cls = type(changed)
        if "_kw_only" not in vars(cls):
            from dataclasses import replace as of_others

            return of_others(changed, **changes)
        values = changed.__dict__
        for name in _fields(cls):
            if name not in changes:
                changes[name] = values[name]
        return cls(**changes)


_MISSING: Any = object()


def names_of(cls: Any) -> Collection[str]:
    """The names of the fields of such a class, in their order."""
    return _fields(cls).keys()


class _Field:
    """What is known of a field. Without `kw_only` it is what stands in a class body."""

    __slots__ = ("compare", "default", "default_factory", "kw_only", "repr")

    def __init__(
        self,
        *,
        default: Any = _MISSING,
        default_factory: Any = _MISSING,
        repr: bool = True,
        compare: bool = True,
        kw_only: bool = False,
    ) -> None:
        self.default, self.default_factory, self.repr, self.compare = default, default_factory, repr, compare
        self.kw_only = kw_only

    def of_standard(self) -> Any:
        """The same as the standard library writes it."""
        import dataclasses

        options: dict[str, Any] = {"repr": self.repr, "compare": self.compare}
        if self.default is not _MISSING:
            options["default"] = self.default
        if self.default_factory is not _MISSING:
            options["default_factory"] = self.default_factory
        return dataclasses.field(**options)


class _Later:
    """Stands for what the standard library writes into a class, and has it written when it is asked for."""

    NAMES = ("__dataclass_fields__", "__dataclass_params__")

    def __init__(self, cls: Any, name: str, frozen: bool, kw_only: bool) -> None:
        self.cls, self.name, self.frozen, self.kw_only = cls, name, frozen, kw_only

    def __get__(self, _instance: object, _owner: object) -> Any:
        import dataclasses

        cls = self.cls
        _fields(cls)  # before their defaults are taken out of the class
        for name in self.NAMES:
            delattr(cls, name)
        for name, value in list(vars(cls).items()):
            if isinstance(value, _Field):
                setattr(cls, name, value.of_standard())
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


class _MatchArguments:
    """Stands for the names that a pattern matches by position, and finds them when there is such a pattern."""

    def __init__(self, cls: Any) -> None:
        self.cls = cls

    def __get__(self, _instance: object, _owner: object) -> tuple[str, ...]:
        names = tuple(name for name, found in _fields(self.cls).items() if not found.kw_only)
        self.cls.__match_args__ = names  # type: ignore[misc]
        return names


def _made(cls: Any, frozen: bool, eq: bool, kw_only: bool) -> Any:
    if cls.__doc__ is None:
        cls.__doc__ = cls.__name__  # else the standard library writes down its signature, which nobody reads
    for name in _Later.NAMES:
        setattr(cls, name, _Later(cls, name, frozen, kw_only))
    cls.__match_args__ = _MatchArguments(cls)  # type: ignore[misc]
    cls._kw_only = kw_only
    made: dict[str, Any] = {"__init__": _first_init(cls), "__repr__": _text}
    if eq:
        made |= {"__eq__": _equal, "__hash__": _hash if frozen else None}
    if frozen:
        made |= {"__setattr__": _refuse, "__delattr__": _refuse}
    for name, method in made.items():
        if name not in vars(cls):
            setattr(cls, name, method)
    return cls


def _fields(cls: Any) -> dict[str, _Field]:
    """The fields of a class by name, in the order of its parameters; made once a class."""
    known = vars(cls).get("_known_fields")
    if known is not None:
        return known  # type: ignore[no-any-return]
    found: dict[str, _Field] = {}
    for base in reversed(cls.__mro__[1:]):
        if "_kw_only" in vars(base):
            found |= _fields(base)
        elif "__dataclass_fields__" in vars(base):
            found |= {
                name: _of_standard(value, value.kw_only) for name, value in base.__dataclass_fields__.items()
            }
    for name in vars(cls).get("__annotations__", ()):
        written = vars(cls).get(name, _MISSING)
        if not isinstance(written, _Field):
            written = _of_standard(written, cls._kw_only)
        else:
            written.kw_only = cls._kw_only
        found[name] = written
    cls._known_fields = found
    return found


def _of_standard(written: Any, kw_only: bool) -> _Field:
    """A field that is written as its default, or as the standard library's `field`."""
    standard: Any = sys.modules.get("dataclasses")
    if standard is None or not isinstance(written, standard.Field):
        return _Field(default=written, kw_only=kw_only)
    default, factory = (
        _MISSING if value is standard.MISSING else value
        for value in (written.default, written.default_factory)
    )
    return _Field(
        default=default,
        default_factory=factory,
        repr=written.repr,
        compare=written.compare,
        kw_only=kw_only,
    )


FEW = 40
"""So many objects of a class are made without an `__init__` of its own: to compile one takes as long as about forty
longer. Of the classes that a small check makes objects of, three in four stay below."""


class _Filler:
    """Fills objects of one class without an `__init__` of its own.

    values: the defaults of all fields, in their order; `_MISSING` stands for one without.
    by_place: the fields that can be given without their names.
    to_make: the fields without a default, each with its factory and where it would be given by place.
    """

    def __init__(self, cls: Any) -> None:
        fields = _fields(cls)
        self.values = {name: field.default for name, field in fields.items()}
        self.by_place = [name for name, field in fields.items() if not field.kw_only]
        self.to_make = [
            (name, field.default_factory, len(fields) if field.kw_only else self.by_place.index(name))
            for name, field in fields.items()
            if field.default is _MISSING
        ]
        self.has_more = hasattr(cls, "__post_init__")

    def fill(self, made: Any, values: tuple[Any, ...], named: dict[str, Any]) -> bool:
        """Write the fields of a new object; False where a compiled `__init__` would refuse what was given."""
        written = self.values | named
        if len(written) != len(self.values):
            return False
        if values:
            if len(values) > len(self.by_place) or (
                named and not named.keys().isdisjoint(self.by_place[: len(values)])
            ):
                return False
            written.update(zip(self.by_place, values, strict=False))
        for name, factory, place in self.to_make:
            if place >= len(values) and name not in named:
                if factory is _MISSING:
                    return False
                written[name] = factory()
        made.__dict__.update(written)
        return True


def _first_init(cls: Any) -> Any:
    left, filler = FEW, None

    def __init__(self: Any, *values: Any, **named: Any) -> None:
        nonlocal left, filler
        if filler is None:
            filler = _Filler(cls)
        if left and filler.fill(self, values, named):
            left -= 1
            if filler.has_more:
                self.__post_init__()
            return
        init = _compiled_init(cls)
        if vars(cls)["__init__"] is __init__:
            cls.__init__ = init
        init(self, *values, **named)

    return __init__


def _compiled_init(cls: Any) -> Any:
    """`__init__` with the class's own parameters. It writes past `__setattr__`, which refuses."""
    known: dict[str, Any] = {"missing": _MISSING}
    parameters, lines = ["self"], ["fields = self.__dict__"]
    by_name: list[str] = []
    for name, field in _fields(cls).items():
        value = name
        if field.default is not _MISSING:
            known[f"default_{name}"] = field.default
            parameter = f"{name}=default_{name}"
        elif field.default_factory is not _MISSING:
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
        names = [name for name, field in _fields(cls).items() if field.compare]
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
    shown = [f"{name}={getattr(self, name)!r}" for name, field in _fields(type(self)).items() if field.repr]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse(self: Any, name: str, *_: Any) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot change field {name!r}")
