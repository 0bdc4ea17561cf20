"""What every request goes through is laid out by mypyc: its fields are found without a dictionary.

A decorator that mypyc does not know (attrs', zope's) makes a class an ordinary one, and nobody is told: each look at
one of its fields, and each call of its methods, then costs ten times as much (docs/performance.md).
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from twisted.trial import unittest

import aigw

ROOT = Path(aigw.__file__).parent.parent

#: What mypyc knows.
KNOWN = {"dataclass", "mypyc_attr"}

#: What gcc takes for a keyword with another ``_`` before it.
KEYWORDS = {
    f"_{word}"
    for word in [
        "alignof",
        "asm",
        "attribute",
        "const",
        "extension",
        "imag",
        "inline",
        "label",
        "real",
        "restrict",
        "signed",
        "thread",
        "typeof",
        "volatile",
    ]
}

#: Classes that are made or looked at once a configuration, once a connection, or where something has failed.
RARE = {
    "Address",
    "BreakerRules",
    "Event",
    "Failure",
    "JsonObserver",
    "Kind",
    "Limits",
    "ResponseLimits",
    "StreamError",
    "UpstreamKey",
    "_Parts",
}


def modules() -> list[Path]:
    """Those that setup.py compiles."""
    setup = ROOT / "setup.py"
    if not setup.exists():
        raise unittest.SkipTest("an installation has no setup.py")
    return [ROOT / name for name in re.findall(r'^    "(aigw/.*\.py)",$', setup.read_text(), re.M)]


def decorators(node: ast.ClassDef) -> set[str]:
    """Their names, without arguments."""
    calls = (each.func if isinstance(each, ast.Call) else each for each in node.decorator_list)
    return {ast.unparse(each) for each in calls}


def on_instances(node: ast.ClassDef) -> set[str]:
    """What a class body sets and mypyc puts into each instance; not an enumeration's members."""
    if any(ast.unparse(base).endswith("Enum") for base in node.bases):
        return set()
    names = {ast.unparse(each) for line in node.body if isinstance(line, ast.Assign) for each in line.targets}
    names |= {
        ast.unparse(line.target)
        for line in node.body
        if isinstance(line, ast.AnnAssign)
        and line.value is not None
        and not ast.unparse(line.annotation).startswith(("ClassVar", "Final"))
    }
    return names - {"__slots__", "__deletable__"}


class LaidOutTests(unittest.TestCase):
    """The modules of setup.py's list."""

    def test_no_class_has_a_decorator_that_mypyc_does_not_know(self) -> None:
        """But for the rare ones; and of those, none is listed for nothing."""
        found = set()
        for path in modules():
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef) and decorators(node) - KNOWN:
                    found.add(node.name)
        self.assertEqual(found, RARE)

    def test_no_field_is_a_keyword_of_c(self) -> None:
        """A field becomes a member of a C struct, with ``_`` before it: ``_thread`` would not compile."""
        found = {
            f"{path.name}: {node.attr}"
            for path in modules()
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and node.attr in KEYWORDS
        }
        self.assertEqual(found, set())

    def test_no_name_is_of_two_exceptions(self) -> None:
        """Compiled, a function's name is of the type that it had first: the second one would be a TypeError."""
        found = []
        for path in modules():
            for function in ast.walk(ast.parse(path.read_text())):
                if isinstance(function, ast.FunctionDef):
                    caught = [node for node in ast.walk(function) if isinstance(node, ast.ExceptHandler) and node.name]
                    kinds = {(node.name, ast.unparse(node.type)) for node in caught if node.type is not None}
                    if len(kinds) != len({name for name, _ in kinds}):
                        found.append(f"{path.name}: {function.name}")
        self.assertEqual(found, [])

    def test_all_of_them_are_there(self) -> None:
        """And no module twice."""
        paths = modules()
        self.assertGreater(len(paths), 40)
        self.assertEqual(len(paths), len(set(paths)))
        self.assertEqual([path for path in paths if not path.exists()], [])

    def test_nobody_reads_off_a_class_what_is_on_its_instances(self) -> None:
        """A default in a class body is there when it is interpreted; compiled, the class has a descriptor in its place."""
        trees = [ast.parse(path.read_text()) for path in modules()]
        classes = {
            node.name: on_instances(node) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
        }
        found = [
            f"{path.name}:{node.lineno}: {ast.unparse(node)}"
            for path in sorted((ROOT / "aigw").rglob("*.py"))
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.attr in classes.get(node.value.id, ())
        ]
        self.assertEqual(found, [])
