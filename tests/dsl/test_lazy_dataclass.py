"""Frozen classes whose methods are made when first used behave as those of the standard library."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import field
from typing import Any

import pytest

from mixwright_dsl.lazy_dataclass import dataclass


@dataclass(frozen=True)
class Lazy:
    name: str
    items: list[int] = field(default_factory=list)
    note: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True)
class Derived(Lazy):
    more: int = 1

    def __post_init__(self) -> None:
        self.__dict__["twice"] = 2 * self.more


@dataclasses.dataclass(frozen=True)
class FrozenBelow(Lazy):
    last: int = 0


@dataclass(frozen=True)
class Empty:
    pass


def test_an_object_is_made_from_values_names_and_defaults() -> None:
    one, other = Lazy("a"), Lazy("a", note="n")
    assert (one.items, one.note) == ([], "") and one.items is not other.items
    assert Derived("a", more=3).__dict__["twice"] == 6
    assert (FrozenBelow("a", last=2).last, Empty()) == (2, Empty())
    for wrong in ((), ("a", [], "", 4)):
        with pytest.raises(TypeError, match="__init__"):
            Lazy(*wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="other"):
        Lazy("a", other=1)  # type: ignore[call-arg]


def test_it_is_compared_hashed_and_shown_by_its_fields() -> None:
    assert Lazy("a", note="x") == Lazy("a", note="y") != Lazy("b")
    assert Lazy("a") != Derived("a") and Lazy("a") != "a"
    assert hash(Lazy("a", ())) == hash(Lazy("a", (), "n"))  # type: ignore[arg-type]
    assert repr(Lazy("a", [1], "hidden")) == "Lazy(name='a', items=[1])"


@pytest.mark.parametrize("changed", [Lazy("a"), Derived("a"), FrozenBelow("a")])
def test_it_cannot_be_changed(changed: Any) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        changed.name = "b"
    with pytest.raises(dataclasses.FrozenInstanceError):
        del changed.name


def test_what_the_standard_library_makes_of_dataclasses_works() -> None:
    one = Lazy("a", [1])
    assert dataclasses.replace(one, name="b") == Lazy("b", [1])
    assert dataclasses.asdict(one) == {"name": "a", "items": [1], "note": ""}
    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one
    match one:
        case Lazy(name, [item]):
            assert (name, item) == ("a", 1)
        case _:
            raise AssertionError("not matched by position")
