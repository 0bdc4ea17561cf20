"""How long and how often is measured: the full plan and the quick one; which core is whose; the goals."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

GATEWAY_CORE = 0
LOAD_CORE = 1
Cores = tuple[int, ...]
LOAD: Cores = (LOAD_CORE,)


@dataclass(frozen=True)
class StreamLoad:
    """One load of streams: ``streams`` connections, each reading ``turns`` answers of ``chunks`` chunks.

    :param interval: seconds between two chunks of a stream.
    :param ramp: seconds over which the streams are opened.
    """

    streams: int
    chunks: int
    interval: float
    turns: int
    ramp: float

    @property
    def writes(self) -> int:
        """The upstream's writes in the whole load: every chunk, and one for the ending of each answer."""
        return self.streams * self.turns * (self.chunks + 1)


@dataclass(frozen=True)
class Sizes:
    """How large a configuration is."""

    consumers: int
    routes: int = 10

    def __str__(self) -> str:
        return f"{self.consumers:,} consumers, {self.routes:,} routes"


@dataclass(frozen=True)
class Plan:
    """One run. Durations are seconds.

    :param slow_streams: the load for slow peers, which streams at the same pace but fewer.
    :param slow_connections: on more than these they are not called: they would not answer within the time.
    :param idle: connections that are held open and idle where their memory is measured.
    :param crowd: connections that are held open and idle beside a load.
    :param grown: configurations beside which a small one is measured.
    :param starts: those that are started and reloaded.
    :param growth_rounds: of these comparisons, each with processes of its own.
    :param growth_turns: how often they are made in each round, for ``growth_seconds`` each.
    :param only: the peers that take part in a work, where not all do that could.
    """

    name: str
    rounds: int
    chat_seconds: float
    chat_warm_up: float
    connections: tuple[int, ...] = (1, 32, 256)
    streams: StreamLoad = field(default_factory=lambda: StreamLoad(200, 100, 0.010, 5, 1.0))
    slow_streams: StreamLoad = field(default_factory=lambda: StreamLoad(5, 100, 0.010, 2, 1.0))
    memory: StreamLoad = field(default_factory=lambda: StreamLoad(2000, 10, 0.5, 1, 2.0))
    slow_memory: StreamLoad = field(default_factory=lambda: StreamLoad(200, 10, 1.0, 1, 4.0))
    idle: int = 2000
    slow_idle: int = 200
    slow_connections: int = 32
    crowd: int = 10_000
    grown: tuple[Sizes, ...] = (Sizes(10_000), Sizes(10, 1_000))
    growth_rounds: int = 5
    growth_turns: int = 6
    growth_seconds: float = 1.0
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    starts: tuple[Sizes, ...] = (Sizes(10), Sizes(1_000), Sizes(10_000), Sizes(10_000, 1_000))


SMALL = Sizes(10)
FULL = Plan("full", rounds=3, chat_seconds=6.0, chat_warm_up=2.0)
QUICK = Plan(
    "quick",
    rounds=1,
    chat_seconds=2.0,
    chat_warm_up=1.0,
    connections=(1, 32),
    streams=StreamLoad(200, 100, 0.010, 2, 1.0),
    slow_streams=StreamLoad(5, 100, 0.010, 1, 1.0),
    memory=StreamLoad(1000, 4, 0.5, 1, 1.0),
    idle=1000,
    growth_rounds=1,
    growth_turns=2,
    starts=(Sizes(10), Sizes(10_000, 1_000)),
    only={
        "stream": ("direct", "nginx", "envoy", "aigw", "portkey"),
        "memory": ("envoy", "aigw"),
        "body": ("nginx", "envoy", "aigw"),
        "tls": ("nginx", "envoy", "aigw"),
        "growth": ("aigw",),
        "start": ("aigw",),
        "workers": ("aigw",),
    },
)


def spread(workers: int) -> tuple[Cores, Cores]:
    """The cores of a gateway with so many workers, and those of its load. With fewer than twice as many cores as
    workers they share: then only CPU time says how the gateway scales."""
    count = os.cpu_count() or 1
    if count < 2 * workers:
        return tuple(range(min(workers, count))), (LOAD_CORE,)
    return tuple(range(0, 2 * workers, 2)), tuple(range(1, 2 * workers, 2))


class Side(NamedTuple):
    """One side of a comparison: a case of the report and a row of its table."""

    case: str
    row: str

    def __str__(self) -> str:
        return self.row


@dataclass(frozen=True)
class Goal:
    """What must come out of a comparison within one run.

    :param metric: a field of both samples; :param at_least: the direction in which better lies.
    """

    title: str
    metric: str
    ours: Side
    theirs: Side
    limit: float
    at_least: bool

    def met(self, ratio: float) -> bool:
        return ratio >= self.limit if self.at_least else ratio <= self.limit


_REQUESTS, _CPU, _CHUNK = "requests_per_second", "cpu_us_per_request", "cpu_us_per_chunk"
_BASE = Side("growth", f"aigw, {SMALL}")
GOALS = (
    Goal("requests/s at 32 connections", _REQUESTS, Side("chat-32", "aigw"), Side("chat-32", "envoy"), 1.0, True),
    Goal("CPU per relayed chunk", _CHUNK, Side("stream", "aigw"), Side("stream", "envoy"), 1.0, False),
    Goal("CPU per translated chunk", _CHUNK, Side("translated", "aigw"), Side("stream", "aigw"), 2.5, False),
    *(Goal("CPU per request", _CPU, Side("growth", f"aigw, {sizes}"), _BASE, 1.05, False) for sizes in FULL.grown),
    Goal("CPU per request", _CPU, Side("growth", f"aigw, {FULL.crowd:,} idle connections"), _BASE, 1.05, False),
    # 1.7 times the requests/s on twice the cores is 2 / 1.7 of the CPU time for each.
    Goal("CPU per request", _CPU, Side("workers", "aigw, 2 workers"), Side("workers", "aigw, 1 worker"), 1.18, False),
)
