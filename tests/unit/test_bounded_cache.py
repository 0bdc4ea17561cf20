"""What clients and providers choose fills no memory, however much of it there is and however long it is."""

from __future__ import annotations

import contextlib
import tracemalloc
import types
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

from twisted.trial import unittest

from aigw import bounded_cache
from aigw.bounded_cache import remember, remembering
from aigw.errors import BadRequest
from aigw.http.target import normalise_path
from aigw.llm.eventstream import EventStreamDecoder
from aigw.llm.providers.anthropic.models import traits
from aigw.llm.providers.bedrock.models import family
from aigw.proxy import access_line
from aigw.routing.conditions import Conditions
from aigw.web.clients import Clients
from aigw.web.labels import Labels
from aigw.web.tree import RouteTree
from tests.unit.llm.growing_answers import aws_event

#: Bytes that one memory may come to, with all that Python has around them.
_MOST = 12 << 20


class RememberTests(unittest.TestCase):
    """remember, remembering"""

    def test_up_to_a_length(self) -> None:
        """A key of more is not kept."""
        known: dict[str, int] = {}
        for size in (bounded_cache.LONGEST, bounded_cache.LONGEST + 1):
            remember(known, "x" * size, size, size)
        self.assertEqual(list(known.values()), [bounded_cache.LONGEST])

    def test_up_to_a_number(self) -> None:
        """The one too many begins anew; none is lost of those that are asked for again."""
        known: dict[int, int] = {}
        for number in range(bounded_cache.MOST + 1):
            remember(known, number, number, 1)
        self.assertEqual(known, {bounded_cache.MOST: bounded_cache.MOST})

    def test_asked_once(self) -> None:
        """A function is not called again for what it gave already, long names apart."""
        asked: list[str] = []

        def length(name: str) -> int:
            asked.append(name)
            return len(name)

        long, look = "x" * 300, remembering(length)
        self.assertEqual([look(name) for name in ("a", "a", long, long)], [1, 1, 300, 300])
        self.assertEqual(asked, ["a", long, long])


class MemoryTests(unittest.TestCase):
    """Every memory of what outsiders chose."""

    def memories(self) -> Iterator[tuple[str, Callable[[str], object]]]:
        """Each by a name, with what a text is handed to."""
        yield "forms of paths", lambda text: normalise_path(b"//" + text.encode())
        entries: Any = [(Conditions.of(paths=["/a"], normalise=normalise_path), _Route())]
        tree = RouteTree(entries)
        yield "routes of paths", lambda text: tree.route(_request(b"/a/" + text.encode(), b"h"))
        yield "routes of hosts", lambda text: tree.route(_request(b"/a", text.encode()))
        nothing: Any = types.SimpleNamespace(models={}, backends={}, consumers={})
        labels = Labels(nothing)
        yield "labels", labels.label_of
        clients = Clients([ip_network("10.0.0.0/8")])
        yield "clients", lambda text: clients._is_trusted(f"fe80::1%{text}")
        yield "texts of the access log", access_line._text
        yield "Claudes", lambda text: traits(f"claude-{text}")
        yield "families", lambda text: family(f"anthropic.{text}")
        decoder = EventStreamDecoder()
        yield "headers of events", lambda text: decoder.feed(aws_event("messageStart", {}, x=text))

    def kept(self, take: Callable[[str], object], texts: Iterator[str]) -> int:
        """Bytes that are there afterwards and were not before."""
        tracemalloc.start()
        try:
            for text in texts:
                with contextlib.suppress(BadRequest):
                    take(text)
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    def test_long_ones(self) -> None:
        """A thousand of 30 kB, as a request's line and head may have them."""
        for name, take in self.memories():
            kept = self.kept(take, (f"{number:05}" + "x" * 30_000 for number in range(1000)))
            self.assertLess(kept, _MOST // 8, name)

    def test_many_short_ones(self) -> None:
        """As many as one likes, of the greatest length that is remembered."""
        for name, take in self.memories():
            kept = self.kept(take, (f"{number:05}" + "x" * (bounded_cache.LONGEST - 20) for number in range(6000)))
            self.assertLess(kept, _MOST, name)


class _Route:
    """What a tree asks of a route."""

    def operation_at(self, path: bytes, matched: bytes) -> str:
        """It has none."""
        return ""


class _Request:
    """What a tree asks of a request."""

    def __init__(self, path: bytes, host: bytes) -> None:
        self.method, self.host, self.path = b"GET", host, path
        self.headers: list[tuple[bytes, bytes]] = []
        self.prepath: list[bytes] = []
        self.postpath = path[1:].split(b"/")


def _request(path: bytes, host: bytes) -> Any:
    return _Request(path, host)
