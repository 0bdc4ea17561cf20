"""A regular expression matched as Python's ``re`` does it, one way after the other, with its work counted.

``re`` has no counter, and time says nothing on a busy machine. What is counted is how often a character is compared.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from aigw.config.expressions import matches, parse


class TooMuch(Exception):
    """More work than was allowed."""


class CountingMatcher:
    """One expression.

    :ivar work: characters compared so far.
    """

    def __init__(self, pattern: re.Pattern[Any], most: int) -> None:
        self._nodes, self._flags = parse(pattern.pattern, pattern.flags)
        self._most = most
        self._text = ""
        self._groups: dict[int, tuple[int, int]] = {}
        self._known: dict[tuple[int, str], bool] = {}
        self.work = 0

    def run(self, text: str, use: str) -> None:
        """Match, fully match, or find all matches in ``text``.

        :raises TooMuch: that takes more comparisons than ``most``.
        """
        self._text = text
        at = 0
        while at <= len(text):
            ends = self._sequence(list(self._nodes), 0, at)
            end = next((end for end in ends if use != "fullmatch" or end == len(text)), None)
            if use != "search":
                return
            at = max(at + 1, end if end is not None else 0)

    def _compare(self, kind: Any, value: Any, at: int) -> bool:
        self.work += 1
        if self.work > self._most:
            raise TooMuch
        if at >= len(self._text):
            return False
        key = (id(value) if not isinstance(value, int) else value, str(kind) + self._text[at])
        if key not in self._known:
            self._known[key] = matches(kind, value, self._text[at], self._flags)
        return self._known[key]

    def _sequence(self, nodes: list[Any], number: int, at: int) -> Iterator[int]:
        """Where ``nodes`` from ``number`` on can end that begin at ``at``, in the order of ``re``."""
        if number == len(nodes):
            yield at
            return
        for end in self._node(*nodes[number], at):
            yield from self._sequence(nodes, number + 1, end)

    def _node(self, kind: Any, value: Any, at: int) -> Iterator[int]:
        name = str(kind)
        if name in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            if self._compare(kind, value, at):
                yield at + 1
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            yield from self._repeat(name, *value, at)
        elif name == "BRANCH":
            for each in value[1]:
                yield from self._sequence(list(each), 0, at)
        elif name == "SUBPATTERN":
            for end in self._sequence(list(value[-1]), 0, at):
                if value[0] is not None:
                    self._groups[value[0]] = (at, end)
                yield end
        elif name == "ATOMIC_GROUP":
            yield from list(self._first(list(value), at))
        elif name in ("ASSERT", "ASSERT_NOT"):
            if self._around(value, at) == (name == "ASSERT"):
                yield at
        elif name == "GROUPREF":
            begin, end = self._groups[value]
            self.work += end - begin
            if self._text.startswith(self._text[begin:end], at):
                yield at + end - begin
        elif name == "AT":
            if self._is_place(str(value), at):
                yield at
        else:
            raise AssertionError(f"{name} is not known here")

    def _first(self, nodes: list[Any], at: int) -> Iterator[int]:
        found = next(self._sequence(nodes, 0, at), None)
        if found is not None:
            yield found

    def _repeat(self, name: str, least: int, most: int, inner: Any, at: int) -> Iterator[int]:
        if name == "POSSESSIVE_REPEAT":
            yield from list(self._repeat("MAX_REPEAT", least, most, inner, at))[:1]
            return
        if len(inner) == 1 and str(inner[0][0]) in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            yield from self._run(name, least, most, *inner[0], at)
            return
        yield from self._rounds(name, least, most, list(inner), at, 0)

    def _run(self, name: str, least: int, most: int, kind: Any, value: Any, at: int) -> Iterator[int]:
        count = 0
        if name == "MIN_REPEAT":
            while count < least or count <= most:
                if count >= least:
                    yield at + count
                if count == most or not self._compare(kind, value, at + count):
                    return
                count += 1
            return
        while count < most and self._compare(kind, value, at + count):
            count += 1
        for each in range(count, least - 1, -1):
            yield at + each

    def _rounds(self, name: str, least: int, most: int, inner: list[Any], at: int, count: int) -> Iterator[int]:
        if name == "MIN_REPEAT" and count >= least:
            yield at
        if count < most:
            for end in self._sequence(inner, 0, at):
                if end > at or count < least:
                    yield from self._rounds(name, least, most, inner, end, count + 1)
        if name != "MIN_REPEAT" and count >= least:
            yield at

    def _around(self, value: Any, at: int) -> bool:
        direction, inner = value
        if direction < 0:
            width = inner.getwidth()[0]
            at -= width
            if at < 0:
                return False
        return next(self._sequence(list(inner), 0, at), None) is not None

    def _is_place(self, name: str, at: int) -> bool:
        text, multiline = self._text, self._flags & re.MULTILINE
        if name == "AT_BEGINNING":
            return at == 0 or bool(multiline and text[at - 1] == "\n")
        if name == "AT_BEGINNING_STRING":
            return at == 0
        if name == "AT_END":
            return text[at:] in ("", "\n") or bool(multiline and text[at : at + 1] == "\n")
        if name == "AT_END_STRING":
            return at == len(text)
        word = [each.isalnum() or each == "_" for each in (text[at - 1 : at] if at else "", text[at : at + 1])]
        return (word[0] != word[1]) == (name == "AT_BOUNDARY")


def work(pattern: re.Pattern[Any], use: str, text: str, most: int = 10_000_000) -> int:
    """Comparisons that it takes; at most ``most`` and one.

    ``match``, ``fullmatch`` or ``search``, which finds all.
    """
    matcher = CountingMatcher(pattern, most)
    with contextlib.suppress(TooMuch):
        matcher.run(text, use)
    return matcher.work
