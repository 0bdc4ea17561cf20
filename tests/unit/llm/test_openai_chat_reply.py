"""Answers of every server that speaks chat completions, as events."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import call as c
from aigw.llm import reply as r
from aigw.llm.decoders import Frame, FrameTooLarge
from aigw.llm.providers.openai_chat import ChatReader, ChatWire, decoding, server
from aigw.llm.usage import Usage
from tests.unit.llm.streams import DONE, NO_RECORDED, RECORDED, USAGE, chunk, recorded_bodies, sse, usage_chunk

TOLD = r.UsageTold(Usage(9, 3))
START = r.Start("c", "gpt-4o")


def events_of(*pieces: bytes, reader: ChatReader | None = None) -> list[r.Event]:
    """What the pieces of a stream say, their end included."""
    reader = reader or ChatReader()
    decoder = ChatWire(server.OPENAI).decoder(b"text/event-stream")
    events: list[r.Event] = []
    for piece in pieces:
        for frame in decoder.feed(piece):
            events += reader.frame(frame)
    for frame in decoder.end():
        events += reader.frame(frame)
    return [*events, *reader.end()]


def delta(finish: Any = None, index: Any = 0, **fields: Any) -> bytes:
    """A chunk with any delta."""
    choice = {"index": index, "delta": fields, "finish_reason": finish}
    return sse({"id": "c", "model": "gpt-4o", "choices": [choice]})


def piece(index: Any = None, call_id: Any = None, name: Any = None, arguments: Any = None) -> dict[str, Any]:
    """A piece of a tool call, without what is None."""
    function = {"name": name, "arguments": arguments}
    fields = {"index": index, "id": call_id, "function": {k: v for k, v in function.items() if v is not None}}
    return {k: v for k, v in fields.items() if v is not None}


def calls(*pieces: dict[str, Any], finish: str = "tool_calls") -> list[r.Event]:
    """What is said of tools in a stream that has a chunk for each piece."""
    stream = [*(delta(tool_calls=[each]) for each in pieces), delta(finish), DONE]
    return [event for event in events_of(*stream) if isinstance(event, r.ToolStart | r.ToolArguments)]


def merged(events: Iterable[r.Event]) -> list[r.Event]:
    """Neighbouring pieces of one call's arguments put together."""
    whole: list[Any] = []
    for event in events:
        last: Any = whole[-1] if whole else None
        if isinstance(event, r.ToolArguments) and isinstance(last, r.ToolArguments) and event.number == last.number:
            whole[-1] = attrs.evolve(last, fragment=last.fragment + event.fragment)
            continue
        whole.append(event)
    return whole


class StreamTests(unittest.TestCase):
    """A stream as OpenAI sends it, and as others do."""

    def test_golden(self) -> None:
        """Role, text, finish, usage, end."""
        stream = (
            delta(role="assistant", content="", refusal=None),
            chunk("Hel"),
            chunk("lo"),
            chunk(None, "stop"),
            usage_chunk(),
            DONE,
        )
        expected = [START, r.TextDelta("Hel"), r.TextDelta("lo"), TOLD, r.Finish("stop"), r.End()]
        self.assertEqual(events_of(*stream), expected)

    def test_azure_begins_with_a_chunk_of_nothing(self) -> None:
        """Its id and model are empty; the answer's come later (case 16)."""
        first = {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": []}
        late = {"index": 0, "content_filter_offsets": {"end_offset": 5}, "finish_reason": None, "logprobs": None}
        stream = (sse(first), chunk("hi"), sse({"id": "", "choices": [late]}), chunk(None, "stop"), DONE)
        expected = [START, r.TextDelta("hi"), r.Finish("stop"), r.End()]
        self.assertEqual(events_of(*stream), expected)

    def test_choices_may_be_missing(self) -> None:
        """Null, not there, empty (case 17)."""
        for odd in ({"id": "c", "choices": None}, {"id": "c"}, {"choices": []}, {"choices": {}}, {"choices": [None]}):
            events = events_of(chunk("a"), sse(odd), chunk("b", "stop"), DONE)
            self.assertEqual(events[1:], [r.TextDelta("a"), r.TextDelta("b"), r.Finish("stop"), r.End()])

    def test_usage_may_be_anywhere(self) -> None:
        """On the finish (Mistral), on x_groq, behind the finish beside a choice (OpenRouter), on every chunk (18)."""
        late = sse(
            {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}], "usage": USAGE}
        )
        ended = {"index": 0, "delta": {"content": "b"}, "finish_reason": "stop", "usage": USAGE}
        moonshot = sse({"id": "c", "choices": [ended]})
        for stream in (
            (chunk("a"), chunk("b", "stop", usage=USAGE)),
            (chunk("a"), chunk("b", "stop", x_groq={"id": "req", "usage": USAGE})),
            (chunk("a"), chunk("b", "stop", x_groq={"usage": {"prompt_tokens": 1}}, usage=USAGE)),
            (chunk("a"), chunk("b", "stop"), late),
            (chunk("a"), moonshot),
            (chunk("a"), moonshot, usage_chunk()),
            (chunk("a", usage={"prompt_tokens": 9, "completion_tokens": 1}), chunk("b", "stop"), usage_chunk()),
        ):
            events = events_of(*stream, DONE)
            self.assertEqual([event for event in events if isinstance(event, r.UsageTold)][-1], TOLD)
            self.assertEqual(
                [event for event in events if not isinstance(event, r.UsageTold)],
                [START, r.TextDelta("a"), r.TextDelta("b"), r.Finish("stop"), r.End()],
            )

    def test_text_behind_the_finish_is_before_it(self) -> None:
        """And only the first of two finishes counts (case 25)."""
        stream = (chunk("a"), chunk(None, "length"), chunk("b"), chunk(None, "stop"), DONE)
        expected = [START, r.TextDelta("a"), r.TextDelta("b"), r.Finish("length"), r.End()]
        self.assertEqual(events_of(*stream), expected)

    def test_all_in_one_chunk(self) -> None:
        """Thoughts, text, calls, finish: in that order."""
        call = piece(0, "t", "f", '{"a":1}')
        stream = delta("tool_calls", content="b", reasoning_content="a", tool_calls=[call])
        self.assertEqual(
            events_of(stream, DONE)[1:],
            [
                r.ReasoningDelta("a"),
                r.TextDelta("b"),
                r.ToolStart(0, "t", "f"),
                r.ToolArguments(0, '{"a":1}'),
                r.Finish("tool_calls"),
                r.End(),
            ],
        )

    def test_repeated_and_missing_roles_change_nothing(self) -> None:
        """vLLM and OpenRouter repeat it, some never send it (case 30)."""
        stream = (delta(role="assistant", content=None), delta(role="assistant", content="a"), chunk("b", "stop"), DONE)
        self.assertEqual(events_of(*stream), [START, r.TextDelta("a"), r.TextDelta("b"), r.Finish("stop"), r.End()])

    def test_several_choices(self) -> None:
        """Interleaved, the second one first; a server that does not number them has one (case 31)."""
        stream = (delta(index=1, content="b"), delta(index=0, content="a"), delta("stop", 1), delta("length", 0), DONE)
        expected = [START, r.TextDelta("b", 1), r.TextDelta("a"), r.Finish("length"), r.Finish("stop", 1), r.End()]
        self.assertEqual(events_of(*stream), expected)
        for index in (None, -1, 10**9, "1", True, 1.0):
            self.assertIn(r.TextDelta("a"), events_of(delta(index=index, content="a"), DONE))

    def test_reasons(self) -> None:
        """OpenAI's words, others' words, unknown words."""
        for word, reason in (
            ("stop", r.STOP),
            ("length", r.LENGTH),
            ("model_length", r.LENGTH),
            ("content_filter", r.CONTENT_FILTER),
            ("SAFETY", r.CONTENT_FILTER),
            ("function_call", r.TOOL_CALLS),
            ("eos", r.STOP),
        ):
            self.assertIn(r.Finish(reason), events_of(chunk("a", word), DONE))
        for odd, told in (("Tomorrow", "tomorrow"), (7, "int")):
            self.assertIn(r.Finish(r.STOP, unknown=told), events_of(chunk("a", odd), DONE))  # type: ignore[arg-type]

    def test_stop_sequences_are_told(self) -> None:
        """By vLLM, which tells a token's number as well, and only those that were asked for."""
        reader = ChatReader({}, ["END", None])
        choice = {"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": "END"}
        events = events_of(sse({"choices": [choice]}), DONE, reader=reader)
        self.assertIn(r.Finish(r.STOP_SEQUENCE, 0, "END"), events)
        for other in ("x", 128009, None):
            events = events_of(
                sse({"choices": [{**choice, "stop_reason": other}]}), DONE, reader=ChatReader({}, ["END"])
            )
            self.assertIn(r.Finish(r.STOP), events)

    def test_refusal_and_citations(self) -> None:
        """Have events of their own."""
        note = {"type": "url_citation", "url_citation": {"url": "https://x", "title": "X"}}
        stream = (delta(refusal="No."), delta(annotations=[note, None]), delta("stop", annotations=None), DONE)
        self.assertEqual(events_of(*stream)[1:3], [r.RefusalDelta("No."), r.Citation(note)])

    def test_comments_and_odd_events_say_nothing(self) -> None:
        """OpenRouter's from the first moment, a ping, data that is no JSON."""
        noise = (b": OPENROUTER PROCESSING\n\n", b"event: ping\ndata: {}\n\n", b"data: hello\n\n", b"data: [1]\n\n")
        self.assertEqual(
            events_of(*noise, chunk("a", "stop"), *noise, DONE), [START, r.TextDelta("a"), r.Finish("stop"), r.End()]
        )

    def test_text_of_completions_counts(self) -> None:
        """A server that answers a chat so answers."""
        self.assertIn(r.TextDelta("a"), events_of(sse({"id": "c", "choices": [{"text": "a"}]}), DONE))

    def test_invalid_utf8_costs_one_character(self) -> None:
        """Not the stream (case 10)."""
        broken = chunk("gr#n").replace(b"#", b"\xc3")
        self.assertIn(r.TextDelta("gr\ufffdn"), events_of(broken, DONE))

    def test_json_that_says_it_were_a_stream(self) -> None:
        """Is read whole (case 9)."""
        body = orjson.dumps(
            {"id": "c", "model": "gpt-4o", "choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}
        )
        expected = [START, r.TextDelta("a"), r.Finish("stop"), r.End()]
        self.assertEqual(events_of(b"\r\n", body[:9], body[9:]), expected)
        [failed] = events_of(b'[{"error": {"code": 429, "message": "slow"}}]')
        self.assertEqual(failed.error.status, 429)  # type: ignore[union-attr]

    def test_bound_of_such_json(self) -> None:
        """It is not kept without end."""
        self.patch(decoding, "MAX_FRAME", 10)
        self.assertRaises(FrameTooLarge, ChatWire(server.OPENAI).decoder(b"").feed, b"{" * 11)


class EndTests(unittest.TestCase):
    """Where a stream is over, and where it only stopped."""

    def test_done_is_an_end(self) -> None:
        """Without a reason too; at xAI an empty one means that tools were called."""
        self.assertEqual(events_of(chunk("a"), DONE)[-2:], [r.Finish("stop"), r.End()])
        stream = (delta(tool_calls=[piece(0, "t", "f", "{}")]), delta(""), DONE)
        self.assertEqual(events_of(*stream)[-2:], [r.Finish("tool_calls"), r.End()])

    def test_end_of_bytes_behind_a_finish_is_one(self) -> None:
        """Some servers have no [DONE]; others do not end it."""
        for last in (b"", b"data: [DONE]", b"data:[DONE]\n"):
            self.assertEqual(events_of(chunk("a", "stop"), last)[-2:], [r.Finish("stop"), r.End()])

    def test_end_of_bytes_in_the_middle_is_none(self) -> None:
        """Agents would take half an answer for a whole one (case 27)."""
        for stream in ((), (chunk("a"),), (delta("stop", 0), delta(index=1, content="x")), (usage_chunk(),)):
            self.assertNotIn(r.End(), events_of(*stream))

    def test_end_without_an_answer_is_a_failure(self) -> None:
        """There is nothing that a client could have."""
        [failed] = events_of(DONE)
        self.assertEqual(failed.error.code, "invalid_answer")  # type: ignore[union-attr]

    def test_nothing_counts_behind_the_end(self) -> None:
        """Nor does a second one."""
        self.assertEqual(events_of(chunk("a", "stop"), DONE, chunk("b"), DONE)[-1], r.End())
        self.assertEqual(events_of(chunk("a", "stop"), DONE, chunk("b"), DONE).count(r.End()), 1)


class ReasoningTests(unittest.TestCase):
    """Thoughts under all their names (case 28)."""

    def test_names(self) -> None:
        """Where two say the same it is told once."""
        details = [{"type": "reasoning.text", "text": "a"}, {"type": "reasoning.encrypted", "data": "x"}]
        thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}], "closed": True}]
        for fields in (
            {"reasoning_content": "a"},
            {"reasoning": "a", "content": None},
            {"reasoning": "a", "reasoning_content": "a"},
            {"reasoning": "a", "reasoning_details": details},
            {"reasoning": None, "reasoning_details": details},
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "a"}]},
            {"thinking": "a"},
            {"content": thinking},
            {"reasoning": "a", "channel": "analysis"},
        ):
            events = events_of(delta(**fields), DONE)
            self.assertEqual(events, [START, r.ReasoningDelta("a"), r.Finish("stop"), r.End()], fields)

    def test_contents_that_are_lists(self) -> None:
        """Mistral's: thoughts, texts, references."""
        content = [
            {
                "type": "thinking",
                "thinking": [{"type": "text", "text": "a"}, {"type": "reference", "reference_ids": [1]}],
            },
            {"type": "text", "text": "b"},
            {"type": "reference", "reference_ids": [1]},
            "c",
            None,
        ]
        self.assertEqual(
            events_of(delta(content=content), DONE)[1:4], [r.ReasoningDelta("a"), r.TextDelta("b"), r.TextDelta("c")]
        )


class ToolTests(unittest.TestCase):
    """Tool calls in every order (cases 20 to 24)."""

    ONE = [r.ToolStart(0, "t1", "f"), r.ToolArguments(0, '{"a":1}')]
    TWO = [
        r.ToolStart(0, "t1", "f"),
        r.ToolArguments(0, '{"a":1}'),
        r.ToolStart(1, "t2", "g"),
        r.ToolArguments(1, "{}"),
    ]

    def test_openais_way(self) -> None:
        """Id and name once, then the arguments."""
        pieces = (
            piece(0, "t1", "f", ""),
            piece(0, arguments='{"a"'),
            piece(0, arguments=":1}"),
            piece(1, "t2", "g", ""),
            piece(1, arguments="{}"),
        )
        self.assertEqual(merged(calls(*pieces)), self.TWO)

    def test_numbers_are_missing_or_all_zero(self) -> None:
        """A new id is a new call (case 20)."""
        for index in (None, 0, "0"):
            pieces = (piece(index, "t1", "f", '{"a":1}'), piece(index, "t2", "g", "{}"))
            self.assertEqual(calls(*pieces), self.TWO)
            pieces = (
                piece(index, "t1", "f", ""),
                piece(index, arguments='{"a":1}'),
                piece(index, "t2", "g", ""),
                piece(index, arguments="{}"),
            )
            self.assertEqual(calls(*pieces), self.TWO)

    def test_ids_are_missing_too(self) -> None:
        """Arguments behind complete ones are another call's; ids are made up, each its own."""
        for index in (None, 0):
            for call_id in (None, ""):
                first, one, second, two = calls(
                    piece(index, call_id, "f", '{"a":1}'), piece(index, call_id, "f", '{"a":2}')
                )
                self.assertEqual((one, two), (r.ToolArguments(0, '{"a":1}'), r.ToolArguments(1, '{"a":2}')))
                for start in (first, second):
                    self.assertTrue(re.fullmatch("call_[0-9a-f]{24}", start.id))  # type: ignore[union-attr]
                self.assertNotEqual(first.id, second.id)  # type: ignore[union-attr]

    def test_made_up_ids_differ_from_answer_to_answer(self) -> None:
        """Or a conversation would have one twice; the same bytes make the same, however split."""
        stream = delta("tool_calls", tool_calls=[piece(0, None, "f", "{}")])
        other = stream.replace(b'"id":"c"', b'"id":"d"')
        self.assertNotEqual(events_of(stream, DONE)[1], events_of(other, DONE)[1])
        self.assertEqual(events_of(stream, DONE)[1], events_of(stream + DONE)[1])
        nameless = stream.replace(b'"id":"c"', b'"id":null')
        self.assertNotEqual(events_of(nameless, DONE)[1], events_of(nameless, DONE)[1])

    def test_one_id_for_two_calls(self) -> None:
        """Gets a partner: results could not be told apart."""
        first, _, second, _ = calls(piece(0, "f", "f", "{}"), piece(1, "f", "f", "{}"))
        self.assertEqual(first.id, "f")  # type: ignore[union-attr]
        self.assertNotEqual(second.id, "f")  # type: ignore[union-attr]

    def test_id_and_name_repeated(self) -> None:
        """Are told once (case 21); so is an id that changes without a name."""
        for again in (("t1", "f"), (None, "f"), ("t1", None), ("", ""), ("t9", None)):
            for index in (0, None):
                pieces = (
                    piece(index, "t1", "f", ""),
                    piece(index, *again, '{"a"'),
                    piece(index, *again, ":1}"),
                    piece(index, *again, ""),
                )
                self.assertEqual(merged(calls(*pieces)), self.ONE, (again, index))

    def test_interleaved(self) -> None:
        """Each piece belongs to its number."""
        pieces = (
            piece(0, "t1", "f"),
            piece(1, "t2", "g"),
            piece(0, arguments='{"a"'),
            piece(1, arguments="{"),
            piece(0, arguments=":1}"),
            piece(1, arguments="}"),
        )
        events = calls(*pieces)
        self.assertEqual(events[:2], [r.ToolStart(0, "t1", "f"), r.ToolStart(1, "t2", "g")])
        for number, text in ((0, '{"a":1}'), (1, "{}")):
            fragments = [e.fragment for e in events if isinstance(e, r.ToolArguments) and e.number == number]
            self.assertEqual("".join(fragments), text)

    def test_numbers_with_gaps_are_closed(self) -> None:
        """Clients count from 0."""
        events = calls(piece(3, "t1", "f", '{"a":1}'), piece(7, "t2", "g", "{}"))
        self.assertEqual(events, self.TWO)

    def test_arguments_that_are_objects(self) -> None:
        """Become text (case 22)."""
        self.assertEqual(calls(piece(0, "t1", "f", {"a": 1})), self.ONE)

    def test_call_without_arguments(self) -> None:
        """Has an empty object of them (case 52)."""
        for arguments in (None, "", 7):
            events = calls(piece(0, "t1", "f", arguments))
            self.assertEqual(events, [r.ToolStart(0, "t1", "f"), r.ToolArguments(0, "{}")])

    def test_name_may_come_late(self) -> None:
        """What comes before it waits."""
        pieces = (piece(0, "t1"), piece(0, arguments='{"a"'), piece(0, name="f", arguments=":1}"))
        self.assertEqual(merged(calls(*pieces)), self.ONE)

    def test_pieces_of_nothing_begin_nothing(self) -> None:
        """Empty lists in chunks of text (case 23), nulls, fragments of a call that never was."""
        for odd in ([], None, {}, [{}], [None], "x", 5, [{"index": 0}], [piece(None, None, None, "x")]):
            events = events_of(delta(content="a", tool_calls=odd), delta("stop"), DONE)
            self.assertEqual(events, [START, r.TextDelta("a"), r.Finish("stop"), r.End()], odd)

    def test_finish_says_that_tools_were_called(self) -> None:
        """Whatever the server says (case 24), unless it ended for another reason."""
        stream = delta(tool_calls=[piece(0, "t1", "f", "{}")])
        self.assertEqual(events_of(stream, delta("stop"), DONE)[-2], r.Finish("tool_calls"))
        self.assertEqual(events_of(stream, delta("length"), DONE)[-2], r.Finish("length"))

    def test_truncated_arguments_are_not_repaired(self) -> None:
        """The client must see that they are (case 60)."""
        events = calls(piece(0, "t1", "f", '{"location": "Par'), finish="length")
        self.assertEqual(events[1], r.ToolArguments(0, '{"location": "Par'))

    def test_deprecated_function_call(self) -> None:
        """Is one call."""
        stream = (
            delta(function_call={"name": "f", "arguments": ""}),
            delta(function_call={"arguments": '{"a":'}),
            delta(function_call={"arguments": "1}"}),
            delta("function_call"),
            DONE,
        )
        start, arguments, finish, _ = merged(events_of(*stream)[1:])
        self.assertEqual(start.name, "f")  # type: ignore[union-attr]
        self.assertEqual((arguments, finish), (r.ToolArguments(0, '{"a":1}'), r.Finish("tool_calls")))

    def test_geminis_signature(self) -> None:
        """Comes with its call."""
        call = {**piece(0, "t1", "f", "{}"), "extra_content": {"google": {"thought_signature": "sig"}}}
        self.assertEqual(calls(call)[0], r.ToolStart(0, "t1", "f", 0, "sig"))

    def test_shortened_names_are_given_back(self) -> None:
        """The client called its tool by the long one."""
        long = "mcp__" + "a" * 70
        wire = ChatWire(server.OPENAI)
        asked = c.Call("m", (c.Turn("user", (c.Text("x"),)),), tools=(c.Tool(long),))
        sent = wire.request(asked).body["tools"][0]["function"]["name"]
        events = events_of(delta(tool_calls=[piece(0, "t", sent, "{}")]), DONE, reader=wire.reader(asked))
        self.assertEqual(events[1], r.ToolStart(0, "t", long))


class FailureTests(unittest.TestCase):
    """Errors in streams, in all their forms (cases 26 and 32)."""

    def failure(self, *stream: bytes) -> r.ProviderError:
        """The error that ends a stream; nothing follows it."""
        events = events_of(*stream)
        last = events[-1]
        assert isinstance(last, r.Failed), events
        self.assertEqual(sum(isinstance(event, r.Failed | r.End) for event in events), 1)
        return last.error

    def test_forms(self) -> None:
        """An object, a string, a list, flat ones, an event of that name."""
        for event in (
            sse({"error": {"message": "m", "code": 503}}),
            sse({"error": "m", "code": "503"}),
            sse([{"error": {"message": "m", "code": 503, "status": "UNAVAILABLE"}}]),
            sse({"object": "error", "message": "m", "code": 503}),
            sse({"type": "error", "error": {"message": "m", "type": "service_unavailable"}}),
            sse({"message": "m", "code": 503}, "error"),
            sse({"id": "c", "choices": [], "error": {"message": "m", "code": 503}}),
        ):
            error = self.failure(chunk("a"), event, DONE)
            self.assertEqual((error.status, error.type, error.message), (503, "overloaded_error", "m"), event)

    def test_error_event_without_json(self) -> None:
        """Is the message."""
        self.assertEqual(self.failure(b"event: error\ndata: it broke\n\n").message, "it broke")

    def test_null_errors_are_none(self) -> None:
        """Beside every chunk, at some."""
        for none in (None, "", {}, False):
            self.assertIn(r.End(), events_of(chunk("a", "stop", error=none), DONE))

    def test_finish_that_is_an_error(self) -> None:
        """OpenRouter's, with the error beside it or in the choice; DeepSeek's lack of resources."""
        choice = {
            "index": 0,
            "delta": {"content": ""},
            "finish_reason": "error",
            "error": {"code": 429, "message": "m"},
        }
        self.assertEqual(self.failure(sse({"id": "c", "choices": [choice]}), DONE).status, 429)
        beside = {"id": "c", "error": {"code": 502, "message": "m"}, "choices": [{**choice, "error": None}]}
        self.assertEqual(self.failure(sse(beside), DONE).message, "m")
        self.assertEqual(self.failure(chunk("a", "error"), DONE).status, 502)
        self.assertEqual(self.failure(chunk("a", "insufficient_system_resource"), DONE).type, "overloaded_error")

    def test_chunk_that_is_cut(self) -> None:
        """Something of the answer is missing."""
        self.assertEqual(self.failure(chunk("a"), b'data: {"id": "c", "choi\n\n', DONE).code, "invalid_answer")


class WholeTests(unittest.TestCase):
    """Answers in one piece."""

    def whole(self, **fields: Any) -> Sequence[r.Event]:
        """The events of an answer of one choice."""
        body = {
            "id": "c",
            "model": "gpt-4o",
            "choices": [{"index": 0, "finish_reason": "stop", **fields}],
            "usage": USAGE,
        }
        return ChatReader().whole(body)

    def test_golden(self) -> None:
        """Everything a message can say."""
        note = {"type": "url_citation", "url_citation": {"url": "https://x"}}
        message = {
            "role": "assistant",
            "content": "b",
            "refusal": None,
            "reasoning_content": "a",
            "annotations": [note],
            "tool_calls": [
                {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                {"id": "t2", "type": "function", "function": {"name": "g", "arguments": ""}},
            ],
        }
        self.assertEqual(
            self.whole(message=message, finish_reason="tool_calls"),
            [
                START,
                r.ReasoningDelta("a"),
                r.TextDelta("b"),
                r.Citation(note),
                r.ToolStart(0, "t1", "f"),
                r.ToolArguments(0, '{"a":1}'),
                r.ToolStart(1, "t2", "g"),
                TOLD,
                r.ToolArguments(1, "{}"),
                r.Finish("tool_calls"),
                r.End(),
            ],
        )

    def test_filtered_answer_without_a_message(self) -> None:
        """Azure's (case 36)."""
        self.assertEqual(self.whole(finish_reason="content_filter"), [START, TOLD, r.Finish("content_filter"), r.End()])

    def test_content_null(self) -> None:
        """Is none."""
        self.assertEqual(self.whole(message={"content": None})[1:], [TOLD, r.Finish("stop"), r.End()])

    def test_finish_may_be_missing(self) -> None:
        """A whole answer is whole."""
        self.assertEqual(self.whole(message={"content": "a"}, finish_reason=None)[-2:], [r.Finish("stop"), r.End()])

    def test_error_with_status_200(self) -> None:
        """Is no answer."""
        for fields in ({"error": {"message": "m", "code": 429}}, [{"error": {"message": "m", "code": 429}}]):
            [failed] = ChatReader().whole(fields)
            self.assertEqual((failed.error.status, failed.error.message), (429, "m"))  # type: ignore[union-attr]
        [failed] = ChatReader().whole({"detail": "no"})
        self.assertEqual((failed.error.status, failed.error.message), (502, "no"))  # type: ignore[union-attr]

    def test_what_is_no_answer(self) -> None:
        """Is a failure of the provider's."""
        for fields in (None, 5, "", [], {}, {"choices": None}, {"choices": []}, {"choices": {}}, {"choices": [5]}):
            [failed] = ChatReader().whole(fields)
            self.assertEqual((failed.error.status, failed.error.code), (502, "invalid_answer"))  # type: ignore[union-attr]


WORDS = st.sampled_from(
    [
        "arguments",
        "choices",
        "code",
        "content",
        "delta",
        "error",
        "finish_reason",
        "function",
        "id",
        "index",
        "message",
        "name",
        "object",
        "reasoning",
        "reasoning_details",
        "stop",
        "text",
        "thinking",
        "tool_calls",
        "type",
        "usage",
        "x_groq",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | WORDS | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=30,
)
#: Random, but of a stream's build.
CHUNKS = st.fixed_dictionaries(
    {
        "choices": st.lists(
            st.fixed_dictionaries({"delta": ANYTHING, "index": ANYTHING, "finish_reason": ANYTHING}), max_size=2
        )
    },
    optional={"id": ANYTHING, "usage": ANYTHING, "error": ANYTHING},
)


class GarbageTests(unittest.TestCase):
    """Readers survive anything."""

    @given(st.lists(ANYTHING | CHUNKS, max_size=6))
    def test_stream_of_anything(self, chunks: list[Any]) -> None:
        """Nothing is raised, and the order of events is kept."""
        events = events_of(*map(sse, chunks), DONE)
        self.check_order(events)

    @given(ANYTHING | CHUNKS)
    def test_answer_of_anything(self, fields: Any) -> None:
        """Ends with its end, or is one failure."""
        events = ChatReader().whole(orjson.loads(orjson.dumps(fields)))
        self.check_order(events)
        self.assertIsInstance(events[-1], r.End | r.Failed)

    @given(st.lists(st.binary(max_size=30)), st.binary(max_size=20))
    def test_stream_of_bytes(self, pieces: list[bytes], kind: bytes) -> None:
        """Whatever the frames hold."""
        events_of(*pieces)
        for each in pieces:
            ChatReader().frame(Frame(kind, each))

    def check_order(self, events: Sequence[r.Event]) -> None:
        """Starts before arguments, numbers from 0, one finish per choice, nothing behind the end."""
        begun: dict[int, int] = {}
        finished = set()
        for number, event in enumerate(events):
            if isinstance(event, r.Start):
                self.assertEqual(number, 0)
            elif isinstance(event, r.ToolStart):
                self.assertEqual(event.number, begun.get(event.choice, 0))
                self.assertTrue(event.id and event.name)
                begun[event.choice] = event.number + 1
            elif isinstance(event, r.ToolArguments):
                self.assertLess(event.number, begun[event.choice])
            elif isinstance(event, r.Finish):
                self.assertNotIn(event.choice, finished)
                finished.add(event.choice)
            elif isinstance(event, r.End | r.Failed):
                self.assertEqual(number, len(events) - 1)


def recorded_streams() -> dict[str, bytes]:
    """Every recorded stream of chat completions."""
    found = {}
    for path in sorted((RECORDED / "envoy-ai-gateway").glob("*.yaml")):
        for number, body in enumerate(recorded_bodies(path)):
            if body.startswith(b"data: ") and b"chat.completion.chunk" in body:
                found[f"{path.stem}-{number}"] = body
    for path in sorted((RECORDED / "agentgateway" / "response" / "completions").glob("stream*.json")):
        found[path.stem] = path.read_bytes()
    return found


class RecordedTests(unittest.TestCase):
    """What providers really sent."""

    if not RECORDED.is_dir():
        skip = NO_RECORDED

    def test_streams_in_any_pieces(self) -> None:
        """Come to the same events, with a text, a finish, a usage where it was asked for, and an end."""
        streams = recorded_streams()
        self.assertGreaterEqual(len(streams), 5)
        chance = random.Random(7)
        for name, stream in streams.items():
            whole = events_of(stream)
            self.assertIsInstance(whole[0], r.Start, name)
            self.assertEqual(whole[-1], r.End(), name)
            self.assertTrue(any(isinstance(event, r.Finish) for event in whole), name)
            for _ in range(20):
                cuts = sorted(chance.sample(range(len(stream)), min(len(stream), chance.randint(1, 30))))
                pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
                self.assertEqual(events_of(*pieces), whole, name)

    def test_tool_call_beside_empty_contents(self) -> None:
        """One call, its arguments whole."""
        events = merged(events_of(recorded_streams()["stream_tool_empty_content"]))
        self.assertEqual(
            events[1:],
            [
                r.ToolStart(0, "toolu_empty_content", "Bash"),
                r.ToolArguments(0, '{"command":"pwd"}'),
                r.UsageTold(Usage(12, 8)),
                r.Finish("tool_calls"),
                r.End(),
            ],
        )

    def test_whole_answers(self) -> None:
        """Text, thoughts, tool calls, usage."""
        folder = RECORDED / "agentgateway" / "response" / "completions"
        answers = {path.stem: path.read_bytes() for path in folder.glob("*.json") if not path.stem.startswith("stream")}
        for name, body in answers.items():
            events = ChatReader().whole(orjson.loads(body))
            self.assertEqual(events[-1], r.End(), name)
            self.assertTrue(any(isinstance(event, r.UsageTold) for event in events), name)
        thoughts = ChatReader().whole(orjson.loads(answers["openrouter_reasoning"]))
        self.assertEqual(
            thoughts[1:3], [r.ReasoningDelta("Okay, the user wants me to write a story"), r.TextDelta("hello world!")]
        )
        truncated = ChatReader().whole(orjson.loads(answers["truncated_tool_call"]))
        self.assertIn(r.ToolArguments(0, '{"location": "Par'), truncated)
        self.assertIn(r.Finish("length"), truncated)

    def test_kongs_answers(self) -> None:
        """OpenAI's, Azure's and Mistral's."""
        for name in ("azure", "mistral/openai", "openai"):
            body = (RECORDED / "kong" / "real-responses" / name / "llm-v1-chat.json").read_bytes()
            events = ChatReader().whole(orjson.loads(body))
            self.assertEqual(
                [type(event).__name__ for event in events], ["Start", "TextDelta", "UsageTold", "Finish", "End"]
            )
