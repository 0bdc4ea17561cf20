"""Work (a): short chat calls, closed loop, as fast as they go. The upstream is nginx with one fixed
answer."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import traffic
from bench.accounting import Meter
from bench.errors import BenchError, WrongAnswerError
from bench.nginx import nginx
from bench.peers.peer import Peer, Target
from bench.plan import GATEWAY_CORE, LOAD_CORE, Plan
from bench.preflight import check
from bench.processes import free_port, pinned
from bench.programs import need
from bench.rounds import interleaved, start_all

SCRIPT = Path(__file__).with_name("chat.lua")
REMEDY = "apt-get install wrk"
_WARM_UP_CONNECTIONS = 32

_UPSTREAM = """\
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        default_type application/json;
        location = {path} {{
            if ($http_authorization != "Bearer {key}") {{ return 401 '{{"error":"wrong provider key"}}'; }}
            if ($http_apikey) {{ return 400 '{{"error":"the consumer key came through"}}'; }}
            return 200 '{answer}';
        }}
    }}"""


@dataclass(frozen=True)
class ChatSample:
    """One wrk run against one peer. Shares are 0 to 1 of a core."""

    requests_per_second: float
    p50_us: float
    p99_us: float
    cpu_us_per_request: float
    gateway_share: float
    strangers_share: float
    load_core_share: float


@contextmanager
def upstream(directory: Path) -> Iterator[int]:
    """The upstream of this work, on the load's core; gives its port."""
    directory.mkdir()
    port = free_port()
    http = _UPSTREAM.format(
        port=port,
        path=traffic.PROVIDER_PATH,
        key=traffic.PROVIDER_KEY,
        answer=traffic.CHAT_ANSWER.decode(),
    )
    with nginx(directory, port, http, LOAD_CORE):
        yield port


def wrk_command(directory: Path, target: Target, connections: int, seconds: float) -> list[str]:
    """The load on a target; writes the request and the expected answer where wrk finds them."""
    request, answer = directory / "request.json", directory / "answer.json"
    request.write_bytes(traffic.CHAT_REQUEST)
    answer.write_bytes(traffic.CHAT_ANSWER)
    options = ["--threads", "1", "--connections", str(connections), "--duration", f"{round(seconds)}s"]
    url = f"http://127.0.0.1:{target.port}{target.path}"
    headers = [part for pair in target.headers.items() for part in pair]
    command = [need("wrk", REMEDY), *options, "--script", str(SCRIPT), url, "--"]
    return pinned(LOAD_CORE, [*command, str(request), str(answer), *headers])


def measure(directory: Path, target: Target, connections: int, seconds: float) -> tuple[ChatSample, int]:
    """One run; the sample and the number of right answers.

    :raises WrongAnswerError: any answer was wrong or missing.
    """
    command = wrk_command(directory, target, connections, seconds)
    meter = Meter(target.pid, GATEWAY_CORE, LOAD_CORE)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    spent = meter.stop()
    report = outcome(target, done)
    sample = ChatSample(
        requests_per_second=report["requests"] / report["duration_us"] * 1e6,
        p50_us=report["p50_us"],
        p99_us=report["p99_us"],
        cpu_us_per_request=spent.cpu / report["requests"] * 1e6,
        gateway_share=spent.gateway_share,
        strangers_share=spent.strangers_share if target.pid else 0.0,
        load_core_share=spent.load_core_share,
    )
    return sample, report["requests"]


def outcome(target: Target, done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What chat.lua said at the end of a run.

    :raises WrongAnswerError: any answer was wrong, or there was none.
    """
    if done.returncode or not done.stdout.strip():
        raise BenchError(f"wrk failed: {done.stdout}{done.stderr}")
    report: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    if not report["requests"]:
        raise WrongAnswerError(f"{target.name}: no answer at all")
    if report["wrong"] or any(report["errors"].values()):
        raise WrongAnswerError(
            f"{target.name}: {report['wrong']} of {report['requests']} answers are wrong, "
            f"errors {report['errors']}; first: {report['sample']}"
        )
    return report


def run(plan: Plan, peers: list[Peer], directory: Path) -> dict[str, dict[str, list[ChatSample]]]:
    """All rounds; samples by case (``chat-32``) and peer.

    :raises WrongAnswerError: any answer was wrong.
    """
    cases = {f"chat-{connections}": connections for connections in plan.connections}
    samples: dict[str, dict[str, list[ChatSample]]] = {case: {peer.name: [] for peer in peers} for case in cases}
    answers = dict.fromkeys((peer.name for peer in peers), 0)
    with ExitStack() as stack:
        port = stack.enter_context(upstream(directory / "upstream"))
        targets = start_all(stack, peers, directory, port)
        for target in targets:
            check(target)
            _, right = measure(directory, target, _WARM_UP_CONNECTIONS, plan.chat_warm_up)
            answers[target.name] += right
        for case, target in interleaved(plan.rounds, tuple(cases), targets):
            sample, right = measure(directory, target, cases[case], plan.chat_seconds)
            samples[case][target.name].append(sample)
            answers[target.name] += right
        for target in targets:
            target.audit(answers[target.name])
    return samples
