"""Answers of status 200 that are none, where client and provider speak one dialect.

They would pass byte for byte, and the SDKs would show an empty answer, or raise on a member that is missing. Seen are
``choices: null`` beside the error under a name of its own (MiniMax's ``base_resp``: CherryHQ/cherry-studio#11287), an
error inside of ``choices[0]`` (OpenRouter), ``detail`` or ``message`` alone. They are failures of the provider, which
another target may make good, by the same rules as where the answer is translated: a chat that does not look as one at
first sight is read by the reader that would translate it, and is none if that one says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from aigw.llm import reply
from aigw.llm.decoders import Frame
from aigw.llm.dialects import messages_shapes, openai_shapes
from aigw.llm.operations import CHAT, COMPLETIONS, COUNT_TOKENS, EMBEDDINGS, MESSAGES, RESPONSES
from aigw.llm.providers.openai_chat.errors import error_in, stream_error
from aigw.llm.providers.openai_chat.reply import ChatReader
from aigw.llm.reply import ProviderError

#: What a choice ends with that is an answer beyond doubt.
_PLAIN_FINISHES: Final = (None, "stop", "length", "tool_calls", "content_filter", "function_call")


def unexpected_answer(fields: Any, operation: str) -> ProviderError | None:
    """Why a whole answer is none; None if it is one, or if nothing is known of the operation's.

    :param fields: the answer, as JSON.
    """
    check = _CHECKS.get(operation)
    return check(fields) if check is not None else None


def unexpected_event(data: bytes, fields: Any, operation: str) -> ProviderError | None:
    """Why an event with which a stream begins says that there is no answer; None if it does not.

    :param data: the event's data.
    :param fields: the same as JSON; events that are errors by their kind are told by :mod:`aigw.llm.errors`.
    """
    if not isinstance(fields, dict):
        return None
    if operation == RESPONSES and fields.get("type") == "response.failed":
        return stream_error({"error": {"message": "the response failed"}})  # and does not say why, or it were known
    if operation not in (CHAT, COMPLETIONS) or _has_plain_choices(fields):
        return None
    return _failure(ChatReader().frame(Frame(b"", data)))


def ended_unsaid() -> ProviderError:
    """Why a stream is no answer that tells of its end and of no choice before."""
    error = _failure(ChatReader().frame(Frame(b"", b"[DONE]")))
    assert error is not None
    return error


def error_body(error: ProviderError, operation: str, request_id: str) -> bytes:
    """``error`` as the client of an operation reads it."""
    if operation in (MESSAGES, COUNT_TOKENS):
        return messages_shapes.error_body(error, request_id)
    return openai_shapes.error_body(error, request_id)


def _failure(events: Iterable[reply.Event]) -> ProviderError | None:
    return next((event.error for event in events if isinstance(event, reply.Failed)), None)


def _has_plain_choices(fields: dict[str, Any]) -> bool:
    choices = fields.get("choices")
    return isinstance(choices, list) and bool(choices) and all(map(_is_plain, choices))


def _is_plain(choice: Any) -> bool:
    return isinstance(choice, dict) and choice.get("finish_reason") in _PLAIN_FINISHES and not choice.get("error")


def _answers(fields: Any) -> bool:
    """Whether it is an answer in any dialect. A server that answers in another one than it was asked in has answered:
    that passes as it comes, as clients may have come to know it."""
    if not isinstance(fields, dict):
        return False
    return (
        isinstance(fields.get("output"), list) or isinstance(fields.get("content"), list) or _has_plain_choices(fields)
    )


def _chat(fields: Any) -> ProviderError | None:
    if isinstance(fields, dict) and (_has_plain_choices(fields) if "choices" in fields else _answers(fields)):
        return None
    return _failure(ChatReader().whole(fields))


def _messages(fields: Any) -> ProviderError | None:
    return None if _answers(fields) else _no("message", fields)


def _responses(fields: Any) -> ProviderError | None:
    """A response that has failed is told as the first event of such a stream is."""
    if isinstance(fields, dict) and (isinstance(fields.get("output"), list) or fields.get("object") == "response"):
        failed = fields.get("status") == "failed"
        return stream_error({"error": fields.get("error") or {}}) if failed else None
    return None if _answers(fields) else _no("response", fields)


def _embeddings(fields: Any) -> ProviderError | None:
    """Some servers have a single vector, or all of them, under a name of its own."""
    if isinstance(fields, dict) and any(fields.get(name) for name in ("data", "embedding", "embeddings")):
        return None
    return _no("list of embeddings", fields)


def _count(fields: Any) -> ProviderError | None:
    if isinstance(fields, dict) and isinstance(fields.get("input_tokens"), int):
        return None
    return _no("count", fields)


def _no(what: str, fields: Any) -> ProviderError:
    """An answer that is no such thing, in the provider's words if it has some."""
    if error_in(fields) is not None:
        return stream_error(fields)
    return ProviderError(502, "server_error", f"the provider's answer is no {what}", "invalid_answer")


_CHECKS: Final[dict[str, Callable[[Any], ProviderError | None]]] = {
    CHAT: _chat,
    COMPLETIONS: _chat,
    COUNT_TOKENS: _count,
    EMBEDDINGS: _embeddings,
    MESSAGES: _messages,
    RESPONSES: _responses,
}
