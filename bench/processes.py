"""Child processes, each pinned to its cores and ended by its own pid."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BenchError
from bench.programs import ROOT, need

READY_SECONDS = 60.0
STOP_SECONDS = 10.0
# Below Linux's ephemeral range, so that no outgoing connection takes a port between the pick and the listen.
PORTS = range(20000, 32000)


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens now."""
    for port in random.sample(PORTS, 200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise BenchError("no free port on 127.0.0.1")


class Child(subprocess.Popen[bytes]):
    """A program that runs.

    :ivar begun: when it was started, on the monotonic clock.
    """

    begun = 0.0


def pinned(cores: Sequence[int], command: Sequence[str]) -> list[str]:
    """The command, bound to some cores."""
    taskset = need("taskset", "apt-get install util-linux")
    return [taskset, "-c", ",".join(map(str, cores)), *command]


@contextmanager
def started(
    command: Sequence[str], *, cores: Sequence[int], log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[Child]:
    """Run a program on ``cores`` for the length of the block; what it says goes to ``log``.

    ``taskset`` replaces itself with the program, so the pid is the program's own.
    """
    begun = time.monotonic()
    with log.open("ab") as output:
        child = Child(
            pinned(cores, command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env={**os.environ, **(environ or {})},
        )
    child.begun = begun
    try:
        yield child
    finally:
        stop(child)


def stop(child: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """End a child: ask, wait, insist."""
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def await_port(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until the child listens.

    :raises BenchError: it ended or did not listen in time; quotes the end of its log.
    """
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.005)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise BenchError(f"{child.args!r} does not listen on port {port}:\n{tail}")
