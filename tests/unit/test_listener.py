"""Listeners by what they listen on, however that is spelled."""

from __future__ import annotations

from pathlib import Path

from twisted.trial import unittest

from aigw.listener import described

#: Spellings of one address each.
SAME = (
    (
        "tcp:8000",
        "tcp:8000:backlog=100",
        "tcp:port=8000:interface=0.0.0.0",
        "haproxy:tcp:8000",
        "ssl:8000",
        "tcp:08000",
    ),
    ("tcp6:8000", "tls:/etc/pems:8000", "tcp6:8000:interface=0\\:0\\:0\\:0\\:0\\:0\\:0\\:0"),
    ("tls:/etc/pems", "tls:/etc/others:443:interface=\\:\\:"),
    ("unix:/run/s", "unix:/run/s:mode=660", "unix:/run/s:backlog=9:lockfile=0"),
    ("systemd:INET:name=a", "systemd:domain=INET:name=a"),
)
OVERLAPPING = (
    ("tcp:8000", "tcp:8000:interface=127.0.0.1"),
    ("tcp:8000", "tcp6:8000"),
    ("tcp6:8000", "tcp:8000:interface=192.0.2.1"),
    ("tls:/etc/pems:8000", "tcp6:8000:interface=\\:\\:1"),
)
APART = (
    ("tcp:8000", "tcp:8001"),
    ("tcp:0", "tcp:0"),
    ("tcp:8000:interface=127.0.0.1", "tcp:8000:interface=127.0.0.2"),
    ("tcp:8000", "tcp6:8000:interface=\\:\\:1"),
    ("unix:/run/s", "unix:/run/t"),
    ("systemd:INET:name=a", "systemd:INET:name=b"),
    ("unix:/run/s", "tcp:8000"),
)


class AddressTests(unittest.TestCase):
    """Described.address and Described.overlaps."""

    def test_spellings_of_one_address(self) -> None:
        for spellings in SAME:
            self.assertEqual(len({described(each).address for each in spellings}), 1, spellings)
            self.assertTrue(all(described(spellings[0]).overlaps(described(each)) for each in spellings), spellings)

    def test_part_of_an_address(self) -> None:
        """The kernel gives it to one of the two only."""
        for one, other in OVERLAPPING:
            first, second = described(one), described(other)
            self.assertNotEqual(first.address, second.address)
            self.assertEqual((first.overlaps(second), second.overlaps(first)), (True, True), (one, other))

    def test_others(self) -> None:
        for one, other in APART:
            self.assertFalse(described(one).overlaps(described(other)), (one, other))

    def test_what_it_says_besides(self) -> None:
        listener = described("haproxy:unix:/run/s:mode=640:backlog=7:lockfile=0")
        self.assertEqual((listener.mode, listener.backlog, listener.locked, listener.proxied), (0o640, 7, False, 1))
        self.assertEqual(
            (described("tcp:1").backlog, described("unix:/s").mode, described("unix:/s").locked), (50, 0o666, True)
        )

    def test_files(self) -> None:
        """Relative to the configuration file; a certificate is where its key is unless the description says so."""
        folder = Path("/etc/aigw")
        self.assertEqual(described("tls:pems:443").files(folder), {"path": folder / "pems"})
        self.assertEqual(
            described("ssl:443:privateKey=k.pem:extraCertChain=/c.pem").files(folder),
            {"privateKey": folder / "k.pem", "certKey": folder / "k.pem", "extraCertChain": Path("/c.pem")},
        )
        self.assertEqual(described("tcp:443").files(folder), {})

    def test_many_wrappings(self) -> None:
        """No description is too deep to be read."""
        self.assertEqual(described("haproxy:" * 5000 + "tcp:1").proxied, 5000)
