"""How long and how often is measured: the full plan and the quick one."""

from __future__ import annotations

from dataclasses import dataclass, field

GATEWAY_CORE = 0
LOAD_CORE = 1


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
class Plan:
    """One run. Durations are seconds."""

    name: str
    rounds: int
    chat_seconds: float
    chat_warm_up: float
    connections: tuple[int, ...] = (1, 32, 256)
    streams: StreamLoad = field(default_factory=lambda: StreamLoad(200, 100, 0.010, 5, 1.0))
    memory: StreamLoad = field(default_factory=lambda: StreamLoad(1000, 8, 0.5, 1, 2.0))


FULL = Plan("full", rounds=3, chat_seconds=6.0, chat_warm_up=2.0)
QUICK = Plan("quick", rounds=1, chat_seconds=3.0, chat_warm_up=1.0, streams=StreamLoad(200, 100, 0.010, 2, 1.0))


@dataclass(frozen=True)
class Goal:
    """What aigw must reach beside ``against`` in the same run.

    :param metric: a field of the work's sample; :param at_least: the direction in which better lies.
    :param beside: the work of ``against``, if it is another one.
    """

    title: str
    work: str
    metric: str
    against: str
    limit: float
    at_least: bool
    beside: str = ""

    def met(self, ratio: float) -> bool:
        return ratio >= self.limit if self.at_least else ratio <= self.limit


GOALS = (
    Goal("requests/s at 32 connections", "chat-32", "requests_per_second", "envoy", 0.65, True),
    Goal("CPU per relayed chunk", "stream", "cpu_us_per_chunk", "envoy", 1.5, False),
    Goal("CPU per translated chunk", "translated", "cpu_us_per_chunk", "aigw", 2.5, False, beside="stream"),
)
