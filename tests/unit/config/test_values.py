"""Strings with a form of their own: what is taken, what is refused, and that nothing of it is repeated."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.endpoints import serverFromString
from twisted.internet.testing import MemoryReactorClock
from twisted.trial import unittest

from aigw.config import values
from aigw.config.listeners import listener, listener_or_off
from aigw.http.target import normalise_path
from aigw.routing.conditions import HostRule, PathRule


class ValueTestCase(unittest.TestCase):
    """Tests of functions that take a string or refuse it."""

    def assert_takes(self, judge: Callable[[str], Any], *good: str) -> None:
        for value in good:
            judge(value)

    def assert_refuses(self, judge: Callable[[str], Any], *bad: str) -> None:
        """A refusal says why, and not what was given."""
        for value in bad:
            try:
                judge(value)
            except ValueError as error:
                if len(value) > 13:
                    self.assertNotIn(value, str(error))
            else:
                self.fail(f"{value!r} was taken")


class ValueTests(ValueTestCase):
    """Each kind of string."""

    def test_url(self) -> None:
        self.assert_takes(
            values.url,
            "https://api.openai.com/v1",
            "http://localhost:11434",
            "http://[::1]:8080/v1/",
            "https://host_with_underscore/a%20b",
        )
        self.assert_refuses(
            values.url,
            "api.openai.com/v1",
            "ftp://host/",
            "https://",
            "https:///v1",
            "https://user:password@host/",
            "https://host/?key=1",
            "https://host/#part",
            "https://host/v1?",
            "https://host:port/",
            "https://host:0/",
            "https://host:/",
            "https://host:99999/",
            "https://ho st/",
            "https://host/a b",
            "https://host/\nx",
            "https://bücher.example/",
            "https://[::1/",
            "https://host/../x",
            "https://${HOST}/v1",
        )

    def test_path_rule(self) -> None:
        self.assert_takes(values.path_rule, "/", "/llm/v1/chat", "=/x", "~^/v\\d+/", "/a%2Fb", "/m:generate", "/x/")
        self.assert_refuses(
            values.path_rule,
            "",
            "llm/v1",
            "=x",
            "~(",
            "~a{99999999999}",
            "/a/../b",
            "/a/%2e%2e/b",
            "/a?b=c",
            "/a#b",
            "/a\\b",
            "/a%5cb",
            "/ü",
            "/%",
            "/%ff",
            "/%00",
            "/a b",
        )

    @given(st.text("/.%2eEfF5cC=~aü?#\\ \t*", max_size=8))
    def test_path_rules_that_are_taken_can_be_routed(self, text: str) -> None:
        """Whatever passes here is a condition for the router, too."""
        try:
            values.path_rule(text)
        except ValueError:
            return
        PathRule.of(text, normalise_path)

    def test_host_rule(self) -> None:
        self.assert_takes(
            values.host_rule, "api.example.com", "*.example.com", "api.*", "localhost", "[::1]", "10.0.0.1"
        )
        self.assert_refuses(
            values.host_rule,
            "",
            "*",
            "a*.example.com",
            "*.a.*",
            "*example.com",
            "host:8000",
            "https://host",
            "a b.example.com",
            "example.com.",
            ".example.com",
        )
        self.assertEqual(values.host_rule("API.Bücher.example"), "api.xn--bcher-kva.example")

    @given(st.text("a*.-:[]Xü", max_size=6))
    def test_host_rules_that_are_taken_can_be_routed(self, text: str) -> None:
        """Whatever passes here is a condition for the router, too."""
        try:
            host = values.host_rule(text)
        except ValueError:
            return
        HostRule.of(host)

    def test_headers(self) -> None:
        self.assert_takes(values.header_name, "x-team", "apikey", "X_Y!")
        self.assert_refuses(values.header_name, "", "a b", "a:", "ü", "a\n")
        self.assert_takes(values.header_value, "", "ml", "a b")
        self.assert_refuses(values.header_value, " padded to the left", "line one\nline two", "ümlaut in it")
        self.assert_refuses(values.edited_header_name, "Host", "content-length", "Transfer-Encoding", "via")
        self.assert_takes(values.edited_header_name, "authorization", "x-foo")
        self.assert_refuses(values.set_header_name, "Authorization", "host")

    def test_method(self) -> None:
        self.assertEqual(values.method("post"), "POST")
        self.assert_refuses(values.method, "", "CONNECT", "TRACE", "P OST")

    def test_network(self) -> None:
        self.assertEqual(str(values.network("10.0.0.0/8")), "10.0.0.0/8")
        self.assertEqual(str(values.network("::1")), "::1/128")
        self.assert_refuses(values.network, "10.0.0.0/33", "proxy.example.com")
        self.assertIn("10.0.0.0/8", str(self.assertRaises(ValueError, values.network, "10.1.2.3/8")))
        self.assertRaises(ValueError, values.network, 3)

    def test_key(self) -> None:
        digest = hashlib.sha256(b"secret-key").hexdigest()
        self.assertEqual(values.key_digest("secret-key"), (digest, True))
        self.assertEqual(values.key_digest(f"sha256:{digest.upper()}"), (digest, False))
        self.assert_refuses(
            values.key_digest, "", "sha256:", "sha256:…", "sha256:abc", " padded-key", "line\nbreaks", "ümlaut-key"
        )
        self.assertRaises(ValueError, values.key_digest, 3)


class BodyFieldTests(unittest.TestCase):
    """Fields of ``defaults`` and ``overrides``: JSON, and nothing that decides about the call itself."""

    def test_json_is_taken(self) -> None:
        fields = {"temperature": 1.0, "stop": ["a", {"b": None}], "n": -(2**63), "seed": 2**64 - 1}
        self.assertIs(values.body_fields(fields), fields)

    def test_what_json_cannot_hold_is_refused(self) -> None:
        for value in (float("nan"), float("inf"), 2**64, -(2**63) - 1, datetime.date(2027, 1, 1), datetime.time(1)):
            for holder in (value, [value], {"deep": [{"er": value}]}):
                error = self.assertRaises(ValueError, values.body_fields, {"field": holder})
                self.assertIn("field", str(error))

    def test_the_gateways_own_fields_are_refused(self) -> None:
        """A model set here would pass by what a consumer may use."""
        for fields in ({"model": "gpt-4o"}, {"stream": True}, {"max_tokens": 1, "max_completion_tokens": 1}):
            self.assertRaises(ValueError, values.body_fields, fields)


class ListenerTests(ValueTestCase):
    """Twisted's endpoint strings."""

    good = (
        "tcp:8000",
        "tcp:0",
        "tcp:port=8000:interface=127.0.0.1:backlog=4096",
        "tcp:8000:127.0.0.1",
        "tcp6:8000:interface=\\:\\:1",
        "unix:/run/aigw.sock",
        "unix:address=/run/aigw.sock:mode=660:lockfile=0",
        "haproxy:tcp:8000",
    )

    def test_those_that_are_taken_are_twisteds(self) -> None:
        """Twisted itself reads them."""
        for text in self.good:
            listener(text)
            serverFromString(MemoryReactorClock(), text)
        # These two want files and sockets that are not here.
        self.assert_takes(listener, "tls:/etc/aigw/pems:443", "tls:/etc/aigw/pems", "systemd:INET:index=0")
        self.assert_takes(listener, "systemd:domain=INET6:name=aigw.socket")

    def test_refused(self) -> None:
        self.assert_refuses(
            listener,
            "",
            "8000",
            "tcp",
            "tcp:",
            "tcp:http",
            "tcp:65536",
            "tcp:-1",
            "tcp:8000:backlog=0",
            "tcp:8000:interface=a:interface=b",
            "tcp:8000:iface=127.0.0.1",
            "tcp:8000:a:b:c:d",
            "udp:8000",
            "0.0.0.0:8000",
            "unix:",
            "unix:/run/aigw.sock:mode=rw-rw----",
            "systemd:INET",
            "systemd:INET:index=0:name=x",
            "systemd:TCP:index=0",
            "haproxy:8000",
        )

    def test_off(self) -> None:
        self.assertEqual(listener_or_off("off"), "off")
        self.assert_refuses(listener, "off")
