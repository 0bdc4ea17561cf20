"""Errors in streams: told to clients, understood from upstreams."""

import orjson
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseErrorEvent, ResponseFailedEvent
from twisted.trial import unittest

from aigw.errors import UpstreamFailed
from aigw.llm import events
from aigw.llm.errors import begins_as_error, error_event, first_event_error
from aigw.llm.operations import CHAT, COUNT_TOKENS, MESSAGES
from tests.unit.llm.streams import chunk, sse

ERROR = UpstreamFailed("backend x broke off", code="upstream_cut")


class ErrorEventTests(unittest.TestCase):
    """error_event()"""

    def test_chat_gets_an_error_object(self) -> None:
        """As OpenAI sends it, on which the SDK raises."""
        for operation in ("chat", "completions", "raw"):
            event = error_event(ERROR, "req-1", operation)
            self.assertEqual(events.kind(event), b"")
            error = orjson.loads(events.data(event))["error"]
            self.assertEqual((error["message"], error["code"]), ("backend x broke off", "upstream_cut"))
            self.assertEqual((error["type"], error["param"]), ("upstream_error", None))

    def test_responses_get_their_failure_and_an_event_of_type_error(self) -> None:
        """Numbered like the others."""
        known = {"id": "resp_1", "created_at": 1, "model": "m"}
        failed, event = events.split(error_event(ERROR, "req-1", "responses", sequence=7, response=known))
        self.assertEqual((events.kind(failed), events.kind(event)), (b"response.failed", b"error"))
        response = ResponseFailedEvent.model_validate_json(events.data(failed))
        self.assertEqual((response.response.id, response.sequence_number), ("resp_1", 7))
        parsed = ResponseErrorEvent.model_validate_json(events.data(event))
        self.assertEqual((parsed.message, parsed.code, parsed.sequence_number), (ERROR.message, "upstream_cut", 8))

    def test_responses_that_nothing_is_known_of_begin_first(self) -> None:
        """OpenAI's helpers raise on any other first event."""
        told = [orjson.loads(events.data(event)) for event in events.split(error_event(ERROR, "req-1", "responses"))]
        self.assertEqual([each["type"] for each in told], ["response.created", "response.failed", "error"])
        self.assertEqual([each["sequence_number"] for each in told], [0, 1, 2])
        self.assertEqual({each["response"]["id"] for each in told[:2]}, {"resp_req-1"})

    def test_messages_get_anthropics(self) -> None:
        """With the request's id where that SDK looks for it."""
        event = error_event(ERROR, "req-1", "messages")
        self.assertEqual(events.kind(event), b"error")
        fields = orjson.loads(events.data(event))
        self.assertEqual((fields["type"], fields["request_id"]), ("error", "req-1"))
        self.assertEqual(fields["error"], {"type": "upstream_error", "message": ERROR.message})

    def test_is_one_complete_event(self) -> None:
        """Whatever the message holds."""
        for operation, count in (("chat", 1), ("responses", 3), ("messages", 1)):
            event = error_event(UpstreamFailed("a\n\ndata: b\r"), "r", operation)
            self.assertEqual(len(events.split(event)), count)
            self.assertTrue(event.endswith(b"\n\n"))


class BeginningTests(unittest.TestCase):
    """begins_as_error()"""

    def test_errors(self) -> None:
        """As they come, whatever their blanks."""
        for event in (
            b'data: {"error":{"message":"AAA',
            b'data: { "error": "AAA',
            b'event: error\ndata: {"x":"AAA',
            b"event:error\r\ndata: AAA",
            b'data: [{\ndata:  "error": {"message',
            b'data: {"type": "error", "error": {',
            b'data: {"object":"error","message":"A',
        ):
            self.assertTrue(begins_as_error(event), event)

    def test_others(self) -> None:
        """What only mentions one."""
        for event in (
            b'data: {"error":null,"choices":[{"delta":{"content":"AAA',
            b'event: response.completed\ndata: {"type":"response.completed","response":{"error":null,"o',
            b'data: {"choices":[{"delta":{"content":"{\\"error\\":{AAA',
            b"data: AAA",
            b": event: error",
        ):
            self.assertFalse(begins_as_error(event), event)


class FirstEventErrorTests(unittest.TestCase):
    """first_event_error()"""

    def status(self, error: object) -> int:
        """The status that an error object comes to."""
        found = first_event_error(sse({"error": error}), CHAT)
        assert found is not None
        return found.status

    def test_other_events_are_no_error(self) -> None:
        """Nor is a text about errors."""
        for event in (
            chunk("hi"),
            chunk('{"error": {"message": "x"}}'),
            chunk("x", error=None),
            sse({"type": "response.created", "response": {"error": None}}, "response.created"),
            b"data: [DONE]\n\n",
            b": error\n\n",
            b"data: error\n\n",
            sse({"error": {}}),
            sse({"error": ""}),
            sse(["error"]),
        ):
            self.assertIsNone(first_event_error(event, CHAT), event)

    def test_every_way_to_say_it_is_understood(self) -> None:
        """With its message and, where it has one, its code."""
        ways = (
            sse({"error": {"message": "m", "type": "t", "param": None, "code": "c"}}),
            sse({"error": "m", "code": "c"}),
            sse([{"error": {"message": "m", "code": "c"}}]),
            sse({"type": "error", "code": "c", "message": "m", "param": None, "sequence_number": 0}, "error"),
            sse({"type": "error", "error": {"message": "m", "code": "c"}}, "error"),
            sse({"object": "error", "message": "m", "code": "c"}),
            sse({"message": "m", "code": "c"}, "error"),
            sse({"error": {"message": "m", "code": "c"}}).replace(b"\n", b"\r\n"),
            b"\xef\xbb\xbf" + sse({"error": {"message": "m", "code": "c"}}),
            b": waiting\n" + sse({"error": {"message": "m", "code": "c"}}),
            sse({"error": {"message": "m", "code": "c"}}).replace(b'"error"', b'"\\u0065rror"'),
            sse({"error": {"message": "m", "code": "c"}}).replace(b'"error":', b'"error" :  '),
            sse({"type": "response.failed", "response": {"error": {"message": "m", "code": "c"}}}, "response.failed"),
            chunk("", "error", error={"message": "m", "code": "c"}),
        )
        for event in ways:
            found = first_event_error(event, CHAT)
            assert found is not None, event
            error = orjson.loads(found.body)["error"]
            self.assertEqual((error["message"], error["code"]), ("m", "c"), event)
            self.assertLessEqual({"message", "type", "param", "code"}, set(error))

    def test_event_of_type_error_without_json_is_one(self) -> None:
        """Its text is the message."""
        found = first_event_error(b"event: error\ndata: went wrong\n\n", CHAT)
        assert found is not None
        self.assertEqual(found.status, 500)
        self.assertEqual(orjson.loads(found.body)["error"]["message"], "went wrong")

    def test_status_is_the_one_it_names(self) -> None:
        """As a number or as text."""
        self.assertEqual(self.status({"code": 503}), 503)
        self.assertEqual(self.status({"code": "429"}), 429)
        self.assertEqual(self.status({"status": 404, "code": "x"}), 404)
        for nonsense in (200, 399, 600, 4290, "4²9", "1" * 5000, True, None, [], {}):
            self.assertEqual(self.status({"code": nonsense, "message": "m"}), 500, nonsense)

    def test_status_is_read_off_the_words(self) -> None:
        """OpenAI's and Anthropic's, in code or type."""
        for error, status in (
            ({"type": "requests", "code": "rate_limit_exceeded"}, 429),
            ({"type": "rate_limit_error"}, 429),
            ({"type": "insufficient_quota", "code": "insufficient_quota"}, 429),
            ({"type": "overloaded_error"}, 529),
            ({"type": "invalid_request_error", "code": "invalid_api_key"}, 401),
            ({"type": "authentication_error"}, 401),
            ({"type": "permission_error"}, 403),
            ({"type": "invalid_request_error", "code": "model_not_found"}, 404),
            ({"type": "invalid_request_error", "code": "context_length_exceeded"}, 400),
            ({"type": "invalid_request_error"}, 400),
            ({"code": 429, "status": "RESOURCE_EXHAUSTED"}, 429),
            ({"type": "server_error"}, 500),
            ({"type": "api_error", "code": None}, 500),
        ):
            self.assertEqual(self.status(error), status, error)

    def test_code_that_is_a_number_becomes_text(self) -> None:
        """The SDKs expect a word; what else the upstream told stays."""
        found = first_event_error(sse({"error": {"code": 503, "message": "m", "metadata": {"provider": "p"}}}), CHAT)
        assert found is not None
        error = orjson.loads(found.body)["error"]
        self.assertEqual(
            error, {"code": "503", "message": "m", "metadata": {"provider": "p"}, "type": None, "param": None}
        )

    @given(
        st.binary(max_size=40)
        | st.recursive(
            st.none() | st.text(max_size=4) | st.integers(-(2**63), 2**63) | st.booleans(),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.sampled_from(["error", "type", "code", "message", "status"]), inner, max_size=4)
            ),
        ).map(lambda fields: sse(fields, "error"))
    )
    def test_never_raises(self, event: bytes) -> None:
        """And what it makes is JSON with a status that is an error's."""
        found = first_event_error(event, CHAT)
        if found is not None:
            self.assertTrue(400 <= found.status <= 599)
            self.assertIsInstance(orjson.loads(found.body)["error"]["message"], str)


class FirstMessagesEventTests(unittest.TestCase):
    """first_event_error() for Anthropic's clients."""

    def test_anthropic_error_stays_as_it_is(self) -> None:
        """With the status that its type stands for, whatever else it has."""
        types = {
            "overloaded_error": 529,
            "api_error": 500,
            "rate_limit_error": 429,
            "invalid_request_error": 400,
            "authentication_error": 401,
            "billing_error": 402,
            "permission_error": 403,
            "not_found_error": 404,
            "request_too_large": 413,
            "timeout_error": 504,
        }
        for kind, status in types.items():
            body = {"type": "error", "error": {"type": kind, "message": "m", "details": None}, "request_id": "req_1"}
            found = first_event_error(sse(body, "error"), MESSAGES)
            assert found is not None
            self.assertEqual((found.status, orjson.loads(found.body)), (status, body))

    def test_other_errors_become_anthropics(self) -> None:
        """Whichever way a compatible server tells them."""
        for event in (sse({"error": {"message": "m"}}), sse({"error": "m"}), b"event: error\ndata: m\n\n"):
            found = first_event_error(event, COUNT_TOKENS)
            assert found is not None
            body = orjson.loads(found.body)
            self.assertEqual((found.status, body["type"]), (500, "error"))
            self.assertEqual((body["error"]["type"], body["error"]["message"]), ("api_error", "m"))

    def test_message_start_is_no_error(self) -> None:
        """Nor is a ping, even one that speaks of errors."""
        for fields in ({"type": "message_start", "message": {"id": "error"}}, {"type": "ping", "error": None}):
            self.assertIsNone(first_event_error(sse(fields, fields["type"]), MESSAGES))
