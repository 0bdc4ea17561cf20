"""A login is remembered for a while, and never beyond the key that it was made with."""

from __future__ import annotations

from typing import Any

from twisted.cred.portal import Portal
from twisted.trial import unittest

from aigw.consumers.authenticator import KeyAuthenticator
from aigw.consumers.checker import ApiKeyChecker
from aigw.consumers.consumer import Consumer
from aigw.consumers.credentials import digest
from aigw.consumers.realm import ConsumerRealm
from aigw.errors import Unauthorized


class CountingChecker(ApiKeyChecker):
    """Counts how often it is asked."""

    asked = 0

    def requestAvatarId(self, credentials: Any) -> Any:
        self.asked += 1
        return super().requestAvatarId(credentials)


class Presented:
    """A request with a key."""

    method = b"POST"
    query = None
    body = b""

    def __init__(self, key: bytes) -> None:
        self.headers = [(b"apikey", key)]

    def header(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)


class RememberedLoginTests(unittest.TestCase):
    """On a clock that the test sets."""

    def setUp(self) -> None:
        self.time = 1000.0
        keys = [
            (digest(b"lasting"), "one", None),
            (digest(b"other"), "one", None),
            (digest(b"short"), "one", 1010.0),
        ]
        self.checker = CountingChecker(keys, lambda: self.time)
        portal = Portal(ConsumerRealm({"one": Consumer("one")}), [self.checker])
        self.auth = KeyAuthenticator(portal, now=lambda: self.time, expires=self.checker.expires, key_names=["apikey"])

    def come(self, key: bytes) -> str:
        consumer = self.auth.authenticate(Presented(key))
        assert consumer is not None
        return consumer.name

    def test_remembered_for_a_minute(self) -> None:
        """The portal is asked once, and again when the minute is over."""
        for _ in range(3):
            self.assertEqual(self.come(b"lasting"), "one")
        self.assertEqual(self.checker.asked, 1)
        self.time += 60.0
        self.assertEqual(self.come(b"lasting"), "one")
        self.assertEqual(self.checker.asked, 2)

    def test_a_minute_for_all(self) -> None:
        """One that came late in the minute is asked for again with the others."""
        self.come(b"lasting")
        self.time += 59.0
        self.come(b"other")
        self.come(b"other")
        self.assertEqual(self.checker.asked, 2)
        self.time += 1.0
        self.come(b"other")
        self.assertEqual(self.checker.asked, 3)

    def test_expiry_beyond_the_minute(self) -> None:
        """Does not matter yet: a key that expires at its end is remembered like others."""
        self.time = 950.0
        for _ in range(3):
            self.come(b"short")
        self.assertEqual(self.checker.asked, 1)

    def test_never_beyond_the_expiry_of_its_key(self) -> None:
        """However shortly before it was used."""
        self.time = 1009.9
        self.assertEqual(self.come(b"short"), "one")
        self.time = 1010.0
        with self.assertRaises(Unauthorized):
            self.come(b"short")

    def test_refusals_are_not_remembered(self) -> None:
        """An unknown key is asked for each time, and takes no memory."""
        for _ in range(2):
            with self.assertRaises(Unauthorized):
                self.come(b"unknown")
        self.assertEqual(self.checker.asked, 2)
