"""The Python API: the same stages as the commands, as functions of values.

import mixwright

for finding in mixwright.check("specs/chat.mix"):
    print(finding.code, finding.message, finding.primary.span)
plan = mixwright.plan("specs/chat.mix", params={"scale": "0.01"})
report = mixwright.run(plan)
for row in mixwright.rows(".mixwright", "persona_math"):
    print(row["problem"])
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixwright_compiler.plan.plan import Plan
    from mixwright_dsl.diagnostic import Diagnostic
    from mixwright_runtime.run.run import RunReport


class SpecError(Exception):
    """A spec has errors. `findings` holds them; the text is what the terminal would show."""

    exit_code = 1

    def __init__(self, findings: tuple[Diagnostic, ...]) -> None:
        from mixwright_dsl.render import render

        super().__init__(render(findings, color=False))
        self.findings = findings


def check(
    spec: Path | str, *, params: Mapping[str, str] | None = None, variant: str | None = None
) -> tuple[Diagnostic, ...]:
    """Every finding in a spec, with its lock file beside it; nothing is run and nothing reaches the network.

    Raises:
        OSError: the spec cannot be read.
    """
    from mixwright.compiling import compilation_of, lock_of

    path = Path(spec)
    return compilation_of(path, params, lock_of(path), variant).diagnostics


def plan(spec: Path | str, *, params: Mapping[str, str] | None = None, variant: str | None = None) -> Plan:
    """The plan of a spec.

    Raises:
        SpecError: the spec has errors.
        OSError: the spec cannot be read.
    """
    from mixwright.compiling import compilation_of, lock_of, plan_of

    path = Path(spec)
    lock = lock_of(path)
    result = compilation_of(path, params, lock, variant)
    if result.program is None:
        raise SpecError(result.diagnostics)
    return plan_of(result.program, path, lock, variant)


def run(
    spec: Plan | Path | str, *, store: Path | str | None = None, params: Mapping[str, str] | None = None
) -> RunReport:
    """Execute a plan or a spec. Everything made is kept in `store` (by default `.mixwright` in the project root).

    Raises:
        SpecError: the spec has errors.
        RunError: the machine failed; the message says what was kept and how to go on.
    """
    from mixwright.extras import require_extras
    from mixwright_compiler.load.project_root import store_directory
    from mixwright_compiler.plan.plan import Plan
    from mixwright_runtime.run.execute import run_plan
    from mixwright_runtime.store.store import Store

    chosen = spec if isinstance(spec, Plan) else plan(spec, params=params)
    require_extras(chosen)
    directory = store_directory(chosen.root, None if store is None else Path(store))
    with Store.open(directory) as opened:
        return run_plan(chosen, store=opened)


def rows(store: Path | str, name: str, *, run_id: int | None = None) -> Iterator[dict[str, Any]]:
    """Columns of the rows that a pipeline kept or that a mixture selected, in order, in the last run that made any.

    Raises:
        RunError: the store cannot be opened, or holds no rows under that name.
    """
    from mixwright_runtime.errors import RunError
    from mixwright_runtime.facts.rows import rows_named
    from mixwright_runtime.store.store import Store

    with Store.open(Path(store), read_only=True) as opened:
        found = rows_named(opened, name, run_id)
        if found is None:
            raise RunError(f"{store} holds no rows of '{name}'; 'mixwright status' lists what there is")
        yield from found
