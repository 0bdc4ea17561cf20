"""The rest of a stream's event that is too large to be kept: it passes as it comes, and is skimmed.

While such an event passes, :class:`OversizedEvent` is the attempt's relay in the place of its stream's
:class:`~aigw.proxy.event_body.EventBody`, which is the relay again behind the event's end. So an event of any size
takes bounded memory, a slow reader slows it down, and events of usual sizes pay nothing for that.

What breaks within the event cannot be told by another one: its client would read both as one. An event that has no end
is none (HTML standard, section 9.2.6), so the connection is closed without the final chunk.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

from aigw.errors import GatewayError, UpstreamFailed
from aigw.http.sse import EventEnd
from aigw.llm import events, lenient
from aigw.llm.operations import RAW
from aigw.llm.skimming import Skimmer
from aigw.llm.usage import Usage

if TYPE_CHECKING:
    from aigw.proxy.attempt import Attempt
    from aigw.proxy.event_body import EventBody

_BOM: Final = b"\xef\xbb\xbf"


class OversizedEvent:
    """See the module's head.

    :param stream: the relay of the stream that the event is in.
    :param most: bytes of it that are read, without its long strings.
    :param first: it is the stream's first.
    """

    def __init__(self, attempt: Attempt, stream: EventBody, most: int, *, first: bool) -> None:
        self._attempt = attempt
        self._stream = stream
        self._event_end = EventEnd()
        self._skimmer = Skimmer(most)
        self._drops = stream.tap.drops
        # What is no UTF-8 costs OpenAI's SDK the rest of the stream, in an event of any size.
        self._repaired = codecs.getincrementaldecoder("utf-8")("replace") if stream.tap.known else None
        self._first = first
        self._last = b""

    def data(self, data: bytes) -> None:
        """Pass on what is the event's, leave what is behind it to its stream."""
        if self._first and self._repaired is not None:
            data = data.removeprefix(_BOM)
        self._first = False
        end = self._event_end.find(data)
        self._pass(data if end < 0 else data[:end])
        if end < 0 or self._attempt.over:
            return
        self._give_back()
        if end < len(data):
            self._stream.data(data[end:])

    def _pass(self, piece: bytes) -> None:
        self._skimmer.feed(piece)
        self._last = piece[-1:] or self._last
        if self._repaired is not None:
            piece = self._repaired.decode(piece).encode()
        if not self._drops:
            self._attempt.write(piece)

    def _give_back(self) -> None:
        self._attempt.relay = self._stream
        self._stream.passed_unread(self._skimmer.event())

    def end(self, delimited: bool) -> None:
        """The stream ended within the event: whole, if only the blank line behind it is missing."""
        attempt = self._attempt
        data = events.data(self._skimmer.event() + b"\n\n")
        if attempt.operation == RAW or lenient.peek(data) is not None:
            self._pass(b"\n" if self._last == b"\n" else b"\n\n")
            self._give_back()
            self._stream.end(delimited)
        else:
            attempt.fail(UpstreamFailed(f"backend {attempt.backend} ended its stream within an event"), "cut")

    def broken(self, error: GatewayError) -> None:
        """The client has the beginning of an event, so nothing can be said any more."""
        if self._drops or self._stream.tap.done:
            self._stream.broken(error)
            return
        self._attempt.note(self.seen(), self._stream.tap.model)
        self._attempt.abort(error.code)

    def seen(self) -> Usage | None:
        """See :class:`~aigw.proxy.relay.Relay`."""
        return self._stream.seen()
