"""A call that has ended leaves nothing: not its body, nor what was made of it, and without the garbage collector.

What :meth:`tests.wire.stage.StageTestCase.assert_nothing_left` looks for is looked for in the tests of the fault matrix,
too: timeouts, retries, failovers, continued streams. Here the bodies are large, and the ends are those that are not
a provider's fault.
"""

from __future__ import annotations

import gc
import gzip
from typing import Any, ClassVar

import orjson
from twisted.internet import reactor
from twisted.internet.tcp import Client

from aigw.errors import Overloaded
from aigw.http.server import ServerLimits
from aigw.proxy.event_body import EventBody
from aigw.proxy.offload import Offload
from aigw.proxy.plan import Plan
from aigw.testing import Act, Answer, ReceivedRequest, answers, anthropic
from aigw.testing.said import Said
from tests.dist.raw import RawClient, connect, post
from tests.wire.stage import StageTestCase, wait

CONFIG = """
[backends.one]
provider = "openai"
url = "one_URL"
timeouts = { first_byte = "30s" }
[backends.other]
provider = "openai"
url = "other_URL"
[backends.claude]
provider = "anthropic"
url = "claude_URL"
[backends.narrow]
provider = "openai"
url = "one_URL"
max_in_flight = 1
queue = { size = 5, timeout = "30s" }
[backends.echo]
provider = "echo"
[models.gpt]
targets = [{ backend = "one" }]
[models.claude]
targets = [{ backend = "claude" }]
[models.claudes]
targets = [{ backend = "claude" }, { backend = "claude", model = "another" }]
[models.narrow]
targets = [{ backend = "narrow" }]
[models.echo]
targets = [{ backend = "echo" }]
[models.pair]
targets = [{ backend = "one" }, { backend = "other", priority = 1 }]
retry = { backoff = "10s", max_wait = "20s" }
[models.twice]
targets = [{ backend = "one" }]
retry = { backoff = "10s", max_wait = "20s" }
[models.taken-up]
targets = [{ backend = "one" }, { backend = "other", priority = 1 }]
on_stream_cut = "continue"
[auth.body]
type = "key"
key_in_body = true
[consumers.somebody]
keys = ["consumer-key"]
[routes.open]
paths = ["/v1"]
auth = "none"
[routes.closed]
paths = ["/closed"]
[routes.body]
paths = ["/body"]
auth = "body"
[routes.raw]
paths = ["/raw"]
auth = "none"
backend = "one"
operation = "raw"
"""

#: Bytes of a request's text: it comes in several reads.
LONG = 300_000
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}


def asking(model: str, **more: Any) -> dict[str, Any]:
    """A call with a long prompt, in any of the three dialects."""
    text = "x" * LONG
    return {"model": model, "messages": [{"role": "user", "content": text}], "input": text, "max_tokens": 9, **more}


def long_answer(request: ReceivedRequest) -> Any:
    """A whole answer that is passed on as it comes."""
    return answers.reply({"object": "list", "data": "x" * LONG})(request)


class FreedTestCase(StageTestCase):
    """With every kind of target."""

    limits: ClassVar[ServerLimits] = ServerLimits()

    def setUp(self) -> None:
        super().setUp()
        for name in ("one", "other", "claude"):
            self.upstream(name)
        self.upstreams["claude"].standing = anthropic.answer(Said("Hello."))
        self.serve(CONFIG)

    async def assert_freed(self) -> None:
        """Nothing is left of calls, and of nobody's long text."""
        self.ledger.closed.clear()
        await self.assert_nothing_left()
        for _ in range(100):
            for upstream in self.upstreams.values():
                upstream.requests.clear()  # one may have been on its way when its client left
            if not long_texts():
                return
            await wait(0.01)  # the sockets have yet to say goodbye
        self.assertEqual(long_texts(), [])

    async def whole(self, model: str, path: str, **more: Any) -> int:
        """One call; returns its status."""
        return (await self.ask(asking(model, **more), path)).status

    async def beginning(self, model: str, what: bytes, **more: Any) -> RawClient:
        """A call that has come so far that its client has got ``what``."""
        client = await self.send(asking(model, **more))
        await client.until(what)
        return client

    async def asked(self, name: str, count: int = 1) -> None:
        await self.until(lambda: len(self.upstreams[name].requests) >= count)


def long_texts() -> list[str]:
    """Who holds a long text, besides the clients, whose server has not read all of it, and the providers."""
    held = []
    for each in gc.get_objects():
        if isinstance(each, Client | RawClient) or type(each).__module__.startswith("aigw.testing"):
            continue
        for part in gc.get_referents(each):
            if isinstance(part, str | bytes | bytearray) and len(part) >= LONG // 2:
                held.append(f"{type(each).__name__} holds {type(part).__name__} of {len(part)}")
    return held


class CodedTests(FreedTestCase):
    """Calls whose body is in a coding, decoded in a thread if there are threads."""

    async def ask_coded(self, body: bytes, key: str = "consumer-key") -> int:
        """The status of a call with a coded body."""
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\napikey: {key}\r\nConnection: close\r\n"
        coding = f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
        client = await connect(self.port)
        client.send((head + coding).encode() + body)
        return int((await client.closed())[9:12])

    async def test_answered_and_refused(self) -> None:
        for model, status in (("gpt", 200), ("claude", 200), ("nobody", 404)):
            self.assertEqual(await self.ask_coded(gzip.compress(orjson.dumps(asking(model)))), status)
            await self.assert_freed()
        for level, cut, status in ((9, 1, 400), (0, 1, 400), (9, 0, 200), (0, 0, 200)):
            body = gzip.compress(orjson.dumps(asking("gpt")), level)
            self.assertEqual(await self.ask_coded(body[: len(body) - cut]), status)
            del body
            await self.assert_freed()
        self.assertEqual(await self.ask_coded(gzip.compress(b"x" * (33 << 20))), 413)
        await self.assert_freed()


class AnsweredTests(FreedTestCase):
    """Calls that went well."""

    async def test_every_dialect_and_target(self) -> None:
        for model in ("gpt", "claude", "echo", "pair", "taken-up"):
            for dialect, path in PATHS.items():
                for stream in (False, True):
                    with self.subTest(model=model, dialect=dialect, stream=stream):
                        status = await self.whole(model, path, stream=stream)
                        self.assertIn(status, (200, 400, 404))
                        await self.assert_freed()

    async def test_a_long_answer(self) -> None:
        self.upstreams["one"].standing = long_answer
        self.assertEqual(await self.whole("gpt", PATHS["chat"]), 200)
        await self.assert_freed()

    async def test_a_long_translated_answer(self) -> None:
        self.upstreams["claude"].standing = anthropic.answer(Said("x" * LONG))
        for stream in (False, True):
            self.assertEqual(await self.whole("claude", PATHS["chat"], stream=stream), 200)
            await self.assert_freed()

    async def test_raw(self) -> None:
        self.upstreams["one"].standing = long_answer
        self.assertEqual(await self.whole("gpt", "/raw/files"), 200)
        await self.assert_freed()

    async def test_one_connection(self) -> None:
        """Kept open: the next call is not what frees the one before."""
        client = await connect(self.port)
        for count in range(1, 4):
            client.send(post(PATHS["chat"], asking("gpt")))
            await self.until(lambda count=count: client.received.count(b"HTTP/1.1 200") == count)
            await self.assert_freed()
        client.leave()

    async def test_chunked(self) -> None:
        client = await connect(self.port)
        client.send(b"".join(chunked(PATHS["chat"], asking("gpt"))) + b"0\r\n\r\n")
        await client.until(b"200 OK")
        await self.assert_freed()
        client.leave()

    async def test_an_estimate(self) -> None:
        """Counted here, since nobody else does."""
        self.assertEqual(await self.whole("echo", "/v1/messages/count_tokens"), 200)
        await self.assert_freed()

    async def test_the_catalogue(self) -> None:
        client = await connect(self.port)
        client.send(b"GET /v1/models HTTP/1.1\r\nHost: gateway\r\n\r\n")
        await client.until(b"200 OK")
        await self.assert_freed()
        client.leave()


class RefusedTests(FreedTestCase):
    """Calls that the gateway refuses, at each of its stages."""

    async def test_before_the_body(self) -> None:
        for path, status in (("/closed/chat/completions", 401), ("/nowhere", 404)):
            answered = await self.ask(asking("gpt"), path, apikey="nobody's")
            self.assertEqual(answered.status, status)
            await self.assert_freed()

    async def test_by_the_body(self) -> None:
        for model, more, path, status in (
            ("nobody", {}, PATHS["chat"], 404),
            ("gpt", {"stream": "yes"}, PATHS["chat"], 400),
            ("gpt", {"messages": "none"}, PATHS["chat"], 400),
            ("claude", {"logprobs": True}, PATHS["chat"], 400),
            ("gpt", {}, "/body/chat/completions", 401),
        ):
            twice = {"apikey": "consumer-key"} if status == 401 else {}
            answered = await self.ask(asking(model, **more), path, **twice)
            self.assertEqual(answered.status, status, answered)
            await self.assert_freed()

    async def test_no_target_can_be_asked(self) -> None:
        """Each is tried for it."""
        answered = await self.ask(asking("claudes", logprobs=True))
        self.assertEqual(answered.status, 400)
        await self.assert_freed()

    async def test_too_large(self) -> None:
        self.factory.limits = ServerLimits(body=LONG // 2)
        client = await connect(self.port)
        client.send(post(PATHS["chat"], asking("gpt")))
        await client.until(b"413")
        client.leave()
        await self.assert_freed()

    async def test_too_large_in_chunks(self) -> None:
        self.factory.limits = ServerLimits(body=LONG // 2)
        client = await connect(self.port)
        for piece in chunked(PATHS["chat"], asking("gpt")):
            client.send(piece)
        await client.until(b"413")
        await self.assert_freed()  # before the connection closes, too
        client.leave()

    async def test_broken_chunks(self) -> None:
        client = await connect(self.port)
        for piece in chunked(PATHS["chat"], asking("gpt")):
            client.send(piece)
        client.send(b"no chunk\r\n")
        await client.until(b"400 Bad Request")
        await self.assert_freed()
        client.leave()

    async def test_short_of_memory(self) -> None:
        self.dispatcher.short_of_memory = True
        self.assertEqual(await self.whole("gpt", PATHS["chat"]), 503)
        await self.assert_freed()


class LeftTests(FreedTestCase):
    """Clients that leave."""

    async def test_within_the_body(self) -> None:
        for sent in (
            lambda: [post(PATHS["chat"], asking("gpt"))[:-1]],
            lambda: chunked(PATHS["chat"], asking("gpt")),
            lambda: [post("/closed/chat/completions", asking("gpt"))[:-1]],
        ):
            client = await connect(self.port)
            client.send(b"".join(sent()))
            await self.until(self.is_reading)
            client.leave()
            await self.assert_freed()

    def is_reading(self) -> bool:
        return any(len(channel._reader._body) > LONG // 2 for channel in self.factory.channels)

    async def test_while_the_provider_thinks(self) -> None:
        for model in ("gpt", "pair", "claude", "taken-up"):
            name = "claude" if model == "claude" else "one"
            self.upstreams[name].standing = answers.raw(Act.HANG)
            client = await self.send(asking(model, stream=True))
            await self.asked(name)
            client.leave()
            await self.assert_freed()

    async def test_within_a_stream(self) -> None:
        self.upstreams["claude"].standing = anthropic.stall_after()
        self.upstreams["one"].standing = answers.stall_after()
        for model in ("gpt", "claude", "taken-up"):
            client = await self.beginning(model, b"data:", stream=True)
            client.leave()
            await self.assert_freed()

    async def test_in_the_queue(self) -> None:
        self.upstreams["one"].standing = answers.raw(Act.HANG)
        first = await self.send(asking("narrow"))
        await self.asked("one")
        second = await self.send(asking("narrow"))
        slots = self.snapshot.health_registry._slots["narrow"]
        await self.until(lambda: slots.queued)
        second.leave()
        await self.until(lambda: not slots.queued)
        first.leave()
        await self.assert_freed()

    async def test_before_a_repetition(self) -> None:
        self.upstreams["one"].standing = answers.overloaded()
        client = await self.send(asking("twice"))
        await self.asked("one")
        await self.until(lambda: not any(pool.busy_count for pool in self.pools()))
        client.leave()
        await self.assert_freed()

    async def test_a_reader_that_stops(self) -> None:
        """More is on its way than the kernel takes."""
        body = b"x" * 50_000_000
        framing = [(b"content-length", b"%d" % len(body)), (b"content-type", b"text/plain")]
        self.upstreams["one"].standing = answers.raw(answers.head(200, framing) + body)
        client = await self.send(asking("gpt"), "/raw/files")
        client.transport.pauseProducing()
        await self.until(lambda: any(channel.stalled for channel in self.factory.channels))
        client.leave()
        self.upstreams["one"].standing = answers.openai()
        await self.assert_nothing_left()


class EndedTests(FreedTestCase):
    """Calls that the gateway itself ends."""

    async def test_cut_by_a_drain(self) -> None:
        for model, name, answer in (
            ("gpt", "one", answers.raw(Act.HANG)),
            ("gpt", "one", answers.stall_after()),
            ("claude", "claude", anthropic.stall_after()),
            ("taken-up", "one", answers.stall_after()),
        ):
            await self.cut(model, name, answer)

    async def cut(self, model: str, name: str, answer: Answer) -> None:
        self.upstreams[name].standing = answer
        client = await self.send(asking(model, stream=True))
        await self.asked(name)
        self.factory.cut_all(Overloaded("the gateway is shutting down", code="draining"))
        await client.closed()
        await self.assert_freed()

    async def test_faults_of_our_own(self) -> None:
        """Wherever they happen."""

        def failing(*arguments: object, **more: object) -> Any:
            raise RuntimeError("a fault of our own")

        async def failed(status: int) -> None:
            self.assertEqual(await self.whole("gpt", PATHS["chat"], stream=True), status)
            logged = self.flushLoggedErrors(RuntimeError)
            self.assertTrue(logged)
            logged.clear()  # a failure holds the frames that it came through
            await self.assert_freed()

        for where, name in ((Plan, "adjust"), (Plan, "payload"), (EventBody, "data"), (EventBody, "end")):
            patch = self.patch(where, name, failing)
            await failed(200 if name == "end" else 500)
            patch.restore()


def chunked(path: str, fields: object) -> list[bytes]:
    """A request of chunks, without the last one."""
    body = orjson.dumps(fields)
    head = f"POST {path} HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    size = 50_000
    return [head] + [
        b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[at : at + size] for at in range(0, len(body), size))
    ]


class CodedInThreadTests(CodedTests):
    """The same with threads."""

    def setUp(self) -> None:
        super().setUp()
        self.dispatcher.offload = Offload(reactor.getThreadPool(), reactor.callFromThread)

    async def test_left(self) -> None:
        """While a thread decodes, or just before."""
        body = gzip.compress(orjson.dumps(asking("gpt")))
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        client = await connect(self.port)
        client.send(head % len(body) + body)
        await self.until(lambda: self.ledger.in_flight)
        client.transport.abortConnection()
        await self.until(lambda: not self.ledger.in_flight)
        await self.assert_freed()


class LargeTests(FreedTestCase):
    """Calls of which parts are done in a thread."""

    def setUp(self) -> None:
        """With threads."""
        super().setUp()
        self.dispatcher.offload = Offload(reactor.getThreadPool(), reactor.callFromThread)

    def large(self, model: str, **more: Any) -> dict[str, Any]:
        """A long text, and many short ones."""
        fields = asking(model, **more)
        short = [{"role": ("assistant", "user")[at % 2], "content": "x"} for at in range(2000)]
        fields["messages"] += short
        return fields

    async def test_answered(self) -> None:
        """By targets of both kinds, by the second one, and where the answer is large as well."""
        for model, path in (("gpt", "chat"), ("claude", "chat"), ("claudes", "messages"), ("echo", "chat")):
            with self.subTest(model=model):
                self.assertEqual((await self.ask(self.large(model), PATHS[path])).status, 200)
                await self.assert_freed()
        blocks = {"content": [{"type": "text", "text": "x" * LONG}] + [{"type": "text", "text": "x"}] * 5000}
        whole = {"type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", **blocks}
        self.upstreams["claude"].script(answers.reply(whole))
        whole.clear()
        self.assertEqual((await self.ask(self.large("claude"), PATHS["chat"])).status, 200)
        await self.assert_freed()

    async def test_refused(self) -> None:
        """Before anybody was asked, and by everybody who could be."""
        for model, more in (
            ("gpt", {"stream": "yes"}),
            ("nobody", {}),
            ("claude", {"response_format": {"type": "json_schema", "json_schema": 3}}),
            ("claudes", {"tools": [{"type": "function"}]}),
        ):
            with self.subTest(model=model):
                status = 404 if model == "nobody" else 400
                self.assertEqual((await self.ask(self.large(model, **more), PATHS["chat"])).status, status)
                await self.assert_freed()

    async def test_failed_over(self) -> None:
        """The second target's request is made in a thread, too."""
        self.upstreams["one"].standing = answers.server_error()
        self.assertEqual((await self.ask(self.large("pair"), PATHS["chat"])).status, 200)
        await self.assert_freed()

    async def test_left(self) -> None:
        """While its body is read, and while its answer is awaited."""
        client = await self.send(self.large("claude"))
        await self.until(lambda: not (client.transport.dataBuffer or client.transport._tempDataBuffer))
        client.leave()
        await self.assert_freed()
        self.upstreams["one"].standing = answers.raw(Act.HANG)
        client = await self.send(self.large("gpt"))
        await self.asked("one")
        client.leave()
        await self.assert_freed()
