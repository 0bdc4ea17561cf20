"""``max_memory`` while bodies are under way: refused is whose body there is no room for, and nothing stays refused."""

from __future__ import annotations

from typing import Any

from aigw.http.reader import RequestReader
from aigw.testing import Act, answers, anthropic
from aigw.testing.said import Said
from tests.dist.raw import RawClient, connect, post
from tests.wire.stage import Answered, StageTestCase

CONFIG = """
[backends.one]
provider = "openai"
url = "one_URL"
[backends.claude]
provider = "anthropic"
url = "claude_URL"
[models.gpt]
targets = [{ backend = "one" }]
[models.claude]
targets = [{ backend = "claude" }]
[routes.all]
paths = ["/v1"]
auth = "none"
"""
LONG = 1_000_000
PATH = "/v1/chat/completions"


def asking(model: str, size: int = LONG, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "x" * size}], "max_tokens": 9, **more}


class MaxMemoryTests(StageTestCase):
    """A limit of the process's memory."""

    def setUp(self) -> None:
        super().setUp()
        for name in ("one", "claude"):
            self.upstream(name)
        self.upstreams["claude"].standing = anthropic.answer(Said("Hello."))
        self.serve(CONFIG)
        self.memory = self.factory.memory

    def leave_room_for(self, size: int) -> None:
        """As if so many bytes were left."""
        self.memory.most = self.memory.resident + size

    async def served(self) -> None:
        """The next call, small, is answered; nothing is left."""
        await self.assert_nothing_left()
        answered = await self.ask(asking("gpt", 10))
        self.assertEqual(answered.status, 200, answered)

    def assert_refused(self, answered: Answered) -> None:
        self.assertEqual((answered.status, answered.json()["error"]["code"]), (503, "short_of_memory"), answered)
        self.assertIn("retry-after", answered.headers)

    async def refused(self, client: RawClient) -> None:
        await client.until(b"short_of_memory")
        self.assertTrue(bytes(client.received).startswith(b"HTTP/1.1 503 "))
        client.leave()

    async def test_a_body_that_is_announced(self) -> None:
        """Refused before it is read."""
        self.leave_room_for(LONG // 2)
        client = await connect(self.port)
        client.send(post(PATH, asking("gpt"))[:200])
        await self.refused(client)
        await self.served()

    async def test_a_body_in_chunks(self) -> None:
        """Refused when it has become too much, whatever of it has come."""
        self.leave_room_for(LONG // 2)
        client = await connect(self.port)
        client.send(f"POST {PATH} HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        client.send(b"%x\r\n%s\r\n" % (LONG, b"x" * LONG))
        await self.refused(client)
        await self.served()

    async def test_many_bodies_at_once(self) -> None:
        """Each fits, all do not: some are read, none of the others more than it may; and then there is room again."""
        self.leave_room_for(5 * LONG)
        self.upstreams["one"].standing = answers.raw(Act.HANG)
        clients = [await connect(self.port) for _ in range(8)]
        request = post(PATH, asking("gpt"))
        for client in clients:
            client.send(request)
        asked = self.upstreams["one"].requests
        await self.until(lambda: len(asked) + sum(b"short_of_memory" in each.received for each in clients) == 8)
        self.assertIn(len(asked), (1, 2))
        self.assertLessEqual(2 * self.memory.held, 5 * LONG)
        self.assert_refused(await self.ask(asking("gpt", 2 * LONG)))
        for client in clients:
            client.leave()
        self.upstreams["one"].standing = answers.openai()
        await self.served()

    async def test_a_body_that_says_much(self) -> None:
        """Parsed it would be thirty times as much: that is looked at before, not found out."""
        self.leave_room_for(10 * LONG)
        answered = await self.ask(asking("gpt", 10, metadata=[{"": 0}] * (LONG // 7)))
        self.assert_refused(answered)
        await self.served()

    async def test_an_answer_that_is_translated(self) -> None:
        """While it comes, and before it is parsed."""
        self.leave_room_for(LONG)
        self.upstreams["claude"].standing = anthropic.answer(Said("x" * LONG))
        self.assert_refused(await self.ask(asking("claude", 10)))
        await self.served()
        self.leave_room_for(5 * LONG)
        answer: dict[str, Any] = {"type": "message", "content": [], "x": [{"": 0}] * (LONG // 7)}
        self.upstreams["claude"].standing = answers.reply(answer)
        self.assert_refused(await self.ask(asking("claude", 10)))
        await self.served()

    async def test_without_a_limit_nothing_is_refused(self) -> None:
        self.assertIsNone(self.memory.most)
        self.assertEqual((await self.ask(asking("gpt"))).status, 200)
        await self.assert_nothing_left()

    async def test_what_is_read_is_what_is_counted(self) -> None:
        """Not what is announced: nobody takes others' room by a number in a header."""
        client = await connect(self.port)
        client.send(post(PATH, asking("gpt"))[: LONG // 2])

        def read() -> int:
            readers: list[RequestReader] = [channel._reader for channel in self.factory.channels]
            return sum(len(reader._body) for reader in readers)

        await self.until(lambda: read() > LONG // 3)
        self.assertEqual(self.memory.held, read())
        client.leave()
        await self.served()
