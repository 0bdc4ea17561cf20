"""OpenAI's responses in front: answers, as its SDK reads them."""

from __future__ import annotations

from typing import Any

import openai
import orjson
import pydantic
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from twisted.trial import unittest

from aigw.llm import reply as r
from aigw.llm.call import Call
from aigw.llm.dialects.responses import Responses
from aigw.llm.usage import Usage
from tests.unit.llm.sdk import openai_client

USAGE = Usage(input=10, output=6, cached_input=4, cache_write=1, reasoning=2)
HELLO: list[r.Event] = [
    r.Start("p1", "real-model"),
    r.TextDelta("Hel"),
    r.TextDelta("lo 🎉"),
    r.Finish(r.STOP),
    r.UsageTold(USAGE),
    r.End(),
]
TOOLS: list[r.Event] = [
    r.Start("p1", "real-model"),
    r.ReasoningDelta("H"),
    r.ReasoningDelta("m"),
    r.ReasoningSignature("sig"),
    r.TextDelta("Let me see"),
    r.ToolStart(0, "call_1", "now"),
    r.ToolArguments(0, "{}"),
    r.ToolStart(1, "call_2", "add"),
    r.ToolArguments(1, '{"a"'),
    r.ToolArguments(1, ":1}"),
    r.Finish(r.STOP),
    r.UsageTold(USAGE),
    r.End(),
]
CUSTOM = {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: X"}}
NAMESPACE = {
    "type": "namespace",
    "name": "mcp__git",
    "description": "Git",
    "tools": [{"type": "function", "name": "log", "parameters": {"type": "object"}}],
}
EVENT: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(ResponseStreamEvent)


def writer(**fields: Any) -> Any:
    dialect = Responses()
    call = dialect.read({"model": "asked", "input": "Hi", **fields})
    return dialect.writer(call, answer_id="a1", now=1700000000.5)


def stream(events: list[r.Event], **fields: Any) -> bytes:
    """The bytes of a stream, each event written by itself."""
    writes = writer(**fields)
    return b"".join(writes.events([event]) for event in events)


def told(body: bytes) -> list[dict[str, Any]]:
    """The data of all events; their types and numbers are checked."""
    read = []
    for event in body.split(b"\n\n"):
        if event and not event.startswith(b":"):
            kind, data = event.split(b"\n")
            read.append(orjson.loads(data.removeprefix(b"data: ")))
            assert kind == b"event: " + read[-1]["type"].encode(), event
    assert [each["sequence_number"] for each in read] == list(range(len(read))), read
    return read


def kinds(body: bytes) -> list[str]:
    return [each["type"].removeprefix("response.") for each in told(body)]


def client(body: bytes) -> openai.OpenAI:
    return openai_client(body, "text/event-stream")


def raw(body: bytes) -> list[Any]:
    """The events that ``stream=True`` yields."""
    with client(body).responses.create(model="m", input="Hi", stream=True) as events:
        return list(events)


def final(body: bytes, **more: Any) -> Any:
    """What the ``.stream()`` helper puts together, strict about order and indexes."""
    with client(body).responses.stream(model="m", input="Hi", **more) as events:
        return events.get_final_response()


def whole(events: list[r.Event], **fields: Any) -> Any:
    return openai_client(writer(**fields).whole(events)).responses.create(model="m", input="Hi")


class TextTests(unittest.TestCase):
    """Answers of text."""

    def test_order(self) -> None:
        """The events of a text, in the order of recorded traffic."""
        self.assertEqual(
            kinds(stream(HELLO)),
            [
                "created",
                "in_progress",
                "output_item.added",
                "content_part.added",
                "output_text.delta",
                "output_text.delta",
                "output_text.done",
                "content_part.done",
                "output_item.done",
                "completed",
            ],
        )

    def test_places_and_ids(self) -> None:
        """Every event names its item and its place; one id for the response and one for the item throughout."""
        events = told(stream(HELLO))
        self.assertEqual({each["response"]["id"] for each in events if "response" in each}, {"resp_a1"})
        deltas = [each for each in events if each["type"] == "response.output_text.delta"]
        place = {"item_id": "msg_a1_0", "output_index": 0, "content_index": 0, "logprobs": []}
        for delta, text in zip(deltas, ("Hel", "lo 🎉"), strict=True):
            number = delta["sequence_number"]
            expected = {"type": "response.output_text.delta", "sequence_number": number, "delta": text, **place}
            self.assertEqual(delta, expected)

    def test_sdk_reads_it(self) -> None:
        """Text, usage, model and state, by the helper and by the plain stream."""
        body = stream(HELLO)
        response = final(body)
        self.assertEqual(
            (response.output_text, response.status, response.model), ("Hello 🎉", "completed", "real-model")
        )
        self.assertEqual(response.usage.input_tokens_details.cached_tokens, 4)
        self.assertEqual(response.usage.input_tokens_details.cache_write_tokens, 1)
        self.assertEqual(response.usage.output_tokens_details.reasoning_tokens, 2)
        self.assertEqual((response.usage.input_tokens, response.usage.total_tokens), (10, 16))
        deltas = [event.delta for event in raw(body) if event.type == "response.output_text.delta"]
        self.assertEqual("".join(deltas), "Hello 🎉")

    def test_written_together_or_one_by_one(self) -> None:
        """The same bytes."""
        for events in (HELLO, TOOLS):
            self.assertEqual(stream(events), writer().events(events))

    def test_whole_is_what_the_stream_ends_with(self) -> None:
        """One object for both."""
        for events in (HELLO, TOOLS):
            self.assertEqual(orjson.loads(writer().whole(events)), told(stream(events))[-1]["response"])
        response = whole(HELLO)
        self.assertEqual(
            (response.output_text, response.status, response.created_at), ("Hello 🎉", "completed", 1700000000)
        )

    def test_every_event_is_what_the_sdk_types_say(self) -> None:
        """Validated strictly, as clients of typed languages do; no field of the types is missing."""
        fields: Any = {"tools": [CUSTOM, NAMESPACE]}
        answers: list[list[r.Event]] = [
            HELLO,
            TOOLS,
            [*HELLO[:2], r.Finish(r.LENGTH), r.End()],
            [r.RefusalDelta("No."), r.Finish(r.REFUSAL), r.End()],
            [r.ToolStart(0, "c", "patch"), r.ToolArguments(0, '{"input":"x"}'), r.Finish(r.TOOL_CALLS), r.End()],
            [r.ToolStart(0, "c", "mcp__git__log"), r.ToolArguments(0, "{}"), r.Finish(r.TOOL_CALLS), r.End()],
        ]
        for events in answers:
            for event in told(stream(events, **fields)):
                EVENT.validate_python(event)
            Response.model_validate(orjson.loads(writer(**fields).whole(events)))

    def test_length(self) -> None:
        """An answer that was cut short is incomplete, and so is its last item."""
        body = stream([*HELLO[:2], r.Finish(r.LENGTH), r.End()])
        last = told(body)[-1]
        self.assertEqual(last["type"], "response.incomplete")
        self.assertEqual(last["response"]["incomplete_details"], {"reason": "max_output_tokens"})
        self.assertEqual(last["response"]["output"][0]["status"], "incomplete")

    def test_content_filter(self) -> None:
        """Also without any output: then there are no items, but there is an end."""
        for events in ([r.Start(), r.Finish(r.CONTENT_FILTER), r.End()], [r.Finish(r.REFUSAL), r.End()]):
            body = stream(list(events))
            self.assertEqual(kinds(body), ["created", "in_progress", "incomplete"])
            self.assertEqual(told(body)[-1]["response"]["incomplete_details"], {"reason": "content_filter"})

    def test_other_ends(self) -> None:
        """A stop sequence and a suspended turn are complete."""
        for reason in (r.STOP_SEQUENCE, r.PAUSE, r.TOOL_CALLS, "something new"):
            self.assertEqual(whole([r.TextDelta("a"), r.Finish(reason), r.End()]).status, "completed")

    def test_refusal(self) -> None:
        """The model's own words of refusal are a part of its message, and the answer is complete."""
        body = stream(
            [r.TextDelta("Hm. "), r.RefusalDelta("I "), r.RefusalDelta("won't."), r.Finish(r.REFUSAL), r.End()]
        )
        (message,) = final(body).output
        self.assertEqual([part.type for part in message.content], ["output_text", "refusal"])
        self.assertEqual(message.content[1].refusal, "I won't.")
        done = next(event for event in told(body) if event["type"] == "response.refusal.done")
        self.assertEqual((done["refusal"], done["content_index"]), ("I won't.", 1))

    def test_citations(self) -> None:
        """Chat's annotations lose their wrapping; those of responses stay; what comes too late is left out."""
        chat = {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}}
        flat = {"type": "file_path", "file_id": "f", "index": 3}
        late = [r.ToolStart(0, "c", "f"), r.ToolArguments(0, "{}"), r.Citation(flat)]
        body = stream([r.TextDelta("a"), r.Citation(chat), r.Citation(flat), *late, r.Finish(r.STOP), r.End()])
        (part,) = final(body).output[0].content
        self.assertEqual([annotation.type for annotation in part.annotations], ["url_citation", "file_path"])
        self.assertEqual(part.annotations[0].url, "u")
        numbers = [each["annotation_index"] for each in told(body) if "annotation_index" in each]
        self.assertEqual(numbers, [0, 1])

    def test_citations_for_typed_clients(self) -> None:
        """Whatever a citation lacks is there; those of kinds that OpenAI does not have are left out."""
        bare = {"type": "url_citation", "url_citation": {"url": "u", "title": None}}
        others: list[Any] = [{"type": "char_location", "cited_text": "x"}, {"type": ["a"]}, {}]
        body = stream([r.TextDelta("a"), *map(r.Citation, [bare, *others]), r.Finish(r.STOP), r.End()])
        for event in told(body):
            EVENT.validate_python(event)
        (annotation,) = final(body).output[0].content[0].annotations
        self.assertEqual((annotation.url, annotation.title, annotation.end_index), ("u", "", 0))

    def test_parsed(self) -> None:
        """Structured output through the SDK's own parsing, whole and streamed."""

        class Point(pydantic.BaseModel):
            x: int

        events = [r.TextDelta('{"x":'), r.TextDelta("3}"), r.Finish(r.STOP), r.End()]
        parsed = openai_client(writer().whole(events)).responses.parse(model="m", input="Hi", text_format=Point)
        self.assertEqual(parsed.output_parsed, Point(x=3))
        self.assertEqual(final(stream(events), text_format=Point).output_parsed, Point(x=3))

    def test_ping_is_a_comment(self) -> None:
        """Before the first event and between."""
        body = stream([r.Ping(), r.Start(), r.Ping(), *HELLO[1:]])
        self.assertTrue(body.startswith(b": ping\n\n"))
        self.assertEqual(final(body).output_text, "Hello 🎉")

    def test_other_choices_are_left_out(self) -> None:
        """A response is one answer."""
        body = stream([r.TextDelta("a"), r.TextDelta("b", 1), r.Finish(r.STOP), r.Finish(r.LENGTH, 1), r.End()])
        self.assertEqual((final(body).output_text, final(body).status), ("a", "completed"))

    def test_echo(self) -> None:
        """The response repeats its request, and tells the truth about what is stored."""
        tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
        asked: dict[str, Any] = {
            "instructions": "Be brief.",
            "max_output_tokens": 5,
            "metadata": {"a": "b"},
            "temperature": 0.5,
            "tools": [tool],
            "tool_choice": {"type": "function", "name": "f"},
            "reasoning": {"effort": "low", "summary": "auto"},
            "text": {"verbosity": "low"},
        }
        response = orjson.loads(writer(**asked, store=True, user=None).whole(HELLO))
        self.assertEqual({name: response[name] for name in asked}, asked)
        self.assertIs(response["store"], False)
        self.assertEqual((response["parallel_tool_calls"], response["truncation"]), (True, "disabled"))
        self.assertNotIn("input", response)


class ItemTests(unittest.TestCase):
    """Thoughts and calls."""

    def test_thoughts_and_tools(self) -> None:
        """Items in their order, each done before the next begins, all done before the end."""
        body = stream(TOOLS)
        response = final(body)
        self.assertEqual(
            [item.type for item in response.output], ["reasoning", "message", "function_call", "function_call"]
        )
        thoughts, _, first, second = response.output
        self.assertEqual(([part.text for part in thoughts.summary], thoughts.encrypted_content), (["Hm"], "sig"))
        self.assertEqual((first.call_id, first.name, first.arguments), ("call_1", "now", "{}"))
        self.assertEqual((second.call_id, second.arguments, second.status), ("call_2", '{"a":1}', "completed"))
        places = [each["output_index"] for each in told(body) if "output_index" in each]
        self.assertEqual(places, sorted(places))
        self.assertEqual(kinds(body).count("output_item.done"), 4)
        self.assertEqual(len({item.id for item in response.output}), 4)

    def test_reasoning_events(self) -> None:
        """Those of a summary with one part."""
        self.assertEqual(
            kinds(stream(TOOLS))[2:9],
            [
                "output_item.added",
                "reasoning_summary_part.added",
                "reasoning_summary_text.delta",
                "reasoning_summary_text.delta",
                "reasoning_summary_text.done",
                "reasoning_summary_part.done",
                "output_item.done",
            ],
        )

    def test_interleaved_arguments(self) -> None:
        """Arguments that come in turns reach their own calls."""
        events: list[r.Event] = [
            r.ToolStart(0, "c0", "f"),
            r.ToolArguments(0, '{"a":'),
            r.ToolStart(1, "c1", "g"),
            r.ToolArguments(1, '{"b":'),
            r.ToolArguments(0, "1}"),
            r.ToolArguments(1, "2}"),
            r.ToolArguments(7, "nobody's"),
            r.Finish(r.TOOL_CALLS),
            r.End(),
        ]
        for response in (final(stream(events)), whole(events)):
            self.assertEqual([item.arguments for item in response.output], ['{"a":1}', '{"b":2}'])

    def test_truncated_call(self) -> None:
        """Not repaired, but marked (wire.md, case 60)."""
        body = stream([r.ToolStart(0, "c", "f"), r.ToolArguments(0, '{"a'), r.Finish(r.LENGTH), r.End()])
        (item,) = told(body)[-1]["response"]["output"]
        self.assertEqual((item["arguments"], item["status"]), ('{"a', "incomplete"))

    def test_text_behind_a_call_is_a_message_of_its_own(self) -> None:
        """Nothing is said in an item that is done."""
        events = [r.TextDelta("a"), r.ToolStart(0, "c", "f"), r.ToolArguments(0, "{}"), r.TextDelta("b")]
        response = final(stream([*events, r.Finish(r.STOP), r.End()]))
        self.assertEqual([item.type for item in response.output], ["message", "function_call", "message"])
        self.assertEqual(response.output_text, "ab")

    def test_thoughts_in_several_runs(self) -> None:
        """A signature ends a run; thoughts that cannot be read are an item without a summary."""
        events = [
            r.ReasoningDelta("a"),
            r.ReasoningSignature("s1"),
            r.ReasoningDelta("b"),
            r.RedactedReasoning("hidden"),
            r.ReasoningDelta("c"),
            r.TextDelta("done"),
            r.ReasoningSignature("late"),
            r.Finish(r.STOP),
            r.End(),
        ]
        items = final(stream(list(events))).output
        self.assertEqual(
            [
                ([part.text for part in item.summary], item.encrypted_content)
                for item in items
                if item.type == "reasoning"
            ],
            [(["a"], "s1"), (["b"], None), ([], "aigw:redacted:hidden"), (["c"], None), ([], "late")],
        )

    def test_custom_tool(self) -> None:
        """A function with one string is the client's custom tool again, its input plain text."""
        events: list[r.Event] = [
            r.ToolStart(0, "call_1", "patch"),
            r.ToolArguments(0, '{"input": "*** Begin'),
            r.ToolArguments(0, '\\n\\"x\\""}'),
            r.Finish(r.TOOL_CALLS),
            r.End(),
        ]
        body = stream(events, tools=[CUSTOM])
        (item,) = final(body).output
        self.assertEqual((item.type, item.call_id, item.name), ("custom_tool_call", "call_1", "patch"))
        self.assertEqual(item.input, '*** Begin\n"x"')
        self.assertEqual(
            kinds(body)[2:-1],
            ["output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done"],
        )
        (added,) = [each["item"] for each in told(body) if each["type"] == "response.output_item.added"]
        self.assertEqual(added["input"], "")

    def test_custom_tool_called_with_something_else(self) -> None:
        """What the model wrote is the input, whatever it is."""
        for arguments in ('{"patch": "x"}', "plain", '["x"]', '{"input": 1}'):
            events = [r.ToolStart(0, "c", "patch"), r.ToolArguments(0, arguments), r.Finish(r.STOP), r.End()]
            (item,) = whole(list(events), tools=[CUSTOM]).output
            self.assertEqual(item.input, arguments)

    def test_namespace(self) -> None:
        """A call tells namespace and name apart, as Codex needs them."""
        events = [r.ToolStart(0, "c", "mcp__git__log"), r.ToolArguments(0, "{}"), r.Finish(r.STOP), r.End()]
        (item,) = final(stream(list(events), tools=[NAMESPACE])).output
        self.assertEqual((item.name, item.namespace), ("log", "mcp__git"))

    def test_signed_call(self) -> None:
        """A call's signature travels in a reasoning item before it."""
        events = [r.ToolStart(0, "c", "f", signature="proof"), r.ToolArguments(0, "{}"), r.Finish(r.STOP), r.End()]
        thoughts, call = final(stream(list(events))).output
        self.assertEqual((thoughts.type, thoughts.summary), ("reasoning", []))
        self.assertEqual(thoughts.encrypted_content, "aigw:call:1:cproof")
        self.assertEqual(call.type, "function_call")

    @given(st.lists(st.sampled_from([*HELLO, *TOOLS, r.RedactedReasoning("x"), r.RefusalDelta("no"), r.Ping()])))
    def test_any_order(self, events: list[r.Event]) -> None:
        """Whatever the provider's order, the SDK's helper accepts the stream, and the whole answer says the same."""
        events = [event for event in events if type(event) not in (r.End, r.Finish)]
        events = [
            event for index, event in enumerate(events) if type(event) is not r.ToolStart or event not in events[:index]
        ]
        tail: list[r.Event] = [r.Finish(r.STOP), r.End()]
        response = final(stream([*events, *tail]))
        spoken = "".join(event.text for event in events if isinstance(event, r.TextDelta))
        self.assertEqual(response.output_text, spoken)
        self.assertEqual(orjson.loads(writer().whole([*events, *tail])), told(stream([*events, *tail]))[-1]["response"])


class FailureTests(unittest.TestCase):
    """Streams that break, and errors instead of answers."""

    def test_failure(self) -> None:
        """First what Codex knows, with all that was there; then what the SDK raises on."""
        writes = writer()
        body = writes.events(HELLO[:2])
        body += writes.failure(r.ProviderError(529, "overloaded_error", "busy", "overloaded"))
        failed, error = told(body)[-2:]
        self.assertEqual((failed["type"], failed["response"]["status"]), ("response.failed", "failed"))
        self.assertEqual(failed["response"]["error"], {"code": "server_error", "message": "busy"})
        self.assertEqual(failed["response"]["output"][0]["content"][0]["text"], "Hel")
        self.assertEqual(failed["response"]["output"][0]["status"], "incomplete")
        self.assertEqual((error["type"], error["code"], error["message"]), ("error", "overloaded", "busy"))
        for event in (failed, error):
            EVENT.validate_python(event)

        def read() -> None:
            with client(body).responses.create(model="m", input="Hi", stream=True) as events:
                for event in events:
                    seen.append(event.type)

        seen: list[str] = []
        raised = self.assertRaises(openai.APIError, read)
        self.assertEqual((raised.message, raised.code), ("busy", "overloaded"))
        self.assertEqual(seen[-1], "response.failed")
        self.assertNotIn("response.completed", kinds(body))

    def test_codes_of_failed_responses(self) -> None:
        """One of OpenAI's list, or of those that Codex acts on."""
        for status, code, expected in (
            (429, None, "rate_limit_exceeded"),
            (429, "insufficient_quota", "insufficient_quota"),
            (400, "context_length_exceeded", "context_length_exceeded"),
            (400, "content_filter", "invalid_prompt"),
            (529, "overloaded", "server_error"),
        ):
            body = writer().failure(r.ProviderError(status, "some_error", "x", code))
            self.assertEqual(told(body)[-2]["response"]["error"]["code"], expected)
            self.assertEqual(told(body)[-1]["error"]["code"], code)

    def test_error_body(self) -> None:
        """OpenAI's form."""
        body = Responses().error(r.ProviderError(400, "invalid_request_error", "bad", "c", "input"), "req1")
        call = openai_client(body, status=400).responses.create
        error = self.assertRaises(openai.BadRequestError, call, model="m", input="Hi")
        self.assertEqual((error.code, error.param, error.type), ("c", "input", "invalid_request_error"))

    def test_call_of_another_dialect(self) -> None:
        """A call that this dialect has not read has nothing to repeat."""
        writes = Responses().writer(Call(model="m", turns=()), answer_id="a", now=1.0)
        self.assertEqual(orjson.loads(writes.whole(HELLO))["output"][0]["content"][0]["text"], "Hello 🎉")
