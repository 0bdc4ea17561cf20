"""Work (g), second half: how long a start and a reload take with few and with many consumers and routes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from bench import traffic
from bench.accounting import resident_bytes
from bench.chat import upstream
from bench.errors import WrongAnswerError
from bench.peers.peer import Peer, Setup, Target, able
from bench.plan import Plan, Sizes
from bench.preflight import call, check
from bench.rounds import note

_PATIENCE_SECONDS = 60.0
_BETWEEN_SECONDS = 0.002


@dataclass(frozen=True)
class StartSample:
    """One start and one reload.

    :param start_us: from the start of the program to the first right answer.
    :param reload_us: from the signal to the first answer for a key that the new configuration brought; None where the
        gateway does not reload.
    :param stall_us: the longest that a call took meanwhile.
    :param bytes: resident memory before the reload.
    """

    start_us: float
    reload_us: float | None
    stall_us: float | None
    bytes: float


def run(plan: Plan, peers: list[Peer], directory: Path) -> dict[str, dict[str, list[StartSample]]]:
    """All rounds; samples by case (``start``) and peer with its size.

    :raises WrongAnswerError: any answer was wrong.
    """
    samples: dict[str, list[StartSample]] = {}
    with upstream(directory / "upstream") as port:
        for number in range(plan.rounds):
            for sizes in plan.starts:
                for peer in able(peers, "start"):
                    note(f"round {number + 1} of {plan.rounds}: start and reload, {peer.name}, {sizes}")
                    home = directory / f"{peer.name}-{sizes.consumers}-{sizes.routes}-{number}"
                    home.mkdir()
                    samples.setdefault(f"{peer.name}, {sizes}", []).append(_measured(peer, sizes, home, port))
    return {"start": samples}


def _measured(peer: Peer, sizes: Sizes, directory: Path, upstream: int) -> StartSample:
    setup = Setup(sizes.consumers, sizes.routes)
    with peer.running(directory, upstream, setup) as target:
        assert target.pid is not None
        _await(target, time.monotonic() + _PATIENCE_SECONDS)
        begun = time.monotonic() - target.begun
        check(target)
        size = resident_bytes(target.pid)
        reload, stall = _reloaded(target, setup)
    return StartSample(begun * 1e6, reload, stall, size)


def _reloaded(target: Target, setup: Setup) -> tuple[float | None, float | None]:
    """Bring in one consumer more; the time until its key is good, and the longest call meanwhile, in microseconds."""
    if target.reconfigure is None:
        return None, None
    newcomer = replace(target, headers={**target.headers, "apikey": traffic.consumer_key(setup.consumers)})
    begun = time.monotonic()
    target.reconfigure(replace(setup, consumers=setup.consumers + 1))
    stall = _await(newcomer, begun + _PATIENCE_SECONDS)
    return (time.monotonic() - begun) * 1e6, stall * 1e6


def _await(target: Target, deadline: float) -> float:
    """Call until the answer is right; the longest call, in seconds.

    :raises WrongAnswerError: it is not in time, or something else than a refusal came before.
    """
    longest = 0.0
    while (begun := time.monotonic()) < deadline:
        status, body = call(target, target.headers)
        longest = max(longest, time.monotonic() - begun)
        if (status, body) == (200, traffic.CHAT_ANSWER):
            return longest
        if status not in target.refusals:
            raise WrongAnswerError(f"{target.name}: {status} {body[:300]!r} instead of an answer or a refusal")
        time.sleep(_BETWEEN_SECONDS)
    raise WrongAnswerError(f"{target.name}: no right answer within {_PATIENCE_SECONDS:.0f} s")
