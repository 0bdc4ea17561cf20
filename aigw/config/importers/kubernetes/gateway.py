"""``Gateway``: where clients connect."""

from __future__ import annotations

from aigw.config.importers.draft import Draft
from aigw.config.importers.kubernetes.resources import Resources


def listeners(draft: Draft, resources: Resources) -> None:
    """``listen`` of ``[server]`` from the HTTP listeners; those with TLS need certificates that no file here has."""
    found: list[str] = []
    for gateway in resources.of_kind("Gateway"):
        for listener in gateway.node.maps("spec", "listeners"):
            port = listener.get("port")
            protocol = listener.get("protocol")
            if port is None or str(protocol.content if protocol is not None else "HTTP") != "HTTP":
                draft.drop(listener, 'aigw listens by listen = ["tls:DIRECTORY:PORT"], with PEM files in the directory')
                continue
            found.append(f"tcp:{port.scalar()}")
            listener.text("protocol")
            rest = [listener.get(key) for key in listener.names() if key not in ("port", "protocol")]
            draft.note(rest, "aigw has one gateway")
        draft.note(gateway.spec("gatewayClassName"), "aigw has one gateway")
    if found:
        draft.server["listen"] = list(dict.fromkeys(found))
