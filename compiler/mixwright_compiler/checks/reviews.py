"""49x: reviews by people that cannot find what they are held to, or that write over each other."""

from __future__ import annotations

from mixwright_compiler.checks.checked import Checked, is_written, value_of
from mixwright_compiler.plan.file_places import parts_of
from mixwright_compiler.program import StepDecl, SubBlock
from mixwright_compiler.schema import UNTYPED, element_of
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.source import Span

RULE = "reviewed"
"""What a step is declared under that people judge rows at."""


def check_reviews(checked: Checked) -> None:
    """MIX490: a figure is demanded that no verdict can give. MIX491: two reviews write one file."""
    written: dict[tuple[str, ...], Span] = {}
    for _, _, step in checked.clean_steps():
        if RULE not in step.entry.rules:
            continue
        _check_demands(checked, step)
        out = step.attributes["out"]
        parts = parts_of(str(checked.world.directory / str(out.value)))
        other = written.setdefault(parts, out.span)
        # A variant has the steps of its base once more, written in the same place.
        if other.source is not out.span.source or other.start != out.span.start:
            checked.findings.error(
                "MIX491",
                f"two reviews write to `{out.value}`",
                out.span,
                "the second replaces the first",
                secondary=(Label(other, "the first writes here"),),
                hint=f'choose another file: `out = "{_beside(str(out.value), step.label)}"`',
            )


def _check_demands(checked: Checked, step: StepDecl) -> None:
    least = value_of(step.attributes, "least")
    if not isinstance(least, SubBlock):
        return
    of = str(value_of(step.attributes, "of"))
    type = step.columns.get(of, "any")
    is_list = type in UNTYPED or (element_of(type) is not None and type != "chat")
    if "recall" in least.spans and not is_list and not is_written(step.attributes, "claim"):
        checked.findings.error(
            "MIX490",
            "people see only rows that are taken for good, so nobody can tell the recall",
            least.spans["recall"],
            "of the good rows, which are found?",
            secondary=(Label(step.attributes["of"].span, f"{type}, judged as a whole"),),
            hint="say what the pipeline takes a row to be: `claim = …`, or leave `recall` out",
        )
    if "kappa" in least.spans and value_of(step.attributes, "people", 1) == 1:
        checked.findings.error(
            "MIX490",
            "one person agrees with nobody, so there is no kappa",
            least.spans["kappa"],
            "how far do people agree?",
            hint="let two judge: `people = 2`, or leave `kappa` out",
        )


def _beside(path: str, label: str) -> str:
    stem, dot, ending = path.rpartition(".")
    return f"{stem}_{label}{dot}{ending}" if dot else f"{path}_{label}"
