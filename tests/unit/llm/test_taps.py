"""Responses are read on their way through, and changed in one thing only."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import events
from aigw.llm.frames import ChunkFrame
from aigw.llm.taps import JsonTap, StreamTap, add_usage_option, asks_for_usage
from aigw.llm.usage import Usage
from tests.unit.llm.streams import (
    DONE,
    NO_RECORDED,
    RECORDED,
    USAGE,
    chunk,
    delta_event,
    recorded_bodies,
    sse,
    usage_chunk,
)

TOLD = Usage(9, 3)
#: What models write to confuse proxies.
TEXTS = st.sampled_from(
    ["", "hi", " there", '"usage":{"prompt_tokens":1}', "[DONE]", "\n\ndata: [DONE]\n\n", '"error":{', "é", "\u2028",
     '"finish_reason":"stop"', "\\", '"', '\\"', "\x00", "response.completed", '","obfuscation":"']
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)  # fmt: skip
COMMENT = b": OPENROUTER PROCESSING\n\n"


def spaced(event: bytes) -> bytes:
    """The same event from a server that spaces its JSON."""
    return event.replace(b'":', b'" : ').replace(b",", b" ,")


def crlf(event: bytes) -> bytes:
    """The same event with other line ends."""
    return event.replace(b"\n", b"\r\n")


CHAT_EVENTS = st.one_of(
    TEXTS.map(chunk),
    TEXTS.map(lambda text: chunk(text, usage=None)),
    st.tuples(TEXTS, st.sampled_from(["", "x", "abc"])).map(lambda pair: chunk(pair[0], obfuscation=pair[1])),
    TEXTS.map(lambda text: spaced(chunk(text))),
    TEXTS.map(lambda text: crlf(chunk(text))),
    TEXTS.map(lambda text: sse({"choices": [{"index": 0, "text": text, "finish_reason": None}]})),
    TEXTS.map(lambda text: chunk(text, usage=USAGE)),
    st.just(chunk(None, "stop")),
    st.just(usage_chunk()),
    st.just(usage_chunk(usage={"prompt_tokens": 5, "completion_tokens": 1})),
    st.just(DONE),
    st.just(COMMENT),
    st.just(b"\n\n"),
    st.just(b"data: not json\n\n"),
    st.just(sse({"error": {"message": "m"}})),
    st.just(sse([])),
)
RESPONSE_EVENTS = st.one_of(
    st.tuples(TEXTS, st.integers(0, 200)).map(lambda pair: delta_event(*pair)),
    st.tuples(TEXTS, st.integers(0, 200)).map(lambda pair: delta_event(*pair, obfuscation="pad")),
    st.just(sse({"type": "response.created", "response": {"model": "gpt-4o", "error": None}}, "response.created")),
    st.just(sse({"type": "response.completed", "response": {"usage": {"input_tokens": 9, "output_tokens": 3}}}, "x")),
    st.just(sse({"type": "error", "message": "m"}, "error")),
    st.just(COMMENT),
)


def seen(tap: StreamTap) -> tuple[Any, ...]:
    """All that a tap found out."""
    return (
        tap.usage, tap.model, tap.done, tap.error, tap.events, tap.pieces, tap.output_bytes, tap.finished_cleanly(),
        tap.partial_usage(),
    )  # fmt: skip


class StreamCase(unittest.TestCase):
    """Streams through a tap."""

    def tapped(self, *runs: bytes, operation: str = "chat", hide: bool = False) -> tuple[StreamTap, bytes]:
        """The tap that saw ``runs``, and what the client got."""
        tap = StreamTap(operation, hide)
        return tap, b"".join([tap.feed(run) for run in runs])


class ChatStreamTests(StreamCase):
    """StreamTap on chunks of chat and completions."""

    def test_whole_stream(self) -> None:
        """Usage, model and end are found, and not a byte is changed."""
        runs = [chunk(""), chunk("Hello"), chunk(" you"), chunk(None, "stop"), usage_chunk(), DONE]
        tap, visible = self.tapped(*runs)
        self.assertEqual(visible, b"".join(runs))
        self.assertEqual((tap.usage, tap.model, tap.done, tap.error, tap.events), (TOLD, "gpt-4o", True, None, 6))
        self.assertTrue(tap.finished_cleanly())

    def test_same_object_comes_back_when_nothing_is_hidden(self) -> None:
        """No copy on the hot path, nor beside it."""
        tap = StreamTap("chat", True)
        for run in (
            chunk("a"),
            chunk("b"),
            chunk("c") + chunk("d"),
            chunk(None, "stop", usage=USAGE),
            crlf(chunk("e")),
        ):
            self.assertIs(tap.feed(run), run)

    def test_usage_chunk_is_hidden_when_we_asked_for_it(self) -> None:
        """Alone in its run or among others, however it is spelt."""
        for extra in (usage_chunk(), spaced(usage_chunk()), crlf(usage_chunk()), usage_chunk(timings={"a": 1})):
            for runs in ([chunk(None, "stop"), extra, DONE], [chunk(None, "stop") + extra + DONE]):
                tap, visible = self.tapped(*runs, hide=True)
                self.assertEqual(visible, chunk(None, "stop") + DONE)
                self.assertEqual((tap.usage, tap.done), (TOLD, True))

    def test_usage_with_an_escaped_name_is_found(self) -> None:
        """A name is a name in every spelling."""
        tap, visible = self.tapped(usage_chunk().replace(b'"usage"', b'"\\u0075sage"'), hide=True)
        self.assertEqual((tap.usage, visible), (TOLD, b""))

    def test_usage_on_a_chunk_with_choices_passes(self) -> None:
        """Groq, OpenRouter and Mistral send it so whether asked or not."""
        for event in (
            chunk(None, "stop", usage=USAGE),
            chunk("", None, usage=USAGE),
            chunk(None, "stop", x_groq={"id": "r", "usage": USAGE}),
            sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]}),  # Moonshot
            sse({"usage": None, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]}),
        ):
            tap, visible = self.tapped(chunk("a"), event, DONE, hide=True)
            self.assertEqual(visible, chunk("a") + event + DONE)
            self.assertEqual(tap.usage, TOLD)

    def test_empty_choices_without_usage_pass(self) -> None:
        """Azure begins with such a chunk; null usage is none."""
        for event in (sse({"choices": [], "prompt_filter_results": []}), sse({"choices": [], "usage": None})):
            self.assertEqual(self.tapped(event, hide=True)[1], event)

    def test_error_beside_empty_choices_is_not_hidden(self) -> None:
        """A client must see errors."""
        event = usage_chunk(error={"message": "m"})
        tap, visible = self.tapped(event, hide=True)
        self.assertEqual((visible, tap.error), (event, {"message": "m"}))

    def test_last_usage_counts(self) -> None:
        """vLLM tells it with every chunk; an empty one takes nothing back."""
        first = dict(USAGE, completion_tokens=1, total_tokens=10)
        last = dict(USAGE, completion_tokens=2, total_tokens=11)
        tap, _ = self.tapped(chunk("a", usage=first), chunk("b", usage=last), chunk(None, "stop", usage={}), DONE)
        self.assertEqual(tap.usage, Usage(9, 2))

    def test_text_that_looks_like_protocol_fools_nobody(self) -> None:
        """A model may say what it likes, before and after the tap knows its chunks."""
        for text in (
            '"usage":{"prompt_tokens":1,"completion_tokens":1}',
            '"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}',
            "data: [DONE]", "\n\ndata: [DONE]\n\n", '{"error":{"message":"x"}}', "[DONE]",
            '"finish_reason":"stop"', '"choices":[],"usage":{"prompt_tokens":1}', "\\", '\\"', '"',
        ):  # fmt: skip
            for runs in ([chunk(text)], [chunk("a"), chunk("b"), chunk(text)], [chunk("a") + chunk(text)]):
                tap, visible = self.tapped(*runs, hide=True)
                self.assertEqual(visible, b"".join(runs))
                self.assertEqual((tap.usage, tap.done, tap.error), (None, False, None), text)
                self.assertFalse(tap.finished_cleanly())

    def test_done_is_known_in_every_spelling(self) -> None:
        """Without the space, with other line ends, with a comment before it."""
        for event in (b"data:[DONE]\n\n", b"data: [DONE]\r\n\r\n", b"data: [DONE]\r\r", b": x\ndata: [DONE]\n\n"):
            self.assertTrue(self.tapped(event)[0].done, event)

    def test_finish_reason_ends_a_stream_without_done(self) -> None:
        """However far behind the end it was; some servers send no [DONE]."""
        tap, _ = self.tapped(chunk("a"), chunk(None, "stop"), usage_chunk(), *[COMMENT] * 20)
        self.assertFalse(tap.done)
        self.assertTrue(tap.finished_cleanly())

    def test_stream_without_end_is_not_clean(self) -> None:
        """Nor is one whose finish_reason is empty."""
        tap, _ = self.tapped(chunk("a"), chunk("b"), usage_chunk(), chunk(None, ""))
        self.assertFalse(tap.finished_cleanly())

    def test_error_in_the_stream_is_noted(self) -> None:
        """And passed on as it came."""
        for event in (
            sse({"error": {"message": "m", "code": 502}}),
            sse({"error": {"message": "m", "code": 502}}, "error"),
            chunk("", "error", error={"message": "m", "code": 502}),
        ):
            tap, visible = self.tapped(chunk("a"), event)
            self.assertEqual((tap.error, visible), ({"message": "m", "code": 502}, chunk("a") + event))

    def test_model_is_the_first_that_is_named(self) -> None:
        """Azure's first chunk names none."""
        tap, _ = self.tapped(sse({"model": "", "choices": []}), chunk("a"), sse({"model": "other", "choices": []}))
        self.assertEqual(tap.model, "gpt-4o")

    def test_completions_are_read_alike(self) -> None:
        """Their text has another name."""
        text = {"object": "text_completion", "choices": [{"index": 0, "text": "abcdefgh", "finish_reason": None}]}
        tap, _ = self.tapped(sse(text), sse(text), operation="completions")
        self.assertEqual((tap.pieces, tap.output_bytes), (2, 16))

    def test_strange_shapes_do_no_harm(self) -> None:
        """Upstreams send what they like."""
        runs = [
            sse(fields)
            for fields in (
                None, 1, "x", [], [1], {}, {"choices": None}, {"choices": [None, 1, {}]}, {"choices": [{"delta": 1}]},
                {"choices": [{"delta": {"content": 1, "tool_calls": [None, {"function": 3}]}, "text": 5}]},
                {"choices": {}, "usage": []}, {"usage": 3, "x_groq": 1, "model": 7}, {"type": "response.completed"},
                {"type": [], "response": 1, "delta": 4},
            )
        ]  # fmt: skip
        for operation in ("chat", "responses", "raw"):
            self.assertEqual(self.tapped(*runs, operation=operation, hide=True)[1], b"".join(runs))

    @given(st.lists(CHAT_EVENTS, max_size=12), st.lists(st.integers(0, 12)), st.booleans())
    @example([chunk("a"), chunk("b"), chunk("c")], [1], True)
    def test_grouping_makes_no_difference(self, stream: list[bytes], cuts: list[int], hide: bool) -> None:
        """What is found and what is passed on depend on the events, not on how they came together."""
        bounds = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
        runs = [b"".join(stream[begin:end]) for begin, end in itertools.pairwise(bounds)]
        tap, visible = self.tapped(*runs, hide=hide)
        one_by_one, visible_one_by_one = self.tapped(*stream, hide=hide)
        self.assertEqual(visible, visible_one_by_one)
        self.assertEqual(seen(tap), seen(one_by_one))

    @given(st.lists(CHAT_EVENTS, max_size=12), st.booleans())
    def test_only_the_usage_chunk_is_ever_hidden(self, stream: list[bytes], hide: bool) -> None:
        """And what is not JSON, which is told, and what is behind it or an error. Judged by a reader without fast ways."""
        stream, behind = self.until_fault(stream)

        def malformed(event: bytes) -> bool:
            data = events.data(event).strip()
            return events.read(data) is None and data not in (b"", b"null", b"[DONE]")

        def hidden(event: bytes) -> bool:
            if malformed(event):
                return True
            fields = events.read(events.data(event))
            return hide and isinstance(fields, dict) and fields.get("choices") == [] and bool(fields.get("usage"))

        tap, visible = self.tapped(*stream, *behind, hide=hide)
        self.assertEqual(visible, b"".join(event for event in stream if not hidden(event)))
        self.assertEqual(tap.malformed, any(map(malformed, stream)))

    @given(st.lists(CHAT_EVENTS, max_size=12))
    def test_fast_ways_find_what_slow_ones_find(self, stream: list[bytes]) -> None:
        """A tap that knows no frames comes to the same; what is behind a fault does not count."""
        stream, behind = self.until_fault(stream)
        tap, _ = self.tapped(*stream, *behind)
        self.assertEqual((tap.usage, tap.model, tap.done, tap.error, tap.finished_cleanly()), self.found_slowly(stream))

    def until_fault(self, stream: list[bytes]) -> tuple[list[bytes], list[bytes]]:
        """The stream up to its first error or its first event that is not JSON, that one included, and the rest."""
        taps = [self.tapped(event)[0] for event in stream]
        failed = (number for number, tap in enumerate(taps, 1) if tap.error is not None or tap.malformed)
        end = next(failed, len(stream))
        return stream[:end], stream[end:]

    def found_slowly(self, stream: list[bytes]) -> tuple[Any, ...]:
        """Each event by a tap of its own, which therefore parses it."""
        taps = [self.tapped(event)[0] for event in stream]

        def last(values: list[Any]) -> Any:
            return next((value for value in reversed(values) if value is not None), None)

        return (
            last([tap.usage for tap in taps]),
            next((tap.model for tap in taps if tap.model), None),
            any(tap.done for tap in taps),
            last([tap.error for tap in taps]),
            any(tap.finished_cleanly() for tap in taps),
        )


class PartialUsageTests(StreamCase):
    """StreamTap.partial_usage()"""

    def test_told_usage_of_a_broken_stream_is_partial(self) -> None:
        """As far as it was told."""
        tap, _ = self.tapped(chunk("a", usage=USAGE))
        self.assertEqual(tap.partial_usage(), Usage(9, 3, partial=True))

    def test_told_usage_of_a_whole_stream_is_not(self) -> None:
        """A client that leaves after [DONE] missed nothing."""
        tap, _ = self.tapped(chunk("a"), usage_chunk(), DONE)
        self.assertEqual(tap.partial_usage(), TOLD)

    def test_untold_usage_is_estimated_by_pieces(self) -> None:
        """A token each, the role chunk being none."""
        tap, _ = self.tapped(chunk(""), *[chunk(text) for text in ("I", " am", " an", " echo")])
        self.assertEqual(tap.partial_usage(), Usage(output=4, partial=True))

    def test_long_pieces_are_more_than_a_token(self) -> None:
        """Or a server with large chunks would be nearly free."""
        tap, _ = self.tapped(*[chunk("x" * 400), chunk("y" * 400)])
        self.assertEqual(tap.partial_usage(), Usage(output=200, partial=True))

    def test_padding_is_no_output(self) -> None:
        """OpenAI pads its chunks against eavesdroppers."""
        tap, _ = self.tapped(*[chunk("word", obfuscation="x" * size) for size in (90, 40, 90, 3, 0)])
        self.assertEqual(tap.partial_usage(), Usage(output=5, partial=True))

    def test_thoughts_and_tool_calls_are_output(self) -> None:
        """Under whichever name."""
        for delta in (
            {"reasoning_content": "x" * 40},
            {"reasoning": "x" * 40},
            {"refusal": "x" * 40},
            {"tool_calls": [{"index": 0, "function": {"arguments": "x" * 40}}]},
        ):
            tap, _ = self.tapped(*[sse({"choices": [{"index": 0, "delta": delta}]})] * 3)
            self.assertEqual(tap.partial_usage().output, 30, delta)

    def test_nothing_seen_is_nothing_used(self) -> None:
        """Comments and the role chunk bring no text."""
        tap, _ = self.tapped(COMMENT, chunk(""))
        self.assertEqual(tap.partial_usage(), Usage(partial=True))


class ResponsesStreamTests(StreamCase):
    """StreamTap on the events of responses."""

    RESPONSE = {"model": "gpt-4o", "usage": None, "error": None}

    def test_whole_stream(self) -> None:
        """The last event tells the usage."""
        usage = {"input_tokens": 9, "output_tokens": 3}
        for kind in ("response.completed", "response.incomplete", "response.failed"):
            ended = {**self.RESPONSE, "usage": usage, "error": {"message": "m"} if kind == "response.failed" else None}
            runs = [
                sse({"type": "response.created", "sequence_number": 0, "response": self.RESPONSE}, "response.created"),
                *[delta_event(text, number) for number, text in enumerate(("a", "b", "c"), 1)],
                sse({"type": kind, "sequence_number": 4, "response": ended}, kind),
            ]
            tap, visible = self.tapped(*runs, operation="responses", hide=True)
            self.assertEqual(visible, b"".join(runs))
            self.assertEqual((tap.usage, tap.model, tap.done, tap.error), (TOLD, "gpt-4o", True, ended["error"]))
            self.assertEqual((tap.pieces, tap.output_bytes, tap.events), (3, 3, 5))

    def test_cut_stream_is_not_clean_and_is_estimated(self) -> None:
        """There is no other end than the terminal event."""
        tap, _ = self.tapped(delta_event("hello there!", 1), delta_event("b", 2), operation="responses")
        self.assertFalse(tap.finished_cleanly())
        self.assertEqual(tap.partial_usage(), Usage(output=3, partial=True))

    def test_text_about_the_end_is_no_end(self) -> None:
        """Not even when it looks like an event."""
        text = 'event: response.completed\n\n{"type":"response.completed","response":{"usage":{"input_tokens":1}}}'
        tap, _ = self.tapped(delta_event("a", 1), delta_event(text, 2), delta_event(text, 3), operation="responses")
        self.assertEqual((tap.done, tap.usage), (False, None))

    def test_error_event_is_noted(self) -> None:
        """Flat, as OpenAI sends it, or with an error inside."""
        for event in (
            sse({"type": "error", "code": "c", "message": "m", "param": None, "sequence_number": 3}, "error"),
            sse({"type": "error", "error": {"code": "c", "message": "m"}}, "error"),
        ):
            tap, visible = self.tapped(delta_event("a", 1), event, operation="responses")
            assert tap.error is not None
            self.assertEqual((tap.error["code"], tap.error["message"]), ("c", "m"))
            self.assertEqual(visible, delta_event("a", 1) + event)

    @given(st.lists(RESPONSE_EVENTS, max_size=10), st.lists(st.integers(0, 10)))
    def test_grouping_makes_no_difference(self, stream: list[bytes], cuts: list[int]) -> None:
        """As for chat."""
        bounds = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
        runs = [b"".join(stream[begin:end]) for begin, end in itertools.pairwise(bounds)]
        tap, visible = self.tapped(*runs, operation="responses")
        one_by_one, _ = self.tapped(*stream, operation="responses")
        self.assertEqual(visible, b"".join(stream))
        self.assertEqual(seen(tap), seen(one_by_one))


def message_start(**usage: Any) -> bytes:
    """The beginning of one of Anthropic's streams."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": []}
    return sse({"type": "message_start", "message": {**message, "usage": usage}}, "message_start")


def block_delta(text: str, pad: int = 0, kind: str = "text_delta", name: str = "text") -> bytes:
    """A piece of one of its blocks, padded as Anthropic does."""
    event = sse({"type": "content_block_delta", "index": 0, "delta": {"type": kind, name: text}}, "content_block_delta")
    return event[:-3] + b" " * pad + event[-3:]


def message_delta(**usage: Any) -> bytes:
    """Its end but one."""
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    return sse({"type": "message_delta", "delta": delta, "usage": usage}, "message_delta")


MESSAGE_STOP = sse({"type": "message_stop"}, "message_stop")
MESSAGE_EVENTS = st.one_of(
    st.tuples(TEXTS, st.integers(0, 9)).map(lambda pair: block_delta(*pair)),
    TEXTS.map(lambda text: block_delta(text, 3, "thinking_delta", "thinking")),
    TEXTS.map(lambda text: block_delta(text, 3, "input_json_delta", "partial_json")),
    TEXTS.map(lambda text: crlf(block_delta(text))),
    st.just(message_start(input_tokens=9, output_tokens=1)),
    st.just(message_delta(output_tokens=3)),
    st.just(message_delta(output_tokens=4, input_tokens=2, cache_read_input_tokens=7)),
    st.just(MESSAGE_STOP),
    st.just(sse({"type": "ping"}, "ping")),
    st.just(sse({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, "error")),
    st.just(DONE),
    st.just(b"data: null\n\n"),
)


class MessagesStreamTests(StreamCase):
    """StreamTap on Anthropic's events."""

    def test_whole_stream(self) -> None:
        """Later counts override earlier ones, those that are not told again stay."""
        runs = [
            message_start(input_tokens=34824, cache_creation_input_tokens=5, output_tokens=1),
            block_delta("Hello", 4),
            block_delta(" you", 11),
            message_delta(input_tokens=3883, output_tokens=49, cache_read_input_tokens=30464),
            MESSAGE_STOP,
        ]
        tap, visible = self.tapped(*runs, operation="messages")
        self.assertEqual(visible, b"".join(runs))
        self.assertEqual(tap.usage, Usage(3883 + 30464 + 5, 49, cached_input=30464, cache_write=5))
        self.assertEqual((tap.model, tap.done, tap.error), ("claude-haiku-4-5", True, None))
        self.assertTrue(tap.finished_cleanly())

    def test_only_message_stop_ends_it(self) -> None:
        """Not the reason, and not another dialect's end."""
        for last in (message_delta(output_tokens=3), DONE):
            tap, _ = self.tapped(message_start(input_tokens=9), block_delta("a"), last, operation="messages")
            self.assertFalse(tap.finished_cleanly())

    def test_cut_stream_is_estimated_beside_what_was_told(self) -> None:
        """The output of message_start is a placeholder."""
        start = message_start(input_tokens=9, cache_read_input_tokens=2, output_tokens=5)
        tap, _ = self.tapped(start, block_delta("x" * 400), operation="messages")
        self.assertEqual(tap.partial_usage(), Usage(11, 100, cached_input=2, partial=True))
        tap, _ = self.tapped(start, message_delta(output_tokens=7), operation="messages")
        self.assertEqual(tap.partial_usage(), Usage(11, 7, cached_input=2, partial=True))

    def test_thoughts_and_arguments_are_output(self) -> None:
        """As visible text is."""
        for kind, name in (("thinking_delta", "thinking"), ("input_json_delta", "partial_json")):
            tap, _ = self.tapped(block_delta("12345678", 2, kind, name), operation="messages")
            self.assertEqual((tap.pieces, tap.output_bytes), (1, 8))

    def test_error_event_is_noted(self) -> None:
        """With what Anthropic says of it."""
        error = {"type": "overloaded_error", "message": "Overloaded"}
        tap, _ = self.tapped(message_start(), sse({"type": "error", "error": error}, "error"), operation="messages")
        self.assertEqual(tap.error, error)
        self.assertFalse(tap.finished_cleanly())

    def test_padded_pieces_are_not_parsed_again(self) -> None:
        """Their frame is known, whatever the padding."""
        frame = ChunkFrame.of(block_delta("Hi", 3))
        assert frame is not None
        self.assertEqual([frame.text_size(block_delta("there", pad)) for pad in (0, 1, 30)], [5, 5, 5])
        other = block_delta("there", 2)
        self.assertEqual(frame.text_size(other.replace(b"  }", b" x}")), -1)
        self.assertEqual(frame.text_size(other.replace(b'"index":0', b'"index":1')), -1)

    def test_recorded_streams_are_read(self) -> None:
        """Anthropic's own, byte for byte."""
        folder = RECORDED / "agentgateway" / "response" / "anthropic"
        if not folder.is_dir():
            raise unittest.SkipTest(NO_RECORDED)
        told = {
            "stream_basic": Usage(15, 21, cache_write_1h=0),
            "stream_thinking": Usage(47, 264, cache_write_1h=0),
            "stream_tool": Usage(15, 12),
            "stream_message_delta_usage": Usage(34347, 49, cached_input=30464),
        }
        for name, usage in told.items():
            body = (folder / f"{name}.json").read_bytes()
            tap, visible = self.tapped(body, operation="messages")
            self.assertEqual(visible, body)
            self.assertEqual((tap.usage, tap.done), (usage, True), name)

    @given(st.lists(MESSAGE_EVENTS, max_size=12), st.lists(st.integers(0, 12)))
    def test_grouping_makes_no_difference(self, stream: list[bytes], cuts: list[int]) -> None:
        """Nor does knowing frames, but for escapes in the text, which are as long as they are written."""
        bounds = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
        runs = [b"".join(stream[begin:end]) for begin, end in itertools.pairwise(bounds)]
        together, _ = self.tapped(*runs, operation="messages")
        one_by_one, _ = self.tapped(*stream, operation="messages")
        self.assertEqual(seen(together), seen(one_by_one))
        unframed, _ = self.tapped(*(event.replace(b"data: ", b"data:  ") for event in stream), operation="messages")
        self.assertEqual(
            (unframed.usage, unframed.done, unframed.error, unframed.events, unframed.pieces),
            (together.usage, together.done, together.error, together.events, together.pieces),
        )


class RawStreamTests(StreamCase):
    """StreamTap on a stream of a kind it does not know."""

    def test_ends_and_errors_are_seen_all_the_same(self) -> None:
        """Whatever else it holds."""
        tap, visible = self.tapped(
            b"event: thread.run\ndata: {}\n\n", sse({"error": {"code": "c"}}), DONE, operation="raw"
        )
        self.assertEqual((tap.done, tap.error, tap.events), (True, {"code": "c"}, 3))
        self.assertTrue(visible.endswith(DONE))


class ChunkFrameTests(unittest.TestCase):
    """ChunkFrame"""

    def fits(self, first: bytes, second: bytes) -> int:
        """The text size that the frame of ``first`` sees in ``second``."""
        frame = ChunkFrame.of(first)
        assert frame is not None
        return frame.text_size(second)

    def test_other_text_is_of_the_same_frame(self) -> None:
        """Padding and number may differ too."""
        self.assertEqual(self.fits(chunk("a"), chunk("bcd")), 3)
        self.assertEqual(self.fits(chunk("a", obfuscation="xy"), chunk("bcd", obfuscation="")), 3)
        self.assertEqual(self.fits(delta_event("a", 9), delta_event("bcd", 10)), 3)

    def test_anything_else_is_not(self) -> None:
        """One byte is enough."""
        for other in (
            chunk("b", "stop"), chunk("b", usage=USAGE), chunk("b") + chunk("c"), chunk("b", obfuscation="x"), DONE, b"",
            chunk("b").replace(b"gpt-4o", b"gpt-4p"), chunk("b")[:-1], chunk('q"q'), chunk("b") + b"\n", chunk("b\\"),
        ):  # fmt: skip
            self.assertEqual(self.fits(chunk("a"), other), -1, other)
        self.assertEqual(self.fits(delta_event("a", 9), delta_event("b", 1).replace(b":1,", b":{},")), -1)

    def test_text_that_ends_its_line_or_escapes_its_quote_is_not(self) -> None:
        """No reader of events sees such a chunk as JSON."""
        for text in (b"b\n", b"b\r", b"b\n\nc", b"b\\"):
            self.assertEqual(self.fits(chunk("a"), chunk("b").replace(b'"b"', b'"' + text + b'"')), -1, text)

    def test_chunk_without_plain_text_has_no_frame(self) -> None:
        """There is nothing to cut around."""
        for event in (chunk(None), DONE, chunk('"'), crlf(chunk("a")), b""):
            self.assertIsNone(ChunkFrame.of(event), event)


class AskForUsageTests(unittest.TestCase):
    """asks_for_usage() and add_usage_option()"""

    def test_streams_that_did_not_ask_are_asked_for(self) -> None:
        """Explicitly refused is not asked."""
        for options in (
            {},
            {"stream_options": None},
            {"stream_options": {}},
            {"stream_options": {"include_usage": False}},
        ):
            for operation in ("chat", "completions"):
                self.assertTrue(asks_for_usage({"stream": True, **options}, operation))

    def test_nothing_is_asked_where_it_makes_no_sense(self) -> None:
        """Asked already, no stream, another operation, options that the provider is to refuse itself."""
        for fields in (
            {"stream": True, "stream_options": {"include_usage": True}},
            {"stream": True, "stream_options": "x"},
            {"stream": False}, {"stream": None}, {},
        ):  # fmt: skip
            self.assertFalse(asks_for_usage(fields, "chat"))
        for operation in ("responses", "embeddings", "messages", "raw"):
            self.assertFalse(asks_for_usage({"stream": True}, operation))

    def test_other_options_of_the_client_stay(self) -> None:
        """And what the client sent is not changed in place, since configuration may share it."""
        options = {"include_obfuscation": False, "include_usage": False}
        fields: dict[str, Any] = {"stream_options": options}
        add_usage_option(fields)
        self.assertEqual(fields["stream_options"], {"include_obfuscation": False, "include_usage": True})
        self.assertIs(options["include_usage"], False)
        for none in ({}, {"stream_options": None}):
            add_usage_option(none)
            self.assertEqual(none, {"stream_options": {"include_usage": True}})


class JsonTapTests(unittest.TestCase):
    """JsonTap"""

    def tapped(self, body: bytes) -> JsonTap:
        """The tap that read ``body``."""
        tap = JsonTap()
        tap.read(body)
        return tap

    def test_usage_and_model(self) -> None:
        """Of each operation's answer."""
        for fields in (
            {"choices": [], "usage": USAGE},
            {"output": [], "usage": {"input_tokens": 9, "output_tokens": 3}},
        ):
            tap = self.tapped(orjson.dumps({"model": "m", **fields}))
            self.assertEqual((tap.usage, tap.model, tap.error), (TOLD, "m", False))

    def test_anthropics_usage_is_its_own(self) -> None:
        """Its input leaves out the cache; also where only the end of the body is there."""
        usage = {"input_tokens": 15, "cache_creation_input_tokens": 13, "cache_read_input_tokens": 12}
        message = {"type": "message", "model": "m", "content": [], "usage": {**usage, "output_tokens": 21}}
        told = Usage(40, 21, cached_input=12, cache_write=13)
        tap = JsonTap()
        tap.read(orjson.dumps(message))
        self.assertEqual((tap.usage, tap.model, tap.error), (told, "m", False))
        tail = JsonTap()
        tail.read_tail(orjson.dumps(message)[20:])
        self.assertEqual(tail.usage, told)

    def test_anthropics_counts_beside_openais_change_nothing(self) -> None:
        """Other gateways have both."""
        tap = JsonTap()
        tap.read(orjson.dumps({"choices": [], "usage": {**USAGE, "cache_read_input_tokens": 12}}))
        self.assertEqual(tap.usage, TOLD)

    def test_error_is_known(self) -> None:
        """A null error is none, one beside an answer is part of the answer."""
        for fields in ({"error": {"message": "m"}}, {"error": "m"}, [{"error": {"message": "m"}}]):
            self.assertTrue(self.tapped(orjson.dumps(fields)).error)
        for fields in ({"error": None, "output": []}, {"output": [], "error": {"code": "c"}}, {"data": []}, [], 1, {}):
            self.assertFalse(self.tapped(orjson.dumps(fields)).error)

    def test_what_is_not_json_says_nothing(self) -> None:
        """HTML, half an answer, nothing."""
        for body in (b"", b"<html>", b'{"usage":', b"\xff", b"[" * 5000):
            tap = self.tapped(body)
            self.assertEqual((tap.usage, tap.model, tap.error), (None, None, False))

    @given(st.binary(max_size=30) | st.sampled_from([b'{"usage":[1]}', b'{"model":{}}', b'{"error":[]}']))
    def test_never_raises(self, body: bytes) -> None:
        """Whatever comes."""
        self.tapped(body)
        JsonTap().read_tail(body)

    def tail_usage(self, body: bytes, size: int) -> Usage | None:
        """The usage that the last ``size`` bytes tell."""
        tap = JsonTap()
        tap.read_tail(body[-size:])
        return tap.usage

    def test_tail_tells_the_usage(self) -> None:
        """However it is spaced, and whatever follows it."""
        for end in (b'"usage":{"prompt_tokens":9,"completion_tokens":3}}', b'"usage" :\n {"prompt_tokens":9,'
                    b'"completion_tokens":3,"d":{"x":1}} , "model":"m", "metadata":{}} \n'):  # fmt: skip
            self.assertEqual(self.tail_usage(b'{"data":[' + b"1," * 5000 + b"1]," + end, 200), TOLD)

    def test_tail_is_not_fooled(self) -> None:
        """By texts, by nested objects of that name, by a tail that is no end."""
        usage = b'"usage":{"prompt_tokens":1,"completion_tokens":1}'
        for body in (
            b'{"a":%s}' % orjson.dumps("x {" + usage.decode() + "}"),
            b'{"a":{%s}}' % usage,
            b'{"a":[{%s},{%s}]}' % (usage, usage),
            b'{"x":[%s' % usage,
            b'{"a":1}',
        ):
            self.assertIsNone(self.tail_usage(body, len(body) - 1), body)
        body = (
            b'{"usage":{"prompt_tokens":9,"completion_tokens":3},"tools":[{"usage":{"type":"string"}}],"u":{%s}}'
            % usage
        )
        self.assertEqual(self.tail_usage(body, len(body) - 1), TOLD)

    @given(st.lists(st.sampled_from(["a", "usage", '"usage":{', "}", "\\"]), max_size=4), st.integers(1, 60))
    def test_tail_agrees_with_the_whole(self, texts: list[str], size: int) -> None:
        """It tells what the whole body tells, or nothing if the usage is not within it."""
        fields = {"data": texts, "nested": {"usage": {"prompt_tokens": 1}}, "usage": USAGE, "more": texts}
        body = orjson.dumps(fields)
        begin = len(orjson.dumps({name: fields[name] for name in ("data", "nested")}))
        found = self.tail_usage(body, size)
        self.assertEqual(found, TOLD if len(body) - size <= begin else None)


class RecordedStreamTests(StreamCase):
    """Streams as OpenAI and others really sent them."""

    def streams(self) -> list[tuple[str, bytes]]:
        """Name and events of each recorded stream."""
        folder = RECORDED / "envoy-ai-gateway"
        if not folder.is_dir():
            raise unittest.SkipTest(NO_RECORDED)
        found = [(path.name, body) for path in sorted(folder.glob("*.yaml")) for body in recorded_bodies(path)]
        return [(name, body) for name, body in found if body.startswith((b"data:", b"event:"))]

    def test_recorded_streams_are_read(self) -> None:
        """Each has a model and an end; those that were asked have their usage."""
        streams = self.streams()
        self.assertGreaterEqual(len(streams), 5)
        for name, stream in streams:
            tap, visible = self.tapped(*events.split(stream))
            self.assertEqual(visible, stream, name)
            self.assertTrue(tap.done and tap.finished_cleanly() and tap.model and tap.error is None, name)
            if b'"usage":{' in stream:
                assert tap.usage is not None, name
                self.assertGreater(tap.usage.output, 0, name)
                self.assertFalse(tap.usage.partial)

    def test_estimate_is_near_the_truth(self) -> None:
        """Where both are known, visible text within a factor of two."""
        for name, stream in self.streams():
            tap, _ = self.tapped(*events.split(stream))
            if tap.usage is not None and tap.usage.output - tap.usage.reasoning > 5:
                truth, tap.usage = tap.usage, None
                visible = truth.output - truth.reasoning
                self.assertTrue(visible / 2 <= tap.partial_usage().output <= visible * 2, name)
