"""The running daemon's memory: calls with bodies of 1 MiB, however they end, leave it as it was.

That nothing is left at all is :mod:`tests.wire.test_freed`'s to show, which looks at objects; here it is shown of the
daemon as it is installed, compiled or not: its resident memory would grow by the bodies.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable

import orjson
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from aigw.testing import ScriptedUpstream, anthropic
from aigw.testing.said import Said
from tests.dist.daemon import Daemon
from tests.dist.raw import post
from tests.dist.test_gateway import GatewayTestCase, memory

CONFIG = """
[server]
access_log = "{log}"
LIMIT
[backends.one]
provider = "openai"
url = "{url}"
[backends.claude]
provider = "anthropic"
url = "CLAUDE"
[models.gpt]
targets = [{{ backend = "one" }}]
[models.claude]
targets = [{{ backend = "claude" }}]
[routes.all]
paths = ["/v1"]
auth = "none"
"""
PATH = "/v1/chat/completions"
LONG = 1 << 20
#: Calls of a kind; the first few are not counted, since they make what is made once.
CALLS, FIRST = 60, 8
#: Bytes that they may leave, at most: half of their bodies.
MOST = CALLS * LONG // 2


def fields(model: str, **more: object) -> dict[str, object]:
    """A call with a long prompt."""
    return {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "x" * LONG}], **more}


class MemoryTests(GatewayTestCase):
    """Bodies of 1 MiB."""

    timeout = 240

    async def serve_both(self, limit: str = "") -> Daemon:
        self.claude = ScriptedUpstream(reactor)
        self.claude.standing = anthropic.answer(Said("Hello."))
        self.claude.listen()
        self.addCleanup(self.claude.stop)
        daemon, self.one = await self.serve(CONFIG.replace("CLAUDE", self.claude.url).replace("LIMIT", limit))
        return daemon

    def call(self, daemon: Daemon, body: bytes, calls: int) -> list[int]:
        """Calls over one connection; their statuses."""
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
        statuses = []
        for _ in range(calls):
            connection.request("POST", PATH, body, {"content-type": "application/json"})
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
            self.one.requests.clear()
            self.claude.requests.clear()
        connection.close()
        return statuses

    async def assert_left_as_it_was(self, daemon: Daemon, act: Callable[[int], object]) -> None:
        await deferToThread(act, FIRST)
        before = memory(daemon)
        await deferToThread(act, CALLS)
        await self.until(lambda: memory(daemon) - before < MOST)

    async def test_calls_that_are_answered_or_refused(self) -> None:
        """Passed on, streamed, translated, translated and streamed, refused."""
        daemon = await self.serve_both()
        for asked, status in (
            (fields("gpt"), 200),
            (fields("gpt", stream=True), 200),
            (fields("claude"), 200),
            (fields("claude", stream=True), 200),
            (fields("claude", logprobs=True), 400),
            (fields("nobody"), 404),
        ):
            body = orjson.dumps(asked)

            def act(calls: int, body: bytes = body, status: int = status) -> None:
                self.assertEqual(set(self.call(daemon, body, calls)), {status})

            await self.assert_left_as_it_was(daemon, act)

    async def test_clients_that_leave_within_their_bodies(self) -> None:
        daemon = await self.serve_both()
        request = post(PATH, fields("gpt"))[:-1]

        def act(calls: int) -> None:
            for _ in range(calls):
                with socket.create_connection(("127.0.0.1", daemon.port)) as client:
                    client.sendall(request)

        await self.assert_left_as_it_was(daemon, act)

    async def test_max_memory_refuses_nothing_for_what_is_past(self) -> None:
        """More bodies than there is memory for, one after the other."""
        daemon = await self.serve_both('max_memory = "160MiB"')
        statuses = await deferToThread(self.call, daemon, orjson.dumps(fields("gpt")), 250)
        self.assertEqual(set(statuses), {200})

    async def test_max_memory_lets_go(self) -> None:
        """One that says more than there is memory for is refused; the next one is served."""
        daemon = await self.serve_both('max_memory = "200MiB"')
        much = orjson.dumps(fields("claude"))[:-1] + b',"metadata":{"z":[' + b'{"":0},' * LONG + b"0]}}"
        small = orjson.dumps({"model": "gpt", "messages": [{"role": "user", "content": "Hi"}]})

        def act() -> list[list[int]]:
            statuses = [self.call(daemon, much, 1), self.call(daemon, small, 1)]
            deadline = time.monotonic() + 60
            while statuses[-1] != [200] and time.monotonic() < deadline:
                statuses[-1] = self.call(daemon, small, 1)
            return statuses

        self.assertEqual(await deferToThread(act), [[503], [200]])
