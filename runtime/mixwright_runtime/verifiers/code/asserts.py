"""Python test programs as calls to a candidate and checks on what comes back.

    assert f([1, 2]) == 3       the candidate's job evaluates  f([1, 2])     the check  got == 3  stays here
    r = f(x); assert r[0] > 1   it evaluates                   r[0]          got > 1
    f(items); assert items == …                                items         got == …

Names that the program uses and does not define are the candidate's. What an expected value needs (constants, helper
functions) is never sent to the candidate's job; an assertion that is richer than a check (`checks.py`) is evaluated in a
job of its own that has the program's definitions and what the candidate returned, and no candidate.

Method: verifiers.md of this project's design measured that 149 of HumanEval's 164 and 973 of MBPP's 974 test programs can
be rewritten this way, and that no attack on in-process tests gets through.
"""

from __future__ import annotations

import ast
import builtins
import copy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mixwright_runtime.verifiers.code.checks import check_of
from mixwright_runtime.verifiers.code.dataflow import Step, loaded_names, steps_of
from mixwright_runtime.verifiers.code.flatten import Item, NotFlat, flatten, stored_names
from mixwright_runtime.verifiers.code.literals import NotLiteral, literal_of
from mixwright_runtime.verifiers.code.suites import CALLABLE
from mixwright_runtime.verifiers.code.watching import MODULE as CANDIDATE_MODULE
from mixwright_runtime.verifiers.code.watching import is_always_true, module_names, of_candidate, watched

_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__"}
_MATERIALISERS = (
    "list",
    "tuple",
    "set",
    "frozenset",
    "dict",
    "sorted",
    "str",
    "repr",
    "next",
    "iter",
    "Counter",
)
"""Calls on a candidate's value that are made in its job: they turn it into plain data and decide nothing."""
_FROM = {
    "collections": ("Counter", "OrderedDict", "defaultdict", "deque", "namedtuple"),
    "datetime": ("date", "timedelta"),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "functools": ("reduce",),
    "itertools": ("chain", "combinations", "permutations", "product"),
    "math": ("ceil", "floor", "gcd", "inf", "isclose", "isnan", "pi", "sqrt"),
    "typing": ("Any", "Dict", "List", "Optional", "Set", "Tuple"),
}
STANDARD_NAMES = {name: module for module, names in _FROM.items() for name in names} | {
    module: "" for module in sys.stdlib_module_names if not module.startswith("_")
}
"""Names of the standard library that tests use without importing them, because the solution does."""
_UNREPEATABLE = (
    "random",
    "secrets",
    "uuid",
    "time",
    "datetime",
    "os",
    "tempfile",
    "threading",
    "id",
    "input",
    "next",
)
"""Names that make a statement give something else when it is run again, in the other job."""
ASIDE = "_mixwright_"
"""Start of the names of what is added to a candidate's program."""


@dataclass(frozen=True)
class CallTest:
    """One assertion.

    Attributes:
        text: the assertion as written.
        calls: expressions whose values are wanted of the candidate's job, in order.
        check: what must be true of them (`checks.py`), or None.
        function: where `check` is None: the function of the test's own job that says whether it is true of them.
    """

    text: str
    calls: tuple[str, ...]
    check: list[Any] | None = None
    function: str = ""


@dataclass(frozen=True)
class CallSuite:
    """A test program, rewritten.

    Attributes:
        names: the candidate's names that the tests use.
        driver: Python that is put after the candidate: what `calls` refer to. Holds no expected values.
        tests: in the order in which their calls must be made.
        helper: Python of the test's own job: the functions that tests name. Empty when every check is made here.
        grounds: assertions about the tests themselves: one that does not hold makes them useless.
    """

    names: tuple[str, ...]
    driver: str
    tests: tuple[CallTest, ...]
    helper: str = ""
    grounds: tuple[CallTest, ...] = ()


@dataclass(frozen=True)
class Exchanged:
    """A test program that cannot be rewritten and runs as it is, in a job of its own.

    Attributes:
        names: the candidate's names that the tests use; those they call are called in the candidate's job.
        functions: what stands for the candidate there: name → path in the candidate.
        called: functions that the program calls itself; a test runner does not call them again.
        program: what to run, `check(…)` at its end.
        marked: the same lines, with what they assert of the candidate marked (`watching.py`).
        reason: why it was not rewritten.
    """

    names: tuple[str, ...]
    functions: Mapping[str, str]
    called: tuple[str, ...]
    program: str
    marked: str
    reason: str


def rewrite(program: str, entry_point: str = "", setup: str = "") -> dict[str, Any]:
    """A test program as JSON: `{"calls": CallSuite}`, `{"exchange": Exchanged}` or `{"broken": why}`.

    Args:
        program: the tests.
        entry_point: the candidate's function; needed by `check(candidate)`.
        setup: source that runs after the candidate and before the tests, among the candidate's names.
    """
    read = _read(program, entry_point, setup)
    if isinstance(read, str):
        return {"broken": read}
    try:
        items = [Item("statement", node, "") for node in read.ready.body] + flatten(
            read.tree, read.entry_point
        )
        return {"calls": asdict(_Rewriting(items, read.entry_point, len(read.ready.body)).suite())}
    except (NotFlat, RecursionError) as error:
        return _exchanged(read, setup, str(error) or "is nested too deeply")


def exchanged(program: str, entry_point: str = "", setup: str = "") -> dict[str, Any]:
    """A test program as it is, `{"exchange": Exchanged}` or `{"broken": why}`; arguments as those of `rewrite`."""
    read = _read(program, entry_point, setup)
    return {"broken": read} if isinstance(read, str) else _exchanged(read, setup, "compares objects")


@dataclass(frozen=True)
class _Read:
    """A test program, with imports of what it takes from the standard library without saying so, and its setup."""

    program: str
    tree: ast.Module
    ready: ast.Module
    entry_point: str


def _read(program: str, entry_point: str, setup: str) -> _Read | str:
    """The program, or why it cannot be read."""
    try:
        tree = ast.parse(program)
        ready = ast.parse(setup)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        return f"the tests are not Python{f', line {line}' if line else ''}: {_first(error)}"
    if entry_point and CALLABLE.fullmatch(entry_point) is None:
        return f"the entry point `{entry_point[:60]}` is no name, and no `Class().method`"
    names = _free_names(ready.body + tree.body, entry_point)
    if not names:
        # A candidate may be called as something built in is: `assert sum(10, 15) == 6`.
        entry_point = _first_called(tree)
    missing = [name for name in names if name in STANDARD_NAMES and name != entry_point]
    if len(missing) < len(names):
        # What a candidate imports may be anything; `math.isclose(f(x), 0.1)` must not be left to it.
        imports = [_import_of(name) for name in missing]
        tree.body[:0] = ast.parse("\n".join(imports)).body
        program = "\n".join([*imports, program]) if imports else program
    return _Read(program, tree, ready, entry_point)


def _exchanged(read: _Read, setup: str, reason: str) -> dict[str, Any]:
    try:
        whole = of_candidate(read.program)
        tree = ast.parse(whole)
        names = (*_free_names(read.ready.body + tree.body, read.entry_point), *sorted(module_names(tree)))
        functions = {name: name for name in names if name != CANDIDATE_MODULE}
        if not functions:
            return {"broken": "the tests call nothing that they do not define themselves"}
        start = read.entry_point
        if not start.isidentifier() and start:
            start = f"{ASIDE}entry_point"
            functions[start] = read.entry_point
        runs = _check_of(tree, start)
        if runs:
            whole += f"\n\n{runs}"
        if setup and not _free_names(read.ready.body, ""):
            whole = f"{setup}\n\n{whole}"
        marked = watched(whole, tuple(functions), start)
    except (RecursionError, SyntaxError):
        return {"broken": "the tests are nested too deeply"}
    if not marked.places:
        return {"broken": "no assertion that is reached uses a value of the candidate"}
    names = tuple(name for name in functions if not name.startswith(ASIDE))
    called = tuple(sorted(_called_in(tree)))
    return {"exchange": asdict(Exchanged(names, functions, called, whole, marked.text, reason))}


class _Rewriting:
    """`ready`: the first so many items are setup, which the candidate's job runs whether a test needs it or not."""

    def __init__(self, items: Sequence[Item], entry_point: str, ready: int) -> None:
        self._names = _free_names([item.node for item in items], entry_point)
        if not self._names:
            raise NotFlat("calls nothing that it does not define itself")
        self._steps = steps_of(items, self._names)
        called = {
            n.func.id
            for item in items
            for n in ast.walk(item.node)
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        }
        self._functions_called = {entry_point, *called} & set(self._names)
        self._defining: dict[str, list[int]] = {}
        """By name the steps that define it or change it, in order."""
        for at, step in enumerate(self._steps):
            for name in step.defines:
                self._defining.setdefault(name, []).append(at)
        self._lifted = [None if step.item.kind == "statement" else self._lift(step) for step in self._steps]
        self._sent = self._sent_statements(ready)
        self._tests: list[CallTest] = []
        self._grounds: list[CallTest] = []
        """Assertions about the tests themselves, which hold for every candidate or for none."""
        self._asserts = 0
        """Assertions about what the candidate gives."""
        self._wrappers: list[str] = []
        self._functions: list[str] = []

    def suite(self) -> CallSuite:
        pending: list[ast.stmt] = []
        for at, step in enumerate(self._steps):
            match step.item.kind:
                case "statement":
                    if at in self._sent:
                        assert isinstance(step.item.node, ast.stmt)
                        pending.append(step.item.node)
                case "raises":
                    self._expect_error(at, pending)
                    pending = []
                case "assert":
                    pending = self._expect(at, pending)
        if any(loaded_names(statement) & set(self._names) for statement in pending):
            self._test("the last statements do not raise", pending, [ast.Constant(True)], ["got", 0])
        if not self._asserts:
            raise NotFlat("tests nothing")
        wrappers, functions = "\n".join(self._wrappers), "\n".join(self._functions)
        return CallSuite(self._names, wrappers, tuple(self._tests), functions, tuple(self._grounds))

    def _is_function(self, call: ast.expr) -> bool:
        """The candidate itself, which says nothing of what it gives: `assert f`, `assert f is not None`."""
        return isinstance(call, ast.Name) and call.id in self._functions_called

    def _sent_statements(self, ready: int) -> set[int]:
        """Which statements the candidate's job must run: those that touch the candidate, and what these and the calls
        in assertions need."""
        wanted: set[str] = set()
        sent: set[int] = set()
        for at, step in reversed(list(enumerate(self._steps))):
            node = step.item.node
            if step.item.kind == "raises":
                wanted |= step.uses
            elif step.item.kind == "assert":
                lifted = self._lifted[at]
                assert lifted is not None
                wanted |= {name for call in lifted[1] for name in loaded_names(call)}
                if step.defines:
                    raise NotFlat(f"changes {sorted(step.defines)[0]} in an assertion")
            elif at < ready or step.touches_candidate or step.defines & wanted or _is_star(node):
                sent.add(at)
                wanted |= step.uses
        return sent

    def _lift(self, step: Step) -> tuple[ast.expr, list[ast.expr]]:
        """An assertion with its candidate's parts taken out, and these.

        A variable that was handed to the candidate counts as the candidate's where the assertion is about nothing else:
        it asks what became of it. Beside a result of the candidate it keeps the value that the tests gave it.
        """
        lifted = _Lifted(step.tainted, self._names)
        predicate = lifted.visit(copy.deepcopy(step.item.node))
        if not lifted.calls and step.uses & step.passed:
            lifted = _Lifted(step.tainted | step.passed, self._names)
            predicate = lifted.visit(copy.deepcopy(step.item.node))
        return predicate, lifted.calls

    def _expect(self, at: int, pending: list[ast.stmt]) -> list[ast.stmt]:
        lifted = self._lifted[at]
        assert lifted is not None
        item, (predicate, calls) = self._steps[at].item, lifted
        if isinstance(item.node, ast.expr) and is_always_true(item.node):
            # What the candidate does on the way is still done.
            return [*pending, *(ast.Expr(call) for call in calls if isinstance(call, ast.Call))]
        if calls:
            self._asserts += any(not self._is_function(call) for call in calls)
            check = check_of(predicate, self._constants(at, loaded_names(predicate)))
            function = "" if check is not None else self._function(predicate, len(calls), at)
            self._test(item.text, pending, calls, check, function)
            return []
        # An assertion without the candidate is about the tests themselves. A constant that is true tests nothing.
        try:
            if literal_of(predicate):
                return pending
        except NotLiteral:
            pass
        self._grounds.append(CallTest(item.text, (), None, self._function(predicate, 0, at)))
        return pending

    def _expect_error(self, at: int, pending: list[ast.stmt]) -> None:
        """The call's exception as data: the names of its type's bases, and its message."""
        item = self._steps[at].item
        name = f"{ASIDE}{len(self._wrappers)}"
        lines = [f"def {name}():", *_globals(pending), *_indented(pending)]
        lines += ["    try:", f"        {ast.unparse(item.node)}", "    except BaseException as error:"]
        lines += ["        return [kind.__name__ for kind in type(error).__mro__], str(error)[:1000]"]
        self._wrappers.append("\n".join([*lines, "    return None"]))
        wanted = " or ".join(f"{error!r} in _got0[0]" for error in item.errors)
        text = f"_got0 is not None and ({wanted})"
        if item.match is not None:
            text += f" and __import__('re').search({ast.unparse(item.match)}, _got0[1]) is not None"
        function = self._function(ast.parse(text, mode="eval").body, 1, at)
        self._tests.append(CallTest(item.text, (f"{name}()",), None, function))
        self._asserts += bool(loaded_names(item.node) & (self._steps[at].tainted | set(self._names)))

    def _test(
        self,
        text: str,
        pending: Sequence[ast.stmt],
        calls: Sequence[ast.expr],
        check: Any,
        function: str = "",
    ) -> None:
        """A test whose calls are made after the statements in front of them."""
        expressions = [ast.unparse(call) for call in calls]
        if pending:
            name = f"{ASIDE}{len(self._wrappers)}"
            lines = [
                f"def {name}():",
                *_globals(pending),
                *_indented(pending),
                f"    return {expressions[0]}",
            ]
            self._wrappers.append("\n".join(lines))
            expressions[0] = f"{name}()"
        self._tests.append(CallTest(text, tuple(expressions), check, function))

    def _function(self, predicate: ast.expr, arity: int, at: int) -> str:
        """A function of the test's own job that is true where the predicate is; with what the predicate needs."""
        needed = self._needed(loaded_names(predicate), at)
        steps = [self._steps[i] for i in needed]
        theirs = next((step for step in steps if step.touches_candidate), None)
        if theirs is not None:
            raise NotFlat(f"compares with what the candidate made: {theirs.item.text[:60]}")
        statements = [step.item.node for step in steps if isinstance(step.item.node, ast.stmt)]
        if self._sent & needed.keys() and any(map(_is_unrepeatable, statements)):
            raise NotFlat("computes by chance or clock what the candidate is given")
        name = f"check_{len(self._functions)}"
        parameters = ", ".join(f"_got{i}" for i in range(arity))
        lines = [f"def {name}({parameters}):", *_globals(statements), *_indented(statements)]
        self._functions.append("\n".join([*lines, f"    return bool({ast.unparse(predicate)})"]))
        return name

    def _needed(self, names: set[str], at: int) -> dict[int, None]:
        """The statements before step `at` that give these names their values, in order."""
        found: set[int] = set()
        asked = [(name, at) for name in names]
        while asked:
            name, end = asked.pop()
            for i in reversed(self._defining.get(name, ())):
                step = self._steps[i]
                if i >= end or step.item.kind != "statement":
                    continue
                if i not in found:
                    found.add(i)
                    asked += [(other, i) for other in step.uses]
                if name in step.replaces:
                    break
        return dict.fromkeys(sorted(found))

    def _constants(self, at: int, names: set[str]) -> Mapping[str, ast.expr]:
        """What names stand for whose last statement is an assignment to that name alone."""
        constants: dict[str, ast.expr] = {}
        for name in names:
            before = [i for i in self._defining.get(name, ()) if i < at][-1:]
            match [self._steps[i].item.node for i in before]:
                case [ast.Assign(targets=[ast.Name()], value=value)]:
                    constants[name] = value
        return constants


class _Lifted(ast.NodeTransformer):
    """Takes the parts of an expression that only the candidate's job can evaluate out of it, as `_got0`, `_got1` ..."""

    def __init__(self, tainted: frozenset[str], names: Sequence[str]) -> None:
        self.calls: list[ast.expr] = []
        self._tainted = tainted
        self._names = names
        self._bound: list[set[str]] = []

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.expr) and self._is_candidates(node):
            inner = loaded_names(node)
            if any(inner & names for names in self._bound):
                raise NotFlat("calls the candidate in a comprehension")
            self.calls.append(node)
            return ast.copy_location(ast.Name(f"_got{len(self.calls) - 1}", ast.Load()), node)
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            self._bound.append({name for g in node.generators for name in stored_names(g.target)})
            result = self.generic_visit(node)
            self._bound.pop()
            return result
        if isinstance(node, ast.Lambda):
            self._bound.append({argument.arg for argument in node.args.args})
            result = self.generic_visit(node)
            self._bound.pop()
            return result
        if isinstance(node, ast.Call) and any(
            isinstance(a, ast.Name) and a.id in self._names for a in node.args
        ):
            raise NotFlat("hands the candidate itself to a function")
        match node:
            case ast.Call(func=ast.Name(id="next"), args=[argument, _]) if self._is_candidates(argument):
                raise NotFlat("takes from an iterator of the candidate's")
        if isinstance(node, ast.NamedExpr):
            raise NotFlat("assigns inside an assertion")
        return self.generic_visit(node)

    def _is_candidates(self, node: ast.expr) -> bool:
        """A call of the candidate, or anything that hangs on one: `f(x)[0]`, `Stack().size()`, `list(f(x))`, `result`."""
        match node:
            case ast.Name(id=name):
                return name in self._tainted and isinstance(node.ctx, ast.Load)
            case ast.Call(func=ast.Name(id=name), args=[argument]) if name in _MATERIALISERS:
                return name in self._tainted or self._is_candidates(argument)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="asyncio"), attr="run"), args=[argument]):
                return self._is_candidates(argument)
            case ast.Call(func=func):
                return self._is_candidates(func)
            case ast.Attribute(value=value) | ast.Subscript(value=value):
                return self._is_candidates(value)
        return False


def _free_names(nodes: Sequence[ast.AST], entry_point: str) -> tuple[str, ...]:
    """Names that are used and neither defined by the program nor Python's own; the entry point first."""
    defined: set[str] = set()
    loaded: list[str] = []
    for node in nodes:
        defined |= stored_names(node)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
                loaded.append(inner.id)
            elif isinstance(inner, ast.arg):
                defined.add(inner.arg)
            elif isinstance(inner, ast.ExceptHandler) and inner.name:
                defined.add(inner.name)
    root = entry_point.split(".")[0].removesuffix("()")
    if entry_point:
        loaded.insert(0, root)
    free = [name for name in loaded if name == root or (name not in defined and name not in _BUILTINS)]
    return tuple(dict.fromkeys(name for name in free if not name.startswith("_got") and name != "self"))


def _first_called(tree: ast.Module) -> str:
    """The function at the left of the first assertion; empty when there is none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            left = node.test.left if isinstance(node.test, ast.Compare) else node.test
            if isinstance(left, ast.Call) and isinstance(left.func, ast.Name):
                return left.func.id
    return ""


def _globals(statements: Sequence[ast.stmt]) -> list[str]:
    """Statements in a function define names of the module, as they did where they stood."""
    names = sorted({name for statement in statements for name in _bound_here(statement)})
    return [f"    global {', '.join(names)}"] if names else []


def _bound_here(node: ast.stmt) -> set[str]:
    """Names that a statement binds in its own scope: none of a function's or a comprehension's."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign() | ast.AugAssign() | ast.AnnAssign() | ast.Delete() | ast.Expr():
            comprehended = {
                name
                for inner in ast.walk(node)
                if isinstance(inner, ast.comprehension)
                for name in stored_names(inner.target)
            }
            return stored_names(node) - comprehended
        case ast.Import() | ast.ImportFrom():
            return stored_names(node) - {"*"}
    return set()


def _is_unrepeatable(node: ast.stmt) -> bool:
    imported = {
        alias.name.split(".")[0] for n in ast.walk(node) if isinstance(n, ast.Import) for alias in n.names
    }
    imported |= {(n.module or "").split(".")[0] for n in ast.walk(node) if isinstance(n, ast.ImportFrom)}
    return bool((imported | loaded_names(node)) & set(_UNREPEATABLE))


def _import_of(name: str) -> str:
    module = STANDARD_NAMES[name]
    return f"from {module} import {name}" if module else f"import {name}"


def _is_star(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)


def _indented(statements: Sequence[ast.stmt]) -> list[str]:
    if any(_is_star(statement) for statement in statements):
        raise NotFlat("imports everything of a module")
    return [f"    {line}" for s in statements for line in ast.unparse(s).split("\n")]


def _called_in(tree: ast.Module) -> set[str]:
    """Functions that the program calls itself."""
    return {
        inner.func.id
        for statement in tree.body
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for inner in ast.walk(statement)
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name)
    }


def _check_of(tree: ast.Module, entry_point: str) -> str:
    """HumanEval's `check(candidate)`, where the program leaves calling it to a runner."""
    is_left = any(isinstance(n, ast.FunctionDef) and n.name == "check" for n in tree.body)
    return f"check({entry_point})" if entry_point and is_left and "check" not in _called_in(tree) else ""


def _first(error: Exception) -> str:
    return (getattr(error, "msg", None) or str(error) or type(error).__name__).splitlines()[0][:200]
