"""``Gateway`` and ``ListenerSet``: where clients connect."""

from __future__ import annotations

from aigw.config.importers.draft import Draft
from aigw.config.importers.kubernetes.resource import LISTENER_SETS, Resource
from aigw.config.importers.kubernetes.resources import Resources


def listeners(draft: Draft, resources: Resources) -> None:
    """``listen`` of ``[server]`` from the HTTP listeners; those with TLS need certificates that no file here has."""
    found: list[str] = []
    for gateway in resources.of_kind("Gateway", *LISTENER_SETS):
        found += draft.attempt(_ports, draft, gateway) or []
        draft.note(gateway.spec("gatewayClassName"), "aigw has one gateway")
    if found:
        draft.server["listen"] = list(dict.fromkeys(found))


def _ports(draft: Draft, gateway: Resource) -> list[str]:
    found = []
    for listener in gateway.node.maps("spec", "listeners"):
        port = listener.get("port")
        protocol = listener.get("protocol")
        if port is None or str(protocol.content if protocol is not None else "HTTP") != "HTTP":
            draft.drop(listener, 'aigw listens by listen = ["tls:DIRECTORY:PORT"], with PEM files in the directory')
            continue
        number = port.number() or 0
        if isinstance(number, float) or not 0 < number < 2**16:
            raise port.refuse("must be a number from 1 to 65535")
        found.append(f"tcp:{number}")
        listener.text("protocol")
        rest = [listener.get(key) for key in listener.names() if key not in ("port", "protocol")]
        draft.note(rest, "aigw has one gateway")
    return found
