"""What the service manager is told, and that it never hinders the service."""

from __future__ import annotations

import os
import socket

from twisted.trial import unittest

from aigw.systemd import Notifier


class NotifierTests(unittest.TestCase):
    """The messages, caught before the socket."""

    def setUp(self) -> None:
        self.sent: list[tuple[bytes, str]] = []

    def send(self, message: bytes, address: str) -> None:
        self.sent.append((message, address))

    def notifier(self, address: str = "/run/notify", **environ: str) -> Notifier:
        return Notifier({"NOTIFY_SOCKET": address, **environ}, send=self.send, now_ns=lambda: 12_345_678_901)

    def messages(self) -> list[list[bytes]]:
        return [message.split(b"\n") for message, _ in self.sent]

    def test_ready(self) -> None:
        """With a line for ``systemctl status``."""
        self.notifier().ready("3 routes, 2 backends")
        self.assertEqual(self.messages(), [[b"READY=1", b"STATUS=3 routes, 2 backends"]])

    def test_reload_carries_its_time(self) -> None:
        """Type=notify-reload waits for it: microseconds of the monotonic clock, in the same message."""
        self.notifier().reloading()
        self.assertEqual(self.messages(), [[b"RELOADING=1", b"MONOTONIC_USEC=12345678"]])

    def test_stopping(self) -> None:
        """When the drain begins."""
        self.notifier().stopping()
        self.assertEqual(self.messages(), [[b"STOPPING=1", b"STATUS=draining"]])

    def test_watchdog_and_status(self) -> None:
        """A sign of life, and a line by itself."""
        notifier = self.notifier()
        notifier.watchdog()
        notifier.status("all is well")
        self.assertEqual(self.messages(), [[b"WATCHDOG=1"], [b"STATUS=all is well"]])

    def test_status_cannot_say_anything_else(self) -> None:
        """An error's text with line feeds in it must not become a variable of the protocol."""
        self.notifier().ready("refused:\nSTOPPING=1\r\nMAINPID=1")
        self.assertEqual(self.messages(), [[b"READY=1", b"STATUS=refused: STOPPING=1 MAINPID=1"]])

    def test_status_is_one_line(self) -> None:
        """However long what it is made of, and whatever is in it."""
        self.notifier().status("x\udcff" * 100_000)
        ((message, _),) = self.sent
        self.assertLess(len(message), 2048)

    def test_address(self) -> None:
        """A path as it is; a leading @ stands for the abstract namespace."""
        self.notifier("/run/systemd/notify").watchdog()
        self.notifier("@/org/notify").watchdog()
        self.assertEqual([address for _, address in self.sent], ["/run/systemd/notify", "\0/org/notify"])

    def test_nobody_to_tell(self) -> None:
        """Without a service manager, or with one that is reached in ways we do not know, nothing is sent."""
        for environ in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}):
            notifier = Notifier(environ, send=self.send)
            notifier.ready("x")
            notifier.reloading()
            notifier.stopping()
        self.assertEqual(self.sent, [])

    def test_manager_that_does_not_listen(self) -> None:
        """The service goes on."""

        def refuse(_message: bytes, _address: str) -> None:
            raise ConnectionRefusedError

        notifier = Notifier({"NOTIFY_SOCKET": "/run/notify"}, send=refuse)
        notifier.ready("x")
        notifier.watchdog()

    def test_manager_that_is_busy(self) -> None:
        """READY and its like wait until its socket has room, and come in order; the loop does not wait for that. Signs of
        life are not kept, nor is more than a little of anything."""
        full = True

        def send(message: bytes, _address: str) -> None:
            if full:
                raise BlockingIOError
            got.append(message.split(b"\n")[0])

        got: list[bytes] = []
        notifier = Notifier({"NOTIFY_SOCKET": "/run/notify"}, send=send, now_ns=lambda: 0)
        for _ in range(100):
            notifier.status("old")
        notifier.reloading()
        notifier.watchdog()
        notifier.ready("x")
        notifier.send_waiting()
        self.assertEqual(got, [])
        full = False
        notifier.send_waiting()
        notifier.stopping()
        self.assertEqual(got[-3:], [b"RELOADING=1", b"READY=1", b"STOPPING=1"])
        self.assertLess(len(got), 20)

    def test_socket_that_nobody_reads(self) -> None:
        """The real one, full: what does not fit is refused at once, and kept."""
        address = f"aigw-test-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind("\0" + address)
            notifier = Notifier({"NOTIFY_SOCKET": "@" + address})
            for _ in range(2000):
                notifier.status("x" * 500)
            notifier.stopping()
            self.assertEqual(len(notifier._waiting), 16)
            self.assertIn(b"STOPPING=1", notifier._waiting[-1])

    def test_socket_that_is_not_there(self) -> None:
        """The same with the real socket call."""
        Notifier({"NOTIFY_SOCKET": f"{self.mktemp()}/none"[-90:].rjust(95, "/")}).ready("x")

    def test_watchdog_interval(self) -> None:
        """In seconds; None where systemd does not ask for signs of life, or asks another process for them."""
        mine = str(os.getpid())
        self.assertEqual(self.notifier(WATCHDOG_USEC="30000000", WATCHDOG_PID=mine).watchdog_interval, 30.0)
        self.assertEqual(self.notifier(WATCHDOG_USEC="500000").watchdog_interval, 0.5)
        for environ in (
            {},
            {"WATCHDOG_USEC": "0"},
            {"WATCHDOG_USEC": "soon"},
            {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"},
        ):
            self.assertIsNone(self.notifier(**environ).watchdog_interval, environ)
