"""What is measured side by side: no gateway, nginx, Envoy, LiteLLM, Portkey, aigw."""

from __future__ import annotations

from collections.abc import Sequence

from bench.errors import BenchError
from bench.peers.aigw import Aigw, Interpreted
from bench.peers.direct import Direct
from bench.peers.envoy import Envoy
from bench.peers.litellm import LiteLLM
from bench.peers.nginx import Nginx
from bench.peers.peer import Peer
from bench.peers.portkey import Portkey

ALL: tuple[type[Peer], ...] = (Direct, Nginx, Envoy, Aigw, Interpreted, Portkey, LiteLLM)


def chosen(names: Sequence[str]) -> tuple[list[Peer], list[str]]:
    """The peers of these names that can run here, and a line for each that cannot.

    :raises BenchError: there is no peer of such a name.
    """
    known = {peer.name: peer for peer in ALL}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BenchError(f"no peer {', '.join(unknown)} (there are {', '.join(known)})")
    ready: list[Peer] = []
    skipped: list[str] = []
    for peer in (known[name]() for name in names):
        obstacle = peer.obstacle()
        if obstacle is None:
            ready.append(peer)
        else:
            skipped.append(f"{peer.name} is skipped: {obstacle}")
    return ready, skipped
