"""In whatever pieces a stream arrives, its client gets the same: the same bytes, the same end, the same account."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import decoders
from aigw.llm.operations import CHAT, COMPLETIONS, MESSAGES, RAW, RESPONSES
from aigw.proxy import event_body
from tests.unit.llm.recordings import EVENT_STREAM, LINES, SSE, Recording, pieces, played, recordings, translating
from tests.unit.llm.test_any_stream import counted_ids
from tests.unit.proxy.fakes import Scene
from tests.unit.proxy.test_any_answer import ASKED, translation

SLOWLY = settings(suppress_health_check=list(HealthCheck), deadline=None)
CUTS = st.lists(st.integers(0, 1 << 16), max_size=8)
RELAYED = (CHAT, COMPLETIONS, RESPONSES, MESSAGES, RAW)

ERROR = b'{"error":{"message":"gpu fell off","type":"server_error","code":500}}'
#: Data of events that are not what they should be.
BAD = (
    b'{"choices":[{"index":0,"delta":{"content":"two "',
    b'{"choices":[{"index":0,"delta":{"content":"two "}}],"n":' + b"9" * 5000 + b"}",
    b"[" * 2000 + b"]" * 2000,
    b"two",
    b"\xff\xfe",
    b'"\\ud800"',
    b"null",
    b"",
    b"[DONE]",
    ERROR,
    b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}',
    b'{"choices":[]}',
    b"x" * 3000,
    b'{"x":"' + b"y" * 3000 + b'"}',
)


def chunk(text: str, finish: str | None = None) -> bytes:
    """A chunk of a chat's stream."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + orjson.dumps({"id": "c", "model": "m", "choices": [choice]}) + b"\n\n"


def outcome(scene: Scene, kind: bytes, parts: Sequence[bytes]) -> tuple[Any, ...]:
    """What becomes of a stream that comes in ``parts`` and ends properly."""
    with counted_ids():
        sink = scene.head(200, kind)
        for part in parts:
            if not scene.ledger.closed:
                sink.on_data(part)
        if not scene.ledger.closed:
            sink.on_end(True)
    request, account = scene.request, scene.account
    body = re.sub(rb"\n{3,}", b"\n\n", request.body)  # how many blank lines are behind an event says nothing
    told = (request.status, body, request.ended)
    return (*told, account.error, account.response_model, account.usage, scene.ledger.outcomes)


def relayed(operation: str, parts: Sequence[bytes], *, hide: bool = False) -> tuple[Any, ...]:
    """The same, where client and provider speak one dialect."""
    return outcome(Scene(stream=True, hide_usage=hide, operation=operation), SSE, parts)


def translated(provider: str, operation: str, kind: bytes, parts: Sequence[bytes]) -> tuple[Any, ...]:
    """The same, where they do not."""
    scene = Scene(
        stream=True, translation=translation(provider, operation, True), operation=operation, provider=provider
    )
    found = outcome(scene, kind, parts)
    if operation == MESSAGES:  # its opening tells the usage as far as it has come by then
        return (found[0], found[1].partition(b"\n\n")[2] if found[0] == 200 else found[1], *found[2:])
    return found


def framed(kind: bytes, data: bytes) -> bytes:
    """``data`` as an event of a stream of that kind; of AWS's, something with a wrong checksum."""
    if kind.startswith(EVENT_STREAM):
        return b"\0\0\0\x10\0\0\0\0" + data[:8].ljust(8, b"\0")
    return data.replace(b"\n", b"") + b"\n" if kind.startswith(LINES) else b"data: " + data + b"\n\n"


@st.composite
def spoiled(draw: st.DrawFn, one: Recording) -> bytes:
    """A stream into which some events have come that are not what they should be."""
    ending = b"\n" if one.content_type.startswith(LINES) else b"\n\n"
    events = one.body.replace(b"\r\n", b"\n").split(ending)
    if one.content_type.startswith(EVENT_STREAM):
        at = draw(st.integers(0, 3))
        return one.body if at else one.body + framed(one.content_type, draw(st.sampled_from(BAD))) + one.body
    body = b"".join(event + ending for event in events if event)
    for _ in range(draw(st.integers(1, 3))):
        at = body.find(ending, draw(st.integers(0, len(body))))
        at = len(body) if at < 0 else at + len(ending)
        body = body[:at] + framed(one.content_type, draw(st.sampled_from(BAD))) + body[at:]
    return body


def within(body: bytes, cuts: list[int]) -> list[int]:
    """Places inside of ``body``, most of them behind an event, where nothing else is cut."""
    ends = [at + 2 for at in range(len(body)) if body.startswith(b"\n\n", at)] or [1]
    return [ends[cut % len(ends)] if cut % 3 else cut % (len(body) or 1) for cut in cuts]


class EverySplitTests(unittest.TestCase):
    """All the ways to cut a short stream in two, and byte by byte, for each event that is not what it should be."""

    def setUp(self) -> None:
        """Bounds that a test can reach."""
        for module, name in ((event_body, "MAX_EVENT"), (decoders, "MAX_FRAME")):
            self.patch(module, name, 2048)

    def assert_same(self, operation: str, stream: bytes) -> None:
        whole = relayed(operation, [stream])
        for at in range(1, len(stream)):
            if len(stream) < 1500 or at % 17 == 0 or stream[at - 1 : at] == b"\n":
                self.assertEqual(relayed(operation, [stream[:at], stream[at:]]), whole, (operation, stream, at))
        singles = [stream[at : at + 1] for at in range(len(stream))]
        self.assertEqual(relayed(operation, singles), whole, (operation, stream))

    def test_bad_event_in_the_middle(self) -> None:
        """What came before it is passed on, nothing behind it is, and the stream does not look complete."""
        for bad in BAD:
            stream = (
                chunk("one ") + b"data: " + bad + b"\n\n" + chunk("three") + chunk("", "stop") + b"data: [DONE]\n\n"
            )
            self.assert_same(CHAT, stream)

    def test_bad_event_at_the_beginning(self) -> None:
        """Nothing was sent: it is the failure of a backend, and the status says so."""
        for bad in BAD:
            self.assert_same(CHAT, chunk("") + b"data: " + bad + b"\n\n" + chunk("", "stop") + b"data: [DONE]\n\n")

    def test_text_is_never_lost_in_silence(self) -> None:
        """An event that nobody can read is not left out of a stream that ends as complete."""
        for bad in BAD[:5]:
            stream = (
                chunk("one ") + b"data: " + bad + b"\n\n" + chunk("three") + chunk("", "stop") + b"data: [DONE]\n\n"
            )
            status, body, ended, error, *_ = relayed(CHAT, [stream])
            if bad in body:
                continue
            self.assertEqual((status, ended, error), (200, "finished", "upstream_failed"), bad)
            self.assertTrue(body.startswith(chunk("one ")))
            self.assertNotIn(b"three", body)
            self.assertNotIn(b"[DONE]", body)


class AnySplitTests(unittest.TestCase):
    """Recorded streams with bad events in them, cut anywhere."""

    def setUp(self) -> None:
        """Bounds that a test can reach."""
        for module, name in ((event_body, "MAX_EVENT"), (decoders, "MAX_FRAME")):
            self.patch(module, name, 2048)

    @given(st.data(), st.sampled_from(RELAYED), st.booleans(), CUTS)
    @SLOWLY
    def test_relayed(self, data: st.DataObject, operation: str, hide: bool, cuts: list[int]) -> None:
        """Where nothing is translated."""
        one = data.draw(st.sampled_from([each for each in recordings() if each.content_type.startswith(SSE)]))
        body = data.draw(st.just(one.body) | spoiled(one))
        whole = relayed(operation, [body], hide=hide)
        self.assertEqual(relayed(operation, pieces(body, within(body, cuts)), hide=hide), whole, body)

    @given(st.data(), st.sampled_from(translating()), st.sampled_from(sorted(ASKED)), CUTS)
    @SLOWLY
    def test_translated(self, data: st.DataObject, provider: Any, operation: str, cuts: list[int]) -> None:
        """Of every provider, to every client dialect."""
        own = played(provider.name, stream=True)
        kind = own[0].content_type.partition(b";")[0]
        others = tuple(each for each in recordings() if each.content_type.startswith(kind))
        one = data.draw(st.sampled_from(own + others))
        body = data.draw(st.just(one.body) | spoiled(one))
        whole = translated(provider.name, operation, one.content_type, [body])
        split = translated(provider.name, operation, one.content_type, pieces(body, within(body, cuts)))
        self.assertEqual(split, whole, (provider.name, body))
