"""What wildcards take, by the lists of their backends: asked for once for all who wait, bounded in time and size."""

from __future__ import annotations

from typing import Any

import orjson
from twisted.internet.task import Clock
from twisted.trial import unittest

from aigw.errors import GatewayError, Overloaded
from aigw.http.deadlines import Deadlines
from aigw.http.failures import CallFailure
from aigw.routing.names import CatalogueMatcher
from aigw.upstream.upstream import Payload
from aigw.web.upstream_lists import UpstreamList, WildcardRequest, Wildcards
from tests.unit.proxy.fakes import FakeUpstream

LIST = orjson.dumps({"object": "list", "data": [{"id": "gpt-4o"}, {"id": "gpt-4o"}, {"id": "whisper-1"}, {"id": 5}]})


class FakeRequest:
    gone: Any = None
    cut: Any = None


class UpstreamListTests(unittest.SynchronousTestCase):
    """UpstreamList"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.upstream, self.list = self.make()
        self.done = 0

    def make(self, lists: str = "openai") -> tuple[FakeUpstream, UpstreamList]:
        upstream = FakeUpstream()
        payload = Payload(b"GET /v1/models", False, b"", "models", None)
        return upstream, UpstreamList("b", "openai", lists, upstream, payload, self.deadlines)

    def fetch(self) -> None:
        def done() -> None:
            self.done += 1

        self.list.fetch(done)

    def answer(self, body: bytes = LIST, status: int = 200) -> None:
        sink = self.upstream.sink
        sink.on_sent()
        sink.on_head(status, [])
        sink.on_data(body[:10])
        sink.on_data(body[10:])
        sink.on_end(True)

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.1)):
            self.clock.advance(0.1)

    def asked(self) -> int:
        return len(self.upstream.payloads)

    def test_one_question_for_all_who_wait(self) -> None:
        """And none for a minute."""
        self.fetch()
        self.fetch()
        self.assertEqual((self.asked(), self.done), (1, 0))
        self.answer()
        self.assertEqual((self.list.names, self.done), (("gpt-4o", "whisper-1"), 2))
        self.pass_time(59)
        self.fetch()
        self.assertEqual((self.asked(), self.done), (1, 3))
        self.pass_time(2)
        self.fetch()
        self.assertEqual((self.asked(), self.done), (2, 3))

    def test_no_list(self) -> None:
        """Leaves what was known; the backend is left alone for a while."""
        self.fetch()
        self.answer()
        for trouble in (
            lambda: self.answer(b'{"error":"x"}', 500),
            lambda: self.answer(LIST, 401),
            lambda: self.answer(b"<html>"),
            lambda: self.upstream.sink.on_failure(CallFailure("reset", "gone", began=False)),
            lambda: self.pass_time(5.2),
            lambda: self.upstream.sink.on_data(b"x" * (4 << 20) + b"x"),
        ):
            self.pass_time(61)
            asked, done = self.asked(), self.done
            self.fetch()
            self.assertEqual((self.asked(), self.done), (asked + 1, done))
            trouble()
            self.assertEqual((self.list.names, self.done), (("gpt-4o", "whisper-1"), done + 1))
            self.fetch()
            self.assertEqual((self.asked(), self.done), (asked + 1, done + 2))

    def test_odd_lists(self) -> None:
        """Are as much of a list as they are."""
        for body, names in (
            (b"{}", ()),
            (b"[]", ()),
            (b"5", ()),
            (orjson.dumps({"data": [{"id": "x" * 257}, {"id": "a"}]}), ("a",)),
            (orjson.dumps({"data": [{"id": str(number)} for number in range(9000)]}), tuple(map(str, range(5000)))),
        ):
            self.upstream, self.list = self.make()
            self.fetch()
            self.answer(body)
            self.assertEqual(self.list.names, names)

    def test_another_shape(self) -> None:
        self.upstream, self.list = self.make("gemini")
        self.fetch()
        self.answer(orjson.dumps({"models": [{"name": "models/gemini-2.5-flash"}]}))
        self.assertEqual(self.list.names, ("gemini-2.5-flash",))

    def test_the_end_of_a_configuration(self) -> None:
        """Lets nobody wait for ever."""
        self.fetch()
        self.list.stop()
        self.assertEqual(self.done, 1)
        self.assertTrue(self.upstream.call.cancelled)
        self.pass_time(10)
        self.assertEqual(self.done, 1)


class WildcardTests(unittest.SynchronousTestCase):
    """Wildcards, WildcardRequest"""

    def setUp(self) -> None:
        self.deadlines = Deadlines(Clock())
        self.lists: list[Any] = []
        for owner, names in (("openai", ("gpt-4o", "gpt-5", "o3")), ("azure", ("gpt-4o", "claude-x"))):
            made = UpstreamList(
                owner, owner, "openai", FakeUpstream(), Payload(b"", False, b"", "", None), self.deadlines
            )
            made.names = names
            self.lists.append(made)
        one, two = self.lists
        matcher = CatalogueMatcher(["gpt-*", "gpt-5", "*"])
        self.wildcards = Wildcards({"gpt-*": (one, two), "*": (two,)}, matcher.match)

    def test_names(self) -> None:
        """Those that chat would take by that wildcard: not one of an entry of its own, nor of a closer wildcard."""
        names = list(self.wildcards.names())
        self.assertEqual(names, [("gpt-4o", "openai"), ("gpt-4o", "azure"), ("claude-x", "azure")])
        self.assertEqual(self.wildcards.lists(), self.lists)

    def waiting(self) -> tuple[Any, list[str]]:
        request, happened = FakeRequest(), list[str]()
        asked = WildcardRequest(
            self.wildcards, request, lambda: happened.append("done"), lambda: happened.append("left")
        )

        def cut(error: GatewayError) -> None:
            happened.append(error.code)

        asked.start(cut)
        return request, happened

    def end(self, index: int) -> None:
        sink = self.lists[index]._upstream.sink
        sink.on_head(200, [])
        sink.on_data(LIST)
        sink.on_end(True)

    def test_all_that_come(self) -> None:
        request, happened = self.waiting()
        self.end(1)
        self.assertEqual(happened, [])
        self.end(0)
        self.assertEqual(happened, ["done"])
        self.assertEqual((request.gone, request.cut), (None, None))
        _, happened = self.waiting()
        self.assertEqual(happened, ["done"], "what is known is told at once")

    def test_who_leaves(self) -> None:
        """Is told nothing more; the answer is there for the next."""
        request, happened = self.waiting()
        request.gone()
        self.end(0)
        self.end(1)
        self.assertEqual(happened, ["left"])
        self.assertEqual(self.waiting()[1], ["done"])

    def test_the_gateway_goes_down(self) -> None:
        request, happened = self.waiting()
        request.cut(Overloaded("draining"))
        self.end(0)
        self.end(1)
        self.assertEqual(happened, ["overloaded"])
