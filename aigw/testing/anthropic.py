"""What Anthropic sends for messages (API version 2023-06-01), after recorded traffic; on Vertex AI as well.

And every way not to: :data:`FAULTS`, as :mod:`aigw.testing.answers` has them for OpenAI.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson

from aigw.testing.answers import LAST_CHUNK, chunk, slow_first_byte
from aigw.testing.openai import event
from aigw.testing.said import BUSY, HELLO, READ, Called, Said, fragments, streamed, whole
from aigw.testing.script import Act, Answer, Header, ReceivedRequest, Step

Fields = dict[str, Any]

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def answer(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        fields = request.fields()
        if request.path.endswith((b"/count_tokens", b"/count-tokens:rawPredict")):
            return whole({"input_tokens": READ})(request)
        meant = forced(said, fields.get("tool_choice"))
        if fields.get("stream") is True:
            return streamed(list(events(meant, fields)), b"text/event-stream; charset=utf-8")(request)
        return whole(message(meant, fields))(request)

    return answered


def failing(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        failed = _event("error", error={"type": "overloaded_error", "message": BUSY})
        return streamed([*list(events(said, request.fields()))[:4], failed], b"text/event-stream")(request)

    return answered


def error(status: int, message: str = BUSY, headers: tuple[Header, ...] = ()) -> Answer:
    """See :mod:`aigw.testing.said`."""
    inner = {"type": _KINDS.get(status, "api_error"), "message": message}
    return whole({"type": "error", "error": inner, "request_id": "req_scripted"}, status, headers)


def forced(said: Said, choice: Any) -> Said:
    """A model that has to call a tool calls it: what it would have said in JSON are the arguments."""
    if said.calls or not isinstance(choice, dict) or choice.get("type") != "tool":
        return said
    return Said(text="", calls=(Called("toolu_forced", choice["name"], orjson.loads(said.text)),))


def message(said: Said, fields: Fields) -> Fields:
    """The whole answer."""
    content: list[Fields] = []
    if said.thoughts:
        content.append({"type": "thinking", "thinking": said.thoughts, "signature": said.signature})
    if said.text:
        content.append({"type": "text", "text": said.text})
    content += [
        {"type": "tool_use", "id": called.id, "name": called.name, "input": called.arguments} for called in said.calls
    ]
    return {**_envelope(fields), "content": content, **_stop(said), "usage": _usage(said.written)}


def events(said: Said, fields: Fields) -> Iterator[bytes]:
    """The events of its stream."""
    begun = {**_envelope(fields), "content": [], "stop_reason": None, "stop_sequence": None, "usage": _usage(1)}
    yield _event("message_start", message=begun)
    for index, (block, deltas) in enumerate(_blocks(said)):
        yield _event("content_block_start", index=index, content_block=block)
        if index == 0:
            yield _event("ping")
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    yield _event("message_delta", delta=_stop(said), usage={"output_tokens": said.written})
    yield _event("message_stop")


def _blocks(said: Said) -> Iterator[tuple[Fields, list[Fields]]]:
    if said.thoughts:
        deltas: list[Fields] = [{"type": "thinking_delta", "thinking": word} for word in said.thought_words]
        signed = {"type": "signature_delta", "signature": said.signature}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]
    if said.text:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": word} for word in said.words]
    for called in said.calls:
        block = {"type": "tool_use", "id": called.id, "name": called.name, "input": {}}
        told = fragments(called.json) if called.arguments else [""]
        yield block, [{"type": "input_json_delta", "partial_json": fragment} for fragment in told]


def _event(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)


def _envelope(fields: Fields) -> Fields:
    return {"id": "msg_scripted", "type": "message", "role": "assistant", "model": fields.get("model") or "scripted"}


def _stop(said: Said) -> Fields:
    return {"stop_reason": "tool_use" if said.calls else "end_turn", "stop_sequence": None}


def _usage(written: int) -> Fields:
    cached = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {"input_tokens": READ, **cached, "output_tokens": written}


# Faults.


def broken(count: int, rest: Callable[[list[bytes]], Iterable[Step]]) -> Answer:
    """A stream that is right for ``count`` events; ``rest`` makes steps of the events that were to follow.

    The first three greet: the message, its first block, a ping.
    """

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        every = list(events(HELLO, request.fields()))
        begun = streamed(every[:count], b"text/event-stream; charset=utf-8", b"")(request)
        return itertools.chain(begun, rest(every[count:]))

    return answered


def stall_after(count: int = 5) -> Answer:
    """A stream that falls silent behind ``count`` events, without closing."""
    return broken(count, lambda rest: (Act.HANG,))


def cut_after(count: int = 5, how: Act = Act.CLOSE) -> Answer:
    """A stream whose connection closes behind ``count`` events, without the final chunk."""
    return broken(count, lambda rest: (how,))


def malformed_event(count: int = 5) -> Answer:
    """A stream with broken JSON behind ``count`` events; it goes on and ends as usual."""
    half = event(b'{"type": "content_block_delta", "delta": {"text": ', "content_block_delta")
    return broken(count, lambda rest: [*map(chunk, (half, *rest)), LAST_CHUNK])


def ends_early(missing: int) -> Answer:
    """A stream that ends properly but without its last events."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        every = list(events(HELLO, request.fields()))
        return streamed(every[:-missing], b"text/event-stream; charset=utf-8")(request)

    return answered


def pings_for_ever(every: float = 0.05) -> Answer:
    """A stream that greets, and then says nothing but that it is alive."""
    ping = chunk(_event("ping"))
    return broken(2, lambda rest: itertools.cycle((every, ping)))


def error_event(count: int = 0, kind: str = "overloaded_error") -> Answer:
    """A stream, status 200, with an error behind ``count`` events, and which ends behind it."""
    failed = _event("error", error={"type": kind, "message": BUSY})
    return broken(count, lambda rest: (chunk(failed), LAST_CHUNK))


def refusing_prefill(request: ReceivedRequest) -> Iterable[Step]:
    """What models do that take no beginning of their answer (later than Claude 4.5); else they say hello."""
    messages = request.fields().get("messages") or [{}]
    if messages[-1].get("role") == "assistant":
        said = "This model does not support assistant message prefill. The conversation must end with a user message."
        return error(400, said)(request)
    return answer(HELLO)(request)


#: The faults with their usual parameters, by name.
FAULTS: Mapping[str, Answer] = {
    "slow first byte": slow_first_byte(1.0, answer(HELLO)),
    "slow first token": stall_after(3),
    "pings for ever": pings_for_ever(),
    "dies before the first token": cut_after(3),
    "stall": stall_after(),
    "cut": cut_after(),
    "cut by reset": cut_after(how=Act.RESET),
    "malformed event": malformed_event(),
    "no message_stop": ends_early(1),
    "no message_delta": ends_early(2),
    "error first": error_event(),
    "error behind the greeting": error_event(3),
    "error in the middle": error_event(5),
    "429": error(429, headers=((b"retry-after", b"7"),)),
    "500": error(500),
    "529": error(529),
    "context too long": error(400, "prompt is too long: 208310 tokens > 200000 maximum"),
    "prefill refused": refusing_prefill,
}
