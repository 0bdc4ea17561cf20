"""What the gateway writes down: the access log, and the daemon's own log as JSON, both without secrets.

The access log is buffered for a moment: lines are written together, 0.1 s after the first or when there is a block of
them. It never fails its caller: a full disk or a closed pipe costs lines, which are counted.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import orjson
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import ILogObserver, LogLevel, formatEvent, formatTime
from zope.interface import implementer

_FLUSH_AFTER = 0.1
_FLUSH_AT = 64 * 1024


class AccessLog:
    """JSON lines, one a request.

    :param destination: ``"-"`` for standard output, ``"off"``, or a path, which is appended to.
    :param clock: for the flush.
    :ivar enabled: False where lines go nowhere.
    :ivar dropped: lines that could not be written.
    :raises OSError: the file cannot be opened.
    """

    def __init__(self, destination: str, clock: IReactorTime) -> None:
        self._clock = clock
        self._lines: list[bytes] = []
        self._size = 0
        self._timer: IDelayedCall | None = None
        self.dropped = 0
        self._destination = destination
        self._fd = _open(destination)
        self.enabled = self._fd is not None

    def write(self, fields: Mapping[str, Any]) -> None:
        """Add a line."""
        if self._fd is None:
            return
        line = orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _FLUSH_AT:
            self.flush()
        elif self._timer is None:
            self._timer = self._clock.callLater(_FLUSH_AFTER, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self.flush()

    def flush(self) -> None:
        """Write what waits."""
        lines, self._lines, self._size = self._lines, [], 0
        if not lines or self._fd is None:
            return
        block = b"".join(lines)
        try:
            while block:
                block = block[os.write(self._fd, block) :]
        except OSError:
            self.dropped += block.count(b"\n")

    def reopen(self) -> None:
        """Begin the file anew under its name, after it was renamed (SIGUSR1). The old one stays on failure."""
        self.flush()
        try:
            self.switch(self._destination, again=True)
        except OSError:
            self.dropped += 1

    def switch(self, destination: str, again: bool = False) -> None:
        """Write elsewhere from now on.

        :raises OSError: it cannot be opened; the log stays as it was.
        """
        if destination == self._destination and not again:
            return
        fd = _open(destination)
        self.flush()
        self._close()
        self._fd, self._destination = fd, destination
        self.enabled = fd is not None

    def close(self) -> None:
        """Write what waits, and no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.flush()
        self._close()
        self._fd, self.enabled = None, False

    def _close(self) -> None:
        if self._fd is not None and self._destination != "-":
            os.close(self._fd)


def _open(destination: str) -> int | None:
    if destination == "off":
        return None
    if destination == "-":
        return sys.stdout.fileno()
    return os.open(destination, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


class Redactor:
    """The last net: loaded secrets, however they are spelt, become ``***`` in whatever is logged.

    No code should ever log one; this is for the exception text that nobody thought of.
    """

    def __init__(self) -> None:
        self._spellings: list[str] = []

    def replace(self, secrets: Iterable[str]) -> None:
        """These are the secrets now. Very short ones are left out: they would blot out ordinary words."""
        spellings: set[str] = set()
        for secret in secrets:
            if len(secret) >= 8:
                encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
                spellings.update((secret, quote(secret, safe=""), encoded))
        self._spellings = sorted(spellings, key=len, reverse=True)

    def clean(self, text: str) -> str:
        """``text`` without secrets."""
        for spelling in self._spellings:
            if spelling in text:
                text = text.replace(spelling, "***")
        return text


#: The process's one net; log observers exist before the gateway does.
redactor = Redactor()


@implementer(ILogObserver)
class JsonObserver:
    """The daemon's log, one JSON object a line: an allow-list of keys, everything else stays out.

    :param write: takes a line.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Write one event; never raises."""
        try:
            level = event.get("log_level", LogLevel.info)
            line = {
                "time": formatTime(event.get("log_time"), "%Y-%m-%dT%H:%M:%S%z"),
                "level": level.name,
                "logger": event.get("log_namespace", ""),
                "message": redactor.clean(formatEvent(dict(event))),
            }
            failure = event.get("log_failure")
            if failure is not None:
                line["traceback"] = redactor.clean(failure.getTraceback())
            self._write(orjson.dumps(line).decode() + "\n")
        except Exception:  # noqa: S110 - a log that raises would log again
            pass


def json() -> JsonObserver:
    """For ``twistd --logger aigw.logs.json``: JSON lines on standard output."""

    def write(line: str) -> None:
        sys.stdout.write(line)
        sys.stdout.flush()

    return JsonObserver(write)
