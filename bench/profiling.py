"""Where a gateway's time goes under load: py-spy's samples as a flat table of self time."""

from __future__ import annotations

import argparse
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import chat, peers, stream, wrk
from bench.errors import BenchError
from bench.peers.peer import Peer, Target
from bench.plan import FULL, LOAD
from bench.processes import pinned
from bench.programs import need

RATE = 500
_LEAD_SECONDS = 3
_CONNECTIONS = 32


def profile(options: argparse.Namespace) -> str:
    """Load a gateway, sample it, give the table.

    :raises BenchError: py-spy or the peer is missing, or the gateway gave wrong answers under the load.
    """
    ready, skipped = peers.chosen([options.peer])
    if not ready:
        raise BenchError(skipped[0])
    load = _chat_load if options.work == "chat" else _stream_load
    with TemporaryDirectory(prefix="aigw-bench-") as temporary:
        directory = Path(temporary)
        stacks = Path(options.stacks or directory / "stacks")
        with load(ready[0], directory, options.seconds + 2 * _LEAD_SECONDS) as target:
            if target.pid is None:
                raise BenchError(f"{options.peer} has no process to profile")
            time.sleep(_LEAD_SECONDS)
            _record(target.pid, stacks, options)
        return flat(stacks.read_text(), options.lines, f"{options.peer}, {options.work}")


def _record(pid: int, stacks: Path, options: argparse.Namespace) -> None:
    program = need("py-spy", "pip install py-spy")
    flags = ["--function", "--format", "raw", "--rate", str(RATE), "--duration", str(options.seconds)]
    flags += ["--native"] if options.native else []
    command = [program, "record", *flags, "--output", str(stacks), "--pid", str(pid)]
    done = subprocess.run(pinned(LOAD, command), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"py-spy failed (it must be allowed to trace the process): {done.stderr.strip()}")


@contextmanager
def _chat_load(peer: Peer, directory: Path, seconds: int) -> Iterator[Target]:
    with chat.upstream(directory / "upstream") as port, peer.running(directory, port) as target:
        command = wrk.command(directory, target, _CONNECTIONS, seconds)
        with wrk.loading(command) as load:
            yield target
            output, complaint = load.communicate()
        wrk.outcome(target, subprocess.CompletedProcess(command, load.returncode, output, complaint))


@contextmanager
def _stream_load(peer: Peer, directory: Path, seconds: int) -> Iterator[Target]:
    shape = replace(FULL.streams, turns=seconds)  # a turn takes a second
    with (
        stream.upstream(directory, shape) as port,
        peer.running(directory, port) as target,
        stream.loading(target, shape) as load,
    ):
        yield target
        stream.outcome(target, shape, load)


def flat(stacks: str, lines: int, title: str) -> str:
    """Collapsed stacks (``outer;inner 12`` a line) as a table of the innermost functions."""
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        functions = frames.split(";")
        own[functions[-1]] += int(count)
        within.update(dict.fromkeys(set(functions), int(count)))
    total = own.total()
    if not total:
        raise BenchError("py-spy saw nothing at work")
    rows = [
        f"{count / total:6.1%}  {within[function] / total:6.1%}  {function}"
        for function, count in own.most_common(lines)
    ]
    return "\n".join([f"{title}: {total} samples at {RATE}/s", "  self  within  function", *rows])
