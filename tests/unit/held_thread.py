"""A thread that writes logs when a test says so."""

from __future__ import annotations

from collections.abc import Callable

from aigw.log_output import WriterThread


class HeldThread(WriterThread):
    """Does what it is told to when the test says so, as a disk that stalls.

    :ivar jobs: what was asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Callable[[], object]] = []

    def run(self, job: Callable[[], object]) -> None:
        self.jobs.append(job)

    def work(self) -> None:
        """The disk goes on."""
        while self.jobs:
            self.jobs.pop(0)()

    def settle(self, seconds: float) -> bool:
        self.work()
        return True
