"""What the operating system refused, without its numbers."""

from __future__ import annotations

import errno
import os
import socket

from twisted.internet.error import CannotListenError
from twisted.trial import unittest

from aigw.http.listeners import CannotOpen
from aigw.os_error_text import os_error_text


def refused(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class OsErrorTextTests(unittest.TestCase):
    """os_error_text."""

    def test_plain_words(self) -> None:
        for error, text in (
            (FileNotFoundError(2, "No such file or directory", "/a/b"), "/a/b: No such file or directory"),
            (FileNotFoundError(2, "No such file or directory", "1", None, b"/a"), "/a: No such file or directory"),
            (BlockingIOError(11, "Resource temporarily unavailable"), "Resource temporarily unavailable"),
            (OSError(9, "Bad file descriptor", 3), "Bad file descriptor"),
            (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
            (CannotOpen("systemd has none"), "systemd has none"),
            (ValueError("has no certificate"), "has no certificate"),
        ):
            self.assertEqual(os_error_text(error), text)

    def test_listeners(self) -> None:
        """Where, why, and what to do."""
        for error, text in (
            (
                CannotListenError("127.0.0.1", 80, refused(errno.EACCES)),
                "cannot listen on 127.0.0.1:80: Permission denied (ports below 1024 need root, or a socket from systemd)",
            ),
            (
                CannotListenError("", 8000, refused(errno.EADDRINUSE)),
                "cannot listen on 0.0.0.0:8000: Address already in use (another program, or another aigw, listens there)",
            ),
            (
                CannotListenError("::1", 8000, refused(errno.EADDRNOTAVAIL)),
                "cannot listen on [::1]:8000: Cannot assign requested address "
                "(no network interface of this machine has this address)",
            ),
            (
                CannotListenError(None, "/run/x", "Cannot acquire lock"),
                "cannot listen on /run/x: Cannot acquire lock (another program, or another aigw, listens there)",
            ),
            (CannotListenError(None, b"/run/x", refused(errno.EIO)), "cannot listen on /run/x: Input/output error"),
        ):
            self.assertEqual(os_error_text(error), text)
