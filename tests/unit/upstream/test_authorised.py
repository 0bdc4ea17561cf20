"""Calls that wait for a credential which has to be made."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial import unittest

from aigw.errors import UpstreamFailed
from aigw.upstream.authorised import AuthorisedCall
from tests.unit.proxy.fakes import FakeCall

REQUEST = b"POST /model/x%3A0/converse HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}"


class FakeAuthoriser:
    """Makes a credential when the test says so."""

    partition = b"p"

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, ...]] = []
        self.answer: Deferred[bytes] = Deferred(lambda _: self.asked.append((b"cancelled",)))

    def lines(self, *request: bytes) -> Deferred[bytes]:
        self.asked.append(request)
        return self.answer

    def secrets(self) -> tuple[bytes, ...]:
        return ()


class AuthorisedCallTests(unittest.TestCase):
    """Before and after the credential is there."""

    def setUp(self) -> None:
        self.authoriser = FakeAuthoriser()
        self.sent: list[tuple[Any, ...]] = []
        self.failures: list[Any] = []
        self.wire = FakeCall()
        self.call = AuthorisedCall(self.send, REQUEST, self.authoriser, self, False)  # type: ignore[arg-type]

    def send(self, *request: Any) -> Any:
        self.sent.append(request)
        return self.wire

    def on_failure(self, failure: Any) -> None:
        self.failures.append(failure)

    def test_asks_with_the_request_and_adds_the_lines(self) -> None:
        """Nothing goes out before; the body and the other lines stay as they are."""
        head = b"host: h\r\ncontent-length: 2\r\n"
        self.assertEqual(self.authoriser.asked, [(b"POST", b"/model/x%3A0/converse", head, b"{}")])
        self.assertEqual(self.sent, [])
        self.authoriser.answer.callback(b"authorization: Bearer t\r\n")
        expected = REQUEST.replace(b"host: h", b"authorization: Bearer t\r\nhost: h")
        self.assertEqual(self.sent, [(expected, self, False, b"p")])

    def test_pauses_and_cancels_the_call(self) -> None:
        """What was wanted while it waited holds afterwards."""
        self.call.pause()
        self.authoriser.answer.callback(b"")
        self.assertTrue(self.wire.paused)
        self.call.resume()
        self.call.cancel()
        self.assertEqual((self.wire.paused, self.wire.cancelled), (False, True))

    def test_cancelled_while_it_waits(self) -> None:
        """Nothing goes out, nobody is told."""
        self.call.cancel()
        self.assertEqual(self.authoriser.asked[-1], (b"cancelled",))
        self.assertEqual((self.sent, self.failures), ([], []))

    def test_no_credential(self) -> None:
        """The reason is told, if it is for people; other failures may hold secrets."""
        self.authoriser.answer.errback(UpstreamFailed("the token service is down"))
        (failure,) = self.failures
        self.assertEqual((failure.kind, failure.began), ("credential", False))
        self.assertIn("token service", str(failure))

    def test_a_fault_shows_no_secret(self) -> None:
        """Only what kind it is."""
        self.authoriser.answer.errback(ValueError("private key 123"))
        self.assertEqual(str(self.failures[0]), "ValueError")
