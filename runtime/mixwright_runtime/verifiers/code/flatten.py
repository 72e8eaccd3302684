"""Flattens a Python test program into the statements and assertions that it runs, in order.

Understood are module-level asserts, HumanEval's `check(candidate)`, `test_…` functions with or without
`pytest.mark.parametrize`, `unittest.TestCase` classes, loops over literals, and expected exceptions. Anything else is
`NotFlat`: such a program is run as it is, in a job of its own.

Pure functions on syntax trees; nothing is executed. Test programs are untrusted: callers parse them in a worker.
"""

from __future__ import annotations

import ast
import copy
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mixwright_runtime.verifiers.code.literals import NotLiteral, literal_of

TEST_LIMIT = 5_000
"""Assertions of one program after its loops are written out."""

CANDIDATE = "candidate"
EXITS = ("sys.exit", "exit", "quit", "os._exit")
_CASE_BASES = ("TestCase", "unittest.TestCase", "IsolatedAsyncioTestCase")
_RUNNERS = ("unittest.main", "pytest.main", "main", "doctest.testmod")
_DROPPED_IMPORTS = ("pytest", "unittest", "doctest")
PACKAGES = frozenset(
    (
        *("aiohttp", "attr", "attrs", "bs4", "click", "cv2", "cvxpy", "django", "fastapi"),
        *("flask", "freezegun", "gensim", "httpx", "hypothesis", "jax", "keras", "lightgbm"),
        *("lxml", "markdown", "matplotlib", "mock", "mpmath", "networkx", "nltk", "numba"),
        *("numpy", "openpyxl", "pandas", "parameterized", "PIL", "plotly", "polars", "psutil"),
        *("pyarrow", "pydantic", "pytz", "requests", "responses", "rich", "scipy", "seaborn"),
        *("shapely", "six", "skimage", "sklearn", "sortedcontainers", "spacy", "sqlalchemy"),
        *("statsmodels", "sympy", "tensorflow", "torch", "torchvision", "tqdm", "transformers"),
        *("xgboost", "yaml", "zmq"),
    )
)
"""Top-level modules of packages that tests and programs import; any other that is not Python's is the candidate's."""


class NotFlat(ValueError):
    """The program does something that is not understood here; the message says what."""


@dataclass(frozen=True)
class Item:
    """One thing that the program does.

    kind: `statement` (node: a statement), `assert` (node: the expression that must be true), `raises` (node: the
        expression whose evaluation must raise one of `errors`, with a message that `match` finds).
    text: the source, as evidence.
    """

    kind: Literal["statement", "assert", "raises"]
    node: ast.stmt | ast.expr
    text: str
    errors: tuple[str, ...] = ()
    match: ast.expr | None = None


def flatten(program: ast.Module, entry_point: str) -> list[Item]:
    """What the program does, in order.

    Args:
        entry_point: what `candidate` stands for in `check(candidate)`; empty when the tests call it by name.

    Raises:
        NotFlat: it is not understood.
    """
    flat = _Flat(entry_point)
    runners = {
        name
        for node in ast.walk(program)
        if (isinstance(node, ast.Import) and any(alias.name in _DROPPED_IMPORTS for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module in _DROPPED_IMPORTS)
        for name in stored_names(node)
    }
    flat.block(program.body[:-1] if program.body and is_exit(program.body[-1]) else program.body)
    if not any(item.kind != "statement" for item in flat.items):
        for item in flat.items:
            if isinstance(item.node, ast.FunctionDef) and item.node.name.startswith("check"):
                raise NotFlat(f"{item.node.name} takes other arguments than the candidate")
    for item in flat.items:
        for inner in ast.walk(item.node):
            if isinstance(inner, ast.Name) and inner.id in runners:
                raise NotFlat(f"uses {inner.id}")
    return flat.items


class _Flat:
    def __init__(self, entry_point: str) -> None:
        self.items: list[Item] = []
        self._entry_point = entry_point
        self._scopes = 0
        self._inlined: set[str] = set()
        self._assertions = 0

    def block(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            self._statement(statement)

    def _add(self, item: Item) -> None:
        self._assertions += item.kind != "statement"
        if self._assertions > TEST_LIMIT or len(self.items) > 4 * TEST_LIMIT:
            raise NotFlat(f"more than {TEST_LIMIT} tests")
        self.items.append(item)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assert(test=test):
                self._add(Item("assert", test, shown(node)))
            case ast.Pass() | ast.Expr(value=ast.Constant() | ast.Name()):
                pass
            case ast.Expr(value=ast.Call() as call):
                self._call(call, node)
            case ast.FunctionDef():
                self._function(node)
            case ast.ClassDef() if any(dotted(base) in _CASE_BASES for base in node.bases):
                self._case(node)
            case ast.ClassDef() if node.name.startswith("Test") and not node.bases and _has_tests(node):
                self._case(node)
            case ast.ImportFrom(module=module) if is_foreign(module or "", node.level):
                if any(alias.asname not in (None, alias.name) for alias in node.names):
                    raise NotFlat("gives the candidate another name")
            case ast.Import(names=names) if all(alias.name in _DROPPED_IMPORTS for alias in names):
                pass
            case ast.ImportFrom(module=str(module)) if module in _DROPPED_IMPORTS:
                pass
            case ast.Import(names=names) if any(_is_not_pythons(alias.name) for alias in names):
                raise NotFlat(f"imports {names[0].name}")
            case ast.ImportFrom(module=str(module)) if _is_not_pythons(module):
                raise NotFlat(f"imports {module}")
            case ast.Import() | ast.ImportFrom() | ast.ClassDef() | ast.Assign() | ast.AugAssign():
                self._add(Item("statement", node, shown(node)))
            case ast.AnnAssign(value=ast.expr()) | ast.Delete():
                self._add(Item("statement", node, shown(node)))
            case ast.For():
                self._loop(node)
            case ast.With():
                self._with(node)
            case ast.Try():
                self._try(node)
            case ast.If(test=test) if _is_main_guard(test):
                self.block(node.body)
            case _:
                raise NotFlat(f"has a {type(node).__name__.lower()} statement at line {node.lineno}")

    def _call(self, call: ast.Call, node: ast.Expr) -> None:
        name = dotted(call.func)
        if name in _RUNNERS or name in self._inlined:
            return
        if name in EXITS:
            raise NotFlat("ends in between")
        if name == "print" and not any(
            isinstance(inner, ast.Call) for arg in call.args for inner in ast.walk(arg)
        ):
            return
        if name.startswith("self."):
            self._method(name.removeprefix("self."), call, node)
            return
        if name == "print":
            for arg in call.args:
                if any(isinstance(inner, ast.Call) for inner in ast.walk(arg)):
                    self._add(Item("statement", ast.copy_location(ast.Expr(arg), node), shown(node)))
            return
        self._add(Item("statement", node, shown(node)))

    def _function(self, node: ast.FunctionDef) -> None:
        parameters = [argument.arg for argument in node.args.args]
        plain = not (node.args.vararg or node.args.kwarg or node.args.kwonlyargs or node.args.posonlyargs)
        is_check = plain and len(parameters) == 1 and (node.name == "check" or parameters[0] == CANDIDATE)
        if is_check and self._entry_point:
            self._inlined.add(node.name)
            bound = {parameters[0]: ast.parse(self._entry_point, mode="eval").body}
            body = [_Substituted(bound).visit(s) for s in copy.deepcopy(node.body)]
            self._inline(body)
        elif node.name.startswith("test") and not parameters and plain and not node.decorator_list:
            self._inlined.add(node.name)
            self._inline(node.body)
        elif node.name.startswith("test") and plain and node.decorator_list:
            self._inlined.add(node.name)
            for bound in _parametrized(node, parameters):
                self._inline([_Substituted(bound).visit(s) for s in copy.deepcopy(node.body)])
        elif node.decorator_list and any(dotted(d).startswith("pytest") for d in node.decorator_list):
            raise NotFlat("uses a pytest fixture")
        else:
            self._add(Item("statement", node, shown(node)))

    def _case(self, node: ast.ClassDef) -> None:
        methods = {s.name: s for s in node.body if isinstance(s, ast.FunctionDef)}
        others = [
            s for s in node.body if not isinstance(s, ast.FunctionDef | ast.Pass) and not _is_docstring(s)
        ]
        special = {"tearDown", "tearDownClass", "setUpClass", "setUpModule"} & set(methods)
        if others or special or node.decorator_list:
            raise NotFlat(f"class {node.name} has more than tests and setUp")
        start = methods.pop("setUp" if node.bases else "setup_method", None)
        if start is not None and len(start.args.args) != 1:
            raise NotFlat(f"class {node.name} sets up for each test another way")
        for name, method in methods.items():
            if not name.startswith("test") or method.decorator_list or len(method.args.args) != 1:
                raise NotFlat(f"class {node.name} has a method {name}")
            self._inline([*(start.body if start else ()), *method.body])

    def _inline(self, body: Sequence[ast.stmt]) -> None:
        """The body of a function that is called once, its local names made its own."""
        self._scopes += 1
        local = {name for statement in body for name in stored_names(statement)}
        renames = {name: f"{name}__{self._scopes}" for name in local if not name.startswith("__")}
        self.block([_Renamed(renames).visit(copy.deepcopy(statement)) for statement in body])

    def _loop(self, node: ast.For) -> None:
        if node.orelse or any(
            isinstance(n, ast.Break | ast.Continue) for s in node.body for n in ast.walk(s)
        ):
            raise NotFlat("has a loop that is left early")
        targets = _target_names(node.target)
        if {name for s in node.body for name in stored_names(s)} & set(targets):
            raise NotFlat("assigns to a loop's variable")
        for bound in _bindings(node.target, node.iter, self.items):
            self.block([_Substituted(bound).visit(copy.deepcopy(s)) for s in node.body])

    def _with(self, node: ast.With) -> None:
        if len(node.items) != 1:
            raise NotFlat("has a with statement of several parts")
        context = node.items[0].context_expr
        name = dotted(context.func) if isinstance(context, ast.Call) else ""
        if name == "self.subTest":
            self.block(node.body)
        elif isinstance(context, ast.Call) and name in (
            "pytest.raises",
            "self.assertRaises",
            "self.assertRaisesRegex",
        ):
            if node.items[0].optional_vars is not None:
                raise NotFlat("looks at the exception itself")
            match = next((k.value for k in context.keywords if k.arg == "match"), None)
            if name == "self.assertRaisesRegex":
                match = context.args[1] if len(context.args) > 1 else None
            *before, last = node.body
            self.block(before)
            self._raises(last, _error_names(context.args[0] if context.args else None), node, match)
        else:
            raise NotFlat(f"has a with statement at line {node.lineno}")

    def _try(self, node: ast.Try) -> None:
        """`try: f(x); assert False; except ValueError: pass`."""
        is_plain = (
            len(node.handlers) == 1 and not node.orelse and not node.finalbody and len(node.body) in (1, 2)
        )
        after = node.handlers[0].body if is_plain else []
        passes = all(isinstance(s, ast.Pass) or _is_constant_assert(s, True) for s in after)
        if not is_plain or not passes or len(node.body) != 2 or not _must_not_be_reached(node.body[1]):
            raise NotFlat(f"has a try statement at line {node.lineno}")
        errors = _error_names(node.handlers[0].type)
        if "AssertionError" in errors or "Exception" in errors or "BaseException" in errors:
            raise NotFlat("catches its own assertion")
        self._raises(node.body[0], errors, node, None)

    def _raises(
        self, inner: ast.stmt, errors: tuple[str, ...], node: ast.stmt, match: ast.expr | None
    ) -> None:
        if not isinstance(inner, ast.Expr | ast.Assign):
            raise NotFlat("expects an exception of more than one expression")
        self._add(Item("raises", inner.value, shown(node), errors, match))

    def _method(self, name: str, call: ast.Call, node: ast.Expr) -> None:
        """An assertion method of unittest as an expression."""
        if any(keyword.arg not in ("msg", "places", "delta") for keyword in call.keywords):
            raise NotFlat(f"calls {name} with other keywords")
        args, keywords = call.args, {k.arg: k.value for k in call.keywords if k.arg != "msg"}
        if name == "assertRaises" and len(args) >= 2:
            called = ast.Call(args[1], args[2:], [])
            self._add(Item("raises", ast.copy_location(called, node), shown(node), _error_names(args[0])))
            return
        template = _METHODS.get(name)
        if template is None or len(args) < template.count("{"):
            raise NotFlat(f"calls self.{name}")
        if name in ("assertAlmostEqual", "assertNotAlmostEqual"):
            template = _almost(args, keywords, name == "assertAlmostEqual")
        elif keywords:
            raise NotFlat(f"calls {name} with other keywords")
        text = template.format(*(f"({ast.unparse(arg)})" for arg in args))
        self._add(Item("assert", ast.parse(text, mode="eval").body, shown(node)))


_METHODS: Mapping[str, str] = {
    "assertEqual": "{0} == {1}",
    "assertEquals": "{0} == {1}",
    "assertNotEqual": "{0} != {1}",
    "assertListEqual": "{0} == {1}",
    "assertTupleEqual": "{0} == {1}",
    "assertSetEqual": "{0} == {1}",
    "assertDictEqual": "{0} == {1}",
    "assertMultiLineEqual": "{0} == {1}",
    "assertSequenceEqual": "list({0}) == list({1})",
    "assertCountEqual": "sorted({0}, key=repr) == sorted({1}, key=repr)",
    "assertTrue": "{0}",
    "assertFalse": "not {0}",
    "assertIs": "{0} is {1}",
    "assertIsNot": "{0} is not {1}",
    "assertIsNone": "{0} is None",
    "assertIsNotNone": "{0} is not None",
    "assertIn": "{0} in {1}",
    "assertNotIn": "{0} not in {1}",
    "assertIsInstance": "isinstance({0}, {1})",
    "assertNotIsInstance": "not isinstance({0}, {1})",
    "assertGreater": "{0} > {1}",
    "assertGreaterEqual": "{0} >= {1}",
    "assertLess": "{0} < {1}",
    "assertLessEqual": "{0} <= {1}",
    "assertAlmostEqual": "{0} {1}",
    "assertNotAlmostEqual": "{0} {1}",
    "assertRegex": "__import__('re').search({1}, {0})",
}


def _almost(args: Sequence[ast.expr], keywords: Mapping[str | None, ast.expr], is_wanted: bool) -> str:
    """unittest's rule: the difference rounds to 0 at 7 (or `places`) decimals, or is at most `delta`.

    Without its short cut for equal values, so that each is worked out once; infinity is then not close to itself.
    """
    if "delta" in keywords:
        close = f"abs({{0}} - {{1}}) <= ({ast.unparse(keywords['delta'])})"
    else:
        places = keywords.get("places", args[2] if len(args) > 2 else ast.Constant(7))
        close = f"round(abs({{0}} - {{1}}), {ast.unparse(places)}) == 0"
    return close if is_wanted else f"not ({close})"


def _bindings(target: ast.expr, iterable: ast.expr, before: Sequence[Item]) -> Iterator[dict[str, ast.expr]]:
    """What the loop's variables stand for in each round, as expressions."""
    for index, element in enumerate(_elements(iterable, before)):
        if index >= TEST_LIMIT:
            raise NotFlat(f"has a loop of more than {TEST_LIMIT} rounds")
        yield dict(_unpacked(target, element))


def _elements(iterable: ast.expr, before: Sequence[Item]) -> list[ast.expr]:
    match iterable:
        case ast.List(elts=elements) | ast.Tuple(elts=elements) if not any(
            isinstance(element, ast.Starred) for element in elements
        ):
            return elements
        case ast.Name(id=name):
            # Only a list that is assigned once and read by loops alone: anything else may have changed it.
            match [i.node for i in before if i.kind == "statement" and name in stored_names(i.node)]:
                case [ast.Assign(targets=[_], value=ast.List() | ast.Tuple() as value)]:
                    return _elements(value, before)
        case ast.Call(func=ast.Name(id="enumerate"), args=[inner], keywords=[]):
            pairs = enumerate(_elements(inner, before))
            return [ast.Tuple([ast.Constant(n), element], ast.Load()) for n, element in pairs]
        case ast.Call(func=ast.Name(id="zip"), args=[*inner], keywords=[]) if inner:
            rows = zip(*(_elements(one, before) for one in inner), strict=False)
            return [ast.Tuple(list(row), ast.Load()) for row in rows]
        case ast.Call(func=ast.Name(id="range"), args=[*bounds], keywords=[]):
            try:
                numbers = range(*(literal_of(bound) for bound in bounds))
            except (NotLiteral, TypeError, ValueError):
                pass
            else:
                return [ast.Constant(number) for number in numbers[: TEST_LIMIT + 1]]
        case ast.Call(func=ast.Attribute(value=ast.Dict(keys=keys, values=values), attr="items"), args=[]):
            if all(key is not None for key in keys):
                return [
                    ast.Tuple([key, value], ast.Load())
                    for key, value in zip(keys, values, strict=True)
                    if key
                ]
    raise NotFlat("has a loop over something computed")


def _unpacked(target: ast.expr, element: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match target, element:
        case ast.Name(id=name), _:
            yield name, element
        case (
            (ast.Tuple(elts=targets) | ast.List(elts=targets)),
            (ast.Tuple(elts=parts) | ast.List(elts=parts)),
        ) if len(targets) == len(parts):
            for one, part in zip(targets, parts, strict=True):
                yield from _unpacked(one, part)
        case _:
            raise NotFlat("has a loop over something computed")


def _parametrized(node: ast.FunctionDef, parameters: Sequence[str]) -> Iterator[dict[str, ast.expr]]:
    if len(node.decorator_list) != 1:
        raise NotFlat(f"{node.name} has several decorators")
    mark = node.decorator_list[0]
    if not isinstance(mark, ast.Call) or dotted(mark.func) != "pytest.mark.parametrize" or len(mark.args) < 2:
        raise NotFlat(f"{node.name} has a decorator")
    match mark.args[0]:
        case ast.Constant(value=str(names)):
            columns = [name.strip() for name in names.split(",")]
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            columns = [str(e.value) for e in elements if isinstance(e, ast.Constant)]
        case _:
            columns = []
    if sorted(columns) != sorted(parameters):
        raise NotFlat(f"{node.name} has a fixture")
    names_of = [ast.Name(column, ast.Store()) for column in columns]
    target: ast.expr = names_of[0] if len(names_of) == 1 else ast.Tuple(list(names_of), ast.Store())
    yield from _bindings(target, mark.args[1], ())


class _Renamed(ast.NodeTransformer):
    """Names that become other names, wherever they stand."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.copy_location(ast.Name(self._names.get(node.id, node.id), node.ctx), node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self._names.get(node.arg, node.arg)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self._names.get(node.name, node.name)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = self._names.get(node.name, node.name)
        return self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> ast.AST:
        bound = node.asname or node.name.split(".")[0]
        if bound in self._names and "." in node.name and not node.asname:
            raise NotFlat(f"imports {node.name} in a function")
        if bound in self._names:
            node.asname = self._names[bound]
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        is_own = isinstance(node.value, ast.Name) and node.value.id == "self"
        if is_own and not node.attr.startswith(("assert", "subTest", "fail", "skipTest")):
            # What setUp puts on self becomes a variable of the test.
            name = self._names.get(f"self_{node.attr}", f"self_{node.attr}")
            return ast.copy_location(ast.Name(name, node.ctx), node)
        return self.generic_visit(node)


class _Substituted(ast.NodeTransformer):
    """Names that stand for an expression."""

    def __init__(self, bound: Mapping[str, ast.expr]) -> None:
        self._bound = bound

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self._bound and isinstance(node.ctx, ast.Load):
            return ast.copy_location(copy.deepcopy(self._bound[node.id]), node)
        return node


def stored_names(node: ast.AST) -> set[str]:
    """Names that a statement binds, comprehension variables included."""
    names: set[str] = set()
    for inner in ast.walk(node):
        match inner:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names.update(alias.asname or alias.name.split(".")[0] for alias in aliases)
            case ast.Attribute(value=ast.Name(id="self"), attr=attribute, ctx=ast.Store()):
                names.add(f"self_{attribute}")
    return names


def shown(node: ast.AST) -> str:
    """A node's source on one line, cut to 300 characters."""
    try:
        text = " ".join(ast.unparse(node).split("\n"))
    except (RecursionError, ValueError):
        text = type(node).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."


def dotted(node: ast.expr) -> str:
    """`a.b` of a name, an attribute, or a call of one; empty for anything else."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            head = dotted(value)
            return f"{head}.{attr}" if head else ""
        case ast.Call(func=func):
            return dotted(func)
    return ""


def _target_names(node: ast.expr) -> list[str]:
    return [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]


def _error_names(node: ast.expr | None) -> tuple[str, ...]:
    match node:
        case None:
            return ("BaseException",)
        case ast.Tuple(elts=elements):
            return tuple(name for element in elements for name in _error_names(element))
        case ast.Name() | ast.Attribute():
            return (dotted(node).rpartition(".")[2],)
    raise NotFlat("expects an exception that is computed")


def is_foreign(module: str, level: int) -> bool:
    """Is a module the candidate's: none of Python's own, of a test runner's, or of a package that everybody knows?"""
    root = module.split(".")[0]
    return bool(level) or not (
        root in _DROPPED_IMPORTS or root in PACKAGES or root in sys.stdlib_module_names
    )


def _has_tests(node: ast.ClassDef) -> bool:
    return any(isinstance(s, ast.FunctionDef) and s.name.startswith("test") for s in node.body)


def _is_not_pythons(module: str) -> bool:
    return module.split(".")[0] not in sys.stdlib_module_names


def _is_main_guard(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def is_exit(node: ast.AST) -> bool:
    """`sys.exit(0)` and its kin, which end the tests well."""
    match node:
        case ast.Expr(value=ast.Call(func=func, args=args)) if dotted(func) in EXITS:
            return not args or (isinstance(args[0], ast.Constant) and not args[0].value)
    return False


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_constant_assert(node: ast.stmt, value: bool) -> bool:
    return (
        isinstance(node, ast.Assert)
        and isinstance(node.test, ast.Constant)
        and bool(node.test.value) is value
    )


def _must_not_be_reached(node: ast.stmt) -> bool:
    """`assert False`, `raise AssertionError`, `self.fail()`."""
    if _is_constant_assert(node, False):
        return True
    if isinstance(node, ast.Raise) and node.exc is not None:
        return dotted(node.exc) == "AssertionError"
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and dotted(node.value) in ("self.fail", "pytest.fail")
    )
