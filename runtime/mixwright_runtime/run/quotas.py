"""How full the quotas of a run are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mixwright_runtime.run.pace import Quota

if TYPE_CHECKING:
    from mixwright_runtime.run.run import Run


def quotas_of(run: Run) -> list[Quota]:
    """Every quota of the run, in the order of the spec; of nested mixtures those inside, once they are known."""
    if not run.mixture_runs:
        return [_all_of(run, "", name, run.outcomes[name].kept) for name in run.runs]
    found = []
    for mixture in run.mixture_runs.values():
        for component, wanted, there in mixture.progress():
            if component in run.mixture_runs and run.mixture_runs[component].progress():
                continue
            if wanted is None and component in run.runs:
                found.append(_all_of(run, mixture.name, component, there))
            elif wanted is None:
                found.append(Quota(mixture.name, component, there, None, None, there, fills=False))
            elif wanted:
                fills = component in run.runs or component in run.mixture_runs
                share = min(1.0, there / wanted)
                found.append(Quota(mixture.name, component, there, wanted, share, wanted, fills))
    return found


def _all_of(run: Run, mixture: str, pipeline: str, there: int) -> Quota:
    made = run.runs[pipeline]
    total = made.supply.total
    share = None if total is None else min(1.0, made.executor.finished / total) if total else 1.0
    return Quota(mixture, pipeline, there, None, share, total or 0)


def note(run: Run) -> None:
    """Note how far the run is now, and what its models did; to be called every second or so."""
    run.pace.note(run.spending.seconds, quotas_of(run))
    for service in run.calls.services.values():
        service.used.note(run.spending.seconds)
