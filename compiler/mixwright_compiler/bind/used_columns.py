"""Columns inside a fragment: those that it may read, what its templates call them, and those it must find and leave."""

from __future__ import annotations

from collections.abc import Sequence

from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.findings import Findings
from mixwright_compiler.load.uses import Use, use_of, uses_of
from mixwright_compiler.load.world import Module
from mixwright_compiler.program import FragmentDecl
from mixwright_compiler.schema import Columns, is_assignable, written_type
from mixwright_compiler.suggest import listing, nearest
from mixwright_compiler.templates.messages import ParsedTemplate
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.source import Span


def local_name(span: Span, column: str) -> str:
    """What the fragment that a step comes from calls a column: without the ids of its uses."""
    for use in reversed(uses_of(span)):
        if column.startswith(use.prefix):
            return column.removeprefix(use.prefix)
    return column


def stated(use: Use, columns: Columns) -> Columns:
    """Of the columns of the rows those that the fragment says it reads, or makes: no other can be meant in it."""
    own = set(use.names.values())
    types = {
        name: type
        for name, type in columns.types.items()
        if name in own or any(name.startswith(f"{column}.") for column in own)
    }
    if columns.is_open:
        types |= {name: "any" for name in own - types.keys() if not name.startswith(use.prefix)}
    return Columns(types, False, columns.left_out)


def called(use: Use, columns: Columns) -> Columns:
    """The same under the names that the fragment has for them."""
    known = stated(use, columns)
    types = {name: known.types[column] for name, column in use.names.items() if column in known.types}
    return Columns(types, False, known.left_out)


def names_seen(
    use: Use, parsed: ParsedTemplate, at: Span, columns: Columns, findings: Findings
) -> tuple[Columns, dict[str, str]]:
    """What a template that a step of a fragment renders can read, and the names that stand for other columns.

    A template of the fragment reads what the fragment states. One that the use gave reads the columns that are there
    for who gave it, and what the fragment calls columns; MIX434 where these are not the same.

    at: where the template is named: by the fragment, or by who gave it.
    """
    own = called(use, columns)
    names = {n: use.names[n] for n in parsed.reads if n in own.types and use.names[n] != n}
    giver = use_of(at)
    if giver is use:
        hidden = [n for n in parsed.reads if n not in own.types and n in columns.types]
        for name in hidden:
            _unstated(use, name, columns.types[name], at, findings)
        return Columns({**own.types, **dict.fromkeys(hidden, "any")}), names
    theirs = columns if giver is None else called(giver, columns)
    for name in names:
        column = name if giver is None else giver.names.get(name, name)
        if name in theirs.types and column != use.names[name]:
            findings.error(
                "MIX434",
                f"`{name}` in template `{parsed.name}` can be two columns",
                at,
                f"the rows have a column `{name}`, and `{use.fragment}` calls `{use.names[name]}` so",
                secondary=(Label(parsed.declaration.name_span, "the template"),),
                hint=f"rename the column that is meant, or give `{use.fragment}` another one",
            )
    if giver is not None:
        names |= {
            n: giver.names[n] for n in parsed.reads if n in theirs.types and giver.names[n] != n
        } | names
    return Columns({**theirs.types, **own.types}, theirs.is_open, theirs.left_out), names


def _unstated(use: Use, name: str, type: str, at: Span, findings: Findings) -> None:
    findings.error(
        "MIX401",
        f"`{use.fragment}` does not say that it reads column `{name}`",
        at,
        "the template reads it",
        hint=f"say so in the fragment: `needs {{ {name} = {written_type(type)} }}`",
    )


def entered(scope: Scope, module: Module, use: Use, columns: Columns, rows_words: str) -> Columns:
    """Check that the rows have what a fragment needs where it is used; what was reported counts as there."""
    fragment = _fragment(scope, use)
    trusted: dict[str, str] = {}
    missing: list[str] = []
    for name in dict.fromkeys([*fragment.needs, *use.params]):
        if name in fragment.makes and name not in fragment.needs:
            continue  # it need not be there yet
        column, param = use.names[name], fragment.params.get(name)
        found = columns.type_of(column)
        type, declared = fragment.needs.get(name, ("any", use.span if param is None else param.span))
        at = use.params.get(name, use.span)
        needed = Label(declared, f"`{use.fragment}` needs it")
        if found is None and at is use.span:
            missing.append(column)
        elif found is None:
            _missing(scope, columns, (column,), at, rows_words, needed, f"{name} = ")
        elif not is_assignable(found, type):
            right = f"derive {{ {column}_text = text({column}) }}"
            scope.findings.error(
                "MIX503",
                f"`{use.fragment}` needs {type} in `{name}`, and `{column}` is {found}",
                at,
                f"a column of {found}",
                secondary=(Label(declared, f"{type} is needed"),),
                hint=f"convert it first: `{right}`" if type == "text" else "give it another column",
            )
        else:
            continue
        trusted[column] = "any"
    if missing:
        needed = Label(fragment.name_span, f"`{use.fragment}` needs {'it' if len(missing) == 1 else 'them'}")
        _missing(scope, columns, missing, use.span, rows_words, needed, "")
    if use.id in columns.types:
        scope.findings.error(
            "MIX416",
            f"column `{use.id}` is already there in {rows_words}, and the use is called so",
            use.span,
            f"its own columns would be called `{use.prefix}…`",
            hint=f"call the use otherwise: `id = {use.id.rpartition('.')[2]}_2`",
        )
    return columns.with_columns(trusted)


def _missing(
    scope: Scope,
    columns: Columns,
    names: Sequence[str],
    at: Span,
    rows_words: str,
    needed: Label,
    before: str,
) -> None:
    words = "column" if len(names) == 1 else "columns"
    near = nearest(names[0], columns.types)
    scope.findings.error(
        "MIX401",
        f"no {words} {listing(f'`{name}`' for name in names)} in {rows_words}",
        at,
        f"columns here: {listing(columns.types)}" if columns.types else "there are no columns here",
        secondary=(needed,),
        hint=f"did you mean `{before}{near}`?" if near else f"make it first: `derive {{ {names[0]} = … }}`",
    )


def left(scope: Scope, use: Use, columns: Columns) -> None:
    """MIX432: a column that a fragment leaves behind is of another type than it says."""
    for name, (type, span) in _fragment(scope, use).makes.items():
        found = columns.types.get(use.names[name])
        if found is not None and not is_assignable(found, type):
            scope.findings.error(
                "MIX432",
                f"`{use.fragment}` makes `{name}` as {found}, and says {type}",
                span,
                f"of type {found}",
                hint=f"write `{name} = {written_type(found)}`",
            )


def _fragment(scope: Scope, use: Use) -> FragmentDecl:
    found = scope.fragments[use.fragment]
    assert isinstance(found, FragmentDecl)
    return found
