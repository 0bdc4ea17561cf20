"""Responses as bytes arrive: what of a connection's stream is head, body and end, and what must be refused.

Theory of operation. A :class:`ResponseReader` belongs to one connection and reads its responses one after the other,
each announced by :meth:`ResponseReader.expect`. It does no I/O and calls nobody: :meth:`ResponseReader.feed` parses
one read's bytes with llhttp, whose callbacks only note what they see; the connection then looks at ``status``,
``headers``, ``body`` and ``complete``. So whoever gets a response may do anything with the connection from inside
its callbacks, a mistake there is not taken for the upstream's, and what arrived in one read is passed on as one piece.

Left to us by httptools in its strict default, tried with every case of the tests: response lines of RTSP, HTTP/0.9
and HTTP/2.0 and such behind empty lines; statuses below 100; transfer codings other than one ``chunked``, and
``chunked`` in HTTP/1.0 (RFC 9112 section 6.1); bodies of informational responses; how many of those come; how long
heads, chunk extensions and trailers are; and the responses to HEAD, whose ``Content-Length`` announces nothing.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
import httptools

from aigw.http.failures import BadResponse
from aigw.http.headers import Header


@attrs.frozen
class ResponseLimits:
    """Bounds on what an upstream may send besides bodies.

    :ivar head_bytes: a response's heads, informational ones included; also what chunk framing and trailers may
        amount to without one byte of body. Noticed at most one read later.
    :ivar head_count: fields of a head.
    :ivar informational: 1xx responses before the final one.
    """

    head_bytes: int = 64 * 1024
    head_count: int = 200
    informational: int = 16


_START: Final = b"HTTP/1.1 "
_OLD_START: Final = b"HTTP/1.0 "
_NO_BODY: Final = (204, 304)
#: Digits of the largest length, as llhttp reads it. It takes zeros before them, as many as fit into a head.
_LONGEST_LENGTH: Final = 20


class ResponseReader:
    """Reads the responses of one connection.

    :ivar status: the final response's; 0 until its head is complete.
    :ivar headers: its fields, names in lower case.
    :ivar body: pieces of body that :meth:`feed` found; whoever takes them clears the list.
    :ivar complete: the response is.
    :ivar until_close: only the connection's end will end the body.
    :ivar keep: the connection may carry another call afterwards.
    :ivar touched: at least one byte of a response has come.
    """

    __slots__ = (
        "_coding",
        "_framing",
        "_head_bytes",
        "_head_request",
        "_informational",
        "_limits",
        "_old",
        "_parser",
        "_refusal",
        "_start",
        "body",
        "complete",
        "headers",
        "keep",
        "on_body",
        "status",
        "touched",
        "until_close",
    )

    def __init__(self, limits: ResponseLimits) -> None:
        self._limits = limits
        self.body: list[bytes] = []
        self.on_body = self.body.append  # llhttp's callback, without a Python function in between
        self._parser: Any = httptools.HttpResponseParser(self)
        self._head_request = False
        self._refusal = ""
        self.expect(False)

    def expect(self, head: bool) -> None:
        """The next response begins.

        :param head: it answers a HEAD request.
        """
        if self._head_request:
            # The parser may still wait for the body that Content-Length seemed to announce.
            self._parser = httptools.HttpResponseParser(self)
        self.headers: list[Header] = []
        self.status = self._head_bytes = self._informational = self._framing = 0
        self.complete = self.until_close = self.touched = self._old = False
        self.keep = True
        self._head_request = head
        self._coding = self._start = b""

    def feed(self, data: bytes) -> None:
        """Read on.

        :raises BadResponse: the connection is of no use any more. What was found before the fault is there all the
            same: a response may even be ``complete``, with something behind its end.
        """
        self.touched = True
        if self.status:
            self._framing += len(data)
        else:
            self._count_head(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:  # HttpParserUpgrade is one
            raise BadResponse(self._refusal or _reason(error)) from None
        if self.complete:
            self._check_end(data)
        elif self.body:
            self._framing = 0
        elif self._framing > self._limits.head_bytes:
            raise BadResponse("its chunk framing or trailers are too large")

    def close(self) -> None:
        """The connection is over: let go of the parser, which knows us. Nothing may be fed any more."""
        self._parser = None

    # -- what the parser tells

    def on_message_begin(self) -> None:
        """A response begins; behind a complete one it is nobody's."""
        if self.complete:
            self._refuse("it sent more than it was asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field; or a trailer, which is dropped: nothing here needs one (RFC 9110 section 6.5.1)."""
        if self.status:
            return
        name = name.lower()
        if name == b"transfer-encoding":
            self._coding += b"," + value if self._coding else value
        value = value.rstrip()
        if len(value) > _LONGEST_LENGTH and name == b"content-length":
            self._refuse("its Content-Length is no length")
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole: an informational one is skipped, the final one stays."""
        status = self._parser.get_status_code()
        if self._head_bytes > self._limits.head_bytes or len(self.headers) > self._limits.head_count:
            self._check_size()
        if status < 200:
            self._skip_informational(status)
            return
        if self._informational and self._parser.get_http_version() != "1.1":
            self._refuse("it speaks another version of HTTP than before")
        if self._coding and (self._old or self._coding.strip().lower() != b"chunked"):
            self._refuse("its transfer coding is not chunked")
        self.status = status
        if self._head_request:
            self.complete = True
        if not self._parser.should_keep_alive():
            self.keep = False
            self.until_close = not self._delimited()

    def on_message_complete(self) -> None:
        """The response is whole; or an informational one is, and more follows."""
        if self.status:
            self.complete = True

    # -- inside

    def _count_head(self, data: bytes) -> None:
        if self._head_bytes > self._limits.head_bytes:
            raise BadResponse("its response head is too large")
        self._head_bytes += len(data)
        if len(self._start) < len(_START):
            self._start = start = (self._start + data[: len(_START)])[: len(_START)]
            if start != _START:
                self._old = start == _OLD_START
                if not self._old and not _START.startswith(start) and not _OLD_START.startswith(start):
                    raise BadResponse("it does not speak HTTP/1.1")

    def _check_size(self) -> None:
        """A read brought more than a head may have; how much of it is head?"""
        size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._limits.head_bytes or len(self.headers) > self._limits.head_count:
            self._refuse("its response head is too large")

    def _skip_informational(self, status: int) -> None:
        self._informational += 1
        if status < 100:
            self._refuse("its status is none")
        if status == 101:
            self._refuse("it switched protocols unasked")
        if self._informational > self._limits.informational:
            self._refuse("it sent too many informational responses")
        if self._coding or any(name == b"content-length" for name, _ in self.headers):
            self._refuse("it sent an informational response with a body")  # RFC 9110 section 15.2
        self.headers = []

    def _delimited(self) -> bool:
        """Whether something else than the connection's close ends the body (RFC 9112 section 6.3)."""
        if self._coding or self._head_request or self.status in _NO_BODY:
            return True
        return any(name == b"content-length" for name, _ in self.headers)

    def _check_end(self, data: bytes) -> None:
        """Nothing may follow a response's end; llhttp would skip empty lines there, and knows no HEAD."""
        if self._head_request and self.body:
            self.body.clear()
            stray = True
        elif data[-1] not in b"\r\n":
            # Any other byte behind the end was a response's beginning, or framing of HEAD's body that is none.
            stray = self._head_request
        elif self.body and not self._coding:
            stray = not data.endswith(self.body[-1])
        else:
            # A head and a last chunk end in two line ends, which are four bytes at most.
            stray = len(data) > 4 and not data[-5:].strip(b"\r\n")
        if stray:
            raise BadResponse("it sent more than it was asked for")

    def _refuse(self, why: str) -> None:
        self._refusal = why
        raise BadResponse(why)  # out of the parser, which raises its own error instead


def _reason(error: httptools.HttpParserError) -> str:
    """llhttp's words, which name a rule and never quote what was sent."""
    return f"its response is not HTTP ({error})"
