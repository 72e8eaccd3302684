"""The mixtures of an ablation, compiled and with their rows: the base, its variants, those that leave one part out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mixwright.compiling import Compiled, Misuse, compiled, given_params, lock_of, plan_of

if TYPE_CHECKING:
    from mixwright_compiler.plan.plan import Plan
    from mixwright_compiler.program import Program
    from mixwright_runtime.ablation.job import Mixed

LEFT_OUT = "without_"
"""Start of the name of a variant that `--leave-one-out` makes."""


def variants_of(program: Program, base: str, names: Sequence[str] | None) -> list[str]:
    """The variants of a mixture, all in the order of the spec, or those named.

    Raises:
        Misuse: one that is named is no variant of it.
    """
    declared = [name for name, mixture in program.mixtures.items() if mixture.variant_of == base]
    for name in names or ():
        if name not in declared:
            there = ", ".join(declared) or "none"
            raise Misuse(f"mixture '{base}' has no variant '{name}'; it has {there}")
    return list(dict.fromkeys(names)) if names is not None else declared


def parts_of(program: Program, base: str) -> dict[str, str]:
    """What `--leave-one-out` leaves out: name of the variant -> group, or component where it is in none.

    Raises:
        Misuse: the mixture has one part alone.
    """
    parts = list(dict.fromkeys(c.group or c.rows for c in program.mixtures[base].components))
    if len(parts) < 2:
        raise Misuse(f"mixture '{base}' has one part, '{parts[0]}': without it nothing is left to train on")
    return {LEFT_OUT + part.replace(".", "_"): part for part in parts}


def compiled_variant(
    spec: Path, params: Sequence[str], base: str, name: str, part: str | None
) -> Compiled | None:
    """A spec with a variant in the place of its mixture; None when it has errors, which are then printed.

    part: the variant is not in the spec, and leaves this group or component out.
    """
    if part is None:
        return compiled(spec, params, variant=name, errors_only=True)
    from mixwright_compiler.stages import compile_source
    from mixwright_dsl.render import render, wants_color
    from mixwright_dsl.source import SourceFile, read_source

    lock, source = lock_of(spec), read_source(spec)
    text = f"{source.text.rstrip()}\n\nvariant {name} of {base} {{ without = [{part}] }}\n"
    written = SourceFile(source.name, text, source.path)
    result = compile_source(written, params=given_params(params), lock=lock, variant=name)
    sys.stderr.write(render(result.errors, color=wants_color(sys.stderr)))
    if result.program is None:
        return None
    return Compiled(result.program, plan_of(result.program, spec, lock, name), {})


def mixed(plan: Plan, train: str, name: str, *, store: Path | None, sandbox: str, is_quiet: bool) -> Mixed:
    """A mixture's rows: what the store has of them is not made again. A run that cannot fill it is its failure.

    Raises:
        RunError: another process holds the store.
        Stopped: Ctrl-C.
    """
    from mixwright.selected import training_rows
    from mixwright_compiler.load.project_root import store_directory
    from mixwright_runtime.ablation.job import Mixed
    from mixwright_runtime.errors import RunError, StoreLocked
    from mixwright_runtime.run.execute import run_plan
    from mixwright_runtime.run.progress import watcher
    from mixwright_runtime.run.run import RunOptions
    from mixwright_runtime.store.status import status_path
    from mixwright_runtime.store.store import Store

    directory = store_directory(plan.root, store)
    block = plan.trains[train]
    try:
        with Store.open(directory) as opened:
            report = run_plan(
                plan,
                store=opened,
                options=RunOptions(
                    mixtures=(name,),
                    exports=False,
                    sandbox=sandbox,
                    command=f"ablate {plan.spec}",
                    watch=watcher(status_path(directory), is_quiet=is_quiet),
                ),
            )
        if report.exit_code > 100:
            raise Stopped(report.exit_code)
        if report.status != "done":
            reason = "; ".join(report.messages) or f"its run is {report.status}"
            return Mixed(name, plan, block, (), reason)
        rows = list(training_rows(plan, name, store=store, data=None))
    except (Stopped, StoreLocked):
        raise
    except RunError as error:
        return Mixed(name, plan, block, (), str(error))
    return Mixed(name, plan, block, rows, "" if rows else "it has no rows")


class Stopped(Exception):
    """The user stopped the making of rows; what is made is in the store."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("stopped; the same command goes on from here")
        self.exit_code = exit_code
