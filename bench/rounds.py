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
        for case in cases:
            for target in in_turn(number, targets):
                note(f"round {number + 1} of {rounds}: {case}, {target.name}")
                yield case, target


def in_turn(number: int, targets: Sequence[Target]) -> list[Target]:
    """All of them, beginning with another one for each number."""
    turn = number % len(targets)
    return [*targets[turn:], *targets[:turn]]


def note(message: str) -> None:
    """Progress, on stderr: the report alone goes to stdout."""
    print(message, file=sys.stderr, flush=True)
