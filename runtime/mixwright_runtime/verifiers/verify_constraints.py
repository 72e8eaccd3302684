"""Verifier `constraints`: does the response follow instructions that can be checked?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mixwright_compiler.catalog.constraint_kinds import Constraint, constraint_of
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.errors import RunError, require
from mixwright_runtime.plugins.attributes import PICK, VERIFIER, threshold
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import Measurement, StepContext
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.values.rows import Row
from mixwright_runtime.verifiers.constraints.check import UnusableConstraint, check, kind_of, may_hang
from mixwright_runtime.verifiers.constraints.registry import Found
from mixwright_runtime.verifiers.constraints.text import Rules
from mixwright_runtime.verifiers.verdicts import Selection
from mixwright_runtime.workers.pool import WorkerError, is_too_hard

DEADLINE_S = 60.0
"""Seconds for one response in a worker. A million characters take 1 to 10 s of CPU, a bad pattern takes for ever."""
EVIDENCE_CHARACTERS = 500
SHOWN_CHARACTERS = 500
"""Of what is wrong with a constraint: a row may hold a megabyte that is none."""


@declare(
    "verify",
    "constraints",
    evidence={
        "followed": "int",
        "of": "int",
        "broken": "list[struct{id: text, kwargs: json, found: json}]",
        "reason": "text",
        "detail": "text",
    },
    attributes=(
        attribute("response", "column", "the text to check", default=REQUIRED),
        attribute(
            "constraints",
            "column_or_json",
            "a list of `{ id = …, kwargs = { … } }`, or a column with such a list, or with ids alone and their arguments "
            "in `kwargs`",
            default=REQUIRED,
            holds="constraints",
        ),
        attribute(
            "kwargs",
            "column",
            "a column with the arguments of each id, in order, as IFEval's files have them",
        ),
        attribute(
            "mode",
            "enum:strict|loose",
            "`loose` also accepts the response without its first line, its last, or its asterisks",
            default="strict",
        ),
        attribute(
            "compat",
            "enum:none|google",
            "`google` judges exactly as the published checkers, bugs included; `none` as the sentences mean",
            default="none",
        ),
        attribute(
            "language",
            "enum:en|zh|unicode",
            "rules of words, sentences and marks: Chinese counts characters, `unicode` goes by script",
            default="en",
        ),
        attribute(
            "nltk_data",
            "bool",
            "take English sentence ends and tags from NLTK's data on this machine instead of our own",
            default=False,
        ),
        threshold("min", "the least share of constraints followed", default=1.0, minimum=0, maximum=1),
        PICK,
        *VERIFIER,
    ),
)
class ConstraintsVerifier(Measure):
    """Checks a response against verifiable constraints: the score is the share of them that it follows, 0 to 1.

    112 kinds by their ids: the 25 of IFEval (Zhou et al. 2023), 58 of IFBench and the 29 that open-instruct trains on
    (Pyatkin et al. 2025). The evidence lists each broken one with what was found instead. By default kinds mean what
    their sentences say; with `compat = google` verdicts are those of the published checkers, and where those draw a
    random letter, the letter that is asked for counts. Nothing is downloaded. `language:response_language`,
    `change_case:english_*` and `words:odd_even_syllables` need the extra `if`.

    Long responses, and arguments that the published checkers take for regular expressions, are checked in a worker
    with a deadline: what explodes is `unmeasurable`, `too hard`.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step_id = step.id
        self._workers = context.workers
        self._response = str(attributes["response"])
        written = attributes["constraints"]
        self._column = written if isinstance(written, str) else None
        self._written: Any = None if isinstance(written, str) else written
        self._kwargs: str | None = attributes.get("kwargs")
        self._is_loose = attributes.get("mode") == "loose"
        self._rules = Rules(
            is_original=attributes.get("compat") == "google",
            language=str(attributes.get("language") or "en"),
            uses_nltk=bool(attributes.get("nltk_data")),
        )
        self.selection = Selection.of(
            step, kind="constraints", wrong="not followed", missing="nothing to check"
        )

    async def prepare(self) -> None:
        """Load what the constraints need.

        Raises:
            RunError: NLTK's data is asked for and not there.
            MissingExtra: a written constraint needs the extra `if`.
        """
        if self._rules.uses_nltk:
            from mixwright_runtime.verifiers.constraints.text import punkt

            try:
                punkt(True)
            except (OSError, ValueError) as error:
                raise RunError(f"step '{self._step_id}': {error}") from None
        for constraint in _parsed(self._written, None) if self._written is not None else ():
            for module in kind_of(constraint.id).schema.extra_modules:
                require(module, "if", f"the constraint {constraint.id}")

    async def measure(self, row: Row) -> Measurement:
        """The share of the row's constraints that its response follows."""
        response = row.columns.get(self._response)
        if not isinstance(response, str):
            return Measurement("unmeasurable", None, {"reason": "no text"})
        written = row.columns.get(self._column) if self._column else self._written
        try:
            constraints = _parsed(written, row.columns.get(self._kwargs) if self._kwargs else None)
        except ValueError as error:
            return Measurement("error", None, {"reason": str(error)[:SHOWN_CHARACTERS]})
        if not constraints:
            return Measurement("unmeasurable", None, {"reason": "no constraints"})
        try:
            if may_hang(response, constraints, self._rules):
                found = await self._in_worker(response, constraints)
            else:
                found = check(response, constraints, self._rules, is_loose=self._is_loose)
        except (UnusableConstraint, WorkerError) as error:
            if isinstance(error, WorkerError) and is_too_hard(error):
                return Measurement.too_hard(detail=str(error))
            return Measurement("error", None, {"reason": str(error)[:SHOWN_CHARACTERS]})
        followed = sum(one.follows for one in found)
        return Measurement("measured", followed / len(found), _evidence(constraints, found))

    async def _in_worker(self, response: str, constraints: Sequence[Constraint]) -> list[Found]:
        plain = [{"id": c.id, "arguments": dict(c.arguments)} for c in constraints]
        answer = await self._workers().run(
            "mixwright_runtime.verifiers.constraints.check:check_in_worker",
            [response, plain, asdict(self._rules), self._is_loose],
            DEADLINE_S,
        )
        if answer and answer[0][0] is None:
            raise UnusableConstraint(answer[0][1])
        return [Found(follows, found) for follows, found in answer]


def _parsed(written: object, kwargs: object) -> list[Constraint]:
    """Constraints of a row. JSON texts are read: a Parquet file may hold them so.

    Raises:
        ValueError: they are no constraints.
    """
    written, kwargs = _read(written), _read(kwargs)
    if written is None:
        return []
    if isinstance(written, str | Mapping):
        written = [written]
    if not isinstance(written, list):
        raise ValueError("constraints are a list")
    constraints = [constraint_of(_read(one)) for one in written]
    if kwargs is None:
        return constraints
    if not isinstance(kwargs, list) or len(kwargs) != len(constraints):
        raise ValueError(f"{len(constraints)} constraints, and kwargs for another number")
    return [
        Constraint(c.id, {n: v for n, v in (_read(given) or {}).items() if v is not None})
        for c, given in zip(constraints, kwargs, strict=True)
    ]


def _read(value: object) -> Any:
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        import json

        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(f"not JSON: {value[:80]}") from None
    return value


def _evidence(constraints: Sequence[Constraint], found: Sequence[Found]) -> dict[str, Any]:
    broken = [
        {"id": c.id, "kwargs": _short(c.arguments), "found": _short(f.found)}
        for c, f in zip(constraints, found, strict=True)
        if not f.follows
    ]
    return {"followed": len(found) - len(broken), "of": len(found), "broken": broken}


def _short(value: object) -> Any:
    """A value for the evidence, its texts cut: a prompt to repeat may be long."""
    if isinstance(value, str):
        return value if len(value) <= EVIDENCE_CHARACTERS else value[:EVIDENCE_CHARACTERS] + "…"
    if isinstance(value, Mapping):
        return {str(name): _short(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_short(item) for item in value[:50]]
    return value
