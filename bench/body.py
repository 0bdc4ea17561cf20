"""Work (e): chat calls with a body of one MiB, most of it pictures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import traffic
from bench.bodies.request import BODY
from bench.chat import Counted
from bench.peers.peer import Peer, able
from bench.plan import LOAD, Plan
from bench.processes import await_port, free_port, started
from bench.rounds import interleaved, start_all
from bench.wrk import Calls, CallSample

CONNECTIONS = 8


@contextmanager
def upstream(directory: Path) -> Iterator[int]:
    """The upstream of this work, on the load's core; gives its port."""
    port, log = free_port(), directory / "upstream.log"
    command = [sys.executable, "-m", "bench.bodies.upstream", "--port", str(port)]
    with started(command, cores=LOAD, log=log) as child:
        await_port(child, port, log)
        yield port


def run(plan: Plan, peers: list[Peer], directory: Path) -> dict[str, dict[str, list[CallSample]]]:
    """All rounds; samples by case (``body``) and peer.

    :raises WrongAnswerError: any answer was wrong.
    """
    peers = able(peers, "body")
    samples: dict[str, list[CallSample]] = {peer.name: [] for peer in peers}
    counted = Counted(directory)
    with ExitStack() as stack:
        port = stack.enter_context(upstream(directory))
        targets = start_all(stack, peers, directory, port)
        for target in targets:
            calls = Calls(BODY, traffic.chat_answer(target.temperature))
            counted.begin(target, plan.chat_warm_up, calls=calls, connections=CONNECTIONS)
        for _, target in interleaved(plan.rounds, ("body",), targets):
            samples[target.name].append(counted.measure(target, CONNECTIONS, plan.chat_seconds))
        for target in targets:
            counted.audit(target)
    return {"body": samples}
