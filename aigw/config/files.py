"""What the configuration names and files hold: authorities, certificates, keys. Read once, where the file itself is.

What a file holds is part of what is made from it: the content is kept, not the path, so that whatever compares two
configurations compares what they trust and what they prove. It is read in the thread that reads the configuration,
and travels to workers with the settings; nothing else reads these files.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import stat
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs

from aigw.config.errors import Fault
from aigw.config.tables import Tables
from aigw.listener import Described, described

#: Bytes of one file: a system's authorities take 300 KB; what is longer is the wrong file.
_LONGEST = 8 * 1024 * 1024
#: Files of one directory.
_MOST = 1000

#: Where OpenSSL looks for a system's authorities, beside where it was built to look (pyOpenSSL's list).
_STORES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/certs",
)


@attrs.frozen
class Held:
    """What is held by the files that one configuration names; see :class:`aigw.config.settings.Settings`.

    :ivar warnings: about what of it is of no use.
    """

    authorities: Mapping[str, bytes] = attrs.field(factory=dict, repr=False)
    system_authorities: str = ""
    listener_files: Mapping[str, bytes] = attrs.field(factory=dict, repr=False)
    warnings: Sequence[Fault] = ()


def hold(tables: Tables, directory: Path, *, secrets: bool) -> tuple[Held, list[Fault]]:
    """Read them, and judge what listeners prove themselves with.

    :param directory: of the configuration file, absolute.
    :param secrets: False to leave out the listeners' files, which only the daemon may be able to read, and to bear
        with authorities that are missing here.
    """
    authorities, unread = authorities_of(tables, directory)
    faults = unread if secrets else []
    listener_files: dict[str, bytes] = {}
    warnings: list[Fault] = []
    if secrets and any(secure_listeners(tables)):
        from aigw.config.certificates import judge  # cryptography takes its time to import

        listener_files, unread = listener_files_of(tables, directory)
        wrong, warnings = judge(tables, directory, listener_files, datetime.now(UTC)) if not unread else ([], [])
        faults += unread + wrong
    return Held(authorities, system_authorities(), listener_files, warnings), faults


def content_of(path: Path) -> bytes:
    """What a regular file holds.

    :raises ValueError: it cannot be read, or is none; the message names it.
    """
    try:
        # A FIFO would wait for somebody who writes.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError(f"{path} is not a regular file")
            data = file.read(_LONGEST + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > _LONGEST:
        raise ValueError(f"{path} is too large to be certificates (at most 8 MiB)")
    return data


def authorities_of(tables: Tables, directory: Path) -> tuple[dict[str, bytes], list[Fault]]:
    """What each ``ca`` of the backends holds, by its path as the file has it.

    :param directory: of the configuration file, for relative paths.
    """
    found: dict[str, bytes] = {}
    faults: list[Fault] = []
    for name, backend in tables.backends.items():
        if backend.ca is not None and backend.ca not in found:
            try:
                found[backend.ca] = content_of(directory / backend.ca)
            except ValueError as error:
                faults.append((("backends", name, "ca"), str(error)))
    return found, faults


def secure_listeners(tables: Tables) -> Iterator[tuple[tuple[str | int, ...], Described]]:
    """The listeners over TLS, and where the file has them."""
    places: list[tuple[tuple[str | int, ...], str]] = [
        (("server", "listen", index), value) for index, value in enumerate(tables.server.listen)
    ]
    if tables.server.admin != "off":
        places.append((("server", "admin"), tables.server.admin))
    for place, value in places:
        listener = described(value)
        if listener.secure:
            yield place, listener


def listener_files_of(tables: Tables, directory: Path) -> tuple[dict[str, bytes], list[Fault]]:
    """What the files hold that listeners prove themselves with, by their absolute paths."""
    found: dict[str, bytes] = {}
    faults: list[Fault] = []
    for place, listener in secure_listeners(tables):
        try:
            for path in _files(listener, directory):
                if str(path) not in found:
                    found[str(path)] = content_of(path)
        except ValueError as error:
            faults.append((place, str(error)))
    return found, faults


def _files(listener: Described, directory: Path) -> Iterator[Path]:
    named = listener.files(directory)
    if "path" in named:
        yield from _pem_files(named["path"])
    else:
        yield from named.values()


def _pem_files(directory: Path) -> Iterator[Path]:
    """The files below ``directory`` whose names end with ``.pem``, in order of their names.

    :raises ValueError: it is not there, or is no directory, or has too many.
    """
    visited: set[str] = set()
    found: list[Path] = []

    def fail(error: OSError) -> None:
        raise ValueError(f"{error.filename} cannot be read: {error.strerror}")

    for folder, folders, names in os.walk(directory, onerror=fail, followlinks=True):
        real = os.path.realpath(folder)
        if real in visited:  # links may go in circles
            folders.clear()
            continue
        visited.add(real)
        found += [Path(folder, name) for name in names if name.endswith(".pem")]
        if len(found) > _MOST:
            raise ValueError(f"{directory} has more than {_MOST} .pem files")
    return iter(sorted(found))


def pems_of(listener: Described, directory: Path, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of ``files`` that a ``tls:`` listener's directory has."""
    below = f"{listener.files(directory)['path']}{os.sep}"
    return {path: data for path, data in files.items() if path.startswith(below) and path.endswith(".pem")}


def system_authorities() -> str:
    """A digest of the state of the authorities that this machine trusts: another one when they have changed.

    OpenSSL reads them itself, some only when it needs them. So it is files and directories that are looked at, when
    they were changed and how long they are, and not each of hundreds of certificates.
    """
    paths = ssl.get_default_verify_paths()
    places = dict.fromkeys((paths.cafile, paths.capath, paths.openssl_cafile, paths.openssl_capath, *_STORES))
    states = "\n".join(f"{place} {_state(place)}" for place in places if place)
    return hashlib.sha256(states.encode()).hexdigest()


def _state(place: str) -> str:
    try:
        state = Path(place).stat()
    except OSError:
        return ""
    return f"{state.st_dev} {state.st_ino} {state.st_size} {state.st_mtime_ns}"
