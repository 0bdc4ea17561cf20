"""What the admin listener lets in: Twisted's own site, within bounds, for those who call it by a name that it has.

Theory of operation. Everything here is read with GET, so a body is not wanted: more than a little of one is refused by
its head and not read, forms are not parsed, and a request has to be there within a few seconds. Connections are few:
above the bound the oldest one makes way, rather than the newest, since it is the newest that a scrape or a probe is.

A page of somebody else's, in a browser that reaches this listener, can have its own name resolve to our address (DNS
rebinding), and would then read everything here as its own. It cannot change the ``Host`` header, which has that name.
So only names are answered that are known to be this machine's, and addresses, which need no resolving; anything else
is 421. ``/healthz`` and ``/readyz`` say nothing that would be worth it, and load balancers have their own names for us.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource, Resource
from twisted.web.server import Site

from aigw.regular_file import read_regular

#: Bytes of a body that are read, and thrown away; of a head's lines together; how many headers.
_LONGEST_BODY, _LONGEST_HEAD, _MOST_HEADERS = 4096, 16_384, 100
#: Seconds from a request's first byte to its last, and for which a refused client may go on reading its answer.
_REQUEST, _LAST_WORDS = 10.0, 1.0
#: Connections at a time.
_MOST_CONNECTIONS = 64

_OPEN_TO_ALL_NAMES = frozenset((b"/healthz", b"/readyz"))

_HOSTS, _RESOLVER, _LONGEST_FILE = Path("/etc/hosts"), Path("/etc/resolv.conf"), 256 * 1024


class AdminChannel(HTTPChannel):
    """Twisted's, with bounds; see the module's head."""

    maxHeaders = _MOST_HEADERS
    totalHeadersSize = _LONGEST_HEAD
    site: AdminSite
    transport: Any
    _late: Any = None
    _serving = _refused = False

    def connectionMade(self) -> None:
        """There is a connection."""
        super().connectionMade()
        self.site.opened(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It has gone."""
        self._in_time()
        self.site.closed(self)
        super().connectionLost(reason)

    @property
    def serving(self) -> bool:
        """Whether a request is being answered."""
        return self._serving

    def dataReceived(self, data: bytes) -> None:
        """Bytes, which may be the first of a request."""
        if self._refused:
            return
        if self._late is None and not self._serving:
            self._late = self.callLater(_REQUEST, self._too_late)
        super().dataReceived(data)

    def rawDataReceived(self, data: bytes) -> None:
        """Bytes of a body."""
        if not self._refused:
            super().rawDataReceived(data)

    def headerReceived(self, line: bytes) -> bool:
        """A header; whether it is one."""
        try:
            return bool(super().headerReceived(line))
        except ValueError:  # a length of thousands of digits
            self._refuse(b"400 Bad Request")
            return False

    def allHeadersReceived(self) -> None:
        """The head is there, and says how long the body is."""
        if self._refused:
            return
        if self.length is None or self.length > _LONGEST_BODY:
            self._refuse(b"413 Content Too Large")
        else:
            super().allHeadersReceived()

    def allContentReceived(self) -> None:
        """So is the body."""
        if self._refused:
            return
        self._in_time()
        self._serving = True
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:
        """The answer is out; the next request may be there already."""
        self._serving = False
        super().requestDone(request)

    def _in_time(self) -> None:
        late, self._late = self._late, None
        if late is not None and late.active():
            late.cancel()

    def _too_late(self) -> None:
        self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        """Say why, read no more, and close soon: at once the answer might be lost with what is unread."""
        if self._refused:
            return
        self._in_time()
        self._refused = True
        lines = b"content-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n" % (len(status) + 1)
        self.transport.write(b"HTTP/1.1 %s\r\n%s\r\n%s\n" % (status, lines, status))
        self._networkProducer.pauseProducing()
        self._late = self.callLater(_LAST_WORDS, self.transport.abortConnection)


class AdminSite(Site):
    """Twisted's site within bounds, and without its access log: a line for each scrape would be all that is in it.

    :param root: what it shows.
    :param names: by which the machine may be called; its own where there are none given.
    """

    protocol: Any = AdminChannel

    def __init__(self, root: IResource, names: Iterable[str] | None = None, **options: Any) -> None:
        super().__init__(root, parsePOSTFormSubmission=False, **options)
        self._names = frozenset(machine_names() if names is None else names)
        self._channels: dict[AdminChannel, None] = {}

    def log(self, request: object) -> None:
        """Not a word."""

    def acceptableProtocols(self) -> list[bytes]:
        """No other than what the channel speaks."""
        return [b"http/1.1"]

    def opened(self, channel: AdminChannel) -> None:
        """For the channel: one more connection."""
        self._channels[channel] = None
        if len(self._channels) > _MOST_CONNECTIONS:
            oldest = next((each for each in self._channels if not each.serving), next(iter(self._channels)))
            del self._channels[oldest]
            oldest.transport.abortConnection()

    def closed(self, channel: AdminChannel) -> None:
        """For the channel: one less."""
        self._channels.pop(channel, None)

    def getResourceFor(self, request: Any) -> IResource:
        """What is asked for, if it is asked for under a name of ours."""
        if request.path in _OPEN_TO_ALL_NAMES or self._is_called_by_name(request):
            found: IResource = super().getResourceFor(request)
            return found
        request.site = self
        return _Misdirected()

    def _is_called_by_name(self, request: Any) -> bool:
        hosts = request.requestHeaders.getRawHeaders(b"host")
        if isinstance(request.getHost(), UNIXAddress) or not hosts:
            return True  # no browser goes there, or leaves it out
        name = host_name(hosts[0]) if len(hosts) == 1 else None
        return name is not None and (name in self._names or _is_address(name))


class _Misdirected(Resource):
    """What is said to whoever calls us by another's name."""

    isLeaf = True

    def render(self, request: Any) -> bytes:
        """The same for every method."""
        message = "this host is not known here by that name; use its address, its own name, or localhost"
        error = {"message": message, "type": "invalid_request_error", "code": "host_not_allowed", "param": None}
        request.setResponseCode(421, b"Misdirected Request")
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"cache-control", b"no-store")
        return json.dumps({"message": message, "error": error}).encode() + b"\n"


def host_name(value: bytes) -> str | None:
    """The name or address in a ``Host`` header, without port, brackets and a dot at its end; None if it is none."""
    try:
        text = value.decode("ascii").strip().lower()
    except UnicodeDecodeError:
        return None
    if text.startswith("["):
        name, bracket, port = text[1:].partition("]")
        port = port.removeprefix(":") if bracket and (not port or port.startswith(":")) else "none"
    else:
        name, _, port = text.partition(":")
    if port and not port.isdecimal():
        return None
    return name.removesuffix(".") or None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def machine_names() -> set[str]:
    """By which names this machine is called: what can be known without asking anybody.

    Its own, whole and in short; those that ``/etc/hosts`` has beside it; and in the domains that its resolver searches.
    """
    own = socket.gethostname().lower().removesuffix(".")
    names = {"localhost", own, own.partition(".")[0]}
    for words in _lines(_HOSTS):
        if not names.isdisjoint(words[1:]):
            names.update(words[1:])
    for words in _lines(_RESOLVER):
        if words[0] in ("search", "domain") and "." not in own:
            names.update(f"{own}.{domain.strip('.')}" for domain in words[1:] if domain.strip("."))
    return names - {""}


def _lines(path: Path) -> list[list[str]]:
    """The words of each line, lower case, without comments; none where it cannot be read."""
    text = ""
    with contextlib.suppress(OSError):
        text = read_regular(path, _LONGEST_FILE).decode("utf-8", "replace").lower()
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return [words for words in lines if words]
