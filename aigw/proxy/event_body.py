"""A stream of server-sent events on its way down, where client and backend speak one dialect; see
:mod:`aigw.proxy.relay`.

It is passed on by whole events, but for those that are too large to be kept (:mod:`aigw.proxy.oversized`). Nothing is
sent, not even the status, before the first one that says something is there, so that a stream that begins with an
error, or ends before it has begun, is no answer yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aigw.errors import GatewayError, UpstreamFailed
from aigw.http.sse import EventFramer, EventTooLarge, split_events
from aigw.llm import events, lenient
from aigw.llm.errors import begins_as_error, error_event, response_failed
from aigw.llm.operations import CHAT, COMPLETIONS, RAW, RESPONSES
from aigw.llm.preamble import is_preamble
from aigw.llm.taps import StreamTap, first_event_error, is_unreadable
from aigw.llm.unexpected import ended_unsaid, unexpected_event
from aigw.llm.usage import Usage
from aigw.proxy.oversized import OversizedEvent
from aigw.proxy.relay import KEPT_WHOLE, ResponseHead, refuse_answer, unbuffered

if TYPE_CHECKING:
    from aigw.proxy.attempt import Attempt

#: Bytes that an event of a stream may have to be read; a longer one passes unread.
MAX_EVENT: Final = 1 << 20
#: Of one that is longer, those that tell whether it is an error.
_BEGINNING: Final = 512


class EventBody:
    """See the module's head.

    :param hide_usage: the usage chunk was asked for by the gateway, and the client is not to see it.
    :ivar tap: what has read the stream so far.
    """

    def __init__(self, attempt: Attempt, head: ResponseHead, hide_usage: bool) -> None:
        self._attempt = attempt
        self._head = head
        self._framer = EventFramer(MAX_EVENT)
        self.tap = StreamTap(attempt.operation, hide_usage)
        self._waiting = b""
        self._waited = 0  # bytes of events that have come before the answer began
        self._begun = False
        self._greeted = False  # there was a choice, which says nothing yet

    def data(self, data: bytes) -> None:
        """Pass on the events that are complete."""
        try:
            block = self._framer.feed(data)
        except EventTooLarge as error:
            self._pass_unread(error.before, error.behind)
            return
        if block:
            self._pass(block)

    def _pass_unread(self, before: bytes, behind: bytes) -> None:
        """Go on with an event that is too large to be kept, for which there is another relay.

        :param before: the events before it, which count as if they had come in a piece of their own.
        :param behind: the event, and what follows it, as far as it has come.
        """
        attempt = self._attempt
        if before:
            self._pass(before)
        if attempt.over:
            return
        if begins_as_error(behind[:_BEGINNING]):  # all that is shown of errors was searched for our credential
            error = UpstreamFailed(f"backend {attempt.backend} sent an error of more than 1 MiB in its stream")
            attempt.fail(error, "cut")
            return
        if not self._begun:
            self._start()
            waiting, self._waiting = self._waiting, b""
            if waiting:
                self._pass(waiting)
        attempt.relay = oversized = OversizedEvent(attempt, self, MAX_EVENT, first=not self.tap.events)
        oversized.data(behind)

    def passed_unread(self, skimmed: bytes) -> None:
        """Such an event has passed; ``skimmed`` is what could be read of it."""
        tap = self.tap
        tap.note_skimmed(skimmed)
        if tap.done or (tap.error is not None and tap.known):
            self._attempt.terminator_seen()

    def _pass(self, block: bytes) -> None:
        if not self._begun:
            self._waiting += block
            if not self._begin(block):
                return
            block, self._waiting = self._waiting, b""
        tap = self.tap
        visible = tap.feed(block)
        if tap.error is not None:
            self._pass_error(visible)
            return
        if visible:
            self._attempt.write(visible)
        if tap.done:  # whatever comes behind it is nobody's loss
            self._attempt.terminator_seen()
        elif tap.malformed:
            self._fail_unreadable()

    def _pass_error(self, visible: bytes) -> None:
        """Pass on an error, or what comes behind one. Nothing that does is waited for, but in a raw stream, of which
        nobody knows what an error means there."""
        attempt = self._attempt
        if visible:
            attempt.write(attempt.without_secrets(visible))
        if self.tap.malformed:
            self._fail_unreadable()
        elif self.tap.done or attempt.operation != RAW:
            attempt.terminator_seen()

    def _fail_unreadable(self) -> None:
        attempt = self._attempt
        attempt.fail(UpstreamFailed(f"backend {attempt.backend} sent an event that is not JSON"), "cut")

    def _begin(self, block: bytes) -> bool:
        """Begin the answer with the first event that says something of it; or answer the error that it is."""
        attempt = self._attempt
        for event in split_events(block):
            self._waited += len(event)
            if self._waited > KEPT_WHOLE or (_has_data(event) and self._says_something(event)):
                break
            if attempt.over:
                return False
        else:
            return False
        self._start()
        return True

    def _start(self) -> None:
        attempt = self._attempt
        self._begun = True
        attempt.begin(self._head.status, unbuffered(self._head.headers), None)
        attempt.first_token()

    def _says_something(self, event: bytes) -> bool:
        """Whether the answer begins with ``event``. An error, and what cannot be read, ends the attempt: nothing has
        been sent, so another target can still be asked."""
        attempt, operation = self._attempt, self._attempt.operation
        error = first_event_error(event, operation)
        if error is not None:
            attempt.stream_refused(error.status, self._head.headers, error.body)
            return False
        data = events.data(event)
        if operation == RAW or not data.strip():
            return True
        if data.strip() == b"[DONE]":
            return self._ends_something()
        fields = lenient.peek(data)
        if is_unreadable(data, fields):
            self._fail_unreadable()
            return False
        refused = unexpected_event(data, fields, operation)
        if refused is not None:
            refuse_answer(attempt, self._head, refused)
            return False
        self._greeted = self._greeted or (isinstance(fields, dict) and bool(fields.get("choices")))
        return not is_preamble(fields, operation)

    def _ends_something(self) -> bool:
        """Whether OpenAI's end of a stream is that of an answer: an empty one, of which there was a choice at least."""
        attempt = self._attempt
        if attempt.operation in (CHAT, COMPLETIONS) and not self._greeted:
            refuse_answer(attempt, self._head, ended_unsaid())
        return self._greeted

    def end(self, delimited: bool) -> None:
        """The upstream is done; is the stream?"""
        rest = self._framer.rest
        if rest.strip():
            # The last event lacks its blank line. SSE would drop it; real upstreams leave it off behind [DONE].
            self._pass(rest.rstrip(b"\r\n") + b"\n\n")
            if self._attempt.over:
                return
        attempt = self._attempt
        attempt.note(self.tap.usage, self.tap.model)
        if not self._begun:
            early = UpstreamFailed(f"backend {attempt.backend} ended its stream before the first event")
            attempt.fail(early, "cut", "cut")
        elif self.tap.error is not None and (delimited or attempt.operation != RAW):
            # The error was passed on as it came; what follows it cannot make the stream whole.
            self._fail_response(self.tap.error)
            attempt.finish_failed("upstream_error")
        elif self._complete(delimited):
            attempt.finish()
        else:
            attempt.fail(UpstreamFailed(f"backend {attempt.backend} ended its stream too early"), "cut")

    def _complete(self, delimited: bool) -> bool:
        if self._attempt.operation == RAW:
            return delimited or self.tap.done
        return self.tap.finished_cleanly()

    def broken(self, error: GatewayError) -> None:
        """Say so in the stream's last event."""
        attempt, tap, operation = self._attempt, self.tap, self._attempt.operation
        attempt.note(self.seen(), tap.model)
        if tap.error is not None and operation != RAW:
            self._fail_response(tap.error)
            attempt.finish_failed("upstream_error", "cut")  # the client was told, and of no more than one error
        elif tap.done:
            attempt.finish("ok")  # the stream's own end was there; what broke behind it is nobody's loss
        elif operation == RAW:
            attempt.abort(error.code)  # nobody knows how its client is told of an error
        else:
            event = error_event(error, attempt.request_id, operation, sequence=tap.events, response=tap.response)
            attempt.write(event)
            attempt.finish_failed(error.code)

    def _fail_response(self, error: dict[str, Any]) -> None:
        """A stream of responses fails with two events (contract section 4); providers send the first and break off."""
        attempt, tap = self._attempt, self.tap
        if attempt.operation == RESPONSES and not tap.done:
            event = response_failed(error, attempt.request_id, tap.events, tap.response)
            attempt.write(attempt.without_secrets(event))

    def seen(self) -> Usage | None:
        """What the stream has told so far, or an estimate from what was passed on, marked partial."""
        return self.tap.partial_usage()


def _has_data(event: bytes) -> bool:
    """Whether an event tells something of the answer; Anthropic's pings are but signs of life."""
    if event.startswith((b"event: ping", b"event:ping")):
        return False
    return event.startswith(b"data") or b"\ndata" in event or b"\rdata" in event
