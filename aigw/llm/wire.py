"""What a provider's API and a client's dialect have to offer so that the one can be translated into the other.

A :class:`Wire` is a provider's side: it writes a :class:`~aigw.llm.call.Call` as that provider's request and reads its
answers into the events of :mod:`aigw.llm.reply`. A :class:`Dialect` is a client's side: it reads the client's request
into a call and writes events as that client expects them. :mod:`aigw.llm.translation` puts one of each together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import attrs

from aigw.llm.call import Call
from aigw.llm.decoders import Decoder, Frame
from aigw.llm.reply import Event, ProviderError
from aigw.llm.usage import Usage

Headers = Sequence[tuple[bytes, bytes]]


@attrs.frozen
class WireRequest:
    """A provider's request.

    :ivar path: below the backend's ``url``, percent-encoded as it is to be sent; a version that the url ends with
        is not doubled. May have a query.
    :ivar body: to be sent as JSON.
    :ivar headers: beside ``content-type`` and the credential, in lower case.
    """

    path: bytes
    body: dict[str, Any] = attrs.field(repr=False)
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Reader(Protocol):
    """Reads one answer. Has the state that one stream needs; never raises on what it does not know."""

    def frame(self, frame: Frame) -> Iterable[Event]:
        """What a stream's next frame says."""

    def whole(self, fields: Any) -> Iterable[Event]:
        """What a whole answer (parsed JSON) says; ends with ``End``, or is one ``Failed`` if it is no answer."""

    def end(self) -> Iterable[Event]:
        """The stream's bytes have ended: ``End`` where only that ends an answer and it was complete, else nothing."""


class Wire(Protocol):
    """A provider's side."""

    def request(self, call: Call) -> WireRequest:
        """``call`` as the provider's request.

        :raises aigw.errors.BadRequest: it cannot be expressed; names the client's field.
        """

    def decoder(self, content_type: bytes) -> Decoder:
        """What cuts a stream of that content type into frames."""

    def reader(self, call: Call) -> Reader:
        """For the answer to ``call``."""

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """What an answer of status 400 or above complains of. Never raises."""


class MessagesWire(Protocol):
    """A provider's side of messages that are its own."""

    def has_messages(self, model: str) -> bool:
        """Whether a model of it speaks them."""

    def messages_request(self, fields: dict[str, Any], betas: tuple[str, ...]) -> WireRequest:
        """A client's body as the provider's request.

        :param fields: with the model that is asked for; changed in place.
        :param betas: that the client wants.
        """

    def decoder(self, content_type: bytes) -> Decoder:
        """See :class:`Wire`."""

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """See :class:`Wire`."""


class CountWire(Protocol):
    """A provider's side of counting the tokens of a call without making it."""

    def count_request(self, call: Call) -> WireRequest:
        """``call`` as the provider's request to count it.

        :raises aigw.errors.BadRequest: it cannot be expressed; names the client's field.
        """

    def count(self, fields: Any) -> int:
        """The input tokens that the provider's answer tells.

        :raises ValueError: it is no such answer.
        """

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """See :class:`Wire`."""


class Writer(Protocol):
    """Writes one answer. Has the state that one stream needs."""

    def events(self, events: Iterable[Event]) -> bytes:
        """The next events of a stream as the client gets them, whole server-sent events; may be empty.

        Never called with ``Failed``: the proxy decides what becomes of those.
        """

    def whole(self, events: Iterable[Event]) -> bytes:
        """All events of an answer as one JSON body."""

    def failure(self, error: ProviderError) -> bytes:
        """A server-sent event that tells a stream's client that it failed; nothing follows it."""


class Dialect(Protocol):
    """A client's side, for one operation."""

    def read(self, fields: Mapping[str, Any]) -> Call:
        """The client's request. ``fields`` has what the operation needs, of the right type, no more is known of it.

        :raises aigw.errors.BadRequest: it is malformed, or says what no other dialect can express.
        """

    def writer(self, call: Call, *, answer_id: str, now: float) -> Writer:
        """For the answer to ``call``.

        :param answer_id: unique letters and digits for the ids that the writer makes up.
        :param now: seconds since the epoch.
        """

    def error(self, error: ProviderError, request_id: str) -> bytes:
        """The JSON body of an error."""


@attrs.frozen
class EmbeddingCall:
    """A request for embeddings.

    :ivar inputs: texts, or texts as lists of token numbers.
    :ivar options: whatever else the client sent, by its own names.
    """

    model: str
    inputs: tuple[str | list[int], ...] = attrs.field(repr=False)
    dimensions: int | None = None
    options: dict[str, Any] = attrs.field(factory=dict)
    drop_unsupported: bool = False


@attrs.frozen
class Embeddings:
    """Vectors in the order of the inputs."""

    vectors: tuple[list[float], ...] = attrs.field(repr=False)
    usage: Usage | None = None
    model: str | None = None


class EmbeddingWire(Protocol):
    """A provider's side of embeddings."""

    def embedding_request(self, call: EmbeddingCall) -> WireRequest:
        """``call`` as the provider's request.

        :raises aigw.errors.BadRequest: it cannot be expressed; names the client's field.
        """

    def embeddings(self, fields: Any) -> Embeddings:
        """What the provider's answer says.

        :raises ValueError: it is no such answer.
        """

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """See :class:`Wire`."""
