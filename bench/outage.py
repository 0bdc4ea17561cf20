"""An outage under load: ``python -m bench.outage`` measures, writes the report and the plot, and judges.

A primary and a secondary (:class:`aigw.testing.ScriptedUpstream`) stand behind one model of a real daemon. A client
sends at a fixed rate, whatever comes back. After a while the primary answers 503 for ten seconds. The report tells,
second by second, what the client got and what each provider saw, and whether

- the client got no error;
- the primary saw no more than the calls that were under way, the retry budget's and the probes;
- its traffic came back within two probe intervals after it was well again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import orjson
from twisted.internet import reactor as global_reactor
from twisted.internet import task
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol

import aigw
from aigw.testing import ReceivedRequest, ScriptedUpstream, answers

RESULTS = Path(__file__).parent / "results"

CONFIG = """
[server]
listen = ["tcp:{port}:interface=127.0.0.1"]
admin = "off"
access_log = "{directory}/access.log"

[backends.primary]
provider = "openai"
url = "{primary}"
[backends.secondary]
provider = "openai"
url = "{secondary}"

[models.smart]
targets = [{{ backend = "primary" }}, {{ backend = "secondary", priority = 1 }}]
breaker = {{ failures = 5, cool_down = "{cool_down}s" }}

[routes.all]
paths = ["/v1"]
auth = "none"
"""
_BODY = orjson.dumps({"model": "smart", "messages": [{"role": "user", "content": "Say hello."}]})
_REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)


#: Seconds of calls that may be under way when the breaker opens.
_UNDER_WAY = 0.05


@attrs.frozen
class Script:
    """When what happens, in seconds from the beginning.

    :ivar rate: requests a second.
    :ivar cool_down: of the breaker: the probe interval.
    """

    rate: int = 500
    fails_at: float = 5.0
    recovers_at: float = 15.0
    ends_at: float = 30.0
    cool_down: int = 3


@attrs.define
class Seen:
    """What happened, by second."""

    client: list[Counter[int]] = attrs.field(factory=lambda: [Counter() for _ in range(120)])
    primary: list[Counter[int]] = attrs.field(factory=lambda: [Counter() for _ in range(120)])
    secondary: list[Counter[int]] = attrs.field(factory=lambda: [Counter() for _ in range(120)])
    slowest: list[float] = attrs.field(factory=lambda: [0.0] * 120)


class Client(Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._received = b""
        self._sent_at = 0.0

    def ask(self) -> None:
        """Send a request."""
        self._sent_at = self._load.now()
        self.transport.write(_REQUEST)  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        """Take the answer; when it is whole, be free again."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(body) >= int(length.split(b":")[1]):
            status, self._received = int(head.split(b" ", 2)[1]), b""
            self._load.answered(self, status, self._sent_at)

    def connectionLost(self, reason: Any = None) -> None:
        """The gateway has closed: an error, if a request was under way."""
        self._load.lost(self)


class Load:
    """A client that sends at a fixed rate, on as many connections as that takes."""

    def __init__(self, reactor: Any, port: int, seen: Seen, began: float) -> None:
        self._reactor = reactor
        self._endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        self._seen = seen
        self._began = began
        self._idle: list[Client] = []
        self._busy: set[Client] = set()
        self.sent = 0

    def now(self) -> float:
        """Seconds from the beginning."""
        return float(self._reactor.seconds()) - self._began

    def send(self, count: int) -> None:
        """Send so many requests more than were due before; ``count`` comes from the rate's clock."""
        self.sent += count
        for _ in range(count):
            if self._idle:
                client = self._idle.pop()
                self._busy.add(client)
                client.ask()
            else:
                connecting: Deferred[Client] = connectProtocol(self._endpoint, Client(self))
                connecting.addCallbacks(self._connected, lambda _: self._note(0, 0.0))

    def _connected(self, client: Client) -> None:
        self._busy.add(client)
        client.ask()

    def answered(self, client: Client, status: int, sent_at: float) -> None:
        """An answer is there."""
        self._busy.discard(client)
        self._idle.append(client)
        self._note(status, self.now() - sent_at)

    def lost(self, client: Client) -> None:
        """A connection is."""
        if client in self._busy:
            self._busy.discard(client)
            self._note(0, 0.0)
        elif client in self._idle:
            self._idle.remove(client)

    def _note(self, status: int, seconds: float) -> None:
        at = int(self.now())
        self._seen.client[at][status] += 1
        self._seen.slowest[at] = max(self._seen.slowest[at], seconds)

    @property
    def under_way(self) -> int:
        """Requests without an answer yet."""
        return len(self._busy)


@contextlib.contextmanager
def daemon(config: str, port: int, directory: Path) -> Iterator[None]:
    """The gateway, as people run it."""
    path = directory / "gateway.toml"
    path.write_text(config, encoding="utf-8")
    twistd = Path(sysconfig.get_path("scripts")) / "twistd"
    checkout = Path(aigw.__file__).parent.parent
    command = [str(twistd), "--nodaemon", "--pidfile=", "--logger=aigw.logs.json", "aigw", "-c", str(path)]
    with (directory / "log").open("wb") as log:
        # S603: the command is ours.
        process = subprocess.Popen(command, cwd=checkout, stdout=log, stderr=log)
        try:
            _wait_for(port)
            yield
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(port: int) -> None:
    async def connected() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    deadline = time.monotonic() + 20
    while not asyncio.run(connected()):
        if time.monotonic() > deadline:
            raise SystemExit("the gateway does not listen")
        time.sleep(0.05)


class Outage:
    """One run."""

    def __init__(self, reactor: Any, script: Script) -> None:
        self._reactor = reactor
        self._script = script
        self.seen = Seen()
        self._well = True
        self._began = 0.0
        self.primary = self._provider(self.seen.primary, True)
        self.secondary = self._provider(self.seen.secondary, False)

    def _provider(self, counts: list[Counter[int]], fails: bool) -> ScriptedUpstream:
        provider = ScriptedUpstream(self._reactor)
        usual, failing = answers.openai(), answers.overloaded()

        def answer(request: ReceivedRequest) -> Any:
            well = self._well or not fails
            if self._began:
                counts[int(self._reactor.seconds() - self._began)][200 if well else 503] += 1
            provider.requests.clear()
            return (usual if well else failing)(request)

        provider.standing = answer
        provider.listen()
        return provider

    @inlineCallbacks
    def run(self, port: int) -> Any:
        """Load it, break it, mend it."""
        script = self._script
        self._began = self._reactor.seconds()
        load = Load(self._reactor, port, self.seen, self._began)
        self._reactor.callLater(script.fails_at, setattr, self, "_well", False)
        self._reactor.callLater(script.recovers_at, setattr, self, "_well", True)
        sending = task.LoopingCall(lambda: load.send(round(load.now() * script.rate) - load.sent))
        sending.start(0.01)
        yield task.deferLater(self._reactor, script.ends_at, lambda: None)
        sending.stop()
        while load.under_way:
            yield task.deferLater(self._reactor, 0.05, lambda: None)


@attrs.frozen
class Verdict:
    """One promise, and whether it was kept."""

    promise: str
    found: str
    kept: bool


def judge(script: Script, seen: Seen) -> list[Verdict]:
    """The promises of the module's head."""
    total: Counter[int] = sum(seen.client, Counter())
    errors = sum(count for status, count in total.items() if status != 200)
    failed = sum(counts[503] for counts in seen.primary)
    length = script.recovers_at - script.fails_at
    # Failures until the breaker opens, calls that are under way then, probes; and a fifth of all that.
    most = (5 + script.rate * _UNDER_WAY + length / script.cool_down + 1) * 1.2
    usual = script.rate * 0.95
    back = next((at for at in range(int(script.recovers_at), 120) if seen.primary[at][200] >= usual), None)
    took = None if back is None else back - script.recovers_at
    return [
        Verdict("no error to a client", f"{errors} of {total.total()}", not errors),
        Verdict(f"at most {most:.0f} calls to the primary while it is out", str(failed), failed <= most),
        Verdict(
            f"all traffic back within {2 * script.cool_down} s (two probe intervals)",
            "never" if took is None else f"in the second that began {took:.0f} s after",
            took is not None and took <= 2 * script.cool_down,
        ),
    ]


def report(script: Script, seen: Seen, verdicts: list[Verdict]) -> str:
    """The run in Markdown."""
    lines = [
        "# An outage under load",
        "",
        f"`python -m bench.outage`: {script.rate} requests a second for {script.ends_at:.0f} s; the primary answers",
        f"503 from second {script.fails_at:.0f} to second {script.recovers_at:.0f}.",
        f"Breaker: 5 failures, cool-down {script.cool_down} s.",
        "",
        "![What the client and the providers saw](outage.svg)",
        "",
        "| promise | found | kept |",
        "|---|---|---|",
        *(f"| {each.promise} | {each.found} | {'yes' if each.kept else '**no**'} |" for each in verdicts),
        "",
        "| second | client: 200 | client: errors | slowest answer, ms | primary: 200 | primary: 503 | secondary |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for at in range(int(script.ends_at)):
        client, primary = seen.client[at], seen.primary[at]
        row = (
            at,
            client[200],
            client.total() - client[200],
            round(seen.slowest[at] * 1000),
            primary[200],
            primary[503],
            seen.secondary[at].total(),
        )
        lines.append("| " + " | ".join(map(str, row)) + " |")
    return "\n".join(lines) + "\n"


def plot(script: Script, seen: Seen) -> str:
    """The same as a picture: SVG, one line for each of the three."""
    width, height, left, top = 760, 300, 50, 20
    seconds, most = int(script.ends_at), script.rate * 1.2

    def x(at: float) -> float:
        return left + at / seconds * (width - left - 20)

    def y(count: float) -> float:
        return top + (1 - count / most) * (height - top - 40)

    def line(counts: list[float], colour: str) -> str:
        points = " ".join(f"{x(at + 0.5):.1f},{y(count):.1f}" for at, count in enumerate(counts[:seconds]))
        return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'

    lines = (
        ("client: 200", "#2a2", [counts[200] for counts in seen.client]),
        ("client: errors", "#c22", [counts.total() - counts[200] for counts in seen.client]),
        ("primary", "#26c", [counts.total() for counts in seen.primary]),
        ("secondary", "#e80", [counts.total() for counts in seen.secondary]),
    )
    out = x(script.fails_at), x(script.recovers_at)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"',
        ' font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<rect x="{out[0]:.1f}" y="{top}" width="{out[1] - out[0]:.1f}" height="{height - top - 40}" fill="#fdd"/>',
        f'<text x="{out[0] + 4:.1f}" y="{top + 14}">the primary answers 503</text>',
    ]
    for count in range(0, int(most) + 1, 100):
        parts.append(f'<line x1="{left}" x2="{width - 20}" y1="{y(count):.1f}" y2="{y(count):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y(count) + 4:.1f}" text-anchor="end">{count}</text>')
    parts += [
        f'<text x="{x(at):.1f}" y="{height - 24}" text-anchor="middle">{at}</text>' for at in range(0, seconds + 1, 5)
    ]
    for number, (name, colour, counts) in enumerate(lines):
        parts.append(line([float(count) for count in counts], colour))
        parts.append(f'<text x="{left + 140 * number}" y="{height - 6}" fill="{colour}">{name} a second</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main(arguments: list[str]) -> int:
    """Run, report, judge; the exit status is 1 where a promise was not kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.outage", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rate", type=int, default=Script().rate, help="requests a second (default: %(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where outage.md and outage.svg go")
    options = parser.parse_args(arguments)
    script = Script(rate=options.rate)
    reactor: Any = global_reactor
    outage = Outage(reactor, script)
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="aigw-bench-") as temporary:
        config = CONFIG.format(
            port=port,
            directory=temporary,
            primary=outage.primary.url,
            secondary=outage.secondary.url,
            cool_down=script.cool_down,
        )
        with daemon(config, port, Path(temporary)):
            running = task.deferLater(reactor, 0, outage.run, port)
            running.addErrback(lambda failure: failure.printTraceback())
            running.addBoth(lambda _: reactor.stop())
            reactor.run()
    verdicts = judge(script, outage.seen)
    text = report(script, outage.seen, verdicts)
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "outage.md").write_text(text, encoding="utf-8")
    (options.results / "outage.svg").write_text(plot(script, outage.seen), encoding="utf-8")
    print(text)
    return 0 if all(each.kept for each in verdicts) else 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
