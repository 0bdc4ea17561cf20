"""Recorded answers of every provider through every front, as the official SDKs read them.

The streams are split at random. What a front's client gets must be what the provider's reader found, whichever front
it is: nothing lost, nothing twice, nothing that the SDK's own helper does not accept.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import anthropic
import attrs
import httpx2
import openai
import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm.body import Adjustments
from aigw.llm.collected import Choice, Collected
from aigw.llm.operations import CHAT, COMPLETIONS, MESSAGES, RESPONSES
from aigw.llm.providers import PROVIDERS
from aigw.llm.translation import DIALECTS, Pair, Translation
from tests.unit.llm.sdk import chat_final, chat_whole, openai_client
from tests.unit.llm.streams import NO_RECORDED, RECORDED, recorded_bodies

AGENTGATEWAY = RECORDED / "agentgateway" / "response"
SSE, EVENT_STREAM = b"text/event-stream", b"application/vnd.amazon.eventstream"
NONE = Adjustments(defaults={}, overrides={})

ASKED: list[Any] = [{"role": "user", "content": "Hi"}]
REQUESTS: dict[str, dict[str, Any]] = {
    CHAT: {"messages": ASKED},
    COMPLETIONS: {"prompt": "Hi"},
    RESPONSES: {"input": "Hi"},
    MESSAGES: {"messages": ASKED, "max_tokens": 100},
}


@attrs.frozen
class Recorded:
    """One recorded answer.

    :ivar provider: whose it is.
    """

    name: str
    provider: str
    content_type: bytes
    body: bytes = attrs.field(repr=False)


@attrs.frozen
class Found:
    """What a client has of an answer."""

    text: str
    calls: list[tuple[str, str, Any]]


def _of(folder: str, pattern: str) -> list[pathlib.Path]:
    return sorted((AGENTGATEWAY / folder).glob(pattern))


def streams() -> list[Recorded]:
    """All recorded streams of providers that this version has."""
    found = [Recorded(path.name, "anthropic", SSE, path.read_bytes()) for path in _of("anthropic", "stream_*.json")]
    found += [
        Recorded(path.name, "openai-compatible", SSE, path.read_bytes()) for path in _of("completions", "stream*")
    ]
    found += [Recorded(path.name, "gemini", SSE, path.read_bytes()) for path in _of("vertex-gemini", "stream*.json")]
    found += [Recorded(path.name, "bedrock", EVENT_STREAM, path.read_bytes()) for path in _of("bedrock", "*.bin")]
    for path in sorted((RECORDED / "envoy-ai-gateway").glob("chat-streaming*.yaml")):
        found += [Recorded(path.name, "openai", SSE, body) for body in recorded_bodies(path)]
    found = [each for each in found if not each.name.endswith(".snap") and each.body.strip()]
    return [each for each in found if PROVIDERS[each.provider].wire is not None]


_NO_ANSWERS = ("stream", "count_tokens", "rerank", "blocked")


def wholes() -> list[Recorded]:
    """All recorded whole answers likewise."""
    folders = {
        "anthropic": "anthropic",
        "bedrock": "bedrock",
        "completions": "openai-compatible",
        "vertex-gemini": "gemini",
    }
    return [
        Recorded(path.name, provider, b"application/json", path.read_bytes())
        for folder, provider in folders.items()
        for path in _of(folder, "*.json")
        if not path.name.startswith(_NO_ANSWERS) and PROVIDERS[provider].wire is not None
    ]


def translation(front: str, recorded: Recorded, *, stream: bool) -> Translation:
    wire = PROVIDERS[recorded.provider].wire
    assert wire is not None
    fields = {"model": "claude-sonnet-4-5", "stream": stream, **REQUESTS[front]}
    return Pair(DIALECTS[front], wire, NONE, drop_unsupported=True).translate(fields, "a1", 0.0)


def translated(front: str, recorded: Recorded, pieces: list[bytes]) -> bytes:
    """The stream that a client of ``front`` gets."""
    stream = translation(front, recorded, stream=True).stream(recorded.content_type)
    written = b"".join([stream.feed(piece) for piece in pieces]) + stream.end()
    assert stream.done, (front, recorded, stream.error)
    return written


def expected(recorded: Recorded, *, stream: bool) -> Choice:
    """What the provider's reader finds, without a front."""
    wire = PROVIDERS[recorded.provider].wire
    assert wire is not None
    reader = wire.reader(DIALECTS[CHAT].read({"model": "m", "stream": stream, **REQUESTS[CHAT]}))
    if not stream:
        return Collected.of(reader.whole(orjson.loads(recorded.body))).choices[0]
    decoder = wire.decoder(recorded.content_type)
    frames = [*decoder.feed(recorded.body), *decoder.end()]
    events = [event for frame in frames for event in reader.frame(frame)]
    return Collected.of([*events, *reader.end()]).choices[0]


# -- what each SDK finds


def _json(text: str) -> Any:
    """Arguments, as text where they were cut off in the middle."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _in_chat(completion: Any) -> Found:
    message = completion.choices[0].message
    calls = [(each.id, each.function.name, _json(each.function.arguments)) for each in message.tool_calls or ()]
    return Found((message.content or "") + (message.refusal or ""), calls)


def _in_response(response: Any) -> Found:
    calls = [
        (item.call_id, item.name, _json(item.arguments)) for item in response.output if item.type == "function_call"
    ]
    parts = [part for item in response.output if item.type == "message" for part in item.content]
    return Found("".join(part.text if part.type == "output_text" else part.refusal for part in parts), calls)


def _in_message(message: Any) -> Found:
    calls = [(block.id, block.name, block.input) for block in message.content if block.type == "tool_use"]
    return Found("".join(block.text for block in message.content if block.type == "text"), calls)


def _chat_final(body: bytes) -> Any:
    """The helper raises on answers that were cut short, with what there is of them."""
    try:
        return chat_final(body)
    except openai.LengthFinishReasonError as error:
        return error.completion


def _response_final(body: bytes) -> Any:
    """The terminal event's response; the helper, which must accept the stream, only has that of complete ones."""
    with openai_client(body, "text/event-stream").responses.stream(model="m", input="Hi") as stream:
        return list(stream)[-1].response


def _anthropic(body: bytes, content_type: str) -> anthropic.Anthropic:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": content_type}, content=body)

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return anthropic.Anthropic(api_key="k", http_client=http, max_retries=0)


def _message_final(body: bytes) -> Any:
    messages = _anthropic(body, "text/event-stream").messages
    with messages.stream(model="m", max_tokens=1, messages=ASKED) as stream:
        return stream.get_final_message()


def _message_whole(body: bytes) -> Any:
    return _anthropic(body, "application/json").messages.create(model="m", max_tokens=1, messages=ASKED)


def _completion_final(body: bytes) -> Found:
    with openai_client(body, "text/event-stream").completions.create(model="m", prompt="p", stream=True) as chunks:
        return Found("".join(choice.text for chunk in chunks for choice in chunk.choices), [])


def _completion_whole(body: bytes) -> Found:
    return Found(openai_client(body).completions.create(model="m", prompt="p").choices[0].text, [])


STREAMED: dict[str, Callable[[bytes], Found]] = {
    CHAT: lambda body: _in_chat(_chat_final(body)),
    RESPONSES: lambda body: _in_response(_response_final(body)),
    MESSAGES: lambda body: _in_message(_message_final(body)),
    COMPLETIONS: _completion_final,
}
WHOLE: dict[str, Callable[[bytes], Found]] = {
    CHAT: lambda body: _in_chat(chat_whole(body)),
    RESPONSES: lambda body: _in_response(openai_client(body).responses.create(model="m", input="Hi")),
    MESSAGES: lambda body: _in_message(_message_whole(body)),
    COMPLETIONS: _completion_whole,
}


class RecordedTests(unittest.TestCase):
    """See the module's head."""

    if not AGENTGATEWAY.is_dir():
        skip = NO_RECORDED

    def test_streams(self) -> None:
        """Every stream through every front, whole and byte by byte."""
        for recorded in streams():
            choice = expected(recorded, stream=True)
            for front, read in STREAMED.items():
                if front in PROVIDERS[recorded.provider].paths:
                    continue  # passes byte for byte
                written = translated(front, recorded, [recorded.body])
                self.assert_same(front, recorded, choice, read(written))
                single = [recorded.body[at : at + 1] for at in range(len(recorded.body))]
                self.assert_same_bytes(front, recorded, single, written)

    @given(st.data())
    def test_any_split(self, data: st.DataObject) -> None:
        """The bytes that a client gets do not depend on how the provider's arrived."""
        recorded = data.draw(st.sampled_from(streams()))
        front = data.draw(st.sampled_from(sorted(STREAMED.keys() - PROVIDERS[recorded.provider].paths.keys())))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(recorded.body)), max_size=8)))
        pieces = [recorded.body[one:other] for one, other in zip([0, *cuts], [*cuts, len(recorded.body)], strict=True)]
        self.assert_same_bytes(front, recorded, pieces, translated(front, recorded, [recorded.body]))

    def test_wholes(self) -> None:
        """Every whole answer through every front, also as a stream in one piece for clients that want one."""
        for recorded in wholes():
            choice = expected(recorded, stream=False)
            for front in WHOLE:
                for stream, read in ((False, WHOLE[front]), (True, STREAMED[front])):
                    answer = translation(front, recorded, stream=stream).whole(recorded.body, "r1")
                    self.assertEqual(answer.status, 200, (front, recorded))
                    self.assert_same(front, recorded, choice, read(answer.body))

    def test_there_are_enough(self) -> None:
        """A folder that moved would make the tests above test nothing."""
        self.assertGreater(len({each.provider for each in streams()}), 2)
        self.assertGreater(len(wholes()), 10)

    def assert_same_bytes(self, front: str, recorded: Recorded, pieces: list[bytes], expected_bytes: bytes) -> None:
        """``pieces`` become those bytes. The opening of messages tells the usage, as far as it has come by then."""
        written = translated(front, recorded, pieces)
        if front == MESSAGES:
            written, expected_bytes = written.partition(b"\n\n")[2], expected_bytes.partition(b"\n\n")[2]
        self.assertEqual(written, expected_bytes, (front, recorded))

    def assert_same(self, front: str, recorded: Recorded, choice: Choice, found: Found) -> None:
        """The client has the text and the calls that the reader found; legacy completions have no calls."""
        place = (front, recorded)
        self.assertEqual(found.text, choice.text + choice.refusal, place)
        if front != COMPLETIONS:
            calls = [(each.id, each.name, _json(each.arguments or "{}")) for each in choice.calls]
            self.assertEqual([call[:2] for call in found.calls], [call[:2] for call in calls], place)
            for one, other in zip(found.calls, calls, strict=True):
                if front != MESSAGES or not isinstance(other[2], str):  # Anthropic's SDK only knows whole objects
                    self.assertEqual(one, other, place)
