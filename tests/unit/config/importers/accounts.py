"""Where every value of an input went: into the output, or into something that was said.

Independent of the importers' own ledger. A value is accounted for if a warning or a note names its field, or if the
outcome (the file, or what is said) is another one when the value is another one.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from twisted.trial import unittest

from aigw.config.errors import ConfigError, Problem
from aigw.config.importers import drafted, import_texts
from aigw.config.importers.nodes import Node
from aigw.config.importers.source import read

Path = tuple[str | int, ...]


def outcome(text: str, environ: Mapping[str, str] = {}) -> str:
    """Everything that comes of a text. Comments of the file are only about where things are from."""
    try:
        imported = import_texts([("file", text)], environ)
    except ConfigError as error:
        return str(error)
    said = [str(problem) for problem in (*imported.warnings, *imported.notes)]
    return "\n".join([imported.text, *said])


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """The places of all leaves: what holds nothing further and is not null."""
    children: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    for key, child in children:
        yield from paths(child, (*path, key))
    if not children and value is not None:
        yield path


def changed(value: Any, path: Path) -> Any:
    """``value`` with another leaf at ``path``."""
    value = copy.deepcopy(value)
    around = value
    for part in path[:-1]:
        around = around[part]
    around[path[-1]] = _other(around[path[-1]])
    return value


def _other(leaf: Any) -> Any:
    if isinstance(leaf, bool):
        return not leaf
    if isinstance(leaf, int | float):
        return leaf + 1
    if isinstance(leaf, str):
        return f"{leaf}x" if leaf else "x"
    return ["x"]


def covers(problem: Problem, leaf: Node, note: bool) -> bool:
    """Whether something that was said names the field of ``leaf``, something around it, or its whole entity.

    :param note: it is a note; one of a whole entity is about everything in it.
    """
    listed = re.search(r"not imported \((.*?)\)(?::|$)", problem.message)
    entities = [node for node in leaf.around() if node.label or node.parent is None]
    for entity in entities:
        if entity.label and problem.key != entity.label and not problem.key.startswith(f"{entity.label}: "):
            continue
        key = problem.key[len(entity.label) :].removeprefix(": ")
        named = {*filter(None, key.split(", ")), *(listed[1].split(", ") if listed else ())}
        fields = {node.path[len(entity.path) :].lstrip(".") for node in leaf.around()}
        about_all = note or "not imported" in problem.message
        whole = not key and listed is None and bool(entity.label) and about_all
        if named & fields or whole:
            return True
    return False


def documents_of(text: str) -> list[Any]:
    """The YAML of a text as plain values."""
    loaded = []
    for document in read("file", text).documents:
        loaded.append(document.plain())
    return loaded


def dumped(documents: list[Any]) -> str:
    """Plain values as YAML, one value a line, so that another value moves no line."""
    return yaml.safe_dump_all(documents, sort_keys=False, width=100_000, allow_unicode=True)


class AccountTestCase(unittest.TestCase):
    """Tests that look for what was lost."""

    def assert_accounted(
        self, name: str, text: str, environ: Mapping[str, str] = {}, only: list[tuple[int, Path]] | None = None
    ) -> None:
        """Every leaf of a text went somewhere.

        :param only: leaves to look at: number of the document, and place in it.
        """
        documents = documents_of(text) if not text.startswith("%YAML") else []
        flat = dumped(documents)
        source = read("file", flat)
        draft = drafted([source], ["file"], environ, False)
        if draft.errors:
            return  # refused as a whole, and loudly
        said = [(problem, False) for problem in draft.warnings] + [(problem, True) for problem in draft.notes]
        before = outcome(flat, environ)
        for number, document in enumerate(documents):
            for path in paths(document):
                if only is not None and (number, path) not in only:
                    continue
                leaf = _leaf(source.documents[number], path)
                if any(covers(problem, leaf, note) for problem, note in said):
                    continue
                after = outcome(
                    dumped([*documents[:number], changed(document, path), *documents[number + 1 :]]), environ
                )
                self.assertNotEqual(before, after, f"{name}: {path} went nowhere:\n{before}")


def _leaf(node: Node, path: Path) -> Node:
    for part in path:
        content = node.content
        assert not isinstance(content, str)
        node = content[part]  # type: ignore[index,call-overload]
    return node
