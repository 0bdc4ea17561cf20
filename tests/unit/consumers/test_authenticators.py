"""From a configuration's words to authenticators."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from twisted.trial import unittest

from aigw.consumers.authenticators import Authenticators
from aigw.consumers.consumer import Consumer
from aigw.consumers.credentials import digest
from aigw.errors import Unauthorized
from tests.unit.consumers.fakes import NOW, FakeRequest

KEY_AUTH = {
    "key_names": ("apikey",),
    "bearer": True,
    "key_in_header": True,
    "key_in_query": False,
    "key_in_body": False,
    "realm": "",
    "anonymous": "",
    "run_on_preflight": True,
}


def key(text: str, expires: datetime | None = None) -> SimpleNamespace:
    return SimpleNamespace(digest=digest(text.encode()).hex(), expires=expires)


def settings(auth: dict[str, dict[str, Any]], **consumers: list[SimpleNamespace]) -> Any:
    """Settings as the configuration room makes them, as far as authenticators look at them."""
    return SimpleNamespace(
        auth={name: SimpleNamespace(**{**KEY_AUTH, **own}) for name, own in auth.items()},
        consumers={name: SimpleNamespace(keys=tuple(keys)) for name, keys in consumers.items()},
    )


class AuthenticatorsTests(unittest.TestCase):
    """One portal for all ways in."""

    def authenticators(self, auth: dict[str, dict[str, Any]], **consumers: list[SimpleNamespace]) -> Authenticators:
        made = {name: Consumer(name=name) for name in consumers}
        return Authenticators(settings(auth, **consumers), made, lambda: NOW)

    def who(self, authenticators: Authenticators, name: str, *headers: tuple[bytes, bytes], **more: Any) -> str:
        authenticator = authenticators.authenticator(name)
        assert authenticator is not None
        consumer = authenticator.authenticate(FakeRequest(*headers, **more))
        return consumer.name if consumer is not None else ""

    def test_each_entry_has_its_own_rules(self) -> None:
        """Everything that [auth] can say arrives."""
        authenticators = self.authenticators(
            {
                "key": {},
                "query": {"key_in_header": False, "bearer": False, "key_in_query": True, "key_names": ("k",)},
                "body": {"key_in_body": True},
                "open": {"anonymous": "guest", "run_on_preflight": False},
                "lab": {"realm": "lab"},
            },
            one=[key("a"), key("b")],
            guest=[],
        )
        self.assertEqual(self.who(authenticators, "key", (b"apikey", b"b")), "one")
        self.assertEqual(self.who(authenticators, "key", (b"authorization", b"Bearer a")), "one")
        self.assertEqual(self.who(authenticators, "query", query=b"k=a"), "one")
        self.assertRaises(
            Unauthorized, self.who, authenticators, "query", (b"authorization", b"Bearer a"), (b"k", b"a")
        )
        self.assertEqual(self.who(authenticators, "body", body=b'{"apikey":"a"}'), "one")
        self.assertEqual(self.who(authenticators, "open"), "guest")
        self.assertEqual(self.who(authenticators, "open", method=b"OPTIONS"), "")
        refusal = self.assertRaises(Unauthorized, self.who, authenticators, "lab")
        self.assertIn((b"www-authenticate", b'Key realm="lab"'), refusal.headers)

    def test_none_is_no_door_at_all(self) -> None:
        """And a name that nobody configured is not one by accident."""
        authenticators = self.authenticators({"key": {}})
        self.assertIsNone(authenticators.authenticator("none"))
        self.assertRaises(KeyError, authenticators.authenticator, "nome")

    def test_keys_expire_by_the_calendar(self) -> None:
        """In whichever time zone the date was written."""
        now = datetime.fromtimestamp(NOW, UTC)
        authenticators = self.authenticators(
            {"key": {}}, one=[key("old", now), key("new", (now + timedelta(seconds=1)).astimezone())]
        )
        self.assertEqual(self.who(authenticators, "key", (b"apikey", b"new")), "one")
        refusal = self.assertRaises(Unauthorized, self.who, authenticators, "key", (b"apikey", b"old"))
        self.assertEqual(refusal.message, "Unauthorized")

    def test_every_name_of_a_key_is_told(self) -> None:
        """A key sent to the wrong route stays here all the same."""
        authenticators = self.authenticators(
            {"key": {"key_names": ("A", "b")}, "other": {"key_names": ("c",), "key_in_header": False}}
        )
        self.assertEqual(authenticators.key_names, {b"a", b"b", b"c"})
        self.assertEqual(self.authenticators({}).key_names, frozenset())

    def test_knows_all_keys(self) -> None:
        """For passthrough: a consumer's key is never sent on as a provider's token."""
        authenticators = self.authenticators({"key": {}}, one=[key("a")], two=[key("b")])
        self.assertEqual([authenticators.checker.knows(token) for token in (b"a", b"b", b"c")], [True, True, False])
