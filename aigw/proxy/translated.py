"""The response on its way down where client and backend speak different dialects.

- :class:`TranslatedBody`: a whole answer, or an error of any kind. Kept until it is complete, then translated.
- :class:`TranslatedEvents`: a stream. Translated event by event; nothing is sent before the answer has begun, so that
  a stream that begins with an error is answered as one.

Both are relays as those of :mod:`aigw.proxy.relay` are, which see for the rules of ends and breaks.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from aigw.bounded_cache import remember
from aigw.errors import GatewayError, UpstreamFailed, short_of_memory
from aigw.http.headers import Header
from aigw.llm.body import is_large
from aigw.llm.decoders import MAX_FRAME
from aigw.llm.reply import ProviderError
from aigw.llm.translation import Answer, Translating
from aigw.llm.usage import Usage
from aigw.memory import LARGE
from aigw.proxy.refusal import MOST_ERROR, kept_headers, readable
from aigw.proxy.relay import MOST_RETRY_AFTER, ResponseHead

if TYPE_CHECKING:
    from aigw.proxy.attempt import Attempt

#: Bytes of a whole answer; the largest are pictures, and embeddings in decimal.
MAX_ANSWER = MAX_FRAME

_JSON = (b"content-type", b"application/json")
_EVENTS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


_LOG: Final = Logger(namespace=__name__)
#: The backends that were heard to end an answer with a word that is not known, with that word.
_HEARD: Final[dict[tuple[str, str], bool]] = {}


class TranslatedBody:
    """See the module's head."""

    def __init__(self, attempt: Attempt, head: ResponseHead, translation: Translating) -> None:
        self._attempt = attempt
        self._head = head
        self._translation = translation
        self._body = bytearray()

    def data(self, data: bytes) -> None:
        """Keep it."""
        self._body += data
        if not self._attempt.request.hold(len(data)):
            self._attempt.cut(short_of_memory())
            return
        if self._head.status >= 400:
            if len(self._body) > MOST_ERROR:
                self._attempt.hide_error("of more than 1 MiB")
        elif len(self._body) > MAX_ANSWER:
            backend = self._attempt.backend
            self._attempt.fail(UpstreamFailed(f"backend {backend} sent an answer of more than 128 MiB"), "cut")

    def end(self, delimited: bool) -> None:
        """Translate it, answer in one piece."""
        attempt, head, translation = self._attempt, self._head, self._translation
        request_id = attempt.request_id
        if head.status >= 400:
            # Of an error in a coding that nobody can read, the status still tells.
            body = attempt.without_secrets(readable(head, self._taken()) or b"")
            answer = translation.error(head.status, head.headers, body, request_id)
        elif head.status >= 300:
            error = UpstreamFailed(f"backend {attempt.backend} redirects elsewhere, which is never followed")
            attempt.fail(error, "cut")
            return
        elif not attempt.request.may_parse(self._body):
            attempt.cut(short_of_memory())
            return
        else:
            self._read_whole()
            return
        self._answer(answer)

    def _read_whole(self) -> None:
        """Translate an answer; a large one in a thread."""
        attempt, translation, request_id = self._attempt, self._translation, self._attempt.request_id
        if is_large(self._body):
            body = [self._taken()]
            if attempt.read_beside(lambda pause: translation.whole(body.pop(), request_id), self._answer):
                return
            self._body = bytearray(body.pop())
        self._answer(translation.whole(self._taken(), request_id))  # kept by nobody here while it is parsed

    def _taken(self) -> bytes:
        """What came, which is the caller's from here on."""
        body, self._body = bytes(self._body), bytearray()
        return body

    def _answer(self, answer: Answer) -> None:
        attempt, headers = self._attempt, kept_headers(self._head)
        attempt.note(answer.usage, answer.model)
        warn_of_finish(attempt, answer.unknown_finish)
        if answer.error is not None:
            headers += retry_header(answer, headers)
            attempt.answer_error(answer.status, [_JSON, *headers], answer.body, answer.error)
        elif attempt.account.stream:
            attempt.begin(answer.status, [*_EVENTS, *headers], None)
            attempt.first_token()
            attempt.write(answer.body)
            attempt.finish()
        else:
            attempt.answer(answer.status, [_JSON, *headers], answer.body)

    def broken(self, error: GatewayError) -> None:
        """Never comes: nothing is sent before the end."""

    def seen(self) -> Usage | None:
        """Nothing is known before the end."""
        return None


class TranslatedEvents:
    """See the module's head."""

    def __init__(self, attempt: Attempt, head: ResponseHead, translation: Translating) -> None:
        self._attempt = attempt
        self._head = head
        self._translation = translation
        self._stream = translation.stream(head.content_type)
        self._begun = False
        self._held = 0  # bytes of a large frame that has not come completely, as far as they are counted

    def data(self, data: bytes) -> None:
        """Pass on what it says."""
        visible = self._stream.feed(data)
        if (self._held or not visible) and not self._count():
            self._attempt.cut(short_of_memory())
            return
        self._pass(visible)
        self._check_readable()

    def _count(self) -> bool:
        """Count a large frame as the body that it is; returns whether there is room for it."""
        kept = self._stream.kept
        kept = kept if kept > LARGE else 0
        more, self._held = kept - self._held, kept
        return not more or self._attempt.request.hold(more) or more < 0

    def _check_readable(self) -> None:
        attempt, unreadable = self._attempt, self._stream.unreadable
        if unreadable is not None and not attempt.over:
            attempt.fail(UpstreamFailed(f"backend {attempt.backend} sent {unreadable}"), "cut")

    def _pass(self, visible: bytes) -> None:
        attempt, stream = self._attempt, self._stream
        if not self._begun and not self._begin():
            return
        if visible:
            attempt.write(visible)
        if stream.error is not None:
            if attempt.taken_up(stream.error):
                return
            attempt.write(attempt.without_secrets(stream.failure(stream.error)))
            attempt.note(stream.partial_usage(), stream.model)
            attempt.finish_failed("upstream_error")
        elif stream.done:
            attempt.terminator_seen()

    def _begin(self) -> bool:
        """Begin the answer if it has begun at the provider; or answer the error that it is."""
        attempt, stream = self._attempt, self._stream
        if not stream.begun:
            if stream.error is not None:
                answer = self._translation.refused(stream.error, attempt.request_id)
                headers = kept_headers(self._head)
                headers += retry_header(answer, headers)
                attempt.stream_refused(answer.status, headers, answer.body, stream.error)
            return False
        self._begun = True
        attempt.begin(self._head.status, [*_EVENTS, *kept_headers(self._head)], None)
        attempt.first_token()
        return True

    def end(self, delimited: bool) -> None:
        """The upstream is done; is the answer?"""
        attempt, stream = self._attempt, self._stream
        self._pass(stream.end())
        self._check_readable()
        if attempt.over:
            return
        if stream.done:
            attempt.note(stream.usage, stream.model)
            warn_of_finish(attempt, stream.unknown_finish)
            attempt.finish()
        else:
            when = "too early" if self._begun else "before the first event"
            attempt.fail(UpstreamFailed(f"backend {attempt.backend} ended its stream {when}"), "cut", "cut")

    def broken(self, error: GatewayError) -> None:
        """Say so in the stream's last event."""
        attempt, stream = self._attempt, self._stream
        attempt.note(self.seen(), stream.model)
        if stream.done:
            warn_of_finish(attempt, stream.unknown_finish)
            attempt.finish("ok")
        else:
            told = ProviderError(error.status, error.type, error.message, error.code, error.param)
            attempt.write(stream.failure(told))
            attempt.finish_failed(error.code)

    def seen(self) -> Usage | None:
        """What the stream has told so far, or an estimate."""
        return self._stream.partial_usage()


def retry_header(answer: Answer, headers: list[Header]) -> list[Header]:
    """``retry-after`` where the provider says it in the body only."""
    if answer.retry_after is None or any(name.startswith(b"retry-after") for name, _ in headers):
        return []
    return [(b"retry-after", b"%d" % min(MOST_RETRY_AFTER, max(1, math.ceil(answer.retry_after))))]


def warn_of_finish(attempt: Attempt, word: str | None) -> None:
    """Tell the log, once for each backend, of a reason for an answer's end that is not known.

    The client was told of a plain end, which may not be what the provider meant.

    :param word: the provider's, with a bound; None: the reason is known.
    """
    if word is None or _HEARD.get((attempt.backend, word)):
        return
    remember(_HEARD, (attempt.backend, word), True, len(word))
    told = attempt.without_secrets(word.encode("utf-8", "replace")).decode("utf-8", "replace")
    _LOG.warn(
        "backend {backend} ended an answer of model {model!r} with the unknown reason {word!r}: told as a plain end",
        backend=attempt.backend,
        model=attempt.model.decode("utf-8", "replace"),
        word=told,
    )
