"""Work (a): short chat calls, as fast as they go. The upstream is nginx with one fixed answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from bench import traffic
from bench.certificates import Certificates
from bench.errors import NoAnswerError
from bench.nginx import nginx
from bench.peers.peer import Headers, Peer, Target, able
from bench.plan import LOAD, Cores, Plan
from bench.preflight import check
from bench.processes import free_port
from bench.rounds import interleaved, start_all
from bench.wrk import NO_HEADERS, PLAIN, Calls, CallSample, measure

_WARM_UP_CONNECTIONS = 32

_UPSTREAM = """\
    server {{
        listen 127.0.0.1:{port} backlog=4096{tls};
        default_type application/json;
{secured}
        location = {path} {{
            if ($http_authorization != "Bearer {key}") {{ return 401 '{{"error":"wrong provider key"}}'; }}
            if ($http_apikey) {{ return 400 '{{"error":"the consumer key came through"}}'; }}
            return 200 '{answer}';
        }}
    }}"""
_SECURED = """\
        ssl_certificate {chain};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;"""


@contextmanager
def upstream(directory: Path, *, certificates: Certificates | None = None, cores: Cores = LOAD) -> Iterator[int]:
    """The upstream of this work, on the load's core; gives its port."""
    directory.mkdir()
    port = free_port()
    http = _UPSTREAM.format(
        port=port,
        tls=" ssl" if certificates else "",
        secured=_SECURED.format(chain=certificates.chain, key=certificates.key) if certificates else "",
        path=traffic.PROVIDER_PATH,
        key=traffic.PROVIDER_KEY,
        answer=traffic.CHAT_ANSWER.decode(),
    )
    with nginx(directory, port, http, cores):
        yield port


class Counted:
    """Calls to targets; counts the right answers, so that the targets' own books can be compared with them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._calls: dict[Target, Calls] = {}
        self._right: Counter[Target] = Counter()

    def begin(
        self, target: Target, seconds: float, *, calls: Calls = PLAIN, connections: int = _WARM_UP_CONNECTIONS
    ) -> None:
        """Check it, then warm it up with these calls, which it gets from now on.

        :raises WrongAnswerError: its answers are wrong, or it lets anybody in.
        """
        self._calls[target] = replace(calls, answer=check(target, calls.request, calls.answer))
        self._right[target] += 1
        self.measure(target, connections, seconds)

    def measure(
        self, target: Target, connections: int, seconds: float, *, headers: Headers = NO_HEADERS, cores: Cores = LOAD
    ) -> CallSample:
        """One run.

        :param headers: further ones of the requests.
        :raises WrongAnswerError: any answer was wrong.
        """
        calls = replace(self._calls[target], headers=headers)
        try:
            sample, right = measure(self._directory, target, connections, seconds, calls, cores)
        except NoAnswerError:  # a slow peer beside busy strangers: one more chance
            sample, right = measure(self._directory, target, connections, seconds, calls, cores)
        self._right[target] += right
        return sample

    def audit(self, target: Target) -> None:
        """See :class:`Target`."""
        target.audit(self._right[target])


def run(plan: Plan, peers: list[Peer], directory: Path) -> dict[str, dict[str, list[CallSample]]]:
    """All rounds; samples by case (``chat-32``) and peer.

    :raises WrongAnswerError: any answer was wrong.
    """
    peers = able(peers, "chat")
    cases = {f"chat-{connections}": connections for connections in plan.connections}
    samples: dict[str, dict[str, list[CallSample]]] = {case: {peer.name: [] for peer in peers} for case in cases}
    counted = Counted(directory)
    with ExitStack() as stack:
        port = stack.enter_context(upstream(directory / "upstream"))
        targets = start_all(stack, peers, directory, port)
        for target in targets:
            counted.begin(target, plan.chat_warm_up)
        slow = {peer.name for peer in peers if peer.slow}
        for case, target in interleaved(plan.rounds, tuple(cases), targets):
            if target.name in slow and cases[case] > plan.slow_connections:
                continue
            samples[case][target.name].append(counted.measure(target, cases[case], plan.chat_seconds))
        for target in targets:
            counted.audit(target)
    return samples
