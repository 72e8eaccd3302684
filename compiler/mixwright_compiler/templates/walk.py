"""A typed walk over a template's tree: which columns it reads, and whether rows have them.

A name under `is defined` or before `default(…)` may be missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mixwright_compiler.findings import Findings
from mixwright_compiler.schema import UNTYPED, Columns, element_of, fields_of
from mixwright_compiler.suggest import listing, nearest, one_of, suggested
from mixwright_compiler.templates.text import TemplateText
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.source import Span

_GIVE_TEXT = """capitalize e escape filesizeformat forceescape indent join lower replace safe string title tojson
trim truncate upper wordwrap"""
_GIVE_ANY = "abs batch d default dictsort groupby items map slice sum"
_TESTS = """boolean callable defined divisibleby eq equalto even false float ge greaterthan gt in integer iterable le
lessthan lower lt mapping ne none number odd sameas sequence string true undefined upper == != < <= > >="""
_TEXT_METHODS = """capitalize casefold count endswith find index isalnum isalpha isdigit islower isspace isupper lower
lstrip partition removeprefix removesuffix replace rpartition rsplit rstrip split splitlines startswith strip title
upper"""

FILTERS: dict[str, str] = {
    **dict.fromkeys(_GIVE_TEXT.split(), "text"),
    **dict.fromkeys(("count", "int", "length", "wordcount"), "int"),
    **dict.fromkeys(("float", "round"), "float"),
    **dict.fromkeys(("first", "last", "max", "min"), "item"),
    **dict.fromkeys(
        ("list", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "unique"), "same"
    ),
    **dict.fromkeys(_GIVE_ANY.split(), "any"),
}
"""Filters a template may use, with what they give: `item` of their list, `same` as they were given."""

RANDOM_FILTERS = ("random", "shuffle")
TESTS = frozenset(_TESTS.split())
TEXT_METHODS = frozenset(_TEXT_METHODS.split())
LIST_METHODS = frozenset(("count", "index"))
STRUCT_METHODS = frozenset(("get", "items", "keys", "values"))
RANDOM_NAMES = frozenset(
    ("now", "random", "range", "uuid", "lipsum", "cycler", "joiner", "namespace", "dict")
)
"""Names that other Jinja set-ups offer and this one does not."""


class Walk:
    """A typed walk over one message. Without columns it finds inputs and wrong filters; with them, wrong names."""

    def __init__(
        self, text: TemplateText, columns: Columns | None, findings: Findings, inputs: dict[str, None]
    ) -> None:
        self.text = text
        self.columns = columns
        self.findings = findings
        self.inputs = inputs
        self.reads: dict[str, None] = {}
        """Every column that it names, also those it can do without."""
        self.scopes: list[dict[str, str]] = [{}]
        self.guarded: list[str] = []
        self.reported: set[str] = set()
        self.use: Span | None = None
        self.rows_words = "the rows"
        self.later: dict[str, Span] = {}

    def walk(self) -> None:
        try:
            for node in self.text.tree.body:
                self.visit(node)
        except RecursionError:
            if self.columns is None:
                self.findings.error("MIX301", "the template is nested too deeply", self.text.span)

    def visit(self, node: Any) -> str:
        """Check a node; returns the type of its value, `any` for statements."""
        method: Callable[[Any], str] | None = getattr(self, f"visit_{node.kind}", None)
        if method is not None:
            return method(node)
        for child in node.children():
            self.visit(child)
        return "any"

    def visit_TemplateData(self, node: Any) -> str:
        return "text"

    def visit_Const(self, node: Any) -> str:
        match node.value:
            case bool():
                return "bool"
            case int():
                return "int"
            case float():
                return "float"
            case str():
                return "text"
        return "any"

    def visit_Name(self, node: Any) -> str:
        if node.ctx != "load":
            self.scopes[-1][node.name] = "any"
            return "any"
        for scope in reversed(self.scopes):
            if node.name in scope:
                return scope[node.name]
        self.reads[node.name] = None
        if self.columns is None:
            if node.name not in self.guarded:
                self.inputs[node.name] = None
            return "any"
        found = self.columns.type_of(node.name)
        if found is None:
            if node.name not in self.guarded:
                self._unknown(node)
            return "any"
        return found

    def _unknown(self, node: Any) -> None:
        name = node.name
        assert self.columns is not None
        if name in self.reported:
            return
        self.reported.add(name)
        span = self.text.name_span(name, node.lineno)
        known = [*self.columns.types, *(n for scope in self.scopes for n in scope)]
        near = nearest(name, known)
        secondary = (
            [] if self.use is None else [Label(self.use, f"columns here: {listing(self.columns.types)}")]
        )
        if name in self.later:
            secondary.append(Label(self.later[name], f"`{name}` is made here, later"))
            self.findings.error(
                "MIX402",
                f"column `{name}` is not there yet in {self.rows_words}",
                span,
                "read before it is made",
                secondary=tuple(secondary),
                hint=f"move the step that makes `{name}` above the one that uses this template",
            )
            return
        if name in self.columns.left_out:
            self.findings.error(
                "MIX414",
                f"column `{name}` was left out of {self.rows_words}",
                span,
                self.columns.left_out[name],
                secondary=tuple(secondary),
                hint=f"add `{name}` to `columns` of `from`",
            )
            return
        self.findings.error(
            "MIX303",
            f"no column `{name}` in {self.rows_words}",
            span,
            "the template reads it",
            secondary=tuple(secondary),
            **suggested(
                near,
                span,
                "templates have no functions; compute it in a step: `derive { name = … }`"
                if name in RANDOM_NAMES
                else one_of(self.columns.types),
            ),
        )

    def visit_Getattr(self, node: Any) -> str:
        return self._field(node, self.visit(node.node), node.attr, is_call=False)

    def visit_Getitem(self, node: Any) -> str:
        type = self.visit(node.node)
        key = getattr(node.arg, "value", None)
        if isinstance(key, str):
            return self._field(node, type, key, is_call=False)
        self.visit(node.arg)
        if type == "text":
            return "text"
        return element_of(type) or "any"

    def _field(self, node: Any, type: str, name: str, *, is_call: bool) -> str:
        fields = fields_of(type)
        if type == "loop" or type in UNTYPED:
            return "any"
        if is_call:
            methods = TEXT_METHODS if type == "text" else LIST_METHODS if element_of(type) else STRUCT_METHODS
            if name in methods and (fields is None or name not in fields):
                return "any"
        if fields is not None:
            if name in fields:
                return fields[name]
            names = list(fields)
            words = f"it has: {listing(names)}"
        else:
            names = []
            words = f"{type} has no fields"
        if self.columns is not None:
            after = "." if node.kind == "Getattr" else ""
            span = self.text.name_span(name, node.lineno, after=after)
            near = nearest(name, names)
            self.findings.error(
                "MIX309",
                f"{'a row' if fields is not None else type} here has no `{name}`",
                span,
                words,
                secondary=() if self.use is None else (Label(self.use, "used with these rows"),),
                **suggested(near, span, one_of(names) if names else ""),
            )
        return "any"

    def visit_Call(self, node: Any) -> str:
        for child in (*node.args, *(k.value for k in node.kwargs)):
            self.visit(child)
        if node.node.kind == "Getattr":
            type = self.visit(node.node.node)
            self._field(node.node, type, node.node.attr, is_call=True)
            return "any"
        self.visit(node.node)
        return "any"

    def visit_Filter(self, node: Any) -> str:
        name = node.name
        if name in ("default", "d") and node.node is not None:
            self.guarded.append(_root_name(node.node))
            type = self.visit(node.node)
            self.guarded.pop()
        else:
            type = self.visit(node.node) if node.node is not None else "text"
        for child in (*node.args, *(k.value for k in node.kwargs)):
            self.visit(child)
        gives = FILTERS.get(name)
        if gives is None:
            self._bad_filter(node)
            return "any"
        if gives == "item":
            return element_of(type) or "any"
        return type if gives == "same" else gives

    def _bad_filter(self, node: Any) -> None:
        if self.columns is not None:
            return  # reported where the template is declared
        span = self.text.name_span(node.name, node.lineno, after="|")
        if node.name in RANDOM_FILTERS:
            self.findings.error(
                "MIX306",
                f"filter `{node.name}` gives another text each time",
                span,
                "a prompt must be the same in every run",
                hint="use a `draw` step: its choice is seeded and kept with the row",
            )
            return
        near = nearest(node.name, FILTERS)
        self.findings.error(
            "MIX305",
            f"no filter `{node.name}`",
            span,
            **suggested(near, span, f"filters are: {listing(sorted(FILTERS), 50)}"),
        )

    def visit_Test(self, node: Any) -> str:
        if node.name in ("defined", "undefined"):
            self.guarded.append(_root_name(node.node))
            self.visit(node.node)
            self.guarded.pop()
        else:
            self.visit(node.node)
            if node.name not in TESTS and self.columns is None:
                span = self.text.name_span(node.name, node.lineno, after="is")
                near = nearest(node.name, TESTS)
                self.findings.error(
                    "MIX305",
                    f"no test `{node.name}`",
                    span,
                    **suggested(near, span, f"tests are: {listing(sorted(TESTS), 50)}"),
                )
        for child in node.args or ():
            self.visit(child)
        return "bool"

    def visit_If(self, node: Any) -> str:
        self.visit(node.test)
        guards = _guards(node.test)
        self.guarded += guards
        self._block(node.body)
        del self.guarded[len(self.guarded) - len(guards) :]
        for branch in node.elif_:
            self.visit(branch)
        self._block(node.else_)
        return "any"

    def visit_CondExpr(self, node: Any) -> str:
        self.visit(node.test)
        guards = _guards(node.test)
        self.guarded += guards
        type = self.visit(node.expr1)
        del self.guarded[len(self.guarded) - len(guards) :]
        other = self.visit(node.expr2) if node.expr2 is not None else type
        return type if type == other else "any"

    def visit_For(self, node: Any) -> str:
        type = self.visit(node.iter)
        item = element_of(type)
        if item is None and fields_of(type) is None and type != "text" and self.columns is not None:
            span = self.text.line_span(node.lineno)
            if node.iter.kind == "Name":
                span = self.text.name_span(node.iter.name, node.lineno)
            self.findings.error(
                "MIX309",
                f"`for` goes over a list, and this is {type}",
                span,
                secondary=() if self.use is None else (Label(self.use, "used with these rows"),),
                hint="a `draw` step with `count` above 1 makes a list",
            )
        self.scopes.append({"loop": "loop"})
        if node.target.kind == "Name":
            self.scopes[-1][node.target.name] = item or "any"
        else:
            self.visit(node.target)
        if node.test is not None:
            self.visit(node.test)
        for child in node.body:
            self.visit(child)
        self.scopes.pop()
        self._block(node.else_)
        return "any"

    def _block(self, body: list[Any]) -> None:
        for child in body:
            self.visit(child)

    def visit_Assign(self, node: Any) -> str:
        type = self.visit(node.node)
        if node.target.kind == "Name":
            self.scopes[-1][node.target.name] = type
        else:
            self.visit(node.target)
        return "any"

    def visit_AssignBlock(self, node: Any) -> str:
        self._block(node.body)
        if node.target.kind == "Name":
            self.scopes[-1][node.target.name] = "text"
        return "any"

    def visit_With(self, node: Any) -> str:
        types = [self.visit(value) for value in node.values]
        self.scopes.append({})
        for target, type in zip(node.targets, types, strict=True):
            if target.kind == "Name":
                self.scopes[-1][target.name] = type
        self._block(node.body)
        self.scopes.pop()
        return "any"

    def visit_Concat(self, node: Any) -> str:
        self._block(node.nodes)
        return "text"

    def visit_Add(self, node: Any) -> str:
        left, right = self.visit(node.left), self.visit(node.right)
        return left if left == right else "any"

    def _refuse(self, node: Any) -> str:
        """A tag that reads other files or defines functions."""
        if self.columns is None:
            word = {
                "Include": "include",
                "Import": "import",
                "FromImport": "from",
                "Extends": "extends",
                "Block": "block",
                "Macro": "macro",
                "CallBlock": "call",
                "FilterBlock": "filter",
            }[node.kind]
            self.findings.error(
                "MIX308",
                f"`{{% {word} %}}` is not available in templates",
                self.text.name_span(word, node.lineno),
                hint="a template stands alone; use `for`, `if` and `set`, or a second template",
            )
        return "any"

    visit_Include = visit_Import = visit_FromImport = visit_Extends = _refuse
    visit_Block = visit_Macro = visit_CallBlock = visit_FilterBlock = _refuse


def _root_name(node: Any) -> str:
    while node.kind in ("Getattr", "Getitem"):
        node = node.node
    return str(getattr(node, "name", ""))


def _guards(test: Any) -> list[str]:
    """Names that a condition shows to be defined in its first branch."""
    if test.kind == "And":
        return [*_guards(test.left), *_guards(test.right)]
    if test.kind == "Test" and test.name == "defined":
        return [_root_name(test.node)]
    return []
