"""What a plugin's Python files declare, read in their text: nothing of them is run.

A declaration is a class or function at the top of a file, decorated with `declare(…)` of `mixwright.plugin`. Its
arguments are read as Python means them, as far as they are plain: literals, tuples, lists and objects of plain values,
stars, `+`, f-strings, `attribute(…)`, `Asks(…)` and the other words of `mixwright.plugin`, and names that are set once
at the top of the file or of another one of the plugin. Whatever else stands there is reported: who checks a spec of
somebody else must not run what came with it.
"""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from mixwright_compiler.catalog.catalog import Asks, AttributeSchema, Catalog, Entry
from mixwright_compiler.catalog.declaring import REQUIRED, attribute, pick, threshold
from mixwright_compiler.catalog.shape_traits import SHAPES, TOOL
from mixwright_compiler.schema import is_number
from mixwright_compiler.suggest import did_you_mean, nearest
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import SourceFile, Span

DOOR = "mixwright.plugin"
"""The module that plugins take their words from."""

DECLARE = "declare"

PLAIN = "a declaration is written in plain values, so that checking a spec runs nothing"

WORDS: Mapping[str, Any] = {
    "REQUIRED": REQUIRED,
    "attribute": attribute,
    "Asks": Asks,
    "pick": pick,
    "threshold": threshold,
}
"""Words of the door that stand for themselves; `Catalog.shared` has the others."""


class NotPlain(Exception):
    """What stands at a place of a file cannot be read without running it, or is no declaration."""

    def __init__(self, node: ast.AST, file: PythonFile, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.span = file.span(node)
        self.hint = hint


@dataclass(frozen=True)
class Door:
    """`mixwright` (no name), `mixwright.plugin` (an empty one), or a name of it."""

    name: str | None


@dataclass(frozen=True, eq=False)
class Declared:
    """A declaration, and where it is written: its name, each trait, each attribute by the identity of its schema."""

    entry: Entry
    span: Span
    spans: Mapping[int, Span]
    traits: Mapping[str, Span]
    made_as: Class

    def at(self, schema: AttributeSchema | None = None, trait: str = "") -> Span:
        return self.traits.get(trait, self.span if schema is None else self.spans.get(id(schema), self.span))


@dataclass(frozen=True)
class Class:
    """What can be read of the class that a declaration is of.

    shapes: the shapes of steps that it derives from; None where it inherits from elsewhere, too, which says the rest.
    missing: what it lacks of what its family or shape must have.
    """

    name: str
    shapes: tuple[str, ...] | None
    missing: tuple[str, ...] = ()


class PythonFile:
    """One file of a plugin: its names, and what it declares.

    Raises:
        SyntaxError: it is no Python.
    """

    def __init__(self, source: SourceFile, name: str, others: Mapping[str, PythonFile]) -> None:
        """others: the plugin's files by their names inside it: empty for `__init__.py`, `words` for `words.py`."""
        self.source = source
        self.is_of_folder = source.name.endswith("__init__.py") or bool(name)
        self.package = name.split(".") if source.name.endswith("__init__.py") else name.split(".")[:-1]
        self.others = others
        self.tree = parsed(source.text)
        self.bound: dict[str, list[tuple[ast.stmt, str]]] = {}
        """Name -> what binds it at the top of the file: a statement, and of an import the name that it takes."""
        for statement in self.tree.body:
            for own, taken in _names_bound(statement):
                self.bound.setdefault(own, []).append((statement, taken))

    def span(self, node: ast.AST) -> Span:
        """Where a node stands."""
        first = self._offset(getattr(node, "lineno", 1), getattr(node, "col_offset", 0))
        last = self._offset(
            getattr(node, "end_lineno", None) or 1, getattr(node, "end_col_offset", None) or 0
        )
        return Span(self.source, first, max(last, first))

    def _offset(self, line: int, column: int) -> int:
        """Of a column that counts bytes, as Python's do."""
        before = self.source.line_text(line).encode()[:column].decode("utf-8", "ignore")
        return self.source.line_starts[line - 1] + len(before)

    def imports(self) -> Iterator[tuple[str, ast.AST]]:
        """The first part of every module that it imports by its whole name, wherever it does."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names=names):
                    yield from ((alias.name.partition(".")[0], node) for alias in names)
                case ast.ImportFrom(module=str(module), level=0):
                    yield module.partition(".")[0], node

    def declarations(self, catalog: Catalog) -> Iterator[Declared | NotPlain]:
        """What it declares, and what of that cannot be read."""
        reading = Reading(catalog)
        seen: set[int] = set()
        for statement in self.tree.body:
            if not isinstance(statement, ast.ClassDef | ast.FunctionDef):
                continue
            for decorator in statement.decorator_list:
                named = decorator.func if isinstance(decorator, ast.Call) else decorator
                if reading.is_declare(self, named):
                    seen.add(id(named))
                    try:
                        yield self._declared(reading, statement, decorator)
                    except NotPlain as problem:
                        yield problem
        for node in ast.walk(self.tree):
            if (
                isinstance(node, ast.Call)
                and id(node.func) not in seen
                and reading.is_declare(self, node.func)
            ):
                yield NotPlain(
                    node.func,
                    self,
                    "what is declared here cannot be read without running it",
                    "write `@declare(…)` above a class at the top of the file",
                )

    def _declared(
        self, reading: Reading, statement: ast.ClassDef | ast.FunctionDef, call: ast.expr
    ) -> Declared:
        if not isinstance(call, ast.Call):
            raise NotPlain(
                call, self, "`declare` needs a family and a name", 'write `@declare("step", "my_step")`'
            )
        args, keywords = reading.arguments(self, call)
        for keyword in call.keywords:
            if keyword.arg is not None and keyword.arg not in (*TRAITS, "family", "name"):
                near = nearest(keyword.arg, TRAITS)
                hint = did_you_mean(near, f"it takes: {', '.join(TRAITS)}")
                raise NotPlain(keyword, self, f"`declare` takes no `{keyword.arg}`", hint)
        given = dict(zip(("family", "name"), args, strict=False)) | keywords
        if len(args) > 2 or not {"family", "name"} <= set(given):
            raise NotPlain(
                call, self, "`declare` needs a family and a name", 'write `@declare("step", "my_step")`'
            )
        for name, value in given.items():
            if not fits_field(name, value):
                at = next((k.value for k in call.keywords if k.arg == name), call)
                hint = "write a tuple: `(one, other)`, `(one,)`" if name in TUPLES else ""
                raise NotPlain(at, self, f"`{name}` of a declaration cannot be this", hint)
        doc = inspect.cleandoc(ast.get_docstring(statement, clean=False) or "").strip()
        at = call.args[1] if len(call.args) > 1 else call.func
        traits = {k.arg: self.span(k) for k in call.keywords if k.arg in TRAITS}
        made_as = _class_of(reading, self, statement, given["family"])
        return Declared(Entry(doc=doc, **given), self.span(at), reading.spans, traits, made_as)

    def relative(self, module: str | None, level: int) -> str:
        """The name inside the plugin of what a relative import names."""
        above = self.package[: len(self.package) - level + 1]
        return ".".join(part for part in (*above, *(module or "").split(".")) if part)


TRAITS = tuple(field.name for field in fields(Entry) if field.name not in ("family", "name", "doc", "plugin"))
"""What `declare` takes besides family and name."""

TUPLES = ("attributes", "asks", "reads", "modules", "offers", "one_of", "goes_with")


class Reading:
    """Values of expressions, read in the text of a plugin's files."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.spans: dict[int, Span] = {}
        self._values: dict[tuple[int, str], Any] = {}
        self._underway: set[tuple[int, str]] = set()

    def is_declare(self, file: PythonFile, node: ast.expr) -> bool:
        try:
            return bool(self._named(file, node) == Door(DECLARE))
        except NotPlain:
            return False

    def base(self, file: PythonFile, node: ast.expr) -> Any:
        """What a class inherits from: a word of the door, a class of the plugin with its file, or None."""
        try:
            return self._named(file, node)
        except NotPlain:
            return None

    def value(self, file: PythonFile, node: ast.expr) -> Any:
        """Raises NotPlain."""
        match node:
            case ast.Constant(value=None | bool() | int() | float() | str() as value):
                return value
            case ast.Tuple(elts=items):
                return tuple(self._items(file, items))
            case ast.List(elts=items):
                return list(self._items(file, items))
            case ast.Dict(keys=keys, values=values):
                found: dict[Any, Any] = {}
                for key, item in zip(keys, values, strict=True):
                    if key is None:
                        found |= self._mapping(file, item)
                    else:
                        found[self._key(file, key)] = self.value(file, item)
                return found
            case ast.Name() | ast.Attribute():
                return self._worth(file, node, self._named(file, node))
            case ast.UnaryOp(op=ast.USub(), operand=operand) if is_number(
                number := self.value(file, operand)
            ):
                return -number
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                one, other = self.value(file, left), self.value(file, right)
                if type(one) is type(other) and isinstance(one, str | tuple | list):
                    return one + other
            case ast.JoinedStr(values=parts):
                return "".join(str(self._part(file, part)) for part in parts)
            case ast.Call():
                return self._called(file, node)
        raise NotPlain(node, file, "this cannot be read without running the plugin", PLAIN)

    def arguments(self, file: PythonFile, call: ast.Call) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call, by place and by name; raises NotPlain."""
        named: dict[str, Any] = {}
        for keyword in call.keywords:
            if keyword.arg is None:
                named |= self._mapping(file, keyword.value)
            else:
                named[keyword.arg] = self.value(file, keyword.value)
        return list(self._items(file, call.args)), named

    def _called(self, file: PythonFile, call: ast.Call) -> Any:
        match self._named(file, call.func):
            case Door(name="attribute" | "Asks" | "pick" | "threshold" as word):
                args, named = self.arguments(file, call)
                try:
                    made = WORDS[word](*args, **named)
                except (TypeError, ValueError) as error:
                    raise NotPlain(call, file, str(error)) from None
                if isinstance(made, AttributeSchema):
                    self.spans[id(made)] = file.span(call.args[0] if call.args else call)
                    if not all(fits_field(name, value) for name, value in vars(made).items()):
                        raise NotPlain(call, file, f"`{word}` is not given what it takes")
                elif not all(fits_field(name, value) for name, value in vars(made).items()):
                    raise NotPlain(call, file, f"`{word}` is not given what it takes")
                return made
        raise NotPlain(call, file, "this call cannot be read without running the plugin", PLAIN)

    def _named(self, file: PythonFile, node: ast.expr) -> Any:
        """What a name stands for: a value, a word of the door, a file or a class of the plugin."""
        match node:
            case ast.Name(id=name):
                return self._of_file(file, name, node)
            case ast.Attribute(value=value, attr=attr):
                match self._named(file, value):
                    case Door(name=None) if attr == "plugin":
                        return Door("")
                    case Door(name=""):
                        return Door(attr)
                    case PythonFile() as other:
                        return self._of_file(other, attr, node)
        raise NotPlain(node, file, "this cannot be read without running the plugin", PLAIN)

    def _of_file(self, file: PythonFile, name: str, node: ast.AST) -> Any:
        key = (id(file), name)
        if key not in self._values:
            bindings = file.bound.get(name) or [
                (statement, name) for statement, _ in file.bound.get("*", []) if _is_of_door(statement)
            ]
            if key in self._underway:
                raise NotPlain(node, file, f"`{name}` needs itself", PLAIN)
            if len(bindings) != 1:
                where = "in more than one place" if bindings else "nowhere at the top of the file"
                raise NotPlain(node, file, f"`{name}` is set {where}", PLAIN)
            self._underway.add(key)
            try:
                self._values[key] = self._bound(file, *bindings[0], node)
            finally:
                self._underway.discard(key)
        return self._values[key]

    def _bound(self, file: PythonFile, statement: ast.stmt, taken: str, node: ast.AST) -> Any:
        match statement:
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                return self.value(file, value)
            case ast.ClassDef():
                return file, statement
            case ast.ImportFrom(module="mixwright", level=0) if taken == "plugin":
                return Door("")
            case ast.ImportFrom(module=module, level=0) if module == DOOR:
                return Door(taken)
            case ast.Import() if taken == DOOR:
                return Door("")
            case ast.Import() if taken == "mixwright":
                return Door(None)
            case ast.ImportFrom(module=module, level=level) if level:
                inside = file.relative(module, level)
                if (whole := file.others.get(f"{inside}.{taken}".strip("."))) is not None:
                    return whole
                if (other := file.others.get(inside)) is not None and other is not file:
                    return self._of_file(other, taken, node)
        raise NotPlain(node, file, f"`{taken or 'this'}` cannot be read without running the plugin", PLAIN)

    def _worth(self, file: PythonFile, node: ast.expr, named: Any) -> Any:
        match named:
            case Door(name="REQUIRED"):
                return WORDS["REQUIRED"]
            case Door(name=str(word)) if word in self.catalog.shared:
                return self.catalog.shared[word]
            case Door() | PythonFile() | (PythonFile(), ast.ClassDef()):
                raise NotPlain(node, file, "this is no value of a declaration", PLAIN)
        return named

    def _items(self, file: PythonFile, nodes: Sequence[ast.expr]) -> Iterator[Any]:
        for node in nodes:
            if not isinstance(node, ast.Starred):
                yield self.value(file, node)
                continue
            found = self.value(file, node.value)
            if not isinstance(found, tuple | list):
                raise NotPlain(node, file, "what has a star is no tuple", "write it without the star")
            yield from found

    def _mapping(self, file: PythonFile, node: ast.expr) -> dict[Any, Any]:
        found = self.value(file, node)
        if not isinstance(found, dict):
            raise NotPlain(node, file, "what has two stars is no dict")
        return found

    def _key(self, file: PythonFile, node: ast.expr) -> str:
        found = self.value(file, node)
        if not isinstance(found, str):
            raise NotPlain(node, file, "a key is a text")
        return found

    def _part(self, file: PythonFile, node: ast.expr) -> Any:
        match node:
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                found = self.value(file, value)
                if isinstance(found, str | int):
                    return found
            case ast.Constant(value=text):
                return text
        raise NotPlain(node, file, "this part of the text cannot be read without running the plugin", PLAIN)


def parsed(text: str) -> ast.Module:
    """The tree of a Python file.

    Raises:
        SyntaxError: it is none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes in somebody's texts
        try:
            return ast.parse(text)
        except (ValueError, RecursionError, MemoryError) as error:
            raise SyntaxError(str(error) or "it is too deep") from None


def _names_bound(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """Names that a statement at the top of a file sets, and of an import what it takes for each."""
    match statement:
        case ast.Assign(targets=targets):
            yield from (
                (n.id, n.id) for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)
            )
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.AugAssign(target=ast.Name(id=name)):
            yield name, name
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name, name
        case ast.Import(names=names):
            yield from (
                (a.asname, a.name) if a.asname else (a.name.partition(".")[0], a.name.partition(".")[0])
                for a in names
            )
        case ast.ImportFrom(names=names):
            yield from ((a.asname or a.name, a.name) for a in names)
        case ast.If() | ast.For() | ast.While() | ast.Try() | ast.With():
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id, node.id


def _is_of_door(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == DOOR


_TEXTS = frozenset(
    [
        "family",
        "name",
        "doc",
        "label",
        "extra",
        "compares",
        "rows_in",
        "apart_from",
        "type",
        "cls",
        "model",
        "template",
        "weights",
        "history",
        "twice",
        "when",
        "max_tokens",
        "writes",
    ]
)
_FLAGS = ("breaker", "needs_all_rows", "drops_only", "is_empty", "required")
_LISTS = ("reads", "modules", "rules", "offers", "times")


def fits_field(name: str, value: Any) -> bool:
    """Whether a value can be this field of an `Entry`, an `AttributeSchema` or `Asks`."""
    if name in _TEXTS:
        return isinstance(value, str)
    if name in _FLAGS:
        return isinstance(value, bool)
    if name in ("version", "each"):
        return isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if name in ("minimum", "maximum"):
        return value is None or is_number(value)
    if name in ("holds", "short_for", "given_when", "only_when", "waived_by", "unsaid"):
        return value is None or isinstance(value, str)
    if name in _LISTS or (name == "tasks" and value is not None):
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    if name in ("one_of", "goes_with"):
        lengths = (3,) if name == "goes_with" else range(1, 99)
        return isinstance(value, tuple) and all(fits_field("reads", i) and len(i) in lengths for i in value)
    if name == "needs":
        return isinstance(value, tuple) and all(fits_field("reads", i) and len(i) == 2 for i in value)
    if name in ("makes", "evidence", "takes"):
        return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
    if name == "attributes":
        return isinstance(value, tuple) and all(isinstance(item, AttributeSchema) for item in value)
    if name == "asks":
        return isinstance(value, tuple) and all(isinstance(item, Asks) for item in value)
    return True


def _class_of(
    reading: Reading, file: PythonFile, statement: ast.ClassDef | ast.FunctionDef, family: str
) -> Class:
    """The class that a declaration is of; of one that inherits from elsewhere nothing is said to be missing."""
    promises = reading.catalog.promises
    due, shapes, members = promises.get(family, ()), set[str](), set[str]()
    pending: list[tuple[PythonFile, ast.ClassDef | ast.FunctionDef]] = [(file, statement)]
    while pending:
        where, one = pending.pop()
        if isinstance(one, ast.FunctionDef):
            return Class(statement.name, ())
        members |= set(_members(one))
        for node in one.bases:
            match reading.base(where, node):
                case Door(name=str(word)) if word in promises:
                    due = (*due, *promises[word])
                    shapes |= {word} & {*SHAPES, TOOL}
                case (PythonFile() as other, ast.ClassDef() as base):
                    pending.append((other, base))
                case Door():
                    pass
                case _:
                    return Class(statement.name, None)
    missing = tuple(name for name in dict.fromkeys(due) if name not in members)
    return Class(statement.name, tuple(sorted(shapes)), missing)


def _members(statement: ast.ClassDef) -> Iterator[str]:
    """Methods and attributes of a class, those that a method sets too."""
    for inner in statement.body:
        yield from (name for name, _ in _names_bound(inner))
    for node in ast.walk(statement):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name
