"""Who the client is: the peer's address, or what a trusted proxy in front says of it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from aigw.bounded_cache import remember
from aigw.http.peer_address import parsed, unmapped_network
from aigw.http.request import Request

#: Proxies in a row that are looked at; nobody has as many.
_MOST_HOPS: Final = 64


class Clients:
    """Tells clients' addresses.

    :param trusted: networks of the proxies whose ``X-Forwarded-For`` is believed. Everybody else's is not read.
    """

    def __init__(self, trusted: Sequence[IPv4Network | IPv6Network]) -> None:
        self._trusted = tuple(unmapped_network(network) for network in trusted)
        self._judged: dict[str, bool] = {}

    def client_of(self, request: Request) -> str:
        """The address nearest to the client that someone trusted vouches for, as ``peer_address.plain`` has it."""
        client = request.client
        if not self._trusted or not self._is_trusted(client):
            return client
        left = _MOST_HOPS
        for value in reversed(request.header_values(b"x-forwarded-for")):
            for hop in reversed(value.rsplit(b",", left)):
                address = parsed(hop.strip().decode("latin-1")) if left else None
                if address is None:
                    return client
                left -= 1
                client = address
                if not self._is_trusted(address):
                    return client
        return client

    def _is_trusted(self, address: str) -> bool:
        known = self._judged.get(address)
        if known is None:
            known = _in_any(address, self._trusted)
            remember(self._judged, address, known, len(address))
        return known


def _in_any(text: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        address = ip_address(text)
    except ValueError:  # a Unix socket's peer has none
        return False
    return any(address in network for network in networks)
