"""``python -m bench instructions``: how many instructions the gateway's own program spends on a call, or on a chunk.

Theory of operation: the gateway runs under callgrind, which counts what the processor would do, at a fiftieth of its
speed. The count does not depend on who else uses the machine and comes out the same within half a per cent, so that a
change of one per cent can be seen. What the kernel does is not in it. Compare counts of one interpreter only.

With ``--misses`` it also follows the cache lines that are asked for, and counts those that a second-level cache of
1 MiB would not have. It is a model: no prefetching, nobody else in the cache, not even the kernel.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import chat, stream, wrk
from bench.errors import BenchError
from bench.growth import turns
from bench.peers.aigw import Aigw
from bench.peers.peer import Setup, Target
from bench.plan import Sizes, StreamLoad
from bench.programs import need

_Switch = Callable[[Target, bool], None]

#: A server's core of today: 48 KiB for data, then 1 MiB.
_CACHE = ("--cache-sim=yes", "--D1=49152,12,64", "--LL=1048576,16,64")
#: callgrind's last columns: of instructions, of data read and of data written.
_LAST_LEVEL = 3

_CONNECTIONS = 32
_WARM_UP_SECONDS = 4
#: So slow that a gateway at a fiftieth of its speed keeps up.
_STREAMS = StreamLoad(20, 100, 0.05, 3, 1.0)


def instructions(options: argparse.Namespace) -> str:
    """Load the gateway twice, count the second time; one line.

    :raises BenchError: valgrind is missing, or an answer was wrong.
    """
    valgrind, control = need("valgrind", "apt-get install valgrind"), need("callgrind_control", "with valgrind")
    with TemporaryDirectory(prefix="aigw-bench-") as temporary:
        directory = Path(temporary)
        counts = directory / "counts"
        gateway = Aigw()
        cache = _CACHE if options.misses else ()
        gateway.wrapper = (valgrind, "--tool=callgrind", f"--callgrind-out-file={counts}", "--instr-atstart=no", *cache)

        def switch(target: Target, on: bool) -> None:
            _switch(control, target, on)

        if options.work == "chat":
            number = _calls(gateway, directory, switch, Sizes(options.consumers, options.routes))
        else:
            number = _chunks(gateway, directory, switch)
        totals = _totals(counts)
    unit = "call" if options.work == "chat" else "relayed chunk"
    misses = f", {sum(totals[-_LAST_LEVEL:]) / number:,.0f} cache misses" if options.misses else ""
    return f"{totals[0] / number:,.0f} instructions{misses} a {unit}, over {number:,} (aigw {gateway.version()})"


def _calls(gateway: Aigw, directory: Path, switch: _Switch, sizes: Sizes) -> int:
    """All consumers and all routes in turn; warmed up until each was asked for."""
    load, setup = wrk.Calls(turns=turns(sizes)), Setup(sizes.consumers, sizes.routes)
    number, seconds = 0, _WARM_UP_SECONDS
    with chat.upstream(directory / "upstream") as port, gateway.running(directory, port, setup) as target:
        while number < len(load.turns):  # each run begins at the first turn
            _, number = wrk.measure(directory, target, _CONNECTIONS, seconds, load)
            seconds *= 2
        switch(target, True)
        _, number = wrk.measure(directory, target, _CONNECTIONS, 2 * _WARM_UP_SECONDS, load)
        switch(target, False)
    return number


def _chunks(gateway: Aigw, directory: Path, switch: _Switch) -> int:
    with stream.upstream(directory, _STREAMS) as port, gateway.running(directory, port) as target:
        stream.measure(target, replace(_STREAMS, turns=1))
        switch(target, True)
        stream.measure(target, _STREAMS)
        switch(target, False)
    return _STREAMS.writes


def _switch(control: str, target: Target, on: bool) -> None:
    done = subprocess.run([control, "-i", "on" if on else "off", str(target.pid)], capture_output=True, check=False)
    if done.returncode:
        raise BenchError(f"callgrind_control failed: {done.stderr.decode(errors='replace')}")


def _totals(counts: Path) -> list[int]:
    """Instructions first; with a cache, the misses of its last level come last."""
    lines = counts.read_text().splitlines()
    line = next(line for line in reversed(lines) if line.startswith(("summary:", "totals:")))
    return [int(word) for word in line.split()[1:]]
