"""What each target does with some bytes: it returns, or raises what is a fault of aigw's.

A target holds its parser to what it promises: no exception but those that it names, the same outcome in whatever pieces
the bytes come, the same as a second way of reading them.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any, Final

import orjson

from aigw.config.errors import ConfigError
from aigw.config.importers import import_texts
from aigw.consumers.forms import body_form, form_field
from aigw.errors import BadRequest, BodyTooLarge, GatewayError
from aigw.http.content_coding import decoded
from aigw.http.request import Request
from aigw.http.server import ServerLimits
from aigw.http.sse import EventEnd, EventFramer, EventTooLarge, event_fields, split_events
from aigw.http.target import normalise_path
from aigw.llm import events, large_json, lenient, skimming
from aigw.llm.body import Adjustments, parse
from aigw.llm.decoders import LineDecoder, SseDecoder, UnreadableStream
from aigw.llm.errors import begins_as_error
from aigw.llm.eventstream import EventStreamDecoder
from aigw.llm.operations import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES
from aigw.llm.pairing import pairing
from aigw.llm.providers import PROVIDERS
from aigw.llm.skimming import Skimmer
from aigw.llm.taps import JsonTap, StreamTap
from aigw.routing.retry_after import retry_after
from aigw.web.clients import Clients
from tests.unit.http.connection import Connection
from tests.unit.http.test_client_response import Read
from tests.unit.http.test_server_splits import summary

Target = Callable[[bytes], None]

_LIMITS: Final = ServerLimits(head_bytes=2000, head_count=20, body=4000)
_OPERATIONS: Final = (CHAT, COMPLETIONS, RESPONSES, MESSAGES, EMBEDDINGS)
_NO_ADJUSTMENTS: Final = Adjustments(defaults={}, overrides={})
_CONTENT_TYPES: Final = (
    b"application/json",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=b",
    b'multipart/form-data; boundary="b"',
)


def _in_two(data: bytes) -> tuple[bytes, bytes]:
    """``data`` cut where its own first byte says."""
    at = data[0] * len(data) // 256 if data else 0
    return data[:at], data[at:]


def request(data: bytes) -> None:
    """What a client sends is read alike in one piece and in two. (Answers to HEAD, whose bodies stay out, are more than
    the connection of these tests can read.)"""
    data = data.replace(b"HEAD ", b"GET ")
    whole = Connection(_LIMITS)
    if data:
        whole.send(data)
    pieces = [piece for piece in _in_two(data) if piece]
    assert summary(Connection(_LIMITS).send(*pieces)) == summary(whole)


def response(data: bytes) -> None:
    """What an upstream answers likewise; what comes behind it is refused with it, or left for an idle connection."""
    whole, split = Read([data]), Read(list(_in_two(data)))
    assert whole.outcome[:5] == split.outcome[:5]
    assert bool(whole.why) == bool(split.why or split.left)


def path(data: bytes) -> None:
    """A path has one form, which is its own."""
    with contextlib.suppress(BadRequest):
        once = normalise_path(data)
        assert normalise_path(once) == once
        assert b".." not in once.split(b"/")


def sse(data: bytes) -> None:
    """Events of a stream, in one piece and in two.

    More blank lines than one count as part of the event behind them or not, as they are cut: there is one here.
    """
    data = re.sub(rb"\n{3,}", b"\n\n", data.lstrip(b"\n"))

    def framed(pieces: tuple[bytes, ...]) -> tuple[list[bytes], bool]:
        framer, runs = EventFramer(64), b""
        try:
            for piece in pieces:
                runs += framer.feed(piece)
        except EventTooLarge as error:
            return [event for event in split_events(runs + error.before) if event.strip()], True
        return [event for event in split_events(runs) if event.strip()], False

    whole, split = framed((data,)), framed(_in_two(data))
    if b"\r" not in data:  # a lone CR at the end of a piece is taken for the end of its line
        assert whole == split, (whole, split)
    for event in whole[0]:
        assert events.data(event) == event_fields(event).data


def large_event(data: bytes) -> None:
    """An event that passes unread: what is left of it, and where it ends, is the same in one piece and in two."""

    def skimmed(pieces: tuple[bytes, ...]) -> bytes:
        skimmer = Skimmer(64)
        for piece in pieces:
            skimmer.feed(piece)
        return skimmer.event()

    def found(pieces: tuple[bytes, ...]) -> int:
        end, before = EventEnd(), 0
        for piece in pieces:
            at = end.find(piece)
            if at >= 0:
                return before + at
            before += len(piece)
        return -1

    longest = skimming.LONGEST
    skimming.LONGEST = 5  # type: ignore[misc]
    try:
        assert skimmed((data,)) == skimmed(_in_two(data))
    finally:
        skimming.LONGEST = longest  # type: ignore[misc]
    assert b"\r" in data or found((data,)) == found(_in_two(data))
    begins_as_error(data)


def tap(data: bytes) -> None:
    """A stream that is passed on: only what is told as malformed is ever left out of it."""
    for operation in _OPERATIONS[:4]:
        seen = StreamTap(operation, hide_usage=False)
        visible = b"".join(seen.feed(event) for event in events.split(data))
        assert seen.malformed or seen.error or len(visible) <= 3 * len(data) + 3
        seen.partial_usage()
    answer = JsonTap()
    answer.read(data)
    answer.read_tail(data)


def strict_body(data: bytes) -> None:
    """A request's body is refused, or is what orjson reads."""
    for operation in _OPERATIONS:
        with contextlib.suppress(BadRequest):
            assert parse(data, operation) == orjson.loads(data)


def large_body(data: bytes) -> None:
    """JSON in slices is what orjson reads in one piece."""
    try:
        expected = orjson.loads(data)
    except orjson.JSONDecodeError:
        expected = None
    size = large_json.SLICE
    large_json.SLICE = 5  # type: ignore[misc]
    try:
        found = large_json.loads(data, lambda: None, 900)
        assert found == expected
        assert large_json.dumps(found, lambda: None) == orjson.dumps(expected)
    except large_json.InvalidJson:
        assert not isinstance(expected, dict | list)
    except large_json.JsonTooLarge:
        assert data.count(b"[") + data.count(b"{") > 900
    finally:
        large_json.SLICE = size  # type: ignore[misc]


def lenient_json(data: bytes) -> None:
    """What a provider sends can be written again."""
    value = lenient.loads(data)
    if value is not None:
        lenient.dumps(value)


def form(data: bytes) -> None:
    """A form's fields, and what is left of it without one."""
    for kind in _CONTENT_TYPES:
        with contextlib.suppress(BadRequest):
            form_field(data, kind, b"model")
        body_form(data, kind)


@functools.cache
def _pairs(operation: str) -> tuple[Any, ...]:
    """What translates calls of an operation, for each provider that needs it."""
    found = (pairing(operation, provider, _NO_ADJUSTMENTS, drop_unsupported=True) for provider in PROVIDERS.values())
    return tuple(pair for pair in found if pair is not None)


def _asked(operation: str, *, stream: bool = False) -> dict[str, Any]:
    """A small request of a dialect."""
    fields: dict[str, Any] = {"model": "m", "stream": stream}
    if operation == COMPLETIONS:
        return fields | {"prompt": "x"}
    if operation == RESPONSES:
        return fields | {"input": "x"}
    return fields | {"messages": [{"role": "user", "content": "x"}], "max_tokens": 1}


def translated_request(data: bytes) -> None:
    """A request of any dialect for any provider: it is translated, or refused as the client's fault."""
    for operation in _OPERATIONS:
        try:
            model = parse(data, operation).get("model")
        except BadRequest:
            continue
        for pair in _pairs(operation):
            with contextlib.suppress(GatewayError):
                fields = orjson.loads(data) | {"model": model or "m"}
                orjson.dumps(pair.translate(fields, "a", 0.0).request.body)


def translated_answer(data: bytes) -> None:
    """A provider's whole answer, or error, in any client's dialect: an answer or an error comes of it."""
    for operation in _OPERATIONS[:4]:
        for pair in _pairs(operation):
            answer = pair.translate(_asked(operation), "a", 0.0).whole(data, "r")
            orjson.loads(answer.body)
            error = pair.translate(_asked(operation), "a", 0.0).error(429, [], data, "r")
            assert 400 <= error.status <= 599


def translated_stream(data: bytes) -> None:
    """A provider's stream: as much comes of it in one piece as in two, and the same end."""

    def written(pair: Any, pieces: tuple[bytes, ...]) -> tuple[int, bool, bool]:
        stream, said = pair.translate(_asked(CHAT, stream=True), "a", 0.0).stream(b"text/event-stream"), b""
        for piece in pieces:
            if stream.unreadable is None:
                said += stream.feed(piece)
        if stream.unreadable is None:
            said += stream.end()
        return len(said), stream.done, stream.unreadable is None

    for pair in _pairs(CHAT):
        assert written(pair, (data,)) == written(pair, _in_two(data)), pair


def frames(data: bytes) -> None:
    """A stream's frames, whichever way it is framed."""

    def decoded(kind: Callable[[], Any], pieces: tuple[bytes, ...]) -> tuple[list[Any], str]:
        decoder, found = kind(), []
        try:
            for piece in pieces:
                found += decoder.feed(piece)
            found += decoder.end()
        except UnreadableStream as error:
            return [*found, *error.frames], str(error)
        return found, ""

    for kind in (SseDecoder, LineDecoder, EventStreamDecoder):
        assert decoded(kind, (data,)) == decoded(kind, _in_two(data)), kind


def waiting_time(data: bytes) -> None:
    """A header that says when to come again: no number, or one that can be waited for."""
    for name in (b"retry-after", b"retry-after-ms", b"x-ratelimit-reset-requests", b"anthropic-ratelimit-tokens-reset"):
        found = retry_after([(name, data)], None, 1e9)
        assert found is None or 0 <= found < 1e9


def client_address(data: bytes) -> None:
    """``X-Forwarded-For`` gives an address, whatever it holds."""
    connection = Connection(_LIMITS)
    connection.channel.client = "10.0.0.1"
    asked = Request(connection.channel, b"GET", b"/", [(b"x-forwarded-for", data)], 0.0)
    ip_address(Clients([ip_network("10.0.0.0/8")]).client_of(asked))


def coded_body(data: bytes) -> None:
    """A body in each coding: what it comes to, within the limit, or a refusal that says what is wrong."""
    for coding in ("gzip", "deflate", "zstd"):
        with contextlib.suppress(BadRequest, BodyTooLarge):
            assert len(decoded(data, (coding,), 100_000)) <= 100_000


def imported(data: bytes) -> None:
    """Another gateway's configuration: imported, or refused with what is wrong."""
    with contextlib.suppress(ConfigError, UnicodeDecodeError):
        import_texts([("kong.yaml", data.decode())], {})


TARGETS: Final[dict[str, Target]] = {
    each.__name__: each
    for each in (
        request,
        response,
        path,
        sse,
        large_event,
        tap,
        strict_body,
        large_body,
        lenient_json,
        form,
        translated_request,
        translated_answer,
        translated_stream,
        frames,
        waiting_time,
        client_address,
        coded_body,
        imported,
    )
}
