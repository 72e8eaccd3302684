"""Mixtures: how many rows of each component, which ones, and in what order.

Three pure functions, called in this order, again after every wave of generation:

    columns_needed(mixture)            which columns `balance` and `cap` look at, for each component
    required_rows(mixture, candidates) what each component must still yield           (demand.py)
    select(mixture, candidates)        the rows, in their final order, and the quotas  (selection.py)

then, with the store:

    record_selection(store, run_id, selection, steps=reports)   keeps it                     (record.py)
    mixture_rows(store, plan, run_id, mixture)                  gives the training examples back

The arithmetic of quotas is in `allocation.py`: exact integers, no floats. `docs/language/quotas.md` explains it.
"""

from mixwright_runtime.mixture.candidates import Candidates, columns_needed, start_positions
from mixwright_runtime.mixture.demand import Demand, mixtures_in_order, required_rows
from mixwright_runtime.mixture.record import MixtureRecord, mixture_rows, read_record, record_selection
from mixwright_runtime.mixture.rows import MixtureRow, mixture_row
from mixwright_runtime.mixture.selection import ComponentResult, Selection, select

__all__ = [
    "Candidates",
    "ComponentResult",
    "Demand",
    "MixtureRecord",
    "MixtureRow",
    "Selection",
    "columns_needed",
    "mixture_row",
    "mixture_rows",
    "mixtures_in_order",
    "read_record",
    "record_selection",
    "required_rows",
    "select",
    "start_positions",
]
