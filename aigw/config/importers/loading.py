"""YAML texts as trees of nodes: bounded, and with a line for everything that is wrong."""

from __future__ import annotations

import contextlib
from typing import Any

import yaml

from aigw.config.errors import ConfigError, Problem
from aigw.config.importers.nodes import TAG, Node

_MOST_NODES = 1_000_000
_DEEPEST = 60


def documents(file: str, text: str) -> list[Node]:
    """The documents of a YAML text, those that are not empty.

    :param file: what it is called in messages.
    :raises ConfigError: it is not YAML, or a mapping has a key twice; the problem names the line.
    """
    try:
        composed = _composed(text)
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax(file, error)]) from None
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise ConfigError([Problem(file, line, "", "not YAML: a character that must not be there")]) from None
    except RecursionError:
        raise ConfigError([Problem(file, 1, "", "not YAML that can be read: nested too deeply")]) from None
    tree = _Tree(file)
    return [tree.node(root, "", None, 0) for root in composed if root is not None and root.tag != TAG + "null"]


def _composed(text: str) -> list[Any]:
    """PyYAML's own nodes. libyaml is ten times as fast, and its errors say less: they are asked for again."""
    fast = getattr(yaml, "CSafeLoader", None)
    if fast is not None:
        with contextlib.suppress(yaml.YAMLError, RecursionError):
            return list(yaml.compose_all(text, Loader=fast))
    return list(yaml.compose_all(text, Loader=yaml.SafeLoader))


def _syntax(file: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark is not None else 1
    said = error.problem or error.context or "cannot be read"
    if "{{" in _line_of(mark) and "template" not in said:
        said += " (a template? it has to be rendered first)"
    return Problem(file, line, "", f"not YAML: {said}")


def _line_of(mark: Any) -> str:
    return str(mark.get_snippet() or "") if mark is not None and getattr(mark, "buffer", None) else ""


class _Tree:
    """Builds nodes; bounded, since aliases in YAML can stand for more than any memory holds."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._count = 0

    def node(self, made: yaml.Node, path: str, parent: Node | None, depth: int) -> Node:
        line = made.start_mark.line + 1
        self._count += 1
        if self._count > _MOST_NODES or depth > _DEEPEST:
            raise ConfigError([Problem(self._file, line, path, "is too large or too deep (aliases that multiply?)")])
        node = Node(self._file, line, path, "", made.tag.removeprefix(TAG), parent)
        if isinstance(made, yaml.MappingNode):
            node.kind, node.content = "map", self._mapping(made, node, depth)
        elif isinstance(made, yaml.SequenceNode):
            node.kind = "list"
            node.content = [
                self.node(each, f"{path}[{index}]", node, depth + 1) for index, each in enumerate(made.value)
            ]
        else:
            node.content = made.value
        return node

    def _mapping(self, made: yaml.MappingNode, node: Node, depth: int) -> dict[str, Node]:
        found: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in made.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(
                    [Problem(self._file, key.start_mark.line + 1, node.path, "has a key that is no text (a template?)")]
                )
            name = str(key.value)
            if key.tag == TAG + "merge":
                merged = self._merged(value, node, depth) | merged
                continue
            if name in found:
                where = f"{node.path}.{name}".lstrip(".")
                raise ConfigError([Problem(self._file, key.start_mark.line + 1, where, "is there twice")])
            found[name] = self.node(value, f"{node.path}.{name}".lstrip("."), node, depth + 1)
            if not found[name].content:  # an empty value has no place of its own
                found[name].line = key.start_mark.line + 1
        return merged | found

    def _merged(self, value: yaml.Node, node: Node, depth: int) -> dict[str, Node]:
        """``<<: *other``, or a list of those, the first of which wins."""
        sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
        found: dict[str, Node] = {}
        for source in sources:
            if isinstance(source, yaml.MappingNode):
                found = self._mapping(source, node, depth + 1) | found
        return found
