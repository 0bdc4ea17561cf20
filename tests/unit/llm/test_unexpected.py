"""Answers of status 200 that are none, as they would be told where they are translated."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm.operations import CHAT, COMPLETIONS, COUNT_TOKENS, EMBEDDINGS, MESSAGES, MODELS, RAW, RESPONSES
from aigw.llm.unexpected import ended_unsaid, error_body, unexpected_answer, unexpected_event

CHOICE: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
#: MiniMax's: CherryHQ/cherry-studio#11287.
MINIMAX = {
    "id": "x",
    "choices": None,
    "usage": {"total_tokens": 0},
    "base_resp": {"status_code": 1002, "status_msg": "rate limit"},
}


class WholeTests(unittest.TestCase):
    """unexpected_answer()"""

    def assert_none(self, operation: str, fields: Any, status: int, message: str) -> None:
        error = unexpected_answer(fields, operation)
        assert error is not None, fields
        self.assertEqual(error.status, status, fields)
        self.assertIn(message, error.message, fields)

    def test_chats(self) -> None:
        for operation in (CHAT, COMPLETIONS):
            self.assert_none(operation, MINIMAX, 429, "rate limit")
            self.assert_none(operation, {"choices": None}, 502, "no choices")
            self.assert_none(operation, {"choices": []}, 502, "no choices")
            self.assert_none(operation, {}, 502, "no choices")
            self.assert_none(operation, [], 502, "no choices")
            self.assert_none(operation, "busy", 502, "busy")
            self.assert_none(operation, {"detail": "not now"}, 502, "not now")
            self.assert_none(operation, {"message": "no money", "code": 402}, 402, "no money")
            self.assert_none(operation, {"choices": None, "error": {"message": "no", "code": 429}}, 429, "no")
            inside = {**CHOICE, "error": {"code": 503, "message": "overloaded"}}
            self.assert_none(operation, {"choices": [inside]}, 503, "overloaded")
            self.assert_none(operation, {"choices": [{**CHOICE, "finish_reason": "error"}]}, 502, "error")

    def test_chats_that_are_answers(self) -> None:
        """However odd."""
        for choice in (
            CHOICE,
            {**CHOICE, "error": None},
            {**CHOICE, "finish_reason": None},
            {**CHOICE, "finish_reason": "eos"},
            {**CHOICE, "message": {"content": None, "tool_calls": []}},
            {"text": "hi", "finish_reason": "length"},
        ):
            fields = {"choices": [choice], "base_resp": {"status_code": 0, "status_msg": ""}}
            self.assertIsNone(unexpected_answer(fields, CHAT), choice)

    def test_others(self) -> None:
        self.assert_none(MESSAGES, {"detail": "not now"}, 502, "not now")
        self.assert_none(MESSAGES, {}, 502, "no message")
        self.assert_none(MESSAGES, {"type": "message", "content": None}, 502, "no message")
        self.assert_none(RESPONSES, {"detail": "not now"}, 502, "not now")
        self.assert_none(RESPONSES, {"id": "r"}, 502, "no response")
        failed = {
            "object": "response",
            "status": "failed",
            "output": [],
            "error": {"code": "rate_limit_exceeded", "message": "m"},
        }
        self.assert_none(RESPONSES, failed, 429, "m")
        self.assert_none(EMBEDDINGS, {"data": None, "message": "busy"}, 502, "busy")
        self.assert_none(EMBEDDINGS, {"data": []}, 502, "no list of embeddings")
        self.assert_none(COUNT_TOKENS, {"count": "x"}, 502, "no count")

    def test_answers_in_another_dialect(self) -> None:
        """Pass: a server that mixes its dialects up has answered."""
        answers = ({"choices": [CHOICE]}, {"content": [{"type": "text", "text": "hi"}]}, {"output": []})
        for operation in (CHAT, MESSAGES, RESPONSES):
            for fields in answers:
                self.assertIsNone(unexpected_answer(fields, operation), (operation, fields))
            self.assert_none(operation, {"choices": None}, 502, "no")

    def test_others_that_are_answers(self) -> None:
        """And operations whose answers nobody knows."""
        for operation, fields in (
            (MESSAGES, {"type": "message", "content": []}),
            (RESPONSES, {"object": "response", "status": "queued"}),
            (RESPONSES, {"output": [], "error": None, "status": "incomplete"}),
            (EMBEDDINGS, {"data": [{"embedding": [1.0]}]}),
            (EMBEDDINGS, {"embedding": [1.0]}),
            (COUNT_TOKENS, {"input_tokens": 0}),
            (MODELS, {}),
            (RAW, None),
        ):
            self.assertIsNone(unexpected_answer(fields, operation), operation)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["choices", "error", "message", "finish_reason", "content", "output", "status", "data"]
                    ),
                    inner,
                    max_size=3,
                )
            ),
            max_leaves=8,
        ),
        st.sampled_from([CHAT, COMPLETIONS, MESSAGES, RESPONSES, EMBEDDINGS, COUNT_TOKENS, RAW]),
    )
    def test_no_answer_is_too_strange(self, fields: Any, operation: str) -> None:
        for error in (unexpected_answer(fields, operation), unexpected_event(orjson.dumps(fields), fields, operation)):
            if error is not None:
                self.assertTrue(400 <= error.status <= 599)
                self.assertTrue(orjson.loads(error_body(error, operation, "r"))["error"]["message"])


class EventTests(unittest.TestCase):
    """unexpected_event()"""

    def error(self, fields: Any, operation: str = CHAT) -> tuple[int, str] | None:
        found = unexpected_event(orjson.dumps(fields), fields, operation)
        return (found.status, found.message) if found is not None else None

    def test_first_events_that_are_errors(self) -> None:
        self.assertEqual(self.error(MINIMAX), (429, "rate limit"))
        self.assertEqual(self.error({"detail": "not now"}), (502, "not now"))
        inside = {"index": 0, "delta": {"content": ""}, "error": {"code": 502, "message": "provider went away"}}
        self.assertEqual(self.error({"choices": [inside]}), (502, "provider went away"))
        ended = {"index": 0, "delta": {}, "finish_reason": "error"}
        self.assertEqual((self.error({"choices": [ended]}) or (0, ""))[0], 502)

    def test_others(self) -> None:
        """Greetings, chunks without choices, words, other dialects."""
        for fields in (
            {"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]},
            {"choices": [], "prompt_filter_results": []},
            {"choices": None},
            {"id": "c"},
            {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "eos"}]},
        ):
            self.assertIsNone(self.error(fields), fields)
        self.assertIsNone(self.error({"detail": "x"}, MESSAGES))
        self.assertIsNone(self.error({"type": "response.incomplete", "response": {}}, RESPONSES))

    def test_a_response_that_fails_without_a_word(self) -> None:
        fields = {"type": "response.failed", "response": {"status": "failed", "error": None}}
        self.assertEqual(self.error(fields, RESPONSES), (502, "the response failed"))

    def test_an_end_of_nothing(self) -> None:
        self.assertEqual((ended_unsaid().status, ended_unsaid().code), (502, "invalid_answer"))
