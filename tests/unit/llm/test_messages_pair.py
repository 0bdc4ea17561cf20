"""Anthropic's messages at Vertex AI's Claude: what the client says and what Claude says, unchanged."""

from __future__ import annotations

from typing import Any

import orjson
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm.body import Adjustments
from aigw.llm.messages_pair import MessagesPair, OwnMessages
from aigw.llm.operations import MESSAGES
from aigw.llm.pairing import pairing
from aigw.llm.providers import Place, provider
from aigw.llm.translation import Translation
from aigw.llm.usage import Usage
from tests.unit.llm.recordings import SSE

CLAUDE = "claude-sonnet-4-5@20250929"
ASKED = [{"role": "user", "content": "q"}]
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
USED = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}
FOUND = {"type": "web_search_result", "url": "https://x.test", "title": "X", "encrypted_content": "ENC"}
CITED = {"type": "web_search_result_location", "url": "https://x.test", "encrypted_index": "EI", "cited_text": "c"}
ANSWER: dict[str, Any] = {
    "id": "msg_vrtx_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [
        USED,
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [FOUND]},
        {"type": "text", "text": "cited", "citations": [CITED]},
        {"type": "of_tomorrow", "x": 1},
    ],
    "stop_reason": "pause_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 3,
        "output_tokens": 2,
        "cache_creation_input_tokens": 400,
        "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 100},
        "server_tool_use": {"web_search_requests": 1},
        "service_tier": "standard",
    },
}
STREAM = (
    {"type": "message_start", "message": {**ANSWER, "content": []}},
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {**USED, "input": {}}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"query":"q"}'}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "cited"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": CITED}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "of_tomorrow", "x": 1}},
    {"type": "content_block_stop", "index": 1},
    {"type": "of_tomorrow", "x": 1},
    {"type": "message_delta", "delta": {"stop_reason": "pause_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
)
ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def event(fields: dict[str, Any]) -> bytes:
    """A server-sent event as Anthropic writes it, but for the blank behind its ping's colon."""
    blank = b" " if fields["type"] == "ping" else b""
    data = orjson.dumps(fields).replace(b":", b": ") if blank else orjson.dumps(fields)
    return b"event: %s\ndata: %s\n\n" % (fields["type"].encode(), data)


def pair(defaults: dict[str, Any] | None = None, overrides: dict[str, Any] | None = None) -> MessagesPair:
    """Messages at Vertex AI."""
    kind = provider("vertex")
    kind = kind.at(kind, Place(project="p", location="us-east5"))
    found = pairing(MESSAGES, kind, Adjustments(defaults or {}, overrides or {}), False)
    assert isinstance(found, MessagesPair)
    return found


def asked(model: str = CLAUDE, made: MessagesPair | None = None, **fields: Any) -> Any:
    """The translation of a question."""
    return (made or pair()).translate({"model": model, "messages": ASKED, "max_tokens": 9, **fields}, "a1", 0.0)


class RequestTests(unittest.TestCase):
    """Requests."""

    def test_only_model_and_version_differ(self) -> None:
        """Everything else goes as it is, known or not."""
        tool = {
            "name": "f",
            "input_schema": {"type": "object", "anyOf": []},
            "eager_input_streaming": True,
            "input_examples": [{"a": 1}],
            "defer_loading": False,
            "of_tomorrow": 1,
        }
        turn = {"role": "assistant", "content": ANSWER["content"]}
        fields = {
            "messages": [*ASKED, turn],
            "max_tokens": 9,
            "tools": [SEARCH, tool],
            "context_management": {"edits": []},
            "metadata": {"user_id": "u", "x": 1},
            "of_tomorrow": {"a": 1},
            "temperature": 0.5,
        }
        request = pair().translate({"model": CLAUDE, **fields}, "a1", 0.0).request
        self.assertEqual(request.body, {**fields, "anthropic_version": "vertex-2023-10-16"})
        self.assertTrue(request.path.endswith(f"/publishers/anthropic/models/{CLAUDE}:rawPredict".encode()))

    def test_streams(self) -> None:
        """Are asked for in path and body."""
        request = asked(stream=True).request
        self.assertTrue(request.path.endswith(b":streamRawPredict"))
        self.assertIs(request.body["stream"], True)

    def test_the_version_is_ours(self) -> None:
        """A client's own, of another platform or a later API, does not go."""
        self.assertEqual(
            asked(anthropic_version="bedrock-2023-05-31").request.body["anthropic_version"], "vertex-2023-10-16"
        )

    def test_other_models(self) -> None:
        """Are translated."""
        made = asked("gemini-2.5-pro")
        self.assertIsInstance(made, Translation)
        self.assertIn("contents", made.request.body)

    def test_others_thoughts(self) -> None:
        """Are left out, as at Anthropic."""
        thought = {"type": "thinking", "thinking": "t", "signature": "gAAAA"}
        said = {"type": "text", "text": "a"}
        body = asked(messages=[*ASKED, {"role": "assistant", "content": [thought, said]}]).request.body
        self.assertEqual(body["messages"][1]["content"], [said])

    def test_adjustments(self) -> None:
        """What messages have goes into the body; what they have not is left out and named."""
        made = pair({"max_tokens": 5, "reasoning_effort": "high"}, {"stop": ["x"], "of_tomorrow": 1})
        translation = made.translate({"model": CLAUDE, "messages": ASKED}, "a", 0.0)
        body = translation.request.body
        self.assertEqual((body["max_tokens"], body["stop_sequences"], body["of_tomorrow"]), (5, ["x"], 1))
        self.assertNotIn("reasoning_effort", body)
        self.assertEqual(translation.left_out, ("reasoning_effort",))

    def test_sampling_of_the_configuration(self) -> None:
        """Is left out where the model has none; the client's own is its business."""
        for defaults, overrides in (({"temperature": 0.5}, {}), ({}, {"temperature": 0.5})):
            translation = asked("claude-opus-4-7", pair(defaults, overrides))
            self.assertNotIn("temperature", translation.request.body)
            self.assertEqual(translation.left_out, ("temperature",))
            kept = asked(CLAUDE, pair(defaults, overrides))
            self.assertEqual((kept.request.body["temperature"], kept.left_out), (0.5, ()))
        self.assertEqual(asked("claude-opus-4-7", temperature=0.5).request.body["temperature"], 0.5)

    def test_threads(self) -> None:
        """Are refused, so that the client sends all."""
        error = self.assertRaises(BadRequest, asked, thread={"type": "continue", "previous_message_id": "m"})
        self.assertEqual(error.as_dict()["details"], {"error_code": "thread_unsupported_request"})


class AnswerTests(unittest.TestCase):
    """Answers."""

    def test_whole(self) -> None:
        """Byte for byte; usage and model are read."""
        body = orjson.dumps(ANSWER, option=orjson.OPT_INDENT_2)
        answer = asked().whole(body, "r")
        self.assertEqual((answer.status, answer.body, answer.model), (200, body, "claude-sonnet-4-5"))
        self.assertEqual(answer.usage, Usage(403, 2, cache_write=400, cache_write_1h=100))

    def test_no_answers(self) -> None:
        """Are errors."""
        for body in (b"", b"<html>", b"[]", b"{}", b'{"content":5}', orjson.dumps(ERROR)):
            answer = asked().whole(body, "r")
            self.assertGreaterEqual(answer.status, 500)
            self.assertEqual(orjson.loads(answer.body)["type"], "error")

    def test_errors(self) -> None:
        """Are Anthropic's, whoever wrapped them."""
        answer = asked().error(
            400, (), b'{"type":"error","error":{"type":"invalid_request_error","message":"why"}}', "r"
        )
        self.assertEqual((answer.status, orjson.loads(answer.body)["error"]["message"]), (400, "why"))

    def test_stream(self) -> None:
        """Byte for byte, in whatever pieces it comes."""
        sent = b"".join(event(each) for each in STREAM)
        for size in (len(sent), 1, 7, 64):
            stream = asked(stream=True).stream(SSE)
            got = b"".join(stream.feed(sent[at : at + size]) for at in range(0, len(sent), size)) + stream.end()
            self.assertEqual(got, sent)
            self.assertTrue(stream.done)
            self.assertEqual(stream.usage, Usage(403, 2, cache_write=400, cache_write_1h=100))

    def test_streams_begin_with_their_first_block(self) -> None:
        """A greeting is held back: what follows may be an error, which is answered as one then."""
        stream = asked(stream=True).stream(SSE)
        self.assertEqual(stream.feed(event(STREAM[0])), b"")
        self.assertEqual((stream.feed(event(ERROR)), stream.begun), (b"", False))
        assert stream.error is not None
        self.assertEqual(stream.error.status, 529)

    def test_greetings_have_an_end(self) -> None:
        """Nothing is held back for ever."""
        stream = asked(stream=True).stream(SSE)
        unknown = event({"type": "of_tomorrow", "x": "x" * 1000})
        got = b"".join(stream.feed(unknown) for _ in range(50))
        self.assertTrue(stream.begun)
        self.assertEqual(got, unknown * 50)

    def test_failing_streams(self) -> None:
        """End with the error, and are not whole."""
        stream = asked(stream=True).stream(SSE)
        begun = b"".join(event(each) for each in STREAM[:4])
        self.assertEqual(stream.feed(begun + event(ERROR) + event(STREAM[-1])), begun)
        self.assertFalse(stream.done)
        assert stream.error is not None
        self.assertIn(b'"message":"Overloaded"', stream.failure(stream.error))

    def test_cut_streams(self) -> None:
        """Are not whole."""
        stream = asked(stream=True).stream(SSE)
        stream.feed(b"".join(event(each) for each in STREAM[:-1]))
        self.assertEqual((stream.end(), stream.done), (b"", False))

    def test_data_of_several_lines(self) -> None:
        """Stay so."""
        told = b'event: content_block_start\ndata: {"type":"content_block_start",\ndata: "index":0}\n\n'
        stream = asked(stream=True).stream(SSE)
        self.assertEqual(stream.feed(told), told)

    def test_a_whole_answer_to_who_wants_a_stream(self) -> None:
        """Is one in a single piece."""
        made = asked(stream=True)
        self.assertFalse(made.is_stream(b"application/json"))
        body = made.whole(orjson.dumps({**ANSWER, "content": [{"type": "text", "text": "hi"}]}), "r").body
        self.assertTrue(body.startswith(b"event: message_start"))
        self.assertIn(b"event: message_stop", body)

    def test_kinds(self) -> None:
        """Nothing else is a stream, and nothing is one unasked."""
        self.assertIsInstance(asked(), OwnMessages)
        self.assertTrue(asked(stream=True).is_stream(b"text/event-stream; charset=utf-8"))
        self.assertFalse(asked().is_stream(b"text/event-stream"))
