"""Counts the work of a package's functions, so that a test can say how it grows with what they are given.

Time is no measure: it differs from machine to machine, and a copy of a text, which the interpreter does in C, hides in
it until the text is large. So a package is loaded a second time from its source, with every operation whose cost is not
constant handed to a :class:`Meter` on its way: each turn of a loop counts 1, and what is done in C counts as many as
it has bytes, characters or entries to look at or to copy. The counts are the same on every machine and in every run.

What is counted: calls (of functions in C by the sizes of what they get and give; of the package's own by their bodies),
loops and comprehensions, ``+``, ``|`` and the like, ``+=``, slices, ``in``, ``==``, f-strings, displays with ``*`` and
``**``, ``del``. Look-ups in dictionaries and sets, attributes and numbers cost nothing.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import operator
import re
import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import aigw

_METER: Final = "__meter__"
_SIZED: Final = frozenset((str, bytes, bytearray, memoryview, list, tuple, dict, set, frozenset, deque))
_TEXTS: Final = (str, bytes, bytearray)

#: Functions in C that look at nothing, or hand out one thing after the other to a loop, which counts.
_FREE: Final = frozenset(
    [
        "append",
        "appendleft",
        "add",
        "discard",
        "popleft",
        "get",
        "setdefault",
        "items",
        "keys",
        "values",
        "isinstance",
        "issubclass",
        "len",
        "id",
        "hash",
        "callable",
        "getattr",
        "hasattr",
        "iter",
        "next",
        "enumerate",
        "zip",
        "map",
        "filter",
        "reversed",
        "range",
        "type",
        "clear",
        "end",
        "start",
        "group",
    ]
)
_BINARY: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "Add": operator.add,
    "BitAnd": operator.and_,
    "BitOr": operator.or_,
    "Mod": operator.mod,
    "Mult": operator.mul,
    "Sub": operator.sub,
}
#: Of which ``a op= b`` does not make a copy of ``a``.
_GROWING: Final = (list, bytearray, dict, set, deque)


def size(value: Any) -> int:
    """What a function in C has to look at when it gets ``value``."""
    return len(value) if type(value) in _SIZED else 0


class Meter:
    """Counts work.

    :ivar total: so far.
    """

    def __init__(self, package: str) -> None:
        self.total = 0
        self._package = package
        self._own: dict[Any, bool] = {}

    def measured(self, work: Callable[[], object]) -> int:
        """What ``work`` costs; whatever it raises is its result."""
        before = self.total
        work()
        return self.total - before

    # -- what the package's source calls

    def step(self) -> None:
        """One turn of a loop, one call of a function."""
        self.total += 1

    def each(self, values: Iterable[Any]) -> Iterator[Any]:
        """The values of a loop or of a comprehension."""
        for value in values:
            self.total += 1
            yield value

    def made(self, value: Any) -> Any:
        """A text or a collection that was put together."""
        self.total += size(value)
        return value

    def call(self, function: Any, *args: Any, **named: Any) -> Any:
        """``function(*args, **named)``."""
        self.total += 1
        if isinstance(function, types.BuiltinFunctionType):
            name = function.__name__
            if name in _FREE:
                return function(*args, **named)
            owner = function.__self__
            before = size(owner)
            result = function(*args, **named)
            self.total += _cost(owner, name, before, args, result)
            return result
        result = function(*args, **named)
        if not self._is_own(function):
            self.total += sum(map(size, args)) + sum(map(size, named.values())) + size(result)
        return result

    def _is_own(self, function: Any) -> bool:
        """Whether what it does is counted where it is done."""
        module = getattr(function, "__module__", None)
        own = self._own.get(module)
        if own is None:
            own = self._own[module] = str(module).startswith(self._package)
        return own

    def binary(self, name: str, one: Any, other: Any) -> Any:
        """``one + other`` and the like; ``one % other`` of texts by what comes out."""
        result = _BINARY[name](one, other)
        if isinstance(result, int | float):
            return result
        self.total += size(result) if name in ("Mod", "Mult", "Add") else size(one) + size(other)
        return result

    def augmented(self, current: Any, value: Any) -> Any:
        """The value of ``current += value``, which is then done."""
        if type(current) in _SIZED:
            self.total += size(value) + (0 if isinstance(current, _GROWING) else size(current))
        return value

    def contains(self, value: Any, container: Any) -> bool:
        """``value in container``."""
        if isinstance(container, list | tuple | deque | str | bytes | bytearray):
            self.total += len(container)
        return value in container

    def equals(self, one: Any, other: Any) -> bool:
        """``one == other``; what differs in length differs at once."""
        if type(one) in _SIZED and type(other) in _SIZED and len(one) == len(other):
            self.total += len(one)
        return bool(one == other)

    def deleting(self, container: Any, at: Any) -> None:
        """Before ``del container[at]``. The front of a bytearray or of a deque goes without moving the rest."""
        if isinstance(container, list):
            start = at.indices(len(container))[0] if isinstance(at, slice) else at % max(1, len(container))
            self.total += len(container) - start


def _cost(owner: Any, name: str, before: int, args: tuple[Any, ...], result: Any) -> int:
    """What a function in C looks at.

    :param owner: the object whose method it is; ``before``: that object's size before the call.
    """
    if name == "pop" and not (isinstance(owner, list) and args):
        return 0
    if isinstance(owner, list) and name in ("insert", "pop"):
        return before - int(args[0]) % max(1, before)
    if isinstance(owner, _TEXTS):
        return _text_cost(owner, name, args, result)
    if isinstance(owner, re.Pattern):
        return _pattern_cost(name, args, result)
    if name in ("extend", "update"):
        return sum(size(each) for each in args)
    return before + sum(size(each) for each in args) + size(result)


def _text_cost(text: Any, name: str, args: tuple[Any, ...], result: Any) -> int:
    if name in ("startswith", "endswith"):
        wanted = args[0] if isinstance(args[0], tuple) else args[:1]
        return min(len(text), sum(len(each) for each in wanted))
    if name in ("find", "index", "rfind", "rindex"):
        start, end, _ = slice(*(args[1:3] or (None,))).indices(len(text)) if len(args) > 2 else (0, len(text), 1)
        start = slice(args[1], None).indices(len(text))[0] if len(args) == 2 else start
        if result < 0:
            return max(0, end - start)
        return int(result - start if name in ("find", "index") else end - result) + size(args[0])
    if name == "join":
        return size(result)
    if name in ("strip", "lstrip", "rstrip", "removeprefix", "removesuffix"):
        return 0 if len(result) == len(text) else len(result)
    return len(text) + size(result)


def _pattern_cost(name: str, args: tuple[Any, ...], result: Any) -> int:
    text = args[1] if name in ("sub", "subn") else args[0]
    begin = args[1] if len(args) > 1 and isinstance(args[1], int) else 0
    if name == "match" and result is None:
        return 1
    if name in ("match", "search") and result is not None:
        return int(result.end()) - begin
    return len(text) - begin + (size(result) if name in ("findall", "split", "sub") else 0)


# -- loading


class _Metered(ast.NodeTransformer):
    """Source whose operations are counted. What is in annotations and patterns stays."""

    def _meter(self, name: str, *args: ast.expr) -> ast.Call:
        called = ast.Attribute(ast.Name(_METER, ast.Load()), name, ast.Load())
        return ast.Call(called, list(args), [])

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            return node
        metered = self._meter("call", node.func, *node.args)
        metered.keywords = node.keywords
        return metered

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        name = type(node.op).__name__
        return self._meter("binary", ast.Constant(name), node.left, node.right) if name in _BINARY else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        current = ast.parse(ast.unparse(node.target), mode="eval").body
        self.generic_visit(node)
        node.value = self._meter("augmented", current, node.value)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        sliced = isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load)
        return self._meter("made", node) if sliced else node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        names = {ast.In: "contains", ast.NotIn: "contains", ast.Eq: "equals", ast.NotEq: "equals"}
        name = names.get(type(node.ops[0])) if len(node.ops) == 1 else None
        if name is None:
            return node
        metered = self._meter(name, node.left, node.comparators[0])
        return ast.UnaryOp(ast.Not(), metered) if isinstance(node.ops[0], ast.NotIn | ast.NotEq) else metered

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                value.value = self.visit(value.value)
        return self._meter("made", node)

    def _display(self, node: Any) -> ast.expr:
        self.generic_visit(node)
        starred = any(isinstance(each, ast.Starred) for each in node.elts)
        return self._meter("made", node) if starred and isinstance(node.ctx, ast.Load) else node

    visit_List = visit_Tuple = _display

    def visit_Dict(self, node: ast.Dict) -> ast.expr:
        self.generic_visit(node)
        return self._meter("made", node) if None in node.keys else node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        node.iter = self._meter("each", node.iter)
        return node

    def visit_For(self, node: ast.For) -> ast.stmt:
        self.generic_visit(node)
        node.iter = self._meter("each", node.iter)
        return node

    def visit_While(self, node: ast.While) -> ast.stmt:
        self.generic_visit(node)
        node.body.insert(0, ast.Expr(self._meter("step")))
        return node

    def visit_Delete(self, node: ast.Delete) -> list[ast.stmt]:
        counted: list[ast.stmt] = []
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                read = ast.parse(ast.unparse(target), mode="eval").body
                assert isinstance(read, ast.Subscript)
                at = read.slice
                if isinstance(at, ast.Slice):
                    ends = [each or ast.Constant(None) for each in (at.lower, at.upper, at.step)]
                    at = ast.Call(ast.Name("slice", ast.Load()), ends, [])
                counted.append(ast.Expr(self._meter("deleting", read.value, at)))
        return [*counted, node]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        node.body = [line for each in node.body for line in _listed(self.visit(each))]
        node.body.insert(1 if ast.get_docstring(node) is not None else 0, ast.Expr(self._meter("step")))
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        node.value = self.visit(node.value) if node.value is not None else None
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.match_case:
        node.guard = self.visit(node.guard) if node.guard is not None else None
        node.body = [line for each in node.body for line in _listed(self.visit(each))]
        return node


def _listed(lines: Any) -> Sequence[ast.stmt]:
    return lines if isinstance(lines, list) else [lines]


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads one module; never what was compiled before."""

    def __init__(self, name: str, path: str, meter: Meter) -> None:
        super().__init__(name, path)
        self._meter = meter

    def get_code(self, fullname: str) -> types.CodeType:
        tree = _Metered().visit(ast.parse(Path(self.path).read_bytes(), self.path))
        return compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__dict__[_METER] = self._meter
        super().exec_module(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of one package, all others are found as ever."""

    def __init__(self, package: str, meter: Meter) -> None:
        self._package = package
        self._meter = meter

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._package and not fullname.startswith(f"{self._package}."):
            return None
        place = Path(aigw.__file__).parent.joinpath(*fullname.split(".")[1:])
        folder = place / "__init__.py"
        file = folder if folder.exists() else place.with_suffix(".py")
        found = [str(place)] if folder.exists() else None
        loader = _Loader(fullname, str(file), self._meter)
        return importlib.util.spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=found)


class Metered:
    """A package whose work is counted.

    :param package: such as ``aigw.llm``; what it imports of other packages is what everybody else has.
    :ivar meter: counts what its modules do.
    """

    def __init__(self, package: str) -> None:
        self.meter = Meter(package)
        self._package = package
        self._modules: dict[str, types.ModuleType] = {}

    def module(self, name: str) -> Any:
        """One module of the package by its whole name, with all that it imports of it."""
        mine = {each for each in sys.modules if each == self._package or each.startswith(f"{self._package}.")}
        before = {each: sys.modules.pop(each) for each in mine}
        parent, _, last = self._package.rpartition(".")
        attribute = getattr(sys.modules.get(parent), last, None)
        sys.modules.update(self._modules)
        finder = _Finder(self._package, self.meter)
        sys.meta_path.insert(0, finder)
        try:
            return importlib.import_module(name)
        finally:
            sys.meta_path.remove(finder)
            loaded = [each for each in sys.modules if each == self._package or each.startswith(f"{self._package}.")]
            self._modules = {each: sys.modules.pop(each) for each in loaded}
            sys.modules.update(before)
            if attribute is not None:
                setattr(sys.modules[parent], last, attribute)


def growth(costs: Sequence[int]) -> float:
    """By how much more the work grew from 2n to 4n than from n to 2n: 2 if it is linear, 4 if it is quadratic.

    What a call costs at the least, whatever it is given, is left out that way.

    :param costs: at n, 2n and 4n.
    """
    first, second, third = costs
    return (third - second) / max(1, second - first)
