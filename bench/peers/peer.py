"""What a peer is to the bench: something that can be started before an upstream and then called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench import traffic
from bench.certificates import Certificates
from bench.plan import GATEWAY_CORE

Headers = Mapping[str, str]


def _no_audit(answers: int) -> None:
    """For peers that keep no books."""


@dataclass(frozen=True)
class Setup:
    """What a peer is configured for.

    :param consumers: how many keys it knows: ``traffic.consumer_key(0)`` and on.
    :param routes: how many paths it serves: ``traffic.client_path(0)`` and on.
    :param workers: its processes or worker threads.
    :param cores: where it may run.
    :param certificates: TLS on both sides with these; None is none.
    :param translated: the upstream speaks Anthropic's dialect, the clients OpenAI's.
    :param streams: port of a second upstream, which answers streams asked for at ``traffic.STREAM_PATH``; 0 is none.
    """

    consumers: int = 1
    routes: int = 1
    workers: int = 1
    cores: tuple[int, ...] = (GATEWAY_CORE,)
    certificates: Certificates | None = None
    translated: bool = False
    streams: int = 0


PLAIN = Setup()


@dataclass(frozen=True, eq=False)
class Target:
    """A peer that runs and how it is called.

    :param pid: the root of its process tree; None where there is no gateway.
    :param strangers: headers of callers who must be refused; :param refusals: with one of these statuses.
    :param temperature: what the upstream is asked for in the end, as text.
    :param reading: how its answers compare with the upstream's: ``exact`` byte for byte, ``rewritten`` in OpenAI's
        shape but written anew, ``translated`` from another dialect.
    :param begun: when it was started, on the monotonic clock.
    :param audit: called with the number of right answers that the target gave at least; raises
        :class:`~bench.errors.WrongAnswerError` if the target's own books say less.
    :param reconfigure: gives it another configuration while it runs; None if it cannot.
    """

    name: str
    port: int
    pid: int | None
    path: str = traffic.CLIENT_PATH
    headers: Headers = field(default_factory=lambda: traffic.CLIENT_HEADERS)
    strangers: tuple[Headers, ...] = traffic.STRANGERS
    refusals: tuple[int, ...] = (401,)
    temperature: str = traffic.SENT_TEMPERATURE
    reading: str = "exact"
    certificates: Certificates | None = None
    begun: float = 0.0
    audit: Callable[[int], None] = _no_audit
    reconfigure: Callable[[Setup], None] | None = None


class Peer(Protocol):
    """One way to the upstream. Made without arguments.

    :ivar works: what it takes part in: ``chat``, ``stream``, ``translated``, ``memory``, ``body``, ``tls``, ``growth``,
        ``start``, ``workers``.
    :ivar slow: it gets fewer streams and connections, as it could not serve what the others get.
    """

    name: str
    works: frozenset[str]
    slow: bool

    def obstacle(self) -> str | None:
        """Why it cannot run here, with the remedy; None if it can."""

    def version(self) -> str:
        """What it calls itself. Asked only if there is no obstacle."""

    def running(self, directory: Path, upstream: int, setup: Setup = PLAIN) -> AbstractContextManager[Target]:
        """The peer before the upstream on that port of 127.0.0.1, for the length of the block.

        :param directory: its own, empty; for configuration and logs.
        """


def able(peers: list[Peer], work: str) -> list[Peer]:
    """Those that take part in a work."""
    return [peer for peer in peers if work in peer.works]
