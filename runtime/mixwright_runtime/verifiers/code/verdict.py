"""What running a candidate's tests says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Grade = Literal["outside", "second_job", "same_program"]
GRADES: tuple[Grade, ...] = ("outside", "second_job", "same_program")
"""From the strongest to the weakest; see the package's docstring."""

SHOWN_FAILURES = 3
SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class TestResult:
    """One test. `reason` is empty where it passed, else `wrong`, `raised`, `timeout`, `limit`, `ended`, `opaque` ..."""

    is_passed: bool
    test: str = ""
    reason: str = ""
    expected: str = ""
    got: str = ""


@dataclass(frozen=True)
class Verdict:
    """What became of a candidate.

    Attributes:
        outcome: `measured`; `unmeasurable`: there is no code, or the tests cannot be used; `error`: the sandbox failed.
        results: of a measured candidate, one for each test.
        reason: why, where one word holds for the whole candidate: `no code`, `does not parse`, `timeout` ...
        detail: one line for people.
        grade: how the expected values were kept from the candidate.
    """

    outcome: Literal["measured", "unmeasurable", "error"]
    results: Sequence[TestResult] = ()
    reason: str = ""
    detail: str = ""
    grade: Grade | None = None
    language: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> int:
        return sum(result.is_passed for result in self.results)

    @property
    def score(self) -> float | None:
        """Share of the tests that passed; 0 for a candidate of which none could be run."""
        if self.outcome != "measured":
            return None
        return self.passed / len(self.results) if self.results else 0.0

    def evidence(self) -> dict[str, Any]:
        """The verdict as JSON: what `explain` shows, and what agreement among candidates is worked out from."""
        failures = [result for result in self.results if not result.is_passed]
        found: dict[str, Any] = {"language": self.language, "passed": self.passed, "of": len(self.results)}
        if self.grade:
            found["grade"] = self.grade
        if self.results:
            found["results"] = "".join("1" if result.is_passed else "0" for result in self.results)
        if self.reason or failures:
            found["reason"] = self.reason or failures[0].reason
        if self.detail:
            found["detail"] = cut(self.detail)
        if failures and not self.reason:
            found["failed"] = [
                {k: v for k, v in vars(result).items() if v and k != "is_passed"}
                for result in failures[:SHOWN_FAILURES]
            ]
        return {**found, **self.notes}


def failed(
    language: str, reason: str, detail: str = "", *, tests: int = 0, grade: Grade | None = None
) -> Verdict:
    """A candidate that fails every test for one reason."""
    results = [TestResult(False, reason=reason)] * tests
    return Verdict("measured", results, reason, detail, grade, language)


def unmeasurable(language: str, reason: str, detail: str = "") -> Verdict:
    return Verdict("unmeasurable", (), reason, detail, None, language)


def lacking_package(name: str) -> str:
    """What a verdict says of a program that imports a package which is not in the box: nothing about the program."""
    return f"the box has no `{name}`"


def cut(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """A text that a reader can take in, on one screen."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def shown_value(value: object) -> str:
    """A value as evidence: its repr, cut; of a number too long to be printed, its size."""
    try:
        # Cut before repr: a value may have a million items.
        if isinstance(value, str | bytes | list | tuple) and len(value) > 200:
            return cut(f"{value[:200]!r}... ({len(value):,} in all)")
        return cut(repr(value))
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} that is too long to show"
