"""The life of the process, without what serves: which signal does what, and when."""

from __future__ import annotations

import os
import pathlib
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial import unittest

from aigw.config.settings import Settings, load
from aigw.daemon import Daemon
from aigw.metrics import Metrics
from aigw.systemd import Notifier

CONFIG = """
[backends.echo]
provider = "echo"
[routes.all]
paths = ["/v1"]
backend = "echo"
auth = "none"
"""


class ThreadlessReactor(MemoryReactorClock):
    """What would happen in a thread happens at once; how often it was told to stop is counted."""

    stops = 0

    def getThreadPool(self) -> Any:
        return self

    def callInThreadWithCallback(self, done: Any, function: Any, *arguments: Any) -> None:
        try:
            result = function(*arguments)
        except Exception:
            done(False, Failure())
        else:
            done(True, result)

    def callFromThread(self, function: Any, *arguments: Any) -> None:
        function(*arguments)

    def stop(self) -> None:
        self.stops += 1


class Scripted(Daemon):
    """Serves nothing; the test says when it has started, and when it has swapped."""

    def __init__(self, reactor: Any, settings: Settings) -> None:
        super().__init__(reactor, settings, Metrics())
        self.told: list[str] = []
        self.notifier = Notifier({"NOTIFY_SOCKET": "@none"}, lambda message, _: self.told.append(message.decode()))
        self.swaps: list[Deferred[None]] = []
        self.accepts: tuple[bool, bool] | None = None
        self.cuts = 0

    def open(self) -> None:
        """Nothing."""

    def begin(self) -> None:
        """The test announces."""

    def swap(self, settings: Settings) -> Deferred[None]:
        self.swaps.append(Deferred())
        return self.swaps[-1]

    def stop_accepting(self) -> None:
        self.accepts = (self.reactor_stopped(), self.draining)

    def drain(self) -> Deferred[Any]:
        return Deferred()

    def cut_short(self) -> None:
        self.cuts += 1

    def addresses(self) -> dict[str, str]:
        return {}

    def reactor_stopped(self) -> bool:
        return bool(self._reactor.stops)

    def notified(self) -> list[str]:
        """The first variable of each message to the service manager."""
        return [message.partition("=")[0] for message in self.told]


class DaemonTests(unittest.TestCase):
    """One that has been started, in a reactor without time."""

    def setUp(self) -> None:
        path = pathlib.Path(self.mktemp())
        path.write_text(CONFIG)
        self.reactor = ThreadlessReactor()
        self.daemon = Scripted(self.reactor, load(path, os.environ))
        self.daemon.running = 1

    def test_reload_during_the_start_comes_after_it(self) -> None:
        """Else READY would be said before anything serves."""
        self.daemon.reload()
        self.daemon.reload()
        self.assertEqual((self.daemon.swaps, self.daemon.told), ([], []))
        self.daemon.announce()
        self.assertEqual(self.daemon.notified(), ["READY", "RELOADING"])
        self.daemon.swaps[0].callback(None)
        self.assertEqual(self.daemon.notified(), ["READY", "RELOADING", "READY"])
        self.assertEqual(len(self.daemon.swaps), 1)

    def test_signals_during_a_reload_make_one_more(self) -> None:
        self.daemon.announce()
        for _ in range(3):
            self.daemon.reload()
        self.assertEqual(len(self.daemon.swaps), 1)
        self.daemon.swaps[0].callback(None)
        self.assertEqual(len(self.daemon.swaps), 2)
        self.daemon.swaps[1].callback(None)
        self.assertEqual(len(self.daemon.swaps), 2)

    def test_reload_to_nothing_is_refused(self) -> None:
        """An editor truncates a file before it writes it: a signal in between must not close every listener."""
        self.daemon.announce()
        path = self.daemon.settings.path
        for text in ("", "\n# soon\n", "[server]\n", CONFIG.partition("[routes")[0]):
            path.write_text(text)
            self.daemon.reload()
            self.assertIn("nothing would be served", self.daemon._last_error)
        self.assertEqual(self.daemon.swaps, [])
        path.write_text(CONFIG)
        self.daemon.reload()
        self.assertEqual(len(self.daemon.swaps), 1)

    def test_second_signal_ends_the_drain(self) -> None:
        """Once; and a reactor that is told to stop twice complains."""
        self.daemon.end()
        self.assertEqual(self.daemon.cuts, 0)
        for _ in range(3):
            self.reactor.advance(1)
            self.daemon.end()
        self.assertEqual((self.reactor.stops, self.daemon.cuts), (1, 1))

    def test_one_signal_that_comes_twice(self) -> None:
        """As GNU timeout sends it, to the process and to its group."""
        self.daemon.end()
        self.daemon.end()
        self.assertEqual((self.reactor.stops, self.daemon.cuts), (1, 0))

    def test_nothing_is_accepted_once_the_end_has_begun(self) -> None:
        """At once: before the reactor is told to stop, which takes a turn to come to the services."""
        self.assertIsNone(self.daemon.accepts)
        self.daemon.end()
        self.assertEqual(self.daemon.accepts, (False, True))

    def test_no_reload_once_the_end_has_begun(self) -> None:
        self.daemon.announce()
        self.daemon.stopService()
        self.daemon.reload()
        self.assertEqual(self.daemon.swaps, [])
