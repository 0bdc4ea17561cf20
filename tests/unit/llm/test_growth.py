"""No client and no provider can stall the gateway: the work of a translation grows as what it is given grows.

The tables of what can grow are in :mod:`.growing_requests` and :mod:`.growing_answers`. Everything is measured at
several sizes; see :mod:`tests.unit.growth` for what is counted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
from twisted.trial import unittest

from aigw.errors import BadRequest
from tests.unit.growth import Metered, growth
from tests.unit.llm import growing_answers as answers
from tests.unit.llm import growing_requests as requests

#: More than linear: twice as much is to cost twice as much, with a little for the numbers of places, which get longer.
_MOST = 2.4
#: Answers are looked at more closely from 200 brackets on, and have no more than 128 choices.
_SMALLEST, _SMALLEST_ANSWER = 56, 208

_METERED = Metered("aigw.llm")

PROVIDERS = ("anthropic", "azure", "bedrock", "cohere", "gemini", "mistral", "ollama", "openai-compatible", "vertex")
#: Of whose answers dialects learn all events that there are.
_EVERY_EVENT = ("anthropic", "gemini", "openai-compatible")
MODELS = {
    "anthropic": "claude-sonnet-4-5",
    "bedrock": "anthropic.claude-3-5-sonnet-20240620-v1:0",
    "gemini": "gemini-3-pro",
    "vertex": "gemini-2.5-pro",
}
#: A dialect's shortest request.
ASKED: dict[str, dict[str, Any]] = {
    "chat": {"messages": [requests.ASKED]},
    "completions": {"prompt": "x"},
    "messages": {"messages": [requests.ASKED], "max_tokens": 9},
    "responses": {"input": "x", "tools": [{"type": "custom", "name": "custom"}]},
}

Measured = Callable[[], object]
Table = Iterator[tuple[str, Callable[[int], Measured]]]


def module(name: str) -> Any:
    """A module of ``aigw.llm`` whose work is counted."""
    return _METERED.module(f"aigw.llm.{name}")


def too_fast(table: Table, smallest: int = _SMALLEST) -> str:
    """What of ``table`` grows faster than what it is given, and how fast; a line each.

    :param table: names, and what gets ready what is to be measured at a size.
    """
    found = []
    for name, make in table:
        times = growth([_METERED.meter.measured(make(size)) for size in (smallest, 2 * smallest, 4 * smallest)])
        if times > _MOST:
            found.append(f"{times:.2f} {name}\n")
    return "".join(found)


def translating(operation: str, provider: str, fields: Mapping[str, Any]) -> Any:
    """A translation; None for what cannot be expressed."""
    providers = module("providers")
    kind = providers.provider(provider)
    url = "http://x/v1" if provider == "openai-compatible" else None
    kind = kind.at(kind, providers.Place(url, "us-east-1", "p", "us-central1", None))
    pair = module("pairing").pairing(operation, kind, module("body").Adjustments({}, {}), True)
    with contextlib.suppress(BadRequest):
        return pair.translate({"model": MODELS.get(provider, "m"), **fields}, "id", 0.0)


class RequestTests(unittest.TestCase):
    """Requests, across every dialect and every provider."""

    def hold(self, operation: str, families: Mapping[str, requests.Family]) -> None:
        """Every family, at every provider."""

        def measured(provider: str, family: requests.Family) -> Callable[[int], Measured]:
            def at(size: int) -> Measured:
                fields = family(size)
                return lambda: translating(operation, provider, fields)

            return at

        def table() -> Table:
            for provider in PROVIDERS:
                translating(operation, provider, ASKED.get(operation, ASKED["messages"]))
                for name, family in families.items():
                    yield f"{name} to {provider}", measured(provider, family)

        hold(self, table())

    def test_chat(self) -> None:
        """Chats."""
        self.hold("chat", requests.CHAT)

    def test_messages(self) -> None:
        """Anthropic's messages."""
        self.hold("messages", requests.MESSAGES)

    def test_counts(self) -> None:
        """Counts of their tokens."""
        self.hold("count_tokens", requests.MESSAGES)

    def test_responses(self) -> None:
        """OpenAI's responses."""
        self.hold("responses", requests.RESPONSES)

    def test_completions(self) -> None:
        """Legacy completions."""
        self.hold("completions", requests.COMPLETIONS)


class AnswerTests(unittest.TestCase):
    """Answers, of every provider in every dialect."""

    def hold(self, operation: str) -> None:
        """Whole answers, and streams as they come and in small pieces."""

        def translation(provider: str, stream: bool) -> Any:
            return translating(operation, provider, {**ASKED[operation], "stream": stream})

        def whole(provider: str, family: answers.Whole) -> Callable[[int], Measured]:
            def at(size: int) -> Measured:
                body, made = orjson.dumps(family(size)), translation(provider, False)
                return lambda: made.whole(body, "r")

            return at

        def mislabelled(provider: str, family: answers.Stream) -> Callable[[int], Measured]:
            def at(size: int) -> Measured:
                body, made = b"".join(family(size)), translation(provider, False)
                return lambda: made.whole(body, "r")

            return at

        def stream(provider: str, family: answers.Stream, cut: int = 0) -> Callable[[int], Measured]:
            def at(size: int) -> Measured:
                events = family(size) if not cut else pieces(b"".join(family(size // 4)), cut)
                made = translation(provider, True).stream(b"text/event-stream")
                error = module("reply").NOT_JSON
                return lambda: (*map(made.feed, events), made.end(), made.failure(error), made.partial_usage())

            return at

        def table() -> Table:
            known = answers.WHOLE if operation == "chat" else _EVERY_EVENT
            for provider, families in ((each, answers.WHOLE[each]) for each in known):
                whole(provider, next(iter(families.values())))(1)()
                yield from ((f"{name} of {provider}", whole(provider, each)) for name, each in families.items())
            for provider, streams in ((each, answers.STREAMS[each]) for each in known):
                stream(provider, next(iter(streams.values())))(1)()
                for name, each in streams.items():
                    yield f"stream: {name} of {provider}", stream(provider, each)
                    yield f"mislabelled: {name} of {provider}", mislabelled(provider, each)
                    if operation == "chat":  # what cuts them is the same for all
                        yield f"stream in pieces: {name} of {provider}", stream(provider, each, 64)

        hold(self, table(), _SMALLEST_ANSWER)

    def test_chat(self) -> None:
        """To clients of chats."""
        self.hold("chat")

    def test_messages(self) -> None:
        """To Anthropic's."""
        self.hold("messages")

    def test_responses(self) -> None:
        """To those of responses."""
        self.hold("responses")

    def test_completions(self) -> None:
        """To those of legacy completions."""
        self.hold("completions")


class EmbeddingTests(unittest.TestCase):
    """Embeddings, at every provider that has its own."""

    def test_requests_and_answers(self) -> None:
        """Of many texts; of texts below a title."""
        vectors: dict[str, Callable[[int], Any]] = {
            "bedrock": lambda n: {"embeddings": {"float": [[0.5]] * n}},
            "cohere": lambda n: {"embeddings": {"float": [[0.5]] * n}},
            "gemini": lambda n: {"embeddings": [{"values": [0.5]}] * n},
            "mistral": lambda n: {"data": [{"index": i, "embedding": [0.5]} for i in range(n)]},
            "ollama": lambda n: {"embeddings": [[0.5]] * n},
            "vertex": lambda n: {"predictions": [{"embeddings": {"values": [0.5]}}] * n},
        }

        models = {"bedrock": "cohere.embed-v4:0"}

        def asks(provider: str, family: requests.Family) -> Callable[[int], Measured]:
            def at(size: int) -> Measured:
                fields = {**family(size), "model": models.get(provider, "text-embedding-004")}
                return lambda: translating("embeddings", provider, fields)

            return at

        def answers_to(provider: str) -> Callable[[int], Measured]:
            def at(size: int) -> Measured:
                fields = {
                    "model": models.get(provider, "text-embedding-004"),
                    "input": ["x"],
                    "encoding_format": "base64",
                }
                made, body = translating("embeddings", provider, fields), orjson.dumps(vectors[provider](size))
                return lambda: made.whole(body, "r")

            return at

        def table() -> Table:
            for provider in vectors:
                answers_to(provider)(1)()
                yield f"answer of {provider}", answers_to(provider)
                yield from (
                    (f"{name} to {provider}", asks(provider, each)) for name, each in requests.EMBEDDINGS.items()
                )

        hold(self, table())


def hold(case: unittest.TestCase, table: Table, smallest: int = _SMALLEST) -> None:
    """Nothing in ``table`` grows too fast."""
    found = too_fast(table, smallest)
    case.assertFalse(found, f"grows too fast:\n{found}")


class PassingTests(unittest.TestCase):
    """What passes byte for byte, and is looked at on its way."""

    def test_bodies(self) -> None:
        """Are judged: those that are read at once. Of large ones the reading is counted in ``test_large_json``."""
        self.patch(module("body"), "_SMALL", 1 << 30)
        bodies: dict[str, Callable[[int], bytes]] = {
            "a name again and again": lambda n: b'{"messages":[%s]}' % b",".join([b'{"model":"x"}'] * n),
            "a name twice": lambda n: b'{"messages":[%s],"model":"a","model":"b"}' % b",".join([b'{"model":"x"}'] * n),
            "escaped names": lambda n: b'{"messages":[%s]}' % b",".join([b'{"\\u006dodel":1}'] * n),
            "blanks": lambda n: b'{"messages":[%s]}' % b",".join([b'"model"' + b" " * 99] * n),
            "quotes": lambda n: b'{"messages":[],"x":"%s"}' % (b'\\"' * n),
            "backslashes": lambda n: b'{"messages":[],"x":"%s"}' % (b"\\" * 2 * n),
            "brackets": lambda n: b'{"messages":[%s]}' % b",".join([b"[[]]"] * n),
            "a long text": lambda n: b'{"messages":[],"x":"%s"}' % (b"x" * 100 * n),
        }

        def judged(make: Callable[[int], bytes]) -> Callable[[int], Measured]:
            def at(size: int) -> Measured:
                body = make(size)

                def parse() -> None:
                    with contextlib.suppress(BadRequest):
                        module("body").parse(body, "chat")

                return parse

            return at

        hold(self, ((name, judged(make)) for name, make in bodies.items()), 1024)

    def test_streams(self) -> None:
        """Are tapped: all at once, event by event."""

        def tapped(operation: str, family: answers.Stream, together: bool) -> Callable[[int], Measured]:
            def at(size: int) -> Measured:
                events = family(size)
                tap = module("taps").StreamTap(operation, True)
                return lambda: list(map(tap.feed, [b"".join(events)] if together else events))

            return at

        def table() -> Table:
            streamed = {
                "chat": answers.OPENAI_STREAMS,
                "messages": answers.ANTHROPIC_STREAMS,
                "responses": answers.RESPONSES_STREAMS,
            }
            for operation, streams in streamed.items():
                for name, each in streams.items():
                    yield f"{operation}: {name}", tapped(operation, each, False)
                    yield f"{operation}, together: {name}", tapped(operation, each, True)
            yield "lines of data", tapped("chat", lambda n: [b"data: 1\n" * n + b"\n"], True)
            yield "broken bytes", tapped("chat", lambda n: [b'data: {"x":"%s"}\n\n' % (b"\xff" * n)], True)
            yield "carriage returns", tapped("chat", lambda n: [b"data: {}\r\r" * n], True)

        hold(self, table(), _SMALLEST_ANSWER)

    def test_ends_of_long_answers(self) -> None:
        """Are looked through for their usage, however often one seems to be there."""

        def at(size: int) -> Measured:
            tail, tap = b'x"usage":{"a":[' * size, module("taps").JsonTap()
            return lambda: tap.read_tail(tail)

        hold(self, iter([("usage", at)]))

    def test_whole_answers(self) -> None:
        """Are tapped."""

        def at(size: int) -> Measured:
            body = orjson.dumps({"model": "m", "usage": {"input_tokens": 1}, "output": ["x"] * size})
            return lambda: module("taps").JsonTap().read(body)

        def halves(size: int) -> Measured:
            body = b'{"model":"m","output":[%s]}' % b",".join([b'{"x":"\\udc80"}'] * size)
            return lambda: module("lenient").loads(body)

        hold(self, iter([("whole", at), ("with halves of characters", halves)]), _SMALLEST_ANSWER)

    def test_first_events(self) -> None:
        """Are looked at: whether they are errors, or say nothing yet."""

        def told(operation: str, kind: str) -> Callable[[int], Measured]:
            def at(size: int) -> Measured:
                fields = {"type": kind, "error": {"message": "x" * size}, "choices": [{"delta": {"role": "x"}}] * size}
                event = b"event: error\ndata: %s\n\n" % orjson.dumps(fields)
                return lambda: (
                    module("errors").first_event_error(event, operation),
                    module("preamble").is_preamble({**fields, "error": None}, operation),
                )

            return at

        kinds = {"chat": "", "messages": "error", "responses": "response.failed"}
        hold(self, ((operation, told(operation, kind)) for operation, kind in kinds.items()))

    def test_others_thoughts(self) -> None:
        """Are left out."""
        thought = {"type": "thinking", "thinking": "t", "signature": "gAAAA"}

        def at(size: int) -> Measured:
            called = [{"type": "tool_use"}] * size
            fields = {"messages": [{"role": "assistant", "content": [thought] * size + called}] * 2, "thinking": {}}
            items = {"input": [{"type": "reasoning", "encrypted_content": "EgI="}] * size}
            leave_out = module("signatures").leave_out_others
            return lambda: (leave_out(fields, "messages"), leave_out(items, "responses"))

        hold(self, iter([("thoughts", at)]))


class PieceTests(unittest.TestCase):
    """One event that comes in small pieces."""

    def test_decoders(self) -> None:
        """Each looks at each byte as often as it takes to find its end, however it is cut."""
        event, text = b"data: %s\n\n", b'{"x":"%s"}'
        decoders: dict[str, tuple[Callable[[], Any], Callable[[bytes], bytes]]] = {
            "events": (lambda: module("decoders").SseDecoder(), lambda data: event % (text % data)),
            "events of CRLF": (lambda: module("decoders").SseDecoder(), lambda data: b"data: %s\r\n\r\n" % data),
            "lines": (lambda: module("decoders").LineDecoder(), lambda data: text % data + b"\n"),
            "chats": (lambda: module("providers.openai_chat.decoding").ChatDecoder(), lambda data: event % data),
            "whole": (lambda: module("providers.openai_chat.decoding").ChatDecoder(), lambda data: text % data),
            "messages of AWS": (
                lambda: module("eventstream").EventStreamDecoder(),
                lambda data: answers.aws_event("x", {"x": data.decode()}),
            ),
        }

        def fed(make: Callable[[], Any], wrapped: Callable[[bytes], bytes], cut: int) -> Callable[[int], Measured]:
            def at(size: int) -> Measured:
                parts, decoder = pieces(wrapped(b"x" * cut * size), cut), make()
                return lambda: (list(map(decoder.feed, parts)), decoder.end())

            return at

        def table() -> Table:
            for name, (make, wrapped) in decoders.items():
                for cut in (1, 16):
                    yield f"{name}, {cut} at a time", fed(make, wrapped, cut)

        hold(self, table(), _SMALLEST_ANSWER)

    def test_streams_that_are_continued(self) -> None:
        """Have the text again that the client has got already."""

        def at(size: int) -> Measured:
            rescue, providers = module("rescue"), module("providers")
            pair = module("pairing").pairing(
                "chat", providers.provider("anthropic"), module("body").Adjustments({}, {}), True
            )
            said = rescue.Said("x" * size)
            fields = {**ASKED["chat"], "model": "m", "stream": True}
            stream = rescue.rescuable(pair, fields, "id", 0.0, said, False).stream(b"text/event-stream")
            events = answers.ANTHROPIC_STREAMS["pieces of text"](2 * size)
            return lambda: list(map(stream.feed, events))

        at(1)()
        hold(self, iter([("text", at)]), 1024)


class OtherTests(unittest.TestCase):
    """Errors, lists, and the built-in provider."""

    def test_errors(self) -> None:
        """Of every provider."""
        bodies: dict[str, Callable[[int], Any]] = {
            "a message": lambda n: {"error": {"message": "x" * n}},
            "details": lambda n: {"detail": [{"loc": ["body", "x"], "msg": "m"}] * n},
            "places": lambda n: {"detail": [{"loc": ["x"] * n, "msg": "m"}]},
            "Google's details": lambda n: {
                "error": {"message": "x", "details": [{"reason": "r", "retryDelay": "x"}] * n}
            },
            "errors in errors": lambda n: {
                "error": {"message": orjson.dumps({"error": {"message": "x" * n}}).decode()}
            },
            "errors in a list": lambda n: [{"error": {"message": "x"}}] * n,
            "members": lambda n: {"error": {f"m{i}": "x" for i in range(n)}},
        }

        def told(provider: str, make: Callable[[int], Any]) -> Callable[[int], Measured]:
            def at(size: int) -> Measured:
                made, body = translating("chat", provider, ASKED["chat"]), orjson.dumps(make(size))
                return lambda: made.error(400, [], body, "r")

            return at

        def table() -> Table:
            for provider in PROVIDERS:
                told(provider, bodies["a message"])(1)()
                yield from ((f"{name} of {provider}", told(provider, make)) for name, make in bodies.items())

        hold(self, table(), 8192 // 4)

    def test_lists(self) -> None:
        """Of models."""

        def at(size: int) -> Measured:
            listed = module("listing").ListTranslation(module("providers").provider("gemini"), True)
            body = orjson.dumps({"models": [{"name": f"models/{i}"} for i in range(size)]})
            return lambda: listed.whole(body, "r")

        def seen(size: int) -> Measured:
            openai = module("providers").provider("openai")
            listed = module("listing").ListTranslation(openai, False, lambda name: name != "5", native=True)
            body = orjson.dumps({"data": [{"id": str(i)} for i in range(size)]})
            return lambda: listed.whole(body, "r")

        def one(size: int) -> Measured:
            listed = module("listing").ListTranslation(module("providers").provider("gemini"), False, one=True)
            body = orjson.dumps({"name": "models/m", "more": ["x"] * size})
            return lambda: listed.whole(body, "r")

        hold(self, iter([("models", at), ("models that may be seen", seen), ("one model", one)]))

    def test_echo(self) -> None:
        """Every operation of the built-in provider; its answers are bounded, too."""
        families: dict[str, Mapping[str, requests.Family]] = {
            "chat": {
                **requests.CHAT,
                "words": lambda n: {"messages": [{"role": "user", "content": "a " * n}]},
                "stops in a long text": lambda n: {
                    "messages": [{"role": "user", "content": "a" * 99 * n}],
                    "stop": ["b"] * n,
                },
            },
            "completions": {**requests.COMPLETIONS, "prompts": lambda n: {"prompt": ["x"] * n, "n": 128}},
            "embeddings": {**requests.EMBEDDINGS, "dimensions": lambda n: {"input": ["x"] * n, "dimensions": 4096}},
            "responses": requests.RESPONSES,
        }

        def echoed(operation: str, family: requests.Family, stream: bool) -> Callable[[int], Measured]:
            def at(size: int) -> Measured:
                fields = {**family(size), "stream": stream}
                return lambda: module("echo").reply(operation, fields, now=0.0)

            return at

        def table() -> Table:
            for operation, each in families.items():
                for name, family in each.items():
                    yield f"{operation}: {name}", echoed(operation, family, False)
                    yield f"stream: {operation}: {name}", echoed(operation, family, True)

        hold(self, table())


def pieces(data: bytes, size: int) -> list[bytes]:
    """``data`` in pieces of ``size`` bytes."""
    return [data[at : at + size] for at in range(0, len(data), size)]
