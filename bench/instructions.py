"""``python -m bench instructions``: how many instructions the gateway's own program spends on a call, or on a chunk.

Theory of operation: the gateway runs under callgrind, which counts what the processor would do, at a fiftieth of its
speed. The count does not depend on who else uses the machine and comes out the same within half a per cent, so that a
change of one per cent can be seen. What the kernel does is not in it. Compare counts of one interpreter only.
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
from bench.peers.aigw import Aigw
from bench.peers.peer import Target
from bench.plan import StreamLoad
from bench.programs import need

_Switch = Callable[[Target, bool], None]

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
        gateway.wrapper = (valgrind, "--tool=callgrind", f"--callgrind-out-file={counts}", "--instr-atstart=no")
        load = _calls if options.work == "chat" else _chunks
        number = load(gateway, directory, lambda target, on: _switch(control, target, on))
        spent = _total(counts)
    unit = "call" if options.work == "chat" else "relayed chunk"
    return f"{spent / number:,.0f} instructions a {unit}, over {number:,} (aigw {gateway.version()})"


def _calls(gateway: Aigw, directory: Path, switch: _Switch) -> int:
    with chat.upstream(directory / "upstream") as port, gateway.running(directory, port) as target:
        wrk.measure(directory, target, _CONNECTIONS, _WARM_UP_SECONDS)
        switch(target, True)
        _, number = wrk.measure(directory, target, _CONNECTIONS, 2 * _WARM_UP_SECONDS)
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


def _total(counts: Path) -> int:
    lines = counts.read_text().splitlines()
    return next(int(line.split()[1]) for line in reversed(lines) if line.startswith(("summary:", "totals:")))
