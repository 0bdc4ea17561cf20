"""What httptools lets through and nobody should: one strict look at every request's head.

Each rule here is one that gateways fell over: servers that read a request differently from the one behind them have
been walked around by exactly these differences (RFC 9112 sections 3.2, 6.1 and 11.2).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from aigw.errors import BadRequest, ExpectationFailed, MethodNotAllowed, NotSupported
from aigw.http.headers import connection_tokens, wants_close
from aigw.http.request import Request
from aigw.http.target import normalise_path

#: What :func:`validate_request_head` returns for a body that comes in chunks.
CHUNKED: Final = -1

_PLAIN_CONNECTION: Final = frozenset((b"keep-alive", b"Keep-Alive"))
_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=-]+)(?::[0-9]{0,5})?")

_DEFAULT_PORTS: Final = {b"http": b":80", b"https": b":443"}

#: Bytes of the longest domain name with brackets, colon and port.
_LONGEST_HOST: Final = 263

#: Digits of the largest length, as llhttp reads it. It takes zeros before them, as many as fit into a head.
_LONGEST_LENGTH: Final = 20

#: Fields that come once or not at all: those that hold one value (RFC 9110, and the documents that are named), of which
#: two readers could take two different ones, and three that are lists and decide how the request is read.
#: ``Authorization`` is not among them, since who looks at it answers 401; ``Cookie`` may come in pieces (RFC 9113
#: section 8.2.3).
SINGLETONS: Final = frozenset(
    (
        b"access-control-request-method",  # Fetch
        b"content-disposition",  # RFC 6266
        b"content-encoding",  # a list
        b"content-length",
        b"content-location",
        b"content-md5",  # RFC 1864
        b"content-range",
        b"content-type",
        b"date",
        b"expect",  # a list
        b"from",
        b"host",
        b"idempotency-key",  # draft-ietf-httpapi-idempotency-key-header
        b"if-modified-since",
        b"if-range",
        b"if-unmodified-since",
        b"last-event-id",  # HTML
        b"last-modified",
        b"max-forwards",
        b"mcp-protocol-version",  # Model Context Protocol
        b"mcp-session-id",
        b"origin",  # RFC 6454
        b"proxy-authorization",
        b"range",
        b"referer",
        b"sec-websocket-key",  # RFC 6455
        b"sec-websocket-version",
        b"transfer-encoding",  # a list
        b"user-agent",
    )
)


def validate_request_head(request: Request, minor: int) -> int:
    """Fill in the request's path, query, host and what its ``Connection`` says; or refuse it.

    :param minor: the version's second digit.
    :returns: the body's length, 0 where there is none, :data:`CHUNKED` where only its end will tell.
    :raises GatewayError: the head is not one that everybody reads alike.
    """
    if not minor:
        request.http_minor = 0
        request.keep = False
    if request.method == b"TRACE":
        raise not_served("TRACE")
    fields = request.fields
    if len(fields) != len(request.headers):
        _check_repeated(request)
    host = fields.get(b"host")
    if host is not None:
        request.host = _host(host)
    elif minor:
        raise malformed("a request has exactly one Host")
    if minor and b"upgrade" in fields:
        request.websocket = _wants_websocket(request)
    if fields.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise ExpectationFailed("only Expect: 100-continue is met here")
    if fields.get(b"connection", b"keep-alive") not in _PLAIN_CONNECTION:
        _heed_connection(request)
    _target(request)
    return _body_length(fields, minor)


def malformed(why: str) -> BadRequest:
    """The refusal of what is not a request as HTTP has it."""
    return BadRequest(f"malformed request: {why}", code="malformed_request")


def not_served(method: str) -> MethodNotAllowed:
    """The refusal of a method that is known, and that no path here has."""
    return MethodNotAllowed(f"{method} is not served here", headers=[(b"allow", b"GET, HEAD, OPTIONS, POST")])


def unknown_coding() -> NotSupported:
    """The refusal of a ``Transfer-Encoding`` other than ``chunked`` (RFC 9112 section 6.1)."""
    return NotSupported("of the transfer codings only chunked is known here")


def _wants_websocket(request: Request) -> bool:
    """Whether ``Upgrade`` asks for a WebSocket (RFC 6455 section 4.2.1).

    Any other protocol is not spoken here, and a server may ignore what it does not speak; in HTTP/1.0 it must ignore
    all of them (RFC 9110 section 7.8). Java's HTTP client offers ``h2c`` on every call over plain text.
    """
    offered = [each for value in request.header_values(b"upgrade") for each in value.lower().split(b",")]
    return b"websocket" in [each.strip() for each in offered]


def _check_repeated(request: Request) -> None:
    seen: set[bytes] = set()
    for name, _ in request.headers:
        if name in seen and name in SINGLETONS:
            raise malformed(f"{name.decode('ascii').title()} comes more than once")
        seen.add(name)
    # Of a field that may be repeated, ``fields`` has the last one only.
    if b"connection" in request.fields:
        _heed_connection(request)


def _heed_connection(request: Request) -> None:
    request.nominated = connection_tokens(request.headers)
    if wants_close(request.headers):
        request.keep = False


@lru_cache(maxsize=256)
def _host(value: bytes) -> bytes:
    match = _HOST.fullmatch(value)
    if match is None or len(value) > _LONGEST_HOST:
        raise malformed("Host is not a host")
    return match[1].lower()


def _body_length(fields: dict[bytes, bytes], minor: int) -> int:
    """How the body ends (RFC 9112 section 6.3). llhttp has refused both fields at once, and lengths that are none."""
    coding = fields.get(b"transfer-encoding")
    if coding is None:
        length = fields.get(b"content-length")
        if length is not None and len(length) > _LONGEST_LENGTH:
            raise malformed("Content-Length is no length")
        return int(length) if length is not None else 0
    if not minor:
        raise malformed("Transfer-Encoding in HTTP/1.0")
    if coding.lower() != b"chunked":
        raise unknown_coding()
    return CHUNKED


def _target(request: Request) -> None:
    """Origin form; absolute form for the same host; ``*`` for OPTIONS (RFC 9112 section 3.2)."""
    target = request.uri
    if target[:1] != b"/":
        # OPTIONS * asks the server as a whole: what its root has to say.
        whole = target == b"*" and request.method == b"OPTIONS"
        target = b"/" if whole else _from_absolute(request, target)
    path, found, query = target.partition(b"?")
    if found:
        if b"#" in query:
            raise BadRequest("the request target holds a fragment", code="bad_path")
        request.query = query
    request.path = path = normalise_path(path)
    request.postpath = path[1:].split(b"/")


def _from_absolute(request: Request, target: bytes) -> bytes:
    scheme, found, rest = target.partition(b"://")
    if not found or scheme.lower() not in _DEFAULT_PORTS:
        raise malformed("the request target is not a path")
    cut = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
    authority, path = rest[:cut], rest[cut:]
    port = _DEFAULT_PORTS[scheme.lower()]
    if _without_port(authority, port) != _without_port(request.header(b"host") or b"", port):
        raise malformed("the request target names another host than Host")
    return path if path.startswith(b"/") else b"/" + path


def _without_port(authority: bytes, default: bytes) -> bytes:
    """``authority`` in lower case, without an empty port or the scheme's own (RFC 9110 section 4.2.3)."""
    authority = authority.lower()
    for port in (default, b":"):
        if authority.endswith(port):
            return authority[: -len(port)]
    return authority
