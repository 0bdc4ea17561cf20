"""Cutting streams of chat completions, mislabelled ones too, into frames."""

from __future__ import annotations

from aigw.llm.decoders import MAX_FRAME, Frame, FrameTooLarge, SseDecoder

#: What a body of JSON begins with; no line of a stream of events does.
_JSON = (b"{", b"[")
#: The kind of the one frame that a body of JSON is.
WHOLE = b"whole"


class ChatDecoder:
    """Server-sent events; a body of JSON that only says it were a stream becomes one frame of kind :data:`WHOLE`."""

    def __init__(self) -> None:
        self._events = SseDecoder()
        self._begun = False
        self._whole: bytearray | None = None

    @property
    def kept(self) -> int:
        """See :class:`aigw.llm.decoders.Decoder`."""
        return self._events.kept if self._whole is None else len(self._whole)

    def feed(self, data: bytes) -> list[Frame]:
        """See :class:`aigw.llm.decoders.Decoder`."""
        if not self._begun:
            self._begun = bool(data.strip())
            if data.lstrip().startswith(_JSON):
                self._whole = bytearray()
        if self._whole is None:
            return self._events.feed(data)
        self._whole += data
        if len(self._whole) > MAX_FRAME:
            raise FrameTooLarge(f"an answer of more than {MAX_FRAME} bytes")
        return []

    def end(self) -> list[Frame]:
        """See :class:`aigw.llm.decoders.Decoder`."""
        if self._whole is None:
            return self._events.end()
        body, self._whole = bytes(self._whole), None
        return [Frame(WHOLE, body)]
