"""Listeners by their addresses: what stays open, what changes on it, and who may have an address beside another."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.python.systemd import ListenFDs
from twisted.trial import unittest

from aigw.http.listeners import CannotOpen, Listeners, inherited, shared
from aigw.listener import described


class FakeSocket:
    """A listening socket."""

    def __init__(self) -> None:
        self.backlogs: list[int] = []
        self.options: dict[int, int] = {}

    def listen(self, backlog: int) -> None:
        self.backlogs.append(backlog)

    def getsockopt(self, _level: int, option: int) -> int:
        return self.options.get(option, 0)

    def setsockopt(self, _level: int, option: int, value: int) -> None:
        self.options[option] = value


class FakePort:
    """A port that accepts for its factory."""

    def __init__(self, description: str, factory: Any, beside: Sequence[Any]) -> None:
        self.factory = factory
        self.beside = list(beside)
        self.sockets = [FakeSocket()]
        self.closed = False
        self.reading = True
        self.host = IPv4Address("TCP", "127.0.0.1", described(description).port if "tcp" in description else 0)

    def getHost(self) -> Any:
        return self.host

    def stopListening(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)

    def stopReading(self) -> None:
        self.reading = False

    def startReading(self) -> None:
        self.reading = True


class Quiet(Factory):
    noisy = False


class ListenersTests(unittest.TestCase):
    """Listeners."""

    def setUp(self) -> None:
        self.made: list[FakePort] = []
        self.kept: list[Any] = []
        self.listeners = Listeners(self.listen, self.kept.append)
        self.one, self.two = Quiet(), Quiet()

    def listen(self, description: str, factory: Any, beside: Sequence[Any] = ()) -> Deferred[Any]:
        def make() -> FakePort:
            if "taken" in description:
                raise CannotListenError("", 0, OSError())
            self.made.append(FakePort(description, factory, beside))
            return self.made[-1]

        return execute(make)

    def serve(self, *descriptions: str, factory: Any = None) -> list[str]:
        """What a reload to these does; the ones that were opened."""
        wanted = dict.fromkeys(descriptions, factory or self.one)
        opened = self.listeners.open(wanted)
        self.listeners.switch(wanted)
        return opened

    def test_other_spelling_is_the_same_listener(self) -> None:
        """The port stays, and is known by its new description."""
        self.serve("tcp:8000")
        for description in ("tcp:8000:backlog=50", "tcp:port=8000:interface=0.0.0.0", "tcp:8000"):
            self.assertEqual(self.serve(description), [])
            self.assertEqual(list(self.listeners.addresses()), [description])
        self.assertEqual((len(self.made), self.made[0].closed, self.made[0].sockets[0].backlogs), (1, False, []))

    def test_backlog_changes_on_the_open_socket(self) -> None:
        self.serve("tcp:8000")
        self.serve("tcp:8000:backlog=100")
        self.serve("tcp:8000:backlog=100")
        self.assertEqual((self.made[0].sockets[0].backlogs, self.made[0].closed), ([100], False))

    def test_nothing_changes_before_the_switch(self) -> None:
        """A reload that is refused leaves it as it was."""
        self.serve("tcp:8000")
        self.listeners.open({"tcp:8000:backlog=100": self.two})
        self.assertEqual((self.made[0].sockets[0].backlogs, self.made[0].factory), ([], self.one))

    def test_mode_of_a_unix_socket(self) -> None:
        path = Path(self.mktemp())
        path.touch(0o666)
        self.serve(f"unix:{path}")
        self.serve(f"unix:{path}:mode=600")
        self.assertEqual((path.stat().st_mode & 0o777, len(self.made)), (0o600, 1))
        path.unlink()
        self.serve(f"unix:{path}:mode=660")  # in use, whatever became of its file
        self.assertEqual(len(self.flushLoggedErrors()), 0)
        self.assertFalse(self.made[0].closed)

    def test_lock_of_a_unix_socket_stays(self) -> None:
        self.serve("unix:/run/s")
        with self.assertRaisesRegex(CannotOpen, "restart"):
            self.serve("unix:/run/s:lockfile=0")
        self.assertFalse(self.made[0].closed)

    def test_factory_is_exchanged(self) -> None:
        """A renewed certificate, TLS instead of none, the admin site where clients were: on the same port."""
        self.serve("tcp:8000")
        self.assertEqual(self.serve("ssl:8000", factory=self.two), [])
        self.assertIs(self.made[0].factory, self.two)
        self.assertIs(self.listeners.factory("ssl:8000"), self.two)
        self.assertEqual((self.one.numPorts, self.two.numPorts), (0, 1))

    def test_listeners_that_change_places(self) -> None:
        """Each address answers with what it is for now."""
        wanted = {"tcp:8000": self.one, "tcp:9100": self.two}
        self.listeners.open(wanted)
        swapped = {"tcp:8000": self.two, "tcp:9100": self.one}
        self.assertEqual(self.listeners.open(swapped), [])
        self.listeners.switch(swapped)
        self.assertEqual([port.factory for port in self.made], [self.two, self.one])

    def test_narrower_and_wider(self) -> None:
        """The new one is opened beside the old one, which closes at the switch only."""
        self.serve("tcp:8000")
        for narrow, wide in (
            ("tcp:8000:interface=127.0.0.1", "tcp6:8000"),
            ("tcp:8000", "tcp:8000:interface=192.0.2.1"),
        ):
            for description in (narrow, wide):
                last = self.made[-1]
                self.listeners.open({description: self.one})
                self.assertEqual((self.made[-1].beside, last.closed), ([last], False), description)
                self.listeners.switch({description: self.one})
                self.assertEqual((last.closed, self.made[-1].closed), (True, False))

    def test_port_of_another_kind(self) -> None:
        """Of this process, but kept elsewhere: as where the admin listener's port becomes the clients'."""
        other: Any = FakePort("tcp:9100", self.one, ())
        self.listeners.open({"tcp:9100": self.one, "tcp:9101": self.one}, [other])
        self.assertEqual([port.beside for port in self.made], [[other], []])

    def test_all_or_none(self) -> None:
        self.serve("tcp:8000")
        with self.assertRaises(CannotListenError):
            self.listeners.open({"tcp:8001": self.one, "unix:/taken": self.one})
        self.assertEqual([port.closed for port in self.made], [False, True])

    def test_system_chooses_the_port(self) -> None:
        """Such a listener is known by its description."""
        self.serve("tcp:0")
        self.assertEqual((self.serve("tcp:0"), self.serve("tcp:0:backlog=9")), ([], ["tcp:0:backlog=9"]))

    def test_every_socket_is_kept_alive(self) -> None:
        self.serve("tcp:8000", "tcp:8001")
        self.assertEqual(self.kept, [port.sockets[0] for port in self.made])

    def test_sharing_ends(self) -> None:
        """With the moment in which the other one is opened."""
        port: Any = FakePort("tcp:1", self.one, ())
        sock = port.sockets[0]
        with shared([port]):
            self.assertEqual(sock.options[socket.SO_REUSEPORT], 1)
        self.assertEqual(sock.options[socket.SO_REUSEPORT], 0)


class SystemdTests(unittest.TestCase):
    """Sockets that systemd has handed over, or not."""

    def refused(self, description: str, handed: ListenFDs, words: str) -> None:
        with self.assertRaisesRegex(CannotOpen, words):
            inherited(described(description), handed)

    def test_unknown_name(self) -> None:
        self.refused(
            "systemd:INET:name=x", ListenFDs([3, 4], ("a", "b")), r"named x, only a, b \(FileDescriptorName=\)"
        )

    def test_outside_of_systemd(self) -> None:
        """What to do instead, and no list of nothing."""
        for listener in ("systemd:INET:name=x", "systemd:INET:index=0"):
            self.refused(listener, ListenFDs([], ()), r"no socket \(start aigw through its socket unit, .*aigw run")

    def test_unknown_number(self) -> None:
        self.refused("systemd:INET:index=2", ListenFDs([3, 4], ("a", "b")), r"number 2 \(index must be 0 to 1\)")

    def test_socket_of_another_kind(self) -> None:
        """What it is, and how it has to be written; the descriptor stays."""
        with socket.socket(socket.AF_UNIX) as held:
            handed = ListenFDs([held.fileno()], ("a",))
            self.refused("systemd:INET:name=a", handed, r"socket a is of domain UNIX, not INET \(domain=UNIX\)")
            taken = [inherited(described("systemd:UNIX:name=a"), handed) for _ in range(2)]
            self.assertNotIn(held.fileno(), [one.fileno() for one in taken])
            for one in taken:
                one.close()
