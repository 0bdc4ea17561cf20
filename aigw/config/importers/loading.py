"""YAML texts as trees of nodes: bounded, and with a line for everything that is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import attrs
import yaml

from aigw.config.errors import ConfigError, Problem
from aigw.config.importers.nodes import TAG, Node

_MOST_NODES = 1_000_000
#: Mappings that are merged into others: each is gone through anew wherever it is.
_MOST_MERGES = 100_000
#: Characters of a key in the path that messages name.
_MOST_KEY = 100
_DEEPEST = 60


#: What to do about a text for Helm, or for another program that fills in templates.
TEMPLATE = " (a template? it has to be rendered first)"
#: A variable or a command of the shell that stands for a whole line, or several.
_WHOLE_LINE = re.compile(r"(?:-[ \t]+)?(?:\$\{([A-Za-z_]\w*+)(?:[^\w{}\s][^{}\s]*)?\}|\$([A-Za-z_]\w*)|\$\([^\n]*\))")


@attrs.define
class Bounds:
    """What the parts of one file may come to together."""

    nodes: int = 0
    merges: int = 0

    def exceeded(self) -> bool:
        """Whether they have come to more."""
        return self.nodes > _MOST_NODES or self.merges > _MOST_MERGES


def documents(file: str, text: str, *, lines_before: int = 0, bounds: Bounds | None = None) -> list[Node]:
    """The documents of a YAML text, those that are not empty.

    :param file: what it is called in messages.
    :param lines_before: lines that the file has in front of the text.
    :param bounds: what the file has come to so far.
    :raises ConfigError: it is not YAML, or a mapping has a key twice; the problem names the line.
    """
    try:
        composed = _composed(text)
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax(file, text, error, lines_before)]) from None
    except yaml.YAMLError as error:
        line = lines_before + text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise ConfigError([Problem(file, line, "", "not YAML: a character that must not be there")]) from None
    except RecursionError:
        raise ConfigError(
            [Problem(file, lines_before + 1, "", "not YAML that can be read: nested too deeply")]
        ) from None
    tree = _Tree(file, lines_before, bounds or Bounds())
    return [tree.node(root, "", None, 0) for root in composed if root is not None and root.tag != TAG + "null"]


def _composed(text: str) -> list[Any]:
    """PyYAML's own nodes. libyaml is ten times as fast, and its errors say less: they are asked for again.

    Not where it stops deep inside of braces, or dashes: PyYAML takes seconds to find that it is too deep for it.
    """
    fast = getattr(yaml, "CSafeLoader", None)
    if fast is not None:
        try:
            return list(yaml.compose_all(text, Loader=fast))
        except yaml.MarkedYAMLError as error:
            if _depth_at(text, error.problem_mark or error.context_mark) > _DEEPEST:
                raise RecursionError from None
        except yaml.YAMLError:
            pass
    return list(yaml.compose_all(text, Loader=yaml.SafeLoader))


def _depth_at(text: str, mark: Any) -> int:
    """How many braces, brackets and dashes are open at a place, at most."""
    before = text[: mark.index] if mark is not None else text
    line = before.rpartition("\n")[2]
    opened = before.count("{") + before.count("[") - before.count("}") - before.count("]")
    return max(opened, line.count("- "), line.count("? "))


def _syntax(file: str, text: str, error: yaml.MarkedYAMLError, lines_before: int) -> Problem:
    mark = error.problem_mark or error.context_mark
    at = mark.line if mark is not None else 0
    said = error.problem or error.context or "cannot be read"
    if "{{" in _line_of(mark):
        said += TEMPLATE
    for place, name in _whole_line(text.split("\n"), at):
        at, said = place, f"{name} stands for lines that are not in the file: write them in its place"
    return Problem(file, lines_before + at + 1, "", f"not YAML: {said}")


def _whole_line(lines: list[str], at: int) -> Iterator[tuple[int, str]]:
    """The shell's variable that is all of the line where reading stopped, or of the one before that says anything."""
    for place in range(min(at, len(lines) - 1), -1, -1):
        line = lines[place].strip()
        found = _WHOLE_LINE.fullmatch(line)
        if found is not None:
            name = found[1] or found[2]
            yield place, f"${_short(name)}" if name else "$(…)"
        if found is not None or (place < at and line and not line.startswith("#")):
            return


def _short(name: str) -> str:
    return name if len(name) <= _MOST_KEY else f"{name[: _MOST_KEY // 2]}…{name[-_MOST_KEY // 2 :]}"


def _line_of(mark: Any) -> str:
    return str(mark.get_snippet() or "") if mark is not None and getattr(mark, "buffer", None) else ""


class _Tree:
    """Builds nodes; bounded, since aliases in YAML can stand for more than any memory holds."""

    def __init__(self, file: str, lines_before: int, bounds: Bounds) -> None:
        self._file = file
        self._before = lines_before
        self._bounds = bounds

    def _line(self, made: yaml.Node) -> int:
        return int(made.start_mark.line) + self._before + 1

    def _bounded(self, made: yaml.Node, path: str, depth: int) -> None:
        if self._bounds.exceeded() or depth > _DEEPEST:
            why = "is too large or too deep (aliases that multiply?)"
            raise ConfigError([Problem(self._file, self._line(made), path, why)])

    def node(self, made: yaml.Node, path: str, parent: Node | None, depth: int) -> Node:
        line = self._line(made)
        self._bounds.nodes += 1
        self._bounded(made, path, depth)
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
                    [Problem(self._file, self._line(key), node.path, "has a key that is not a text (a template?)")]
                )
            name = str(key.value)
            if key.tag == TAG + "merge":
                self._merge(value, merged, node, depth)
                continue
            where = f"{node.path}.{_short(name)}".lstrip(".")
            if name in found:
                raise ConfigError([Problem(self._file, self._line(key), where, "is there twice")])
            found[name] = self.node(value, where, node, depth + 1)
            if not found[name].content:  # an empty value has no place of its own
                found[name].line = self._line(key)
        return merged | found

    def _merge(self, value: yaml.Node, merged: dict[str, Node], node: Node, depth: int) -> None:
        """``<<: *other``, or a list of those, the first of which wins."""
        for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if isinstance(source, yaml.MappingNode):
                self._bounds.merges += 1
                self._bounded(source, node.path, depth)
                for name, one in self._mapping(source, node, depth + 1).items():
                    merged.setdefault(name, one)
