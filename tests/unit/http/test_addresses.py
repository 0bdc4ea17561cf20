"""Names of upstreams: one look-up at a time, the last good addresses, and nobody else's time."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock
from twisted.trial import unittest

from aigw.http.addresses import SLOW, Addresses

ONE, TWO = [IPv4Address("TCP", "192.0.2.1", 443)], [IPv4Address("TCP", "192.0.2.2", 443)]


class Scene:
    """A name whose look-ups end when the test says so."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.under_way: list[Deferred[Any]] = []
        self.asked = 0
        self.addresses = Addresses(self.clock, self._in_thread, "api.example", lambda: ONE)

    def _in_thread(self, look: Any) -> Deferred[Any]:
        self.asked += 1
        self.under_way.append(Deferred())
        return self.under_way[-1]

    def bring(self, found: Any) -> None:
        """What the one look-up under way comes to."""
        one = self.under_way.pop()
        if isinstance(found, BaseException):
            one.errback(found)
        else:
            one.callback(found)


def nobody() -> socket.gaierror:
    return socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def trouble() -> socket.gaierror:
    return socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


class AddressesTests(unittest.TestCase):
    """Addresses."""

    def setUp(self) -> None:
        self.scene = Scene()

    def test_one_look_up_for_all_who_wait(self) -> None:
        """However many dial: a name that hangs costs one thread."""
        waiting = [self.scene.addresses.get() for _ in range(1000)]
        self.assertEqual(self.scene.asked, 1)
        self.scene.bring(ONE)
        for each in waiting:
            self.assertEqual(self.successResultOf(each), ONE)

    def test_every_connection_asks_anew(self) -> None:
        """A name that moves is followed."""
        for found in (ONE, TWO, ONE):
            one = self.scene.addresses.get()
            self.scene.bring(found)
            self.assertEqual(self.successResultOf(one), found)
        self.assertEqual(self.scene.asked, 3)

    def test_who_loses_patience_is_forgotten(self) -> None:
        """Nothing is kept of those whose time is over while the look-up hangs."""
        for _ in range(100):
            one = self.scene.addresses.get()
            one.cancel()
            self.failureResultOf(one, CancelledError)
        self.assertEqual((self.scene.addresses._waiting, self.scene.asked), ([], 1))
        self.scene.bring(ONE)

    def know(self) -> None:
        """One good look-up."""
        self.scene.addresses.get()
        self.scene.bring(ONE)

    def test_resolver_that_fails(self) -> None:
        """The last good addresses are used, as often as it fails."""
        self.know()
        for _ in range(3):
            one = self.scene.addresses.get()
            self.scene.bring(trouble())
            self.assertEqual(self.successResultOf(one), ONE)

    def test_resolver_that_hangs(self) -> None:
        """They are used after a moment, and at once by all who come later; what comes in the end is for the next."""
        self.know()
        first = self.scene.addresses.get()
        self.assertNoResult(first)
        self.scene.clock.advance(SLOW)
        self.assertEqual(self.successResultOf(first), ONE)
        for _ in range(100):
            self.assertEqual(self.successResultOf(self.scene.addresses.get()), ONE)
        self.assertEqual(self.scene.asked, 2)
        self.scene.bring(TWO)
        last = self.scene.addresses.get()
        self.scene.bring(trouble())
        self.assertEqual(self.successResultOf(last), TWO)

    def test_name_that_is_gone(self) -> None:
        """What its addresses were may be somebody else's now."""
        self.know()
        for _ in range(2):
            one = self.scene.addresses.get()
            self.scene.bring(nobody())
            self.failureResultOf(one, DNSLookupError)

    def test_nothing_known(self) -> None:
        """Nobody is given what is not there; a look-up that hangs is waited for."""
        for error in (trouble(), nobody(), OSError(), UnicodeError()):
            one = self.scene.addresses.get()
            self.scene.clock.advance(60)
            self.assertNoResult(one)
            self.scene.bring(error)
            self.failureResultOf(one, DNSLookupError)

    def test_no_timer_is_left(self) -> None:
        self.know()
        self.scene.addresses.get().addErrback(lambda _: None).cancel()
        self.scene.bring(ONE)
        self.scene.addresses.get()
        self.scene.bring(ONE)
        self.assertEqual(self.scene.clock.getDelayedCalls(), [])
