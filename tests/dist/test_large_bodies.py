"""Large bodies are read, judged and translated beside the event loop: others are served meanwhile."""

from __future__ import annotations

from typing import Any

import orjson
from twisted.internet import reactor
from twisted.internet.task import deferLater

from aigw.testing import ScriptedUpstream, answers
from tests.dist.daemon import DaemonTestCase
from tests.dist.raw import RawClient, connect

CONFIG = """
[backends.openai]
provider = "openai"
url = "{url}/v1"
auth = {{ inline = "sk-provider" }}
overrides = {{ temperature = 0.5 }}

[backends.claude]
provider = "anthropic"
url = "{url}"
auth = {{ inline = "sk-provider" }}

[backends.gone]
provider = "anthropic"
url = "http://127.0.0.1:1"
auth = {{ inline = "sk-provider" }}

[backends.echo]
provider = "echo"

[models.moved]
targets = [{{ backend = "gone" }}, {{ backend = "claude", priority = 1 }}]
retry = {{ attempts = 2, backoff = 0 }}

[routes.same]
paths = ["/same"]
backend = "openai"
[routes.translated]
paths = ["/translated"]
backend = "claude"
[routes.moved]
paths = ["/moved"]
model = "moved"
[routes.echo]
paths = ["/echo"]
backend = "echo"

[consumers.tester]
keys = ["tester-key"]
models = ["*"]
"""

MESSAGES = 40_001
CHAT = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
SMALL = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'
CLAUDE = orjson.dumps(
    {
        "id": "m", "type": "message", "role": "assistant", "model": "c", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "hi"}], "usage": {"input_tokens": 1, "output_tokens": 1},
    }
)  # fmt: skip


def post(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path}/v1/chat/completions HTTP/1.1\r\nHost: x\r\napikey: tester-key\r\nContent-Length: {len(body)}\r\n"
    )
    return head.encode() + b"Content-Type: application/json\r\n\r\n" + body


def large(count: int = MESSAGES, last: str = "the last one") -> bytes:
    """So many messages."""
    messages = [
        {"role": ("user", "assistant")[at % 2], "content": f"message {at}, which is not long"} for at in range(count)
    ]
    messages[-1] = {"role": "user", "content": last}
    return orjson.dumps({"model": "m", "max_tokens": 5, "messages": messages})


class Others:
    """Somebody else's small calls, one after the other on one connection, counted."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.answered = 0
        self.ended = False

    async def run(self) -> None:
        while not self.ended:
            self.client.received.clear()
            self.client.send(post("/echo", SMALL))
            await self.client.until(b'"finish_reason"')
            self.answered += 1


class LargeBodyTests(DaemonTestCase):
    """One process, so that whoever holds up its event loop holds up everybody."""

    timeout = 300

    async def start(self) -> None:
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.standing = answers.reply(CLAUDE)
        self.upstream.listen()
        self.addCleanup(self.upstream.stop)
        self.daemon = await self.start_daemon(CONFIG.format(url=self.upstream.url))

    async def sent_but_for_one_byte(self, data: bytes) -> RawClient:
        """A client whose request lacks its last byte; the gateway has all others."""
        client = await connect(self.daemon.port)
        client.send(data[:-1])
        while client.transport.dataBuffer or client.transport._tempDataBuffer:
            await deferLater(reactor, 0.01, lambda: None)  # type: ignore[arg-type]
        return client

    async def others_meanwhile(self, client: RawClient, wanted: bytes) -> int:
        """How many small calls are answered from the last byte of a request until ``wanted`` comes."""
        others = Others(await connect(self.daemon.port))
        running: Any = self._start(others.run())
        client.send(b"}")
        await client.until(wanted)
        count, others.ended = others.answered, True
        await running
        return count

    def _start(self, coroutine: Any) -> Any:
        from twisted.internet.defer import Deferred

        return Deferred.fromCoroutine(coroutine)

    async def test_others_are_served_meanwhile(self) -> None:
        """Where the body is changed and where it is translated, and where a second target has to be asked."""
        await self.start()
        for path in ("/same", "/translated", "/moved"):
            client = await self.sent_but_for_one_byte(post(path, large()))
            count = await self.others_meanwhile(client, b"200 OK")
            self.assertGreaterEqual(count, 10, path)
            body = orjson.loads(self.upstream.requests[-1].body)
            self.assertIn("the last one", str(body["messages"][-1]), path)
            self.assertEqual(len(body["messages"]), MESSAGES, path)
            client.leave()

    async def test_a_large_answer(self) -> None:
        """Is translated beside the event loop as well, and is whole."""
        await self.start()
        blocks = [{"type": "text", "text": "word "}] * 60_000
        self.upstream.standing = answers.reply(orjson.dumps(orjson.loads(CLAUDE) | {"content": blocks}))
        client = await self.sent_but_for_one_byte(post("/translated", SMALL))
        count = await self.others_meanwhile(client, b'"finish_reason"')
        self.assertGreaterEqual(count, 10)
        self.assertEqual(bytes(client.received).count(b"word "), 60_000)

    async def test_refusals_are_the_same(self) -> None:
        """A body that is not what it should be is refused as a small one is, and the connection goes on."""
        await self.start()
        fine = large()
        for body, status, said in (
            (fine[:-1] + b',"model":"n"}', b"400", b"model comes twice"),
            (fine[:-3] + b"}}", b"400", b"not valid JSON"),
            (fine.replace(b'"messages"', b'"massages"', 1), b"400", b"messages is missing"),
            (b'{"model":"m","messages":[' + b"{}," * 1_000_001 + b"{}]}", b"400", b"objects and arrays"),
        ):
            client = await connect(self.daemon.port)
            client.send(post("/translated", body))
            received = await client.until(b"request_id")
            self.assertEqual(received.split(b" ", 2)[1], status)
            self.assertIn(said, received)
            client.received.clear()
            client.send(post("/echo", SMALL))
            await client.until(b'"finish_reason"')
            client.leave()

    async def test_a_client_that_leaves(self) -> None:
        """Has its call ended at once: nothing of it reaches the provider, and the next ones are served."""
        await self.start()
        client = await self.sent_but_for_one_byte(post("/translated", large()))
        client.send(b"}")
        client.leave()
        client = await connect(self.daemon.port)
        client.send(post("/translated", large(MESSAGES // 4, "another one")))
        await client.until(b"200 OK")
        self.assertEqual([b"another one" in request.body for request in self.upstream.requests], [True])
