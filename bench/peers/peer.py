"""What a peer is to the bench: something that can be started before an upstream and then called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench import traffic


def _no_audit(answers: int) -> None:
    """For peers that keep no books."""


@dataclass(frozen=True)
class Target:
    """A peer that runs and how it is called.

    :param pid: the root of its process tree; None where there is no gateway.
    :param translated: its upstream speaks Anthropic's dialect, its clients OpenAI's.
    :param temperature: what the upstream is asked for in the end, as text.
    :param audit: called with the number of right answers that the target gave at least; raises
        :class:`~bench.errors.WrongAnswerError` if the target's own books say less.
    """

    name: str
    port: int
    pid: int | None
    path: str = traffic.CLIENT_PATH
    headers: Mapping[str, str] = field(default_factory=lambda: traffic.CLIENT_HEADERS)
    temperature: str = traffic.SENT_TEMPERATURE
    translated: bool = False
    audit: Callable[[int], None] = _no_audit


class Peer(Protocol):
    """One way to the upstream. Made without arguments."""

    name: str

    def obstacle(self) -> str | None:
        """Why it cannot run here, with the remedy; None if it can."""

    def version(self) -> str:
        """What it calls itself. Asked only if there is no obstacle."""

    def running(self, directory: Path, upstream: int) -> AbstractContextManager[Target]:
        """The peer before the upstream on that port of 127.0.0.1, for the length of the block.

        :param directory: its own, empty; for configuration and logs.
        """
