"""One call between a client and a provider of different dialects: the request across, the answer back.

A :class:`Pair` is a client's dialect with a provider's wire; it is compiled once. For each call it makes a
:class:`Translation`, which has the provider's request and turns what the provider answers into what the client
expects: a whole answer by :meth:`~Translation.whole`, a stream by a :class:`StreamTranslation`, an error by
:meth:`~Translation.error`. Nothing here waits, sends or knows of a connection.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import attrs

from aigw.errors import BadRequest
from aigw.llm import lenient, reply
from aigw.llm.adjusting import adjust_call, adjust_request
from aigw.llm.body import Adjustments
from aigw.llm.call import Call
from aigw.llm.decoders import UnreadableStream
from aigw.llm.dialects.chat import Chat
from aigw.llm.dialects.completions import Completions
from aigw.llm.dialects.messages import Messages
from aigw.llm.dialects.responses import Responses
from aigw.llm.halves import Halves
from aigw.llm.operations import CHAT, COMPLETIONS, MESSAGES, RESPONSES
from aigw.llm.reply import ProviderError
from aigw.llm.usage import Usage
from aigw.llm.wire import Dialect, Headers, Reader, Wire, WireRequest, Writer

#: The dialect of each operation that can be translated as a conversation.
DIALECTS: Mapping[str, Dialect] = {
    CHAT: Chat(),
    COMPLETIONS: Completions(),
    MESSAGES: Messages(),
    RESPONSES: Responses(),
}

#: Bytes of text a token, for the estimate of what a broken stream has brought.
_BYTES_PER_TOKEN = 4
#: Bytes of a stream's beginning that are held back. Signs of life beyond them are left out.
_MOST_HELD = 16 * 1024
#: Characters of the name that a provider gives its model: it is in every event of some dialects.
_LONGEST_MODEL = 256
#: Characters of a provider's word for why an answer ended that are told in the log.
_LONGEST_WORD = 64
#: Content types of streams, whatever follows them.
_BEFORE_EVENTS = b"\xef\xbb\xbf \r\n"
_STREAMS = (b"text/event-stream", b"application/vnd.amazon.eventstream", b"application/x-ndjson", b"application/jsonl")


@attrs.frozen
class Answer:
    """A whole answer, or an error, as the client gets it.

    :ivar retry_after: seconds, where the provider's body says so.
    :ivar unknown_finish: the provider's word for why the answer ended, where nothing is known of it.
    """

    status: int
    body: bytes = attrs.field(repr=False)
    usage: Usage | None = None
    model: str | None = None
    retry_after: float | None = None
    error: ProviderError | None = None
    unknown_finish: str | None = None


#: A translation's request that was sent.
TAKEN: Final = WireRequest(b"", {})


class Translating(Protocol):
    """One call's translation, whatever the operation.

    :ivar request: taken away with :data:`TAKEN` by whoever has made a payload of it: it is no longer needed then.
    :ivar ready: the answer, where no provider has to be asked for it; then ``request`` is nobody's.
    :ivar left_out: the fields of the configuration that the provider has nothing like.
    """

    request: WireRequest
    ready: Answer | None
    left_out: tuple[str, ...]

    def is_stream(self, content_type: bytes) -> bool:
        """Whether an answer of that type is a stream to be read by :meth:`stream`."""

    def stream(self, content_type: bytes) -> StreamTranslation:
        """For the answer, which :meth:`is_stream`."""

    def whole(self, body: bytes, request_id: str) -> Answer:
        """A whole answer of status 2xx; may turn out to be an error all the same."""

    def error(self, status: int, headers: Headers, body: bytes, request_id: str) -> Answer:
        """An answer of status 400 or above."""

    def refused(self, error: ProviderError, request_id: str) -> Answer:
        """The answer that tells the client of ``error``."""


class Pairing(Protocol):
    """What makes translations; compiled once for a plan."""

    def translate(self, fields: dict[str, Any], answer_id: str, now: float, betas: tuple[str, ...] = ()) -> Translating:
        """The translation of a client's request.

        :param fields: the client's body, with the model that the provider is to be asked for.
        :param answer_id: unique letters and digits.
        :param now: seconds since the epoch.
        :param betas: those of Anthropic's that the client's header names.
        :raises BadRequest: it is malformed, or cannot be expressed.
        """


@attrs.frozen
class Pair:
    """A dialect in front and a wire behind, for conversations.

    :ivar adjustments: the backend's and the consumer's; in OpenAI's vocabulary or in the provider's own.
    """

    dialect: Dialect
    wire: Wire
    adjustments: Adjustments
    drop_unsupported: bool = False

    def translate(self, fields: dict[str, Any], answer_id: str, now: float, betas: tuple[str, ...] = ()) -> Translation:
        """See :class:`Pairing`."""
        call = self.dialect.read(fields)
        call.drop_unsupported = self.drop_unsupported
        call.betas += betas
        adjust_call(call, self.adjustments)
        request = self.wire.request(call)
        adjust_request(request.body, self.adjustments)
        writer = self.dialect.writer(call, answer_id=answer_id, now=now)
        return Translation(self.dialect, self.wire, call, request, writer)


class Translation:
    """See the module's head."""

    ready: Answer | None = None

    def __init__(self, dialect: Dialect, wire: Wire, call: Call, request: WireRequest, writer: Writer) -> None:
        self.request = request
        self._dialect = dialect
        self._wire = wire
        self._writer = writer
        # All that the answer needs of the call, which is not kept: a conversation is many times its body's bytes.
        self._streams = call.stream
        self._reader = wire.reader(call)
        self.left_out = tuple(call.left_out)

    def is_stream(self, content_type: bytes) -> bool:
        """See :class:`Translating`."""
        return self._streams and content_type.lower().startswith(_STREAMS)

    def stream(self, content_type: bytes) -> StreamTranslation:
        """See :class:`Translating`."""
        decoder = self._wire.decoder(content_type)
        return StreamTranslation(decoder.feed, decoder.end, self.reader(), self._writer, lambda: decoder.kept)

    def reader(self) -> Reader:
        """For one answer."""
        return self._reader

    def whole(self, body: bytes, request_id: str) -> Answer:
        """See :class:`Translating`. To a client that wants a stream, the answer is one in a single piece."""
        fields, reader = lenient.loads(body), self.reader()
        events = self._mislabelled(reader, body) if fields is None else list(reader.whole(fields))
        del body, fields  # each is many times the next: never all of them at once
        if not events:
            error = ProviderError(502, "server_error", "the provider's answer is not JSON", "invalid_answer")
            return self._refused(error, request_id)
        ids = _CallIds()
        for event in events:
            if isinstance(event, reply.ToolStart):
                ids.tell_apart(event)
        failed = next((event for event in events if isinstance(event, reply.Failed)), None)
        if failed is not None:
            return self._refused(failed.error, request_id)
        write = self._writer.events if self._streams else self._writer.whole
        told = [event.usage for event in events if isinstance(event, reply.UsageTold)]
        models = [event.model for event in events if isinstance(event, reply.Start) and model_named(event)]
        words = [event.unknown[:_LONGEST_WORD] for event in events if isinstance(event, reply.Finish) and event.unknown]
        return Answer(
            200,
            write(events),
            told[-1] if told else None,
            models[0] if models else None,
            unknown_finish=words[0] if words else None,
        )

    def _mislabelled(self, reader: Reader, body: bytes) -> list[reply.Event]:
        """The events of a stream that its server calls JSON, or that nobody asked for; none if it is no whole one."""
        if not body.lstrip(_BEFORE_EVENTS).startswith((b"data:", b"event:", b": ")):
            return []
        decoder = self._wire.decoder(_STREAMS[0])
        try:
            frames = [*decoder.feed(body), *decoder.end()]
        except UnreadableStream:
            return []
        events = [event for frame in frames for event in reader.frame(frame)]
        events = Halves().joined([*events, *reader.end()])
        return events if any(isinstance(event, reply.End | reply.Failed) for event in events) else []

    def error(self, status: int, headers: Headers, body: bytes, request_id: str) -> Answer:
        """See :class:`Translating`."""
        return self._refused(self._wire.error(status, headers, body), request_id)

    def refused(self, error: ProviderError, request_id: str) -> Answer:
        """The answer that tells the client of ``error``."""
        return self._refused(error, request_id)

    def _refused(self, error: ProviderError, request_id: str) -> Answer:
        body = self._dialect.error(error, request_id)
        return Answer(error.status, body, retry_after=error.retry_after, error=error)


class StreamTranslation:
    """A stream on its way through.

    Nothing comes out before the answer has really begun: a provider that greets and then reports an error is
    answered as that error.

    :ivar begun: something of the answer itself was there.
    :ivar done: the provider ended the answer.
    :ivar error: what the provider reported, after which nothing counts.
    :ivar unreadable: why the stream cannot be read on, if it cannot; what came before is written first.
    :ivar usage: as last told.
    :ivar model: the model that answers, if told.
    :ivar unknown_finish: the provider's word for why the answer ended, where nothing is known of it.
    """

    def __init__(
        self,
        feed: Callable[[bytes], Sequence[Any]],
        finish: Callable[[], Sequence[Any]],
        reader: Reader,
        writer: Writer,
        kept: Callable[[], int] = lambda: 0,
    ) -> None:
        self._kept = kept
        self._halves: Halves | None = None  # from the first half of a character on
        self._feed = feed
        self._finish = finish
        self._reader = reader
        self._writer = writer
        self._held: list[bytes] = []
        self._held_size = 0
        self._pieces = self._size = 0
        self._call_ids = _CallIds()
        self.begun = self.done = False
        self.error: ProviderError | None = None
        self.unreadable: UnreadableStream | None = None
        self.usage: Usage | None = None
        self.model: str | None = None
        self.unknown_finish: str | None = None

    def feed(self, data: bytes) -> bytes:
        """What the client gets for the next piece of the provider's stream."""
        frame = self._reader.frame
        try:
            frames = self._feed(data)
        except UnreadableStream as error:
            self.unreadable, frames = error, error.frames
        return self._written([event for each in frames for event in frame(each)])

    @property
    def kept(self) -> int:
        """Bytes of the frame that has not come completely."""
        return self._kept()

    def end(self) -> bytes:
        """The same for the end of the provider's bytes; afterwards :attr:`done` tells whether they were all."""
        frame = self._reader.frame
        try:
            frames = self._finish()
        except UnreadableStream as error:
            self.unreadable, frames = error, error.frames
        last = self._written([event for each in frames for event in frame(each)])
        if self.done or self.error is not None or self.unreadable is not None:
            return last
        return last + self._written(self._reader.end())

    def failure(self, error: ProviderError) -> bytes:
        """A server-sent event that tells the client that its stream failed."""
        return self._writer.failure(error)

    def partial_usage(self) -> Usage:
        """The usage of a stream that was not completed: as told, or estimated from what was passed on."""
        if self.usage is not None and (self.done or self.usage.output):
            return self.usage if self.done else self.usage.cut()
        output = max(self._pieces, self._size // _BYTES_PER_TOKEN)
        told = self.usage or Usage()
        return told.cut(output)

    def _written(self, events: Iterable[reply.Event]) -> bytes:
        if self.done or self.error is not None:
            return b""
        kept = list(itertools.takewhile(self._note, events))
        if not kept:
            return b""
        if self._halves is not None:
            kept = self._halves.joined(kept)
        written = self._writer.events(kept)
        if not self.begun:
            self._held.append(written)
            self._held_size += len(written)
            return b""
        if self._held:
            written = b"".join([*self._held, written])
            self._held.clear()
        return written

    def _note(self, event: reply.Event) -> bool:
        """Take note of an event; returns whether it goes on to the client."""
        if self.done:
            return False
        kind = type(event)
        if kind is reply.TextDelta or kind is reply.ReasoningDelta:
            text = event.text  # type: ignore[union-attr]
            self.begun = True
            self._pieces += 1
            self._size += len(text)
            if type(text) is not str:
                self._join_halves()
            return True
        return self._note_rare(event)

    def _note_rare(self, event: reply.Event) -> bool:
        match event:
            case reply.Failed(error):
                self.error = error
                return False
            case reply.Start():
                self.model = self.model or model_named(event)
            case reply.UsageTold(usage):
                self.usage = usage
            case reply.Ping():
                return self.begun or self._held_size < _MOST_HELD
            case reply.Own(data, begins):
                self.begun = self.begun or begins or self._held_size + len(data) > _MOST_HELD
            case reply.End():
                self.begun = self.done = True
            case reply.Finish():
                self.begun = True
                if event.unknown and self.unknown_finish is None:
                    self.unknown_finish = event.unknown[:_LONGEST_WORD]
            case reply.ToolStart():
                self.begun = True
                self._call_ids.tell_apart(event)
            case reply.ToolArguments(_, fragment):
                self.begun = True
                self._pieces += 1
                self._size += len(fragment)
                if type(fragment) is not str:
                    self._join_halves()
            case reply.RefusalDelta(text):
                self.begun = True
                if type(text) is not str:
                    self._join_halves()
            case _:
                self.begun = True
        return True

    def _join_halves(self) -> None:
        if self._halves is None:
            self._halves = Halves()


def model_named(event: reply.Start) -> str | None:
    """The model that ``event`` tells; a name of any length is taken out of it."""
    if event.model is not None and len(event.model) > _LONGEST_MODEL:
        event.model = None
    return event.model


class _CallIds:
    """Gives each call of an answer an id of its own, where a server has one for several; results go by them."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        #: By choice and id, the number of the last call that it was given to.
        self._numbers: dict[tuple[int, str], int] = {}

    def tell_apart(self, call: reply.ToolStart) -> None:
        """Change the call's id if another has it."""
        numbers, told = self._numbers, (call.choice, call.id)
        number = numbers.get(told, 0)
        while (call.choice, call.id) in numbers:
            number += 1
            call.id = f"{told[1]}_{number}"
        if number:
            numbers[told] = number
        numbers[call.choice, call.id] = 1


__all__ = ["DIALECTS", "Answer", "BadRequest", "Pair", "Pairing", "StreamTranslation", "Translating", "Translation"]
