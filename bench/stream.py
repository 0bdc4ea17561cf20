"""Work (b): many slow streams at once; (c): the same, translated on the way; (d): what they hold in memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.accounting import Meter, resident_bytes
from bench.errors import WrongAnswerError
from bench.peers import translated
from bench.peers.peer import Peer, Target
from bench.plan import GATEWAY_CORE, LOAD_CORE, Plan, StreamLoad
from bench.processes import await_port, free_port, pinned, started, stop
from bench.programs import ROOT
from bench.rounds import interleaved, note, start_all

_WARM_UP_STREAMS = 10
_SETTLE_SECONDS = 1.0


@dataclass(frozen=True)
class StreamSample:
    """One load of streams through one peer. Delays from the upstream's send to the client's receive.

    :param prompt: the client had real-time priority, so that delays are not its own.
    """

    cpu_us_per_chunk: float
    delay_p50_us: float
    delay_p99_us: float
    first_p50_us: float
    first_p99_us: float
    gateway_share: float
    strangers_share: float
    load_core_share: float
    prompt: bool


@dataclass(frozen=True)
class MemorySample:
    """Resident memory of a gateway that has relayed a few streams, and of the same with many open."""

    idle_bytes: float
    open_bytes: float
    bytes_per_stream: float


@contextmanager
def upstream(directory: Path, load: StreamLoad, dialect: str = "openai") -> Iterator[int]:
    """The upstream of this work, on the load's core; gives its port."""
    port = free_port()
    log = directory / "upstream.log"
    module = [sys.executable, "-m", "bench.streams.upstream", "--port", str(port)]
    shape = ["--chunks", str(load.chunks), "--interval", str(load.interval), "--dialect", dialect]
    with started([*module, *shape], core=LOAD_CORE, log=log) as child:
        await_port(child, port, log)
        yield port


def load_command(target: Target, load: StreamLoad) -> list[str]:
    """The load client's command line."""
    options = {
        "port": target.port,
        "path": target.path,
        "headers": json.dumps(dict(target.headers)),
        "temperature": target.temperature,
        "streams": load.streams,
        "chunks": load.chunks,
        "turns": load.turns,
        "interval": load.interval,
        "ramp": load.ramp,
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    if target.translated:
        flags.append("--translated")
    return pinned(LOAD_CORE, [sys.executable, "-m", "bench.streams.load", *flags])


@contextmanager
def loading(target: Target, load: StreamLoad) -> Iterator[subprocess.Popen[str]]:
    """The load client at work; ended at the end of the block if it has not ended by itself."""
    pipe = subprocess.PIPE
    with subprocess.Popen(load_command(target, load), cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as child:
        try:
            yield child
        finally:
            stop(child)


def outcome(target: Target, load: StreamLoad, child: subprocess.Popen[str]) -> dict[str, float]:
    """What the load client saw, once it has ended.

    :raises WrongAnswerError: any answer was wrong or missing.
    """
    output, complaint = child.communicate()
    if child.returncode:
        raise WrongAnswerError(f"{target.name}: {complaint.strip()}")
    seen: dict[str, float] = json.loads(output.strip().splitlines()[-1])
    answers = load.streams * load.turns
    if (seen["answers"], seen["chunks"]) != (answers, answers * load.chunks):
        raise WrongAnswerError(f"{target.name}: {seen} instead of {answers} whole answers")
    return seen


def measure(target: Target, load: StreamLoad) -> StreamSample:
    """One load.

    :raises WrongAnswerError: any answer was wrong or missing.
    """
    meter = Meter(target.pid, GATEWAY_CORE, LOAD_CORE)
    with loading(target, load) as child:
        seen = outcome(target, load, child)
    spent = meter.stop()
    return StreamSample(
        cpu_us_per_chunk=spent.cpu / load.writes * 1e6,
        delay_p50_us=seen["delay_p50_us"],
        delay_p99_us=seen["delay_p99_us"],
        first_p50_us=seen["first_p50_us"],
        first_p99_us=seen["first_p99_us"],
        gateway_share=spent.gateway_share,
        strangers_share=spent.strangers_share if target.pid else 0.0,
        load_core_share=spent.load_core_share,
        prompt=bool(seen["prompt"]),
    )


def run(plan: Plan, peers: list[Peer], directory: Path) -> dict[str, dict[str, list[StreamSample]]]:
    """All rounds of work (b) and, for the peers that can, of work (c); samples by case and peer."""
    load = plan.streams
    samples: dict[str, dict[str, list[StreamSample]]] = {"stream": {}, "translated": {}}
    with ExitStack() as stack:
        port = stack.enter_context(upstream(directory, load))
        targets = start_all(stack, peers, directory, port)
        translating = [peer for peer in map(translated, peers) if peer is not None]
        home = directory / "translated"
        home.mkdir()
        if translating:
            other = stack.enter_context(upstream(home, load, "anthropic"))
            targets += start_all(stack, translating, home, other)
        for _, target in interleaved(plan.rounds, ("stream",), targets):
            case = samples["translated" if target.translated else "stream"]
            case.setdefault(target.name, []).append(measure(target, load))
        for target in targets:
            target.audit(plan.rounds * load.streams * load.turns)
    return {case: each for case, each in samples.items() if each}


def run_memory(plan: Plan, peers: list[Peer], directory: Path) -> dict[str, dict[str, list[MemorySample]]]:
    """Work (d), once, each gateway fresh; samples by case (``memory``) and peer."""
    samples: dict[str, list[MemorySample]] = {}
    for peer in peers:
        home = directory / peer.name
        home.mkdir()
        note(f"memory: {peer.name}")
        sample = _memory(peer, home, plan.memory)
        if sample is not None:
            samples[peer.name] = [sample]
    return {"memory": samples}


def _memory(peer: Peer, directory: Path, load: StreamLoad) -> MemorySample | None:
    """None where there is no gateway to weigh."""
    with upstream(directory, load) as port, peer.running(directory, port) as target:
        if target.pid is None:
            return None
        measure(target, replace(load, streams=_WARM_UP_STREAMS, ramp=0.1))
        idle = resident_bytes(target.pid)
        with loading(target, load) as child:
            assert child.stdout is not None
            child.stdout.readline()  # "open", or nothing if it failed, which outcome() tells
            time.sleep(_SETTLE_SECONDS)
            full = resident_bytes(target.pid)
            outcome(target, load, child)
    return MemorySample(idle, full, (full - idle) / load.streams)
