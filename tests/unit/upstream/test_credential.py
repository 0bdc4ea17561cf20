"""The provider's credential: put in whatever way it was written down, and never shown."""

from __future__ import annotations

import base64

from twisted.trial import unittest

from aigw.consumers.key_filter import KeyFilter
from aigw.errors import BadRequest
from aigw.upstream.credential import NO_CREDENTIAL, Credential, Passthrough, without_bearer


def nobody(_token: bytes) -> bool:
    return False


class CredentialTests(unittest.TestCase):
    """Credentials that the configuration holds."""

    def test_works_with_and_without_bearer(self) -> None:
        """Half of the field stores `Bearer sk-…`, the other half `sk-…`; both make one header."""
        for written in (b"sk-1", b"Bearer sk-1", b"bearer  sk-1", b" sk-1\n"):
            made = Credential.of(written, b"authorization", b"Bearer ")
            self.assertEqual(made.line, b"authorization: Bearer sk-1\r\n")

    def test_other_headers_take_the_bare_key(self) -> None:
        """A key stored with `Bearer ` still fits a header that wants it bare."""
        self.assertEqual(Credential.of(b"Bearer k", b"api-key", b"").line, b"api-key: k\r\n")

    def test_not_in_repr(self) -> None:
        """A traceback or a debug line must not print it."""
        self.assertNotIn("sk-secret", repr(Credential.of(b"sk-secret", b"authorization", b"Bearer ")))

    def test_partitions_differ_by_credential(self) -> None:
        """Two tokens never share a connection."""
        one, other = (Credential.of(token, b"authorization", b"Bearer ") for token in (b"a", b"b"))
        self.assertNotEqual(one.partition, other.partition)

    def test_without_bearer_keeps_what_only_looks_like_it(self) -> None:
        """`Bearertoken` is a token."""
        self.assertEqual(without_bearer(b"Bearertoken"), b"Bearertoken")


class PassthroughTests(unittest.TestCase):
    """Credentials that the client brings."""

    def setUp(self) -> None:
        self.rule = Passthrough((b"authorization", b"x-api-key"))

    def test_takes_the_clients_token(self) -> None:
        """It goes up as it came."""
        sent = [(b"apikey", b"consumer"), (b"authorization", b"Bearer provider-token")]
        self.assertEqual(self.rule.take(sent, nobody).line, b"authorization: Bearer provider-token\r\n")

    def test_never_takes_a_consumer_key(self) -> None:
        """A client that has only its consumer key reaches the provider without a credential."""
        sent = [(b"authorization", b"Bearer mine")]
        taken = self.rule.take(sent, KeyFilter(lambda token: token == b"mine").is_in)
        self.assertIs(taken, NO_CREDENTIAL)

    def test_consumer_key_beside_provider_token(self) -> None:
        """Two credentials in one request: the key that is ours stays, the other goes."""
        sent = [(b"authorization", b"Bearer mine"), (b"x-api-key", b"theirs")]
        taken = self.rule.take(sent, KeyFilter(lambda token: token == b"mine").is_in)
        self.assertEqual(taken.line, b"x-api-key: theirs\r\n")

    def test_a_key_that_is_the_whole_of_the_header(self) -> None:
        """Scheme and all, as Kong's ``key_names = ["authorization"]`` has it; or in Basic credentials."""
        keys = KeyFilter(lambda token: token in (b"Token mine", b"mine"))
        for value in (b"Token mine", b"mine", b"Basic " + base64.b64encode(b"user:mine"), b'Token token="mine"'):
            self.assertIs(self.rule.take([(b"authorization", value)], keys.is_in), NO_CREDENTIAL, value)

    def test_two_tokens_in_one_header(self) -> None:
        """Which one is meant? The consumer's own among them makes no difference."""
        keys = KeyFilter(lambda token: token == b"mine")
        for first in (b"Bearer other", b"Bearer mine"):
            sent = [(b"authorization", first), (b"authorization", b"Bearer theirs")]
            error = self.assertRaises(BadRequest, self.rule.take, sent, keys.is_in)
            self.assertEqual((error.code, "Authorization" in error.message), ("malformed_request", True))

    def test_without_a_token_nothing_is_sent(self) -> None:
        """The provider says what it thinks of that."""
        self.assertEqual(self.rule.take([], nobody).line, b"")
