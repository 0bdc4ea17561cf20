"""A call under way, whatever answers it."""

from __future__ import annotations

from typing import Protocol


class Calling(Protocol):
    """See the module's head."""

    @property
    def queued(self) -> bool:
        """Whether it waits for one of the upstream's connections to come free."""

    def cancel(self) -> None:
        """Stop it in whatever phase it is; nothing is called back any more."""

    def pause(self) -> None:
        """Stop reading the response until :meth:`resume`."""

    def resume(self) -> None:
        """Read on."""
