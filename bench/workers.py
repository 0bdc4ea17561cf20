"""Work (h): the chat calls with one worker and with two."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench.chat import Counted, upstream
from bench.peers.peer import Peer, Setup, Target, able
from bench.plan import Plan, spread
from bench.rounds import interleaved
from bench.wrk import CallSample

CONNECTIONS = 64
COUNTS = (1, 2)


def run(plan: Plan, peers: list[Peer], directory: Path) -> dict[str, dict[str, list[CallSample]]]:
    """All rounds; samples by case (``workers``) and peer with its workers. All have the cores of the most.

    :raises WrongAnswerError: any answer was wrong.
    """
    gateway, load = spread(max(COUNTS))
    samples: dict[str, list[CallSample]] = {}
    counted = Counted(directory)
    with ExitStack() as stack:
        port = stack.enter_context(upstream(directory / "upstream", cores=load))
        targets: list[Target] = []
        for peer in able(peers, "workers"):
            for count in COUNTS:
                home = directory / f"{peer.name}-{count}"
                home.mkdir()
                setup = Setup(workers=count, cores=gateway)
                target = stack.enter_context(peer.running(home, port, setup))
                targets.append(replace(target, name=f"{peer.name}, {count} worker{'s' * (count > 1)}"))
        for target in targets:
            counted.begin(target, plan.chat_warm_up)
        for _, target in interleaved(plan.rounds, ("workers",), targets):
            sample = counted.measure(target, CONNECTIONS, plan.chat_seconds, cores=load)
            samples.setdefault(target.name, []).append(sample)
        for target in targets:
            counted.audit(target)
    return {"workers": samples}
