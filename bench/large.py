"""``python -m bench.large``: how long do others wait while somebody sends large bodies?

The gateway has core 0. One client makes small calls to the echo provider, one after the other, on one connection;
another one sends three large bodies, each on a connection of its own. What is shown are the small calls' times.
"""

from __future__ import annotations

import http.client
import json
import os
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.peers.aigw import Aigw
from bench.plan import GATEWAY_CORE, LOAD_CORE
from bench.processes import await_port, free_port, started

_CONFIG = """\
[server]
listen = ["tcp:{port}:interface=127.0.0.1"]
admin = "off"
access_log = "off"
[backends.echo]
provider = "echo"
[backends.claude]
provider = "anthropic"
url = "http://127.0.0.1:{upstream}"
auth = {{ inline = "sk-provider" }}
[routes.echo]
paths = ["/echo"]
backend = "echo"
[routes.translated]
paths = ["/translated"]
backend = "claude"
[consumers.quiet]
keys = ["key-of-the-quiet-one"]
[consumers.loud]
keys = ["key-of-the-loud-one"]
"""
_ANSWER = json.dumps(
    {
        "id": "m", "type": "message", "role": "assistant", "model": "c", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "hi"}], "usage": {"input_tokens": 1, "output_tokens": 1},
    }
).encode()  # fmt: skip
_MIB = 1024 * 1024


class _Provider(socketserver.StreamRequestHandler):
    """Reads a request and answers it, again and again."""

    def handle(self) -> None:
        while self.rfile.readline():
            left = 0
            while (line := self.rfile.readline().lower()) != b"\r\n":
                left = int(line[15:]) if line.startswith(b"content-length:") else left
            while left:
                left -= len(self.rfile.read(min(left, _MIB)))
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_ANSWER)
            self.wfile.write(head + _ANSWER)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


def messages(size: int) -> bytes:
    """A chat of so many bytes, in messages of about a hundred."""
    text = "this is a message of about a hundred bytes, which is not long, and there are many of them, number"
    turns = [
        {"role": ("user", "assistant")[at % 2], "content": f"{text} {at}"} for at in range(size // 145 // 2 * 2 + 1)
    ]
    return json.dumps({"model": "m", "max_tokens": 5, "messages": turns}).encode()


def picture(size: int) -> bytes:
    """One of so many bytes."""
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * size}}
    return json.dumps({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": [part]}]}).encode()


def objects(count: int) -> bytes:
    """So many small objects, in a field that means nothing."""
    return b'{"model":"m","messages":[{"role":"user","content":"x"}],"x":[' + b'{"":0},' * count + b"0]}"


#: What is sent, and where.
BODIES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "31 MiB of messages, translated": ("/translated", lambda: messages(31 * _MIB)),
    "8 MiB of messages, translated": ("/translated", lambda: messages(8 * _MIB)),
    "6 MiB of small objects": ("/echo", lambda: objects(900_000)),
    "31 MiB of a picture, translated": ("/translated", lambda: picture(31 * _MIB)),
}


class _Quiet:
    """Makes small calls until it is told to stop."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ended = False
        self.seconds: list[float] = []

    def __enter__(self) -> _Quiet:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join()

    def _run(self) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self._port)
        body = b'{"model":"echo","max_tokens":1,"messages":[{"role":"user","content":"x"}]}'
        while not self._ended:
            begun = time.perf_counter()
            client.request("POST", "/echo/v1/chat/completions", body, {"apikey": "key-of-the-quiet-one"})
            client.getresponse().read()
            self.seconds.append(time.perf_counter() - begun)

    def __str__(self) -> str:
        times = sorted(self.seconds)
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        return f"{len(times):,} calls, p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, worst {times[-1] * 1e3:.0f} ms"


@contextmanager
def _gateway(directory: Path) -> Iterator[int]:
    """With a provider behind it; yields its port."""
    server, port = _Server(("127.0.0.1", free_port()), _Provider), free_port()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (directory / "gateway.toml").write_text(_CONFIG.format(port=port, upstream=server.server_address[1]))
    command = [str(Aigw().twistd()), "--nodaemon", "--pidfile=", "aigw", "-c", str(directory / "gateway.toml")]
    with started(command, cores=(GATEWAY_CORE,), log=directory / "log") as child:
        await_port(child, port, directory / "log")
        yield port
    server.shutdown()


def main() -> None:
    """Print a line for each kind of body."""
    os.sched_setaffinity(0, {LOAD_CORE})
    with TemporaryDirectory(prefix="aigw-bench-") as temporary, _gateway(Path(temporary)) as port:
        with _Quiet(port) as quiet:
            time.sleep(3)
        print(f"none: {quiet}")
        for name, (path, make) in BODIES.items():
            body, statuses = make(), []
            with _Quiet(port) as quiet:
                for _ in range(3):
                    loud = http.client.HTTPConnection("127.0.0.1", port)
                    loud.request("POST", f"{path}/v1/chat/completions", body, {"apikey": "key-of-the-loud-one"})
                    statuses.append(loud.getresponse().status)
                    loud.close()
            print(f"{name}, {statuses}: {quiet}")


if __name__ == "__main__":
    main()
