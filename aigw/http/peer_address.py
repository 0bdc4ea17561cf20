"""Addresses of peers in one form each, so that they can be compared, counted and read."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

#: Characters of the longest address that anybody writes: a mapped one, its zone, brackets and a port.
_LONGEST: Final = 120

_MAPPED: Final = IPv6Network("::ffff:0:0/96")


def plain(text: str) -> str:
    """A peer's address as everything here knows it.

    An IPv4 address that came over an IPv6 socket (``::ffff:192.0.2.1``, RFC 4291 section 2.5.5.2) is the IPv4 address;
    a zone (``fe80::1%eth0``) says on which side of this machine a peer is, and is left out.

    :param text: what the socket says; what is no address stays as it is.
    """
    if ":" not in text:
        return text
    return parsed(text) or text


def parsed(text: str) -> str | None:
    """An address as proxies write it into ``X-Forwarded-For``, in the form of :func:`plain`; None if it is none.

    Some write the port behind it: ``192.0.2.1:4711``, ``[2001:db8::1]:4711``.
    """
    if len(text) > _LONGEST:
        return None
    if text[:1] == "[":
        text, bracket, port = text[1:].partition("]")
        if not bracket or not _is_port(port):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(f":{port}") or "." not in text:
            return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(_unmapped(address))


def _is_port(text: str) -> bool:
    """Nothing, or a colon and a number."""
    return not text or (text[0] == ":" and len(text) <= 6 and text[1:].isascii() and text[1:].isdigit())


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped if mapped is not None else address


def unmapped_network(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """A network of IPv4 addresses that is written with IPv6 ones, as the IPv4 network."""
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network
