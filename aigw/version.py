"""Which aigw this is: its version, and whether what every request goes through is compiled (``setup.py``)."""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec

from aigw import __version__

#: One of the modules that are compiled where the machine can; it imports nothing that takes its time.
_ONE_OF_THEM = "aigw.bounded_cache"


def version_text() -> str:
    """Such as ``aigw 1.0 (compiled)``."""
    found = find_spec(_ONE_OF_THEM)
    compiled = found is not None and (found.origin or "").endswith(tuple(EXTENSION_SUFFIXES))
    return f"aigw {__version__} ({'compiled' if compiled else 'interpreted'})"
