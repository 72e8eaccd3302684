"""From a file to a plan, for the commands that need one: reads the lock, compiles, prints what is wrong, lowers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mixwright.told import tell_findings
from mixwright_dsl.lazy_dataclass import dataclass, replace

if TYPE_CHECKING:
    from mixwright_compiler.bind.lock import Lock
    from mixwright_compiler.plan.plan import Plan, Train
    from mixwright_compiler.program import Program
    from mixwright_compiler.stages import Compilation
    from mixwright_dsl.diagnostic import Diagnostic


@dataclass(frozen=True)
class Compiled:
    """A checked program and its plan. `characters`: source -> text column -> mean length, where locked."""

    program: Program
    plan: Plan
    characters: Mapping[str, Mapping[str, float]]


class Misuse(Exception):
    """The command line cannot be understood; the message says what to type."""

    exit_code = 2


def why_unreadable(error: OSError | UnicodeDecodeError) -> str:
    """Why a file of text cannot be read, as what follows a colon."""
    return getattr(error, "strerror", None) or "it is not UTF-8"


def compiled(
    spec: Path,
    params: Sequence[str] = (),
    *,
    variant: str | None = None,
    lock: Lock | None = None,
    errors_only: bool = False,
) -> Compiled | None:
    """Compile and lower a spec; None when it has errors, which are then printed to stderr, as are warnings.

    Args:
        params: `NAME=VALUE`, as typed after `-p`.
        variant: plan this variant in the place of the mixture it is of, and nothing else.
        lock: instead of the lock file beside the spec.
        errors_only: print no warnings and lints.

    Raises:
        Misuse: the file cannot be read, or a param has no `=`.
    """
    from mixwright_compiler.plan.text_lengths import column_characters

    result, lock = checked(spec, params, variant=variant, lock=lock, errors_only=errors_only)
    if result.program is None:
        return None
    plan = plan_of(result.program, spec, lock, variant)
    return Compiled(result.program, plan, column_characters(result.program, lock))


def checked(
    spec: Path,
    params: Sequence[str] = (),
    *,
    variant: str | None = None,
    lock: Lock | None = None,
    errors_only: bool = False,
) -> tuple[Compilation, Lock]:
    """A spec compiled with its lock, and that; what is wrong is printed to stderr. Arguments and errors as `compiled`."""
    from mixwright_compiler.bind.lock import LockUnreadable

    given = given_params(params)
    try:
        lock = lock_of(spec) if lock is None else lock
        result = compilation_of(spec, given, lock, variant)
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"{spec} cannot be read: {why_unreadable(error)}") from None
    except LockUnreadable as error:
        raise Misuse(str(error)) from None
    _check_names(spec)
    tell_findings(result.errors if errors_only else result.diagnostics)
    return result, lock


def _check_names(spec: Path) -> None:
    try:
        str(spec.resolve()).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(spec).decode("utf-8", "backslashreplace")
        raise Misuse(f"the path of {shown} is not UTF-8, which a plan cannot hold; rename it") from None


def plan_of_file(
    path: Path, params: Sequence[str] = (), *, variant: str | None = None, errors_only: bool = False
) -> Plan | None:
    """The plan of a spec, or the one in a plan.json; None when the spec has errors, which are then printed.

    Raises:
        Misuse: the file cannot be read or is no plan, or params or a variant are given for a plan.json.
    """
    if path.suffix != ".json":
        result = compiled(path, params, variant=variant, errors_only=errors_only)
        return None if result is None else result.plan
    if variant:
        raise Misuse("a plan.json has its variant applied; give --variant with the .mix file")
    from mixwright_compiler.plan.plan import plan_from_json
    from mixwright_compiler.plan.plan_places import misplaced

    try:
        plan = plan_from_json(path.read_text(encoding="utf-8"))
        given = given_params(params)
        if problem := _other_params(plan, given) or misplaced(plan, path, tuple(given.values())):
            raise Misuse(f"{path} is not run: {problem}")
        return plan
    except OSError as error:
        raise Misuse(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Misuse(f"{path} is not a plan: {str(error).partition(chr(10))[0]}") from None


def _other_params(plan: Plan, given: Mapping[str, str]) -> str:
    """Params of a plan.json can be said once more, to vouch for a path outside the project; not changed."""
    for name, value in given.items():
        if str(plan.params.get(name)) != value:
            return (
                f"its params are applied, {name} = {plan.params.get(name)}; give another with the .mix file"
            )
    return ""


def chosen_train(plan: Plan, name: str | None) -> Train:
    """The `train` block that is named, or the only one.

    Raises:
        Misuse: there is none, none of that name, or several and none is named.
    """
    if not plan.trains:
        raise Misuse(
            f"{plan.spec} has no `train` block; write one: train student on {_some_mixture(plan)} {{ … }}"
        )
    names = ", ".join(plan.trains)
    if name is not None and name not in plan.trains:
        raise Misuse(f"{plan.spec} has no train '{name}'; it has {names}")
    if name is None and len(plan.trains) != 1:
        raise Misuse(f"name one of the `train` blocks with --train: {names}")
    return plan.trains[name] if name else next(iter(plan.trains.values()))


def _some_mixture(plan: Plan) -> str:
    return next(iter(plan.mixtures), "my_mixture")


def lock_of(spec: Path) -> Lock:
    """The lock beside a spec; an empty one where there is none.

    Raises:
        LockUnreadable: it is there and is not a lock file.
    """
    from mixwright_compiler.bind.lock import lock_path, read_lock

    return read_lock(lock_path(spec))


def compilation_of(
    spec: Path, params: Mapping[str, str] | None, lock: Lock, variant: str | None
) -> Compilation:
    """A spec compiled with a lock and held to its budgets: `compile_file`, with what it may raise."""
    from mixwright_compiler.stages import compile_file

    return held_to_budgets(compile_file(spec, params=params, lock=lock, variant=variant), spec, lock)


def held_to_budgets(result: Compilation, spec: Path, lock: Lock | None) -> Compilation:
    """What was compiled, with a warning at each budget that the forecast is above; a plan is made where there is one."""
    program = result.program
    if program is None or not any(
        "budget" in decl.attributes for decl in (*program.mixtures.values(), *program.policies.values())
    ):
        return result
    from mixwright_compiler.load.project_root import root_of
    from mixwright_compiler.plan.budgets import budget_findings
    from mixwright_compiler.stages import in_order

    found = budget_findings(
        program, result.modules, root=root_of(spec), directory=spec.resolve().parent, lock=lock
    )
    return replace(result, diagnostics=in_order((*result.diagnostics, *found), result.files))


def plan_of(program: Program, spec: Path, lock: Lock, variant: str | None) -> Plan:
    """A program lowered in the place of its spec."""
    from mixwright.version import VERSION
    from mixwright_compiler.load.project_root import root_of
    from mixwright_compiler.plan.lower import lower

    return lower(
        program,
        root=root_of(spec),
        directory=spec.resolve().parent,
        lock=lock,
        version=VERSION,
        variant=variant,
    )


def params_of_each(specs: Sequence[Path], given: Mapping[str, str]) -> dict[Path, dict[str, str]]:
    """What each of several specs is given of the values of `-p`: those of params that it has. One that none of them has
    is given to the first, which is then told that it has none."""
    if not given or len(specs) < 2:
        return {spec: dict(given) for spec in specs}
    declared = {spec: params_there(spec) for spec in specs}
    nobodys = given.keys() - frozenset[str]().union(*declared.values())
    return {
        spec: {
            name: value
            for name, value in given.items()
            if name in declared[spec] or (name in nobodys and not at)
        }
        for at, spec in enumerate(specs)
    }


def params_there(spec: Path) -> frozenset[str]:
    """The names that `-p` takes of a spec; none of one that cannot be read, which is told where it is compiled."""
    from mixwright_compiler.stages import declared_params
    from mixwright_dsl.source import read_source

    try:
        return declared_params(read_source(spec))
    except (OSError, UnicodeDecodeError):
        return frozenset()


def distinct(findings: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Findings, each once: those in a file that several specs import are found again with each."""
    found: dict[object, Diagnostic] = {}
    for each in findings:
        span = each.primary.span
        place = span.source.path.resolve() if span.source.path is not None else span.source.name
        found.setdefault((each.code, place, span.start, span.end, each.message), each)
    return list(found.values())


def given_params(params: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` texts as a mapping.

    Raises:
        Misuse: one has no `=`.
    """
    given: dict[str, str] = {}
    for text in params:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Misuse(f"-p takes NAME=VALUE, here {text!r}")
        given[name] = value
    return given
