"""Tables of requests and what has to come of them: read in any pieces, over sockets, and by the daemon as it is installed.

A :class:`Case` is bytes in, outcome out: the answers' statuses, what reached whoever serves, and whether the connection
may carry another request. How the bytes were cut changes none of these; ``100 Continue`` does not count, since it
depends on whether the body was there already. The suites that the cases are named after are public:

- h1spec: https://github.com/uNetworking/h1spec
- gunicorn: https://github.com/benoitc/gunicorn, ``tests/requests``
- Http11Probe: https://github.com/MDA2AV/Http11Probe
- llhttp: https://github.com/nodejs/llhttp, ``test/request`` and ``test/response``

Cases of theirs that lack a ``Host`` have one here where something else is meant. What a server may do or leave, and
what is done otherwise here, has its reason in :attr:`Case.why`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, NamedTuple

from twisted.internet import reactor
from twisted.internet.task import deferLater

from aigw.http.request import Request
from aigw.http.server import ServerLimits
from tests.dist.raw import RawClient
from tests.unit.http.connection import Connection, RecordingSite
from tests.wire.test_server_channel import ServerTestCase

HOST = b"Host: h\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
POST = b"POST / HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
#: What would be served if a body's end were seen too early.
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"
PROBE = b"GET /probe HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

#: Longer ones are sent in pieces instead of bytes; longer ones are not cut at every place.
_LONG, _SHORT = 2000, 400

KEPT, CLOSED, WAITS = "kept", "closed", "waits"


class Case(NamedTuple):
    """One row.

    :ivar name: as its suite calls it.
    :ivar rule: the section that decides, such as ``9112 6.1`` for RFC 9112 section 6.1.
    :ivar statuses: of the final responses.
    :ivar reached: what is served: method, target without what is normalised, body.
    :ivar after: the connection is ``kept``, ``closed``, or ``waits`` for the rest of a request.
    :ivar why: a reason, where others may do, or the suite asks for, something else.
    """

    name: str
    rule: str
    sent: bytes
    statuses: tuple[int, ...]
    reached: tuple[bytes, ...]
    after: str
    why: str = ""


def served(name: str, rule: str, sent: bytes, *reached: bytes, after: str = KEPT, why: str = "") -> Case:
    """Requests that are answered."""
    return Case(name, rule, sent, (200,) * len(reached), reached, after, why)


def refused(name: str, rule: str, sent: bytes, status: int = 400, *before: bytes, why: str = "") -> Case:
    """A request that is refused, perhaps behind others, whatever follows it."""
    return Case(name, rule, sent, (*(200 for _ in before), status), before, CLOSED, why)


def waits(name: str, rule: str, sent: bytes, *before: bytes, why: str = "") -> Case:
    """A request of which something is missing."""
    return Case(name, rule, sent, (200,) * len(before), before, WAITS, why)


def in_bytes(data: bytes) -> list[bytes]:
    """Byte by byte; in pieces where that would take long."""
    size = 1 if len(data) <= _LONG else 997
    return [data[at : at + size] for at in range(0, len(data), size)]


def in_two(data: bytes) -> Iterator[list[bytes]]:
    """Cut at every place, where it is short."""
    if len(data) <= _SHORT:
        for at in range(1, len(data)):
            yield [data[:at], data[at:]]


def statuses(received: bytes) -> list[int]:
    """Of the final responses; the last body may be missing (HEAD)."""
    found = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        length = re.search(rb"\r\ncontent-length: (\d+)", head)
        if status >= 200:
            found.append(status)
            received = received[int(length[1]) if length else 0 :]
    return found


class EmptySite(RecordingSite):
    """Answers with nothing, and says what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = lambda request: request.respond(200, [], b"")

    @property
    def reached(self) -> list[bytes]:
        return [_in_one(request) for request in self.requests]


def _in_one(request: Request) -> bytes:
    target = request.path if request.query is None else request.path + b"?" + request.query
    return b" ".join((request.method, target, request.body))


#: Those of the daemon, but for the body: a table is no place for 32 MiB.
LIMITS = ServerLimits(body=100_000)


def outcome(pieces: Sequence[bytes]) -> tuple[list[int], list[bytes], str]:
    """What comes of these pieces, without sockets."""
    site = EmptySite()
    connection = Connection(LIMITS, site=site)
    connection.send(*pieces)
    after = CLOSED if not connection.open else KEPT
    if after == KEPT and (connection.channel._reader.request is not None or connection.channel._reader.waiting):
        after = WAITS
    return statuses(connection.received), site.reached, after


async def outcome_at(client: RawClient, case: Case, pieces: Sequence[bytes]) -> list[int]:
    """What comes of these pieces at a server: the statuses, the probe's among them if the connection was kept."""
    for piece in pieces:
        client.send(piece)
        await deferLater(reactor, 0)
    if case.after == CLOSED:
        return statuses(await client.closed())
    await _answers(client, len(case.statuses))
    if case.after == KEPT:
        client.send(PROBE)
    else:
        client.transport.loseWriteConnection()
    return statuses(await client.closed())


async def _answers(client: RawClient, count: int) -> None:
    while not client.lost and client.received.count(b"HTTP/1.1 ") - client.received.count(b"HTTP/1.1 1") < count:
        await deferLater(reactor, 0.001)


class ConformanceTestCase(ServerTestCase):
    """A server on loopback, and each case in all the ways that its bytes can be cut."""

    limits = ServerLimits(
        body=100_000, head_timeout=50, body_idle=50, write_stall=50, keep_alive=50, linger=50, max_connections=50
    )

    def setUp(self) -> None:
        super().setUp()
        self.factory.site = self.empty = EmptySite()

    async def check(self, case: Case) -> None:
        """One case."""
        expected = (list(case.statuses), list(case.reached), case.after)
        self.assertEqual(outcome([case.sent] if case.sent else []), expected, "in one piece")
        for pieces in itertools.chain([in_bytes(case.sent)], in_two(case.sent)):
            self.assertEqual(outcome(pieces), expected, f"cut behind {pieces[:1]!r}")
        probed = case.after == KEPT
        for pieces in ([case.sent], in_bytes(case.sent)):
            self.empty.requests.clear()
            found = await outcome_at(await self.client(), case, pieces)
            self.assertEqual(found, [*case.statuses, *((200,) if probed else ())])
            self.assertEqual(self.empty.reached, [*case.reached, *((b"GET /probe ",) if probed else ())])


def add_tests(to: type[ConformanceTestCase], cases: Sequence[Case]) -> None:
    """A test for each case, named after it."""
    for case in cases:
        name = "test_" + re.sub(r"\W+", "_", case.name).strip("_").lower()
        assert not hasattr(to, name), f"two cases are called {case.name}"
        setattr(to, name, _test(case))


def _test(case: Case) -> Callable[[Any], Awaitable[None]]:
    async def test(self: ConformanceTestCase) -> None:
        await self.check(case)

    test.__doc__ = f"RFC {case.rule}. {case.why}"
    return test
