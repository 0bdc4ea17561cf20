"""The life of the process that the service manager knows: start, signals, reload, end.

Theory of operation. It is the same whether the process serves by itself (:class:`~aigw.gateway.Gateway`) or has workers
that do (:class:`~aigw.workers.parent.Parent`). Start: open every listener (a port that is taken ends the start), begin,
say READY. Reload: read and check the file in a thread (a large one takes its time, streams must not wait for it), then
have it served. Whatever fails before that leaves the old configuration as it was. Stop: drain, then end with status 0;
a second signal ends the drain at once.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

from twisted.application.service import MultiService
from twisted.internet import task, threads
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.python.failure import Failure

from aigw import __version__
from aigw.config.errors import ConfigError
from aigw.config.settings import Settings, load_served
from aigw.launch import Launch
from aigw.logs import flush_daemon_log, redactor
from aigw.metrics import Metrics
from aigw.os_error_text import os_error_text
from aigw.snapshot import secrets_of
from aigw.systemd import Notifier

#: Seconds after which what a slow reader or a busy service manager did not take is offered again.
_TRY_AGAIN = 0.5
#: Seconds behind the first signal to end in which another one is taken for the same: some programs that run others pass
#: on what the terminal has sent already, or send it to the process and to its group (GNU timeout).
SAME_SIGNAL = 0.2


class Refused(Exception):
    """A configuration that cannot be served; the message says why, a line for each reason."""


class Daemon(MultiService):
    """See the module's head; what serves is the business of those who inherit.

    :param reactor: everything's clock.
    :param settings: what is served first, checked.
    :param metrics: where reloads are counted.
    :param load: reads the file again at each reload.
    :ivar draining: whether the end has begun.
    :ivar announced: whether the start is over.
    :ivar launch: told how the start goes.
    """

    log = Logger()

    def __init__(
        self, reactor: Any, settings: Settings, metrics: Metrics, load: Callable[[str], Settings] = load_served
    ) -> None:
        super().__init__()
        self._reactor = reactor
        self._load = load
        self.settings = settings
        self.metrics = metrics
        self.notifier = Notifier()
        self.launch = Launch()
        self.draining = self.announced = self._ending = self._cut_short = False
        self._ending_since = 0.0
        self._started = self._loaded_at = time.time()
        self._reloading = self._reload_again = False
        self._last_error = ""
        self._signals: dict[int, Any] = {}
        self._beats: list[task.LoopingCall] = []

    # -- what those who inherit do

    def open(self) -> None:
        """Open the listeners that are not open yet.

        :raises CannotListenError, OSError, ValueError: one cannot be had.
        """
        raise NotImplementedError

    def begin(self) -> None:
        """The reactor runs; call :meth:`announce` when requests are answered."""
        raise NotImplementedError

    def swap(self, settings: Settings) -> Deferred[None] | None:
        """Serve ``settings``; fires when that is done.

        :raises Exception: it cannot be; what was served goes on being served.
        """
        raise NotImplementedError

    def reopen(self) -> None:
        """The access log's file was renamed: begin a new one."""
        raise NotImplementedError

    def stop_accepting(self) -> None:
        """The end begins: leave who connects from now on to whoever comes after this process."""
        raise NotImplementedError

    def drain(self) -> Deferred[Any]:
        """Let what is under way end, for as long as it may take; then let go of everything."""
        raise NotImplementedError

    def cut_short(self) -> None:
        """Wait no longer for what is under way; before or in :meth:`drain`."""
        raise NotImplementedError

    def addresses(self) -> dict[str, str]:
        """Where each listener listens, by its description."""
        raise NotImplementedError

    def alive(self) -> bool:
        """Whether the service manager may be told that all is well; the event loop turns."""
        return True

    # -- start

    def privilegedStartService(self) -> None:
        """Open the ports, while a daemon that was started as root still may.

        :raises SystemExit: one cannot be had; whoever started the daemon was told which.
        """
        try:
            self.open()
        except (CannotListenError, OSError, ValueError) as error:
            self.launch.failed(f"{self._path}: {os_error_text(error)}")
            raise SystemExit(1) from None
        super().privilegedStartService()

    def startService(self) -> None:
        """Begin to serve."""
        self.open()
        # Either would end the process as long as nobody has said what to do about it.
        self._on_signal(signal.SIGHUP, self.reload)
        self._on_signal(signal.SIGUSR1, self.reopen)
        self._publish(self.settings)
        self.metrics.reloaded(True, self._loaded_at, self.settings.sha256)
        super().startService()
        # The reactor installs its own functions for the other signals when it starts; ours come after them.
        self._reactor.callWhenRunning(self._running)

    def _running(self) -> None:
        # Twisted would end by raising the signal on itself; a drained gateway ends with status 0.
        self._on_signal(signal.SIGTERM, self.end)
        self._on_signal(signal.SIGINT, self.end)
        self.every(_TRY_AGAIN, self._try_again)
        if self.notifier.watchdog_interval:
            self.every(self.notifier.watchdog_interval / 2, self._watchdog)
        self.begin()

    def _try_again(self) -> None:
        flush_daemon_log()
        self.notifier.send_waiting()

    def _watchdog(self) -> None:
        if self.alive():
            self.notifier.watchdog()

    def announce(self) -> None:
        """Everything listens and is answered: say so in the log, and to the service manager."""
        where = ", ".join(self.addresses().values())
        self.log.info("aigw {version} serves {config} on {where}", version=__version__, config=self._path, where=where)
        self.notifier.ready(self.status())
        self.announced = True
        self.launch.serves()
        self._reload_once_more()

    def _on_signal(self, number: int, act: Callable[[], object]) -> None:
        def told(_number: int, _frame: Any) -> None:
            self._reactor.callFromThread(act)

        previous = signal.signal(number, told)
        self._signals.setdefault(number, previous)

    def every(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something again and again, until the end."""
        beat = task.LoopingCall(act)
        beat.clock = self._reactor
        beat.start(seconds, now=False)
        self._beats.append(beat)

    @property
    def _path(self) -> str:
        return str(self.settings.path)

    # -- reload

    def reload(self) -> None:
        """Read the file again; SIGHUP. Signals that come meanwhile, or during the start, make one more after it."""
        if self._reloading or not self.announced:
            self._reload_again = True
            return
        if not self.running or self.draining:
            return
        self._reloading = True
        self.notifier.reloading()
        reloading: Deferred[None] = self._reload()
        reloading.addErrback(self._keep)
        reloading.addBoth(self._reloaded)

    @inlineCallbacks
    def _reload(self) -> Any:
        pool = self._reactor.getThreadPool()
        settings = yield threads.deferToThreadPool(self._reactor, pool, self._load, self._path)
        if self.draining:
            return
        yield self.swap(settings)
        self.settings = settings
        self._publish(settings)
        self._loaded_at, self._last_error = time.time(), ""
        self.metrics.reloaded(True, self._loaded_at, settings.sha256)
        self.log.info("reloaded {config}", config=self._path)

    def _keep(self, failure: Failure) -> None:
        """The old configuration stays; say why the new one did not come."""
        self.metrics.reloaded(False, time.time(), "")
        text = os_error_text(failure.value)
        self._last_error = text
        for line in text.splitlines():
            self.log.error("reload refused, the old configuration stays: {line}", line=line)
        if not failure.check(CannotListenError, ConfigError, OSError, Refused):
            self.log.failure("reload failed", failure)

    def _reloaded(self, _result: object) -> None:
        self._reloading = False
        if self.draining:
            return
        self.notifier.ready(self.status())
        self._reload_once_more()

    def _reload_once_more(self) -> None:
        if self._reload_again:
            self._reload_again = False
            self.reload()

    def _publish(self, settings: Settings) -> None:
        redactor.replace(secrets_of(settings))
        for warning in settings.warnings:
            self.log.warn("{warning}", warning=str(warning))

    # -- stop

    def end(self) -> None:
        """Have the process drain and end; SIGTERM or Ctrl-C. A second one has it drain no longer."""
        now = self._reactor.seconds()
        if not self._ending:
            self._ending = self.draining = True
            self._ending_since = now
            self.stop_accepting()
            self._reactor.stop()
        elif not self._cut_short and now - self._ending_since > SAME_SIGNAL:
            self._cut_short = True
            self.log.warn("a second signal to end: the drain ends now, and what is still in flight is cut")
            self.cut_short()

    @inlineCallbacks
    def stopService(self) -> Any:
        """Drain, then stop (contract section 5)."""
        self.notifier.stopping()
        self.draining = True
        self.log.info("stopping; a second Ctrl-C or SIGTERM ends the drain at once")
        yield self.drain()
        self.notifier.send_waiting()
        for beat in self._beats:
            if beat.running:
                beat.stop()
        self._restore_signals()
        yield super().stopService()

    def _restore_signals(self) -> None:
        for number, previous in self._signals.items():
            if number not in (signal.SIGTERM, signal.SIGINT) and previous is not None:
                signal.signal(number, previous)
        self._signals.clear()

    # -- what is told about it

    def facts(self) -> dict[str, Any]:
        """The first lines of the status page; no secrets among them."""
        return {
            "version": __version__,
            "configuration": self._path,
            "sha256": self.settings.sha256,
            "loaded": self._loaded_at,
            "started": self._started,
            "last reload error": self._last_error,
            "listeners": self.addresses(),
        }

    def status(self) -> str:
        """One line for ``systemctl status``."""
        settings = self.settings
        line = f"{len(settings.routes)} routes, {len(settings.backends)} backends, {len(settings.consumers)} consumers"
        if self._last_error:
            line += f"; last reload refused: {self._last_error.splitlines()[0]}"
        return line
