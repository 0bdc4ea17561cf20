"""One that floods the gateway keeps nobody else out: ``max_in_flight`` and the queues of backends."""

from __future__ import annotations

from aigw.testing import Act, answers
from tests.dist.raw import RawClient, connect, post
from tests.wire.stage import StageTestCase

CONFIG = """
[server]
max_in_flight = 8
[backends.one]
provider = "openai"
url = "one_URL"
BACKEND
[routes.all]
paths = ["/v1"]
backend = "one"
[routes.open]
paths = ["/open"]
backend = "one"
auth = "none"
[routes.body]
paths = ["/body"]
backend = "one"
auth = "body"
[auth.body]
type = "key"
key_in_body = true
[consumers.flood]
keys = ["flood-key"]
[consumers.quiet]
keys = ["quiet-key"]
"""
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class FairnessTests(StageTestCase):
    """A provider that never answers, so that all that is let in stays."""

    def begin(self, backend: str = "") -> None:
        self.upstream("one").standing = answers.raw(Act.HANG)
        self.serve(CONFIG.replace("BACKEND", backend))

    async def flood(self, count: int, path: str = "/v1/chat/completions") -> list[RawClient]:
        """So many calls of one consumer, all under way, or refused."""
        before = len(self.ledger.closed) + self.ledger.in_flight
        clients = [await self.send(CHAT, path, key="flood-key") for _ in range(count)]
        await self.until(lambda: len(self.ledger.closed) + self.ledger.in_flight == before + count)
        return clients

    async def status(self, key: str, path: str = "/v1/chat/completions") -> int:
        """What another call is answered; 0 where it is let in, and goes on."""
        before = self.ledger.in_flight, len(self.ledger.closed)
        client = await self.send(CHAT, path, key=key)
        await self.until(lambda: (self.ledger.in_flight, len(self.ledger.closed)) != before)
        if self.ledger.in_flight == before[0]:
            return int((await client.until(b"\r\n\r\n"))[9:12])
        return 0

    async def test_the_flood_is_refused_and_others_are_not(self) -> None:
        self.begin()
        await self.flood(30)
        self.assertEqual(self.ledger.in_flight, 8)
        self.assertEqual({account.error for account in self.ledger.closed}, {"overloaded"})
        self.assertEqual(await self.status("flood-key"), 503)
        self.assertEqual(await self.status("quiet-key"), 0)
        self.assertEqual(await self.status("quiet-key"), 0)
        self.assertEqual(await self.status("quiet-key"), 503, "the reserve has an end")
        self.assertEqual(self.ledger.flights, {"flood": 8, "quiet": 2})

    async def test_nobodys_calls_count_by_address(self) -> None:
        """They do not push consumers out, nor are they pushed out."""
        self.begin()
        clients = await self.flood(30, "/open/v1/chat/completions")
        self.assertEqual(len(self.ledger.flights), 1)
        self.assertEqual(await self.status("quiet-key"), 0)
        self.assertEqual(await self.status("", "/open/v1/chat/completions"), 503)
        for client in clients:
            client.leave()
        await self.until(lambda: self.ledger.in_flight == 1)
        await self.flood(8)
        self.assertEqual(await self.status("", "/open/v1/chat/completions"), 0)

    async def test_a_key_in_the_body_is_looked_at_when_it_is_there(self) -> None:
        self.begin()
        await self.flood(8)
        client = await connect(self.port)
        request = post("/body/v1/chat/completions", {**CHAT, "apikey": "quiet-key"})
        client.send(request.replace(b"apikey: consumer-key\r\n", b""))
        await self.until(lambda: "quiet" in self.ledger.flights)

    async def test_nothing_is_left(self) -> None:
        """When all calls have ended nobody has any in flight."""
        self.begin()
        clients = [*await self.flood(20), *await self.flood(20, "/open/v1/chat/completions")]
        for client in clients:
            client.leave()
        await self.until(lambda: not self.ledger.in_flight)
        self.assertEqual(self.ledger.flights, {})

    async def test_a_full_queue_has_room_for_others(self) -> None:
        self.begin('max_in_flight = 1\nqueue = { size = 4, timeout = "60s" }\n')
        clients = await self.flood(5)
        self.assertEqual((self.ledger.in_flight, len(self.ledger.closed)), (5, 0))
        await self.send(CHAT, key="quiet-key")
        await self.until(lambda: len(self.ledger.closed) == 1)
        (account,) = self.ledger.closed
        assert account.consumer is not None
        self.assertEqual((account.consumer.name, account.error), ("flood", "backend_busy"))
        self.assertEqual(self.ledger.flights, {"flood": 4, "quiet": 1})
        self.assertIn(b"503", await clients[4].until(b"\r\n\r\n"))
