"""How much memory the process has, how much it may have, and what the bodies under way add to it.

Theory of operation. What the system says (resident memory) is looked at once a second, which is too seldom: a hundred
bodies of megabytes come in less. So the bytes of bodies under way are counted as they come and go, in one number, and
:meth:`Memory.has_room` adds what they have grown by since the last look. Nothing is refused for what is past: above the
limit, garbage is collected and free memory is given back to the system before it counts.
"""

from __future__ import annotations

import ctypes
import gc
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Final

_STATM: Final = Path("/proc/self/statm")

#: Bytes that a byte of a body under way takes: itself, and the copy that is on its way to the other side.
_BY_BYTE: Final = 2

#: Looks above the limit between two collections, which hold the event loop for tens of milliseconds.
_SELDOM: Final = 10

#: Bytes from which on a body is looked through before it is parsed.
LARGE: Final = 64 * 1024

#: What CPython 3.11 takes for an object, an array, and any value behind a comma.
_OBJECT, _ARRAY, _VALUE = 240, 90, 40


def resident() -> int | None:
    """Bytes that are really there; None where the system does not say (proc(5), ``statm``)."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return None


def give_back() -> None:
    """Have the C library return its free memory to the system; it keeps it otherwise (malloc_trim(3), glibc only)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def parsed_size(body: bytes | bytearray) -> int:
    """Bytes that the parsed form of JSON takes beside it, at most; ``[{},{}]`` takes fifty times its own."""
    objects, arrays, values = body.count(b"{"), body.count(b"["), body.count(b",")
    return len(body) + objects * _OBJECT + arrays * _ARRAY + values * _VALUE


class Memory:
    """See the module's head.

    :param measure: as :func:`resident`.
    :param release: as :func:`give_back`.
    :ivar most: bytes that the process may have; None for no limit.
    :ivar held: bytes of bodies under way; whoever adds some takes them away again.
    :ivar resident: at the last look.
    """

    def __init__(self, measure: Callable[[], int | None] = resident, release: Callable[[], None] = give_back) -> None:
        self._measure = measure
        self._release = release
        self.most: int | None = None
        self.held = 0
        self.resident = 0
        self._held_then = 0
        self._looks_above = 0

    def has_room(self, size: int = 0) -> bool:
        """Whether there is room for ``size`` bytes more than there are now."""
        most = self.most
        return most is None or self.resident + _BY_BYTE * (self.held - self._held_then) + size <= most

    def has_room_to_parse(self, body: bytes | bytearray) -> bool:
        """Whether there is room for what the JSON ``body`` says, parsed."""
        return self.most is None or self.has_room(parsed_size(body))

    def look(self) -> bool:
        """Measure; to be called once a second. Above the limit, first give back what is free.

        :returns: whether all that is there is within the limit.
        """
        most = self.most
        if most is None:
            return True
        self.resident = self._measure() or 0
        if self.resident > most:
            if self._looks_above % _SELDOM == 0:
                gc.collect()
            self._looks_above += 1
            self._release()
            self.resident = self._measure() or 0
        else:
            self._looks_above = 0
        self._held_then = self.held
        return self.resident <= most
