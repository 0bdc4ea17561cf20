"""The daemon that has workers: configuration, signals, listening sockets, admin site, access log; it serves nobody."""

from __future__ import annotations

import atexit
import os
import pickle
import sys
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks
from twisted.internet.protocol import Factory

from aigw.config.errors import ConfigError
from aigw.config.settings import Settings, load_served
from aigw.daemon import Daemon
from aigw.http.listeners import Listeners, endpoints
from aigw.listener_factories import furnished
from aigw.log_output import writer_thread
from aigw.logs import AccessLog, daemon_log_lost, settle_daemon_log
from aigw.metrics import Metrics
from aigw.routing.admission import address_groups
from aigw.serving import watched
from aigw.shared_counters import SharedCounters, make_memory, with_rows
from aigw.snapshot import check
from aigw.web.admin import AdminRoot
from aigw.web.admin_site import AdminSite
from aigw.workers.overview import together
from aigw.workers.process import WorkerProcess, command
from aigw.workers.sockets import Reserved, reserving
from aigw.workers.supervisor import WorkerSlot, WorkerSupervisor
from aigw.workers.totals import Totals
from aigw.workers.two_phase_reload import ConfigUpdate

#: Seconds that a scrape, or the status page, waits for a worker.
_ANSWER = 2.0


def worker_count(settings: Settings) -> int:
    """How many processes ``settings`` ask for; 1 is one without workers, "auto" one for each core that may be used."""
    workers = settings.server.workers
    return len(os.sched_getaffinity(0)) if workers == "auto" else workers


class Parent(Daemon):
    """See the module's head.

    :param reactor: everything's clock and network.
    :param settings: checked.
    :param load: see :class:`~aigw.daemon.Daemon`.
    :raises ConfigError: the settings do not compile, such as two routes that cannot be told apart.
    :raises OSError: the access log cannot be opened.
    """

    def __init__(self, reactor: Any, settings: Settings, load: Callable[[str], Settings] = load_served) -> None:
        super().__init__(reactor, settings, Metrics(), load)
        _check(settings)
        count = worker_count(settings)
        self._gave_up = False
        self._workers_asked = settings.server.workers
        self._ports = Listeners(reserving(reactor, count), watched)
        self._admin_port = Listeners(endpoints(reactor), watched)
        self._admin = AdminSite(AdminRoot(self, self))
        self.access_log = AccessLog(settings.server.access_log, reactor, writer_thread)
        self.metrics.log_dropped.read = lambda: self.access_log.dropped
        self.metrics.daemon_log_dropped.read = daemon_log_lost
        self._totals = Totals(self.metrics)
        self._command = lambda number: command(number, type(reactor).__module__)
        self._memory = make_memory(count)
        self._shared_counters = SharedCounters(self._memory, count, 0)
        self.supervisor = WorkerSupervisor(
            reactor, count, self._spawn, self._worker_ended, self._workers_changed, self._give_up, self._memory
        )
        self.metrics.watch_workers(lambda: len(self.supervisor.ready()))
        for slot in self.supervisor.slots:
            self._watch(slot)

    def _watch(self, slot: WorkerSlot) -> None:
        self.metrics.watch_worker(slot.number, lambda: slot.beat().memory, lambda: slot.beat().cpu)

    # -- start

    def open(self) -> None:
        """See :class:`~aigw.daemon.Daemon`."""
        self._ports.open(_wanted(self.settings))
        self._admin_port.open(self._wanted_admin(self.settings))

    def _wanted_admin(self, settings: Settings) -> dict[str, Factory]:
        admin = settings.server.admin
        if admin == "off":
            return {}
        factory: Any = self._admin
        return {admin: furnished(admin, factory, settings.directory, settings.listener_files)}

    def begin(self) -> None:
        """See :class:`~aigw.daemon.Daemon`."""
        self.supervisor.start(self._config_update(self.settings), self._reserved(self.settings.server.listen))

    def _config_update(self, settings: Settings) -> ConfigUpdate:
        all_count = settings.server.max_in_flight > 0  # whose share of it is used up
        limited = [name for name, consumer in settings.consumers.items() if consumer.max_in_flight or all_count]
        if all_count:
            limited = [*address_groups(), *limited]
        self._shared_counters.rows = with_rows(self._shared_counters.rows, limited)
        return ConfigUpdate(_packed(settings), self._shared_counters.rows)

    def _reserved(self, wanted: Iterable[str]) -> dict[str, Reserved]:
        ports = self._ports.ports(wanted)
        return {description: port for description, port in ports.items() if isinstance(port, Reserved)}

    def _spawn(self, number: int) -> WorkerProcess:
        process = WorkerProcess(number, self._reactor.seconds, self.access_log.pass_on, self.access_log.lose)
        process.start(self._reactor, self._command(number))
        return process

    # -- what becomes of workers

    def _workers_changed(self) -> None:
        if self.draining:
            return
        if self.announced:
            self.notifier.status(self.status())
        elif self.supervisor.complete():
            self.announce()

    def _worker_ended(self, process: WorkerProcess, reason: str) -> None:
        self._totals.ended(process)
        self._shared_counters.wipe(process.number - 1)
        self.metrics.worker_restarted(reason)

    def _give_up(self) -> None:
        """The start has failed: end as a daemon does whose start fails, with status 1."""
        if self.draining or self._gave_up:
            return
        self._gave_up = True
        self.log.critical("the workers do not start; see above")
        self.launch.gone("the workers do not start; the log says why")
        _end_with_status_1()
        self.end()

    def alive(self) -> bool:
        """A hung worker is the supervisor's business; the service manager's is that nobody serves, or that we hang."""
        return self.supervisor.lively()

    # -- reload

    @inlineCallbacks
    def swap(self, settings: Settings) -> Any:
        """See :class:`~aigw.daemon.Daemon`. All workers swap, or none."""
        _check(settings)
        wanted, wanted_admin = _wanted(settings), self._wanted_admin(settings)
        opened = self._ports.open(wanted, self._admin_port.ports().values())
        opened_admin: list[str] = []
        try:
            opened_admin = self._admin_port.open(wanted_admin, self._ports.ports().values())
            yield self.supervisor.prepare(self._config_update(settings), self._reserved(wanted), opened)
            self.access_log.switch(settings.server.access_log)
        except Exception:
            self._admin_port.close(opened_admin)
            self._ports.close(opened)
            self.supervisor.drop()
            raise
        yield self.supervisor.commit(self._reserved(wanted))
        self._ports.switch(wanted)
        self._admin_port.switch(wanted_admin)
        if settings.server.workers != self._workers_asked:
            self.log.warn("workers has changed: that takes a restart; until then there are as many as before")

    def reopen(self) -> None:
        """See :class:`~aigw.daemon.Daemon`. The file is the parent's alone."""
        self.access_log.reopen()

    # -- stop

    def stop_accepting(self) -> None:
        """See :class:`~aigw.daemon.Daemon`. The workers accept; they stop as soon as they are told to drain."""

    @inlineCallbacks
    def drain(self) -> Any:
        """See :class:`~aigw.daemon.Daemon`."""
        self.log.info("draining {count} workers", count=len(list(self.supervisor.processes())))
        stopping = self.supervisor.stop(self.settings.server.drain_timeout)
        yield self._ports.close(list(self._ports.ports()))
        yield stopping
        yield self._admin_port.close(list(self._admin_port.ports()))
        self.access_log.close()

    def cut_short(self) -> None:
        """See :class:`~aigw.daemon.Daemon`."""
        self.supervisor.cut_short()

    # -- what the admin site shows

    def addresses(self) -> dict[str, str]:
        """See :class:`~aigw.daemon.Daemon`."""
        return {**self._ports.addresses(), **self._admin_port.addresses()}

    def ready(self) -> tuple[bool, str]:
        """Whether traffic should be sent here, and if not, why."""
        if self.draining:
            return False, "draining"
        if not self.settings.routes:
            return False, "no routes"
        if not self.supervisor.first_complete():
            return False, "starting"
        if not self.supervisor.lively():
            return False, "no worker"
        return True, "ready"

    def healthy(self) -> tuple[bool, str]:
        """Whether restarting the daemon would not help: workers serve, or are only just starting."""
        return (
            (True, "ok") if self.supervisor.lively() or not self.supervisor.first_complete() else (False, "no worker")
        )

    @inlineCallbacks
    def overview(self) -> Any:
        """The status page's facts, of all workers together and of each; no secrets among them."""
        answers = yield self._ask_all("overview")
        facts = {process.number: orjson.loads(answer) for process, answer in answers.items()}
        return {**self.facts(), "workers": self.supervisor.overview(), **together(facts)}

    @inlineCallbacks
    def render(self) -> Any:
        """All metrics: this process's and the workers' together, in Prometheus' text format."""
        answers = yield self._ask_all("metrics")
        for process in self.supervisor.processes():
            if process in answers:  # not its predecessor, nor one that has ended meanwhile
                self._totals.told(process, answers[process])
        return self._totals.render()

    @inlineCallbacks
    def _ask_all(self, verb: str) -> Any:
        """What those workers answer that answer in time."""
        processes = self.supervisor.answering()
        asked: list[Deferred[bytes]] = [
            process.link.ask(verb).addTimeout(_ANSWER, self._reactor) for process in processes
        ]
        results = yield DeferredList(asked, consumeErrors=True)
        return {process: answer for process, (good, answer) in zip(processes, results, strict=True) if good}

    def status(self) -> str:
        """One line for ``systemctl status``."""
        return f"{len(self.supervisor.ready())} of {len(self.supervisor.slots)} workers, {super().status()}"


def _check(settings: Settings) -> None:
    problems = check(settings)
    if problems:
        raise ConfigError(problems)


def _wanted(settings: Settings) -> dict[str, Factory]:
    # The factory is never asked for a connection; a quiet one, since ports tell when theirs starts.
    factory = Factory()
    factory.noisy = False
    return dict.fromkeys(settings.server.listen, factory)


def _packed(settings: Settings) -> bytes:
    """For the workers, secrets included: it goes over the link alone, and is written down nowhere."""
    return pickle.dumps(settings, pickle.HIGHEST_PROTOCOL)


def _end_with_status_1() -> None:
    """twistd ends with 0 however the reactor was stopped; so say it last of all."""

    def end() -> None:
        settle_daemon_log()
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
        os._exit(1)

    atexit.register(end)
