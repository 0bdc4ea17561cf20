"""Requests and answers as the contract has them, through the running daemon: keys, routes, models, bodies, headers."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from typing import Any

import orjson
from twisted.internet import reactor
from twisted.internet.task import deferLater

from aigw.http.content_coding import zstd
from aigw.testing import Act, ReceivedRequest, ScriptedUpstream, answers
from tests.dist.daemon import Answer, Daemon, DaemonTestCase, fetch
from tests.dist.raw import chat, connect, post

PROVIDER_KEY = "sk-provider-secret-value"
CONFIG = """
[server]
access_log = "off"
max_request_body = "100KiB"

[secrets]
provider = {{ env = "PROVIDER_KEY" }}

[backends.plain]
provider = "openai"
url = "{url}"
auth = {{ secret = "provider" }}

[backends.tuned]
provider = "openai-compatible"
url = "{url}"
auth = {{ secret = "provider", header = "api-key", prefix = "" }}
model = "gpt-4"
defaults = {{ max_tokens = 512, temperature = 0.2 }}
overrides = {{ top_p = 0.5 }}
headers = {{ set = {{ x-team = "ml" }}, remove = ["x-foo"] }}

[backends.strict]
provider = "openai"
url = "{url}"
model = "gpt-4"
on_model_mismatch = "reject"

[backends.through]
provider = "openai"
url = "{url}"
auth = {{ passthrough = true }}

[backends.claude]
provider = "anthropic"
url = "{url}"

[models.smart]
targets = [{{ backend = "plain", model = "gpt-4o" }}]
[models."open-*"]
targets = [{{ backend = "plain" }}]
[models.hidden]
targets = [{{ backend = "plain", model = "gpt-4o" }}]

[auth.query]
key_in_query = true
key_names = ["k"]
bearer = false
realm = "aigw"
[auth.body]
key_in_body = true
key_names = ["token"]
[auth.guests]
anonymous = "guest"

[routes.catalogue]
paths = ["/v1"]
[routes.plain]
paths = ["/plain"]
backend = "plain"
[routes.claude]
paths = ["/claude"]
backend = "claude"
[routes.tuned]
paths = ["/tuned"]
backend = "tuned"
operation = "chat"
[routes.strict]
paths = ["/strict"]
backend = "strict"
operation = "chat"
[routes.through]
paths = ["/through"]
backend = "through"
operation = "chat"
[routes.full]
paths = ["/full"]
backend = "plain"
rewrite = {{ full_path = "/v1/chat/completions" }}
[routes.prefix]
paths = ["/prefix"]
backend = "plain"
rewrite = {{ prefix = "/other" }}
[routes.silent]
paths = ["/silent"]
backend = "plain"
operation = "chat"
streaming = "deny"
[routes.get]
paths = ["=/only-get"]
methods = ["GET"]
backend = "plain"
[routes.host]
paths = ["/plain"]
hosts = ["*.example.com"]
backend = "tuned"
operation = "chat"
[routes.query]
paths = ["/query"]
auth = "query"
backend = "plain"
[routes.body]
paths = ["/body"]
auth = "body"
backend = "plain"
operation = "chat"
[routes.guests]
paths = ["/guests"]
auth = "guests"
backend = "plain"
[routes.open]
paths = ["/open"]
auth = "none"
backend = "plain"

[consumers.one]
keys = ["consumer-key", {{ key = "old-key", expires = 2020-01-01T00:00:00Z }}]
[consumers.one.backends.tuned]
overrides = {{ max_completion_tokens = 1024 }}
[consumers.hashed]
keys = ["sha256:{digest}"]
[consumers.limited]
keys = ["limited-key"]
models = ["smart", "gpt-4*"]
routes = ["catalogue", "plain"]
max_in_flight = 1
[consumers.guest]
"""


class ContractTestCase(DaemonTestCase):
    """One daemon with a route for each case."""

    async def serve(self) -> None:
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.listen()
        self.addCleanup(self.upstream.stop)
        digest = hashlib.sha256(b"hashed-key").hexdigest()
        config = CONFIG.format(url=self.upstream.url, digest=digest)
        self.daemon: Daemon = await self.start_daemon(config, {"PROVIDER_KEY": PROVIDER_KEY})

    async def ask(self, path: str, body: Any = None, key: str | None = "consumer-key", **headers: str) -> Answer:
        """POST where there is a body, else GET."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["apikey"] = key
        data = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        answer: Answer = await fetch(self.daemon.url + path, data, sent)
        return answer

    def last(self) -> ReceivedRequest:
        return self.upstream.requests[-1]

    def assert_error(self, answer: Answer, status: int, message: str = "", **error: Any) -> dict[str, Any]:
        """An error of the gateway's own, in the shape that all clients read."""
        self.assertEqual(answer.status, status, answer.text)
        fields = orjson.loads(answer.body)
        self.assertIn(message, fields["message"])
        if "detail" in error:  # where Kong's clients look for a word of Kong's, and nobody else does
            self.assertIn(error.pop("detail"), fields["error"]["message"])
        else:
            self.assertEqual(fields["error"]["message"], fields["message"])
        self.assertEqual(fields["request_id"], answer.headers["x-request-id"])
        self.assertEqual(answer.headers["content-type"], "application/json")
        for name, value in error.items():
            self.assertEqual(fields["error"][name], value)
        return fields


class KeyTests(ContractTestCase):
    """Who comes in, by which key, found where."""

    async def test_places_and_refusals(self) -> None:
        await self.serve()
        for headers in (
            {"apikey": "consumer-key"},
            {"x-api-key": "consumer-key"},
            {"api-key": "hashed-key"},
            {"x-goog-api-key": "consumer-key"},
            {"authorization": "Bearer consumer-key"},
            {"authorization": "bearer consumer-key"},
        ):
            answer = await fetch(f"{self.daemon.url}/plain/v1/files", None, headers)
            self.assertNotEqual(answer.status, 401, headers)
            for name in ("apikey", "x-api-key", "api-key", "x-goog-api-key"):
                self.assertIsNone(self.last().header(name.encode()))
            self.assertEqual(self.last().header_values(b"authorization"), [b"Bearer " + PROVIDER_KEY.encode()])
        for headers, message, code in (
            ({}, "No API key found in request", "missing_api_key"),
            ({"apikey": ""}, "No API key found in request", "missing_api_key"),
            ({"apikey": "wrong"}, "Unauthorized", "invalid_api_key"),
            ({"apikey": "old-key"}, "Unauthorized", "invalid_api_key"),
            ({"apikey": "wrong", "authorization": "Bearer consumer-key"}, "Unauthorized", "invalid_api_key"),
        ):
            answer = await fetch(f"{self.daemon.url}/plain/v1/files", None, headers)
            detail = {"detail": "unknown or expired key"} if message == "Unauthorized" else {}
            self.assert_error(answer, 401, message, type="authentication_error", code=code, param=None, **detail)
            self.assertEqual(answer.headers["www-authenticate"], "Key")
        answer = await fetch(f"{self.daemon.url}/claude/v1/messages", {}, {})
        self.assertEqual(self.assert_error(answer, 401)["type"], "error")  # as Anthropic's clients have it
        client = await connect(self.daemon.port)
        client.send(b"GET /plain HTTP/1.1\r\nHost: h\r\napikey: a\r\napikey: b\r\nConnection: close\r\n\r\n")
        received = await client.closed()
        self.assertIn(b"Duplicate API key found", received)
        self.assertIn(b"401 Unauthorized", received)

    async def test_query_body_and_guests(self) -> None:
        await self.serve()
        answer = await self.ask("/query/v1/files?a=1&k=consumer-key&b=2", key=None)
        self.assertEqual(self.last().target, b"/v1/files?a=1&b=2")
        answer = await self.ask("/query/v1/files", key=None, authorization="Bearer consumer-key")
        self.assert_error(answer, 401)
        self.assertEqual(answer.headers["www-authenticate"], 'Key realm="aigw"')
        answer = await self.ask("/body", {**chat(), "token": "consumer-key"}, None, content_type="application/json")
        self.assertEqual(answer.status, 200)
        self.assertNotIn("token", self.last().json())
        self.assertEqual((await self.ask("/guests/v1/files", key=None)).status, 404)
        self.assertEqual((await self.ask("/guests/v1/files", key="wrong")).status, 404)
        self.assertEqual((await self.ask("/open/v1/files", key=None)).status, 404)
        # A key never goes on in a query, wherever it was looked for.
        await self.ask("/plain/v1/files?apikey=consumer-key&x=1")
        self.assertEqual(self.last().target, b"/v1/files?x=1")

    async def test_passthrough_has_two_credentials_in_one_request(self) -> None:
        await self.serve()
        await self.ask("/through", chat(), authorization="Bearer provider-token")
        self.assertEqual(self.last().header_values(b"authorization"), [b"Bearer provider-token"])
        self.assertIsNone(self.last().header(b"apikey"))
        await self.ask("/through", chat(), key=None, authorization="Bearer consumer-key")
        self.assertEqual(self.last().header_values(b"authorization"), [])

    async def test_limits_of_a_consumer(self) -> None:
        await self.serve()
        answer = await self.ask("/tuned", chat(), key="limited-key")
        self.assert_error(answer, 403, "route tuned", type="permission_error", code="route_forbidden")
        answer = await self.ask("/v1/chat/completions", {**chat(), "model": "hidden"}, key="limited-key")
        self.assert_error(answer, 403, "model hidden", param="model", code="model_forbidden")
        answer = await self.ask("/v1/chat/completions", {**chat(), "model": "smart"}, key="limited-key")
        self.assertEqual(answer.status, 200)
        # The same limit holds where the body is not read otherwise.
        answer = await self.ask(
            "/plain/v1/images", {"model": "dall-e-3"}, key="limited-key", content_type="application/json"
        )
        self.assert_error(answer, 403, "dall-e-3")
        self.upstream.script(answers.raw(Act.HANG))
        client = await connect(self.daemon.port)
        client.send(post("/v1/chat/completions", {**chat(), "model": "smart"}, "limited-key"))
        await self.upstream.request(len(self.upstream.requests) + 1)
        answer = await self.ask("/v1/models", key="limited-key")
        self.assert_error(answer, 429, "max_in_flight = 1", type="rate_limit_error")
        self.assertEqual(answer.headers["retry-after"], "1")
        client.leave()


class RouteTests(ContractTestCase):
    """Which route, which operation, which path upstream."""

    async def test_paths(self) -> None:
        await self.serve()
        for path, target in (
            ("/plain/v1/chat/completions?x=1", b"/v1/chat/completions?x=1"),
            ("/plain/anything/chat/completions", b"/v1/chat/completions"),
            ("/full", b"/v1/chat/completions"),
            ("/full?x=1", b"/v1/chat/completions?x=1"),
            ("/prefix/chat/completions", b"/other/chat/completions"),
            ("/tuned", b"/v1/chat/completions"),
        ):
            answer = await self.ask(path, chat())
            self.assertEqual(self.last().target, target, (path, answer.text))
        for path, target in (
            ("/plain/v1/files", b"/v1/files"),
            ("/plain/files/a%2fb?x=1", b"/v1/files/a%2Fb?x=1"),
            ("/plain//v1/./files", b"/v1/files"),
            ("/prefix/x", b"/other/x"),
        ):
            await self.ask(path)
            self.assertEqual(self.last().target, target)

    async def test_no_route_and_wrong_method(self) -> None:
        await self.serve()
        self.assert_error(await self.ask("/plainly"), 404, "no Route matched with those values")
        answer = await self.ask("/only-get", {})
        self.assert_error(answer, 405)
        self.assertEqual(answer.headers["allow"], "GET")
        for path in ("/tuned", "/v1/chat/completions", "/v1/responses", "/v1/rerank", "/plain/v1/responses"):
            answer = await self.ask(path)
            self.assert_error(answer, 405)
            self.assertEqual(answer.headers["allow"], "POST")
        answer = await self.ask("/chat/completions", chat())
        self.assert_error(answer, 404, "no Route matched with those values", detail="base URL")
        self.assertEqual(self.upstream.requests, [])

    async def test_host_decides(self) -> None:
        await self.serve()
        await self.ask("/plain", chat(), Host="api.example.com:8000")
        self.assertEqual(self.last().json()["model"], "gpt-4")

    async def test_catalogue(self) -> None:
        await self.serve()
        theirs = {"object": "list", "data": [{"id": "open-mistral"}, {"id": "gpt-4o"}]}
        self.upstream.script(answers.reply(theirs))
        listed = orjson.loads((await self.ask("/v1/models")).body)
        names = [entry["id"] for entry in listed["data"]]
        self.assertEqual(listed["object"], "list")
        self.assertIn("smart", names)
        self.assertNotIn("open-*", names)
        self.assertIn("open-mistral", names)  # which the backend behind open-* has
        self.assertNotIn("gpt-4o", names)
        filtered = orjson.loads((await self.ask("/v1/models", key="limited-key")).body)
        self.assertNotIn("hidden", [entry["id"] for entry in filtered["data"]])
        anthropic = orjson.loads((await self.ask("/v1/models", anthropic_version="2023-06-01")).body)
        self.assertEqual(anthropic["data"][0]["type"], "model")
        self.assertIs(anthropic["has_more"], False)
        for name in ("smart", "open-mistral", "open-a/b", "open-a%2Fb"):
            found = orjson.loads((await self.ask(f"/v1/models/{name}")).body)
            self.assertEqual((found["id"], found["object"]), (name.replace("%2F", "/"), "model"))
        self.assert_error(await self.ask("/v1/models/nothing"), 404, code="model_not_found")
        self.assert_error(await self.ask("/v1/models/hidden", key="limited-key"), 404, code="model_not_found")
        # Each worker has a list of its own, which it asks for once.
        self.assertEqual({request.target for request in self.upstream.requests}, {b"/v1/models"})
        self.assertLessEqual(len(self.upstream.requests), self.workers)

    async def test_a_limited_consumer_s_list_of_a_provider(self) -> None:
        """Is the provider's, without what the consumer may not use."""
        await self.serve()
        theirs = {"object": "list", "data": [{"id": "smart", "more": 1}, {"id": "dall-e-3"}]}
        self.upstream.script(answers.reply(theirs))
        listed = orjson.loads((await self.ask("/plain/v1/models", key="limited-key")).body)
        self.assertEqual(listed, {"object": "list", "data": [{"id": "smart", "more": 1}]})
        self.upstream.script(answers.reply(theirs))
        self.assertEqual(orjson.loads((await self.ask("/plain/v1/models")).body), theirs)
        self.upstream.script(answers.reply({"id": "smart"}))
        self.assertEqual((await self.ask("/plain/v1/models/smart", key="limited-key")).status, 200)
        asked = len(self.upstream.requests)
        answer = await self.ask("/plain/v1/models/dall-e-3", key="limited-key")
        self.assert_error(answer, 404, code="model_not_found")
        self.assertEqual(len(self.upstream.requests), asked)

    async def test_model_picks_the_backend(self) -> None:
        await self.serve()
        await self.ask("/v1/chat/completions", {**chat(), "model": "smart"})
        self.assertEqual(self.last().json()["model"], "gpt-4o")
        await self.ask("/v1/chat/completions", {**chat(), "model": "open-mistral"})
        self.assertEqual(self.last().json()["model"], "open-mistral")
        answer = await self.ask("/v1/chat/completions", {**chat(), "model": "nothing"})
        self.assert_error(answer, 404, "nothing", param="model", code="model_not_found", type="invalid_request_error")
        answer = await self.ask("/v1/messages", {**chat(), "model": "nothing", "max_tokens": 5})
        self.assert_error(answer, 404, "nothing", param="model", code="model_not_found", type="not_found_error")
        answer = await self.ask("/v1/chat/completions", {"messages": []})
        self.assert_error(answer, 400, "model parameter not found", param="model")

    async def test_what_a_provider_has_nothing_like(self) -> None:
        """Embeddings at Anthropic: refused here, nothing is sent to a provider that would not understand it."""
        await self.serve()
        answer = await self.ask("/claude/v1/embeddings", {"model": "m", "input": "hi"})
        self.assert_error(answer, 400, "embeddings", code="operation_not_supported")
        self.assertEqual(self.upstream.requests, [])

    async def test_errors_for_anthropics_clients(self) -> None:
        """Have Anthropic's shape and its name for the request's id."""
        await self.serve()
        answer = await self.ask("/plain/v1/messages", {"model": "m", "messages": [{"role": "king"}]})
        fields = self.assert_error(answer, 400, "messages[0].role")
        self.assertEqual(fields["type"], "error")
        self.assertEqual(answer.headers["request-id"], answer.headers["x-request-id"])


class BodyTests(ContractTestCase):
    """What reaches the provider of what was sent."""

    async def test_unchanged_body_is_byte_for_byte(self) -> None:
        await self.serve()
        body = b'{ "model":"gpt-4o" ,\n "messages": [ {"role":"user","content":"\\u00e9 1e2"} ], "seed": 1.0 }'
        await self.ask("/plain/chat/completions", body)
        self.assertEqual(self.last().body, body)

    async def test_bodies_in_a_coding(self) -> None:
        """Go up as they were judged, on every operation, and with a key that is found in them."""
        await self.serve()
        plain = orjson.dumps(chat())
        for coding, coded in (
            ("gzip", gzip.compress(plain)),
            ("x-gzip", gzip.compress(plain)),
            ("deflate", zlib.compress(plain)),
            ("zstd", zstd.compress(plain)),
            ("gzip, zstd", zstd.compress(gzip.compress(plain))),
            ("identity", plain),
        ):
            for path in ("/plain/v1/chat/completions", "/plain/v1/files"):
                answer = await self.ask(path, coded, content_encoding=coding, content_type="application/json")
                self.assertNotIn(answer.status, (400, 415), answer.text)
                self.assertEqual(self.last().body, plain, (coding, path))
                self.assertIsNone(self.last().header(b"content-encoding"))
                self.assertEqual(self.last().header(b"content-length"), b"%d" % len(plain))
        # Much comes of it, so that a thread decodes it.
        long = orjson.dumps({**chat(), "user": "x" * 90_000})
        await self.ask("/plain/v1/chat/completions", gzip.compress(long), content_encoding="gzip")
        self.assertEqual(self.last().body, long)
        keyed = gzip.compress(orjson.dumps({**chat(), "token": "consumer-key"}))
        await self.ask("/body", keyed, None, content_type="application/json", content_encoding="gzip")
        self.assertEqual(self.last().json()["model"], "gpt-4o")
        self.assertNotIn("token", self.last().json())

    async def test_bodies_that_cannot_be_decoded(self) -> None:
        """Are refused, each for its reason; a bomb before it goes off; a strange coding before its body is there."""
        await self.serve()
        plain = orjson.dumps(chat())
        path = "/plain/v1/chat/completions"
        answer = await self.ask(path, plain, content_encoding="br")
        self.assert_error(answer, 415, "br", code="unsupported_encoding")
        self.assertEqual(answer.headers["accept-encoding"], "gzip, deflate, zstd")
        self.assert_error(await self.ask(path, plain, key="wrong", content_encoding="br"), 401, detail="key")
        for body in (plain, gzip.compress(plain)[:-1], gzip.compress(plain) + b"x"):
            self.assert_error(await self.ask(path, body, content_encoding="gzip"), 400, "gzip")
        for coding, code in (("gzip", gzip.compress), ("zstd", zstd.compress), ("deflate", zlib.compress)):
            bomb = code(b"\0" * 50_000_000)
            answer = await self.ask(path, bomb, content_encoding=coding)
            self.assert_error(answer, 413, "max_request_body", code="request_too_large")
        client = await connect(self.daemon.port)
        client.send(post(path, chat(), content_encoding="br")[:-5])
        self.assertIn(b"unsupported_encoding", await client.until(b"unsupported_encoding"))
        self.assertEqual(self.upstream.requests, [])

    async def test_upgrades(self) -> None:
        """h2c is ignored; a WebSocket is told that there is none, by who knows the key."""
        await self.serve()
        h2c = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABk"}
        answer = await self.ask("/plain/v1/chat/completions", chat(), **h2c)
        self.assertEqual(answer.status, 200)
        for name in (b"upgrade", b"http2-settings"):
            self.assertIsNone(self.last().header(name))
        asked = len(self.upstream.requests)
        websocket = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
        for path in ("/v1/responses", "/plain/v1/responses", "/plain/v1/x", "/tuned", "/v1/x"):
            answer = await self.ask(path, **websocket)
            self.assert_error(answer, 426, code="upgrade_required")
            self.assertEqual(answer.headers["upgrade"], "HTTP/1.1")
            self.assertEqual(answer.headers["connection"].lower().split(",")[0], "upgrade")
            self.assert_error(await self.ask(path, key="wrong", **websocket), 401, detail="key")
            self.assert_error(await self.ask(path, key=None, **websocket), 401)
        self.assert_error(await self.ask("/nowhere", **websocket), 404)
        self.assertEqual(len(self.upstream.requests), asked)

    async def test_defaults_overrides_and_headers(self) -> None:
        await self.serve()
        await self.ask("/tuned", {**chat(), "temperature": 0.9, "top_p": 1}, key="hashed-key", x_foo="a", x_bar="b")
        sent = self.last().json()
        facts = (sent["model"], sent["max_tokens"], sent["temperature"], sent["top_p"])
        self.assertEqual(facts, ("gpt-4", 512, 0.9, 0.5))
        self.assertEqual(self.last().header(b"api-key"), PROVIDER_KEY.encode())
        self.assertEqual((self.last().header(b"x-team"), self.last().header(b"x-foo")), (b"ml", None))
        self.assertEqual(self.last().header(b"x-bar"), b"b")
        self.assertEqual(self.last().header(b"via"), b"1.1 aigw")
        await self.ask("/tuned", chat(), via="1.0 fred")
        self.assertEqual(self.last().header_values(b"via"), [b"1.0 fred, 1.1 aigw"])
        self.upstream.script(answers.reply({"id": "x"}, headers=[(b"via", b"1.0 theirs")]))
        self.assertEqual((await self.ask("/plain/v1/files")).headers["via"], "1.0 theirs, 1.1 aigw")
        # The consumer's own setting, in the client's spelling of the field.
        await self.ask("/tuned", {**chat(), "max_tokens": 5})
        self.assertEqual(self.last().json()["max_tokens"], 1024)
        self.assertNotIn("max_completion_tokens", self.last().json())

    async def test_model_mismatch(self) -> None:
        await self.serve()
        answer = await self.ask("/strict", chat())
        self.assert_error(answer, 400, "cannot use own model - must be: gpt-4", param="model")
        self.assertEqual((await self.ask("/strict", {**chat(), "model": ""})).status, 200)
        self.assertEqual(self.last().json()["model"], "gpt-4")
        self.assertEqual((await self.ask("/strict", {**chat(), "model": "gpt-4"})).status, 200)

    async def test_bodies_that_two_readers_could_read_differently(self) -> None:
        await self.serve()
        messages = b'"messages":[]'
        for body, what in (
            (b"{", "not valid JSON"),
            (b"[]", "object"),
            (b'{"model":"a"}', "messages"),
            (b'{"model":"a","model":"b",' + messages + b"}", "model comes twice"),
            (b'{"model":"a","mod\\u0065l":"b",' + messages + b"}", "model comes twice"),
            (b'{"stream":true,"stream":false,' + messages + b"}", "stream comes twice"),
            (b'{"model":1,' + messages + b"}", "model"),
            (b'{"model":"a","temperature":NaN,' + messages + b"}", "JSON"),
            (b'{"model":"\\ud800",' + messages + b"}", "JSON"),
            (b'{"model":"\xff",' + messages + b"}", "UTF-8"),
            (b'{"model":"a",' + messages + b',"x":' + b"[" * 300 + b"]" * 300 + b"}", "deep"),
        ):
            answer = await self.ask("/plain/chat/completions", body)
            fields = self.assert_error(answer, 400, type="invalid_request_error")
            self.assertIn(what, fields["message"])
        answer = await self.ask("/silent", chat(True))
        self.assert_error(answer, 400, "streaming", param="stream")
        self.assertEqual(self.upstream.requests, [])

    async def test_large_body(self) -> None:
        """413 before it is read, and the client can read that."""
        await self.serve()
        client = await connect(self.daemon.port)
        client.send(post("/plain/chat/completions", {**chat(), "x": "y" * 200_000}))
        received = await client.closed()
        self.assertIn(b"413 ", received)
        self.assertIn(b"max_request_body = 102400", received)

    async def test_destination_cannot_be_changed_by_a_client(self) -> None:
        await self.serve()
        evil = ScriptedUpstream(reactor)
        evil.listen()
        self.addCleanup(evil.stop)
        body = {**chat(), "api_base": evil.url, "base_url": evil.url, "user_config": {"api_base": evil.url}}
        await self.ask(
            f"/plain/chat/completions?api_base={evil.url}&url={evil.url}",
            body,
            x_base_url=evil.url,
            x_portkey_custom_host=evil.url,
            Host="127.0.0.1",
            x_forwarded_host=f"127.0.0.1:{evil.port}",
        )
        self.assertEqual(len(self.upstream.requests), 1)
        self.assertEqual((evil.connections_made, self.last().header(b"x-forwarded-host")), (0, None))
        self.assertEqual(self.last().header(b"host"), f"127.0.0.1:{self.upstream.port}".encode())

    async def test_redirects_are_never_followed(self) -> None:
        """Nor passed on, where they lead to another origin."""
        await self.serve()
        evil = ScriptedUpstream(reactor)
        evil.listen()
        self.addCleanup(evil.stop)
        self.upstream.script(answers.reply({}, 307, [(b"location", evil.url.encode())]))
        client = await connect(self.daemon.port)
        client.send(post("/plain/chat/completions", chat(), connection="close"))
        received = await client.closed()
        self.assertIn(b"502 ", received)
        self.assertNotIn(b"\r\nlocation:", received.lower())
        await deferLater(reactor, 0.05)
        self.assertEqual(evil.connections_made, 0)


class HeaderTests(ContractTestCase):
    """What every response says of itself."""

    async def test_ids_and_timing(self) -> None:
        await self.serve()
        answer = await self.ask("/plain/chat/completions", chat(), x_request_id="my-own-id")
        self.assertEqual(answer.headers["x-request-id"], "my-own-id")
        self.assertEqual((answer.headers["x-aigw-backend"], answer.headers["x-aigw-model"]), ("plain", "gpt-4o"))
        self.assertRegex(answer.headers["server-timing"], r"^gw;dur=\d+\.\d+, upstream;dur=\d+\.\d+$")
        self.assertIn("1.1 aigw", answer.headers["via"])
        self.assertEqual(self.last().header(b"x-request-id"), b"my-own-id")
        insane = await self.ask("/plain/chat/completions", chat(), x_request_id="a b\tc")
        self.assertRegex(insane.headers["x-request-id"], r"^[0-9a-f]{32}$")
        refused = await self.ask("/nowhere")
        self.assertIn("gw;dur=", refused.headers["server-timing"])

    async def test_rate_limits_are_kept_and_hop_by_hop_is_not(self) -> None:
        await self.serve()
        self.upstream.script(answers.rate_limited(b"7"))
        answer = await self.ask("/plain/chat/completions", chat())
        self.assertEqual((answer.status, answer.headers["retry-after"]), (429, "7"))
        self.assertEqual(answer.headers["x-ratelimit-remaining-requests"], "0")
        client = await connect(self.daemon.port)
        request = post("/plain/chat/completions", chat(), Connection="close, X-Mine", X_Mine="1", X_Yours="2", TE="x")
        client.send(request)
        await client.closed()
        sent = self.last()
        facts = (sent.header(b"x-mine"), sent.header(b"x-yours"), sent.header(b"te"))
        self.assertEqual(facts, (None, b"2", None))
