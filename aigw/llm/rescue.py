"""A stream that broke off, taken up by another target so that its client sees one whole stream.

Theory of operation. As long as a stream says nothing but text, what it has said can be said again: the next target is
given the text as the beginning of its own answer (assistant prefill) where it takes such a thing, and is asked anew
where it does not. In both cases a :class:`RescueReader` stands between the new target's reader and the first one's
writer. It lets nothing through that the client has already: asked anew, a target has to repeat the text, word for
word, and the first letter that differs ends the attempt; two answers are never glued together. Tools' calls, thoughts,
one of several choices and everything else that cannot be repeated are never continued.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import Any

import attrs

from aigw.errors import BadRequest
from aigw.llm import reply as r
from aigw.llm.adjusting import adjust_call, adjust_request
from aigw.llm.call import Call, Foreign, Text, Turn
from aigw.llm.decoders import Frame
from aigw.llm.dialects.messages import Messages
from aigw.llm.halves import Halves
from aigw.llm.operations import CHAT, MESSAGES
from aigw.llm.providers.anthropic import AnthropicWire
from aigw.llm.providers.vertex import VertexWire
from aigw.llm.reply import ProviderError
from aigw.llm.translation import Pair, Translation
from aigw.llm.usage import Usage
from aigw.llm.wire import Reader, Writer

#: Operations whose streams can be taken up.
RESCUED = frozenset((CHAT, MESSAGES))

#: Claude up to 4.5 takes the beginning of its answer; later ones answer 400 (Anthropic's release notes of 2026-02-05).
_CLAUDE_THAT_TAKES = re.compile(
    r"claude-(?:instant|v?[23]|(?:opus|sonnet|haiku)-4(?:$|[-@:]20\d{6}|[-.@][0-5](?!\d)))", re.IGNORECASE
)
_CLAUDES_AT = frozenset(("anthropic", "bedrock", "vertex"))

#: Bytes of text a token, for what is left of a limit.
_BYTES_PER_TOKEN = 4

_DIFFERS = ProviderError(
    502, "server_error", "another target's answer differs from what was sent already", "stream_not_continued"
)


def takes_prefill(provider: str, model: str) -> bool:
    """Whether a model takes the beginning of its answer, as far as is known."""
    if provider in _CLAUDES_AT:
        return _CLAUDE_THAT_TAKES.search(model) is not None
    return provider == "mistral"


@attrs.define
class Said:
    """What the client of one call has got.

    :ivar text: of the attempts that broke off.
    :ivar spent: the tokens that they used, or an estimate.
    :ivar writer: of the first attempt; all others write with it.
    """

    text: str = ""
    spent: Usage | None = None
    writer: Writer | None = None

    def add(self, text: str, usage: Usage | None) -> None:
        """An attempt broke off after ``text``."""
        self.text += text
        self.spent = added(self.spent, usage)


def added(one: Usage | None, other: Usage | None) -> Usage | None:
    """The tokens of two attempts."""
    if one is None or other is None:
        return one or other
    return one + other


class RescueReader:
    """See the module's head.

    :param said: what the client has got; nothing in the first attempt, of which nothing is held back.
    :param skip: what the target will, or may, repeat.
    :param strict: it has to repeat all of ``skip``; else as much of it as it likes.
    :ivar plain: nothing but text was said.
    :ivar ended: the answer's end was told.
    """

    def __init__(self, inner: Reader, said: Said, skip: str, strict: bool) -> None:
        self._inner = inner
        self._first = not said.text
        self._skip = skip
        self._skipped = 0  # characters of it that were repeated
        self._strict = strict
        self._pieces: list[str] = []
        self._halves = Halves()  # here, so that what is compared are characters
        self.plain = True
        self.ended = False

    @property
    def text(self) -> str:
        """What was let through."""
        return "".join(self._pieces)

    def frame(self, frame: Frame) -> Iterable[r.Event]:
        """See :class:`~aigw.llm.wire.Reader`."""
        return self._filtered(self._inner.frame(frame))

    def whole(self, fields: Any) -> Iterable[r.Event]:
        """See :class:`~aigw.llm.wire.Reader`."""
        return self._filtered(self._inner.whole(fields))

    def end(self) -> Iterable[r.Event]:
        """See :class:`~aigw.llm.wire.Reader`."""
        return self._filtered(self._inner.end())

    def _filtered(self, events: Iterable[r.Event]) -> list[r.Event]:
        kept: list[r.Event] = []
        for event in self._halves.joined(events):
            passed = self._text(event) if type(event) is r.TextDelta else self._other(event)
            if passed is not None:
                kept.append(passed)
            if type(passed) is r.Failed:
                break
        return kept

    def _text(self, event: r.TextDelta) -> r.Event | None:
        text = event.text
        self.plain = self.plain and not event.choice
        if self._skips():
            same = _same(self._skip, self._skipped, text)
            self._skipped, text = self._skipped + same, text[same:]
            if text and self._skips():
                if self._strict:
                    return r.Failed(_DIFFERS)
                self._skipped = len(self._skip)
        if not text:
            return None
        self._pieces.append(text)
        return event if len(text) == len(event.text) else r.TextDelta(text, event.choice)

    def _skips(self) -> bool:
        """Whether the client has what the target may say next."""
        return self._skipped < len(self._skip)

    def _other(self, event: r.Event) -> r.Event | None:
        match event:
            case r.Ping() | r.Failed() | r.UsageTold():
                return event
            case r.Start():
                return event if self._first else None
            case r.ReasoningDelta() | r.ReasoningSignature() | r.RedactedReasoning() if not self._first:
                return None  # the client has the beginning of the text, whatever this one thinks before it
        if self._strict and self._skips():
            return r.Failed(_DIFFERS)
        match event:
            case r.Finish() | r.End():
                self.ended = True
            case _:
                self.plain = False
        return event


class RescueWriter:
    """The writer of the first attempt in a later one: its client is told the tokens of all.

    :param spent: those of the earlier attempts.
    """

    def __init__(self, inner: Writer, spent: Usage) -> None:
        self._inner = inner
        self._spent = spent

    def events(self, events: Iterable[r.Event]) -> bytes:
        """See :class:`~aigw.llm.wire.Writer`."""
        return self._inner.events([self._summed(event) for event in events])

    def whole(self, events: Iterable[r.Event]) -> bytes:
        """See :class:`~aigw.llm.wire.Writer`."""
        return self._inner.whole([self._summed(event) for event in events])

    def failure(self, error: ProviderError) -> bytes:
        """See :class:`~aigw.llm.wire.Writer`."""
        return self._inner.failure(error)

    def _summed(self, event: r.Event) -> r.Event:
        if type(event) is not r.UsageTold:
            return event
        return r.UsageTold(added(self._spent, event.usage) or event.usage)


class RescuableTranslation(Translation):
    """A translation whose stream can be taken up by another, and that may take one up.

    :ivar prefilled: the target was given the beginning of its answer.
    """

    def __init__(self, pair: Pair, call: Call, request: Any, said: Said, skip: str, prefilled: bool) -> None:
        assert said.writer is not None
        writer = said.writer if said.spent is None else RescueWriter(said.writer, said.spent)
        super().__init__(pair.dialect, pair.wire, call, request, writer)
        self._said = said
        self._skip = skip
        self._alone = call.options.get("n", 1) in (1, None)
        self._reading: RescueReader | None = None
        self.prefilled = prefilled

    def reader(self) -> Reader:
        """See :class:`~aigw.llm.translation.Translation`."""
        self._reading = RescueReader(super().reader(), self._said, self._skip, not self.prefilled)
        return self._reading

    def continuable(self) -> str | None:
        """What the client has got of this stream, where another target may go on from there; else None."""
        reading = self._reading
        if reading is None or not reading.plain or reading.ended or not self._alone:
            return None
        return reading.text or None


def rescuable(
    pair: Pair,
    fields: dict[str, Any],
    answer_id: str,
    now: float,
    said: Said,
    prefill: bool,
    betas: tuple[str, ...] = (),
) -> RescuableTranslation:
    """The translation of a client's call, whatever it has got of an answer.

    :param prefill: the target takes the beginning of its answer.
    :raises aigw.errors.BadRequest: see :class:`~aigw.llm.translation.Pairing`.
    """
    call = pair.dialect.read(fields)
    call.drop_unsupported = pair.drop_unsupported
    call.betas += betas
    if _is_own(call, pair):
        raise BadRequest("what only Anthropic's own models say cannot be taken up by others")
    adjust_call(call, pair.adjustments)
    skip, given = said.text, said.text.rstrip()
    prefill = bool(prefill and given and call.reasoning is None)
    if prefill:
        # Anthropic refuses a beginning that ends with a blank; what was cut off may be said again.
        skip = said.text[len(given) :]
        call.turns = (*call.turns, Turn("assistant", (Text(given),)))
        _shorten(call, given)
    request = pair.wire.request(call)
    adjust_request(request.body, pair.adjustments)
    if said.writer is None:
        said.writer = pair.dialect.writer(call, answer_id=answer_id, now=now)
    return RescuableTranslation(pair, call, request, said, skip, prefill)


def _is_own(call: Call, pair: Pair) -> bool:
    """Whether the answer may have blocks that no other dialect has, from a model that speaks the client's own.

    Such a stream passes as it comes.
    """
    wire = pair.wire
    speaks = isinstance(wire, AnthropicWire) or (isinstance(wire, VertexWire) and wire.has_messages(call.model))
    if not speaks or not isinstance(pair.dialect, Messages):
        return False
    parts = (part for turn in call.turns for part in turn.parts)
    return any(isinstance(each, Foreign) for each in (*call.tools, *parts)) or "mcp_servers" in call.options


def _shorten(call: Call, given: str) -> None:
    """What was said already counts among the tokens that may be said."""
    most = call.options.get("max_tokens")
    if isinstance(most, int):
        call.options["max_tokens"] = max(1, most - len(given.encode()) // _BYTES_PER_TOKEN)


def _same(text: str, begin: int, other: str) -> int:
    """With how many letters ``text`` goes on from ``begin`` as ``other`` begins."""
    one = text[begin : begin + len(other)]
    if other.startswith(one):
        return len(one)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
