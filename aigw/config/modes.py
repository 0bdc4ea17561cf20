"""Whether everybody on a machine can read or change a file that has secrets, or that decides who gets them."""

from __future__ import annotations

import stat
from pathlib import Path


def opened_to_others(path: Path) -> str | None:
    """What others than a file's owner and its group can do with it, in words; None if nothing, or if it is not there.

    A file that others may read in a directory that they may not enter is closed to them. The group is whoever the
    administrator has put there: a daemon's group reads its files.
    """
    try:
        resolved = path.resolve()
        mode = resolved.stat().st_mode
        if not stat.S_ISREG(mode) or not mode & (stat.S_IROTH | stat.S_IWOTH):
            return None
        if not all(around.stat().st_mode & stat.S_IXOTH for around in resolved.parents):
            return None
    except (OSError, RuntimeError):  # not there, not ours to look at, or links in a circle
        return None
    can = " and ".join(word for bit, word in ((stat.S_IROTH, "read"), (stat.S_IWOTH, "change")) if mode & bit)
    return f"everybody on this machine can {can} it (mode {stat.S_IMODE(mode):04o}; chmod o-rw)"
