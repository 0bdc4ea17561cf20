"""A body in a coding on its way to who reads it: at once, or in steps of which its client or a drain may be the end."""

from __future__ import annotations

import gzip
from typing import Any

from twisted.python.failure import Failure
from twisted.trial import unittest

from aigw.errors import BadRequest, BodyTooLarge, GatewayError, Overloaded, UnsupportedEncoding
from aigw.http.request import Request
from aigw.web.body_decoding import BodyDecoding
from tests.unit.web.test_large_call import FakeOffload

LIMIT = 1 << 20
LONG = b"x" * 600_000


class FakeMemory:
    """Counts, and has room unless the test says otherwise."""

    held = 0
    room = True

    def has_room(self) -> bool:
        return self.room


class FakeFactory:
    def __init__(self) -> None:
        self.memory = FakeMemory()


class FakeChannel:
    def __init__(self) -> None:
        self.factory = FakeFactory()


class FakeAccount:
    def __init__(self, request: Request) -> None:
        self.request = request

    def share(self) -> str:
        return "@1"


class FakeVisit:
    def __init__(self, request: Request, offload: Any) -> None:
        self.account = FakeAccount(request)
        self.offload = offload
        self.has_left = False

    def left(self) -> None:
        self.has_left = True


class FakeDispatcher:
    def __init__(self) -> None:
        self.failures: list[GatewayError] = []

    def failed(self, visit: FakeVisit, failure: Failure) -> None:
        assert isinstance(failure.value, GatewayError)
        self.failures.append(failure.value)


class BodyDecodingTests(unittest.SynchronousTestCase):
    """BodyDecoding"""

    def setUp(self) -> None:
        self.dispatcher: Any = FakeDispatcher()
        self.offload = FakeOffload()
        self.served: list[bytes] = []

    def start(self, body: bytes, coding: bytes = b"gzip", *, offload: bool = True, limit: int = LIMIT) -> Request:
        """A request with ``body``, which is being decoded."""
        channel: Any = FakeChannel()
        headers = [
            (b"host", b"h"),
            (b"content-type", b"application/json"),
            (b"content-encoding", coding),
            (b"content-md5", b"x"),
            (b"x-a", b"1"),
            (b"x-a", b"2"),
        ]
        request = Request(channel, b"POST", b"/", headers, 0.0)
        request.body = body
        request.hold(len(body))  # as the wire does
        self.visit: Any = FakeVisit(request, self.offload if offload else None)
        decoding = BodyDecoding(
            self.dispatcher, self.visit, lambda visit: self.served.append(visit.account.request.body)
        )
        decoding.start(limit)
        return request

    def test_a_short_one_at_once(self) -> None:
        """Nothing is left that speaks of the coding; what is held is counted."""
        request = self.start(gzip.compress(b"hello"))
        self.assertEqual(self.served, [b"hello"])
        self.assertEqual(self.offload.jobs, [])
        names = [name for name, _ in request.headers]
        self.assertEqual(names, [b"host", b"content-type", b"x-a", b"x-a"])
        self.assertEqual(request.fields, {b"host": b"h", b"content-type": b"application/json", b"x-a": b"2"})
        self.assertEqual(request.held, 5)

    def test_no_coding_and_no_body(self) -> None:
        """Lose the field all the same, which would be wrong or odd upstream."""
        for body, coding in ((b"hello", b"identity"), (LONG, b"identity"), (b"", b"gzip"), (b"", b"br")):
            request = self.start(body, coding)
            self.assertEqual(self.served.pop(), body)
            self.assertNotIn(b"content-encoding", request.fields)
            self.assertEqual(request.held, len(body))

    def test_what_comes_to_more_in_a_thread(self) -> None:
        """However little came; and what is long as it came, whatever it comes to."""
        for body in (gzip.compress(LONG), gzip.compress(LONG, 0)):
            request = self.start(body)
            self.assertEqual((self.served, len(self.offload.jobs)), ([], 1))
            self.assertEqual(request.body, body)
            self.offload.jobs.pop().run()
            self.assertEqual(self.served.pop(), LONG)
            self.assertEqual((request.gone, request.cut), (None, None))
            self.assertEqual(request.held, len(LONG))

    def test_without_threads(self) -> None:
        self.start(gzip.compress(LONG), offload=False)
        self.assertEqual(self.served, [LONG])

    def test_refusals_at_once(self) -> None:
        self.assertRaises(UnsupportedEncoding, self.start, b"x", b"br")
        self.assertRaises(BadRequest, self.start, b"{}")
        self.assertRaises(BodyTooLarge, self.start, gzip.compress(b"x" * 1001), limit=1000)
        self.assertEqual((self.served, self.offload.jobs), ([], []))

    def test_refusals_of_a_thread(self) -> None:
        for body, expected in ((gzip.compress(LONG * 2), BodyTooLarge), (gzip.compress(LONG)[:-1], BadRequest)):
            self.start(body)
            self.offload.jobs.pop().run()
            self.assertIsInstance(self.dispatcher.failures.pop(), expected)
        self.assertEqual(self.served, [])

    def test_too_much_waits(self) -> None:
        self.offload.full = True
        self.start(gzip.compress(LONG))
        self.assertIsInstance(self.dispatcher.failures.pop(), Overloaded)

    def test_no_room(self) -> None:
        """For what it came to."""
        request = self.start(gzip.compress(LONG))
        request.channel.factory.memory.room = False  # type: ignore[misc]
        self.offload.jobs.pop().run()
        self.assertEqual(self.dispatcher.failures.pop().code, "short_of_memory")
        self.assertEqual(self.served, [])

    def test_the_client_leaves(self) -> None:
        """Meanwhile: nobody waits for the body."""
        request = self.start(gzip.compress(LONG))
        assert request.gone is not None
        request.gone()
        self.assertTrue(self.visit.has_left)
        self.assertTrue(self.offload.jobs[0].cancelled)

    def test_the_gateway_goes_down(self) -> None:
        request = self.start(gzip.compress(LONG))
        assert request.cut is not None
        error = Overloaded("draining")
        request.cut(error)
        self.assertEqual(self.dispatcher.failures, [error])
        self.assertTrue(self.offload.jobs[0].cancelled)
