"""Finding the key of a request: where it may be, which one counts, and what is said when there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnhandledCredentials
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.trial import unittest
from zope.interface import implementer

from aigw.consumers.authenticator import KeyAuthenticator
from aigw.consumers.consumer import Consumer
from aigw.consumers.credentials import IApiKey
from aigw.consumers.realm import ConsumerRealm
from aigw.errors import Unauthorized
from tests.unit.consumers.fakes import FakeRequest, portal_of

NAMES = ("apikey", "x-api-key", "api-key", "x-goog-api-key")
KEYS = {"key-one": "one", "key-two": "two", "Bearer key-three": "three", "kéy +&%": "four"}
MISSING = ("No API key found in request", "missing_api_key")
WRONG = ("Unauthorized", "invalid_api_key")
DUPLICATE = ("Duplicate API key found", "duplicate_api_key")
FORM = (b"content-type", b"application/x-www-form-urlencoded")


class AuthenticatorTestCase(unittest.TestCase):
    """Asks an authenticator about requests."""

    def authenticator(self, key_names: Sequence[str] = NAMES, **options: Any) -> KeyAuthenticator:
        portal, self.consumers = portal_of(KEYS)
        return KeyAuthenticator(portal, key_names=key_names, **options)

    def assert_is(self, name: str | None, *headers: tuple[bytes, bytes], **request: Any) -> None:
        """A request with ``headers`` is the consumer's of that name."""
        consumer = self.auth.authenticate(FakeRequest(*headers, **request))
        self.assertEqual(consumer.name if consumer is not None else None, name)

    def assert_refused(self, why: tuple[str, str], *headers: tuple[bytes, bytes], **request: Any) -> Unauthorized:
        """A request with ``headers`` is refused with that message and code."""
        error = self.assertRaises(Unauthorized, self.auth.authenticate, FakeRequest(*headers, **request))
        self.assertEqual((error.message, error.code, error.status), (*why, 401))
        return error


class HeaderTests(AuthenticatorTestCase):
    """Keys in headers, as nearly all clients send them."""

    def setUp(self) -> None:
        self.auth = self.authenticator()

    def test_every_name_is_looked_for(self) -> None:
        """Clients of four providers, and of Kong, each have a header of their own."""
        for name in NAMES:
            self.assert_is("one", (name.encode(), b"key-one"))

    def test_what_is_wrong_with_a_key(self) -> None:
        """Stands where SDKs look; Kong's clients find Kong's word, and nothing else."""
        request = FakeRequest((b"apikey", b"nobody"))
        error = self.assertRaises(Unauthorized, self.authenticator().authenticate, request)
        self.assertEqual(error.message, "Unauthorized")
        self.assertEqual(error.as_dict()["message"], "Unauthorized: unknown or expired key")

    def test_first_name_wins_whatever_the_headers_order(self) -> None:
        """The order is the configuration's, not the client's."""
        self.assert_is("one", (b"x-api-key", b"key-two"), (b"apikey", b"key-one"))
        self.assert_is("one", (b"apikey", b"key-one"), (b"x-api-key", b"key-two"))

    def test_what_is_behind_the_first_does_not_count(self) -> None:
        """A provider's token beside the consumer's key is no second try, and no duplicate either."""
        self.assert_refused(WRONG, (b"apikey", b"nobody"), (b"x-api-key", b"key-one"))
        self.assert_refused(WRONG, (b"apikey", b"nobody"), (b"authorization", b"Bearer key-one"))
        self.assert_is("one", (b"apikey", b"key-one"), (b"x-api-key", b"a"), (b"x-api-key", b"b"))
        self.assert_is("one", (b"apikey", b"key-one"), (b"authorization", b"Bearer sk-provider"))

    def test_bearer_is_looked_at_last(self) -> None:
        """The OpenAI SDK sends its key so, with the scheme in any case."""
        for scheme in (b"Bearer ", b"bearer ", b"BEARER   "):
            self.assert_is("one", (b"authorization", scheme + b"key-one"))
        self.assert_is("two", (b"authorization", b"Bearer key-one"), (b"x-goog-api-key", b"key-two"))

    def test_other_schemes_are_no_key(self) -> None:
        """Basic is somebody else's, and so is what only begins like Bearer."""
        for value in (b"Basic key-one", b"key-one", b"Bearer", b"Bearerkey-one", b""):
            self.assert_refused(MISSING, (b"authorization", value))
        self.assert_is("one", (b"authorization", b"Basic x"), (b"authorization", b"Bearer key-one"))

    def test_no_key(self) -> None:
        """Nothing at all, or nothing in it."""
        self.assert_refused(MISSING)
        self.assert_refused(MISSING, (b"authorization", b"Bearer   "))

    def test_empty_is_no_key_and_wins(self) -> None:
        """The first name that is there decides, as in Kong."""
        self.assert_refused(MISSING, (b"apikey", b""))
        self.assert_refused(MISSING, (b"apikey", b""), (b"x-api-key", b"key-one"))

    def test_unknown_key(self) -> None:
        """Neither prefixes nor other spellings of a key are one."""
        for key in (b"nobody", b"key-on", b"key-one-", b"KEY-ONE", b" key-one", b"Bearer key-one"):
            self.assert_refused(WRONG, (b"apikey", key))

    def test_key_is_its_bytes(self) -> None:
        """What a client cannot mean as text is still only a wrong key."""
        self.assert_is("four", (b"apikey", "kéy +&%".encode()))
        self.assert_refused(WRONG, (b"apikey", b"\xff\xfe"))

    def test_same_header_twice(self) -> None:
        """Equal, different, empty: two parts of a system could each believe another one."""
        for second in (b"key-one", b"key-two", b""):
            self.assert_refused(DUPLICATE, (b"apikey", b"key-one"), (b"apikey", second))
            self.assert_refused(DUPLICATE, (b"apikey", second), (b"x-api-key", b"x"), (b"apikey", b"key-one"))
        self.assert_refused(DUPLICATE, (b"authorization", b"Bearer key-one"), (b"authorization", b"Bearer key-two"))

    def test_key_never_in_the_error(self) -> None:
        """Not in its text, not in its representation, not in what the client is told."""
        for headers in ([(b"apikey", b"hunter22")], [(b"apikey", b"hunter22")] * 2):
            error = self.assertRaises(Unauthorized, self.auth.authenticate, FakeRequest(*headers))
            shown = f"{error} {error!r} {error.body('id')!r} {error.response_headers()} {vars(error)}"
            self.assertNotIn("hunter22", shown)
            self.assertIsNone(error.__cause__)

    def test_names_in_any_case(self) -> None:
        """Header names are the same in upper and lower case."""
        self.auth = self.authenticator(["ApiKey"])
        self.assert_is("one", (b"apikey", b"key-one"))
        self.assertEqual(self.auth.header_names, {b"apikey"})

    def test_authorization_as_a_name_is_taken_whole(self) -> None:
        """Kong compares the raw value, so keys stored with their scheme work after a migration."""
        self.auth = self.authenticator(["authorization", "apikey"])
        self.assert_is("three", (b"authorization", b"Bearer key-three"))
        self.assert_refused(WRONG, (b"authorization", b"Bearer key-one"), (b"apikey", b"key-one"))

    def test_bearer_off(self) -> None:
        """Then the header belongs to somebody else."""
        self.auth = self.authenticator(bearer=False)
        self.assert_refused(MISSING, (b"authorization", b"Bearer key-one"))

    def test_headers_off(self) -> None:
        """Names count in the query alone; a Bearer token is a thing of its own."""
        self.auth = self.authenticator(key_in_header=False, key_in_query=True)
        self.assert_refused(MISSING, (b"apikey", b"key-one"))
        self.assert_is("one", (b"apikey", b"key-two"), query=b"apikey=key-one")
        self.assert_is("one", (b"authorization", b"Bearer key-one"))

    def test_headers_that_may_carry_keys_are_told(self) -> None:
        """So that they stay here even if another one won."""
        self.assertEqual(self.auth.header_names, {name.encode() for name in NAMES})
        self.assertEqual(self.authenticator(key_in_header=False).header_names, self.auth.header_names)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from([*NAMES, "authorization", "accept"]),
                st.sampled_from(["key-one", "key-two", "nobody", "", "Bearer key-one", "Bearer nobody"]),
            ),
            max_size=6,
        )
    )
    @example([("x-api-key", "a"), ("x-api-key", "b"), ("apikey", "key-one")])
    def test_same_as_looking_for_one_name_after_another(self, headers: list[tuple[str, str]]) -> None:
        """One pass over the headers finds what Kong's loop over the names would."""
        try:
            consumer = self.auth.authenticate(
                FakeRequest(*((name.encode(), value.encode()) for name, value in headers))
            )
            found = consumer.name if consumer is not None else None
        except Unauthorized as error:
            found = error.code
        self.assertEqual(found, name_by_name(headers))


def name_by_name(headers: list[tuple[str, str]]) -> str:
    """The consumer, or the error, by the contract's words."""
    bearer = [value[7:] for name, value in headers if name == "authorization" and value.startswith("Bearer ")]
    for values in [*([value for known, value in headers if known == name] for name in NAMES), bearer]:
        if len(values) > 1:
            return "duplicate_api_key"
        if values:
            return KEYS.get(values[0], "invalid_api_key") if values[0] else "missing_api_key"
    return "missing_api_key"


class ChallengeTests(AuthenticatorTestCase):
    """Every 401 says how to come in (RFC 9110 section 11.6.1)."""

    def challenges(self) -> set[bytes]:
        wrong = (b"apikey", b"nobody")
        requests = [FakeRequest(), FakeRequest(wrong), FakeRequest(wrong, wrong)]
        errors = [self.assertRaises(Unauthorized, self.auth.authenticate, request) for request in requests]
        return {dict(error.response_headers())[b"www-authenticate"] for error in errors}

    def test_without_realm(self) -> None:
        """The bare scheme."""
        self.auth = self.authenticator()
        self.assertEqual(self.challenges(), {b"Key"})

    def test_with_realm(self) -> None:
        """As a quoted string."""
        self.auth = self.authenticator(realm="the lab")
        self.assertEqual(self.challenges(), {b'Key realm="the lab"'})


class QueryTests(AuthenticatorTestCase):
    """Keys in the query."""

    def setUp(self) -> None:
        self.auth = self.authenticator(key_in_query=True)

    def test_off_by_default(self) -> None:
        """Queries end up in logs; whoever wants keys there must say so."""
        self.auth = self.authenticator()
        self.assert_refused(MISSING, query=b"apikey=key-one")

    def test_found(self) -> None:
        """Among other fields, with names and values percent-decoded."""
        self.assert_is("one", query=b"a=1&apikey=key-one&b=2")
        self.assert_is("one", query=b"%61pikey=key%2Done")
        self.assert_is("one", query=b"ApiKey=key-one")
        self.assert_is("four", query=b"x-goog-api-key=k%C3%A9y+%2B%26%25")

    def test_name_by_name(self) -> None:
        """An earlier name in the query goes before a later one in a header; one name's header before its query."""
        self.assert_is("one", (b"x-api-key", b"key-two"), query=b"apikey=key-one")
        self.assert_is("two", (b"apikey", b"key-two"), query=b"apikey=key-one")
        self.assert_is("two", (b"apikey", b"key-two"), query=b"x-api-key=key-one")
        self.assert_is("one", (b"authorization", b"Bearer key-two"), query=b"x-goog-api-key=key-one")

    def test_an_earlier_name_lets_a_repeated_header_be(self) -> None:
        """The first name that is there decides, wherever it is."""
        self.assert_is("one", (b"x-api-key", b"a"), (b"x-api-key", b"b"), query=b"apikey=key-one")

    def test_empty_and_repeated(self) -> None:
        """The same rules as for headers; a name without = is nothing."""
        self.assert_refused(MISSING, query=b"apikey=&x-api-key=key-one")
        self.assert_refused(MISSING, query=b"apikey")
        self.assert_refused(MISSING, query=b"")
        self.assert_is("one", query=b"apikey&x-api-key=key-one")
        self.assert_refused(DUPLICATE, query=b"apikey=key-one&apikey=key-one")
        self.assert_refused(DUPLICATE, query=b"apikey=key-one&%61PIKEY=key-one")

    def test_bytes_that_are_no_text(self) -> None:
        """A wrong key, not an internal error."""
        self.assert_refused(WRONG, query=b"apikey=%FF%FE")
        self.assert_refused(WRONG, query=b"apikey=\xff")
        self.assert_refused(MISSING, query=b"%FF=%&%zz")


class BodyTests(AuthenticatorTestCase):
    """Keys in the body."""

    def setUp(self) -> None:
        self.auth = self.authenticator(key_in_body=True)

    def test_json(self) -> None:
        """A member of the outermost object that is a string."""
        self.assert_is("one", body=b'{"model": "m", "apikey": "key-one"}')
        self.assert_is("four", body=b'{"apikey": "k\\u00e9y +&%"}')
        for body in (
            b'{"a": {"apikey": "key-one"}}',
            b'{"apikey": 1}',
            b'["apikey"]',
            b'{"apikey": "key-one"',
            b"\xff",
        ):
            self.assert_refused(MISSING, body=body)
        self.assert_refused(DUPLICATE, body=b'{"apikey": "key-one", "apikey": "key-one"}')

    def test_forms(self) -> None:
        """A field of a form, or a part of a multipart one."""
        self.assert_is("one", FORM, body=b"a=1&apikey=key-one")
        self.assert_refused(DUPLICATE, FORM, body=b"apikey=key-one&apikey=key-two")
        multipart = (b"content-type", b"multipart/form-data; boundary=xx")
        part = b'--xx\r\nContent-Disposition: form-data; name="apikey"\r\n\r\nkey-one\r\n'
        self.assert_is("one", multipart, body=part + b"--xx--\r\n")
        self.assert_refused(DUPLICATE, multipart, body=part * 2 + b"--xx--\r\n")

    def test_off_by_default(self) -> None:
        """Bodies are not opened for nothing."""
        self.auth = self.authenticator()
        self.assert_refused(MISSING, body=b'{"apikey": "key-one"}')
        self.assertEqual(self.auth.clean_body(b'{"apikey": "x"}', None), b'{"apikey": "x"}')

    def test_header_then_query_then_body(self) -> None:
        """For each name in turn."""
        self.auth = self.authenticator(key_in_query=True, key_in_body=True)
        body = b'{"apikey": "key-one"}'
        self.assert_is("two", (b"apikey", b"key-two"), query=b"apikey=nobody", body=body)
        self.assert_is("two", query=b"apikey=key-two", body=body)
        self.assert_is("one", (b"x-api-key", b"key-two"), query=b"x-api-key=key-two", body=body)

    def test_taken_out_of_the_body(self) -> None:
        """Nothing else of it changes."""
        json = b"application/json"
        clean = self.auth.clean_body
        self.assertEqual(clean(b'{"apikey": "x", "n": 1.50, "api-key": 1}', json), b'{"n": 1.50}')
        self.assertEqual(clean(b"a=+1&apikey=x", FORM[1]), b"a=+1")
        body = b'{"a": [1, 2 ]}'
        self.assertIs(clean(body, json), body)
        self.assertIs(clean(body, None), body)
        self.assertEqual(clean(b"", None), b"")


class AnonymousTests(AuthenticatorTestCase):
    """Who callers without a valid key are."""

    def setUp(self) -> None:
        self.auth = self.authenticator()
        self.auth = self.authenticator(anonymous=Consumer(name="anybody"))

    def test_whoever_cannot_come_in_is_anonymous(self) -> None:
        """No key, a wrong one, two of them: Kong makes no difference."""
        self.assert_is("anybody")
        self.assert_is("anybody", (b"apikey", b""))
        self.assert_is("anybody", (b"apikey", b"nobody"))
        self.assert_is("anybody", (b"apikey", b"key-one"), (b"apikey", b"key-one"))

    def test_a_valid_key_is_its_consumers(self) -> None:
        """Being anonymous is for the others."""
        self.assert_is("one", (b"apikey", b"key-one"))


class PreflightTests(AuthenticatorTestCase):
    """CORS preflights come without credentials."""

    def test_need_a_key_by_default(self) -> None:
        """OPTIONS is a method like any other."""
        self.auth = self.authenticator()
        self.assert_refused(MISSING, method=b"OPTIONS")
        self.assert_is("one", (b"apikey", b"key-one"), method=b"OPTIONS")

    def test_pass_without_a_key_if_told_so(self) -> None:
        """They are nobody's then, key or not; other methods are not let through."""
        self.auth = self.authenticator(run_on_preflight=False)
        self.assert_is(None, method=b"OPTIONS")
        self.assert_is(None, (b"apikey", b"nobody"), method=b"OPTIONS")
        self.assert_refused(MISSING, method=b"POST")

    def test_nobody_and_not_anonymous(self) -> None:
        """The anonymous consumer's limits are not spent on preflights."""
        self.auth = self.authenticator(run_on_preflight=False, anonymous=Consumer(name="anybody"))
        self.assert_is(None, method=b"OPTIONS")


@implementer(ICredentialsChecker)
class OddChecker:
    """A checker that does what it is told instead of checking."""

    credentialInterfaces = (IApiKey,)

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    def requestAvatarId(self, credentials: Any) -> Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class BrokenPortalTests(unittest.TestCase):
    """A fault of the portal's lets nobody in, not even the anonymous consumer: it is ours, not the caller's."""

    def assert_fails(self, expected: type[Exception], *checkers: OddChecker) -> None:
        portal = Portal(ConsumerRealm({"one": Consumer(name="one")}), list(checkers))
        auth = KeyAuthenticator(portal, key_names=NAMES, anonymous=Consumer(name="anybody"))
        self.assertRaises(expected, auth.authenticate, FakeRequest((b"apikey", b"key-one")))

    def test_checker_that_breaks(self) -> None:
        """Its exception is passed on, to be logged and answered with 500."""
        self.assert_fails(ZeroDivisionError, OddChecker(ZeroDivisionError()))

    def test_name_without_a_consumer(self) -> None:
        """A checker and a realm of different configurations."""
        self.assert_fails(KeyError, OddChecker(b"two"))

    def test_checker_that_takes_its_time(self) -> None:
        """Not answered is not let in."""
        self.assert_fails(IndexError, OddChecker(Deferred()))

    def test_no_checker(self) -> None:
        """A portal that does not know API keys."""
        self.assert_fails(UnhandledCredentials)
