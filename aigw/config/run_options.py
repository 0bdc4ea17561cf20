"""What the command line of ``aigw run`` says of ``[server]``: it wins over the file, also at each reload."""

from __future__ import annotations

from typing import Any, Literal

import attrs

from aigw.listener import described

#: Where ``--port`` listens if the file has no TCP listener: on this machine alone.
_LOOPBACK = "tcp:{port}:interface=127.0.0.1"


@attrs.frozen
class RunOptions:
    """The options of ``aigw run`` that stand for keys of ``[server]``; None where one was not given.

    :ivar workers: in place of ``workers``.
    :ivar port: the only port that clients connect to: that of the file's first TCP listener, which keeps its interface
        and its TLS; on the loopback interface if there is none.
    """

    workers: int | Literal["auto"] | None = None
    port: int | None = None

    def apply(self, tables: dict[str, Any]) -> None:
        """Change ``tables``, the file's own dictionaries. What has a wrong type stays: that is a fault already."""
        server = tables.setdefault("server", {}) if self != RunOptions() else None
        if not isinstance(server, dict):
            return
        if self.workers is not None:
            server["workers"] = self.workers
        if self.port is not None:
            server["listen"] = self._listen(server.get("listen", []))

    def _listen(self, listen: Any) -> Any:
        if not isinstance(listen, list):
            return listen
        for description in listen:
            try:
                listener = described(description) if isinstance(description, str) else None
            except ValueError:
                listener = None
            if listener is None:
                return listen  # the fault is told at its place
            if listener.address[0] == "tcp":
                return [listener.text(port=str(self.port))]
        return [_LOOPBACK.format(port=self.port)]
