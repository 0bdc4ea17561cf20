"""The gateway as a service: start, reload on SIGHUP, drain, stop. The only module that knows the order of things.

Theory of operation. Start: compile the settings, open every listener (a port that is taken ends the start), say
READY. Reload: read and check the file in a thread (a large one takes its time, streams must not wait for it), then
on the event loop open the listeners that are new, build the snapshot on top of the old one, swap it in with one
assignment, close what is no longer wanted. Whatever fails before the swap leaves the old configuration as it was.
Stop: refuse, stop accepting, let every connection end after its response, wait for the last up to
``drain_timeout``, cut what is left.
"""

from __future__ import annotations

import gc
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from twisted.application.service import MultiService
from twisted.internet import task, threads
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from aigw import __version__
from aigw.config.errors import ConfigError
from aigw.config.settings import Settings, load
from aigw.errors import Overloaded
from aigw.http.deadlines import Deadlines
from aigw.http.server import ServerFactory, ServerLimits
from aigw.logs import AccessLog, redactor
from aigw.metrics import Metrics
from aigw.proxy.account import Ledger
from aigw.snapshot import Snapshot
from aigw.systemd import Notifier
from aigw.web.admin import AdminRoot, AdminSite
from aigw.web.site import FrontDoor

#: Seconds that what was cut has to get out.
_CUT_GRACE = 0.2


class Listeners:
    """The open ports, by their endpoint descriptions.

    :param reactor: listens.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._ports: dict[str, IListeningPort] = {}

    def open(self, wanted: dict[str, Factory]) -> list[str]:
        """Open those of ``wanted`` that are not open yet: all of them, or none.

        :returns: the descriptions that were opened.
        :raises Exception: what the first failing one raised, such as CannotListenError.
        """
        opened: list[str] = []
        try:
            for description, factory in wanted.items():
                if description not in self._ports:
                    self._ports[description] = self._listen(description, factory)
                    opened.append(description)
        except Exception:
            self.close(opened)
            raise
        return opened

    def _listen(self, description: str, factory: Factory) -> IListeningPort:
        results: list[Any] = []
        listening = serverFromString(self._reactor, description).listen(factory)
        listening.addBoth(results.append)
        if not results:
            raise RuntimeError(f"listener {description} did not open at once")
        if isinstance(results[0], Failure):
            results[0].raiseException()
        port: IListeningPort = results[0]
        return port

    def close(self, descriptions: list[str]) -> Deferred[Any]:
        """Stop accepting on these; fires when they are closed."""
        ports = [self._ports.pop(description) for description in descriptions if description in self._ports]
        return DeferredList([maybeDeferred(port.stopListening) for port in ports], consumeErrors=True)

    def close_except(self, wanted: dict[str, Factory]) -> Deferred[Any]:
        """Close all that are not in ``wanted``."""
        return self.close([description for description in self._ports if description not in wanted])

    def addresses(self) -> dict[str, str]:
        """Where each one listens, for the status page and the log."""
        return {description: _shown(port.getHost()) for description, port in self._ports.items()}


class Gateway(MultiService):
    """One process that serves one configuration file.

    :param reactor: everything's clock and network.
    :param settings: checked.
    :raises ConfigError: the settings do not compile, such as two routes that cannot be told apart.
    """

    log = Logger()

    def __init__(self, reactor: Any, settings: Settings) -> None:
        super().__init__()
        self._reactor = reactor
        self.deadlines = Deadlines(reactor)
        self.metrics = Metrics()
        self.notifier = Notifier()
        self.access_log = AccessLog(settings.server.access_log, reactor)
        self.snapshot = Snapshot.build(settings, None, reactor, self.deadlines)
        ledger = Ledger(self.metrics, self.access_log, reactor.seconds)
        self.front_door = FrontDoor(self.snapshot.served, ledger, self.deadlines)
        self.factory = ServerFactory(self.front_door, self.deadlines, _limits(settings))
        self.listeners = Listeners(reactor)
        self._admin = AdminSite(AdminRoot(self.metrics, self))
        self._started = time.time()
        self._reloading = self._reload_again = False
        self._last_error = ""
        self._loaded_at = time.time()
        self._signals: dict[int, Any] = {}
        self._beats: list[task.LoopingCall] = []
        self._watch_connections()

    # -- start

    def privilegedStartService(self) -> None:
        """Open the ports, while a daemon that was started as root still may.

        :raises SystemExit: one cannot be had; stderr says which.
        """
        try:
            self.listeners.open(self._wanted(self.snapshot.settings))
        except (CannotListenError, OSError, ValueError) as error:
            (sys.__stderr__ or sys.stderr).write(f"{self._path}: cannot listen: {error}\n")
            raise SystemExit(1) from None
        super().privilegedStartService()

    def startService(self) -> None:
        """Begin to serve."""
        self.listeners.open(self._wanted(self.snapshot.settings))
        self._publish(self.snapshot.settings)
        self.metrics.reloaded(True, self._loaded_at, self.snapshot.settings.sha256)
        super().startService()
        # The reactor installs its own signal functions when it starts; ours come after them.
        self._reactor.callWhenRunning(self._running)

    def _running(self) -> None:
        self._on_signal(signal.SIGHUP, self.reload)
        self._on_signal(signal.SIGUSR1, self.access_log.reopen)
        # Twisted would end by raising the signal on itself; a drained gateway ends with status 0.
        self._on_signal(signal.SIGTERM, self._reactor.stop)
        self._on_signal(signal.SIGINT, self._reactor.stop)
        self._beat(self._measure_lag, 1.0)
        if self.notifier.watchdog_interval:
            self._beat(self.notifier.watchdog, self.notifier.watchdog_interval / 2)
        # What was built until now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        # Finished requests free themselves, by reference counts; cycles are rare, so look for them rarely.
        gc.set_threshold(20_000, 20, 20)
        where = ", ".join(self.listeners.addresses().values())
        self.log.info("aigw {version} serves {config} on {where}", version=__version__, config=self._path, where=where)
        self.notifier.ready(self._status())

    def _on_signal(self, number: int, act: Callable[[], object]) -> None:
        def told(_number: int, _frame: Any) -> None:
            self._reactor.callFromThread(act)

        previous = signal.signal(number, told)
        self._signals.setdefault(number, previous)

    def _beat(self, act: Callable[[], object], seconds: float) -> None:
        beat = task.LoopingCall(act)
        beat.clock = self._reactor
        beat.start(seconds, now=False)
        self._beats.append(beat)
        self._due = self._reactor.seconds() + 1.0

    def _measure_lag(self) -> None:
        now = self._reactor.seconds()
        self.metrics.loop_lag.observe(max(0.0, now - self._due))
        self._due = now + 1.0

    def _watch_connections(self) -> None:
        self.metrics.connections("downstream").read = lambda: len(self.factory.channels)
        self.metrics.connections("upstream").read = lambda: self.snapshot.upstream_connections()
        self.metrics.log_dropped.read = lambda: self.access_log.dropped

    @property
    def _path(self) -> str:
        return str(self.snapshot.settings.path)

    def _wanted(self, settings: Settings) -> dict[str, Any]:
        wanted: dict[str, Any] = dict.fromkeys(settings.server.listen, self.factory)
        if settings.server.admin != "off":
            wanted[settings.server.admin] = self._admin
        return wanted

    # -- reload

    def reload(self) -> None:
        """Read the file again; SIGHUP. Signals that come meanwhile make one more reload after this one."""
        if self._reloading:
            self._reload_again = True
            return
        if not self.running or self.front_door.draining:
            return
        self._reloading = True
        self.notifier.reloading()
        loading = threads.deferToThreadPool(self._reactor, self._reactor.getThreadPool(), load, self._path)
        loading.addCallback(self._swap)
        loading.addErrback(self._keep)
        loading.addBoth(self._reloaded)

    def _swap(self, settings: Settings) -> None:
        if self.front_door.draining:
            return
        previous = self.snapshot
        snapshot = Snapshot.build(settings, previous, self._reactor, self.deadlines)
        wanted = self._wanted(settings)
        opened = self.listeners.open(wanted)
        try:
            self.access_log.switch(settings.server.access_log)
        except OSError:
            self.listeners.close(opened)
            raise
        self.snapshot = snapshot
        self.front_door.served = snapshot.served
        self.factory.limits = _limits(settings)
        self.listeners.close_except(wanted)
        previous.retire(snapshot)
        self._publish(settings)
        self._loaded_at, self._last_error = time.time(), ""
        self.metrics.reloaded(True, self._loaded_at, settings.sha256)
        self.log.info("reloaded {config}", config=self._path)

    def _keep(self, failure: Failure) -> None:
        """The old configuration stays; say why the new one did not come."""
        self.metrics.reloaded(False, time.time(), "")
        text = str(failure.value) if failure.check(ConfigError) else failure.getErrorMessage()
        self._last_error = text
        for line in text.splitlines():
            self.log.error("reload refused, the old configuration stays: {line}", line=line)
        if not failure.check(ConfigError, OSError):
            self.log.failure("reload failed", failure)

    def _reloaded(self, _result: object) -> None:
        self._reloading = False
        self.notifier.ready(self._status())
        if self._reload_again:
            self._reload_again = False
            self.reload()

    def _publish(self, settings: Settings) -> None:
        redactor.replace(self.snapshot.secrets())
        for warning in settings.warnings:
            self.log.warn("{warning}", warning=str(warning))

    # -- stop

    def stopService(self) -> Deferred[Any]:
        """Drain, then stop (contract section 5)."""
        return self._drain()

    @inlineCallbacks
    def _drain(self) -> Any:
        self.notifier.stopping()
        self.front_door.draining = True
        seconds = self.snapshot.settings.server.drain_timeout
        admin = self.snapshot.settings.server.admin
        serving = [name for name in self.listeners.addresses() if name != admin]
        self.log.info(
            "draining: {connections} connections, {requests} requests in flight, {seconds:g} s at most",
            connections=len(self.factory.channels),
            requests=self.front_door.ledger.in_flight,
            seconds=seconds,
        )
        yield self.listeners.close(serving)
        drained = self.factory.drain()
        drained.addTimeout(seconds, self._reactor, lambda _result, _seconds: None)
        yield drained
        if self.factory.channels:
            self.log.warn("cutting {count} connections after the drain", count=len(self.factory.channels))
            self.factory.cut_all(Overloaded("the gateway is shutting down", code="draining"))
            yield task.deferLater(self._reactor, _CUT_GRACE, lambda: None)
            self.factory.close_all()
        yield self.listeners.close([admin])
        for beat in self._beats:
            if beat.running:
                beat.stop()
        self.snapshot.retire(None)
        self.access_log.close()
        self.deadlines.stop()
        self._restore_signals()
        yield super().stopService()

    def _restore_signals(self) -> None:
        for number, previous in self._signals.items():
            if number not in (signal.SIGTERM, signal.SIGINT) and previous is not None:
                signal.signal(number, previous)
        self._signals.clear()

    # -- what the admin site shows

    def ready(self) -> tuple[bool, str]:
        """Whether traffic should be sent here, and if not, why."""
        if self.front_door.draining:
            return False, "draining"
        if not self.snapshot.settings.routes:
            return False, "no routes"
        return True, "ready"

    def overview(self) -> dict[str, Any]:
        """The status page's facts; no secrets among them."""
        return {
            "version": __version__,
            "configuration": self._path,
            "sha256": self.snapshot.settings.sha256,
            "loaded": self._loaded_at,
            "started": self._started,
            "last reload error": self._last_error,
            "listeners": self.listeners.addresses(),
            "connections": len(self.factory.channels),
            "requests in flight": self.front_door.ledger.in_flight,
            **self.snapshot.overview(),
        }

    def _status(self) -> str:
        """One line for ``systemctl status``."""
        settings = self.snapshot.settings
        line = f"{len(settings.routes)} routes, {len(settings.backends)} backends, {len(settings.consumers)} consumers"
        if self._last_error:
            line += f"; last reload refused: {self._last_error.splitlines()[0]}"
        return line


def _limits(settings: Settings) -> ServerLimits:
    return ServerLimits(body=settings.server.max_request_body, max_connections=settings.server.max_connections)


def _shown(address: Any) -> str:
    """An address as people write it."""
    host = getattr(address, "host", None)
    if host is None:
        name = getattr(address, "name", address)
        return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
