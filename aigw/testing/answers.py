"""Answers to script: what OpenAI would send, and every way not to.

Each function makes an :data:`~aigw.testing.script.Answer`. A fault is an answer like any other;
:data:`FAULTS` has each with its usual parameters by name, for tables of tests. The faults of streams answer
with a stream whether the request asked for one or not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import orjson

from aigw.testing.openai import TEXT, body_for, error_body, event, events_for
from aigw.testing.script import Act, Answer, Header, ReceivedRequest, Step

_REASONS = {200: b"OK", 400: b"Bad Request", 404: b"Not Found", 429: b"Too Many Requests"}
_OPENAI_HEADERS: tuple[Header, ...] = (
    (b"openai-version", b"2020-10-01"),
    (b"openai-processing-ms", b"12"),
    (b"x-request-id", b"req_scripted"),
)
_STREAM = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"transfer-encoding", b"chunked"),
)
LAST_CHUNK = b"0\r\n\r\n"


def head(status: int, headers: Iterable[Header]) -> bytes:
    """A response head, blank line included."""
    lines = [b"HTTP/1.1 %d %s" % (status, _REASONS.get(status, b"Status"))]
    lines += [b"%s: %s" % header for header in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def raw(*steps: Step) -> Answer:
    """Exactly these steps."""
    return lambda request: steps


def reply(body: object, status: int = 200, headers: Sequence[Header] = ()) -> Answer:
    """A whole response; ``body`` as JSON unless it is bytes."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    framing = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
    opening = head(status, [*framing, *_OPENAI_HEADERS, *headers])
    return lambda request: (opening if request.method == b"HEAD" else opening + data,)


def error(status: int, message: str, kind: str, code: str | None = None, headers: Sequence[Header] = ()) -> Answer:
    """An error in OpenAI's shape."""
    return reply(error_body(message, kind, code), status, headers)


def stream(
    events: Iterable[bytes] | None = None,
    *,
    delay: float | None = None,
    text: str = TEXT,
    headers: Sequence[Header] = (),
    ending: Step = LAST_CHUNK,
) -> Answer:
    """A chunked stream of server-sent events.

    :param events: whole events, each with its blank line, without end if you like. Default: what OpenAI would
        send for the request, saying ``text``.
    :param delay: seconds to wait before each event; None writes them one after another.
    :param ending: the step behind the last event: the final chunk, or an :class:`Act`.
    """

    def answer(request: ReceivedRequest) -> Iterator[Step]:
        yield head(200, [*_STREAM, *_OPENAI_HEADERS, *headers])
        for each in events_for(request.path, request.fields(), text) if events is None else events:
            if delay is not None:
                yield delay
            yield chunk(each)
        yield ending

    return answer


def openai(text: str = TEXT, *, delay: float | None = None) -> Answer:
    """What OpenAI would answer, by path and body: JSON or a stream, 404 for a path it does not know.

    :param delay: seconds before each event of a stream.
    """

    def answer(request: ReceivedRequest) -> Iterable[Step]:
        fields = request.fields()
        body = body_for(request.path, fields, text)
        if body is None:
            where = f"{request.method.decode()} {request.path.decode('latin-1')}"
            return error(404, f"Invalid URL ({where})", "invalid_request_error")(request)
        if fields.get("stream") is True:
            return stream(text=text, delay=delay)(request)
        return reply(body)(request)

    return answer


# Faults.


def slow_first_byte(seconds: float = 1.0, answer: Answer | None = None) -> Answer:
    """The usual answer, but nothing of it for a while."""
    return lambda request: itertools.chain((seconds,), (answer or openai())(request))


def _broken_stream(count: int, rest: Callable[[list[bytes]], Iterable[Step]]) -> Answer:
    """A stream that is right for ``count`` events; ``rest`` makes steps of the events that were to follow."""

    def answer(request: ReceivedRequest) -> Iterator[Step]:
        events = events_for(request.path, request.fields())
        yield from stream(events[:count], ending=b"")(request)
        yield from rest(events[count:])

    return answer


def stall_after(count: int = 2) -> Answer:
    """A stream that falls silent behind ``count`` events, without closing."""
    return _broken_stream(count, lambda events: (Act.HANG,))


def cut_after(count: int = 2, how: Act = Act.CLOSE) -> Answer:
    """A stream whose connection closes behind ``count`` events, without the final chunk."""
    return _broken_stream(count, lambda events: (how,))


def malformed_event(count: int = 2) -> Answer:
    """A stream with broken JSON behind ``count`` events; it goes on and ends as usual."""
    broken = event(b'{"choices": [{"index": 0, "delta": {"content": ')
    return _broken_stream(count, lambda events: [*map(chunk, (broken, *events)), LAST_CHUNK])


def no_done() -> Answer:
    """A stream that ends properly but without its last event: ``[DONE]``, or ``response.completed``."""
    return lambda request: stream(events_for(request.path, request.fields())[:-1])(request)


def lying_content_length(by: int = 10, how: Act = Act.CLOSE) -> Answer:
    """A response that closes ``by`` bytes before its ``Content-Length``."""
    body = b'{"object": "chat.completion", "choices": []}'
    framing = [(b"content-type", b"application/json"), (b"content-length", b"%d" % (len(body) + by))]
    return raw(head(200, framing) + body, how)


def oversized_headers(size: int = 1 << 20) -> Answer:
    """A response with one header of ``size`` bytes."""
    return reply({}, headers=[(b"x-padding", b"a" * size)])


def rate_limited(retry_after: bytes | None = b"7") -> Answer:
    """429 as OpenAI sends it, with or without ``Retry-After``."""
    headers = [(b"x-ratelimit-remaining-requests", b"0"), (b"x-ratelimit-reset-requests", b"6m0s")]
    headers += [] if retry_after is None else [(b"retry-after", retry_after)]
    return error(429, "Rate limit reached for requests", "requests", "rate_limit_exceeded", headers)


def server_error(status: int = 500) -> Answer:
    """OpenAI's own failure."""
    return error(status, "The server had an error while processing your request.", "server_error")


def overloaded(status: int = 503, headers: Sequence[Header] = ()) -> Answer:
    """A provider that has too much to do: 503, or 529 as Anthropic says it."""
    return error(
        status, "The engine is currently overloaded, please try again later", "overloaded_error", None, headers
    )


def context_length() -> Answer:
    """400: the prompt is longer than the model can read."""
    message = "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens."
    return error(400, message, "invalid_request_error", "context_length_exceeded")


def content_filter() -> Answer:
    """400: the prompt is refused for what it says; Azure's words."""
    message = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
    return error(400, message, "invalid_request_error", "content_filter")


def no_quota() -> Answer:
    """429 of an account that has run out of credit: waiting does not help."""
    return error(
        429, "You exceeded your current quota, please check your plan.", "insufficient_quota", "insufficient_quota"
    )


def dies_before_first_token(how: Act = Act.CLOSE) -> Answer:
    """A stream that greets, and ends before its first word: ``HANG``, ``CLOSE`` or ``RESET``."""
    return cut_after(1, how)


def pings_for_ever(every: float = 0.05) -> Answer:
    """A stream that says nothing but that it is alive."""
    pings = itertools.repeat(b": still here\n\n")
    return stream(pings, delay=every)


def not_an_answer() -> Answer:
    """200, and a page for people: what a proxy in front of a provider says."""
    page = b"<!doctype html><title>Sign in</title>"
    return raw(head(200, [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(page))]) + page)


def in_turn(*answers: Answer) -> Answer:
    """One after the other, and from the first again."""
    turns = itertools.cycle(answers)
    return lambda request: next(turns)(request)


def error_event_first() -> Answer:
    """A stream, status 200, whose first event is an error and which ends behind it."""
    return stream([event(error_body("The server is overloaded.", "server_error", "overloaded"))])


def refuse_later() -> Answer:
    """The usual answer, after which the connection closes and new ones are refused."""
    return lambda request: itertools.chain((Act.REFUSE,), openai()(request), (Act.CLOSE,))


#: The faults with their usual parameters, by name.
FAULTS: Mapping[str, Answer] = {
    "refuse later": refuse_later(),
    "reset before headers": raw(Act.RESET),
    "close before headers": raw(Act.CLOSE),
    "no answer": raw(Act.HANG),
    "slow first byte": slow_first_byte(),
    "stall": stall_after(),
    "cut": cut_after(),
    "cut by reset": cut_after(how=Act.RESET),
    "malformed event": malformed_event(),
    "no [DONE]": no_done(),
    "lying content-length": lying_content_length(),
    "oversized headers": oversized_headers(),
    "garbage": raw(b"\x16\x03\x01\x00 this is not HTTP\r\n\r\n", Act.CLOSE),
    "429": rate_limited(),
    "429 without retry-after": rate_limited(None),
    "429 for lack of credit": no_quota(),
    "500": server_error(),
    "503": overloaded(),
    "529": overloaded(529),
    "context too long": context_length(),
    "content filter": content_filter(),
    "dies before the first token": dies_before_first_token(),
    "slow first token": dies_before_first_token(Act.HANG),
    "pings for ever": pings_for_ever(),
    "not an answer": not_an_answer(),
    "error first": error_event_first(),
}
