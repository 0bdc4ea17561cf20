"""``python -m bench.compare OLD NEW``: did a change make calls or chunks dearer?

OLD and NEW are folders of scripts, such as ``.venv-compiled/bin``, of two installations. Both gateways run at the same
time on core 0 and are loaded one after the other, in turn, seven times; what is shown is the median of the ratios
within a round, for CPU a chat call, requests a second and CPU a relayed chunk.
"""

from __future__ import annotations

import argparse
import os
import statistics
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import chat, stream, wrk
from bench.accounting import cpu_seconds
from bench.growth import turns
from bench.peers.aigw import Aigw
from bench.peers.peer import Setup, Target
from bench.plan import LOAD_CORE, SMALL, StreamLoad

_ROUNDS = 7
_SECONDS = 2
_CONNECTIONS = 32
_STREAMS = StreamLoad(200, 60, 0.02, 1, 1.0)
_MEASURED = ("CPU a chat call", "requests/s", "CPU a relayed chunk")


def compare(old: str, new: str) -> dict[str, list[float]]:
    """NEW divided by OLD, for each thing that is measured, in each round.

    :raises BenchError: a gateway does not run, or gave a wrong answer.
    """
    load, setup = wrk.Calls(turns=turns(SMALL)), Setup(SMALL.consumers, SMALL.routes)
    found: dict[str, list[float]] = {name: [] for name in _MEASURED}
    with TemporaryDirectory(prefix="aigw-bench-") as temporary, ExitStack() as running:
        directory = Path(temporary)
        calls = running.enter_context(chat.upstream(directory / "upstream"))
        streams = running.enter_context(stream.upstream(directory, _STREAMS))
        gateways: list[tuple[Target, Target]] = []
        for name, scripts in (("old", old), ("new", new)):
            os.environ["AIGW_BENCH_SCRIPTS"] = scripts
            homes = [directory / f"{name}-{work}" for work in ("calls", "streams")]
            for home in homes:
                home.mkdir()
            gateways.append(
                (
                    running.enter_context(Aigw().running(homes[0], calls, setup)),
                    running.enter_context(Aigw().running(homes[1], streams)),
                )
            )
        for target, _ in gateways:
            wrk.measure(directory, target, _CONNECTIONS, _SECONDS, load)
        for number in range(_ROUNDS):
            order = (0, 1) if number % 2 else (1, 0)
            measured = {which: _measure(directory, gateways[which], load) for which in order}
            for name, before, after in zip(_MEASURED, measured[0], measured[1], strict=True):
                found[name].append(after / before)
    return found


def _measure(directory: Path, gateway: tuple[Target, Target], load: wrk.Calls) -> tuple[float, float, float]:
    calls, streams = gateway
    assert calls.pid is not None and streams.pid is not None
    begun = cpu_seconds(calls.pid)
    _, number = wrk.measure(directory, calls, _CONNECTIONS, _SECONDS, load)
    a_call = (cpu_seconds(calls.pid) - begun) / number
    begun = cpu_seconds(streams.pid)
    stream.measure(streams, _STREAMS)
    return a_call, number / _SECONDS, (cpu_seconds(streams.pid) - begun) / _STREAMS.writes


def main() -> None:
    """Print a line for each thing that is measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("old")
    parser.add_argument("new")
    options = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    for name, ratios in compare(options.old, options.new).items():
        rounds = " ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{name}: {statistics.median(ratios):.3f} x (rounds: {rounds})")


if __name__ == "__main__":
    main()
