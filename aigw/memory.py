"""How much memory the process has."""

from __future__ import annotations

import resource
from pathlib import Path

_STATM = Path("/proc/self/statm")


def resident() -> int | None:
    """Bytes that are really there; None where the system does not say (proc(5), ``statm``)."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return None
