"""CPU time and memory of processes and cores, as the kernel counts them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

_CPUCLOCK_SCHED = 2


def process_tree(pid: int) -> list[int]:
    """The process and all its descendants that live now."""
    found = [pid]
    for parent in found:
        for listing in Path(f"/proc/{parent}/task").glob("*/children"):
            found.extend(int(child) for child in listing.read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of the process tree, all its threads, living and dead.

    This is the sum of utime and stime of /proc/PID/stat, read from the process's CPU clock (as
    clock_getcpuclockid(3) names it), because /proc rounds to ticks of 10 ms and the clock does not.
    """
    return sum(time.clock_gettime((~process << 3) | _CPUCLOCK_SCHED) for process in process_tree(pid))


def resident_bytes(pid: int) -> int:
    """Resident memory of the process tree; pages that its processes share count in each."""
    return sum(_resident(process) for process in process_tree(pid))


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def _busy_seconds(core: int) -> float:
    """How long a core was not idle since boot; coarse (10 ms)."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, interrupt, soft, steal = map(int, ticks[:8])
            return (user + nice + system + interrupt + soft + steal) / 100
    return 0.0


@dataclass(frozen=True)
class Spent:
    """What a stretch of time cost. Shares are 0 to 1 of one core."""

    wall: float
    cpu: float
    gateway_share: float
    strangers_share: float
    load_core_share: float


class Meter:
    """Reads the clocks when made and again at :meth:`stop`.

    :param pid: the root of the measured process tree; None measures the cores only.
    """

    def __init__(self, pid: int | None, gateway_core: int, load_core: int) -> None:
        self._pid = pid
        self._cores = (gateway_core, load_core)
        self._before = self._read()

    def _read(self) -> tuple[float, float, float, float]:
        cpu = 0.0 if self._pid is None else cpu_seconds(self._pid)
        gateway, load = (_busy_seconds(core) for core in self._cores)
        return time.monotonic(), cpu, gateway, load

    def stop(self) -> Spent:
        wall, cpu, gateway, load = (after - before for before, after in zip(self._before, self._read(), strict=True))
        return Spent(
            wall=wall,
            cpu=cpu,
            gateway_share=cpu / wall,
            strangers_share=max(0.0, gateway - cpu) / wall,
            load_core_share=load / wall,
        )
