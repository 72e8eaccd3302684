"""Frozen classes whose methods are made when first used behave as those of the standard library."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import field
from typing import Any

import pytest

from mixwright_dsl.lazy_dataclass import FEW, dataclass


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


@dataclass(frozen=True, kw_only=True)
class ByName:
    size: int = 1
    unit: str


@dataclass(frozen=True, kw_only=True)
class BelowByName(ByName):
    scale: float = 1.0


@dataclass
class Changing:
    count: int = 0


@dataclass(eq=False)
class Alone:
    count: int = 0


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


@pytest.mark.parametrize("made_before", [0, FEW - 1, FEW, FEW + 1])
def test_the_first_objects_are_made_as_all_later_ones_are(made_before: int) -> None:
    @dataclass(frozen=True)
    class Pair:
        left: int
        right: list[int] = field(default_factory=list)

        def __post_init__(self) -> None:
            self.__dict__["sum"] = self.left + sum(self.right)

    for _ in range(made_before):
        Pair(1)
    assert [Pair(1, [2]), Pair(1, right=[2]), Pair(right=[2], left=1)] == [Pair(1, [2])] * 3
    assert Pair(1, [2]).__dict__ == {"left": 1, "right": [2], "sum": 3}
    assert Pair(1).right == [] and Pair(1).right is not Pair(1).right
    for values, named, told in (
        ((), {}, "left"),
        ((1,), {"left": 1}, "left"),
        ((1, [], 3), {}, "positional"),
    ):
        with pytest.raises(TypeError, match=told):
            Pair(*values, **named)  # type: ignore[arg-type]


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


def test_fields_that_are_given_by_name_alone_may_follow_defaults() -> None:
    assert ByName(unit="m") == ByName(size=1, unit="m")
    assert BelowByName(scale=2.0, unit="m").unit == "m" and BelowByName(unit="m") != ByName(unit="m")
    assert ByName.__match_args__ == ()  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="unit"):
        ByName()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        ByName(1, "m")  # type: ignore[call-arg, misc]


def test_a_class_that_is_not_frozen_can_be_changed_and_is_no_key() -> None:
    one = Changing()
    one.count += 1
    assert one == Changing(1) and repr(one) == "Changing(count=1)"
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    assert Alone() != Alone() and len({Alone(), Alone()}) == 2


def test_fields_are_found_when_they_are_first_asked_for() -> None:
    @dataclass(frozen=True)
    class Base:
        items: list[int] = field(default_factory=list)

    @dataclass(frozen=True)
    class Below(Base):
        name: str = ""

    assert "Field" in repr(vars(Base)["items"])
    assert [f.name for f in dataclasses.fields(Below)] == ["items", "name"]
    assert "items" not in vars(Base) and Below(name="a").items == []
