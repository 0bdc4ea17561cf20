"""No text, whoever sent it, keeps a regular expression of the gateway busy for longer than in proportion to its length.

Each expression is found: what modules, classes and containers hold, by a walk over the modules; and by their source, so
that none hides in a function. It is looked at by :mod:`aigw.config.backtracking`, which tells without running it; its
worst texts are matched with the comparisons counted, and by ``re`` itself in a process with a bound on its time.
"""

from __future__ import annotations

import ast
import functools
import importlib
import pathlib
import pkgutil
import re
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, cast

import attrs
from twisted.trial import unittest

import aigw
from aigw.config.backtracking import Use, runs, weakness
from aigw.config.reach import _expression
from aigw.consumers.consumer import ModelPatterns
from aigw.routing.names import CatalogueMatcher
from tests.unit.counting_matcher import work

ROOT = pathlib.Path(aigw.__file__).parent
USES: Mapping[str, Use] = {
    "match": "match",
    "fullmatch": "fullmatch",
    **dict.fromkeys(("search", "findall", "finditer", "sub", "subn", "split"), cast(Use, "search")),
}

#: Expressions that are given to another function, by their names, and how that one uses them.
GIVEN: dict[str, Use] = {
    "aigw.config.file:_BLANKS": "match",
    "aigw.config.file:_NOTHING": "match",
    "aigw.config.file:_SCALAR": "match",
}


def _wild(matcher: CatalogueMatcher) -> re.Pattern[str]:
    return matcher._wild[0][0]


#: What is made while the gateway runs, by module and function: examples of it.
MADE: dict[str, tuple[tuple[re.Pattern[Any] | None, Use], ...]] = {
    # Names of models with wildcards, which the configuration has.
    "aigw.consumers.consumer:ModelPatterns.__init__": (
        (ModelPatterns(["a*b*c*d", "*x*", "gpt-*"])._wild, "fullmatch"),
    ),
    "aigw.config.reach:_expression": tuple((_expression(each), "fullmatch") for each in ("a*b*c*d", "*x*", "gpt-4o")),
    "aigw.routing.names:CatalogueMatcher.__init__": ((_wild(CatalogueMatcher({"a*b*c*d": None}, {})), "fullmatch"),),
    # A secret of the configuration in each of its forms: alternatives in a row, without repetition but of backslashes.
    "aigw.redaction:_Form.hide": (),
    # The routes' own, which aigw check looks at.
    "aigw.routing.conditions:PathRule.of": (),
    "aigw.config.values:_check_regex": (),
}


@attrs.frozen
class Found:
    """An expression.

    :ivar where: module and name, or module and line.
    """

    where: str
    pattern: re.Pattern[Any]
    use: Use


@functools.cache
def sources() -> dict[str, ast.Module]:
    """The modules of the program, by name."""
    names = [name for _, name, _ in pkgutil.walk_packages([str(ROOT)], "aigw.")]
    found = {}
    for name in names:
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None
        found[name] = ast.parse(pathlib.Path(spec.origin).read_text())
    return found


def held(value: Any, depth: int = 0) -> Iterator[re.Pattern[Any]]:
    """The expressions in ``value``, or in what it contains."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth < 5 and isinstance(value, dict):
        for each in (*value, *value.values()):
            yield from held(each, depth + 1)
    elif depth < 5 and isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from held(each, depth + 1)
    elif depth < 5 and type(value).__module__.startswith("aigw.") and hasattr(value, "__dict__"):
        yield from held(vars(value), depth + 1)


def uses_of(name: str, tree: ast.Module) -> set[Use]:
    """How a module uses what it calls ``name``."""
    return {
        USES[node.func.attr]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in USES
        if isinstance(node.func.value, ast.Name) and node.func.value.id == name
    }


def in_modules() -> Iterator[Found]:
    """What modules and their classes hold; searched with where nothing else is known of it."""
    for module, tree in sources().items():
        for name, value in vars(importlib.import_module(module)).items():
            inside = value
            if isinstance(value, type) and value.__module__ == module:
                inside = dict(vars(value))
            for pattern in held(inside):
                given = GIVEN.get(f"{module}:{name}")
                for use in {given} if given else uses_of(name, tree) or {cast(Use, "search")}:
                    yield Found(f"{module}:{name}", pattern, use)


def in_functions() -> Iterator[tuple[str, ast.Call, bool]]:
    """Each call of a function of ``re``: where it is, the call, whether it is within a function."""
    for module, tree in sources().items():
        yield from _calls(tree, module, [])


def _calls(node: ast.AST, module: str, inside: list[str]) -> Iterator[tuple[str, ast.Call, bool]]:
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
        called = child.func if isinstance(child, ast.Call) and child.args else None
        if isinstance(called, ast.Attribute) and ast.unparse(called.value) == "re" and called.attr != "escape":
            assert isinstance(child, ast.Call)
            yield f"{module}:{'.'.join(inside)}", child, bool(inside)
        yield from _calls(child, module, [*inside, child.name] if named else inside)  # type: ignore[attr-defined]


def inline() -> Iterator[Found]:
    """Those whose text stands in the call."""
    for where, call, _ in in_functions():
        assert isinstance(call.func, ast.Attribute)
        text = call.args[0]
        if call.func.attr in USES and isinstance(text, ast.Constant):
            yield Found(where, re.compile(cast(str, text.value)), USES[call.func.attr])


@functools.cache
def expressions() -> tuple[Found, ...]:
    """All of them, each once."""
    made = [Found(where, pattern, use) for where, some in MADE.items() for pattern, use in some if pattern is not None]
    known: dict[tuple[Any, int, str], Found] = {}
    for found in (*in_modules(), *inline(), *made):
        known.setdefault((found.pattern.pattern, found.pattern.flags, found.use), found)
    return tuple(known.values())


def texts(found: Found, size: int) -> Iterator[Any]:
    """Its worst ones, of about that many characters, as it reads them."""
    for run in runs(found.pattern, found.use):
        text = run.text(size)
        yield text.encode("latin-1") if isinstance(found.pattern.pattern, bytes) else text


def main() -> None:
    """Match all of them, in a process of its own."""
    for found in expressions():
        for text in texts(found, 64 * 1024):
            if found.use == "search":
                for _ in found.pattern.finditer(text):
                    pass
            else:
                getattr(found.pattern, found.use)(text)


class ExpressionTests(unittest.TestCase):
    """See the module's head."""

    def test_there_are_no_others(self) -> None:
        """Whatever a function makes of something else than a text in its source is in the table here."""
        made = set()
        for where, call, within in in_functions():
            assert isinstance(call.func, ast.Attribute)
            written = call.func.attr in USES and isinstance(call.args[0], ast.Constant)
            if within and not written:
                made.add(where)
        self.assertEqual(made - set(MADE), set())
        self.assertEqual(set(MADE) - made, set())
        self.assertGreater(len(expressions()), 100)

    def test_names_are_still_there(self) -> None:
        """Those of the tables."""
        for where in GIVEN:
            module, _, name = where.partition(":")
            self.assertIsInstance(vars(importlib.import_module(module))[name], re.Pattern)

    def test_none_divides_a_text_in_many_ways(self) -> None:
        """No nested repetition, none beside another that takes the same, none that every place can begin."""
        for found in expressions():
            self.assertIsNone(weakness(found.pattern, found.use), found)

    def test_work_grows_with_the_length(self) -> None:
        """Four times the text, four times the comparisons, on the worst texts of each."""
        for found in expressions():
            for run in runs(found.pattern, found.use):
                counts = [work(found.pattern, found.use, run.text(size)) for size in (100, 200, 400)]
                self.assertLess(counts[2], 6 * counts[0] + 2000, (found, run, counts))

    def test_none_hangs(self) -> None:
        """The real thing, on 64 KiB: the bound is some hundred times of what all take together."""
        subprocess.run(
            [sys.executable, "-c", "from tests.unit import test_expressions; test_expressions.main()"],
            check=True,
            cwd=ROOT.parent,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (120, 120)),
        )
