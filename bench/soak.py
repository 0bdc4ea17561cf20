"""``python -m bench soak --minutes 30``: half load for a long time; does the gateway's memory stay flat?

Theory of operation: chat calls on 256 connections, each of which pauses between two, so that the gateway has about four
tenths of its core to do for them; fifty streams beside them, another tenth; a few calls a second with bodies of 1 MiB,
which would be seen at once if one of them stayed; and a few streams whose clients leave in the middle. All of it in
stretches of half a minute, after which every answer has been checked and all begin anew on new connections. Resident
memory and open descriptors are read once a second, from the first stretch on. A line is fitted to what was read after
the first tenth (caches and pools fill in it); what it grows is the answer.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import chat, machine, peers, stream, traffic, wrk
from bench.accounting import cpu_seconds, resident_bytes
from bench.bodies.request import BODY
from bench.errors import BenchError
from bench.growth import turns
from bench.peers.peer import Setup, Target
from bench.plan import Sizes, StreamLoad
from bench.plots import line
from bench.preflight import check
from bench.rounds import note

_SIZES = Sizes(100)
_CONNECTIONS = 256
_CHAT_SHARE = 0.4
_STREAMS = StreamLoad(50, 100, 0.010, 1, 1.0)
_LEAVERS = 20
_LARGE_CONNECTIONS, _LARGE_PAUSE = 4, 1000
_PROBE_SECONDS = 5.0
_STRETCH_SECONDS = 30
_FLAT = 0.02


@dataclass(frozen=True)
class Reading:
    """What the kernel says about the gateway at a time."""

    minute: float
    resident: int
    descriptors: int
    cpu: float


@dataclass(frozen=True)
class Soaked:
    """What a soak found.

    :param large: calls with a body of 1 MiB; among ``calls``, too.
    :param growth: of resident memory, in bytes, from the line's beginning to its end.
    """

    peer: str
    facts: dict[str, str]
    readings: Sequence[Reading]
    calls: int
    streams: int
    large: int
    growth: float
    share: float

    @property
    def flat(self) -> bool:
        """Whether memory grew less than can be told from noise."""
        return self.growth < _FLAT * statistics.median(reading.resident for reading in self.readings)

    def markdown(self) -> str:
        """The report to read."""
        first, last = self.readings[0], self.readings[-1]
        rows = {
            **self.facts,
            "duration": f"{last.minute - first.minute:.1f} minutes",
            "gateway core": f"{self.share:.0%}",
            "right answers": f"{self.calls:,} calls, {self.large:,} of them with 1 MiB; {self.streams:,} streams",
            "resident memory": f"{first.resident / 1e6:.1f} MB at first, {last.resident / 1e6:.1f} MB at last, "
            f"{max(reading.resident for reading in self.readings) / 1e6:.1f} MB at most",
            "open descriptors": f"{max(reading.descriptors for reading in self.readings):,} at most, "
            f"{last.descriptors:,} at last",
            "growth after the first tenth": f"{self.growth / 1e6:+.2f} MB by a fitted line",
            "memory": "flat" if self.flat else "**not flat**",
        }
        lines = [f"# Soak of {self.peer} at half load", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in rows.items()]
        return "\n".join([*lines, "", "![Resident memory over time](soak.svg)", ""])

    def write(self, directory: Path) -> None:
        """``soak.md``, ``soak.json`` and ``soak.svg``."""
        directory.mkdir(parents=True, exist_ok=True)
        points = [(reading.minute, reading.resident / 1e6) for reading in self.readings]
        (directory / "soak.md").write_text(self.markdown())
        (directory / "soak.svg").write_text(line(f"{self.peer} at half load: resident memory", "MB", points))
        (directory / "soak.json").write_text(json.dumps(asdict(self) | {"flat": self.flat}, indent=1) + "\n")


def soak(options: argparse.Namespace) -> Soaked:
    """Load a gateway for a long time and watch it.

    :raises BenchError: it cannot run, or gave a wrong answer.
    """
    ready, skipped = peers.chosen([options.peer])
    if not ready or "translated" not in ready[0].works:
        raise BenchError(skipped[0] if skipped else f"{options.peer} does not serve calls and streams side by side")
    with TemporaryDirectory(prefix="aigw-bench-") as temporary:
        directory = Path(temporary)
        home = directory / "gateway"
        home.mkdir()
        with chat.upstream(directory / "upstream") as calls, stream.upstream(directory, _STREAMS) as streams:
            setup = Setup(_SIZES.consumers, _SIZES.routes, streams=streams)
            with ready[0].running(home, calls, setup) as target:
                watch = _Watch(target, directory, options.minutes * 60)
                watch.run()
    facts = machine.describe(ready)
    return Soaked(
        options.peer, facts, watch.readings, watch.calls, watch.streams, watch.large, watch.growth(), watch.share()
    )


class _Watch:
    """One gateway under its load."""

    def __init__(self, target: Target, directory: Path, seconds: float) -> None:
        assert target.pid is not None
        self._target = target
        self._pid = target.pid
        self._directory = directory
        self._seconds = seconds
        self._begun = 0.0
        self.readings: list[Reading] = []
        self.calls = 0
        self.streams = 0
        self.large = 0
        self._large_directory = directory / "large"
        self._large_directory.mkdir()

    def run(self) -> None:
        """All of it.

        :raises WrongAnswerError: an answer was wrong, or the gateway's books miss some.
        """
        load = wrk.Calls(answer=check(self._target), turns=turns(_SIZES))
        fastest, right = wrk.measure(self._directory, self._target, _CONNECTIONS, _PROBE_SECONDS, load)
        self.calls += right + 1
        # What the gateway could do with the whole of its core, were it alone there.
        capacity = fastest.requests_per_second / max(fastest.gateway_share, 0.01)
        load = replace(load, pause=max(1, round(_CONNECTIONS / (_CHAT_SHARE * capacity) * 1000)))
        note(f"half load: {_CONNECTIONS} connections with a pause of {load.pause} ms, {_STREAMS.streams} streams")
        self._begun = time.monotonic()
        while time.monotonic() < self._begun + self._seconds:
            self._stretch(load)
            last = self.readings[-1]
            note(
                f"minute {last.minute:.1f}: {last.resident / 1e6:.1f} MB, {self.calls:,} calls, {self.streams} streams"
            )
        self._target.audit(self.calls + self.streams)

    def _stretch(self, calls: wrk.Calls) -> None:
        shape = replace(_STREAMS, turns=_STRETCH_SECONDS - 2)  # a turn takes a second
        target = replace(self._target, path=traffic.STREAM_PATH)
        command = wrk.command(self._directory, self._target, _CONNECTIONS, _STRETCH_SECONDS, calls)
        large = replace(calls, request=BODY, pause=_LARGE_PAUSE)
        second = wrk.command(self._large_directory, self._target, _LARGE_CONNECTIONS, _STRETCH_SECONDS, large)
        with (
            stream.loading(target, shape) as streams,
            wrk.loading(command) as closed_loop,
            wrk.loading(second) as large_loop,
        ):
            self._leave()
            while closed_loop.poll() is None or large_loop.poll() is None or streams.poll() is None:
                self._read()
                time.sleep(1.0)
            self.calls += self._right(command, closed_loop)
            right = self._right(second, large_loop)
            stream.outcome(target, shape, streams)
        self.large += right
        self.calls += right
        self.streams += shape.streams * shape.turns

    def _right(self, command: list[str], load: subprocess.Popen[str]) -> int:
        output, complaint = load.communicate()
        done = subprocess.CompletedProcess(command, load.returncode, output, complaint)
        return int(wrk.outcome(self._target, done)["requests"])

    def _leave(self) -> None:
        """Clients that go away when their stream has begun."""
        headers = "".join(f"{name}: {value}\r\n" for name, value in self._target.headers.items())
        head = f"POST {traffic.STREAM_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}"
        for number in range(_LEAVERS):
            body = traffic.stream_request(f"leaver-{number:03d}")
            with socket.create_connection(("127.0.0.1", self._target.port), timeout=10) as sock, suppress(OSError):
                sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                sock.recv(65536)

    def _read(self) -> None:
        descriptors = len(list(Path(f"/proc/{self._pid}/fd").iterdir()))
        minute = (time.monotonic() - self._begun) / 60
        self.readings.append(Reading(minute, resident_bytes(self._pid), descriptors, cpu_seconds(self._pid)))

    def growth(self) -> float:
        """See :class:`Soaked`."""
        settled = self.readings[len(self.readings) // 10 :]
        minutes = [reading.minute for reading in settled]
        if len(settled) < 2 or minutes[0] == minutes[-1]:
            raise BenchError("too short to say anything")
        slope, _ = statistics.linear_regression(minutes, [reading.resident for reading in settled])
        return slope * (minutes[-1] - minutes[0])

    def share(self) -> float:
        """How much of its core the gateway used."""
        first, last = self.readings[0], self.readings[-1]
        return (last.cpu - first.cpu) / ((last.minute - first.minute) * 60)
