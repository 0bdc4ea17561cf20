"""Variables in texts that are no secrets: names, addresses. aigw's file has none, so they are filled in at import."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from aigw.config.importers.nodes import Node

_DECK = re.compile(r"\$\{\{\s*env\s+\"([^\"]+)\"\s*(?:\|[^{}]*)?\}\}")
_SHELL = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_-]*)(?::-([^{}]*))?\}|\$([A-Za-z_][A-Za-z0-9_]*)")


class Texts:
    """Fills in variables.

    :param environ: where decK's and the shell's are.
    :param variables: of a how-to page: ``${name}`` stands for the value, usually ``$NAME``.
    """

    def __init__(self, environ: Mapping[str, str], variables: Mapping[str, str] = {}) -> None:
        self._environ = environ
        self._variables = variables

    def filled(self, node: Node | None) -> str | None:
        """A scalar with its variables filled in; settles it.

        :raises Refused: one is not set.
        """
        if node is None:
            return None

        def environment(found: re.Match[str]) -> str:
            return self._environment(node, found[1])

        def shell(found: re.Match[str]) -> str:
            name, otherwise = found[1] or found[3], found[2]
            value = self._variables.get(name)
            if value is not None:
                return self._environment(node, value[1:]) if value.startswith("$") else value
            known = name in self._environ or otherwise is None
            upper = name.upper().replace("-", "_")
            return self._environment(node, name if name in self._environ else upper) if known else str(otherwise)

        return _SHELL.sub(shell, _DECK.sub(environment, node.scalar()))

    def number(self, node: Node) -> int | float:
        """The same for a number.

        :raises Refused: it is none, or a variable is not set.
        """
        if "$" in str(node.content):
            node = attrs.evolve(node, content=self.filled(node) or "", kind="str")
        return node.as_number()

    def decks(self, node: Node) -> str:
        """A scalar in which only decK's variables are variables, such as a path: ``$`` is the end of an expression."""
        return (self.filled(node) or "") if _DECK.search(node.scalar()) else node.scalar()

    def _environment(self, node: Node, name: str) -> str:
        value = self._environ.get(name.strip("{}"))
        if not value:
            raise node.refuse(
                f"has ${name} in it, which is not set: set it for the import (aigw's file has secrets only)"
            )
        return value
