"""What a call takes of memory, in bytes for each byte of its body: the figures of docs/operations.md, "Capacity".

Counted are the allocations of the gateway's own modules (tracemalloc), in a process that is client and provider, too.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import orjson
from twisted.trial import unittest

from aigw.llm.body import Adjustments, parse, serialise
from aigw.llm.operations import CHAT
from aigw.llm.pairing import pairing
from aigw.llm.providers import PROVIDERS
from aigw.llm.translation import Translating
from aigw.testing import Act, answers
from tests.dist.raw import RawClient
from tests.wire.stage import StageTestCase

CONFIG = """
[backends.one]
provider = "openai"
url = "one_URL"
timeouts = { first_byte = "60s" }
[backends.claude]
provider = "anthropic"
url = "claude_URL"
timeouts = { first_byte = "60s" }
[models.once]
targets = [{ backend = "one" }]
retry = { attempts = 1 }
[models.twice]
targets = [{ backend = "one" }]
[models.translated-once]
targets = [{ backend = "claude" }]
retry = { attempts = 1 }
[models.translated-twice]
targets = [{ backend = "claude" }]
[routes.all]
paths = ["/v1"]
auth = "none"
"""
SIZE = 2_000_000
OURS = (tracemalloc.Filter(True, "*/aigw/*"), tracemalloc.Filter(False, "*/aigw/testing/*"))


def text(model: str) -> dict[str, Any]:
    """All of it one text."""
    return {"model": model, "messages": [{"role": "user", "content": "x" * SIZE}], "max_tokens": 9}


def objects(model: str) -> dict[str, Any]:
    """The most that JSON can say in so many bytes."""
    return {**text(model), "messages": [{"role": "user", "content": "x"}], "metadata": {"z": [{"": 0}] * (SIZE // 7)}}


def ours() -> int:
    """Bytes that the gateway's own modules have allocated."""
    taken = tracemalloc.take_snapshot().filter_traces(OURS)
    return sum(trace.size for trace in taken.traces)


class FootprintTests(StageTestCase):
    """Calls whose provider thinks."""

    def setUp(self) -> None:
        super().setUp()
        for name in ("one", "claude"):
            self.upstream(name)
        self.serve(CONFIG)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)

    async def waiting(self, fields: dict[str, Any]) -> float:
        """Bytes for each byte of a body while its provider thinks."""
        name = "claude" if fields["model"].startswith("translated") else "one"
        upstream = self.upstreams[name]
        upstream.requests.clear()
        upstream.standing = answers.raw(Act.HANG)
        before = ours()
        client: RawClient = await self.send(fields)
        await self.until(lambda: upstream.requests)
        factor = (ours() - before) / SIZE
        client.leave()
        await self.assert_nothing_left()
        return factor

    async def test_a_call_that_is_asked_once(self) -> None:
        """Nothing is kept once it is sent; only what might have to be sent again on another connection is."""
        for model in ("once", "translated-once"):
            for fields in (text(model), objects(model)):
                self.assertLess(await self.waiting(fields), 1.1, model)

    async def test_a_call_that_may_be_repeated(self) -> None:
        """The client's bytes."""
        for model in ("twice", "translated-twice"):
            for fields in (text(model), objects(model)):
                self.assertLess(await self.waiting(fields), 2.1, model)


class PeakTests(unittest.TestCase):
    """At its most: while a body is parsed and translated. That is one body at a time.

    Twelve of it is what orjson asks for before it has seen how much the body says; of a text it touches nothing of that.
    """

    def setUp(self) -> None:
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)

    def peak(self, body: bytes, act: Callable[[bytes], object]) -> float:
        """Bytes for each byte of ``body``, beside it."""
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        act(body)
        _, peak = tracemalloc.get_traced_memory()
        return (peak - before) / len(body)

    def test_requests(self) -> None:
        def act(body: bytes) -> None:
            translation = translated(parse(body, CHAT))
            serialise(translation.request.body)

        self.assertLess(self.peak(orjson.dumps(text("m")), act), 12 + 2)
        self.assertLess(self.peak(orjson.dumps(objects("m")), act), 12 + 50)

    def test_answers(self) -> None:
        def act(body: bytes) -> None:
            translated(text("m") | {"messages": [{"role": "user", "content": "x"}]}).whole(body, "r")

        told = {"type": "message", "content": [{"type": "text", "text": "x" * SIZE}]}
        self.assertLess(self.peak(orjson.dumps(told), act), 12 + 4)
        self.assertLess(self.peak(orjson.dumps({**told, "content": [], "x": [{"": 0}] * (SIZE // 7)}), act), 12 + 50)


def translated(fields: dict[str, Any]) -> Translating:
    pair = pairing(CHAT, PROVIDERS["anthropic"], Adjustments(defaults={}, overrides={}), drop_unsupported=True)
    assert pair is not None
    return pair.translate(fields, "a1", 0.0)
