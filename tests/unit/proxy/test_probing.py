"""Probes: when a backend is asked, and what its breakers are told."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.trial import unittest

from aigw.http.deadlines import Deadlines
from aigw.http.failures import CallFailure
from aigw.proxy.probing import Probe
from aigw.routing.breaker import BreakerRules
from aigw.routing.health import HealthRegistry
from aigw.upstream.upstream import Payload
from tests.unit.proxy.fakes import FakeUpstream

RULES = BreakerRules(failures=2, cool_down=10.0)


class ProbeTests(unittest.TestCase):
    """Every five seconds."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.upstream = FakeUpstream()
        self.registry = HealthRegistry()
        self.breaker = self.registry.breaker(("one", "m"), RULES)
        self.other = self.registry.breaker(("two", "m"), RULES)
        deadlines = Deadlines(self.clock)
        payload = Payload(b"GET /v1/models", False, b"", "models", None)
        self.probe = Probe("one", self.upstream, payload, 5.0, self.registry, deadlines)

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.1)):
            self.clock.advance(0.1)

    def asked(self) -> int:
        return len(self.upstream.payloads)

    def answer(self, status: int) -> None:
        sink = self.upstream.sink
        sink.on_sent()
        sink.on_head(status, [])
        sink.on_data(b"{}")
        sink.on_end(True)

    def test_it_asks_again_after_each_answer(self) -> None:
        self.pass_time(4.9)
        self.assertEqual(self.asked(), 0)
        self.pass_time(0.2)
        self.assertEqual(self.asked(), 1)
        self.pass_time(3.0)
        self.answer(200)
        self.pass_time(4.9)
        self.assertEqual(self.asked(), 1)
        self.pass_time(0.2)
        self.assertEqual(self.asked(), 2)
        self.assertFalse(self.breaker.is_open)

    def test_failures_open_the_breakers_of_this_backend(self) -> None:
        """A 5xx, a broken connection; its log says so once, and once that it is over."""
        with capturedLogs() as events:
            self.pass_time(5.1)
            self.answer(503)
            self.assertFalse(self.breaker.is_open)
            self.pass_time(5.1)
            self.upstream.sink.on_failure(CallFailure("connect", "127.0.0.1:9 refused", began=False))
            self.assertEqual((self.breaker.is_open, self.other.is_open), (True, False))
            self.pass_time(5.1)
            self.answer(401)
            self.assertTrue(self.breaker.ready(self.clock.seconds()))
            self.assertTrue(self.breaker.is_open)
        levels = [event["log_level"] for event in events]
        self.assertEqual(levels, [LogLevel.warn, LogLevel.info])

    def test_silence_is_a_failure(self) -> None:
        """After as long as it is to the next question, which comes after as long again; that call is given up."""
        for number in (1, 2):
            self.pass_time(5.1)
            self.assertEqual(self.asked(), number)
            self.upstream.sink.on_sent()
            self.upstream.call.cancelled = False
            self.pass_time(5.1)
            self.assertTrue(self.upstream.call.cancelled)
        self.assertTrue(self.breaker.is_open)

    def test_waiting_for_a_connection_is_no_silence(self) -> None:
        """A pool that is all in use says nothing of the backend."""
        self.upstream.call.queued = True
        for _ in range(6):
            self.pass_time(5.1)
        self.assertTrue(self.upstream.call.cancelled)
        self.assertFalse(self.breaker.is_open)

    def test_who_answers_and_breaks_off_was_there(self) -> None:
        for _ in range(3):
            self.pass_time(5.1)
            self.upstream.sink.on_head(200, [])
            self.upstream.sink.on_failure(CallFailure("cut", "it broke off", began=True))
        self.assertFalse(self.breaker.is_open)

    def test_what_says_nothing_of_it(self) -> None:
        """A limit of rates, no room in our own pool."""
        for _ in range(3):
            self.pass_time(5.1)
            self.answer(429)
            self.pass_time(5.1)
            self.upstream.sink.on_failure(CallFailure("queue_full", "too many wait", began=False))
        self.assertFalse(self.breaker.is_open)
        self.breaker.failed(self.breaker.begin(0.0), self.clock.seconds())
        self.breaker.failed(self.breaker.begin(0.0), self.clock.seconds())
        self.pass_time(5.1)
        self.answer(429)
        self.assertFalse(self.breaker.ready(self.clock.seconds()))

    def test_stopped_it_leaves_nothing(self) -> None:
        self.pass_time(5.1)
        self.probe.stop()
        self.assertTrue(self.upstream.call.cancelled)
        self.pass_time(10)
        self.assertEqual((self.asked(), self.clock.getDelayedCalls()), (1, []))
