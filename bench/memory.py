"""Work (d): what idle connections and open streams hold in memory."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from bench.accounting import resident_bytes
from bench.idle import held
from bench.peers.peer import Peer, Target, able
from bench.plan import Plan, StreamLoad
from bench.rounds import note
from bench.stream import loading, measure, outcome, upstream

_WARM_UP_STREAMS = 5
_SETTLE_SECONDS = 1.0


@dataclass(frozen=True)
class MemorySample:
    """Resident memory of a gateway that has relayed a few streams, and what it is more with many connections that are
    idle, and after that with many open streams."""

    streams: int
    idle_bytes: float
    open_bytes: float
    bytes_per_stream: float
    connections: int
    bytes_per_connection: float


def run(plan: Plan, peers: list[Peer], directory: Path) -> dict[str, dict[str, list[MemorySample]]]:
    """Once, each gateway fresh; samples by case (``memory``) and peer."""
    samples: dict[str, list[MemorySample]] = {}
    for peer in able(peers, "memory"):
        home = directory / peer.name
        home.mkdir()
        note(f"memory: {peer.name}")
        samples[peer.name] = [_weighed(plan, peer, home)]
    return {"memory": samples}


def _weighed(plan: Plan, peer: Peer, directory: Path) -> MemorySample:
    load, crowd = (plan.slow_memory, plan.slow_idle) if peer.slow else (plan.memory, plan.idle)
    with upstream(directory, load) as port, peer.running(directory, port) as target:
        assert target.pid is not None
        measure(target, replace(load, streams=_WARM_UP_STREAMS, chunks=load.chunks, ramp=0.1))
        first = resident_bytes(target.pid)
        each = _per_connection(target, target.pid, crowd)
        idle = resident_bytes(target.pid)
        full = _streaming(target, target.pid, load)
    return MemorySample(load.streams, first, full, (full - idle) / load.streams, crowd, each)


def _per_connection(target: Target, pid: int, count: int) -> float:
    before = resident_bytes(pid)
    with held(target, count):
        time.sleep(_SETTLE_SECONDS)
        return (resident_bytes(pid) - before) / count


def _streaming(target: Target, pid: int, load: StreamLoad) -> int:
    with loading(target, load) as child:
        assert child.stdout is not None
        child.stdout.readline()  # "open", or nothing if it failed, which outcome() tells
        time.sleep(_SETTLE_SECONDS)
        full = resident_bytes(pid)
        outcome(target, load, child)
    return full
