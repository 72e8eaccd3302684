"""75x: what `select less` looks at."""

from __future__ import annotations

from mixwright_compiler.checks.checked import Checked, is_written, value_of
from mixwright_compiler.suggest import did_you_mean, listing, nearest, one_of

COLUMNS = ("user", "assistant", "by")


def check_targets(checked: Checked) -> None:
    """MIX752: targets that have no such column, or nothing that makes them chats."""
    for _, _, step in checked.clean_steps():
        if "targets" not in step.entry.rules:
            continue
        attributes = step.attributes
        is_chat = all(is_written(attributes, name) for name in ("user", "assistant"))
        for target in value_of(attributes, "targets", ()):
            columns = checked.columns.get(str(target))
            if columns is None:
                continue
            for name in COLUMNS:
                column = value_of(attributes, name)
                if column is None or columns.type_of(str(column)) is not None:
                    continue
                near = nearest(str(column), columns.types)
                checked.findings.error(
                    "MIX752",
                    f"no column `{column}` in rows of `{target}`",
                    attributes[name].span,
                    f"columns there: {listing(columns.types)}",
                    hint=did_you_mean(near, one_of(columns.types)),
                )
            if not is_chat and columns.type_of("messages") is None:
                checked.findings.error(
                    "MIX752",
                    f"rows of `{target}` have no `messages`, and no `user` and `assistant` is named",
                    attributes["targets"].span,
                    f"columns there: {listing(columns.types)}",
                    hint="add `user` and `assistant`, the columns with question and answer",
                )
