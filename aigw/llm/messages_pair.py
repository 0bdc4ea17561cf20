"""Anthropic's messages at a provider that has them as Anthropic does, but for where the model and the version are.

Vertex AI serves Claude so: the path has the model, the body the version. Nothing else of a request changes, and nothing
of an answer: blocks, citations, counts and events that nobody here has heard of pass as they came. They are only read
along, by the reader that translates them elsewhere, for what the gateway wants to know of every answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aigw.llm import lenient
from aigw.llm import reply as r
from aigw.llm.adjusting import left_out_natively, natively
from aigw.llm.body import Adjustments
from aigw.llm.decoders import Frame
from aigw.llm.dialects.messages import Messages, refuse_thread
from aigw.llm.dialects.messages_reply import MessagesWriter
from aigw.llm.operations import MESSAGES
from aigw.llm.providers.anthropic.answer import AnthropicReader
from aigw.llm.providers.anthropic.sampling import leave_out_sampling
from aigw.llm.reply import ProviderError
from aigw.llm.signatures import leave_out_others
from aigw.llm.translation import Answer, Pair, StreamTranslation, Translation, model_named
from aigw.llm.wire import Headers, MessagesWire, Reader, WireRequest, Writer

_FRONT = Messages()
_PING = b'event: ping\ndata: {"type": "ping"}\n\n'
#: How the types of events begin that are of the answer itself, and where in an event's data the type is.
_BLOCK = b"content_block"
_HEAD = 64


class MessagesPair:
    """See :class:`aigw.llm.translation.Pairing`.

    :param adjustments: what messages have of them is for bodies that pass as they are.
    :ivar translated: for the provider's other models.
    """

    def __init__(self, wire: MessagesWire, adjustments: Adjustments, translated: Pair) -> None:
        self.translated = translated
        self._wire = wire
        self._adjustments = natively(adjustments, MESSAGES)
        self._left_out = left_out_natively(adjustments, MESSAGES)

    def translate(
        self, fields: dict[str, Any], answer_id: str, now: float, betas: tuple[str, ...] = ()
    ) -> Translation | OwnMessages:
        """See :class:`aigw.llm.translation.Pairing`."""
        model = fields.get("model")
        if not isinstance(model, str) or not self._wire.has_messages(model):
            return self.translated.translate(fields, answer_id, now, betas)
        refuse_thread(fields)
        sent = dict(fields)
        self._adjustments.apply(fields)
        left_out = (*self._left_out, *leave_out_sampling(fields, sent, model, None))
        leave_out_others(fields, MESSAGES)
        streams = fields.get("stream") is True
        writer = MessagesWriter(model, answer_id)
        request = self._wire.messages_request(dict(fields), betas)
        return OwnMessages(self._wire, request, writer, streams, left_out)


class OwnMessages:
    """See :class:`aigw.llm.translation.Translating`.

    :param writer: for streams that were asked for and come whole.
    """

    ready: Answer | None = None

    def __init__(
        self, wire: MessagesWire, request: WireRequest, writer: Writer, streams: bool, left_out: tuple[str, ...]
    ) -> None:
        self.request = request
        self.left_out = left_out
        self._wire = wire
        self._writer = writer
        self._streams = streams

    def is_stream(self, content_type: bytes) -> bool:
        """See :class:`~aigw.llm.translation.Translating`."""
        return self._streams and content_type.lower().startswith(b"text/event-stream")

    def stream(self, content_type: bytes) -> StreamTranslation:
        """See :class:`~aigw.llm.translation.Translating`."""
        decoder = self._wire.decoder(content_type)
        return StreamTranslation(decoder.feed, decoder.end, _OwnReader(), _OwnWriter(self._writer))

    def whole(self, body: bytes, request_id: str) -> Answer:
        """See :class:`~aigw.llm.translation.Translating`."""
        fields = lenient.loads(body)
        events = list(AnthropicReader().whole(fields))
        failed = next((event for event in events if isinstance(event, r.Failed)), None)
        if failed is not None:
            return self.refused(failed.error, request_id)
        told = [event.usage for event in events if isinstance(event, r.UsageTold)]
        models = [named for event in events if isinstance(event, r.Start) and (named := model_named(event))]
        written = self._writer.events(events) if self._streams else body
        return Answer(200, written, told[-1] if told else None, models[0] if models else None)

    def error(self, status: int, headers: Headers, body: bytes, request_id: str) -> Answer:
        """See :class:`~aigw.llm.translation.Translating`."""
        return self.refused(self._wire.error(status, headers, body), request_id)

    def refused(self, error: ProviderError, request_id: str) -> Answer:
        """See :class:`~aigw.llm.translation.Translating`."""
        body = _FRONT.error(error, request_id)
        return Answer(error.status, body, retry_after=error.retry_after, error=error)


class _OwnReader:
    """Each frame as it came, and what it says."""

    def __init__(self) -> None:
        self._inner: Reader = AnthropicReader()

    def frame(self, frame: Frame) -> Iterable[r.Event]:
        """See :class:`aigw.llm.wire.Reader`."""
        events = list(self._inner.frame(frame))
        if any(type(event) is r.Failed or type(event) is r.Ping for event in events):
            return events
        begins = frame.kind.startswith(_BLOCK) or _BLOCK in frame.data[:_HEAD]
        return [r.Own(_written(frame), begins), *events]

    def whole(self, fields: Any) -> Iterable[r.Event]:
        """Never asked for: a whole answer is no stream."""
        return self._inner.whole(fields)

    def end(self) -> Iterable[r.Event]:
        """See :class:`aigw.llm.wire.Reader`."""
        return self._inner.end()


class _OwnWriter:
    """Writes what came, and the gateway's own errors."""

    def __init__(self, inner: Writer) -> None:
        self._inner = inner

    def events(self, events: Iterable[r.Event]) -> bytes:
        """See :class:`aigw.llm.wire.Writer`."""
        written = []
        for event in events:
            if type(event) is r.Own:
                written.append(event.data)
            elif type(event) is r.Ping:
                written.append(_PING)
        return b"".join(written)

    def whole(self, events: Iterable[r.Event]) -> bytes:
        """Never asked for: a whole answer passes as it is."""
        return self._inner.whole(events)

    def failure(self, error: ProviderError) -> bytes:
        """See :class:`aigw.llm.wire.Writer`."""
        return self._inner.failure(error)


def _written(frame: Frame) -> bytes:
    """A server-sent event; its data have as many lines as they came in."""
    data = frame.data.replace(b"\n", b"\ndata: ") if b"\n" in frame.data else frame.data
    return b"event: %s\ndata: %s\n\n" % (frame.kind, data) if frame.kind else b"data: %s\n\n" % data
