"""No gateway at all: the limit that load client and upstream set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import traffic
from bench.peers.peer import PLAIN, Setup, Target


class Direct:
    """The client calls the upstream itself, with the provider's key."""

    name = "direct"
    works = frozenset({"chat", "stream", "body", "tls"})
    slow = False

    def obstacle(self) -> str | None:
        return None

    def version(self) -> str:
        return "-"

    @contextmanager
    def running(self, directory: Path, upstream: int, setup: Setup = PLAIN) -> Iterator[Target]:
        yield Target(
            self.name,
            upstream,
            None,
            path=traffic.PROVIDER_PATH,
            headers=traffic.PROVIDER_HEADERS,
            strangers=(),
            certificates=setup.certificates,
        )
