"""Starting the peers and the order in which they are measured."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.peers.peer import PLAIN, Peer, Setup, Target


def start_all(
    stack: ExitStack, peers: Sequence[Peer], directory: Path, upstream: int, setup: Setup = PLAIN
) -> list[Target]:
    """All peers before one upstream, until the stack unwinds; each in a directory of its own."""
    targets = []
    for peer in peers:
        home = directory / peer.name
        home.mkdir()
        targets.append(stack.enter_context(peer.running(home, upstream, setup)))
    return targets


def interleaved(rounds: int, cases: Sequence[str], targets: Sequence[Target]) -> Iterator[tuple[str, Target]]:
    """What to measure next: all peers side by side in each case, each round beginning with another one."""
    for number in range(rounds):
        yield from one_round(number, rounds, cases, targets)


def one_round(
    number: int, rounds: int, cases: Sequence[str], targets: Sequence[Target]
) -> Iterator[tuple[str, Target]]:
    """One of :func:`interleaved`.

    :param number: 0 for the first.
    """
    turn = number % len(targets)
    order = [*targets[turn:], *targets[:turn]]
    for case in cases:
        for target in order:
            note(f"round {number + 1} of {rounds}: {case}, {target.name}")
            yield case, target


def note(message: str) -> None:
    """Progress, on stderr: the report alone goes to stdout."""
    print(message, file=sys.stderr, flush=True)
