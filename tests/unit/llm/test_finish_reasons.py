"""Why an answer ended, at every provider and for every dialect: a failure is never told as a success."""

from __future__ import annotations

import json
from typing import Any, get_args

import botocore.session
import orjson
from anthropic.types.beta import BetaStopReason
from google.genai.types import FinishReason
from mistralai.client.models.chatcompletionchoice import ChatCompletionChoiceFinishReason
from openai.types.chat.chat_completion import Choice
from twisted.trial import unittest

from aigw.llm import reply as r
from aigw.llm.body import Adjustments
from aigw.llm.errors import FAILED_REASONS
from aigw.llm.operations import CHAT, MESSAGES, RESPONSES
from aigw.llm.providers import PROVIDERS
from aigw.llm.providers.base import Place
from aigw.llm.providers.openai_chat import reasons
from aigw.llm.translation import DIALECTS, Pair, Translation
from tests.unit.llm.recordings import wire_of
from tests.unit.llm.streams import chunk, sse

#: What Gemini ends an answer with that is broken.
BROKEN = (
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "MISSING_THOUGHT_SIGNATURE",
    "TOO_MANY_TOOL_CALLS",
    "UNEXPECTED_TOOL_CALL",
)
FRONTS = (CHAT, MESSAGES, RESPONSES)
#: What only a stream has that was whole.
ENDS = (b"[DONE]", b"message_stop", b"response.completed")


def translation(front: str, provider: str, *, stream: bool = False) -> Translation:
    """Of a short call."""
    kind = PROVIDERS[provider]
    kind = kind.at(kind, Place(None, "us-east-1", "p", "l", None))
    pair = Pair(DIALECTS[front], wire_of(kind), Adjustments(defaults={}, overrides={}))
    said: dict[str, Any] = {"input": "hi"} if front == RESPONSES else {"messages": [{"role": "user", "content": "hi"}]}
    return pair.translate({"model": "m", "max_tokens": 9, "stream": stream, **said}, "a1", 0.0)


def gemini(reason: str) -> dict[str, Any]:
    """A whole answer that says something first."""
    content = {"role": "model", "parts": [{"text": "I will look it up."}]}
    return {"candidates": [{"content": content, "finishReason": reason, "finishMessage": "why", "index": 0}]}


def completion(reason: str) -> dict[str, Any]:
    """A whole chat completion."""
    message = {"role": "assistant", "content": "I will look it up."}
    return {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": reason}]}


def finish_of(provider: str, fields: dict[str, Any]) -> r.Event:
    """How a whole answer ends: with its last choice, or with its failure."""
    call = DIALECTS[CHAT].read({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
    events = [*wire_of(PROVIDERS[provider]).reader(call).whole(fields)]
    return next(event for event in events if isinstance(event, r.Finish | r.Failed))


class FailureTests(unittest.TestCase):
    """Reasons that are failures."""

    def test_gemini_behind_text(self) -> None:
        """What the model wanted to call or say is lost: 502, or an error event and no end, in every dialect."""
        for reason in BROKEN:
            for provider, front in ((provider, front) for provider in ("gemini", "vertex") for front in FRONTS):
                answer = translation(front, provider).whole(orjson.dumps(gemini(reason)), "r1")
                assert answer.error is not None, reason
                self.assertEqual(answer.error.code, reason.lower())
                self.assertGreaterEqual(answer.status, 400)
                stream = translation(front, provider, stream=True).stream(b"text/event-stream")
                written = stream.feed(sse(gemini(reason))) + stream.end()
                assert stream.error is not None, reason
                self.assertEqual((stream.begun, stream.done, stream.error.code), (True, False, reason.lower()))
                self.assertFalse([end for end in ENDS if end in written], reason)

    def test_gemini_behind_a_call(self) -> None:
        """Also where one call could be read."""
        fields = gemini("MALFORMED_FUNCTION_CALL")
        fields["candidates"][0]["content"]["parts"].append({"functionCall": {"name": "f", "args": {}}})
        self.assertIsInstance(finish_of("gemini", fields), r.Failed)

    def test_compatible_servers(self) -> None:
        """Zhipu's, DeepSeek's, vLLM's and others' words for it; whole and streamed."""
        for reason, status in (
            ("network_error", 502),
            ("insufficient_system_resource", 503),
            ("aborted", 502),
            ("abort", 502),
            ("error", 502),
        ):
            for front in FRONTS[1:]:
                answer = translation(front, "openai-compatible").whole(orjson.dumps(completion(reason)), "r1")
                assert answer.error is not None, reason
                self.assertEqual(answer.status, status, reason)
                stream = translation(front, "openai-compatible", stream=True).stream(b"text/event-stream")
                written = stream.feed(chunk("Hi") + chunk(finish=reason) + b"data: [DONE]\n\n") + stream.end()
                self.assertEqual((stream.done, stream.error and stream.error.status), (False, status))
                self.assertFalse([end for end in ENDS if end in written], reason)

    def test_failure_behind_another_reason(self) -> None:
        """Counts all the same."""
        stream = translation(MESSAGES, "openai-compatible", stream=True).stream(b"text/event-stream")
        stream.feed(chunk("Hi") + chunk(finish="stop") + chunk(finish="network_error"))
        self.assertIsNotNone(stream.error)


class MeaningTests(unittest.TestCase):
    """Reasons that end an answer early, and how clients are told."""

    def test_zhipu(self) -> None:
        """https://docs.z.ai/api-reference/llm/chat-completion"""
        for reason, stop, status in (
            ("sensitive", "refusal", "incomplete"),
            ("model_context_window_exceeded", "max_tokens", "incomplete"),
            ("stop", "end_turn", "completed"),
        ):
            body = orjson.dumps(completion(reason))
            told = orjson.loads(translation(MESSAGES, "openai-compatible").whole(body, "r").body)
            self.assertEqual(told["stop_reason"], stop)
            told = orjson.loads(translation(RESPONSES, "openai-compatible").whole(body, "r").body)
            self.assertEqual(told["status"], status)

    def test_every_reason_of_the_sdks(self) -> None:
        """Is known: a reason that comes with a newer SDK fails here, and is to be put into its provider's table."""
        told = {
            "gemini": [(gemini(each.value), each.value) for each in FinishReason],
            "openai": [(completion(each), each) for each in get_args(Choice.model_fields["finish_reason"].annotation)],
            "mistral": [(completion(each), each) for each in _words(ChatCompletionChoiceFinishReason)],
            "anthropic": [(_message(each), each) for each in get_args(BetaStopReason)],
            "bedrock": [(_converse(each), each) for each in _of_bedrock()],
        }
        for provider, answers in told.items():
            self.assertGreater(len(answers), 4, provider)
            for fields, reason in answers:
                finish = finish_of(provider, fields)
                unknown = isinstance(finish, r.Finish) and finish.unknown is not None
                self.assertEqual(unknown, reason == "FINISH_REASON_UNSPECIFIED", f"{provider}: {reason}")

    def test_compaction(self) -> None:
        """Claude pauses behind a compaction that was asked for so: the turn can be continued."""
        self.assertEqual(finish_of("anthropic", _message("compaction")), r.Finish(r.PAUSE))


class UnknownTests(unittest.TestCase):
    """Words that nobody knows: a plain end for the client, and a word for the log."""

    def test_every_provider(self) -> None:
        """Tells the word, cut off where it is long, whole and streamed."""
        word = "to_be_invented" + "x" * 100
        answers = {
            "openai-compatible": completion(word),
            "mistral": completion(word),
            "gemini": gemini(word),
            "vertex": gemini(word),
            "anthropic": _message(word),
            "bedrock": _converse(word),
            "cohere": {"id": "c", "message": {"content": "Hi"}, "finish_reason": word},
            "ollama": {"message": {"role": "assistant", "content": "Hi"}, "done": True, "done_reason": word},
        }
        for provider, fields in answers.items():
            front = MESSAGES if provider != "anthropic" else CHAT
            answer = translation(front, provider).whole(orjson.dumps(fields), "r1")
            self.assertEqual((answer.status, answer.unknown_finish), (200, word[:64]), provider)
            told = orjson.loads(answer.body)
            self.assertIn("end_turn" if front == MESSAGES else '"stop"', json.dumps(told), provider)

    def test_stream(self) -> None:
        """The first of them; none of an answer that ends as it should."""
        stream = translation(MESSAGES, "openai-compatible", stream=True).stream(b"text/event-stream")
        stream.feed(chunk("Hi") + chunk(finish="odd") + chunk(finish="odder") + b"data: [DONE]\n\n")
        self.assertEqual((stream.done, stream.unknown_finish), (True, "odd"))
        stream = translation(MESSAGES, "openai-compatible", stream=True).stream(b"text/event-stream")
        stream.feed(chunk("Hi") + chunk(finish="stop") + b"data: [DONE]\n\n")
        self.assertIsNone(stream.unknown_finish)

    def test_calls_of_tools(self) -> None:
        """Are what an answer ended for that has some, whatever the word."""
        fields = completion("odd")
        fields["choices"][0]["message"]["tool_calls"] = [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]
        self.assertEqual(finish_of("openai-compatible", fields), r.Finish(r.TOOL_CALLS, unknown="odd"))


def _message(reason: str) -> dict[str, Any]:
    return {"type": "message", "content": [{"type": "text", "text": "Hi"}], "stop_reason": reason}


def _converse(reason: str) -> dict[str, Any]:
    return {"output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}}, "stopReason": reason}


def _words(union: Any) -> list[str]:
    """The literals of a union of the SDK's."""
    return [word for member in get_args(union) for word in get_args(member) if isinstance(word, str)]


def _of_bedrock() -> list[str]:
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    words: list[str] = model.shape_for("StopReason").enum
    return words


class RelayedTests(unittest.TestCase):
    """Chats that are passed on."""

    def test_the_same_reasons_are_failures(self) -> None:
        """As where they are translated."""
        self.assertEqual(FAILED_REASONS, reasons.FAILURES.keys())
