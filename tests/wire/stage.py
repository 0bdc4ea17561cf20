"""A whole gateway in the test's own process, between real sockets: so that a test can look for what is left over."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs
import orjson
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.trial import unittest

from aigw.config.settings import load
from aigw.http.client import Call
from aigw.http.deadlines import Deadlines
from aigw.http.request import Request
from aigw.http.server import ServerFactory, ServerLimits
from aigw.llm.messages_pair import OwnMessages
from aigw.llm.translation import StreamTranslation, Translation
from aigw.logs import AccessLog
from aigw.metrics import Metrics
from aigw.proxy.account import Account, Ledger
from aigw.proxy.attempt import Attempt
from aigw.proxy.client_body import ClientBody
from aigw.proxy.client_call import ClientCall
from aigw.proxy.event_body import EventBody
from aigw.proxy.exchange import Exchange
from aigw.proxy.oversized import OversizedEvent
from aigw.proxy.relay import PassedBody, WholeBody
from aigw.proxy.stream_keepalive import StreamKeepalive
from aigw.proxy.translated import TranslatedBody, TranslatedEvents
from aigw.routing.failover import Failover
from aigw.snapshot import Snapshot
from aigw.testing import ScriptedUpstream
from aigw.upstream.authorised import AuthorisedCall
from aigw.upstream.echo import EchoCall
from aigw.upstream.upstream import HttpUpstream, Payload
from aigw.web.dispatcher import RequestDispatcher
from tests.dist.raw import RawClient, connect, dechunked, post

#: Seconds for all of a call.
TOTAL = 5
#: What every backend of these tests has: short times.
TIMEOUTS = f'{{ connect = "300ms", first_byte = "300ms", first_token = "300ms", idle = "300ms", total = "{TOTAL}s" }}'

#: What a call is made of, besides its request and its account.
OF_A_CALL = (
    *(Exchange, Attempt, ClientCall, ClientBody, Payload, StreamKeepalive, Failover, Call, EchoCall, AuthorisedCall),
    *(
        WholeBody,
        PassedBody,
        EventBody,
        OversizedEvent,
        TranslatedBody,
        TranslatedEvents,
        Translation,
        OwnMessages,
        StreamTranslation,
    ),
)


class OwnTime:
    """A clock that stands still while the machine does something else than this process.

    Gateway and providers are one process here. When that gets no processor for a while, all of them stand still; but the
    gateway would find that a provider has been silent. A beat that comes late tells how long that was, and comes before
    whatever else is due, since it was due first.
    """

    _EVERY, _LATE = 0.01, 0.03

    def __init__(self) -> None:
        self._lost = 0.0
        self._last = reactor.seconds()
        self._beats = LoopingCall(self._beat)
        self._beats.start(self._EVERY, now=False)

    def seconds(self) -> float:
        """Since some moment."""
        return reactor.seconds() - self._lost

    def callLater(self, delay: float, fire: Any, *arguments: Any) -> Any:
        """The reactor's."""
        return reactor.callLater(delay, fire, *arguments)

    def stop(self) -> None:
        """Beat no more."""
        self._beats.stop()

    def _beat(self) -> None:
        now = reactor.seconds()
        since, self._last = now - self._last, now
        if since > self._LATE:
            self._lost += since - self._EVERY


class RememberingLedger(Ledger):
    """Keeps the accounts that were closed."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.closed: list[Account] = []

    def close(self, account: Account) -> None:
        if not account.closed:
            self.closed.append(account)
        super().close(account)


@attrs.frozen
class Answered:
    """One response.

    :ivar whole: it ended as its framing says it should.
    :ivar body: without its framing, as far as it came.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    @classmethod
    def of(cls, received: bytes) -> Answered:
        head, _, rest = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        status = int(first.split(" ")[1]) if first else 0
        if headers.get("transfer-encoding") != "chunked":
            return cls(status, headers, rest, len(rest) == int(headers.get("content-length", -1)))
        try:
            return cls(status, headers, dechunked(rest), True)
        except ValueError:
            return cls(status, headers, _pieces(rest), False)

    def json(self) -> Any:
        return orjson.loads(self.body)

    def events(self) -> list[Any]:
        """The data of a stream's events, parsed where they are JSON."""
        data = [
            line.removeprefix(b"data: ")
            for event in self.body.split(b"\n\n")
            for line in event.split(b"\n")
            if line.startswith(b"data:")
        ]
        return [each if each == b"[DONE]" else orjson.loads(each) for each in data]


def _pieces(data: bytes) -> bytes:
    """What there is of a chunked body without an end."""
    content = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        content += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    return content


class StageTestCase(unittest.TestCase):
    """Tests with a gateway of their own.

    :ivar upstreams: scripted providers, by name.
    """

    def setUp(self) -> None:
        # A call that has ended frees itself, by reference counts: nobody is here to help it.
        gc.collect()
        gc.freeze()  # what is there already need not be looked at
        gc.disable()
        self.addCleanup(gc.enable)
        self.addCleanup(gc.unfreeze)
        self.upstreams: dict[str, ScriptedUpstream] = {}
        self.arrivals: dict[str, list[float]] = {}

    def upstream(self, name: str) -> ScriptedUpstream:
        """A provider on loopback."""
        upstream = self.upstreams[name] = ScriptedUpstream(reactor)
        times = self.arrivals[name] = []
        next_answer = upstream.next_answer

        def noting() -> Any:
            times.append(reactor.seconds())
            return next_answer()

        upstream.next_answer = noting  # type: ignore[method-assign]
        upstream.listen()
        self.addCleanup(upstream.stop)
        return upstream

    def serve(self, config: str) -> None:
        """Serve a configuration; ``NAME_URL`` in it is the url of the upstream of that name."""
        for name, upstream in self.upstreams.items():
            config = config.replace(f"{name}_URL", upstream.url)
        path = Path(self.mktemp())
        path.write_text(config, encoding="utf-8")
        settings = load(path)
        self.clock = OwnTime()
        self.deadlines = Deadlines(self.clock)
        self.snapshot = Snapshot.build(settings, None, reactor, self.deadlines)
        self.metrics = Metrics()
        self.ledger = RememberingLedger(self.metrics, AccessLog("off", reactor), self.clock.seconds)
        self.dispatcher = RequestDispatcher(self.snapshot.served, self.ledger, self.deadlines)
        self.factory = ServerFactory(self.dispatcher, self.deadlines, ServerLimits())
        self.listener = reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        self.port = self.listener.getHost().port
        self.addCleanup(self._close)

    async def _close(self) -> None:
        self.snapshot.retire(None)
        self.factory.close_all()
        await self.listener.stopListening()
        await self.until(lambda: not self.factory.channels and not self.snapshot.upstream_connections())
        self.deadlines.stop()
        self.clock.stop()

    async def ask(self, fields: object, path: str = "/v1/chat/completions", **headers: str) -> Answered:
        """Send one request on a connection of its own, and take all of the answer."""
        client = await connect(self.port)
        client.send(post(path, fields, connection="close", **headers))
        return Answered.of(await client.closed())

    async def send(self, fields: object, path: str = "/v1/chat/completions", **headers: str) -> RawClient:
        """Send one request, and wait for nothing."""
        client = await connect(self.port)
        client.send(post(path, fields, **headers))
        return client

    async def until(self, condition: Any, seconds: float = 40.0) -> None:
        """Wait until ``condition()`` holds."""
        deadline = reactor.seconds() + seconds
        while not condition():
            self.assertLess(reactor.seconds(), deadline, "it did not come to that in time")
            await deferLater(reactor, 0.005)

    # -- what is left over

    def pools(self) -> Iterable[Any]:
        for upstream in self.snapshot.upstreams.values():
            if isinstance(upstream, HttpUpstream):
                yield upstream.pool

    def left_over(self) -> list[str]:
        """Everything that a call that is over should have given back."""
        registry = self.snapshot.health_registry
        found = [f"{self.ledger.in_flight} requests in flight"] if self.ledger.in_flight else []
        found += [
            f"{target}: {health.in_flight} in flight" for target, health in registry._health.items() if health.in_flight
        ]
        found += [f"{name}: {slots.in_flight} places" for name, slots in registry._slots.items() if slots.in_flight]
        found += [f"{name}: {slots.queued} queued" for name, slots in registry._slots.items() if slots.queued]
        for pool in self.pools():
            busy = {"busy": pool.busy_count, "queued": pool.queued_count, "dialling": pool.dialling}
            found += [f"{pool.name}: {count} {what}" for what, count in busy.items() if count]
        held = self.factory.memory.held
        found += [f"{held} bytes of bodies are counted"] if held else []
        found += self.objects()
        for bucket in self.deadlines._buckets.values():
            whose = [
                deadline._fire.__self__ for deadline in bucket if deadline._fire and hasattr(deadline._fire, "__self__")
            ]
            found += [f"a deadline of {each}" for each in whose if isinstance(each, Exchange)]
        return found

    def objects(self) -> list[str]:
        """What is there of calls; of requests only those that the test's own ledger does not remember."""
        remembered = {id(account.request) for account in self.ledger.closed}
        kept = Counter(
            type(each).__name__
            for each in gc.get_objects()
            if isinstance(each, OF_A_CALL) or (type(each) is Request and id(each) not in remembered)
        )
        return [f"{count} {name}" for name, count in kept.items()]

    async def assert_nothing_left(self) -> None:
        """At once, or as soon as the sockets have said goodbye."""
        for attempt in range(200):
            if not self.left_over():
                return
            await deferLater(reactor, 0.001 * attempt)
        self.fail(", ".join(self.left_over()))

    def outcomes(self) -> dict[tuple[str, str], float]:
        """``aigw_upstream_attempts_total``."""
        return {labels: series.value for labels, series in self.metrics._attempts._series.items()}  # type: ignore[misc]


def wait(seconds: float) -> Deferred[None]:
    """A while."""
    return deferLater(reactor, seconds, lambda: None)
