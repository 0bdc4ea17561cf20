"""Who the client is: the peer, or whom a trusted proxy names."""

from __future__ import annotations

import sys
from ipaddress import ip_network
from typing import Any

from twisted.trial import unittest

from aigw.http.peer_address import plain
from aigw.web.clients import Clients


class FakeRequest:
    """A request of a peer with ``X-Forwarded-For``."""

    def __init__(self, peer: str, *forwarded: str) -> None:
        self.client = plain(peer)
        self._forwarded = [value.encode("latin-1") for value in forwarded]

    def header_values(self, name: bytes) -> list[bytes]:
        assert name == b"x-forwarded-for"
        return self._forwarded


class ClientsTests(unittest.TestCase):
    """With proxies in 10.0.0.0/8 and fd00::/8."""

    def setUp(self) -> None:
        self.clients = Clients([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])

    def client(self, peer: str, *forwarded: str) -> str:
        request: Any = FakeRequest(peer, *forwarded)
        return self.clients.client_of(request)

    def test_nobody_else_is_believed(self) -> None:
        self.assertEqual(self.client("192.0.2.9", "1.2.3.4"), "192.0.2.9")
        self.assertEqual(Clients([]).client_of(FakeRequest("10.0.0.1", "1.2.3.4")), "10.0.0.1")  # type: ignore[arg-type]
        self.assertEqual(self.client("", "1.2.3.4"), "")

    def test_the_nearest_that_a_proxy_vouches_for(self) -> None:
        """Also over several fields; what stands further in front anybody can have written."""
        self.assertEqual(self.client("10.0.0.1", "6.6.6.6, 1.2.3.4"), "1.2.3.4")
        self.assertEqual(self.client("10.0.0.1", "6.6.6.6", "1.2.3.4, 10.0.0.2"), "1.2.3.4")
        self.assertEqual(self.client("10.0.0.1", "6.6.6.6, unknown"), "10.0.0.1")

    def test_a_proxy_that_comes_over_an_ipv6_socket(self) -> None:
        """As ``tls:`` and ``tcp6:`` listeners tell IPv4 peers."""
        self.assertEqual(self.client("::ffff:10.0.0.1", "1.2.3.4"), "1.2.3.4")
        self.assertEqual(self.client("::ffff:192.0.2.9", "1.2.3.4"), "192.0.2.9")

    def test_each_spelling_of_a_hop(self) -> None:
        """Proxies that are named as IPv6 sockets see them, with ports, in brackets."""
        for hops in (
            "1.2.3.4, ::ffff:10.0.0.2",
            "1.2.3.4:567, [fd00::2]:99",
            "::ffff:1.2.3.4, [::ffff:10.0.0.2]:80, fd00::3",
        ):
            self.assertEqual(self.client("10.0.0.1", hops), "1.2.3.4", hops)
        self.assertEqual(self.client("fd00::1%eth0", "2001:DB8::1"), "2001:db8::1")

    def test_networks_in_ipv6_notation(self) -> None:
        self.clients = Clients([ip_network("::ffff:10.0.0.0/104")])
        self.assertEqual(self.client("::ffff:10.0.0.1", "1.2.3.4"), "1.2.3.4")

    def test_a_chain_without_end(self) -> None:
        """Is walked for 64 hops, whoever has written it."""

        def calls(hops: int) -> int:
            counted = 0

            def count(frame: object, event: str, argument: object) -> None:
                nonlocal counted
                counted += 1

            requests: list[Any] = [
                FakeRequest("10.0.0.1", ", ".join(["10.0.0.2"] * hops)),
                FakeRequest("10.0.0.1", *["10.0.0.2"] * hops),
            ]
            sys.setprofile(count)
            try:
                found = [self.clients.client_of(request) for request in requests]
            finally:
                sys.setprofile(None)
            self.assertEqual(found, ["10.0.0.2", "10.0.0.2"])
            return counted

        calls(1)
        self.assertEqual(calls(1000), calls(4000))
        self.assertEqual(self.client("10.0.0.1", "1.2.3.4, " + ", ".join(["10.0.0.2"] * 63)), "1.2.3.4")

    def test_what_is_remembered_is_short(self) -> None:
        """A zone of any length is no part of an address."""
        self.client("10.0.0.1", "fd00::1%" + "x" * 60)
        self.assertLess(max(map(len, self.clients._judged)), 46)
