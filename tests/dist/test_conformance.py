"""The tables of the public suites at the daemon as it is installed: what is compiled reads as what is not.

``tests/wire`` has the same tables for the classes in their own process; here nothing is known but bytes: those that are
sent, those that come back, and what reaches the backend.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import orjson
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

from tests.dist.daemon import OURS, DaemonTestCase
from tests.dist.raw import connect
from tests.unit.test_errors import SAID
from tests.wire import test_conformance_gunicorn as gunicorn
from tests.wire import test_conformance_h1spec as h1spec
from tests.wire import test_conformance_http11probe as http11probe
from tests.wire import test_conformance_llhttp as llhttp
from tests.wire.conformance import KEPT, Case, in_bytes, outcome_at

CONFIG = """
[server]
max_request_body = 100000
access_log = "off"

[backends.recorder]
provider = "openai-compatible"
url = "http://127.0.0.1:{port}"

[routes.all]
paths = ["/"]
backend = "recorder"
operation = "raw"
auth = "none"
"""

#: Prints the status, type and code of each error that there is, wherever in the installation its class stands.
ERRORS = """
import importlib, json, pkgutil, aigw
from aigw.errors import GatewayError
for module in pkgutil.walk_packages(aigw.__path__, "aigw."):
    if module.name != "aigw.__main__":
        importlib.import_module(module.name)
found, left = {}, [GatewayError]
while left:
    one = left.pop()
    left += one.__subclasses__()
    error = one("why", which="idle") if one.__name__ == "UpstreamTimeout" else one("why")
    found[one.__name__] = [error.status, error.type, error.code]
print(json.dumps(found))
"""


class Recorder(Protocol):
    """A backend that remembers each request and answers with nothing."""

    def __init__(self, seen: list[bytes]) -> None:
        self._seen = seen
        self._unread = b""

    def dataReceived(self, data: bytes) -> None:
        self._unread += data
        while b"\r\n\r\n" in self._unread:
            head, _, rest = self._unread.partition(b"\r\n\r\n")
            found = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            length = int(found[1]) if found else 0
            if len(rest) < length:
                return
            self._unread = rest[length:]
            method, target, _ = head.split(b" ", 2)
            self._seen.append(b" ".join((method, target, rest[:length])))
            transport: Any = self.transport
            transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


class ConformanceTests(DaemonTestCase):
    """Each case in one piece and byte by byte."""

    async def check(self, cases: Iterable[Case]) -> None:
        """A daemon for all of them, one after the other."""
        seen: list[bytes] = []
        factory = Factory.forProtocol(lambda: Recorder(seen))
        factory.noisy = False
        backend = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(backend.stopListening)
        daemon = await self.start_daemon(CONFIG.format(port=backend.getHost().port))
        wrong = []
        for case in cases:
            probed = ((200,), (b"GET /probe ",)) if case.after == KEPT else ((), ())
            expected = [*case.statuses, *probed[0]], [*case.reached, *probed[1]]
            for pieces in ([case.sent], in_bytes(case.sent)):
                seen.clear()
                client = await connect(daemon.port)
                found = await outcome_at(client, case, pieces), list(seen)
                if found != expected:
                    wrong.append(f"{case.name}: {found} instead of {expected}")
        self.assertEqual(wrong, [])

    async def test_h1spec(self) -> None:
        await self.check(h1spec.CASES)

    async def test_gunicorn(self) -> None:
        await self.check(gunicorn.CASES)

    async def test_http11probe(self) -> None:
        await self.check(http11probe.CASES)

    async def test_llhttp(self) -> None:
        await self.check(llhttp.CASES)

    async def test_every_error_says_what_its_class_says(self) -> None:
        """Of a compiled class that stands on an interpreted one, mypyc leaves attributes out."""
        finished = await self.run_program([str(OURS / "python"), "-c", ERRORS])
        self.assertEqual(finished.status, 0, finished.stderr)
        found = {name: tuple(said) for name, said in orjson.loads(finished.stdout).items()}
        self.assertEqual(found, SAID)


class TwoWorkersTests(ConformanceTests):
    """The same with two."""

    workers = 2
