"""Work (g), first half: what a call costs when there are many consumers, many routes, many idle connections.

Some per cent are to be told apart here. Where a process's memory happens to lie makes as much of a difference, so all
of them are started anew in each round; and the machine is faster and slower by as much from one minute to the next, so
they are measured for a second each, in turn, several times over.
"""

from __future__ import annotations

import resource
from contextlib import ExitStack
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from bench import traffic
from bench.chat import Counted, upstream
from bench.idle import held
from bench.peers.peer import Peer, Setup, Target, able
from bench.plan import SMALL, Plan, Sizes
from bench.rounds import in_turn, note
from bench.wrk import Calls, CallSample

CONNECTIONS = 32


def turns(sizes: Sizes) -> list[tuple[str, str]]:
    """Path and key of one request after the other, so that all keys and all routes are used alike."""
    paths = cycle(traffic.client_path(number) for number in range(sizes.routes))
    keys = cycle(traffic.consumer_key(number) for number in range(sizes.consumers))
    return list(islice(zip(paths, keys, strict=False), max(sizes.consumers, sizes.routes)))


def run(plan: Plan, peers: list[Peer], directory: Path) -> dict[str, dict[str, list[CallSample]]]:
    """All rounds; samples by case (``growth``) and peer with its size.

    :raises WrongAnswerError: any answer was wrong.
    """
    samples: dict[str, list[CallSample]] = {}
    counted = Counted(directory)
    crowded = _crowded(plan, peers)
    with upstream(directory / "upstream") as port:
        for number in range(plan.growth_rounds):
            home = directory / f"round-{number + 1}"
            home.mkdir()
            with ExitStack() as stack:
                targets = [
                    _started(stack, peer, sizes, home, port)
                    for peer in able(peers, "growth")
                    for sizes in (SMALL, *plan.grown)
                ]
                for target, sizes in targets:
                    counted.begin(target, 2 * plan.chat_warm_up, calls=Calls(turns=turns(sizes)))
                everyone = [target for target, _ in targets]
                for turn in range(plan.growth_turns):
                    note(f"round {number + 1} of {plan.growth_rounds}: growth, turn {turn + 1} of {plan.growth_turns}")
                    for target in in_turn(number + turn, everyone):
                        _measure(counted, target, plan, crowded, samples)
                for target in everyone:
                    counted.audit(target)
    return {"growth": samples}


def _measure(
    counted: Counted, target: Target, plan: Plan, crowded: dict[str, str], samples: dict[str, list[CallSample]]
) -> None:
    """By itself, and beside a crowd where it is to be."""
    samples.setdefault(target.name, []).append(counted.measure(target, CONNECTIONS, plan.growth_seconds))
    if target.name in crowded:
        with held(target, plan.crowd):
            sample = counted.measure(target, CONNECTIONS, plan.growth_seconds)
        samples.setdefault(crowded[target.name], []).append(sample)


def _crowded(plan: Plan, peers: list[Peer]) -> dict[str, str]:
    """The targets that are also measured beside a crowd of idle connections, and the names of their rows then."""
    room, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if room < plan.crowd * 1.1:
        note(f"no idle connections: the limit on open files is {room:,} (ulimit -Hn), {plan.crowd:,} are to be open")
        return {}
    return {f"{peer.name}, {SMALL}": f"{peer.name}, {plan.crowd:,} idle connections" for peer in peers}


def _started(stack: ExitStack, peer: Peer, sizes: Sizes, directory: Path, upstream: int) -> tuple[Target, Sizes]:
    home = directory / f"{peer.name}-{sizes.consumers}-{sizes.routes}"
    home.mkdir()
    target = stack.enter_context(peer.running(home, upstream, Setup(sizes.consumers, sizes.routes)))
    return replace(target, name=f"{peer.name}, {sizes}"), sizes
