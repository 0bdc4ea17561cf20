"""What serves one configuration in one process: the snapshot, the dispatcher, connections, metrics, the access log.

Theory of operation. A change of configuration has two steps, so that several processes can take it together or not
at all: :meth:`Serving.prepare` builds the snapshot on top of the served one and opens the listeners that are new, which
may fail and touches nothing that serves; :meth:`Serving.commit` swaps with one assignment. :meth:`Serving.drop` forgets
what was prepared. The end has one: :meth:`Serving.drain`, which :meth:`Serving.cut_short` ends early.
"""

from __future__ import annotations

import gc
import socket
import sys
from collections.abc import Mapping
from typing import Any

import attrs
from twisted.internet import task
from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from aigw.config.settings import Settings
from aigw.errors import Overloaded
from aigw.http.deadlines import Deadlines
from aigw.http.listeners import Listen, Listeners
from aigw.http.liveness import silence_of, watch
from aigw.http.server import ServerFactory, ServerLimits
from aigw.listener_factories import furnished
from aigw.log_output import writer_thread
from aigw.logs import AccessLog, daemon_log_lost
from aigw.metrics import Metrics
from aigw.proxy.account import Ledger
from aigw.proxy.offload import SWITCH_INTERVAL, THREADS, Offload
from aigw.shared_counters import SharedCounters
from aigw.snapshot import Snapshot
from aigw.web.dispatcher import RequestDispatcher

#: Seconds that what was cut has to get out.
_CUT_GRACE = 0.2


@attrs.frozen(eq=False)
class Prepared:
    """A configuration that is ready to be served.

    :ivar opened: the listeners that were opened for it.
    """

    snapshot: Snapshot
    wanted: Mapping[str, Factory]
    opened: list[str]


class Serving:
    """See the module's head.

    :param reactor: everything's clock and network.
    :param settings: checked; what is served first.
    :param listen: opens listeners.
    :raises ConfigError: the settings do not compile, such as two routes that cannot be told apart.
    :raises OSError: the access log cannot be opened.
    """

    log = Logger()

    def __init__(self, reactor: Any, settings: Settings, listen: Listen) -> None:
        self._reactor = reactor
        self.deadlines = Deadlines(reactor)
        self.metrics = Metrics()
        self.access_log = AccessLog(settings.server.access_log, reactor, writer_thread)
        self.snapshot = Snapshot.build(settings, None, reactor, self.deadlines)
        ledger = Ledger(self.metrics, self.access_log, reactor.seconds)
        self.dispatcher = RequestDispatcher(self.snapshot.served, ledger, self.deadlines)
        self._threads = ThreadPool(0, THREADS, "large bodies")
        self.dispatcher.offload = Offload(self._threads, reactor.callFromThread)
        self.factory = ServerFactory(self.dispatcher, self.deadlines, _limits(settings))
        self.memory = self.factory.memory
        self.memory.most = settings.server.max_memory
        self.listeners = Listeners(listen, watched)
        self._admin: Any = None
        self._lag: task.LoopingCall | None = None
        self._drained: Deferred[None] | None = None
        self._hurried = False
        self._watch_connections()

    def share(self, shared_counters: SharedCounters) -> None:
        """Limits are those of all processes that share ``shared_counters``."""
        self.dispatcher.ledger.shared_counters = self.factory.shared_counters = shared_counters

    def share_consumers(self, rows: dict[str, int]) -> None:
        """Which row of the shared counters each consumer has."""
        ledger = self.dispatcher.ledger
        if ledger.shared_counters is not None:
            ledger.shared_counters.rows = rows
            for name in rows:
                ledger.shared_counters.put_consumer(name, ledger.flights.get(name, 0))

    @property
    def settings(self) -> Settings:
        """What is served."""
        return self.snapshot.settings

    def administer(self, admin: Any) -> None:
        """Have ``admin``, a factory, answer on the admin listener; without it that one is not opened."""
        self._admin = admin

    def open(self) -> None:
        """Open the listeners of what is served that are not open yet.

        :raises Exception: one cannot be had; none was opened then.
        """
        self.listeners.open(self._wanted(self.settings))

    def _wanted(self, settings: Settings) -> dict[str, Factory]:
        wanted: dict[str, Factory] = dict.fromkeys(settings.server.listen, self.factory)
        if settings.server.admin != "off" and self._admin is not None:
            wanted[settings.server.admin] = self._admin
        directory, files = settings.directory, settings.listener_files
        return {name: furnished(name, factory, directory, files) for name, factory in wanted.items()}

    def begin(self) -> None:
        """The reactor runs: watch how well it does, and look for garbage rarely."""
        self._lag = task.LoopingCall(self._look)
        self._lag.clock = self._reactor
        self._due = self._reactor.seconds() + 1.0
        self._lag.start(1.0, now=False)
        # What was built until now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        self._threads.start()
        sys.setswitchinterval(SWITCH_INTERVAL)
        # Finished requests free themselves, by reference counts; cycles are rare, so look for them rarely.
        gc.set_threshold(20_000, 20, 20)

    def _look(self) -> None:
        """Once a second: is the event loop late, is memory short?"""
        now = self._reactor.seconds()
        self.metrics.loop_lag.observe(max(0.0, now - self._due))
        self._due = now + 1.0
        short = not self.memory.look()
        if short is not self.dispatcher.short_of_memory:
            self.dispatcher.short_of_memory = short
            if short:
                self.log.warn(
                    "refusing new requests: {memory} bytes are more than max_memory, after all that is free was given "
                    "back; {held} of them are bodies under way",
                    memory=self.memory.resident,
                    held=self.memory.held,
                )
            else:
                self.log.info("taking requests again: memory is below max_memory")

    def _watch_connections(self) -> None:
        self.metrics.connections("downstream").read = lambda: len(self.factory.channels)
        self.metrics.connections("upstream").read = lambda: self.snapshot.upstream_connections()
        self.metrics.log_dropped.read = lambda: self.access_log.dropped
        self.metrics.daemon_log_dropped.read = daemon_log_lost
        self._watch_breakers()

    def _watch_breakers(self) -> None:
        registry, seconds = self.snapshot.health_registry, self._reactor.seconds
        for backend in self.snapshot.breakers():
            self.metrics.breaker(backend).read = lambda backend=backend: registry.is_out(backend, seconds())

    # -- another configuration

    def prepare(self, settings: Settings) -> Prepared:
        """Build everything for ``settings``; what serves stays as it is.

        :raises ConfigError: the settings do not compile.
        :raises Exception: a listener cannot be opened.
        """
        snapshot = Snapshot.build(settings, self.snapshot, self._reactor, self.deadlines)
        try:
            wanted = self._wanted(settings)
            opened = self.listeners.open(wanted)
        except Exception:
            snapshot.retire(self.snapshot)
            raise
        return Prepared(snapshot, wanted, opened)

    def drop(self, prepared: Prepared) -> None:
        """It will not be served."""
        self.listeners.close(prepared.opened)
        prepared.snapshot.retire(self.snapshot)

    def commit(self, prepared: Prepared) -> None:
        """Serve it from the next request on.

        :raises OSError: the access log cannot be opened; nothing has changed then.
        """
        previous, settings = self.snapshot, prepared.snapshot.settings
        self.access_log.switch(settings.server.access_log)
        self.snapshot = prepared.snapshot
        self.dispatcher.served = prepared.snapshot.served
        self.factory.limits = _limits(settings)
        self.memory.most = settings.server.max_memory
        self.listeners.switch(prepared.wanted)
        previous.retire(self.snapshot)
        self._watch_breakers()

    # -- the end

    def stop_accepting(self) -> None:
        """From now on, leave who connects to whoever else accepts on these sockets, or will: a successor that systemd
        starts, or another worker. The admin listener stays open."""
        self.listeners.pause(self._public())

    def _public(self) -> list[str]:
        admin = self.settings.server.admin
        return [name for name in self.listeners.addresses() if name != admin]

    @inlineCallbacks
    def drain(self) -> Any:
        """Stop accepting, let every connection end after its response, cut what is left after ``drain_timeout``.

        What was accepted is served, as long as that lasts: it cannot be given back to the kernel.
        """
        seconds = 0.0 if self._hurried else self.settings.server.drain_timeout
        self.log.info(
            "draining: {connections} connections, {requests} requests in flight, {seconds:g} s at most",
            connections=len(self.factory.channels),
            requests=self.dispatcher.ledger.in_flight,
            seconds=seconds,
        )
        yield self.listeners.close(self._public())
        self._drained = self.factory.drain()
        self._drained.addTimeout(seconds, self._reactor, lambda _result, _seconds: None)
        yield self._drained.addErrback(lambda failure: failure.trap(CancelledError))
        if self.factory.channels:
            self.log.warn("cutting {count} connections after the drain", count=len(self.factory.channels))
            self.factory.cut_all(Overloaded("the gateway is shutting down", code="draining"))
            yield task.deferLater(self._reactor, _CUT_GRACE, lambda: None)
            self.factory.close_all()

    def cut_short(self) -> None:
        """Wait no longer in :meth:`drain`, whether that has begun or not."""
        self._hurried = True
        if self._drained is not None:
            self._drained.cancel()

    def end(self) -> Deferred[Any]:
        """After the drain: let go of everything."""
        if self._lag is not None and self._lag.running:
            self._lag.stop()
        self.snapshot.retire(None)
        if self._threads.started:
            self._threads.stop()
        self.access_log.close()
        self.deadlines.stop()
        return self.listeners.close(list(self.listeners.addresses()))

    # -- what is told about it

    def overview(self) -> dict[str, Any]:
        """Facts for the status page; no secrets among them."""
        return {
            "connections": len(self.factory.channels),
            "requests in flight": self.dispatcher.ledger.in_flight,
            **self.snapshot.overview(),
            "targets": self.snapshot.health_registry.overview(self._reactor.seconds()),
        }


def watched(sock: socket.socket) -> None:
    """Have clients that vanish noticed, after the time for which one may take nothing of its response."""
    watch(sock, silence_of(ServerLimits().write_stall))


def _limits(settings: Settings) -> ServerLimits:
    return ServerLimits(body=settings.server.max_request_body, max_connections=settings.server.max_connections)
