"""What the numbers were measured on: machine, commit, versions."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.peers.peer import Peer
from bench.programs import ROOT, find, first_line


def describe(peers: Sequence[Peer]) -> dict[str, str]:
    """Name and value of everything that a reader needs to compare two runs."""
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "kernel": f"{platform.system()} {platform.release()}",
        "wrk": _wrk(),
    }
    return facts | {peer.name: peer.version() for peer in peers if peer.version() != "-"}


def commit() -> str:
    """The checkout's commit; ``+`` behind it when the program differs from it."""
    head = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--", "aigw", "twisted")
    return (head or "unknown") + ("+" if changed else "")


def _git(*arguments: str) -> str:
    git = find("git")
    if git is None:
        return ""
    done = subprocess.run([git, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _wrk() -> str:
    program = find("wrk")
    # wrk 4.1 says "wrk debian/4.1.0-3+b2 [epoll] Copyright …" and then complains.
    return " ".join(first_line(program, "-v").split()[1:2]) if program else "not installed"
