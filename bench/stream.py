"""Work (b): many slow streams at once; (c): the same, translated on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench import wrk
from bench.accounting import Meter
from bench.errors import WrongAnswerError
from bench.peers.peer import Peer, Setup, Target, able
from bench.plan import GATEWAY_CORE, LOAD, LOAD_CORE, Plan, StreamLoad
from bench.processes import await_port, free_port, pinned, started
from bench.rounds import interleaved, start_all


@dataclass(frozen=True)
class StreamSample:
    """One load of streams through one peer. Delays from the upstream's send to the client's receive.

    :param streams: how many at once.
    :param prompt: the client had real-time priority, so that delays are not its own.
    """

    streams: int
    cpu_us_per_chunk: float
    delay_p50_us: float
    delay_p99_us: float
    first_p50_us: float
    first_p99_us: float
    gateway_share: float
    strangers_share: float
    load_core_share: float
    prompt: bool


@contextmanager
def upstream(directory: Path, load: StreamLoad, dialect: str = "openai") -> Iterator[int]:
    """The upstream of this work, on the load's core; gives its port."""
    port = free_port()
    log = directory / "upstream.log"
    module = [sys.executable, "-m", "bench.streams.upstream", "--port", str(port)]
    shape = ["--chunks", str(load.chunks), "--interval", str(load.interval), "--dialect", dialect]
    with started([*module, *shape], cores=LOAD, log=log) as child:
        await_port(child, port, log)
        yield port


def load_command(target: Target, load: StreamLoad) -> list[str]:
    """The load client's command line."""
    options = {
        "port": target.port,
        "path": target.path,
        "headers": json.dumps(dict(target.headers)),
        "temperature": target.temperature,
        "reading": target.reading,
        "streams": load.streams,
        "chunks": load.chunks,
        "turns": load.turns,
        "interval": load.interval,
        "ramp": load.ramp,
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return pinned(LOAD, [sys.executable, "-m", "bench.streams.load", *flags])


@contextmanager
def loading(target: Target, load: StreamLoad) -> Iterator[subprocess.Popen[str]]:
    """The load client at work; ended at the end of the block if it has not ended by itself."""
    with wrk.loading(load_command(target, load)) as child:
        yield child


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
        streams=load.streams,
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
    loads = {peer.name: plan.slow_streams if peer.slow else plan.streams for peer in peers}
    samples: dict[str, dict[str, list[StreamSample]]] = {"stream": {}, "translated": {}}
    with ExitStack() as stack:
        port = stack.enter_context(upstream(directory, plan.streams))
        targets = start_all(stack, able(peers, "stream"), directory, port)
        if translating := able(peers, "translated"):
            home = directory / "translated"
            home.mkdir()
            other = stack.enter_context(upstream(home, plan.streams, "anthropic"))
            targets += start_all(stack, translating, home, other, Setup(translated=True))
        for target in targets:
            measure(target, replace(plan.slow_streams, turns=1, ramp=0.1))  # to warm it up
        for _, target in interleaved(plan.rounds, ("stream",), targets):
            case = samples["translated" if target.reading == "translated" else "stream"]
            case.setdefault(target.name, []).append(measure(target, loads[target.name]))
        for target in targets:
            target.audit(plan.rounds * loads[target.name].streams * loads[target.name].turns)
    return {case: each for case, each in samples.items() if each}
