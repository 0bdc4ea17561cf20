"""What the processes of one gateway have under way, where all of them can read it: counters in shared memory.

Limits hold for the gateway, not for each of its workers. So each worker writes down how many connections, requests and
requests of a consumer it has, and how many consumers have any, in a column of its own, and reads the others' when a
limit is near. Nobody waits for anybody: a number is written and read in one piece (eight bytes, aligned). Two workers
that let somebody in within the same microseconds may both find the last place free, so a limit can be exceeded by one
for each further worker.

A worker's column is contiguous: what it writes all the time shares no cache line with what another one does.
"""

from __future__ import annotations

import mmap
import os

#: The rows that every gateway has; those of consumers follow.
CONNECTIONS, REQUESTS, HOLDERS, CONSUMERS = 0, 1, 2, 3

#: Rows of a column: memory that nobody has written to takes no room.
ROWS = 1 << 17


class SharedCounters:
    """See the module's head.

    :param memory: a file of :func:`make_memory`. It is mapped, not kept: close it.
    :param columns: as many as there are processes.
    :param column: the caller's own, from 0.
    """

    def __init__(self, memory: int, columns: int, column: int) -> None:
        self._map = mmap.mmap(memory, columns * ROWS * 8)
        self._counts = memoryview(self._map).cast("q")
        self._begin = column * ROWS
        self._others = [other * ROWS for other in range(columns) if other != column]
        self.rows: dict[str, int] = {}

    def put(self, row: int, count: int) -> None:
        """So many it is here."""
        self._counts[self._begin + row] = count

    def elsewhere(self, row: int) -> int:
        """How many it is in all other processes together."""
        counts = self._counts
        return sum([counts[begin + row] for begin in self._others])

    def put_consumer(self, name: str, count: int) -> None:
        """So many requests the consumer has here; nobody wants to know of one without a row."""
        row = self.rows.get(name)
        if row is not None:
            self.put(row, count)

    def consumer_elsewhere(self, name: str) -> int:
        """How many requests the consumer has in all other processes together."""
        row = self.rows.get(name)
        return 0 if row is None else self.elsewhere(row)

    def wipe(self, column: int) -> None:
        """Whoever wrote this column has ended."""
        rows = CONSUMERS + len(self.rows)
        for row in range(column * ROWS, column * ROWS + rows):
            self._counts[row] = 0


def make_memory(columns: int) -> int:
    """Memory for these counters, all zero.

    :returns: a file descriptor, the caller's.
    :raises OSError: there is none to be had.
    """
    descriptor = os.memfd_create("aigw-counters", os.MFD_CLOEXEC)
    try:
        os.ftruncate(descriptor, columns * ROWS * 8)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def with_rows(rows: dict[str, int], names: list[str]) -> dict[str, int]:
    """``rows`` and one for each of ``names`` that has none; one that was given out is never another's.

    A consumer that finds all rows taken has none: its limit holds for each process then.
    """
    more = dict(rows)
    for name in names:
        if name not in more and CONSUMERS + len(more) < ROWS:
            more[name] = CONSUMERS + len(more)
    return more
