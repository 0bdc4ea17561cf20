"""The closed-loop load: wrk, which sends its next request as soon as an answer is there, and checks every answer."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import traffic
from bench.accounting import Meter
from bench.certificates import HOST
from bench.errors import BenchError, NoAnswerError, WrongAnswerError
from bench.peers.peer import Headers, Target
from bench.plan import GATEWAY_CORE, LOAD, LOAD_CORE, Cores
from bench.processes import pinned, stop
from bench.programs import ROOT, need

SCRIPT = Path(__file__).with_name("chat.lua")
REMEDY = "apt-get install wrk"
_TIMEOUT_SECONDS = 30  # nobody here answers so late, but a slow peer before 256 connections takes seconds
NO_HEADERS: Headers = {}


@dataclass(frozen=True)
class Calls:
    """What is sent and what must come back.

    :param turns: path and key of one request after the other, over and over; none is the target's own.
    :param pause: milliseconds that a connection waits before each request.
    """

    request: bytes = traffic.CHAT_REQUEST
    answer: bytes = traffic.CHAT_ANSWER
    headers: Headers = field(default_factory=dict)
    turns: Sequence[tuple[str, str]] = ()
    pause: int = 0


PLAIN = Calls()


@dataclass(frozen=True)
class CallSample:
    """One wrk run against one target. Shares are 0 to 1 of a core."""

    requests_per_second: float
    p50_us: float
    p99_us: float
    cpu_us_per_request: float
    gateway_share: float
    strangers_share: float
    load_core_share: float


def command(
    directory: Path,
    target: Target,
    connections: int,
    seconds: float,
    calls: Calls = PLAIN,
    cores: Cores = LOAD,
) -> list[str]:
    """The load on a target; writes what wrk's script reads to ``directory``."""
    request, answer, turns = (directory / f"{target.name}.calls.{part}" for part in ("request", "answer", "turns"))
    request.write_bytes(calls.request)
    answer.write_bytes(calls.answer)
    turns.write_text("".join(f"{path} {key}\n" for path, key in calls.turns))
    options = ["--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"]
    options += ["--threads", str(min(len(cores), connections)), "--timeout", f"{_TIMEOUT_SECONDS}s"]
    origin = f"https://{HOST}" if target.certificates else "http://127.0.0.1"
    url = f"{origin}:{target.port}{target.path}"
    headers = [part for pair in {**target.headers, **calls.headers}.items() for part in pair]
    program = [need("wrk", REMEDY), *options, "--script", str(SCRIPT), url, "--"]
    return pinned(cores, [*program, str(request), str(answer), str(turns), str(calls.pause), *headers])


@contextmanager
def loading(load: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A load client at work; ended at the end of the block if it has not ended by itself."""
    with subprocess.Popen(load, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True) as child:
        try:
            yield child
        finally:
            stop(child)


def measure(
    directory: Path,
    target: Target,
    connections: int,
    seconds: float,
    calls: Calls = PLAIN,
    cores: Cores = LOAD,
) -> tuple[CallSample, int]:
    """One run; the sample and the number of right answers.

    :raises WrongAnswerError: any answer was wrong or missing.
    """
    load = command(directory, target, connections, seconds, calls, cores)
    meter = Meter(target.pid, GATEWAY_CORE, LOAD_CORE)
    done = subprocess.run(load, capture_output=True, text=True, check=False)
    spent = meter.stop()
    report = outcome(target, done)
    sample = CallSample(
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
        raise NoAnswerError(f"{target.name}: no answer at all")
    if report["wrong"] or any(report["errors"].values()):
        raise WrongAnswerError(
            f"{target.name}: {report['wrong']} of {report['requests']} answers are wrong, "
            f"errors {report['errors']}; first: {report['sample']}"
        )
    return report
