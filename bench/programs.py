"""Where the programs are that the bench needs: beside this Python, then on PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.errors import BenchError

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "bench" / ".cache"
_SBIN = "/usr/sbin:/sbin"


def find(name: str) -> str | None:
    """The path of a program, or None."""
    beside = str(Path(sys.executable).parent)
    return shutil.which(name, path=os.pathsep.join([beside, os.environ.get("PATH", ""), _SBIN]))


def need(name: str, remedy: str) -> str:
    """The path of a program without which nothing can be measured.

    :raises BenchError: it is not there; says the remedy.
    """
    path = find(name)
    if path is None:
        raise BenchError(f"{name} is not installed: {remedy}")
    return path


def first_line(*command: str) -> str:
    """The first line with something in it that a command says on stdout or stderr ("" if it says nothing)."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    lines = (line.strip() for line in (done.stdout + done.stderr).splitlines())
    return next((line for line in lines if line), "")


def private(name: str, package: str, program: str) -> str | None:
    """A program out of a package, in a venv of its own under bench/.cache; None if pip cannot install it."""
    home = CACHE / name
    path, mark = home / "bin" / program, home / "installed"
    if not mark.exists() or mark.read_text() != package:
        print(f"installing {package} into {home}", file=sys.stderr)
        pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
            subprocess.run([*pip, "install", "--quiet", package], check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError):
            return None
        mark.write_text(package)
    return str(path) if path.exists() else None
