"""Google's access tokens: when they are fetched, who waits for them, what is told of failures."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import exceptions, jwt
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial import unittest

from aigw.errors import UpstreamFailed
from aigw.upstream import google
from aigw.upstream.authoriser import Authoriser
from aigw.upstream.google import AHEAD, LAST, PAUSE, GoogleAuthoriser, NoToken, Source, Token, problem

PEM = (
    rsa.generate_private_key(public_exponent=65537, key_size=2048)
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    .decode()
)
KEY = {
    "type": "service_account",
    "project_id": "p-1",
    "private_key_id": "k1",
    "private_key": PEM,
    "client_email": "gateway@p-1.iam.gserviceaccount.com",
    "token_uri": "https://oauth2.test/token",
}


def token(name: str, lifetime: float = 3600) -> Token:
    """A token called ``name``."""
    return Token(b"authorization: Bearer %s\r\n" % name.encode(), name.encode(), lifetime)


class Thread:
    """Where functions that block are run: when the test says so."""

    def __init__(self) -> None:
        self.asked: list[Deferred[Token]] = []

    def __call__(self, function: Callable[[], Token]) -> Deferred[Token]:
        self.asked.append(Deferred())
        return self.asked[-1]

    def answer(self, answer: Token | Exception) -> None:
        """The oldest call returns, or raises."""
        waiting = self.asked.pop(0)
        if isinstance(answer, Exception):
            waiting.errback(answer)
        else:
            waiting.callback(answer)


def never() -> Token:
    """What the fake thread does not run."""
    raise AssertionError("ran in the reactor's thread")


class AuthoriserTests(unittest.TestCase):
    """Caching, renewing, waiting."""

    def setUp(self) -> None:
        """An authoriser whose thread and clock are the test's."""
        self.clock, self.thread = Clock(), Thread()
        self.clock.advance(1000)
        self.authoriser = GoogleAuthoriser(self.clock, self.thread, never, b"p")

    def lines(self) -> Deferred[bytes]:
        """What one call gets."""
        authoriser: Authoriser = self.authoriser
        return authoriser.lines(b"POST", b"/x", b"host: y\r\n", b"{}")

    def got(self, name: str) -> None:
        """A call gets that token at once."""
        self.assertEqual(self.successResultOf(self.lines()), b"authorization: Bearer %s\r\n" % name.encode())

    def refused(self, waiting: Deferred[bytes]) -> str:
        """What a call is told that gets none."""
        error = self.failureResultOf(waiting, UpstreamFailed).value
        self.assertEqual(error.status, 502)
        return str(error.message)

    def test_many_wait_for_one(self) -> None:
        """The first call fetches, the others wait with it, later ones have it at once."""
        waiting = [self.lines() for _ in range(5)]
        self.assertEqual(len(self.thread.asked), 1)
        for each in waiting:
            self.assertNoResult(each)
        self.thread.answer(token("a"))
        for each in waiting:
            self.assertEqual(self.successResultOf(each), b"authorization: Bearer a\r\n")
        self.got("a")
        self.assertEqual(self.thread.asked, [])

    def test_renewed_beside_its_use(self) -> None:
        """Shortly before its end, without anybody waiting, once."""
        self.lines()
        self.thread.answer(token("a", 3600))
        self.clock.advance(3600 - AHEAD - 1)
        self.got("a")
        self.assertEqual(self.thread.asked, [])
        self.clock.advance(2)
        self.got("a")
        self.got("a")
        self.assertEqual(len(self.thread.asked), 1)
        self.thread.answer(token("b"))
        self.got("b")

    def test_not_used_in_its_last_seconds(self) -> None:
        """It would expire on the way."""
        self.lines()
        self.thread.answer(token("a", 3600))
        self.clock.advance(3600 - LAST + 1)
        waiting = self.lines()
        self.assertNoResult(waiting)
        self.thread.answer(token("b"))
        self.assertEqual(self.successResultOf(waiting), b"authorization: Bearer b\r\n")

    def test_short_lived_tokens(self) -> None:
        """Are not fetched for every call: a metadata server gives out the same until it is nearly over."""
        self.lines()
        self.thread.answer(token("a", AHEAD - 100))
        self.got("a")
        self.assertEqual(self.thread.asked, [])
        self.clock.advance(PAUSE)
        self.got("a")
        self.assertEqual(len(self.thread.asked), 1)

    def test_failed_renewal(self) -> None:
        """Costs nothing as long as the token is good; the next try has its pause."""
        self.lines()
        self.thread.answer(token("a", 3600))
        self.clock.advance(3600 - AHEAD)
        self.got("a")
        self.thread.answer(NoToken("down"))
        self.got("a")
        self.assertEqual(self.thread.asked, [])
        self.clock.advance(PAUSE)
        self.got("a")
        self.assertEqual(len(self.thread.asked), 1)

    def test_failure(self) -> None:
        """All that wait are told why; so are the calls of the next seconds; then there is another try."""
        waiting = [self.lines(), self.lines()]
        self.thread.answer(NoToken("Google refuses: invalid_grant"))
        for each in waiting:
            self.assertEqual(self.refused(each), "no access token for Google Cloud: Google refuses: invalid_grant")
        self.assertIn("invalid_grant", self.refused(self.lines()))
        self.assertEqual(self.thread.asked, [])
        self.clock.advance(PAUSE)
        again = self.lines()
        self.thread.answer(token("a"))
        self.assertEqual(self.successResultOf(again), b"authorization: Bearer a\r\n")
        self.got("a")

    def test_unknown_failure(self) -> None:
        """Its text may have the key in it, so it is not told."""
        waiting = self.lines()
        self.thread.answer(ValueError(f"cannot read {PEM}"))
        message = self.refused(waiting)
        self.assertIn("ValueError", message)
        self.assertNotIn("BEGIN", message)

    def test_a_caller_that_leaves(self) -> None:
        """Stops waiting; the others do not."""
        first, second = self.lines(), self.lines()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.thread.answer(token("a"))
        self.assertEqual(self.successResultOf(second), b"authorization: Bearer a\r\n")

    def test_one_that_makes_another_leave(self) -> None:
        """While the token is given out."""
        first, second = self.lines(), self.lines()
        first.addCallback(lambda lines: second.cancel())
        self.thread.answer(token("a"))
        self.failureResultOf(second, CancelledError)

    def test_secrets(self) -> None:
        """The token and the one before, for error texts that echo it."""
        self.assertEqual(self.authoriser.secrets(), ())
        for name in ("a", "b", "c"):
            self.lines()
            self.thread.answer(token(name, 100))
            self.clock.advance(100)
        self.assertEqual(self.authoriser.secrets(), (b"c", b"b"))

    def test_no_secret_in_a_repr(self) -> None:
        """Not of a token either."""
        self.assertNotIn("sesame", repr(token("sesame")))


class Endpoint:
    """A token endpoint as google-auth calls it."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.calls: list[dict[str, Any]] = []

    def __call__(self, url: str, method: str = "GET", body: Any = None, headers: Any = None, **more: Any) -> Any:
        self.calls.append({"url": url, "method": method, "body": body})
        status, data = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(data, Exception):
            raise data
        text = data if isinstance(data, bytes) else orjson.dumps(data)
        return mock.Mock(status=status, data=text, headers={})


GRANTED = (200, {"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"})


class SourceTests(unittest.TestCase):
    """google-auth, with an endpoint of our own."""

    def refused(self, key: Any, *answers: tuple[int, Any]) -> str:
        """Why there is no token."""
        text = key if isinstance(key, str) else orjson.dumps(key).decode()
        source = Source(text, Endpoint(*answers or [GRANTED]))
        with mock.patch("time.sleep"):
            error = self.assertRaises(NoToken, source.fetch)
        self.assertNotIn("PRIVATE", str(error))
        self.assertIsNone(error.__cause__)
        return str(error)

    def test_service_account(self) -> None:
        """A signed assertion for the scope of Google Cloud becomes a token."""
        endpoint = Endpoint(GRANTED)
        source = Source(orjson.dumps(KEY).decode(), endpoint)
        fetched = source.fetch()
        self.assertEqual((fetched.lines, fetched.secret), (b"authorization: Bearer ya29.x\r\n", b"ya29.x"))
        self.assertTrue(3500 < fetched.lifetime <= 3599)
        (call,) = endpoint.calls
        self.assertEqual((call["method"], call["url"]), ("POST", "https://oauth2.test/token"))
        assertion = call["body"].partition(b"assertion=")[2].partition(b"&")[0]
        claims = jwt.decode(assertion, verify=False)
        self.assertEqual((claims["iss"], claims["scope"]), (KEY["client_email"], google.SCOPE))

    def test_again(self) -> None:
        """Each fetch is a new token."""
        other = (200, {"access_token": "ya29.y", "expires_in": 3599})
        source = Source(orjson.dumps(KEY).decode(), Endpoint(GRANTED, other))
        self.assertEqual([source.fetch().secret, source.fetch().secret], [b"ya29.x", b"ya29.y"])

    def test_refusal(self) -> None:
        """OAuth's own words, and nothing else of the answer."""
        answer = (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature.", "x": "sesame"})
        why = self.refused(KEY, answer)
        self.assertEqual(why, "Google refuses: invalid_grant: Invalid JWT Signature.")
        self.assertEqual(self.refused(KEY, (400, b"<html>")), "Google refuses: the credentials are not accepted")

    def test_unreachable(self) -> None:
        """No answer at all."""
        self.assertIn("cannot be reached", self.refused(KEY, (0, exceptions.TransportError("secret-host"))))

    def test_keys_that_are_none(self) -> None:
        """Say what is wrong with them."""
        self.assertIn("not JSON", self.refused("ya29.token"))
        self.assertIn("not JSON", self.refused("[]"))
        self.assertIn(
            "lacks client_email", self.refused({"type": "service_account", "private_key": PEM, "token_uri": "x"})
        )
        self.assertIn(
            "private_key cannot be read", self.refused({**KEY, "private_key": "-----BEGIN PRIVATE KEY-----\nx"})
        )
        self.assertIn("GOOGLE_APPLICATION_CREDENTIALS", self.refused({"type": "external_account"}))

    def test_token_that_is_none(self) -> None:
        """Would be two headers."""
        self.assertIn("no token", self.refused(KEY, (200, {"access_token": "a\r\nx-evil: 1", "expires_in": 9})))

    def test_user_s_own_credentials(self) -> None:
        """Name the project that pays."""
        key = {
            "type": "authorized_user",
            "client_id": "c",
            "client_secret": "s",
            "refresh_token": "r",
            "quota_project_id": "q",
        }
        fetched = Source(orjson.dumps(key).decode(), Endpoint(GRANTED)).fetch()
        self.assertEqual(fetched.lines, b"authorization: Bearer ya29.x\r\nx-goog-user-project: q\r\n")

    def test_ambient(self) -> None:
        """The file that the environment names, read only when a token is needed."""
        path = self.mktemp()
        source = Source(None, Endpoint(GRANTED))
        with mock.patch.dict("os.environ", {"GOOGLE_APPLICATION_CREDENTIALS": path, "GOOGLE_CLOUD_PROJECT": "p"}):
            self.assertIn("no default credentials", str(self.assertRaises(NoToken, source.fetch)))
            with open(path, "wb") as file:  # noqa: PTH123
                file.write(orjson.dumps(KEY))
            self.assertEqual(source.fetch().secret, b"ya29.x")

    def test_no_expiry(self) -> None:
        """A token that does not say when it ends is kept for a while."""
        self.assertEqual(
            Source(orjson.dumps(KEY).decode(), Endpoint((200, {"access_token": "t"}))).fetch().lifetime, google.UNKNOWN
        )


class ProblemTests(unittest.TestCase):
    """What ``aigw check`` can see."""

    def test_none(self) -> None:
        """All is there."""
        self.assertIsNone(problem())
        self.assertIsNone(problem(orjson.dumps(KEY).decode()))

    def test_bad_key(self) -> None:
        """Is found before it is needed."""
        self.assertIn("not JSON", problem("sk-1") or "")

    def test_missing_package(self) -> None:
        """Names the extra."""
        with mock.patch.object(google, "_installed", return_value=False):
            self.assertIn("pip install 'aigw[vertex]'", problem() or "")

    def test_import_costs_nothing(self) -> None:
        """The module itself does not need google-auth."""
        hidden = {name: None for name in sys.modules if name == "google" or name.startswith("google.")}
        with mock.patch.dict("sys.modules", hidden):
            self.assertIn("GoogleAuthoriser", runpy.run_path(google.__file__))
            self.assertRaises(ImportError, Source("{}").fetch)


class PartitionTests(unittest.TestCase):
    """Connections of one identity are not another's."""

    def test_by_identity(self) -> None:
        """The same key, the same connections."""
        reactor = mock.Mock()
        one = google.google_authoriser(reactor, "a").partition
        self.assertEqual(one, google.google_authoriser(reactor, "a").partition)
        self.assertNotEqual(one, google.google_authoriser(reactor, "b").partition)
        self.assertNotEqual(one, google.google_authoriser(reactor, None).partition)
