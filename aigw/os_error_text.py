"""What the operating system refused, in words for people: no numbers of errors, no tuples, no Python."""

from __future__ import annotations

import errno
import os

from twisted.internet.error import CannotListenError

#: What to do about the usual refusals of a listener.
_ADVICE = {
    errno.EADDRINUSE: "another program, or another aigw, listens there",
    errno.EACCES: "ports below 1024 need root, or a socket from systemd",
    errno.EADDRNOTAVAIL: "no network interface of this machine has this address",
}


def os_error_text(error: BaseException | None) -> str:
    """One line that says what failed and why.

    :param error: an OSError, with its file in front where it has one, or Twisted's CannotListenError; of any other
        exception it is the message.
    """
    if isinstance(error, CannotListenError):
        return f"cannot listen on {_address(error)}: {_refusal(error.socketError)}"
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    file = error.filename2 if error.filename2 is not None else error.filename
    return f"{os.fsdecode(file)}: {error.strerror}" if isinstance(file, str | bytes) else error.strerror


def _address(error: CannotListenError) -> str:
    """A host and a port, or the path of a Unix socket, as Twisted tells them."""
    if isinstance(error.port, str | bytes):
        return os.fsdecode(error.port)
    host = error.interface or "0.0.0.0"  # noqa: S104 (what is told, not what is listened on)
    return f"[{host}]:{error.port}" if ":" in host else f"{host}:{error.port}"


def _refusal(error: object) -> str:
    if not isinstance(error, OSError):
        # Of a Unix socket's lock file.
        return f"{error} ({_ADVICE[errno.EADDRINUSE]})"
    advice = _ADVICE.get(error.errno) if error.errno is not None else None
    words = error.strerror or str(error)
    return f"{words} ({advice})" if advice else words
