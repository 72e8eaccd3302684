"""Which places of a Python test program assert something of the candidate's values, and the program with them marked.

    assert f(2) == 4              assert _mixwright_used((f(2) == 4))
    if f(2) != 4: raise …         if _mixwright_asked((f(2) != 4)): raise …
    self.assertEqual(got, 4)      _mixwright_asked((self.assertEqual(got, 4)))
    except ValueError:            except _mixwright_wanted((ValueError)):       where not raising would fail

The marks are answered by `sandbox/guest/trial.py`: they count what is really evaluated. A program of which no reachable
place asserts anything of the candidate tests nothing: a comparison that nobody looks at, a comment, a pair in an assert,
assertions on literals, after a `return`, or in a function that nothing calls.

How values spread is followed by name, in any order of statements: rather too far than not far enough, for what counts in
the end is what was evaluated. Marks are put into the text, so that lines stay what they were.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mixwright_runtime.verifiers.code.flatten import EXITS, dotted, is_foreign
from mixwright_runtime.verifiers.code.reachable import bodies_of, is_constant, own_parts, reachable

Place: TypeAlias = ast.expr | ast.stmt | ast.ExceptHandler

MODULE = "_mixwright_module"
"""The candidate as a module, in the job of the tests."""

_ABOUT_FUNCTIONS = (
    "callable",
    "isinstance",
    "issubclass",
    "hasattr",
    "id",
    "type",
    "repr",
    "str",
    "print",
    "help",
)
"""Calls that are told of the candidate and do not call it."""
_BROAD = ("Exception", "BaseException", "AssertionError", "self.failureException")
_RAISES = ("raises", "assertRaises", "assertRaisesRegex")


@dataclass(frozen=True)
class Watched:
    """A test program with its marks.

    Attributes:
        text: the program; the same lines.
        places: reachable places that assert something of the candidate.
    """

    text: str
    places: int


def of_candidate(program: str) -> str:
    """The program without its imports of the candidate's module: what they name is there already.

    `from solution import f as g` becomes `g = f`, and `import solution` the module that stands for the candidate.
    """
    tree = ast.parse(program)
    read = {_root(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}

    def is_theirs(alias: ast.alias) -> bool:
        return is_foreign(alias.name, 0) and (alias.asname or alias.name.split(".")[0]) in read

    edits: list[tuple[ast.stmt, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and is_foreign(node.module or "", node.level):
            others = [f"{a.asname} = {a.name}" for a in node.names if a.asname and a.asname != a.name]
            edits.append((node, "; ".join(others) or "pass"))
        elif isinstance(node, ast.Import) and any(map(is_theirs, node.names)):
            parts = [
                f"{alias.asname or alias.name.split('.')[0]} = {MODULE}"
                if is_theirs(alias)
                else f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else "")
                for alias in node.names
            ]
            edits.append((node, "; ".join(parts)))
    text = _Text(program)
    for node, new in edits:
        text.put(node, new + "\n" * ((node.end_lineno or node.lineno) - node.lineno), replaces=True)
    return text.edited()


def module_names(tree: ast.Module) -> set[str]:
    """What the program takes from the candidate by `solution.f`."""
    aliases = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == MODULE
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases
    }


def watched(program: str, names: Sequence[str], entry_point: str) -> Watched:
    """The program with its marks.

    Args:
        program: the whole of it, with the calls that start it.
        names: the candidate's names that it uses.
        entry_point: the one that is certainly a function, or empty.
    """
    tree = ast.parse(program)
    flow = _Flow(tree, names, entry_point)
    marks = _Marks(flow, reachable(tree))
    marks.statements(tree.body)
    text = _Text(program)
    for node, mark in marks.found:
        text.put(node, mark)
    return Watched(text.edited(), marks.places)


class _Marks:
    """Walks the statements that can be reached and finds what to mark."""

    def __init__(self, flow: _Flow, reachable: set[int]) -> None:
        self.found: list[tuple[Place, str]] = []
        self.places = 0
        self._flow = flow
        self.reachable = reachable

    def statements(self, body: Iterable[ast.stmt]) -> None:
        for node in body:
            if id(node) in self.reachable:
                self._statement(node)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assert(test=test):
                self._assertion(test)
            case ast.If(test=test) | ast.While(test=test) if _fails(node.body) or _fails(node.orelse):
                self._asked(test)
            case ast.Match(subject=subject, cases=cases) if any(_fails(case.body) for case in cases):
                self._asked(subject)
            case ast.Raise(exc=ast.expr() as exc) if dotted(exc) == "AssertionError":
                self.found.append((exc, "failed"))
            case ast.Try():
                self._handlers(node)
            case ast.With() | ast.AsyncWith() if any(_is_raises(i.context_expr) for i in node.items):
                self.places += self._flow.has_call(node.body)
            case ast.Expr(value=ast.BoolOp() as value) if any(map(_is_failing_call, ast.walk(value))):
                self._asked(value)
        for call in _calls_of(node):
            name = dotted(call.func).rpartition(".")[2]
            if name in _RAISES:
                self.places += self._flow.is_given_candidate(call)
            elif dotted(call.func) in EXITS and call.args and not isinstance(call.args[0], ast.Constant):
                self._asked(call.args[0])
            elif name.lower().startswith("assert") and self._flow.is_tainted(call):
                self._asked(call)
        for body in bodies_of(node):
            self.statements(body)

    def _assertion(self, test: ast.expr) -> None:
        if is_always_true(test):
            return
        is_about = self._flow.is_tainted(test)
        self.places += is_about
        self.found.append((test, "used" if is_about else "held"))

    def _asked(self, node: ast.expr) -> None:
        if self._flow.is_tainted(node) and not is_always_true(node):
            self.places += 1
            self.found.append((node, "asked"))

    def _handlers(self, node: ast.Try) -> None:
        """What a `try` says of the exceptions that it catches.

        They are wanted where the test would fail without them. They are allowed where the handler goes on with them, or
        names them; but not where it passes over an assertion about the candidate that did not come to its end.
        """
        fails_without = _fails(node.body) or _fails(node.orelse)
        inner = _Marks(self._flow, self.reachable)
        inner.statements(node.body)
        asserts = any(mark == "used" for _, mark in inner.found) or bool(inner.places)
        self.places += fails_without and self._flow.has_call(node.body)
        for handler in node.handlers:
            names = _type_names(handler.type)
            is_broad = any(name in _BROAD for name in names)
            goes_on = _fails(handler.body) or any(
                isinstance(n, ast.Assert | ast.Raise | ast.Return) for s in handler.body for n in ast.walk(s)
            )
            keeps = any(
                isinstance(n, ast.Assign | ast.AugAssign | ast.Call)
                for s in handler.body
                for n in ast.walk(s)
            )
            if fails_without and not ("AssertionError" in names and _fails(node.body)):
                mark = "wanted"
            elif goes_on or (not asserts and (not is_broad or keeps)):
                mark = "allowed"
            else:
                continue
            self.found.append((handler.type or handler, mark))


class _Flow:
    """Which names hold something of the candidate, and which are the candidate itself."""

    def __init__(self, tree: ast.Module, names: Sequence[str], entry_point: str) -> None:
        self._callables = set(names)
        self._values: set[str] = set()
        self._attributes: set[str] = set()
        self._decided_returns: set[int] = set()
        self._callers: set[str] = set()
        """Functions of the tests that call the candidate."""
        self._nodes = list(ast.walk(tree))
        self._parameters: dict[str, list[str]] = {}
        for node in self._nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._parameters.setdefault(node.name, []).extend(
                    a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)
                )
        called = {_root(n.func) for n in self._nodes if isinstance(n, ast.Call)}
        given = {
            a.id for n in self._nodes if isinstance(n, ast.Call) for a in n.args if isinstance(a, ast.Name)
        }
        assigned = [n for n in self._nodes if isinstance(n, ast.Assign)]
        self._unchanging = {
            name
            for n in assigned
            if isinstance(n.value, ast.Constant)
            for t in n.targets
            for name in _names(t)
        } - {
            name
            for n in assigned
            if not isinstance(n.value, ast.Constant)
            for t in n.targets
            for name in _names(t)
        }
        """Names of numbers and texts: no call can change them."""
        # A name that is neither called nor handed on is a value: `assert LIMIT == 3`.
        self._values |= self._callables - called - given - {_name_of(entry_point)}
        self._aliases()
        self._spread()

    def is_tainted(self, node: ast.AST) -> bool:
        """Does evaluating it look at a value of the candidate?"""
        return any(map(self._is_source, ast.walk(node)))

    def has_call(self, body: Iterable[ast.stmt]) -> bool:
        """Do these statements call the candidate, or a function that does?"""
        return any(
            self._is_source(node) or (isinstance(node, ast.Call) and _called_name(node) in self._callers)
            for statement in body
            for node in ast.walk(statement)
        )

    def is_given_candidate(self, call: ast.Call) -> bool:
        """`assertRaises(ValueError, f, 2)`, `raises(ValueError, lambda: f(2))`."""
        return any(self._is_candidate(arg) or self.is_tainted(arg) for arg in call.args)

    def _is_source(self, node: ast.AST) -> bool:
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                return name in self._values
            case ast.Attribute(attr=attribute, ctx=ast.Load()):
                return attribute in self._attributes
            case ast.Call(func=func, args=args, keywords=keywords):
                if _root(func) in self._callables or (
                    isinstance(func, ast.Attribute) and func.attr in self._callables
                ):
                    return True
                given = [*args, *(keyword.value for keyword in keywords)]
                return dotted(func) not in _ABOUT_FUNCTIONS and any(map(self._is_candidate, given))
        return False

    def _is_candidate(self, node: ast.expr) -> bool:
        """The candidate itself, not what it gives."""
        match node:
            case ast.Name(id=name):
                return name in self._callables
            case ast.Attribute(value=value):
                return self._is_candidate(value)
            case ast.Starred(value=value):
                return self._is_candidate(value)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return any(map(self._is_candidate, elements))
        return False

    def _aliases(self) -> None:
        for node in self._nodes:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == MODULE:
                self._callables |= {name for target in node.targets for name in _names(target)}

    def _spread(self) -> None:
        size = -1
        found = (self._callables, self._values, self._attributes, self._decided_returns, self._callers)
        while size != (size := sum(len(names) for names in found)):
            for node in self._nodes:
                self._spread_from(node)

    def _spread_from(self, node: ast.AST) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                self._assigned(targets, value)
            case (
                ast.AnnAssign(target=target, value=ast.expr() as value)
                | ast.AugAssign(target=target, value=value)
            ):
                self._assigned([target], value)
            case ast.NamedExpr(target=target, value=value):
                self._assigned([target], value)
            case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
                self._assigned([target], value)
            case ast.comprehension(target=target, iter=value):
                self._assigned([target], value)
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                self._assigned([target], value)
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                for item in items:
                    if (
                        item.optional_vars is not None
                        and _is_raises(item.context_expr)
                        and self.has_call(body)
                    ):
                        self._take([item.optional_vars])
            case ast.Try(body=body, handlers=handlers, orelse=orelse) if self.has_call(body):
                self._values |= {handler.name for handler in handlers if handler.name}
                self._decided([*orelse, *(s for handler in handlers for s in handler.body)])
            case ast.If(test=test, body=body, orelse=orelse) | ast.While(test=test, body=body, orelse=orelse):
                if self.is_tainted(test):
                    self._decided([*body, *orelse])
            case ast.Call():
                self._called(node)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                self._defined(node, name)

    def _assigned(self, targets: Sequence[ast.expr], value: ast.expr) -> None:
        if self.is_tainted(value):
            self._take(targets)
        elif self._is_candidate(value):
            self._callables |= {name for target in targets for name in _names(target)}
            self._callables |= {
                n.attr for target in targets for n in ast.walk(target) if isinstance(n, ast.Attribute)
            }

    def _take(self, targets: Iterable[ast.expr]) -> None:
        for target in targets:
            self._values |= _names(target)
            self._attributes |= {n.attr for n in ast.walk(target) if isinstance(n, ast.Attribute)}

    def _decided(self, body: Iterable[ast.stmt]) -> None:
        """What is set, or returned, depends on whether these statements were reached."""
        for statement in body:
            for node in ast.walk(statement):
                match node:
                    case ast.Assign(targets=targets):
                        self._take(targets)
                    case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
                        self._take([target])
                    case ast.Return(value=ast.Constant() as value):
                        self._decided_returns.add(id(value))

    def _called(self, node: ast.Call) -> None:
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        name = _called_name(node)
        parameters = self._parameters.get(name, ())
        if any(map(self.is_tainted, given)):
            self._values |= set(parameters)
            if isinstance(node.func, ast.Attribute):
                # `results.append(f(2))`
                self._take([node.func.value])
        if any(map(self._is_candidate, given)):
            self._callables |= set(parameters)
        if self._is_source(node) and name in self._callables and name not in self._parameters:
            # It may have changed what it was given.
            self._values |= {n for arg in given for n in _names(arg)} - self._callables - self._unchanging

    def _defined(self, node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> None:
        returned = [
            n.value
            for n in ast.walk(node)
            if isinstance(n, ast.Return | ast.Yield | ast.YieldFrom) and n.value is not None
        ]
        if self.has_call(node.body):
            self._callers.add(name)
        if any(self.is_tainted(value) or id(value) in self._decided_returns for value in returned):
            self._callables.add(name)
            if any(dotted(d).endswith("fixture") for d in node.decorator_list):
                self._values.add(name)
        elif any(map(self._is_candidate, returned)):
            self._callables.add(name)
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and any(map(self._is_candidate, decorator.args)):
                self._callables |= set(self._parameters[name])


def _calls_of(node: ast.stmt) -> Iterator[ast.Call]:
    waiting = (
        []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        else list(own_parts(node))
    )
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.Call):
            yield part
        # Positions inside an f-string are not those of the text.
        if not isinstance(part, ast.JoinedStr):
            waiting += ast.iter_child_nodes(part)


def _fails(body: Sequence[ast.stmt]) -> bool:
    """Does a block itself fail the test: `raise`, `assert False`, `self.fail()`, `sys.exit(1)`?"""
    return any(
        isinstance(node, ast.Raise)
        or (isinstance(node, ast.Assert) and is_constant(node.test, False))
        or (isinstance(node, ast.Expr) and _is_failing_call(node.value))
        for node in body
    )


def _is_failing_call(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = dotted(node.func)
    if name in EXITS:
        return bool(node.args) and not (isinstance(node.args[0], ast.Constant) and not node.args[0].value)
    return name in ("self.fail", "pytest.fail", "fail")


def _is_raises(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in _RAISES


def _type_names(node: ast.expr | None) -> list[str]:
    if node is None:
        return ["BaseException"]
    return [dotted(part) for part in (node.elts if isinstance(node, ast.Tuple) else [node])]


def is_always_true(node: ast.expr) -> bool:
    """Is an expression true whatever the candidate gives: `(f(2) == 4, "message")`, `f(2) == 4 or True`, `lambda: …`?"""
    match node:
        case ast.Constant(value=value):
            return bool(value)
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            return any(not isinstance(element, ast.Starred) for element in elements)
        case ast.Dict(keys=keys):
            return any(key is not None for key in keys)
        case ast.Lambda() | ast.GeneratorExp():
            return True
        case ast.JoinedStr(values=values):
            return any(isinstance(value, ast.Constant) and value.value for value in values)
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(map(is_always_true, values))
        case ast.BoolOp(op=ast.And(), values=values):
            return all(map(is_always_true, values))
        case ast.NamedExpr(value=value):
            return is_always_true(value)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            if isinstance(test, ast.Constant):
                return is_always_true(body if test.value else orelse)
            return is_always_true(body) and is_always_true(orelse)
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is() | ast.LtE() | ast.GtE()], comparators=[right]):
            # Two calls of the candidate may differ; one variable does not.
            return isinstance(left, ast.Name) and ast.dump(left) == ast.dump(right)
    return False


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Await):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _called_name(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else _root(node.func)


def _name_of(path: str) -> str:
    return path.split(".")[0].split("(")[0]


class _Text:
    """A source text with things put into it where nodes begin and end."""

    def __init__(self, source: str) -> None:
        self._bytes = source.encode()
        self._starts = [0]
        for line in self._bytes.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._edits: list[tuple[int, int, int, int, str]] = []

    def put(self, node: Place, new: str, *, replaces: bool = False) -> None:
        """A mark around a node, or something in its place; a bare `except:` is given what it names."""
        start = self._at(node.lineno, node.col_offset)
        end = self._at(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
        if replaces:
            self._edits.append((start, 1, -end, end, new))
        elif isinstance(node, ast.ExceptHandler):
            at = start + len("except")
            self._edits.append((at, 1, -at, at, f" _mixwright_{new}(BaseException)"))
        else:
            # At one place: what ends there before what begins, the inner end and the outer beginning first.
            self._edits.append((start, 1, -end, start, f"_mixwright_{new}(("))
            self._edits.append((end, 0, -start, end, "))"))

    def edited(self) -> str:
        out, at = [], 0
        for start, _, _, end, new in sorted(self._edits):
            out += [self._bytes[at:start], new.encode()]
            at = max(at, end)
        return b"".join([*out, self._bytes[at:]]).decode()

    def _at(self, line: int, column: int) -> int:
        return self._starts[line - 1] + column
