"""A request, and its response: what everything above the wire works with.

A :class:`Request` is made by its :class:`~aigw.http.channel.ServerChannel` and answered in exactly one of two ways: as
a whole with :meth:`Request.respond`, or piece by piece with :meth:`~Request.start`, :meth:`~Request.write` and
:meth:`~Request.finish` (or :meth:`~Request.abort`, when it cannot be completed). Framing is the wire's business: what
callers pass as headers never holds ``Content-Length``, ``Transfer-Encoding`` or ``Connection``. It has what
``twisted.web.resource`` needs of a request, so routes can be resources.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from aigw.errors import GatewayError
from aigw.http.headers import Header
from aigw.http.status import STATUS_LINES, status_line
from aigw.memory import LARGE, Memory

if TYPE_CHECKING:
    from aigw.http.channel import ServerChannel

_JSON: Final = (b"content-type", b"application/json")
#: The lines before chunks of usual sizes, made once: formatting one costs as much as the rest of a write.
_SIZES: Final = 1024
_SIZE_LINES: Final = [b"%x\r\n" % size for size in range(_SIZES)]
#: Fields that are about a body as it was coded: its digests are, too (RFC 1864, RFC 9530 section 2).
_OF_CODED: Final = frozenset((b"content-digest", b"content-encoding", b"content-md5", b"digest", b"repr-digest"))
_FRAMING: Final = frozenset((b"connection", b"content-length", b"transfer-encoding"))


class Request:
    """See the module's head.

    :ivar method: as sent, such as ``b"POST"``.
    :ivar uri: the request target as sent.
    :ivar path: normalised; begins with a slash.
    :ivar query: without its question mark; None if there is none.
    :ivar headers: names in lower case, in the order they came in.
    :ivar fields: the same by name, the last of each.
    :ivar nominated: fields that ``Connection`` names as hop-by-hop.
    :ivar host: in lower case, without a port.
    :ivar body: complete when the site's ``render`` is called.
    :ivar held: bytes of it, and of its answer, that are in memory; see :meth:`hold`.
    :ivar received: the clock when the head began to arrive.
    :ivar complete: the clock when the body was there; 0.0 before.
    :ivar whole: all of it was read, body included.
    :ivar admitted: the site was asked whether the body is wanted.
    :ivar keep: the connection may carry another request behind this one.
    :ivar websocket: it asks for a WebSocket instead of a response.
    :ivar state: free for the site.
    :ivar status: of the response, 0 before one was begun.
    :ivar gone: called, once, when the client is lost before the response is complete.
    :ivar cut: called when the server will not wait for the response any longer; ends it so that it is seen.
    """

    # What most requests never change; on the class, so that making a request costs little.
    http_minor = 1
    keep = True
    websocket = False
    whole = False
    admitted = False
    path = b""
    query: bytes | None = None
    host = b""
    body = b""
    nominated: frozenset[bytes] = frozenset()
    complete = 0.0
    request_id = ""
    anthropic = False
    state: Any = None
    status = 0
    bytes_in = 0
    held = 0
    bytes_out = 0
    finished = False
    disconnected = False
    gone: Callable[[], None] | None = None
    cut: Callable[[GatewayError], None] | None = None
    producer: Any = None
    head_pending = b""
    chunked = False
    left: int | None = None
    _deferreds: list[Deferred[None]] | None = None
    _headers: Headers | None = None
    _code = 200
    _set: Sequence[Header] = ()

    def __init__(self, channel: ServerChannel, method: bytes, uri: bytes, headers: list[Header], began: float) -> None:
        self.channel = channel
        self.method = method
        self.uri = uri
        self.headers = headers
        self.fields = dict(headers)
        self.received = began
        self.prepath: list[bytes] = []
        self.postpath: list[bytes] = []

    @property
    def client(self) -> str:
        """The peer's address, empty on a unix socket."""
        return self.channel.client

    @property
    def secure(self) -> bool:
        """Whether it came over TLS."""
        return self.channel.secure

    def __repr__(self) -> str:
        return f"<Request {self.method.decode('latin-1')} {self.path.decode('latin-1')}>"

    # -- reading

    def header(self, name: bytes) -> bytes | None:
        """The first value of a field; ``name`` in lower case."""
        if len(self.fields) == len(self.headers):
            return self.fields.get(name)
        return next((value for known, value in self.headers if known == name), None)

    def header_values(self, name: bytes) -> list[bytes]:
        """All values of a field, in order."""
        return [value for known, value in self.headers if known == name]

    # -- answering

    def respond(self, status: int, headers: Sequence[Header], body: bytes, lines: bytes = b"") -> None:
        """The whole answer, in one write.

        :param lines: further header lines, as they are sent.
        """
        if self.disconnected or self.finished:
            return
        if self.status:
            raise RuntimeError("this request is being answered already")
        self.status = status
        channel = self.channel
        parts = [STATUS_LINES.get(status) or status_line(status)]
        parts += [b"%s: %s\r\n" % header for header in headers]
        parts.append(lines)
        if status in (204, 304):
            parts.append(channel.closing_lines(self))
        else:
            parts.append(b"content-length: %d\r\n%s" % (len(body), channel.closing_lines(self)))
            if self.method != b"HEAD":
                parts.append(body)
                self.bytes_out = len(body)
        self.finished = True
        channel.write(b"".join(parts))
        channel.response_done(self)

    def start(self, status: int, headers: Sequence[Header], length: int | None = None, extra: bytes = b"") -> None:
        """Begin an answer whose body follows; the head goes out with its first piece.

        :param length: the body's length in bytes, if it is known.
        :param extra: further header lines, as they are sent.
        """
        if self.status:
            raise RuntimeError("this request is being answered already")
        self.status = status
        lines = [STATUS_LINES.get(status) or status_line(status)]
        lines += [b"%s: %s\r\n" % header for header in headers]
        lines.append(extra)
        if status in (204, 304):
            self.left = 0
        elif length is not None:
            lines.append(b"content-length: %d\r\n" % length)
            self.left = length
        elif self.http_minor:
            lines.append(b"transfer-encoding: chunked\r\n")
            self.chunked = self.method != b"HEAD"
        # Else the body ends with the connection, which is not kept for HTTP/1.0.
        lines.append(self.channel.closing_lines(self))
        self.head_pending = b"".join(lines)

    def write(self, data: bytes) -> None:
        """A piece of the body, in one write; ignored when the client is gone."""
        if self.disconnected or self.finished or not data:
            return
        if not self.status:
            self._start_as_set()
        size = len(data)
        if self.method == b"HEAD":
            return
        if self.left is not None:
            if size > self.left:
                data = data[: self.left]
                size = self.left
            self.left -= size
        self.bytes_out += size
        if self.chunked:
            data = b"".join((_SIZE_LINES[size] if size < _SIZES else b"%x\r\n" % size, data, b"\r\n"))
        if self.head_pending:
            data, self.head_pending = self.head_pending + data, b""
        self.channel.write(data)

    def finish(self) -> None:
        """The body is complete. If less came than was announced, this is :meth:`abort`."""
        if self.disconnected or self.finished:
            return
        if not self.status:
            self._start_as_set()
        if self.left and self.method != b"HEAD":
            self.abort()
            return
        self.finished = True
        end = self.head_pending + (b"0\r\n\r\n" if self.chunked else b"")
        self.head_pending = b""
        if end:
            self.channel.write(end)
        self.channel.response_done(self)

    def abort(self) -> None:
        """The body will not be completed: end the connection so that nobody takes it for complete."""
        if self.disconnected or self.finished:
            return
        self.finished = True
        if self.head_pending:
            self.channel.write(self.head_pending)
            self.head_pending = b""
        self.channel.response_aborted(self)

    def refuse(self, error: GatewayError) -> None:
        """Answer with an error of the gateway's own."""
        headers = [_JSON, *error.response_headers()]
        if self.request_id:
            headers.append((b"x-request-id", self.request_id.encode("ascii")))
        self.respond(error.status, headers, error.body(self.request_id, anthropic=self.anthropic))

    # -- what twisted.web knows a request by

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """``producer`` is paused while the client does not take what was written. Streaming ones only."""
        if not streaming:
            raise ValueError("only streaming (push) producers")
        self.producer = producer
        if self.channel.stalled:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """Nobody needs to be paused any more."""
        self.producer = None

    def notifyFinish(self) -> Deferred[None]:
        """Fires when the response is complete, fails when the client is lost before."""
        if self._deferreds is None:
            self._deferreds = []
        waiting: Deferred[None] = Deferred()
        self._deferreds.append(waiting)
        return waiting

    @property
    def requestHeaders(self) -> Headers:
        """The headers as twisted.web has them."""
        if self._headers is None:
            self._headers = Headers()
            for name, value in self.headers:
                self._headers.addRawHeader(name, value)
        return self._headers

    def getHeader(self, name: bytes) -> bytes | None:
        """The last value of a field, as in twisted.web."""
        values = self.header_values(name.lower())
        return values[-1] if values else None

    def setResponseCode(self, code: int, message: bytes | None = None) -> None:
        """The status of an answer that is begun by :meth:`write`; the reason phrase is always the registered one."""
        self._code = code

    def setHeader(self, name: bytes | str, value: bytes | str) -> None:
        """A header of an answer that is begun by :meth:`write`; replaces one of that name."""
        name = (name.encode("ascii") if isinstance(name, str) else name).lower()
        value = value.encode("latin-1") if isinstance(value, str) else value
        self._set = [*(header for header in self._set if header[0] != name), (name, value)]

    def _start_as_set(self) -> None:
        lengths = [int(value) for name, value in self._set if name == b"content-length"]
        self.start(self._code, self._set_headers(), lengths[0] if lengths else None)

    def respond_as_set(self, body: bytes) -> None:
        """:meth:`respond` with what :meth:`setResponseCode` and :meth:`setHeader` were told."""
        self.respond(self._code, self._set_headers(), body)

    def _set_headers(self) -> list[Header]:
        return [header for header in self._set if header[0] not in _FRAMING]

    def hold(self, size: int) -> bool:
        """Count ``size`` bytes more of its body, or of its answer, until it is over.

        :returns: whether there is room for them (``max_memory``).
        """
        memory: Memory = self.channel.factory.memory
        memory.held += size
        self.held += size
        return memory.has_room()

    def may_parse(self, body: bytes | bytearray) -> bool:
        """Whether there is room for what the JSON ``body``, of either side, says. Small ones are not looked through."""
        memory: Memory = self.channel.factory.memory
        return len(body) <= LARGE or memory.has_room_to_parse(body)

    def set_decoded(self, body: bytes) -> bool:
        """Have ``body`` in place of one in a coding, and no field that speaks of that one.

        :returns: whether there is room for it (``max_memory``).
        """
        more = len(body) - len(self.body)
        self.body = body
        self.headers = [header for header in self.headers if header[0] not in _OF_CODED]
        self.fields = dict(self.headers)
        return self.hold(more)

    # -- for the channel

    @property
    def has_room(self) -> bool:
        """Whether there is room for all bodies that are there already."""
        memory: Memory = self.channel.factory.memory
        return memory.has_room()

    def over(self) -> None:
        """It is answered, or lost: let go of whoever answered it, who knows it in turn."""
        self.gone = self.cut = self.producer = None
        if self.held:
            memory: Memory = self.channel.factory.memory
            memory.held -= self.held
            self.held = 0

    def lost(self) -> None:
        """The client's connection is gone."""
        self.disconnected = True
        gone, self.gone = self.gone, None
        if gone is not None and not self.finished:
            gone()
        self.over()
        self.state = None
        self.tell(Failure(ConnectionDone()) if not self.finished else None)

    def tell(self, result: Failure | None) -> None:
        """Fire what :meth:`notifyFinish` gave out."""
        waiting, self._deferreds = self._deferreds, None
        for deferred in waiting or ():
            deferred.callback(None) if result is None else deferred.errback(result)
