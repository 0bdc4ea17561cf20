"""Who the client is: the peer's address, or what a trusted proxy in front says of it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from aigw.http.request import Request


class Clients:
    """Tells clients' addresses.

    :param trusted: networks of the proxies whose ``X-Forwarded-For`` is believed. Everybody else's is not read.
    """

    def __init__(self, trusted: Sequence[IPv4Network | IPv6Network]) -> None:
        self._trusted = tuple(trusted)
        self._judged: dict[str, bool] = {}

    def client_of(self, request: Request) -> str:
        """The address nearest to the client that someone trusted vouches for."""
        client = request.client
        if not self._trusted or not self._is_trusted(client):
            return client
        for value in reversed(request.header_values(b"x-forwarded-for")):
            for hop in reversed(value.split(b",")):
                address = hop.strip().decode("latin-1")
                if not _is_address(address):
                    return client
                client = address
                if not self._is_trusted(address):
                    return client
        return client

    def _is_trusted(self, address: str) -> bool:
        known = self._judged.get(address)
        if known is None:
            known = _is_address(address) and any(ip_address(address) in network for network in self._trusted)
            if len(self._judged) < 4096:
                self._judged[address] = known
        return known


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
