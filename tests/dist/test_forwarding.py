"""What goes on and what stays here, through the running daemon: keys, headers, redirects, preflights, secrets in errors."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import orjson
from twisted.internet import reactor

from aigw.testing import ReceivedRequest, ScriptedUpstream, answers
from tests.dist.daemon import OURS, Daemon, DaemonTestCase
from tests.dist.raw import RawClient, chat, connect

PROVIDER_KEY = "sk-prov-Jd83hfKq0+/=xY7zWm"
SET_KEY = "set-header-Key/0123456789"
KEY = "consumer-key-0123456789"
CONFIG = """
[server]
access_log = "access.log"

[secrets]
provider = {{ env = "PROVIDER_KEY" }}

[backends.plain]
provider = "openai-compatible"
url = "{origin}/v1"
auth = {{ secret = "provider" }}
headers = {{ set = {{ x-second-token = "{set_key}" }} }}
[backends.named]
provider = "openai-compatible"
url = "{origin}"
auth = {{ secret = "provider", header = "X-Provider-Token", prefix = "Token " }}
[backends.through]
provider = "gemini"
url = "{origin}"
auth = {{ passthrough = true }}

[auth.pre]
run_on_preflight = false
[auth.other]
key_names = ["x-other-key", "authorization"]
key_in_query = true
key_in_body = true

[routes.plain]
paths = ["/plain"]
backend = "plain"
[routes.named]
paths = ["/named"]
backend = "named"
[routes.through]
paths = ["/through"]
backend = "through"
[routes.open]
paths = ["/open"]
backend = "plain"
auth = "none"
[routes.open-through]
paths = ["/open-through"]
backend = "through"
auth = "none"
[routes.pre]
paths = ["/pre"]
backend = "plain"
auth = "pre"

[consumers.one]
keys = ["{key}", "Token whole-of-it"]
[consumers.own]
keys = ["own-key-0123456789"]
[consumers.own.backends.named]
auth = {{ secret = "provider", header = "x-own-token" }}
"""

USER = base64.b64encode(f"user:{KEY}".encode()).decode()


class ForwardingTestCase(DaemonTestCase):
    """One daemon, one upstream that remembers."""

    async def serve(self) -> None:
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.listen()
        self.addCleanup(self.upstream.stop)
        self.origin = f"http://127.0.0.1:{self.upstream.port}"
        config = CONFIG.format(origin=self.origin, key=KEY, set_key=SET_KEY)
        self.daemon: Daemon = await self.start_daemon(config, {"PROVIDER_KEY": PROVIDER_KEY})

    async def send(
        self, method: str, path: str, *lines: str, body: bytes = b"", kind: str = "application/json"
    ) -> tuple[int, bytes, bytes]:
        """One request, byte for byte: status, head and body of its answer."""
        head = [f"{method} {path} HTTP/1.1", "Host: gateway", "Connection: close", *lines]
        if body:
            head += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        client: RawClient = await connect(self.daemon.port)
        client.send("\r\n".join([*head, "", ""]).encode() + body)
        received = await client.closed()
        answer, _, rest = received.partition(b"\r\n\r\n")
        return int(answer.split(b" ")[1]), answer.lower(), rest

    def last(self) -> ReceivedRequest:
        return self.upstream.requests[-1]

    def sent_up(self) -> bytes:
        """All of the upstream's last request."""
        request = self.last()
        return b"\n".join([request.target, *(b"%s: %s" % header for header in request.headers), request.body])


class KeyTests(ForwardingTestCase):
    """No key of a consumer goes up."""

    async def test_wherever_it_stands(self) -> None:
        """Headers of any name and scheme, the query, bodies that are read and that are not."""
        await self.serve()
        chat_body = orjson.dumps({**chat(), "api_key": KEY})
        form = b"a=1&token=" + KEY.encode()
        for path, lines, body, kind in (
            ("/plain/v1/files", ["apikey: " + KEY, "x-other-key: " + KEY, "X-Foo: " + KEY], b"", ""),
            ("/plain/v1/files", ["apikey: " + KEY, f"Authorization: Basic {USER}", f"X-Auth: Basic {USER}"], b"", ""),
            (f"/plain/v1/files?a=1&key={KEY}&x-other-key={KEY}", ["apikey: " + KEY], b"", ""),
            (f"/open/v1/files?a=1&apikey={KEY}&t=Bearer%20{KEY}", [f"X-Api-Token: Bearer {KEY}"], b"", ""),
            ("/open/chat/completions", [f"Authorization: {KEY}", f"Cookie: k={KEY}"], chat_body, "application/json"),
            ("/open/v1/anything", [], orjson.dumps({"key": KEY, "a": 1}), "application/json"),
            ("/open/v1/anything", [f"X-Request-Id: {KEY}"], form, "application/x-www-form-urlencoded"),
            ("/open-through/v1beta/files", [f"Authorization: Basic {USER}"], b"", ""),
            (f"/open-through/v1beta/files?key={KEY}", ["Authorization: Token whole-of-it"], b"", ""),
            ("/through/v1beta/files", ["apikey: " + KEY, f"Authorization: {KEY}", f"x-goog-api-key: {KEY}"], b"", ""),
        ):
            asked = len(self.upstream.requests)
            _, head, _ = await self.send("POST" if body else "GET", path, *lines, body=body, kind=kind)
            self.assertEqual(len(self.upstream.requests), asked + 1, (path, head))
            up = self.sent_up()
            for secret in (KEY, USER, "whole-of-it", quote(KEY)):
                self.assertNotIn(secret.encode(), up, (path, lines))
                self.assertNotIn(secret.encode().lower(), head)
            self.assertNotIn(b"token=", up)
        log = (self.daemon.config.parent / "access.log").read_text()
        self.assertNotIn(KEY, log)

    async def test_in_a_path(self) -> None:
        """Without it, it would be another path."""
        await self.serve()
        status, _, body = await self.send("GET", f"/open/v1/bot/{KEY}/x")
        self.assertEqual((status, orjson.loads(body)["error"]["code"]), (400, "bad_path"))
        self.assertNotIn(KEY.encode(), body)
        self.assertEqual(self.upstream.requests, [])
        self.daemon.signal("TERM")
        await self.daemon.end()
        log = (self.daemon.config.parent / "access.log").read_text()
        self.assertIn("/open/v1/bot/***/x", log)
        self.assertNotIn(KEY, log)

    async def test_a_providers_token_passes(self) -> None:
        """Beside the consumer's key, or on a route that asks for none; in the header, in Google's query."""
        await self.serve()
        await self.send("GET", "/through/v1beta/files", "apikey: " + KEY, "Authorization: Bearer ya29.theirs")
        self.assertEqual(self.last().header_values(b"authorization"), [b"Bearer ya29.theirs"])
        await self.send("GET", "/open-through/v1beta/files?key=AIza-theirs", "X-Goog-Api-Key: AIza-theirs")
        self.assertEqual(self.last().header_values(b"x-goog-api-key"), [b"AIza-theirs"])
        self.assertEqual(self.last().target, b"/v1beta/files?key=AIza-theirs")
        asked = len(self.upstream.requests)
        status, _, body = await self.send(
            "GET", "/open-through/x", "Authorization: Bearer a", "Authorization: Bearer b"
        )
        self.assertEqual((status, orjson.loads(body)["error"]["code"]), (400, "malformed_request"))
        self.assertEqual(len(self.upstream.requests), asked)

    async def test_two_in_one_header(self) -> None:
        """Of a consumer's keys that is for who looks for them to say; anything else comes once."""
        await self.serve()
        status, head, body = await self.send(
            "GET", "/plain/x", f"Authorization: Bearer {KEY}", "Authorization: Bearer b"
        )
        self.assertEqual((status, orjson.loads(body)["error"]["code"]), (401, "duplicate_api_key"))
        self.assertIn(b"www-authenticate: key", head)
        for name in ("Content-Type", "Content-Encoding", "Range", "User-Agent", "If-Range", "Idempotency-Key"):
            status, _, body = await self.send("GET", "/plain/x", "apikey: " + KEY, f"{name}: a", f"{name.upper()}: b")
            error = orjson.loads(body)["error"]
            self.assertEqual((status, error["code"]), (400, "malformed_request"))
            self.assertIn(f"{name} comes more than once", error["message"])
        self.assertEqual(self.upstream.requests, [])


class HeaderTests(ForwardingTestCase):
    """Of other headers, what steers others stays here."""

    async def test_there_is_one_of_the_credential_and_of_what_is_set(self) -> None:
        """Whatever its name is; the client's own copy, and the provider's usual header, stay here."""
        await self.serve()
        lines = ("x-provider-token: mine", "X_Provider_Token: mine", "x-own-token: mine", "Authorization: Bearer mine")
        await self.send("GET", "/named/v1/files", "apikey: " + KEY, *lines)
        self.assertEqual(self.last().header_values(b"x-provider-token"), [b"Token " + PROVIDER_KEY.encode()])
        self.assertEqual(self.last().header_values(b"x-own-token"), [b"mine"])
        self.assertEqual(self.last().header_values(b"authorization"), [])
        await self.send("GET", "/named/v1/files", "apikey: own-key-0123456789", *lines)
        self.assertEqual(self.last().header_values(b"x-own-token"), [PROVIDER_KEY.encode()])
        self.assertNotIn(b"X_Provider_Token", self.sent_up())
        await self.send("GET", "/plain/v1/files", "apikey: " + KEY, "X-Second-Token: mine", "x_second_token: mine")
        self.assertEqual(self.last().header_values(b"x-second-token"), [SET_KEY.encode()])
        self.assertNotIn(b"mine", self.sent_up())

    async def test_what_means_something_elsewhere(self) -> None:
        await self.serve()
        down = (
            "x-accel-redirect: /internal",
            "X-Sendfile: /etc/passwd",
            "Clear-Site-Data: *",
            "Refresh: 0",
            "Set-Cookie: a=b",
        )
        headers = [tuple(line.encode().split(b": ")) for line in (*down, "X-Accel-Buffering: yes", "X-Kept: 1")]
        self.upstream.script(answers.reply({"a": 1}, 200, headers))  # type: ignore[arg-type]
        up = (
            "X-HTTP-Method-Override: DELETE",
            "X-Original-URL: /a",
            "X-Goog-User-Project: p",
            "Transfer_Encoding: chunked",
        )
        _, head, _ = await self.send(
            "GET", "/plain/v1/files?$httpMethod=DELETE&a=1", "apikey: " + KEY, *up, "session_id: s"
        )
        for line in up:
            self.assertEqual(self.last().header_values(line.partition(":")[0].encode()), [], line)
        self.assertEqual((self.last().target, self.last().header(b"session_id")), (b"/v1/files?a=1", b"s"))
        for line in (*down, "x-accel-buffering: yes"):
            self.assertNotIn(line.partition(":")[0].lower().encode() + b":", head, line)
        self.assertIn(b"x-kept: 1", head)

    async def test_preflights_without_a_key(self) -> None:
        """Are answered here, body and all; a consumer's, and those of open routes, are calls like others."""
        await self.serve()
        status, head, _ = await self.send("OPTIONS", "/pre/v1/files", body=b'{"a": 1}')
        self.assertEqual((status, self.upstream.requests), (204, []))
        self.assertIn(b"allow: get, head, post, put, patch, delete, options", head)
        client = await connect(self.daemon.port)  # nobody waits for a body that nobody wants
        client.send(b"OPTIONS /pre/v1/files HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nx")
        await client.until(b"HTTP/1.1 204 ")
        client.leave()
        self.assertEqual((await self.send("OPTIONS", "/pre/chat/completions"))[0], 204)
        self.assertEqual((await self.send("OPTIONS", "/plain/v1/files"))[0], 401)
        self.assertEqual(self.upstream.requests, [])
        await self.send("OPTIONS", "/plain/v1/files", "apikey: " + KEY)
        await self.send("OPTIONS", "/open/v1/files")
        self.assertEqual([request.method for request in self.upstream.requests], [b"OPTIONS", b"OPTIONS"])


class RedirectTests(ForwardingTestCase):
    """Nobody is sent elsewhere with prompt and key."""

    async def redirected(self, address: str, path: str = "/plain/chat/completions") -> tuple[int, bytes, bytes]:
        self.upstream.script(answers.reply({}, 307, [(b"location", address.encode())]))
        return await self.send("POST", path, "apikey: " + KEY, body=orjson.dumps(chat()))

    async def test_to_another_origin(self) -> None:
        await self.serve()
        for address in ("https://evil.example/steal", "//evil.example/", f"{self.origin}0/", "/\\evil.example"):
            for path in ("/plain/chat/completions", "/plain/v1/anything"):
                status, head, body = await self.redirected(address, path)
                self.assertEqual((status, orjson.loads(body)["error"]["code"]), (502, "upstream_failed"), address)
                self.assertIn(b"backend plain redirects", body)
                self.assertNotIn(b"location", head)
                self.assertNotIn(b"evil", body)

    async def test_within_the_origin(self) -> None:
        """Through the gateway."""
        await self.serve()
        for address, told in (
            ("/v1/other?a=b", b"location: /v1/other?a=b"),
            (f"{self.origin}/v1/files/x?a=b", b"location: /plain/files/x?a=b"),
        ):
            status, head, _ = await self.redirected(address)
            self.assertEqual(status, 307)
            self.assertIn(told, head.split(b"\r\n"))


class SecretTests(ForwardingTestCase):
    """What the gateway knows and sends is told to no client."""

    def forms(self, secret: str) -> list[str]:
        encoded = base64.b64encode(b"api:" + secret.encode()).decode()
        return [secret, quote(secret, safe=""), secret.replace("/", "\\/"), encoded, quote(encoded, safe="")]

    async def test_in_an_error(self) -> None:
        """In each form, in the body and in headers; the credential and what is set beside it."""
        await self.serve()
        for secret in (PROVIDER_KEY, SET_KEY):
            for form in self.forms(secret):
                body = b'{"error": {"message": "bad key %s", "code": "%s"}}' % (form.encode(), form.encode())
                self.upstream.script(answers.reply(body, 401, [(b"x-echo", b"Bearer " + form.encode())]))
                status, head, told = await self.send("GET", "/plain/v1/files", "apikey: " + KEY)
                self.assertEqual(status, 401)
                self.assertNotIn(form.encode(), told)
                self.assertNotIn(form.lower().encode(), head)
                self.assertIn(b"***", told)

    async def test_in_a_reason_phrase(self) -> None:
        """The gateway's are the registered ones."""
        await self.serve()
        answer = b"HTTP/1.1 401 bad key %s\r\ncontent-length: 0\r\n\r\n" % PROVIDER_KEY.encode()
        self.upstream.script(answers.raw(answer))
        status, head, _ = await self.send("GET", "/plain/v1/files", "apikey: " + KEY)
        self.assertEqual(status, 401)
        self.assertTrue(head.startswith(b"http/1.1 401 unauthorized\r\n"))

    async def test_in_a_stream(self) -> None:
        """In an event in its middle, and in one that is its first."""
        await self.serve()
        chunk = b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
        for events in ([], [chunk]):
            for form in self.forms(PROVIDER_KEY):
                error = b'data: {"error": {"message": "bad key %s"}}\n\n' % form.encode()
                self.upstream.script(answers.stream([*events, error]))
                body = orjson.dumps(chat(stream=True))
                _, _, told = await self.send("POST", "/plain/chat/completions", "apikey: " + KEY, body=body)
                self.assertNotIn(form.encode(), told)
                self.assertIn(b"bad key", told)

    async def test_shown_and_checked(self) -> None:
        """By the commands."""
        await self.serve()
        for command in ("show", "check"):
            finished: Any = await self.run_program(
                [str(OURS / "aigw"), command, str(self.daemon.config)], {"PROVIDER_KEY": PROVIDER_KEY}
            )
            self.assertEqual(finished.status, 0)
            for secret in (SET_KEY, KEY, PROVIDER_KEY):
                self.assertNotIn(secret, finished.stdout + finished.stderr)
