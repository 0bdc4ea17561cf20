"""The way down for an upstream's answer: which relay takes it, by what the response's head says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigw.llm.operations import RAW
from aigw.proxy.event_body import EventBody
from aigw.proxy.refusal import ErrorBody
from aigw.proxy.relay import KEPT_WHOLE, PassedBody, Relay, ResponseHead, WholeBody
from aigw.proxy.translated import TranslatedBody, TranslatedEvents

if TYPE_CHECKING:
    from aigw.proxy.attempt import Attempt


class Unfit(Exception):
    """It is no answer to what was asked; the message says what the backend did."""


def is_stream(attempt: Attempt, head: ResponseHead) -> bool:
    """Whether the answer that begins with ``head`` is a stream of events that are read."""
    if head.status >= 300:
        return False
    if attempt.translation is None:
        return head.is_events
    return not head.encoded and attempt.translation.is_stream(head.content_type)


def relay_for(attempt: Attempt, head: ResponseHead, streams: bool, hide_usage: bool) -> Relay:
    """The relay for that answer.

    :param streams: what :func:`is_stream` says.
    :param hide_usage: see :class:`~aigw.proxy.event_body.EventBody`.
    :raises Unfit: there is none.
    """
    translation = attempt.translation
    if translation is None:
        return EventBody(attempt, head, hide_usage) if streams else _whole(attempt, head)
    if head.encoded and head.status < 400:
        raise Unfit("answered in a coding that it was not offered")
    return TranslatedEvents(attempt, head, translation) if streams else TranslatedBody(attempt, head, translation)


def _whole(attempt: Attempt, head: ResponseHead) -> Relay:
    """Errors and the JSON answers that are read are kept; not what is encoded, long or of no interest."""
    status = head.status
    if attempt.account.stream and status < 300 and not head.content_type.startswith(b"text/event-stream"):
        kind = head.content_type.decode("latin-1")[:80] or "no content type"
        raise Unfit(f"answered a streaming request with {kind}")
    if attempt.request.method == b"HEAD":
        return PassedBody(attempt, head)
    if status >= 400:
        return ErrorBody(attempt, head)
    if attempt.operation != RAW and not head.encoded and (head.length or 0) <= KEPT_WHOLE:
        return WholeBody(attempt, head)
    return PassedBody(attempt, head)
