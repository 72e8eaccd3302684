"""JSON Schemas of what commands print as JSON, `docs/schemas/output/`, made of the types that the commands print."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any, NotRequired, Required, get_args, get_origin, get_type_hints, is_typeddict

from mixwright.json_output import FORMAT_VERSION, FailureReport


class Unschemed(Exception):
    """A command prints JSON, and nothing says of which form."""


def output_types() -> dict[str, tuple[Any, ...]]:
    """Command -> what it prints as JSON, without the contract's head: one of these types."""
    from mixwright.asked import RequestsReport
    from mixwright.changes.facts import DiffReport
    from mixwright.commands.doctor import DoctorReport
    from mixwright.commands.explain import CodePage, KindPages
    from mixwright.commands.export import ExportReport
    from mixwright.commands.init import InitReport, TemplateList
    from mixwright.commands.launch import LaunchReport
    from mixwright.commands.lock import Locked
    from mixwright.commands.plan import PlanReport
    from mixwright.commands.status import PrintedStatus
    from mixwright.commands.vendor import Libraries, Vendored
    from mixwright.commands.verify_store import RepairReport
    from mixwright.file_reports import FixReport, FmtReport
    from mixwright.testing.reporting import AllTests
    from mixwright_dsl.json_report import FindingsReport
    from mixwright_runtime.ablation.table import Table
    from mixwright_runtime.facts.row import RowFacts
    from mixwright_runtime.run.summary import RunSummary
    from mixwright_runtime.store.verify import StoreReport
    from mixwright_runtime.training.outcome import TrainReport
    from mixwright_runtime.training.planning.probe import Calibration

    return {
        "init": (InitReport, TemplateList),
        "vendor": (Libraries, Vendored),
        "check": (FindingsReport,),
        "fix": (FixReport,),
        "fmt": (FmtReport,),
        "test": (AllTests,),
        "lock": (FindingsReport, Locked),
        "plan": (PlanReport,),
        "diff": (DiffReport,),
        "breaking": (FindingsReport,),
        "run": (RunSummary,),
        "launch": (LaunchReport,),
        "status": (PrintedStatus,),
        "explain": (RowFacts, CodePage, KindPages),
        "preview": (RequestsReport,),
        "export": (ExportReport,),
        "train": (TrainReport, Calibration),
        "ablate": (Table,),
        "verify-store": (StoreReport, RepairReport),
        "doctor": (DoctorReport,),
    }


def output_schemas() -> dict[str, dict[str, Any]]:
    """Command -> the schema of what it prints as JSON, and of why it printed nothing else.

    Raises:
        Unschemed: a command has an option for JSON and no type in `output_types`, or the other way round.
    """
    from mixwright.cli import COMMANDS, parser_of

    types = output_types()
    printing = [name for name in COMMANDS if prints_json(parser_of(name))]
    for name in sorted(set(printing) ^ types.keys()):
        if name in types:
            raise Unschemed(
                f"command `{name}` prints no JSON, and `output_types` in {__file__} has a type for it"
            )
        raise Unschemed(
            f"command `{name}` prints JSON of an unknown form; name the type that it prints, a TypedDict or a "
            f"dataclass, in `output_types` of {__file__}"
        )
    return {name: _document(name, (*types[name], FailureReport)) for name in printing}


def prints_json(parser: argparse.ArgumentParser) -> bool:
    """Whether an option of a command asks for JSON: `--json`, or `--format json`."""
    return any(
        "--json" in action.option_strings or "json" in (action.choices or ())
        for action in parser._actions  # argparse has no public list of them
    )


def _document(command: str, types: tuple[Any, ...]) -> dict[str, Any]:
    """The contract's head, and one of the types."""
    from pydantic import TypeAdapter

    shapes: list[dict[str, Any]] = []
    definitions: dict[str, Any] = {}
    for type_ in types:
        schema = TypeAdapter(_readable(type_)).json_schema(mode="serialization")
        definitions |= schema.pop("$defs", {})
        shapes.append(schema)
    major = FORMAT_VERSION.partition(".")[0]
    return {
        "type": "object",
        "properties": {
            "format_version": {
                "type": "string",
                "pattern": rf"^{major}\.\d+$",
                "description": "the second number grows with new fields",
            },
            "command": {"const": command},
        },
        "required": ["format_version", "command"],
        "anyOf": shapes,
        "$defs": definitions,
    }


def _readable(type_: Any) -> Any:
    """The type with each TypedDict as pydantic reads it: before Python 3.12 those of `typing_extensions` alone."""
    import typing_extensions

    if is_typeddict(type_):
        hints = get_type_hints(type_, localns=_names(), include_extras=True)
        fields = {}
        for name, hint in hints.items():
            # Of annotations that are texts, `__required_keys__` does not know.
            is_needed = name in type_.__required_keys__ and get_origin(hint) is not NotRequired
            if get_origin(hint) in (NotRequired, Required):
                hint = get_args(hint)[0]
            fields[name] = (typing_extensions.Required if is_needed else typing_extensions.NotRequired)[
                _readable(hint)
            ]
        made: Any = typing_extensions.TypedDict(type_.__name__, fields)  # type: ignore[misc]
        made.__doc__ = type_.__doc__
        return made
    origin, args = get_origin(type_), get_args(type_)
    if not args or str(origin) == "typing.Literal":
        return type_
    parts = tuple(map(_readable, args))
    if origin in (list, tuple, dict):
        return origin[parts]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return dict.__class_getitem__(parts)
    return reduce(or_, parts)


def _names() -> dict[str, Any]:
    """What the types import for their annotations alone."""
    from mixwright.changes.facts import ChangeReport
    from mixwright.recorded import Anew, MovedThreshold
    from mixwright.rehearsal import Answered
    from mixwright.training_forecast import ForecastReport, NoForecast
    from mixwright_compiler.hardware.fit import Remedy
    from mixwright_compiler.hardware.machines import Machine
    from mixwright_compiler.plan.plan import Plan
    from mixwright_compiler.plan.subtotals import Subtotal
    from mixwright_runtime.calls.recording import CallCounts
    from mixwright_runtime.facts.policies import Violation
    from mixwright_runtime.store.status import AddressStatus, ClusterStatus
    from mixwright_runtime.verifiers.code.examination import Finding
    from mixwright_runtime.verifiers.rates import Rated

    of_plan: tuple[Any, ...] = (Plan, ChangeReport, Anew, MovedThreshold, Answered)
    of_training: tuple[Any, ...] = (ForecastReport, NoForecast, Remedy, Machine)
    of_run: tuple[Any, ...] = (Subtotal, CallCounts, Violation, Finding, Rated, AddressStatus, ClusterStatus)
    return {each.__name__: each for each in (*of_plan, *of_training, *of_run)}
