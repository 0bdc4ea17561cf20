"""What httptools lets through and nobody should: one strict look at every request's head.

Each rule here is one that gateways fell over: servers that read a request differently from the one behind them have
been walked around by exactly these differences (RFC 9112 sections 3.2, 6.1 and 11.2).
"""

from __future__ import annotations

import re

from aigw.errors import BadRequest, GatewayError, MethodNotAllowed, NotSupported
from aigw.http.headers import connection_tokens
from aigw.http.request import Request
from aigw.http.target import normalise_path

_PLAIN_CONNECTION = frozenset((b"keep-alive", b"close", b"Keep-Alive"))
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=-]+|(?:%[0-9A-Fa-f]{2})+)(?::([0-9]{1,5}))?")


class ExpectationFailed(GatewayError):
    """An ``Expect`` that is not ``100-continue``."""

    status = 417
    type = "invalid_request_error"
    default_code = "expectation_failed"


def judge(request: Request, version: str) -> int | None:
    """Fill in the request's path, query and host, or refuse it.

    :param version: as the parser read it.
    :returns: the body's ``Content-Length``, if it has one.
    :raises GatewayError: the head is not one that everybody reads alike.
    """
    if version != "1.1":
        if version != "1.0":
            raise _malformed("only HTTP/1.0 and HTTP/1.1 are spoken here")
        request.http_minor = 0
    if request.method == b"TRACE":
        raise MethodNotAllowed("TRACE is not served here", headers=[(b"allow", b"GET, HEAD, OPTIONS, POST")])
    fields = request.fields
    host = fields.get(b"host")
    if host is not None:
        request.host = _host(host)
    if (host is None and version == "1.1") or (
        len(fields) != len(request.headers) and len(request.header_values(b"host")) > 1
    ):
        raise _malformed("a request has exactly one Host")
    if b"upgrade" in fields:
        raise BadRequest("Upgrade is not served here", code="upgrade_refused")
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        _check_coding(coding, version)
    if fields.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise ExpectationFailed("only Expect: 100-continue is met here")
    if fields.get(b"connection", b"close") not in _PLAIN_CONNECTION:
        request.nominated = connection_tokens(request.headers)
    _target(request)
    length = fields.get(b"content-length")
    return int(length) if length is not None else None


#: Hosts that were judged already; a gateway is called by few names.
_KNOWN_HOSTS: dict[bytes, bytes] = {}


def _malformed(why: str) -> BadRequest:
    return BadRequest(f"malformed request: {why}", code="malformed_request")


def _host(value: bytes) -> bytes:
    host = _KNOWN_HOSTS.get(value)
    if host is None:
        match = _HOST.fullmatch(value)
        if match is None:
            raise _malformed("Host is not a host")
        host = match[1].lower()
        if len(_KNOWN_HOSTS) < 1024:
            _KNOWN_HOSTS[value] = host
    return host


def _check_coding(value: bytes, version: str) -> None:
    if version == "1.0":
        raise _malformed("Transfer-Encoding in HTTP/1.0")
    if value.strip().lower() != b"chunked":
        raise NotSupported("of the transfer codings only chunked is known here")


def _target(request: Request) -> None:
    """Origin form; absolute form for the same host; ``*`` for OPTIONS (RFC 9112 section 3.2)."""
    target = request.uri
    if target[:1] != b"/":
        if target == b"*" and request.method == b"OPTIONS":
            request.path, request.postpath = b"/", [b""]
            return
        target = _from_absolute(request, target)
    path, found, query = target.partition(b"?")
    request.path = path = normalise_path(path)
    if found:
        request.query = query
    request.postpath = path[1:].split(b"/")


def _from_absolute(request: Request, target: bytes) -> bytes:
    scheme, found, rest = target.partition(b"://")
    if not found or scheme.lower() not in (b"http", b"https"):
        raise _malformed("the request target is not a path")
    cut = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
    authority, path = rest[:cut], rest[cut:]
    if authority.lower() != (request.header(b"host") or b"").lower():
        raise _malformed("the request target names another host than Host")
    return path if path.startswith(b"/") else b"/" + path
