"""The upstream that other tests rely on does what its script says, and notices what its clients do."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import httptools
import orjson
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.trial import unittest

from aigw.testing import FAULTS, Act, ReceivedRequest, ScriptedUpstream, answers
from aigw.testing.openai import DONE, TEXT, words


class Response:
    """What httptools makes of one response; ``complete`` only if its framing said so."""

    def __init__(self, data: bytearray) -> None:
        self.body = b""
        self.complete = False
        self.headers: dict[bytes, bytes] = {}
        parser = httptools.HttpResponseParser(self)
        parser.feed_data(data)
        self.status = parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name] = value

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.complete = True

    def events(self) -> list[bytes]:
        return [event + b"\n\n" for event in self.body.split(b"\n\n")[:-1]]


class Client(Protocol):
    """Bytes out, bytes in."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.closed: Deferred[type[BaseException]] = Deferred()
        self._waiting: tuple[Callable[[bytearray], bool], Deferred[bytearray]] | None = None

    def until(self, enough: Callable[[bytearray], bool]) -> Deferred[bytearray]:
        """Fires with all that was received, once it is enough."""
        waiting: Deferred[bytearray] = Deferred()
        self._waiting = (enough, waiting)
        self.dataReceived(b"")
        return waiting

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if self._waiting is not None and self._waiting[0](self.received):
            (_, waiting), self._waiting = self._waiting, None
            waiting.callback(self.received)

    def connectionLost(self, reason) -> None:
        self.closed.callback(reason.type)


def post(path: str, fields: object = None, *headers: str) -> bytes:
    """A request as bytes."""
    body = b"" if fields is None else orjson.dumps(fields)
    method = "GET" if fields is None else "POST"
    lines = [f"{method} {path} HTTP/1.1", "Host: upstream", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]}
STREAM = {**CHAT, "stream": True}


class UpstreamTestCase(unittest.TestCase):
    """One upstream, and clients that are closed behind the test."""

    def setUp(self) -> None:
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.listen()
        self.addCleanup(self.upstream.stop)

    async def connect(self) -> Client:
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.upstream.port)
        return await connectProtocol(endpoint, Client())

    async def exchange(self, data: bytes) -> tuple[Client, Response]:
        """One request on its own connection, up to the end of its response."""
        client = await self.connect()
        client.transport.write(data)
        return client, Response(await client.until(lambda received: complete(received)))

    async def until_closed(self, data: bytes) -> tuple[Client, type[BaseException]]:
        """One request on its own connection, up to the connection's end."""
        client = await self.connect()
        client.transport.write(data)
        return client, await client.closed


def complete(received: bytearray) -> bool:
    """Whether a whole response is there."""
    try:
        return Response(received).complete
    except httptools.HttpParserError:
        return False


class RecordTests(UpstreamTestCase):
    """Requests are kept as they came."""

    async def test_request_is_recorded_as_sent(self) -> None:
        """Raw target, header names in their case, repeated headers in order, the body's bytes."""
        await self.exchange(post("/v1/chat/completions?a=%31&b", CHAT, "X-One: 1", "x-one: 2"))
        (request,) = self.upstream.requests
        self.assertEqual((request.method, request.target), (b"POST", b"/v1/chat/completions?a=%31&b"))
        self.assertEqual(request.path, b"/v1/chat/completions")
        self.assertEqual(request.headers[0], (b"Host", b"upstream"))
        self.assertEqual(request.headers[-2:], [(b"X-One", b"1"), (b"x-one", b"2")])
        self.assertEqual(request.header_values(b"X-ONE"), [b"1", b"2"])
        self.assertEqual(request.body, orjson.dumps(CHAT))

    async def test_chunked_body_is_joined(self) -> None:
        """The body without its framing; the header that announced it is still there."""
        chunked = (
            b"POST /v1/x HTTP/1.1\r\nHost: u\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        _, response = await self.exchange(chunked)
        self.assertEqual(self.upstream.requests[0].body, b"abcde")
        self.assertEqual(self.upstream.requests[0].header(b"transfer-encoding"), b"chunked")
        self.assertEqual(response.status, 404)

    async def test_what_is_not_http_is_recorded_and_refused(self) -> None:
        """A gateway that frames wrongly is caught, not answered."""
        await self.until_closed(b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx")
        self.assertEqual(len(self.upstream.malformed), 1)
        self.assertEqual(self.upstream.requests, [])

    async def test_waiting_for_a_request(self) -> None:
        """request() fires when its number has arrived, before or after it is asked for."""
        second = self.upstream.request(2)
        await self.exchange(post("/v1/models"))
        self.assertNoResult(second)
        await self.exchange(post("/v1/models/one"))
        self.assertEqual((await second).target, b"/v1/models/one")
        self.assertEqual((await self.upstream.request(1)).target, b"/v1/models")

    async def test_connections_are_counted(self) -> None:
        """A kept-alive connection carries several requests, and each says which one it came on."""
        client = await self.connect()
        client.transport.write(post("/v1/models") + post("/v1/models/second") + post("/v1/nothing"))
        await client.until(lambda received: received.count(b"HTTP/1.1 ") == 3 and b"Invalid URL" in received)
        await self.exchange(post("/v1/models"))
        self.assertEqual([request.connection for request in self.upstream.requests], [1, 1, 1, 2])
        self.assertEqual(self.upstream.connections_made, 2)
        self.assertLess(client.received.index(b'"list"'), client.received.index(b'"id":"second"'))


class AnswerTests(UpstreamTestCase):
    """Without a script it answers as OpenAI does."""

    async def body(self, path: str, fields: object = None) -> dict:
        _, response = await self.exchange(post(path, fields))
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers[b"content-type"], b"application/json")
        return orjson.loads(response.body)

    async def test_whole_answers(self) -> None:
        """Each operation in its own shape, naming the request's model."""
        chat = await self.body("/v1/chat/completions", CHAT)
        self.assertEqual(chat["choices"][0]["message"]["content"], TEXT)
        self.assertEqual((chat["object"], chat["model"]), ("chat.completion", "gpt-4o"))
        text = await self.body("/v1/completions", {"model": "m", "prompt": "x"})
        self.assertEqual((text["object"], text["choices"][0]["text"]), ("text_completion", TEXT))
        response = await self.body("/v1/responses", {"model": "m", "input": "x"})
        self.assertEqual(response["output"][0]["content"][0]["text"], TEXT)
        self.assertEqual((await self.body("/v1/models"))["object"], "list")
        self.assertEqual((await self.body("/v1/models/m"))["id"], "m")

    async def test_embeddings_in_both_encodings(self) -> None:
        """One vector for each input, as floats or as base64."""
        floats = await self.body("/v1/embeddings", {"model": "m", "input": ["a", "b"]})
        self.assertEqual([entry["embedding"] for entry in floats["data"]], [[0.5, -0.25, 0.125]] * 2)
        packed = await self.body("/v1/embeddings", {"input": "a", "encoding_format": "base64"})
        self.assertEqual([entry["embedding"] for entry in packed["data"]], ["AAAAPwAAgL4AAAA+"])

    async def test_stream(self) -> None:
        """Role, words, finish, [DONE]; the pieces joined are the text."""
        _, response = await self.exchange(post("/v1/chat/completions", STREAM))
        self.assertEqual(response.headers[b"content-type"], b"text/event-stream; charset=utf-8")
        *events, done = response.events()
        self.assertEqual(done, DONE)
        choices = [orjson.loads(event[6:])["choices"][0] for event in events]
        self.assertEqual(choices[0]["delta"]["role"], "assistant")
        self.assertEqual("".join(choice["delta"].get("content", "") for choice in choices), TEXT)
        self.assertEqual([choice["finish_reason"] for choice in choices], [None] * (len(events) - 1) + ["stop"])

    async def test_stream_tells_usage_only_when_asked(self) -> None:
        """The last chunk before [DONE], without choices; null in all before it."""
        asked = {**STREAM, "stream_options": {"include_usage": True}}
        _, response = await self.exchange(post("/v1/chat/completions", asked))
        *chunks, last = [orjson.loads(event[6:]) for event in response.events()[:-1]]
        self.assertEqual((last["choices"], last["usage"]["completion_tokens"]), ([], len(words(TEXT))))
        self.assertEqual({chunk["usage"] for chunk in chunks}, {None})
        _, response = await self.exchange(post("/v1/chat/completions", STREAM))
        self.assertNotIn(b"usage", response.body)

    async def test_responses_stream_is_named_and_numbered(self) -> None:
        """Events carry their type twice and a sequence number without gaps."""
        _, response = await self.exchange(post("/v1/responses", {"model": "m", "input": "x", "stream": True}))
        events = [event.split(b"\n") for event in response.events()]
        parsed = [orjson.loads(lines[1][6:]) for lines in events]
        self.assertEqual([lines[0][7:].decode() for lines in events], [event["type"] for event in parsed])
        self.assertEqual([event["sequence_number"] for event in parsed], list(range(len(parsed))))
        self.assertEqual(parsed[-1]["type"], "response.completed")

    async def test_connection_close_is_honoured(self) -> None:
        """A client that asked for it sees the connection end behind the whole response."""
        client, reason = await self.until_closed(post("/v1/models", None, "Connection: close"))
        self.assertTrue(Response(client.received).complete)
        self.assertIs(reason, ConnectionDone)

    async def test_head_has_no_body(self) -> None:
        """Only the head that GET would have."""
        client, _ = await self.until_closed(b"HEAD /v1/models HTTP/1.1\r\nHost: u\r\nConnection: close\r\n\r\n")
        self.assertTrue(client.received.endswith(b"\r\n\r\n"))

    async def test_script_comes_before_the_standing_answer(self) -> None:
        """In order, each once; then whatever stands."""
        self.upstream.script("429", answers.reply({"n": 1}))
        self.upstream.standing = answers.server_error()
        seen = [(await self.exchange(post("/v1/models")))[1].status for _ in range(4)]
        self.assertEqual(seen, [429, 200, 500, 500])

    async def test_delayed_events_arrive_one_by_one(self) -> None:
        """Each event of a delayed stream is its own chunk on the wire."""
        self.upstream.script(answers.stream([b"data: a\n\n", b"data: b\n\n"], delay=0.001))
        client, response = await self.exchange(post("/v1/chat/completions", STREAM))
        self.assertEqual(response.body, b"data: a\n\ndata: b\n\n")
        self.assertIn(b"9\r\ndata: a\n\n\r\n9\r\ndata: b\n\n\r\n0\r\n\r\n", client.received)


class ClientTests(UpstreamTestCase):
    """What clients do is noticed."""

    async def test_client_that_leaves_is_noticed(self) -> None:
        """In the middle of an answer: cancelled. Behind it: not."""
        self.upstream.script("no answer")
        client = await self.connect()
        client.transport.write(post("/v1/chat/completions", CHAT))
        request = await self.upstream.request(1)
        gone = request.client_gone()
        self.assertNoResult(gone)
        client.transport.loseConnection()
        await gone
        self.assertTrue(request.cancelled)
        client, _ = await self.exchange(post("/v1/models"))
        client.transport.loseConnection()
        await self.upstream.requests[1].client_gone()
        self.assertFalse(self.upstream.requests[1].cancelled)
        await self.upstream.no_connections()

    async def test_script_stops_for_a_client_that_left(self) -> None:
        """An endless stream ends with its reader, and leaves no timer behind."""
        self.upstream.script(answers.stream(itertools.repeat(b"data: x\n\n"), delay=0.001))
        client = await self.connect()
        client.transport.write(post("/v1/chat/completions", STREAM))
        await client.until(lambda received: received.count(b"data: x") >= 3)
        client.transport.abortConnection()
        await self.upstream.requests[0].client_gone()
        self.assertTrue(self.upstream.requests[0].cancelled)

    async def test_slow_reader_holds_the_script_up(self) -> None:
        """What a client does not read stays unsent: no more of the script is played than the kernel takes."""
        played = []

        def events():
            for number in range(512):
                played.append(number)
                yield b"data: " + b"x" * 65536 + b"\n\n"

        self.upstream.script(answers.stream(events()))
        client = await self.connect()
        client.transport.write(post("/v1/chat/completions", STREAM))
        await client.until(lambda received: bool(received))
        client.transport.pauseProducing()
        for _ in range(50):
            await self.exchange(post("/v1/models"))
        held = self.upstream.requests[0]
        self.assertLess(len(played), 512)
        self.assertLess(held.sent, 512 * 65536)
        client.transport.resumeProducing()
        await client.until(lambda received: received.endswith(b"0\r\n\r\n"))
        self.assertGreater(held.sent, 512 * 65536)
        self.assertTrue(held.answered)


class FaultTests(UpstreamTestCase):
    """Each fault is the fault that its name says."""

    async def test_every_name_answers_or_fails_for_good(self) -> None:
        """Each of the table can be played, and none leaves a connection behind once its client has gone."""
        for name in FAULTS:
            self.upstream.script(name)
            client = await self.connect()
            client.transport.write(post("/v1/chat/completions", STREAM, "Connection: close"))
            await self.upstream.request(len(self.upstream.requests) + 1)
            if name in ("no answer", "stall", "slow first token", "pings for ever"):
                client.transport.loseConnection()
            await client.closed
            await self.upstream.no_connections()
            if name == "refuse later":
                self.upstream.listen()

    async def test_before_headers(self) -> None:
        """Closed by reset or by FIN without a byte."""
        for name, expected in (
            ("reset before headers", ConnectionLost),
            ("close before headers", ConnectionDone),
        ):
            self.upstream.script(name)
            client, reason = await self.until_closed(post("/v1/chat/completions", CHAT))
            self.assertEqual((name, client.received), (name, b""))
            self.assertIs(reason, expected)

    async def test_cut(self) -> None:
        """The wanted number of whole events, then the end without the final chunk, by FIN or by reset."""
        for how, expected in ((Act.CLOSE, ConnectionDone), (Act.RESET, ConnectionLost)):
            self.upstream.script(answers.cut_after(3, how))
            client, reason = await self.until_closed(post("/v1/chat/completions", STREAM))
            response = Response(client.received)
            self.assertEqual((len(response.events()), response.complete), (3, False))
            self.assertIs(reason, expected)

    async def test_stall(self) -> None:
        """The wanted number of events, then nothing, while the upstream still answers others."""
        self.upstream.script(answers.stall_after(2))
        client = await self.connect()
        client.transport.write(post("/v1/chat/completions", STREAM))
        await client.until(lambda received: received.count(b"data: ") == 2)
        await self.exchange(post("/v1/models"))
        self.assertEqual(len(Response(client.received).events()), 2)
        self.assertNoResult(client.closed)
        self.assertFalse(self.upstream.requests[0].answered)

    async def test_malformed_event(self) -> None:
        """One event that is no JSON among good ones, in a stream that ends as it should."""
        self.upstream.script("malformed event")
        _, response = await self.exchange(post("/v1/chat/completions", STREAM))
        broken = [event for event in response.events() if event != DONE and not valid(event)]
        self.assertEqual(len(broken), 1)
        self.assertTrue(response.body.endswith(DONE))

    async def test_no_done(self) -> None:
        """The framing is complete, the stream is not."""
        self.upstream.script("no [DONE]")
        _, response = await self.exchange(post("/v1/chat/completions", STREAM))
        self.assertNotIn(b"[DONE]", response.body)
        self.assertIn(b'"finish_reason":"stop"', response.events()[-1])

    async def test_lying_content_length(self) -> None:
        """The connection ends before the promised length."""
        self.upstream.script(answers.lying_content_length(by=7))
        client, _ = await self.until_closed(post("/v1/chat/completions", CHAT))
        response = Response(client.received)
        self.assertFalse(response.complete)
        self.assertEqual(int(response.headers[b"content-length"]) - len(response.body), 7)

    async def test_rate_limit(self) -> None:
        """429 with the header, and without."""
        self.upstream.script("429", "429 without retry-after")
        _, limited = await self.exchange(post("/v1/chat/completions", CHAT))
        self.assertEqual((limited.status, limited.headers[b"retry-after"]), (429, b"7"))
        _, limited = await self.exchange(post("/v1/chat/completions", CHAT))
        self.assertNotIn(b"retry-after", limited.headers)

    async def test_oversized_headers_and_garbage(self) -> None:
        """More head than any client takes; bytes that are not HTTP."""
        self.upstream.script(answers.oversized_headers(100_000), "garbage")
        client, _ = await self.exchange(post("/v1/chat/completions", CHAT))
        self.assertGreater(client.received.index(b"\r\n\r\n"), 100_000)
        client, _ = await self.until_closed(post("/v1/chat/completions", CHAT))
        self.assertRaises(httptools.HttpParserError, Response, client.received)

    async def test_error_event_first(self) -> None:
        """Status 200, one event, and it is an error."""
        self.upstream.script("error first")
        _, response = await self.exchange(post("/v1/chat/completions", STREAM))
        self.assertEqual(response.status, 200)
        (event,) = response.events()
        self.assertEqual(orjson.loads(event[6:])["error"]["code"], "overloaded")

    async def test_refusing_and_coming_back(self) -> None:
        """The answer goes out, later connections are refused, and listen() takes the same port again."""
        self.upstream.script("refuse later")
        port = self.upstream.port
        client, _ = await self.until_closed(post("/v1/chat/completions", CHAT))
        self.assertTrue(Response(client.received).complete)
        await self.assertFailure(Deferred.fromCoroutine(self.connect()), ConnectError)
        self.upstream.listen()
        self.assertEqual(self.upstream.port, port)
        await self.exchange(post("/v1/models"))

    async def test_closing_idle_connections(self) -> None:
        """Kept-alive connections can be closed under a pool, with a word nobody asked for; busy ones stay."""
        client, _ = await self.exchange(post("/v1/models"))
        self.upstream.script("no answer")
        busy = await self.connect()
        busy.transport.write(post("/v1/models"))
        await self.upstream.request(2)
        self.assertEqual(self.upstream.close_idle(b"HTTP/1.1 408 Request Timeout\r\n\r\n"), 1)
        await client.closed
        self.assertTrue(client.received.endswith(b"408 Request Timeout\r\n\r\n"))
        self.assertNoResult(busy.closed)

    async def test_slow_first_byte(self) -> None:
        """The pause comes before anything else, the answer behind it is whole."""
        steps = list(answers.slow_first_byte(0.25)(ReceivedRequest(b"GET", b"/v1/models", [], b"", 1, True)))
        self.assertEqual(steps[0], 0.25)
        self.upstream.script(answers.slow_first_byte(0.01))
        _, response = await self.exchange(post("/v1/models"))
        self.assertEqual(response.status, 200)


def valid(event: bytes) -> bool:
    """Whether an event's data is JSON."""
    try:
        orjson.loads(event[6:])
    except ValueError:
        return False
    return True
