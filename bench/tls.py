"""Work (f): the chat calls with TLS on both sides: on connections that stay open, and with a handshake for each."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from bench.certificates import made
from bench.chat import Counted, upstream
from bench.peers.peer import Peer, Setup, able
from bench.plan import Plan
from bench.rounds import interleaved, start_all
from bench.wrk import NO_HEADERS, CallSample

CONNECTIONS = 32
_CASES = {"tls": NO_HEADERS, "tls-new": {"connection": "close"}}


def run(plan: Plan, peers: list[Peer], directory: Path) -> dict[str, dict[str, list[CallSample]]]:
    """All rounds; samples by case (``tls``, ``tls-new``) and peer.

    :raises WrongAnswerError: any answer was wrong.
    """
    peers = able(peers, "tls")
    samples: dict[str, dict[str, list[CallSample]]] = {case: {peer.name: [] for peer in peers} for case in _CASES}
    certificates = made(directory / "certificates")
    counted = Counted(directory)
    with ExitStack() as stack:
        port = stack.enter_context(upstream(directory / "upstream", certificates=certificates))
        targets = start_all(stack, peers, directory, port, Setup(certificates=certificates))
        for target in targets:
            counted.begin(target, plan.chat_warm_up)
        for case, target in interleaved(plan.rounds, tuple(_CASES), targets):
            sample = counted.measure(target, CONNECTIONS, plan.chat_seconds, headers=_CASES[case])
            samples[case][target.name].append(sample)
        for target in targets:
            counted.audit(target)
    return samples
