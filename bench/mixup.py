"""``python -m bench mixup``: does anybody ever get what is another's?

Theory of operation. Forty consumers, each with a key of its own and a credential of its own at the provider, send calls
whose bodies carry a mark that no other call has: whole and streamed, relayed and translated, short and long, one after
the other on connections that stay open. The provider answers with the mark of the body, and compares it with the
credential that came along. Some calls are left by their clients at a random point, some answers are cut off or errors.
Every answer must hold its own call's mark and no other, and what is not whole must not look whole.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.errors import BenchError, WrongAnswerError
from bench.mixup_upstream import MANNERS, MarkedUpstream
from bench.mixup_wire import Message, read_response
from bench.peers.aigw import Aigw
from bench.processes import await_port, free_port, started

_CONSUMERS = 40
_CALL_SECONDS = 60.0
_LONG = 200_000
_MARK = re.compile(rb"c\d+-\d+")
_KINDS = ("chat", "messages", "translated")
_CONFIG = """\
[server]
listen = ["tcp:{port}:interface=127.0.0.1"]
admin = "off"
workers = {workers}
access_log = "{directory}/access.log"
[backends.chat]
provider = "openai-compatible"
url = "http://127.0.0.1:{upstream}/v1"
auth = {{ inline = "nobody" }}
[backends.claude]
provider = "anthropic"
url = "http://127.0.0.1:{upstream}"
auth = {{ inline = "nobody" }}
[routes.chat]
paths = ["/chat"]
backend = "chat"
[routes.messages]
paths = ["/messages"]
backend = "claude"
[routes.translated]
paths = ["/translated"]
backend = "claude"
"""
_CONSUMER = """\
[consumers.c{number}]
keys = ["sha256:{digest}"]
[consumers.c{number}.backends.chat]
auth = {{ inline = "provider-c{number}" }}
[consumers.c{number}.backends.claude]
auth = {{ inline = "provider-c{number}" }}
"""


@dataclass
class MixupReport:
    """What was found.

    :ivar ends: how the calls ended, by kind of end.
    :ivar faults: each answer that was another's, or looked whole and was not.
    """

    workers: int
    seconds: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """The report to read."""
        rows = "\n".join(f"| {name} | {count:,} |" for name, count in sorted(self.ends.items()))
        calls = f"{sum(self.ends.values()):,} calls of {_CONSUMERS} consumers, {self.workers} worker(s)"
        return f"{calls}, {self.seconds:.0f} s: **{len(self.faults)} mixed up**\n\n| end | calls |\n|---|---|\n{rows}\n"

    def write(self, directory: Path) -> None:
        """``mixup.md``."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "mixup.md").write_text("# Mix-up stress\n\n" + self.markdown())


def mixup(options: argparse.Namespace) -> MixupReport:
    """Run the stress.

    :raises BenchError: the gateway does not run.
    :raises WrongAnswerError: somebody got what is another's.
    """
    report = MixupReport(options.workers)
    with TemporaryDirectory(prefix="aigw-mixup-") as temporary:
        asyncio.run(_run(options, Path(temporary), report))
    if report.faults:
        raise WrongAnswerError("\n".join(report.faults[:20]))
    return report


async def _run(options: argparse.Namespace, directory: Path, report: MixupReport) -> None:
    upstream = MarkedUpstream()
    port = free_port()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", port, limit=1 << 22)
    begun = time.monotonic()
    async with server:
        with _gateway(directory, port, options.workers) as gateway:
            numbers = iter(range(options.calls))
            consumers = [
                _Consumer(number % _CONSUMERS, gateway, numbers, report, random.Random(f"{options.seed} {number}"))
                for number in range(2 * _CONSUMERS)
            ]
            await asyncio.gather(*(consumer.run() for consumer in consumers))
    report.seconds = time.monotonic() - begun
    report.faults += upstream.faults
    if upstream.seen < options.calls // 2:
        raise BenchError(f"only {upstream.seen} of {options.calls} calls reached the provider")


@contextmanager
def _gateway(directory: Path, upstream: int, workers: int) -> Iterator[int]:
    """The gateway; yields its port."""
    twistd = str(Aigw().twistd())
    port = free_port()
    text = _CONFIG.format(port=port, upstream=upstream, directory=directory, workers=workers)
    for number in range(_CONSUMERS):
        digest = hashlib.sha256(_key(number).encode()).hexdigest()
        text += _CONSUMER.format(number=number, digest=digest)
    (directory / "gateway.toml").write_text(text)
    command = [twistd, "--nodaemon", "--pidfile=", "aigw", "-c", str(directory / "gateway.toml")]
    with started(command, cores=(0, 1), log=directory / "gateway.log") as child:
        await_port(child, port, directory / "gateway.log")
        yield port


def _key(number: int) -> str:
    return f"consumer-key-{number:04d}-of-the-mix-up-stress"


class _Consumer:
    """Makes one call after the other on a connection that stays open until one of them ends it."""

    def __init__(
        self, number: int, port: int, numbers: Iterator[int], report: MixupReport, chance: random.Random
    ) -> None:
        self._number = number
        self._port = port
        self._numbers = numbers
        self._report = report
        self._chance = chance
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self) -> None:
        for number in self._numbers:
            end = await asyncio.wait_for(self._call(f"c{self._number}-{number}"), _CALL_SECONDS)
            self._report.ends[end] += 1
        self._hang_up()

    async def _call(self, mark: str) -> str:
        chance = self._chance
        kind, streams = chance.choice(_KINDS), chance.random() < 0.5
        manner = chance.choice(MANNERS) if chance.random() < 0.2 else "answer"
        leaves = chance.random() < 0.1
        if self._connection is None:
            self._connection = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 22)
        reader, writer = self._connection
        data = self._request(kind, mark, manner, streams)
        if leaves:
            return await self._leave(writer, reader, data, mark)
        try:
            writer.write(data)
            await writer.drain()
        except ConnectionError:  # it was closed behind the answer before
            self._hang_up()
            return "not sent"
        response = await read_response(reader)
        if response is None or not response.whole or response.headers.get("connection") == "close":
            self._hang_up()
        return self._judge(response, mark, manner, streams)

    def _request(self, kind: str, mark: str, manner: str, streams: bool) -> bytes:
        operation = "messages" if kind == "messages" else "chat/completions"
        filling = "x" * self._chance.choice((0, 0, 0, 500, _LONG))
        message = {"role": "user", "content": f"{mark} {manner} {filling}"}
        body = json.dumps({"model": "m", "max_tokens": 9, "stream": streams, "messages": [message]}).encode()
        return (
            f"POST /{kind}/v1/{operation} HTTP/1.1\r\nhost: x\r\napikey: {_key(self._number)}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode() + body

    async def _leave(self, writer: asyncio.StreamWriter, reader: asyncio.StreamReader, data: bytes, mark: str) -> str:
        """Go away within the request, or within the answer."""
        writer.write(data[: self._chance.randint(1, 2 * len(data))])
        if self._chance.random() < 0.5:
            with suppress(TimeoutError, ConnectionError):
                self._check(await asyncio.wait_for(reader.read(self._chance.randint(1, 2000)), 0.2), mark)
        writer.transport.abort()
        self._connection = None
        return "left"

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection[1].close()
            self._connection = None

    # -- what came

    def _check(self, body: bytes, mark: str) -> None:
        others = set(_MARK.findall(body)) - {mark.encode()}
        others = {other for other in others if not mark.encode().startswith(other)}  # one that was cut off
        if others:
            self._report.faults.append(f"the answer of {mark} holds {b', '.join(sorted(others)).decode()}")

    def _judge(self, response: Message | None, mark: str, manner: str, streams: bool) -> str:
        if response is None:
            return "no answer"
        self._check(response.body, mark)
        status = response.start.split(" ")[1]
        if status == "200" and manner in ("answer", "slow"):
            ends = (b"[DONE]", b"message_stop") if streams else (b'"stop"', b'"end_turn"')
            if response.body.count(mark.encode()) < 6 or not any(end in response.body for end in ends):
                self._report.faults.append(f"the answer of {mark} is not whole: {response.body[-200:]!r}")
        elif status == "200" and any(end in response.body for end in (b"[DONE]", b"message_stop", b'"end_turn"')):
            self._report.faults.append(f"the answer of {mark} was cut off and looks whole")
        elif manner in ("answer", "slow"):
            self._report.faults.append(f"{mark} got status {status}: {response.body[:200]!r}")
        return f"{status} {manner}"
