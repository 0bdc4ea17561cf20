"""What clients and upstreams do on the wire, through the real daemon, to both of its ways (wire.md, part 6)."""

from __future__ import annotations

import base64
import gzip

import orjson
from twisted.internet import reactor

from aigw.testing import ReceivedRequest, ScriptedUpstream, answers, chat
from aigw.testing import anthropic as claude
from aigw.testing.openai import TEXT
from aigw.testing.said import HELLO
from tests.dist.daemon import DaemonTestCase
from tests.dist.raw import connect

CONFIG = """
[secrets]
provider = {{ env = "PROVIDER_KEY" }}

[backends.openai]
provider = "openai"
url = "{url}"
auth = {{ secret = "provider" }}

[backends.claude]
provider = "anthropic"
url = "{url}"
auth = {{ secret = "provider" }}

[routes.same]                     # passes as it is
paths = ["/same/v1"]
backend = "openai"

[routes.translated]
paths = ["/translated/v1"]
backend = "claude"

[consumers.tester]
keys = ["tester-key"]
"""

HEAD = "POST {path} HTTP/1.1\r\nHost: gateway\r\napikey: tester-key\r\nContent-Type: application/json\r\n"
ROUTES = ("same", "translated")
#: Of three bytes each four characters of base64.
PICTURE = base64.b64encode(bytes(range(250)) * 60_000)


def head(route: str, *fields: str) -> bytes:
    """The head of a chat call."""
    lines = "".join(f"{field}\r\n" for field in fields)
    return (HEAD.format(path=f"/{route}/v1/chat/completions") + lines + "\r\n").encode()


def asked(*parts: object) -> bytes:
    content = [{"type": "text", "text": "What is this?"}, *parts]
    return orjson.dumps(
        {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": content}]}
    )


class TrickyRequestTests(DaemonTestCase):
    """One daemon, a provider of the client's dialect and one of another."""

    async def start(self) -> None:
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.standing = lambda request: (claude if request.path.endswith(b"/messages") else chat).answer(
            HELLO
        )(request)
        self.upstream.listen()
        self.addCleanup(self.upstream.stop)
        self.daemon = await self.start_daemon(CONFIG.format(url=self.upstream.url), {"PROVIDER_KEY": "sk-provider"})

    async def said(self, *data: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to these bytes, on a connection of their own."""
        client = await connect(self.daemon.port)
        for each in data:
            client.send(each)
        received = await client.closed()
        return int(received.split(b" ", 2)[1]), received.partition(b"\r\n\r\n")[2]

    def last(self) -> ReceivedRequest:
        return self.upstream.requests[-1]

    async def test_codings_are_not_asked_for(self) -> None:
        """Case 42: the gateway reads what comes, so the client's wish stays here."""
        await self.start()
        body = asked()
        for route in ROUTES:
            fields = (f"Content-Length: {len(body)}", "Accept-Encoding: gzip, deflate, br, zstd", "Connection: close")
            status, answer = await self.said(head(route, *fields) + body)
            self.assertEqual((status, orjson.loads(answer)["choices"][0]["message"]["content"]), (200, TEXT))
            self.assertEqual(self.last().header_values(b"accept-encoding"), [b"identity"])

    async def test_a_coding_that_nobody_asked_for(self) -> None:
        """Case 42: passes where nothing is read, and is an honest error where it would have to be."""
        await self.start()
        packed = gzip.compress(orjson.dumps({"choices": []}))
        body = asked()
        for route, expected in (("same", 200), ("translated", 502)):
            self.upstream.script(answers.reply(packed, headers=[(b"content-encoding", b"gzip")]))
            status, answer = await self.said(head(route, f"Content-Length: {len(body)}", "Connection: close") + body)
            self.assertEqual(status, expected)
            self.assertEqual(answer == packed, route == "same")

    async def test_expectation_stays_here(self) -> None:
        """Case 45: curl's for large bodies is met here, and the upstream is not asked the same."""
        await self.start()
        body = asked()
        for route in ROUTES:
            client = await connect(self.daemon.port)
            client.send(head(route, f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: close"))
            await client.until(b"100 Continue\r\n\r\n")
            client.send(body)
            self.assertIn(b"HTTP/1.1 200 OK", await client.closed())
            self.assertIsNone(self.last().header(b"expect"))

    async def test_chunked_body_is_measured(self) -> None:
        """Case 46: as Node's fetch sends streams; the upstream gets a length, which Bedrock for one insists on."""
        await self.start()
        body = asked()
        pieces = [body[at : at + 50] for at in range(0, len(body), 50)]
        chunked = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        for route in ROUTES:
            status, _ = await self.said(head(route, "Transfer-Encoding: chunked", "Connection: close"), chunked)
            self.assertEqual(status, 200)
            request = self.last()
            self.assertEqual(request.header_values(b"content-length"), [b"%d" % len(request.body)])
            self.assertIsNone(request.header(b"transfer-encoding"))
            self.assertTrue(request.body == body or route == "translated")

    async def test_large_pictures(self) -> None:
        """Case 47: 20 MB of base64 are within the usual limit, on both ways; larger ones are told their limit."""
        await self.start()
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PICTURE.decode()}}
        body = asked(picture)
        for route in ROUTES:
            status, _ = await self.said(head(route, f"Content-Length: {len(body)}", "Connection: close"), body)
            self.assertEqual(status, 200)
            self.assertIn(PICTURE, self.last().body)
            status, answer = await self.said(head(route, f"Content-Length: {2 * len(body)}", "Connection: close"))
            self.assertEqual(status, 413)
            self.assertIn("max_request_body = 33554432", orjson.loads(answer)["message"])

    async def test_models_with_slashes_and_colons(self) -> None:
        """Case 64: in paths slashes stay as the client has escaped them; colons need no escape."""
        await self.start()
        self.upstream.standing = answers.reply({"id": "m"})
        for model in ("meta-llama%2FLlama-3", "ft:gpt-4o:org::id", "a%3Ab", "org/model"):
            client = await connect(self.daemon.port)
            line = f"GET /same/v1/models/{model} HTTP/1.1\r\nHost: h\r\napikey: tester-key\r\nConnection: close\r\n\r\n"
            client.send(line.encode())
            self.assertIn(b"HTTP/1.1 200 OK", await client.closed())
            self.assertEqual(self.last().target, f"/v1/models/{model.replace('%3A', ':')}".encode())
