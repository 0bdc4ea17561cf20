"""Addresses of peers: one form each, whatever a socket or a proxy writes."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.http.peer_address import parsed, plain, unmapped_network


class PlainTests(unittest.TestCase):
    """What sockets say."""

    def test_each_address_has_one_form(self) -> None:
        for said, known in (
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::FFFF:c000:201", "192.0.2.1"),
            ("0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1%eth0", "192.0.2.1"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("::1", "::1"),
            ("", ""),
        ):
            self.assertEqual(plain(said), known, said)

    @given(st.ip_addresses(v=4))
    def test_an_ipv4_peer_of_an_ipv6_socket_is_an_ipv4_peer(self, address: IPv4Address) -> None:
        self.assertEqual(plain(f"::ffff:{address}"), str(address))

    @given(st.ip_addresses())
    def test_it_stays_what_it_is(self, address: IPv4Address | IPv6Address) -> None:
        """Once in that form, nothing changes it."""
        self.assertEqual(plain(plain(str(address))), plain(str(address)))


class ParsedTests(unittest.TestCase):
    """What proxies write."""

    def test_with_and_without_a_port(self) -> None:
        for said, known in (
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:99", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[::ffff:192.0.2.1]:99", "192.0.2.1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%eth0]:80", "fe80::1"),
        ):
            self.assertEqual(parsed(said), known, said)

    def test_what_is_no_address(self) -> None:
        for said in (
            *("", "unknown", "_hidden", "localhost:80", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:123456", "192.0.2:80"),
            *("[2001:db8::1", "[2001:db8::1]99", "[2001:db8::1]:", "[]:80", "192.0.2.01", "1.2.3.4.5", "1", "1:2"),
            *("192.0.2.1\u0661", "192.0.2.1:\u0661", "fe80::1%" + "x" * 1000, "\xb2:80"),
        ):
            self.assertEqual(parsed(said), None, said)

    @given(st.text(max_size=40) | st.text("0123456789abcdef:.[]%", max_size=40))
    def test_any_text_is_an_address_or_none(self, text: str) -> None:
        address = parsed(text)
        if address is not None:
            self.assertEqual(str(ip_address(address)), address)


class NetworkTests(unittest.TestCase):
    """``trusted_proxies`` as people write them."""

    def test_ipv4_networks_in_ipv6_notation(self) -> None:
        self.assertEqual(unmapped_network(ip_network("::ffff:10.0.0.0/104")), ip_network("10.0.0.0/8"))
        self.assertEqual(unmapped_network(ip_network("::ffff:192.0.2.7")), ip_network("192.0.2.7"))
        for network in ("10.0.0.0/8", "fd00::/8", "::/0", "::fffe:0:0/95"):
            self.assertEqual(unmapped_network(ip_network(network)), ip_network(network))
