"""A worker's own side: it does what its parent asks for, and serves."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
import orjson
from twisted.internet import task, threads
from twisted.internet.defer import Deferred, DeferredLock, inlineCallbacks
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from aigw.config.settings import Settings
from aigw.daemon import Refused
from aigw.http.listeners import close_ports, listening
from aigw.logs import flush_daemon_log, redactor
from aigw.memory import resident
from aigw.serving import Prepared, Serving
from aigw.shared_counters import SharedCounters
from aigw.snapshot import secrets_of
from aigw.workers.link import Link, Message
from aigw.workers.process import PARENTS_SIGNALS, Beat
from aigw.workers.sockets import accepting
from aigw.workers.totals import exported

_BEAT = 1.0

#: What the pipe of the access log is to hold: the most that may be had without privileges.
_PIPE = 1 << 20
#: Seconds for which a parent may read none of the last lines of the access log.
_LAST_LINES = 2.0


class Worker:
    """See :mod:`aigw.workers`.

    :param reactor: everything's clock and network.
    """

    _log = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._serving: Serving | None = None
        self._prepared: Prepared | None = None
        self._prepared_rows: dict[str, int] = {}
        self._handed: dict[str, int] = {}
        self._covering: dict[int, list[IListeningPort]] = {}
        self._ending = False
        # Building takes turns of the event loop: what is asked for meanwhile has to wait for its turn.
        self._turn = DeferredLock()
        verbs = {
            "serve": self._serve,
            "prepare": self._prepare,
            "commit": self._commit,
            "drop": self._drop,
            "cover": self._cover,
            "uncover": self._uncover,
        }
        self._link = Link(
            {
                **{verb: self._in_turn(act) for verb, act in verbs.items()},
                **{verb: self._unless_ending(self._in_turn(verbs[verb])) for verb in ("prepare", "commit")},
                "overview": lambda _: orjson.dumps(self._served.overview()),
                "metrics": lambda _: exported(self._served.metrics),
                "drain": lambda _: self.end(),
                "cut_short": lambda _: self._cut_short(),
            },
            self._orphaned,
        )

    def start(self, link: int) -> None:
        """Listen to the parent.

        :param link: the descriptor of this end.
        """
        with contextlib.suppress(OSError):
            fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, _PIPE)
        factory = Factory.forProtocol(lambda: self._link)
        factory.noisy = False
        with socket.socket(fileno=link) as sock:
            sock.setblocking(False)
            self._reactor.adoptStreamConnection(sock.fileno(), socket.AF_UNIX, factory)
        self._reactor.callWhenRunning(self._running)

    def _running(self) -> None:
        for number in PARENTS_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PARENTS_SIGNALS)  # blocked by the parent until now
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._reactor.callFromThread(self.end))

    def _in_turn(self, act: Callable[[Message], Any]) -> Callable[[Message], Deferred[Any]]:
        return lambda message: self._turn.run(act, message)

    def _unless_ending(self, act: Callable[[Message], Deferred[Any]]) -> Callable[[Message], Deferred[Any]]:
        """The end takes the last turn: a reload must not wait as long as the drain does."""

        def act_if_staying(message: Message) -> Deferred[Any]:
            if self._ending:
                raise Refused("this worker drains")
            return act(message)

        return act_if_staying

    @property
    def _served(self) -> Serving:
        if self._serving is None:
            raise Refused("not serving yet")
        return self._serving

    # -- what is served

    @inlineCallbacks
    def _serve(self, message: Message) -> Any:
        """The first configuration."""
        *sockets, memory = message.descriptors
        self._take(message, sockets)
        shared_counters = SharedCounters(memory, message.fields["slots"], message.fields["slot"] - 1)
        os.close(memory)
        settings = yield self._unpacked(message)
        redactor.replace(secrets_of(settings))
        self._serving = Serving(self._reactor, settings, self._listen)
        self._serving.share(shared_counters)
        self._serving.share_consumers(message.fields["rows"])
        self._serving.open()
        self._serving.begin()
        beat = task.LoopingCall(self._beat)
        beat.clock = self._reactor
        beat.start(_BEAT)

    @inlineCallbacks
    def _prepare(self, message: Message) -> Any:
        """Another one. What is new in it does not accept connections before :meth:`_commit`."""
        serving = self._served
        self._forget_prepared()
        self._take(message, message.descriptors)
        settings = yield self._unpacked(message)
        self._prepared = serving.prepare(settings)
        self._prepared_rows = message.fields["rows"]
        serving.listeners.pause(self._prepared.opened)

    def _commit(self, _message: Message) -> None:
        prepared, self._prepared = self._prepared, None
        if prepared is None:
            raise Refused("nothing is prepared")
        self._served.commit(prepared)
        self._served.share_consumers(self._prepared_rows)
        self._served.listeners.resume(prepared.opened)
        redactor.replace(secrets_of(prepared.snapshot.settings))

    def _drop(self, _message: Message) -> None:
        self._forget_prepared()

    def _forget_prepared(self) -> None:
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            self._served.drop(prepared)
        self._close_handed()

    def _unpacked(self, message: Message) -> Deferred[Settings]:
        """In a thread: a large one takes its time, and streams must not wait for it."""
        # S301: it comes from the parent, over a socket that nobody else has.
        return threads.deferToThreadPool(
            self._reactor,
            self._reactor.getThreadPool(),
            lambda: _own(pickle.loads(message.payload)),  # noqa: S301
        )

    # -- sockets

    def _take(self, message: Message, sockets: Sequence[int]) -> None:
        """Keep the sockets that came along until they are wanted."""
        self._handed.update(zip(message.fields["listeners"], sockets, strict=True))

    def _close_handed(self) -> None:
        _close(self._handed.values())
        self._handed.clear()

    def _listen(
        self, description: str, factory: Factory, beside: Sequence[IListeningPort] = ()
    ) -> Deferred[IListeningPort]:
        if description not in self._handed:
            raise Refused(f"no socket was handed over for {description}")
        return accepting(self._reactor, self._handed.pop(description), factory)

    def _cover(self, message: Message) -> None:
        """Accept for another worker as well."""
        self._uncover(message)
        if self._ending:  # it came before the parent knew
            _close(message.descriptors)
            return
        ports = self._covering[message.fields["slot"]] = []
        for description, descriptor in zip(message.fields["listeners"], message.descriptors, strict=True):
            port = accepting(self._reactor, descriptor, self._served.listeners.factory(description))
            ports.append(listening(port, description))

    def _uncover(self, message: Message) -> None:
        close_ports(self._covering.pop(message.fields["slot"], []))

    def _uncover_all(self) -> None:
        while self._covering:
            close_ports(self._covering.popitem()[1])

    # -- signs of life

    def _beat(self) -> None:
        flush_daemon_log()
        serving = self._served
        beat = Beat(
            connections=len(serving.factory.channels),
            requests=serving.dispatcher.ledger.in_flight,
            memory=_resident_bytes(),
            cpu=time.process_time(),
        )
        self._link.tell("beat", connections=beat.connections, requests=beat.requests, memory=beat.memory, cpu=beat.cpu)

    # -- the end

    def _orphaned(self) -> None:
        if not self._ending:
            self._log.error("the parent is gone: this worker drains and ends")
            self.end()

    def end(self) -> None:
        """Drain, and end the process with status 0."""
        if self._ending:
            return
        self._ending = True
        # Before anything that may take its turn: whoever connects now is another's, or a successor's.
        self._uncover_all()
        if self._serving is not None:
            self._serving.stop_accepting()
        self._link.tell("leaving")
        ending: Deferred[None] = self._end()
        ending.addErrback(lambda failure: self._log.failure("the drain failed", failure))
        ending.addBoth(lambda _: self._reactor.stop())

    def _cut_short(self) -> None:
        if self._serving is not None:
            self._serving.cut_short()

    @inlineCallbacks
    def _end(self) -> Any:
        yield self._turn.acquire()
        self._close_handed()
        self._uncover_all()
        serving = self._serving
        if serving is None:
            return
        yield serving.drain()
        yield self._write_out(serving)
        yield serving.end()

    @inlineCallbacks
    def _write_out(self, serving: Serving) -> Any:
        """The last lines of the access log, as fast as the parent reads them."""
        log, seconds = serving.access_log, self._reactor.seconds
        log.flush()
        waiting, until = log.waiting, seconds() + _LAST_LINES
        while log.waiting and seconds() < until:
            yield task.deferLater(self._reactor, 0.02, log.flush)
            if log.waiting < waiting:
                waiting, until = log.waiting, seconds() + _LAST_LINES


def _close(sockets: Iterable[int]) -> None:
    for descriptor in sockets:
        socket.socket(fileno=descriptor).close()


def _own(settings: Settings) -> Settings:
    """What ``settings`` are for a worker: its access log goes through the parent."""
    log = "off" if settings.server.access_log == "off" else "-"
    return attrs.evolve(settings, server=settings.server.model_copy(update={"access_log": log}))


def _resident_bytes() -> int:
    """Memory that is really there; the most that ever was where the system does not say."""
    return resident() or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
