"""Reading a file that may turn out to be none: a FIFO that nobody writes to, a device without an end, a directory.

Whoever read such a one as a configuration or a secret would wait for ever. So only plain files are read, whatever their
name leads to by symbolic links, and what was opened is what is looked at, so that nothing can be exchanged in between.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_regular(path: str | Path, most: int) -> bytes:
    """All that is in a plain file.

    :param most: bytes that it may have.
    :raises OSError: it cannot be read, is none, or has more; ``strerror`` says which.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket, or a device that is not there
            raise OSError(error.errno, "it is not a plain file", str(path)) from None
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = next((name for of_kind, name in _KINDS if of_kind(mode)), "something else")
        raise OSError(errno.EINVAL, f"it is {kind}, not a plain file", str(path))
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {_in_words(most)}", str(path))
    return data


def _in_words(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"
