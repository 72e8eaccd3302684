"""Where attributes are bound: the file they stand in, and the rows at hand; and what cannot be had there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mixwright_compiler.findings import Findings
from mixwright_compiler.load.world import Module, World
from mixwright_compiler.program import ToolDecl
from mixwright_compiler.schema import Columns, written_type
from mixwright_compiler.suggest import SPELLINGS, listing, misspelt_word, nearest, one_of, replace_fix
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.lazy_dataclass import dataclass, field
from mixwright_dsl.source import Span


@dataclass
class Place:
    """Where attributes are bound: the file, and the rows at hand when there are any.

    `later`: columns that following steps make, to tell a wrong order from an unknown name.
    `reads`: columns that the bound attributes turn out to read. `missing`: those reported as not there; the steps
    that follow take them on trust, so that one mistake is one finding. `step`: where the step stands that is bound.
    `around`: in a fragment, all columns of the rows, of which it reads those that it states; `called`: what it calls
    them.
    """

    world: World
    module: Module
    columns: Columns | None = None
    rows_words: str = ""
    later: dict[str, Span] = field(default_factory=dict)
    reads: dict[str, Span] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    step: Span | None = None
    owner: str = ""
    """The pipeline whose steps are bound, by its qualified name: it may draw from itself."""
    drawn: str = "any"
    """Type of what may be drawn, for expressions over it."""
    around: Columns | None = None
    called: Mapping[str, str] = field(default_factory=dict)

    @property
    def findings(self) -> Findings:
        return self.world.findings


def missing_column(
    place: Place, name: str, span: Span, *, may_be_text: bool = False, is_part: bool = False
) -> Exception:
    """Report a column that the rows here do not have: it comes later, was left out, or does not exist.

    `may_be_text`: a text could stand there as well, so its quotes may have been forgotten. `is_part`: of an
    expression, where that may be so too.
    """
    assert place.columns is not None
    first = name.partition(".")[0]
    rows = place.rows_words or "the rows here"
    if first not in place.later:
        place.missing.add(first)
    if first in place.later:
        return place.findings.error(
            "MIX402",
            f"column `{first}` is not there yet in {rows}",
            span,
            "read before it is made",
            secondary=(Label(place.later[first], f"`{first}` is made here"),),
            hint=f"make `{first}` in a step of its own, above this one"
            if place.step is not None and place.later[first].start in range(place.step.start, place.step.end)
            else f"move this step below the one that makes `{first}`",
        )
    name = place.called.get(name, name)
    if place.around is not None and first in place.around.types:
        type = written_type(place.around.types[first])
        return place.findings.error(
            "MIX401",
            f"the fragment does not say that it reads column `{first}`",
            span,
            "read here",
            hint=f"say so: `needs {{ {first} = {type} }}`",
        )
    if first in place.columns.left_out:
        return place.findings.error(
            "MIX414",
            f"column `{first}` was left out of {rows}",
            span,
            f"{place.columns.left_out[first]}",
            hint=f"add `{first}` to `columns` there",
        )
    if name in SPELLINGS:
        return misspelt_word(place.findings, name, span)
    known = [place.called.get(column, column) for column in place.columns.types]
    constants = place.world.visible(place.world.home(place.module, span), ("let", "param"))
    others = place.around.types if place.around is not None else ()
    near = nearest(name, known, constants, place.columns.left_out, others)
    if near:
        hint = f'did you mean `{near}`, or the text `"{name}"`?' if may_be_text else f"did you mean `{near}`?"
    elif known:
        hint = one_of(known)
    else:
        hint = "make it first: `derive { name = … }`"
    return place.findings.error(
        "MIX401",
        f"no column `{name}` in {rows}",
        span,
        f"columns here: {listing(known)}" if known else "there are no columns here",
        hint=f'{hint}; a text is quoted: `"{name}"`' if (may_be_text or is_part) and not near else hint,
        fix=replace_fix(span, near) if near else None,
    )


def read_by_tool(place: Place, tool: ToolDecl, span: Span) -> None:
    """Note the columns that a tool reads of the rows of the step which names it; raises Reported where one is missing."""
    for name in tool.reads:
        if place.columns is not None and place.columns.type_of(name) is None:
            raise missing_column(place, name, span)
        place.reads.setdefault(name, span)


def place_path(place: Place, text: str, span: Span, *, is_vouched: bool = False) -> str:
    """The path as the plan has it, relative to the spec's directory; raises Reported when it leaves the root.

    A path that was given with `-p` is taken as it is.
    """
    world = place.world
    home = world.home(place.module, span)
    directory = home.directory
    if home.library:
        raise place.findings.error(
            "MIX902",
            f"`{text}` is a file beside `{home.library}`, and a library has none",
            span,
            hint="write rows into the library, `inline`, and texts into its templates",
        )
    world.paths.append((span, directory / text))
    if is_vouched:
        return text
    if not text or "\0" in text:
        raise place.findings.error(
            "MIX107", "the path is empty", span, hint='for example `"data/rows.jsonl"`'
        )
    hint = "put the file into the project, or give it: `param data { type = path }` and `-p data=…`"
    if os.path.isabs(text) or text.startswith("~"):
        raise place.findings.error(
            "MIX902", f"`{text}` is a path of this machine alone", span, "an absolute path", hint=hint
        )
    joined = os.path.normpath(directory / text)
    if not Path(joined).is_relative_to(world.root):
        raise place.findings.error(
            "MIX902",
            f"`{text}` is outside the project",
            span,
            f"the project is {world.root.name}/",
            hint=hint,
        )
    if not Path(os.path.realpath(joined)).is_relative_to(os.path.realpath(world.root)):
        raise place.findings.error(
            "MIX902", f"`{text}` leads outside the project through a link", span, hint=hint
        )
    return text if directory == world.directory else os.path.relpath(joined, world.directory)
