"""Events of many megabytes over real sockets: all of them arrive, and a slow reader holds the provider up."""

from __future__ import annotations

from collections.abc import Iterator

from aigw.testing import Act, answers
from tests.dist.raw import connect, post
from tests.wire.stage import TIMEOUTS, StageTestCase

CONFIG = f"""
[backends.one]
provider = "openai"
url = "one_URL"
timeouts = {TIMEOUTS}
[models.gpt]
targets = [{{ backend = "one" }}]
[routes.all]
paths = ["/v1"]
auth = "none"
"""
PIECE = 64 * 1024
PIECES = 640
BEGIN = b'data: {"choices":[{"index":0,"delta":{"images":["'
END = b'"]},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
ASKED = {"model": "gpt", "messages": [{"role": "user", "content": "x"}], "stream": True}


def picture() -> Iterator[bytes]:
    """One event of 40 MiB in many pieces, and the stream's end."""
    yield BEGIN
    for _ in range(PIECES):
        yield b"A" * PIECE
    yield END + DONE


class LargeEventTests(StageTestCase):
    """Where nothing is translated."""

    def setUp(self) -> None:
        super().setUp()
        self.upstream("one")
        self.serve(CONFIG)

    async def test_all_of_it_arrives(self) -> None:
        self.upstreams["one"].script(answers.stream(picture()))
        client = await connect(self.port)
        client.send(post("/v1/chat/completions", ASKED, connection="close"))
        await self.assert_all(await client.closed())

    async def assert_all(self, received: bytes) -> None:
        self.assertTrue(received.startswith(b"HTTP/1.1 200 "))
        self.assertTrue(received.endswith(DONE + b"\r\n0\r\n\r\n"), received[-200:])
        self.assertEqual(received.count(END), 1)
        self.assertEqual(received.partition(b"\r\n\r\n")[2].count(b"A"), PIECES * PIECE)
        await self.assert_nothing_left()

    async def test_a_client_that_leaves_within_it(self) -> None:
        """Takes the call along; nothing is left of either."""
        self.upstreams["one"].script(answers.stream(picture(), delay=0.001))
        client = await connect(self.port)
        client.send(post("/v1/chat/completions", ASKED))
        await client.until(b"AAAA")
        client.leave()
        await self.upstreams["one"].requests[0].client_gone()
        await self.assert_nothing_left()

    async def test_a_provider_that_breaks_off_within_it(self) -> None:
        """No event can say so, so the connection is closed without the final chunk."""
        pieces = [BEGIN, *[b"A" * PIECE] * 40]
        self.upstreams["one"].script(answers.stream(pieces, ending=Act.CLOSE))
        client = await connect(self.port)
        client.send(post("/v1/chat/completions", ASKED))
        received = await client.closed()
        self.assertEqual(received.partition(b"\r\n\r\n")[2].count(b"A"), 40 * PIECE)
        self.assertFalse(received.endswith(b"0\r\n\r\n"))
        self.assertNotIn(b'"error"', received)
        await self.assert_nothing_left()

    async def test_a_slow_reader_holds_the_provider_up(self) -> None:
        """In the middle of an event: no more is sent than the kernel's buffers take."""
        self.upstreams["one"].script(answers.stream(picture()))
        client = await connect(self.port)
        client.send(post("/v1/chat/completions", ASKED, connection="close"))
        await client.until(b"AAAA")
        client.transport.pauseProducing()
        sent = -1
        request = self.upstreams["one"].requests[0]
        while request.sent != sent:  # until nothing moves any more
            sent = request.sent
            for _ in range(20):
                await self.ask({**ASKED, "model": "none"})
        self.assertLess(sent, PIECES * PIECE // 2)
        client.transport.resumeProducing()
        await self.assert_all(await client.closed())
