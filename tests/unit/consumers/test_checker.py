"""twisted.cred's pieces: credentials, checker, realm, and the portal around them."""

from __future__ import annotations

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.task import Clock
from twisted.trial import unittest
from zope.interface.verify import verifyObject

from aigw.consumers.checker import ApiKeyChecker
from aigw.consumers.consumer import Consumer
from aigw.consumers.credentials import ApiKey, IApiKey, digest
from aigw.consumers.interfaces import IConsumer
from aigw.consumers.realm import ConsumerRealm
from tests.unit.consumers.fakes import portal_of


class CredentialsTests(unittest.TestCase):
    """A key on its way to the checker."""

    def test_is_what_the_portal_asks_for(self) -> None:
        """The interface picks the checker."""
        verifyObject(IApiKey, ApiKey(digest(b"k")))

    def test_digest_is_sha256(self) -> None:
        """FIPS 180-2's own example; files hold digests made by other tools."""
        known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        self.assertEqual(digest(b"abc").hex(), known)

    def test_not_in_repr(self) -> None:
        """Not even the digest, which is what the file would need to hold."""
        credentials = ApiKey(digest(b"abc"))
        self.assertNotIn("ba78", repr(credentials))
        self.assertNotIn(repr(credentials.digest), repr(credentials))


class CheckerTests(unittest.TestCase):
    """Whose key is it?"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)

    def checker(self, *keys: tuple[str, str, float | None]) -> ApiKeyChecker:
        return ApiKeyChecker([(digest(key.encode()), name, end) for key, name, end in keys], self.clock.seconds)

    def test_is_a_checker(self) -> None:
        """Any portal can use it."""
        verifyObject(ICredentialsChecker, self.checker())

    def test_knows_whose_key_it_is(self) -> None:
        """Names come back as bytes, as avatar ids do."""
        checker = self.checker(("a", "one", None), ("b", "one", None), ("c", "zwei.2_-", None))
        for key, name in ((b"a", b"one"), (b"b", b"one"), (b"c", b"zwei.2_-")):
            self.assertEqual(checker.requestAvatarId(ApiKey(digest(key))), name)

    def test_unknown_key(self) -> None:
        """Nor is anything that is not a whole digest a key."""
        checker = self.checker(("a", "one", None))
        for wrong in (digest(b"b"), digest(b"a")[:20], b"", b"a", digest(digest(b"a"))):
            self.assertRaises(UnauthorizedLogin, checker.requestAvatarId, ApiKey(wrong))

    def test_expires_at_that_second(self) -> None:
        """Valid up to the time, void from it on, without a reload."""
        checker = self.checker(("a", "one", 1010.0), ("b", "one", None))
        self.clock.advance(9.5)
        self.assertEqual(checker.requestAvatarId(ApiKey(digest(b"a"))), b"one")
        self.clock.advance(0.5)
        self.assertRaises(UnauthorizedLogin, checker.requestAvatarId, ApiKey(digest(b"a")))
        self.assertEqual(checker.requestAvatarId(ApiKey(digest(b"b"))), b"one")

    def test_expired_key_is_still_known_as_one(self) -> None:
        """It must not be taken for a provider's token and sent on."""
        checker = self.checker(("a", "one", 1.0))
        self.assertTrue(checker.knows(b"a"))
        self.assertFalse(checker.knows(b"b"))

    def test_two_consumers_with_one_key(self) -> None:
        """Never a silent pick; and the key is not in the message."""
        error = self.assertRaises(ValueError, self.checker, ("hunter22", "one", None), ("hunter22", "two", None))
        self.assertEqual(str(error), "consumers one and two have the same key")

    def test_a_consumers_key_twice_lives_as_long_as_either(self) -> None:
        """In whichever order they stand."""
        for ends, valid in (((5.0, 2000.0), True), ((None, 5.0), True), ((5.0, None), True), ((5.0, 6.0), False)):
            checker = self.checker(*(("a", "one", end) for end in ends))
            if valid:
                self.assertEqual(checker.requestAvatarId(ApiKey(digest(b"a"))), b"one")
            else:
                self.assertRaises(UnauthorizedLogin, checker.requestAvatarId, ApiKey(digest(b"a")))


class RealmTests(unittest.TestCase):
    """From a name to its consumer."""

    def setUp(self) -> None:
        self.one = Consumer(name="one")
        self.realm = ConsumerRealm({"one": self.one})

    def test_is_a_realm(self) -> None:
        """Any portal can use it."""
        verifyObject(IRealm, self.realm)

    def test_gives_out_consumers(self) -> None:
        """With the interface that was asked for, and a way to log out that means nothing."""
        interface, consumer, logout = self.realm.requestAvatar(b"one", None, IConsumer)
        self.assertIs(interface, IConsumer)
        self.assertIs(consumer, self.one)
        verifyObject(IConsumer, consumer)
        self.assertIsNone(logout())

    def test_nothing_else(self) -> None:
        """Nor anybody else: not even cred's own anonymous."""
        self.assertRaises(NotImplementedError, self.realm.requestAvatar, b"one", None, IRealm)
        self.assertRaises(KeyError, self.realm.requestAvatar, b"two", None, IConsumer)
        self.assertRaises(KeyError, self.realm.requestAvatar, (), None, IConsumer)


class PortalTests(unittest.TestCase):
    """All of it together, through twisted.cred."""

    def setUp(self) -> None:
        self.portal, self.consumers = portal_of({"a": "one"})

    def test_login_has_fired_when_it_returns(self) -> None:
        """No reactor turn between a request and its consumer."""
        login = self.portal.login(ApiKey(digest(b"a")), None, IConsumer)
        self.assertIs(self.successResultOf(login)[1], self.consumers["one"])

    def test_wrong_key_fails_at_once(self) -> None:
        """As cred says it: UnauthorizedLogin."""
        self.failureResultOf(self.portal.login(ApiKey(digest(b"b")), None, IConsumer), UnauthorizedLogin)

    def test_other_checkers_fit_in(self) -> None:
        """The seam for keys from elsewhere: a portal asks the checker registered for the interface."""
        portal = Portal(ConsumerRealm(self.consumers))
        portal.registerChecker(ApiKeyChecker([(digest(b"z"), "one", None)], lambda: 0.0))
        login = portal.login(ApiKey(digest(b"z")), None, IConsumer)
        self.assertIs(self.successResultOf(login)[1], self.consumers["one"])
