"""A worker's own side, as far as it needs no sockets: turns, refusals, what it takes from its parent."""

from __future__ import annotations

import os
import pathlib
import pickle
import socket
from typing import Any

import attrs
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial import unittest

from aigw.config.settings import Settings, load
from aigw.daemon import Refused
from aigw.shared_counters import make_memory
from aigw.workers.link import Message
from aigw.workers.worker import Worker, _own

CONFIG = """
[server]
access_log = "{log}"
[secrets]
provider = {{ env = "KEY" }}
[backends.p]
provider = "openai"
auth = {{ secret = "provider" }}
[routes.all]
paths = ["/v1"]
backend = "p"
[consumers.ann]
keys = ["sha256:{digest}"]
max_in_flight = 2
"""


class Threadless(MemoryReactorClock):
    """What would happen in a thread happens when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.work: list[Any] = []

    def getThreadPool(self) -> Any:
        return self

    def callInThreadWithCallback(self, done: Any, function: Any, *arguments: Any) -> None:
        self.work.append((done, function, arguments))

    def callFromThread(self, function: Any, *arguments: Any) -> None:
        function(*arguments)

    def run_one(self) -> None:
        """One thing that was given to a thread."""
        done, function, arguments = self.work.pop(0)
        try:
            done(True, function(*arguments))
        except Exception:
            done(False, Failure())


class WorkerTestCase(unittest.TestCase):
    """A worker without a parent, in a reactor without sockets."""

    def setUp(self) -> None:
        self.reactor = Threadless()
        self.worker = Worker(self.reactor)
        self.worker._link.makeConnection(StringTransport())

    def settings(self, log: str = "off") -> Settings:
        path = pathlib.Path(self.mktemp())
        path.write_text(CONFIG.format(log=log, digest="ab" * 32))
        return load(path, {"KEY": "sk-secret-value"})

    def ask(self, verb: str, payload: bytes = b"", descriptors: tuple[int, ...] = (), **fields: Any) -> Deferred[Any]:
        """What the parent's question comes to."""
        return maybeDeferred(self.worker._link._verbs[verb], Message(verb, fields, payload, descriptors))

    def serve(self) -> Deferred[Any]:
        """Have it serve, without listeners."""
        settings = self.settings()
        closed = settings.server.model_copy(update={"listen": ()})
        memory = make_memory(2)
        payload = pickle.dumps(attrs.evolve(settings, server=closed))
        fields = {"listeners": [], "rows": {"ann": 2}, "slot": 1, "slots": 2}
        serving = self.ask("serve", payload, (memory,), **fields)
        self.assertRaises(OSError, os.fstat, memory)
        return serving


class SettingsTests(WorkerTestCase):
    """What travels."""

    def test_settings_survive_the_way(self) -> None:
        """Everything that they are asked for later: secrets, places in the file, digests."""
        settings = self.settings("access.log")
        there = pickle.loads(pickle.dumps(settings))
        self.assertEqual(there.secret_values, {"provider": "sk-secret-value"})
        self.assertEqual((there.sha256, there.path, there.routes), (settings.sha256, settings.path, settings.routes))
        place = ("routes", "all", "paths")
        self.assertEqual(str(there.problem(place, "x")), str(settings.problem(place, "x")))

    def test_access_log_is_the_parents(self) -> None:
        """Where there is one, lines go to the parent; where there is none, none are made."""
        self.assertEqual(_own(self.settings("access.log")).server.access_log, "-")
        self.assertEqual(_own(self.settings("-")).server.access_log, "-")
        self.assertEqual(_own(self.settings("off")).server.access_log, "off")

    def test_settings_are_unpacked_in_a_thread(self) -> None:
        """A large file takes its time, and streams must not wait for it."""
        serving = self.serve()
        self.assertNoResult(serving)
        self.assertEqual(len(self.reactor.work), 1)


class RefusalTests(WorkerTestCase):
    """What it cannot do."""

    def test_nothing_is_served_yet(self) -> None:
        for verb in ("metrics", "overview", "prepare"):
            self.failureResultOf(self.ask(verb, listeners=[], rows={}), Refused)

    def test_nothing_is_prepared(self) -> None:
        why = self.failureResultOf(self.ask("commit"), Refused)
        self.assertIn("nothing is prepared", str(why.value))


class Serves:
    """What a worker has its serving do when it ends."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def stop_accepting(self) -> None:
        self.done.append("stop_accepting")

    def drain(self) -> Deferred[None]:
        self.done.append("drain")
        return Deferred()


class TurnTests(WorkerTestCase):
    """One thing after the other."""

    def test_what_comes_while_it_builds_waits(self) -> None:
        """A reload that reaches a worker that is only starting."""
        serving = self.serve()
        committing = self.ask("commit")
        self.assertNoResult(committing)
        self.reactor.run_one()
        self.successResultOf(serving)
        self.failureResultOf(committing, Refused)
        self.assertEqual(self.worker._served.dispatcher.ledger.shared_counters.rows, {"ann": 2})
        self.worker._served.end()

    def test_end_stops_accepting_before_its_turn_comes(self) -> None:
        """A reload that is being built must not have it go on taking connections that it will not serve for long."""
        serving = Serves()
        self.worker._serving = serving  # type: ignore[assignment]
        self.worker._turn.acquire()
        self.worker.end()
        self.assertEqual(serving.done, ["stop_accepting"])
        self.worker._turn.release()
        self.assertEqual(serving.done, ["stop_accepting", "drain"])

    def test_nobody_is_covered_by_one_that_ends(self) -> None:
        """What was handed over for that is closed."""
        self.worker._ending = True
        ours, theirs = socket.socketpair()
        self.successResultOf(self.ask("cover", b"", (ours.detach(),), slot=2, listeners=["tcp:1"]))
        self.assertEqual(self.worker._covering, {})
        self.assertEqual(theirs.recv(1), b"")
        theirs.close()

    def test_no_reload_waits_for_the_end(self) -> None:
        """A drain may take its time."""
        self.serve()
        self.worker.end()
        for verb in ("prepare", "commit"):
            why = self.failureResultOf(self.ask(verb, listeners=[], rows={}), Refused)
            self.assertIn("drains", str(why.value))
        self.reactor.run_one()
        self.reactor.pump([0.1] * 5)
        self.assertTrue(self.reactor.hasStopped)

    def test_end_waits_for_its_turn(self) -> None:
        """A drain must not begin in the middle of a swap."""
        self.serve()
        self.worker.end()
        self.worker.end()
        self.assertFalse(self.reactor.hasStopped)
        self.reactor.run_one()
        self.reactor.pump([0.1] * 5)
        self.assertTrue(self.reactor.hasStopped)
