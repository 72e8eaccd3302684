"""401, of other rows: what a step compares its rows with has the column that is compared."""

from __future__ import annotations

from mixwright_compiler.checks.checked import Checked, value_of
from mixwright_compiler.suggest import listing, nearest


def check_compared(checked: Checked) -> None:
    """MIX401: a source in `against` has no column of the name in `on`."""
    for _, _, step in checked.clean_steps():
        if "compared" not in step.entry.rules:
            continue
        column = str(value_of(step.attributes, "on"))
        for name in value_of(step.attributes, "against", ()):
            columns = checked.columns.get(str(name))
            if columns is None or columns.type_of(column) is not None:
                continue
            near = nearest(column, columns.types)
            checked.findings.error(
                "MIX401",
                f"no column `{column}` in rows of `{name}`, with which it is compared",
                step.attributes["against"].span,
                f"columns there: {listing(columns.types)}",
                hint=f'read it under that name: `columns {{ {column} = "{near or "…"}" }}` in `source {name}`',
            )
