"""aigw itself: ``twistd aigw`` with a key, an override, metering, metrics and an access log to a file."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import traffic
from bench.certificates import HOST
from bench.errors import WrongAnswerError
from bench.peers.peer import PLAIN, Setup, Target
from bench.processes import await_port, free_port, started
from bench.programs import find, first_line

_SECRET_VARIABLE = "AIGW_BENCH_PROVIDER_KEY"
_AUDIT_SECONDS = 5.0
_CONFIG = """\
[server]
listen = ["{listen}:backlog=4096"]
admin = "tcp:{admin}:interface=127.0.0.1"
workers = {workers}
max_connections = 20000
access_log = "{directory}/access.log"

[secrets]
provider = {{ env = "{variable}" }}

"""
_BACKEND = """\
[backends.{name}]
provider = "{provider}"
url = "{url}/v1"
{trust}auth = {{ secret = "provider" }}
overrides = {{ temperature = {temperature} }}
pool = {{ max_connections = 2048 }}

"""
_ROUTE = """\
[routes.{name}]
paths = ["{path}"]
operation = "chat"
backend = "{backend}"

"""
_CONSUMER = """\
[consumers.{name}]
keys = ["sha256:{digest}"]

"""


class Aigw:
    """One process, as users run it: the installation that ``AIGW_BENCH_SCRIPTS`` names, compiled (``make bench``)."""

    name = "aigw"
    works = frozenset({"chat", "stream", "translated", "memory", "body", "tls", "growth", "start", "workers"})
    slow = False
    #: What to run the program under, if anything.
    wrapper: tuple[str, ...] = ()

    def obstacle(self) -> str | None:
        return None if self.twistd() else "there is no twistd in AIGW_BENCH_SCRIPTS or beside this Python"

    def version(self) -> str:
        python = Path(self.twistd() or "").parent / "python"
        return first_line(str(python), "-I", "-c", _ABOUT)

    def twistd(self) -> str | None:
        scripts = os.environ.get("AIGW_BENCH_SCRIPTS")
        return str(Path(scripts).absolute() / "twistd") if scripts else find("twistd")

    @contextmanager
    def running(self, directory: Path, upstream: int, setup: Setup = PLAIN) -> Iterator[Target]:
        port, admin = free_port(), free_port()
        config, log = directory / "gateway.toml", directory / "output.log"
        config.write_text(_config(directory, port, admin, upstream, setup))
        program = str(self.twistd())
        started_by = [*self.wrapper, str(Path(program).parent / "python")] if self.wrapper else []
        twistd = [*started_by, program, "--nodaemon", "--pidfile=", f"--logfile={directory / 'twistd.log'}"]
        environ = {_SECRET_VARIABLE: traffic.PROVIDER_KEY}
        with started([*twistd, "aigw", "-c", str(config)], cores=setup.cores, log=log, environ=environ) as child:
            await_port(child, port, log)

            def reconfigure(changed: Setup) -> None:
                config.write_text(_config(directory, port, admin, upstream, changed))
                os.kill(child.pid, signal.SIGHUP)

            yield Target(
                self.name,
                port,
                child.pid,
                temperature=traffic.OVERRIDDEN_TEMPERATURE,
                reading="translated" if setup.translated else "exact",
                certificates=setup.certificates,
                begun=child.begun,
                audit=_auditor(admin, directory / "access.log"),
                reconfigure=reconfigure,
            )


#: Run by the gateway's own interpreter, which need not be the benchmark's.
_ABOUT = """
import platform, aigw, aigw.http.reader as reader
compiled = "not compiled" if reader.__file__.endswith(".py") else "compiled"
print(f"{aigw.__version__}, {compiled}, on Python {platform.python_version()} of {platform.python_build()[1]}")
"""


class Interpreted(Aigw):
    """The same from the checkout, not compiled."""

    name = "aigw-pure"
    works = frozenset({"chat", "stream", "translated", "memory"})

    def obstacle(self) -> str | None:
        return (
            super().obstacle()
            if os.environ.get("AIGW_BENCH_SCRIPTS")
            else "it is what aigw is, without AIGW_BENCH_SCRIPTS"
        )

    def twistd(self) -> str | None:
        return find("twistd")


def _config(directory: Path, port: int, admin: int, upstream: int, setup: Setup) -> str:
    files = setup.certificates
    listen = f"tls:{files.pems}:{port}" if files else f"tcp:{port}"
    parts = [
        _CONFIG.format(
            directory=directory,
            listen=f"{listen}:interface=127.0.0.1",
            admin=admin,
            workers=setup.workers,
            variable=_SECRET_VARIABLE,
        ),
        _backend("provider", upstream, setup),
        *(_route(f"chat-{number}", traffic.client_path(number), "provider") for number in range(setup.routes)),
        *(_consumer(number) for number in range(setup.consumers)),
    ]
    if setup.streams:
        parts.append(_backend("streams", setup.streams, PLAIN))
        parts.append(_route("stream", traffic.STREAM_PATH, "streams"))
    return "".join(parts)


def _backend(name: str, port: int, setup: Setup) -> str:
    files = setup.certificates
    return _BACKEND.format(
        name=name,
        provider="anthropic" if setup.translated else "openai",
        url=f"https://{HOST}:{port}" if files else f"http://127.0.0.1:{port}",
        trust=f'ca = "{files.authority}"\n' if files else "",
        temperature=traffic.OVERRIDDEN_TEMPERATURE,
    )


def _route(name: str, path: str, backend: str) -> str:
    return _ROUTE.format(name=name, path=path, backend=backend)


def _consumer(number: int) -> str:
    digest = hashlib.sha256(traffic.consumer_key(number).encode()).hexdigest()
    return _CONSUMER.format(name=f"consumer-{number}", digest=digest)


def _auditor(admin: int, access_log: Path) -> Callable[[int], None]:
    """Compares the answers that the load client got with aigw's metrics and access log."""

    def audit(answers: int) -> None:
        wanted = {
            "requests in the metrics": answers,
            "input tokens in the metrics": answers * traffic.PROMPT_TOKENS,
            "lines in the access log": answers,
        }
        deadline = time.monotonic() + _AUDIT_SECONDS
        while short := _shortfall(wanted, _books(admin, access_log)):
            if time.monotonic() > deadline:
                raise WrongAnswerError(f"aigw gave {answers} answers but has only {short}")
            time.sleep(0.2)

    return audit


def _books(admin: int, access_log: Path) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=10) as answer:
        metrics = answer.read().decode()
    return {
        "requests in the metrics": _total(metrics, "aigw_requests_total", 'code="200"'),
        "input tokens in the metrics": _total(metrics, "gen_ai_client_token_usage_total", 'gen_ai_token_type="input"'),
        "lines in the access log": access_log.read_bytes().count(b"\n") if access_log.exists() else 0,
    }


def _shortfall(wanted: dict[str, int], books: dict[str, float]) -> str:
    return ", ".join(f"{books[what]:.0f} {what}" for what, least in wanted.items() if books[what] < least)


def _total(metrics: str, name: str, label: str) -> float:
    """The sum of a metric's samples that carry a label, in Prometheus text."""
    pattern = re.compile(rf"^{name}{{(.*)}} (\S+)$", re.MULTILINE)
    return sum(float(value) for labels, value in pattern.findall(metrics) if label in labels)
