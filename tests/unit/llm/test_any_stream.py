"""Any split of any recorded stream gives the same; no garbage raises anything but the gateway's own errors.

Goes over all providers that are registered and all dialects, so that those to come are held to it as well.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import math
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, get_args
from unittest import mock

import anthropic
import attrs
import openai
import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.http.sse import EventFramer
from aigw.llm import lenient, reply
from aigw.llm.body import Adjustments
from aigw.llm.decoders import Frame, UnreadableStream
from aigw.llm.errors import first_event_error
from aigw.llm.listing import ListTranslation
from aigw.llm.operations import CHAT, COMPLETIONS, COUNT_TOKENS, EMBEDDINGS, MESSAGES, RAW, RESPONSES
from aigw.llm.pairing import pairing
from aigw.llm.preamble import is_preamble
from aigw.llm.providers import PROVIDERS, Provider
from aigw.llm.reply import Event, ProviderError
from aigw.llm.taps import JsonTap, StreamTap
from aigw.llm.translation import DIALECTS, Answer, StreamTranslation, Translating
from aigw.llm.usage import Usage
from tests.unit.llm.recordings import (
    EVENT_STREAM,
    LINES,
    MODELS,
    SSE,
    Recording,
    asked,
    asks_anything,
    events_of,
    frames_of,
    json_of,
    mutated,
    pieces,
    played,
    played_errors,
    recordings,
    translating,
    wire_of,
    words,
)
from tests.unit.llm.streams import NO_RECORDED
from tests.unit.llm.test_fronts_recorded import STREAMED

NONE = Adjustments(defaults={}, overrides={})
ASKED: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "Hi"}]},
    COMPLETIONS: {"prompt": "Hi"},
    RESPONSES: {"input": "Hi"},
    MESSAGES: {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 100},
    COUNT_TOKENS: {"messages": [{"role": "user", "content": "Hi"}]},
    EMBEDDINGS: {"input": "Hi"},
}
#: What an answer that is whole ends with, by its client's dialect.
ENDS = {
    CHAT: (b"\n\ndata: [DONE]\n\n",),
    COMPLETIONS: (b"\n\ndata: [DONE]\n\n",),
    RESPONSES: (b"\n\nevent: response.completed\n", b"\n\nevent: response.incomplete\n"),
    MESSAGES: (b"\n\nevent: message_stop\n",),
}
CUTS = st.lists(st.integers(0, 1 << 16), max_size=12)
SLOWLY = settings(suppress_health_check=list(HealthCheck), deadline=None)


def providers() -> st.SearchStrategy[Provider]:
    return st.sampled_from(translating())


@contextlib.contextmanager
def counted_ids() -> Iterator[None]:
    """The ids that readers make up are the same every time."""
    numbers = itertools.count(1)
    with mock.patch.object(uuid, "uuid4", lambda: uuid.UUID(int=next(numbers) << 64)):
        yield


def translation(provider: Provider, operation: str, model: str, *, stream: bool = False) -> Translating:
    pair = pairing(operation, provider, NONE, drop_unsupported=True)
    assert pair is not None
    if operation == EMBEDDINGS:
        model = "amazon.titan-embed-text-v2:0"  # Bedrock knows its models by their names; others take any
    return pair.translate(orjson.loads(orjson.dumps({"model": model, "stream": stream, **ASKED[operation]})), "a1", 0.0)


@attrs.frozen
class Outcome:
    """What became of a stream.

    :ivar broke: it was not what it should be.
    """

    written: bytes
    done: bool
    error: ProviderError | None
    usage: Usage | None
    model: str | None
    broke: bool


def outcome(stream: StreamTranslation, parts: Sequence[Any]) -> Outcome:
    """``stream`` fed with ``parts``, as the relay does."""
    written = b""
    with counted_ids():
        for part in parts:
            if stream.unreadable is None:
                written += stream.feed(part)
        if stream.unreadable is None:
            written += stream.end()
    broke = stream.unreadable is not None
    return Outcome(written, stream.done, stream.error, stream.usage, stream.model, broke)


def greeted(front: str, written: bytes) -> bytes:
    """Without the opening of messages, which tells the usage as far as it has come by then."""
    return written.partition(b"\n\n")[2] if front == MESSAGES else written


class SplitTests(unittest.TestCase):
    """Nothing depends on how the bytes come."""

    if not recordings():
        skip = NO_RECORDED

    def read(self, provider: Provider, model: str, kind: bytes, parts: Sequence[bytes]) -> tuple[list[Event], bool]:
        """The events of a stream, and whether it was broken."""
        wire, events = wire_of(provider), []
        decoder, reader = wire.decoder(kind), wire.reader(asked(model, stream=True))
        with counted_ids():
            try:
                for part in parts:
                    events += [event for frame in decoder.feed(part) for event in reader.frame(frame)]
                events += [event for frame in decoder.end() for event in reader.frame(frame)]
            except UnreadableStream as error:
                return [*events, *(event for frame in error.frames for event in reader.frame(frame))], True
            return [*events, *reader.end()], False

    def assert_same_events(self, provider: Provider, model: str, one: Recording, parts: Sequence[bytes]) -> None:
        whole, broke = self.read(provider, model, one.content_type, [one.body])
        split, split_broke = self.read(provider, model, one.content_type, parts)
        self.assertEqual((split, split_broke), (whole, broke), (provider.name, one))

    def test_byte_by_byte(self) -> None:
        """Every recorded answer to every provider's reader; most of them are another's."""
        for provider in translating():
            for one in (*recordings(), *played(provider.name, stream=True)):
                step = 1 if len(one.body) < 2000 else 7
                parts = [one.body[at : at + step] for at in range(0, len(one.body), step)]
                self.assert_same_events(provider, MODELS[0], one, parts)

    @given(st.data(), providers(), st.sampled_from(MODELS), CUTS)
    @SLOWLY
    def test_events(self, data: st.DataObject, provider: Provider, model: str, cuts: list[int]) -> None:
        """Of every reader."""
        one = data.draw(st.sampled_from(recordings() + played(provider.name, stream=True)))
        self.assert_same_events(provider, model, one, pieces(one.body, cuts))

    @given(st.data(), providers(), st.sampled_from(sorted(DIALECTS)), st.sampled_from(MODELS), CUTS)
    @SLOWLY
    def test_fronts(self, data: st.DataObject, provider: Provider, front: str, model: str, cuts: list[int]) -> None:
        """The same bytes out of every one."""
        one = data.draw(st.sampled_from(recordings() + played(provider.name, stream=True)))
        self.assert_same_bytes(provider, front, model, one, pieces(one.body, cuts))

    def assert_same_bytes(
        self, provider: Provider, front: str, model: str, one: Recording, parts: Sequence[bytes]
    ) -> None:
        def result(parts: Sequence[bytes]) -> Outcome:
            return outcome(translation(provider, front, model, stream=True).stream(one.content_type), parts)

        whole, split = result([one.body]), result(parts)
        written = greeted(front, whole.written)
        self.assertEqual(greeted(front, split.written), written, (provider.name, front, one))
        self.assertEqual(attrs.evolve(split, written=b""), attrs.evolve(whole, written=b""), (provider.name, one))

    def test_fronts_byte_by_byte(self) -> None:
        """Each provider's own streams through every front."""
        for provider in translating():
            for front in DIALECTS:
                for one in played(provider.name, stream=True):
                    parts = [one.body[at : at + 1] for at in range(len(one.body))]
                    self.assert_same_bytes(provider, front, MODELS[0], one, parts)

    @given(st.data(), st.sampled_from([CHAT, COMPLETIONS, RESPONSES, MESSAGES, RAW]), st.booleans(), CUTS)
    @SLOWLY
    def test_taps(self, data: st.DataObject, operation: str, hide: bool, cuts: list[int]) -> None:
        """The same bytes go down, and the same is known, where nothing is translated."""
        one = data.draw(st.sampled_from(recordings()))
        self.assertEqual(tapped(operation, hide, pieces(one.body, cuts)), tapped(operation, hide, [one.body]), one)

    def test_there_are_enough(self) -> None:
        """A folder that moved would make the tests above test nothing."""
        kinds = [one.content_type.partition(b";")[0] for one in recordings()]
        self.assertGreater(kinds.count(SSE), 15)
        self.assertGreater(kinds.count(EVENT_STREAM), 5)
        self.assertGreater(len(kinds), 100)
        for provider in translating():
            whole = events_of(wire_of(provider), asked(MODELS[0], stream=True), seeds(provider.name)[0])
            self.assertIsInstance(whole[-1], reply.End, provider.name)


def tapped(operation: str, hide: bool, parts: Sequence[bytes]) -> tuple[Any, ...]:
    """What a client gets of a stream that is not translated, and what the tap knows of it then."""
    framer, tap = EventFramer(), StreamTap(operation, hide)
    visible = b""
    for part in parts:
        run = framer.feed(part)
        visible += tap.feed(run) if run else b""
    if framer.rest.strip():
        visible += tap.feed(framer.rest.rstrip(b"\r\n") + b"\n\n")
    known = (tap.usage, tap.model, tap.done, tap.error, tap.malformed, tap.finished_cleanly(), tap.partial_usage())
    return (visible, *known, tap.events, tap.output_bytes)


# -- garbage


@functools.cache
def seeds(name: str) -> tuple[list[Frame], ...]:
    """Streams that a provider's reader finds something in; its own come first."""
    wire, call = wire_of(PROVIDERS[name]), asked(MODELS[0], stream=True)
    own = [frames_of(wire, one) for one in played(name, stream=True)]
    others = [frames_of(wire, one) for one in recordings()]
    return (*own, *(frames for frames in others if len(events_of(wire, call, frames)) > 2))


@functools.cache
def whole_seeds(name: str) -> tuple[Any, ...]:
    """Whole answers likewise."""
    own = [orjson.loads(one.body) for one in played(name, stream=False)]
    return (*own, *filter(None, [lenient.loads(one.body) for one in recordings()]))


@functools.cache
def vocabulary(name: str) -> list[str]:
    """The words of a provider's streams and answers."""
    told = [lenient.loads(frame.data) for frames in seeds(name)[:8] for frame in frames]
    return words([*told, *whole_seeds(name)[:4], *map(lenient.loads, played_errors(name))])


def written_anyhow(value: Any) -> bytes:
    """JSON as a careless server writes it: whole numbers of any size."""
    return json.dumps(value).encode()


@st.composite
def broken_frames(draw: st.DrawFn, name: str) -> list[Frame]:
    """A provider's stream with some of its frames changed, left out, repeated, out of order."""
    frames = draw(st.sampled_from(seeds(name)))
    kinds = st.sampled_from(
        [b"", b"error", b"exception:modelStreamErrorException", b"whole", *{f.kind for f in frames}]
    )
    places = draw(
        st.lists(st.integers(0, max(0, len(frames) - 1)), max_size=8) | st.just(list(range(len(frames)))[:30])
    )
    found: list[Frame] = []
    garbage = json_of(vocabulary(name))
    for place in places:
        kind, data = frames[place] if frames else Frame(b"", b"{}")
        fields = lenient.loads(data)
        if draw(st.integers(0, 2)) == 0 and fields is not None:
            fields = draw(mutated(fields, garbage))
            kind = draw(st.just(kind) | kinds)
            data = written_anyhow(fields)
        found.append(Frame(kind, data))
    return found


@st.composite
def broken_wholes(draw: st.DrawFn, name: str) -> Any:
    """A whole answer with some of it changed."""
    garbage = json_of(vocabulary(name))
    return draw(garbage | st.sampled_from(whole_seeds(name)).flatmap(lambda value: mutated(value, garbage)))


FIELDS = st.dictionaries(st.sampled_from(["content-type", "retry-after", "x-amzn-errortype", "x"]), st.text(max_size=8))


class GarbageTests(unittest.TestCase):
    """What comes out is well-formed, whatever comes in."""

    if not recordings():
        skip = NO_RECORDED

    def assert_error(self, error: ProviderError) -> None:
        """One that all dialects can write."""
        self.assertIs(type(error.status), int)
        self.assertTrue(400 <= error.status <= 599, error)
        self.assertIsInstance(error.type, str)
        self.assertIsInstance(error.message, str)
        self.assertTrue(error.message.encode(), error)
        for each in (error.code, error.param):
            self.assertIsInstance(each, str | None)
        if error.retry_after is not None:
            self.assertTrue(math.isfinite(error.retry_after) and error.retry_after >= 0, error)

    def assert_usage(self, usage: Usage | None) -> None:
        """Numbers that can be added up."""
        for count in usage.counts() if usage is not None else ():
            self.assertIs(type(count), int)
            self.assertTrue(0 <= count < 10**13, usage)

    def assert_events(self, events: Sequence[Event]) -> None:
        """As readers promise them."""
        calls: dict[int, int] = {}
        for event in events:
            self.assertIsInstance(event, get_args(Event))
            self.assertTrue(0 <= getattr(event, "choice", 0) < 1000, event)
            match event:
                case reply.Failed(error):
                    self.assert_error(error)
                case reply.UsageTold(usage):
                    self.assert_usage(usage)
                case reply.ToolStart(number, call_id, name, choice):
                    self.assertEqual(number, calls.get(choice, 0), event)
                    self.assertTrue(isinstance(call_id, str) and call_id and isinstance(name, str), event)
                    calls[choice] = number + 1
                case reply.ToolArguments(number, fragment, choice):
                    self.assertIsInstance(fragment, str)
                    self.assertTrue(0 <= number < calls.get(choice, 0), events)
                case reply.TextDelta(text) | reply.ReasoningDelta(text) | reply.RefusalDelta(text):
                    self.assertIsInstance(text, str)
                case reply.Finish(reason):
                    self.assertIsInstance(reason, str)
                case reply.Start(answer_id, model):
                    self.assertIsInstance(answer_id, str | None)
                    self.assertIsInstance(model, str | None)

    def assert_stream(self, written: bytes) -> None:
        """Server-sent events of JSON, in UTF-8."""
        for event in written.decode().removesuffix("\n\n").split("\n\n") if written else ():
            kind, _, data = event.rpartition("\n")
            self.assertTrue(kind == "" or kind.startswith("event: "), event)
            self.assertTrue(data.startswith(("data: ", ":")), event)
            if data.startswith("data: ") and data != "data: [DONE]":
                self.assertIsInstance(orjson.loads(data[6:]), dict)

    def assert_outcome(self, front: str, found: Outcome) -> None:
        """An answer that is not whole does not look so."""
        self.assert_stream(found.written)
        self.assert_usage(found.usage)
        if found.error is not None:
            self.assert_error(found.error)
        ended = any(end in found.written for end in ENDS[front])
        self.assertEqual(ended, found.done, (front, found))
        if not found.done:
            for event in found.written.split(b"\n\n"):
                self.assertFalse(finishes(event), (front, found))

    def assert_answer(self, answer: Answer, *, stream: bool = False) -> None:
        """Of a status that says what it is."""
        self.assert_usage(answer.usage)
        if answer.error is not None:
            self.assert_error(answer.error)
            self.assertEqual(answer.status, answer.error.status)
        else:
            self.assertEqual(answer.status, 200)
        if stream and answer.error is None:
            self.assert_stream(answer.body)
        else:
            self.assertIsInstance(orjson.loads(answer.body), dict)

    @given(st.data(), providers(), st.sampled_from(MODELS))
    @SLOWLY
    def test_readers(self, data: st.DataObject, provider: Provider, model: str) -> None:
        """Frames that nobody expects."""
        frames = data.draw(broken_frames(provider.name))
        self.assert_events(events_of(wire_of(provider), asked(model, stream=True), frames))

    @given(st.data(), providers(), st.sampled_from(MODELS))
    @SLOWLY
    def test_readers_of_wholes(self, data: st.DataObject, provider: Provider, model: str) -> None:
        """Whole answers likewise; each says something or fails."""
        fields = lenient.loads(written_anyhow(data.draw(broken_wholes(provider.name))))
        events = list(wire_of(provider).reader(asked(model, stream=False)).whole(fields))
        self.assert_events(events)
        self.assertIsInstance(events[-1], reply.End | reply.Failed, fields)

    @given(st.data(), providers(), st.sampled_from(sorted(DIALECTS)), st.sampled_from(MODELS))
    @SLOWLY
    def test_streams_through_fronts(self, data: st.DataObject, provider: Provider, front: str, model: str) -> None:
        """Each front writes what can be read."""
        frames = data.draw(broken_frames(provider.name))
        pair = translation(provider, front, model, stream=True)
        with mock.patch.object(type(wire_of(provider)), "decoder", lambda wire, kind: Given()):
            stream = pair.stream(SSE)
        self.assert_outcome(front, outcome(stream, frames))
        self.assert_stream(stream.failure(stream.error or ProviderError(502, "server_error", "cut")))

    @given(st.data(), providers(), st.sampled_from([CHAT, RESPONSES, MESSAGES]))
    @SLOWLY
    def test_sdks_understand_it(self, data: st.DataObject, provider: Provider, front: str) -> None:
        """Their own helpers, which are strict about order and numbers, put it together, or raise what they should."""
        frames = data.draw(broken_frames(provider.name))
        pair = translation(provider, front, MODELS[0], stream=True)
        with mock.patch.object(type(wire_of(provider)), "decoder", lambda wire, kind: Given()):
            stream = pair.stream(SSE)
        found = outcome(stream, frames)
        error = found.error or ProviderError(502, "server_error", "cut")
        told = found.written if found.done or not found.written else found.written + stream.failure(error)
        raised = told != found.written
        with arguments_of_any_kind():
            try:
                STREAMED[front](told) if told else None
            except openai.ContentFilterFinishReasonError:
                pass
            except (openai.APIError, anthropic.APIError):
                self.assertTrue(raised, told)
            else:
                self.assertFalse(raised, told)

    @given(st.data(), providers(), st.sampled_from(sorted(ASKED)), st.sampled_from(MODELS), st.booleans())
    @SLOWLY
    def test_wholes_through_fronts(
        self, data: st.DataObject, provider: Provider, operation: str, model: str, stream: bool
    ) -> None:
        """Every operation's answers."""
        if pairing(operation, provider, NONE, drop_unsupported=True) is None:
            return
        body = written_anyhow(data.draw(broken_wholes(provider.name)))
        pair = translation(provider, operation, model, stream=stream)
        answer = pair.ready or pair.whole(body, "r1")
        self.assert_answer(answer, stream=stream and operation in DIALECTS)

    @given(st.data(), providers(), st.sampled_from(sorted(ASKED)), st.integers(400, 599), FIELDS)
    @SLOWLY
    def test_errors(
        self, data: st.DataObject, provider: Provider, operation: str, status: int, fields: dict[str, str]
    ) -> None:
        """Errors of any status with any body."""
        if pairing(operation, provider, NONE, drop_unsupported=True) is None:
            return
        garbage = json_of(vocabulary(provider.name))
        told = st.sampled_from(played_errors(provider.name)).map(orjson.loads)
        bodies = (garbage | told.flatmap(lambda value: mutated(value, garbage))).map(written_anyhow)
        body = data.draw(bodies | st.binary(max_size=30) | st.sampled_from([b"<html>502</html>", b"[" * 5000, b""]))
        headers = [(name.encode(), value.encode()) for name, value in fields.items()]
        pair = translation(provider, operation, MODELS[0])
        answer = pair.ready or pair.error(status, headers, body, "r1")
        if operation != COUNT_TOKENS:
            self.assertIsNotNone(answer.error)
        self.assert_answer(answer)

    @given(st.data(), providers(), st.sampled_from([SSE, EVENT_STREAM, LINES, b"", b"text/html"]), CUTS)
    @SLOWLY
    def test_bytes(self, data: st.DataObject, provider: Provider, kind: bytes, cuts: list[int]) -> None:
        """Streams with bytes changed, left out, put in; and any bytes at all."""
        one = data.draw(st.sampled_from(recordings() + played(provider.name, stream=True)))
        parts = pieces(one.body, cuts)
        noise = st.binary(max_size=4) | st.sampled_from([b"\n\n", b"data: {}\n\n", b"\xed\xa0\x80", b"\0" * 16])
        parts = [data.draw(noise | st.just(part)) for part in parts]
        for front in DIALECTS:
            stream = translation(provider, front, MODELS[0], stream=True).stream(kind or one.content_type)
            self.assert_outcome(front, outcome(stream, parts))

    @given(st.data(), st.sampled_from([CHAT, COMPLETIONS, RESPONSES, MESSAGES, RAW]), st.booleans(), CUTS)
    @SLOWLY
    def test_taps(self, data: st.DataObject, operation: str, hide: bool, cuts: list[int]) -> None:
        """What looks at streams that are not translated."""
        name = data.draw(st.sampled_from(["openai", "anthropic"]))
        frames = data.draw(broken_frames(name))
        body = b"".join([b"event: %s\ndata: %s\n\n" % frame for frame in frames])
        tapped(operation, hide, pieces(body, cuts))
        for frame in frames:
            fields = lenient.loads(frame.data)
            is_preamble(fields, operation)
            error = first_event_error(b"event: %s\ndata: %s\n\n" % frame, operation)
            if error is not None:
                self.assertTrue(400 <= error.status <= 599)
                orjson.loads(error.body)
            tap = JsonTap()
            tap.read(frame.data)
            tap.read_tail(frame.data[len(frame.data) // 2 :])
            self.assert_usage(tap.usage)

    @given(st.data(), providers(), st.booleans())
    @SLOWLY
    def test_lists(self, data: st.DataObject, provider: Provider, anthropic: bool) -> None:
        """Lists of models."""
        names = ["data", "models", "id", "name", "created", "modelSummaries", "owned_by", "created_at", "display_name"]
        body = written_anyhow(data.draw(json_of(names)))
        self.assert_answer(ListTranslation(provider, anthropic).whole(body, "r1"))


@contextlib.contextmanager
def arguments_of_any_kind() -> Iterator[None]:
    """What a model wrote as a tool's arguments is passed on as it is; Anthropic's SDK says so where it is no JSON."""
    try:
        yield
    except ValueError as error:
        if "Unable to parse tool parameter JSON from model" not in str(error):
            raise


def finishes(event: bytes) -> bool:
    """Whether an event tells that its answer is over."""
    fields = lenient.loads(event.rpartition(b"\n")[2].removeprefix(b"data: "))
    if not isinstance(fields, dict):
        return False
    reasons = [choice["finish_reason"] for choice in fields.get("choices", ())]
    return any(reasons) or fields.get("type") == "message_delta"


class Given:
    """A decoder of frames that are given as they are."""

    def feed(self, frame: Any) -> list[Frame]:
        return [frame]

    def end(self) -> list[Frame]:
        return []


class ModelTests(unittest.TestCase):
    """The models that the tests above ask for."""

    def test_every_provider_can_be_asked(self) -> None:
        """Else they would test less than they seem to."""
        for provider in translating():
            for model in MODELS:
                self.assertTrue(asks_anything(provider, model), (provider.name, model))
