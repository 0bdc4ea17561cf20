"""The running daemon and its connections: what they prove, what they trust, whom they wait for."""

from __future__ import annotations

import os
import pathlib
import socket
import ssl
import stat
import tempfile
from collections.abc import Callable
from typing import Any

import orjson
import trustme
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.internet.threads import deferToThread

from aigw.testing import ScriptedUpstream, answers
from tests.dist.daemon import CHECKOUT, OURS, SCRIPTS, Answer, Daemon, DaemonTestCase, fetch, free_port
from tests.dist.raw import chat
from tests.dist.test_gateway import CONFIG, GatewayTestCase, Held
from tests.unit.config.test_certificates import PAST

KEY = {"apikey": "consumer-key", "content-type": "application/json"}
ECHO = """
[backends.echo]
provider = "echo"
delay = 0
[routes.all]
paths = ["/v1"]
backend = "echo"
[consumers.one]
keys = ["consumer-key"]
"""
#: Looks up one name for ever.
HANGING_RESOLVER = """
import socket, time
resolve = socket.getaddrinfo
def getaddrinfo(host, *rest, **more):
    while host in ("hangs.invalid", b"hangs.invalid"):
        time.sleep(3600)
    return resolve(host, *rest, **more)
socket.getaddrinfo = getaddrinfo
"""


def ask(url: str, **fields: Any) -> Deferred[Answer]:
    """One chat call."""
    return fetch(f"{url}/v1/chat/completions", orjson.dumps({**chat(), **fields}), KEY)


class ConnectionsTestCase(DaemonTestCase):
    """A daemon whose configuration changes."""

    async def reload(self, daemon: Daemon, change: Callable[[str], str] = lambda text: text) -> str:
        """Change the file and have it read; what comes of it, as the log has it."""
        daemon.config.write_text(change(daemon.config.read_text()))
        daemon.out.clear()
        daemon.err.clear()
        daemon.signal("HUP")
        said: str = await daemon.says("reloaded /|reload refused[^\n]*")
        return said

    def listening(self, daemon: Daemon, more: str) -> Callable[[str], str]:
        """A configuration that listens on ``more`` besides its own port."""
        own = f'"tcp:{daemon.port}:interface=127.0.0.1"'
        return lambda text: "\n".join(
            f"listen = [{own}, {more}]" if line.startswith("listen") else line for line in text.split("\n")
        )


class TrustTests(ConnectionsTestCase):
    """A backend's ``ca``."""

    async def test_withdrawn_authority_is_not_trusted_any_more(self) -> None:
        """The file is exchanged, its name stays: connections that were made by the old one carry no further call."""
        old, new = trustme.CA(), trustme.CA()
        certificate = self.directory / "server.pem"
        old.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
        self.serve_tls(certificate)
        trusted = self.directory / "ca.pem"
        trusted.write_bytes(old.cert_pem.bytes())
        daemon = await self.start_daemon(f"""
            [backends.b]
            provider = "openai-compatible"
            url = "https://localhost:{self.secure_port}/v1"
            ca = "{trusted}"
            [routes.all]
            paths = ["/v1"]
            backend = "b"
            [consumers.one]
            keys = ["consumer-key"]
            """)
        self.assertEqual((await ask(daemon.url)).status, 200)
        trusted.write_bytes(new.cert_pem.bytes())
        self.assertIn("reloaded", await self.reload(daemon))
        refused = await ask(daemon.url)
        self.assertEqual((refused.status, orjson.loads(refused.body)["error"]["code"]), (502, "upstream_tls"))
        trusted.write_bytes(old.cert_pem.bytes() + new.cert_pem.bytes())
        self.assertIn("reloaded", await self.reload(daemon))
        self.assertEqual((await ask(daemon.url)).status, 200)
        trusted.write_bytes(b"nothing")
        self.assertIn("holds no PEM certificate", await self.reload(daemon))
        self.assertEqual((await ask(daemon.url)).status, 200)

    def serve_tls(self, certificate: pathlib.Path) -> None:
        """A provider over TLS."""
        upstream = ScriptedUpstream(reactor)
        context = DefaultOpenSSLContextFactory(str(certificate), str(certificate))
        context.getContext().use_certificate_chain_file(str(certificate))
        port = reactor.listenSSL(0, upstream, context, interface="127.0.0.1")
        self.addCleanup(upstream.stop)
        self.addCleanup(port.stopListening)
        self.secure_port = port.getHost().port


class TrustOfWorkersTests(TrustTests):
    workers = 2


class ListenerTests(ConnectionsTestCase):
    """Listeners over TLS, and listeners that are written in another way."""

    def setUp(self) -> None:
        super().setUp()
        self.pems = self.fresh_directory("pems")

    def put(self, authority: trustme.CA, **options: Any) -> None:
        """The one certificate."""
        issued = authority.issue_cert("localhost", **options)
        (self.pems / "a.pem").write_bytes(issued.private_key_and_cert_chain_pem.bytes())

    async def over_tls(self, port: int, authority: trustme.CA) -> bytes:
        """The first line of an answer."""
        context = ssl.create_default_context()
        authority.configure_trust(context)

        def talk() -> bytes:
            with socket.create_connection(("127.0.0.1", port), timeout=50) as plain:
                with context.wrap_socket(plain, server_hostname="localhost") as client:
                    client.sendall(b"GET /v1/models HTTP/1.1\r\nhost: x\r\napikey: consumer-key\r\n\r\n")
                    return client.recv(1000).partition(b"\r\n")[0]

        line: bytes = await deferToThread(talk)
        return line

    async def test_certificate_of_a_listener(self) -> None:
        """A renewed one is proved with after a reload; one that cannot be used is refused, and changes nothing."""
        first, second = trustme.CA(), trustme.CA()
        daemon = await self.start_daemon(ECHO)
        port = free_port()
        self.put(first)
        listen = self.listening(daemon, f'"tls:{self.pems}:{port}"')
        self.assertIn("reloaded", await self.reload(daemon, listen))
        self.assertEqual(await self.over_tls(port, first), b"HTTP/1.1 200 OK")
        self.put(first, not_before=PAST, not_after=PAST.replace(month=2))
        self.assertIn("a.pem has a certificate that expired on 2020-02-01", await self.reload(daemon))
        self.assertEqual(await self.over_tls(port, first), b"HTTP/1.1 200 OK")
        self.put(second)
        self.assertIn("reloaded", await self.reload(daemon))
        for _ in range(4):  # with workers: at each of them
            self.assertEqual(await self.over_tls(port, second), b"HTTP/1.1 200 OK")

    async def test_start_without_a_certificate(self) -> None:
        """Says which file and ends; ``aigw check`` says the same."""
        daemon = await self.start_daemon(ECHO)
        await daemon.stop()
        text = self.listening(daemon, f'"tls:{self.pems}:{free_port()}"')(daemon.config.read_text())
        daemon.config.write_text(text)
        command = ["twistd", "--nodaemon", "--pidfile=", "aigw", "-c", str(daemon.config)]
        started = await self.run_program(command)
        checked = await self.run_program(["aigw", "check", str(daemon.config)])
        for finished, said in ((started, started.stderr), (checked, checked.stdout)):
            self.assertEqual(finished.status, 1)
            self.assertIn(f"server.listen[1]: has no certificate: there is none in {self.pems}", said)

    async def test_other_spelling_keeps_the_port(self) -> None:
        """Another backlog, another interface, another mode: no address in use, and nobody is refused meanwhile."""
        daemon = await self.start_daemon(ECHO)
        sockets = tempfile.TemporaryDirectory()  # a socket's path has at most 107 bytes
        self.addCleanup(sockets.cleanup)
        path, port = pathlib.Path(sockets.name) / "s", free_port()
        for spelling, mode in (
            (f'"tcp:{port}:interface=127.0.0.1", "unix:{path}"', 0o666),
            (f'"tcp:{port}:backlog=9:interface=127.0.0.1", "unix:{path}:mode=660:backlog=9"', 0o660),
            (f'"tcp:{port}", "unix:{path}:mode=600"', 0o600),
            (f'"tcp6:{port}", "unix:{path}"', 0o666),
            (f'"tcp:{port}:interface=127.0.0.1", "unix:{path}"', 0o666),
        ):
            self.assertIn("reloaded", await self.reload(daemon, self.listening(daemon, spelling)), spelling)
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), mode)
            self.assertEqual((await ask(f"http://127.0.0.1:{port}")).status, 200, spelling)

    async def test_admin_and_clients_change_places(self) -> None:
        """Each port answers with what it is for."""
        daemon = await self.start_daemon(ECHO)
        one, other = f"tcp:{daemon.port}:", f"tcp:{daemon.admin_port}:"

        def swapped(text: str) -> str:
            return text.replace(one, "X").replace(other, one).replace("X", other)

        self.assertIn("reloaded", await self.reload(daemon, swapped))
        for _ in range(4):
            self.assertEqual((await ask(daemon.admin_url)).status, 200)
            self.assertEqual((await fetch(f"{daemon.url}/readyz")).status, 200)

    async def test_socket_that_systemd_does_not_have(self) -> None:
        """At start and at a reload: which names there are, and no traceback."""
        daemon = await self.start_daemon(ECHO)
        said = await self.reload(daemon, self.listening(daemon, '"systemd:INET:name=nobody"'))
        self.assertIn("systemd has handed over no socket (start aigw through its socket unit", said)
        self.assertEqual((await ask(daemon.url)).status, 200)
        await daemon.stop()
        self.assertNotIn("Traceback", daemon.output)
        command = ["twistd", "--nodaemon", "--pidfile=", "aigw", "-c", str(daemon.config)]
        started = await self.run_program(command)
        self.assertEqual(started.status, 1)
        self.assertIn("systemd has handed over no socket (start aigw through its socket unit", started.stderr)
        self.assertNotIn("Traceback", started.stderr)


class ListenerOfWorkersTests(ListenerTests):
    workers = 2


class NameTests(ConnectionsTestCase):
    """A name whose look-up hangs for ever."""

    async def test_nobody_else_waits(self) -> None:
        """Its own calls end by ``connect``; those of other backends, a reload and the stop do not wait at all."""
        upstream = ScriptedUpstream(reactor)
        upstream.listen()
        self.addCleanup(upstream.stop)
        hooks = self.fresh_directory("hooks")
        (hooks / "sitecustomize.py").write_text(HANGING_RESOLVER)
        path = os.pathsep.join((str(hooks), *([str(CHECKOUT)] if OURS == SCRIPTS else [])))
        daemon = await self.start_daemon(
            f"""
            [backends.hangs]
            provider = "openai-compatible"
            url = "http://hangs.invalid:1/v1"
            timeouts = {{ connect = "3s" }}
            [backends.good]
            provider = "openai-compatible"
            url = "{upstream.url.replace("127.0.0.1", "localhost")}"
            timeouts = {{ connect = "100s" }}
            [models.hanging]
            targets = [{{ backend = "hangs" }}]
            [models.fine]
            targets = [{{ backend = "good" }}]
            [routes.all]
            paths = ["/v1"]
            [consumers.one]
            keys = ["consumer-key"]
            """,
            {"PYTHONPATH": path},
        )
        threads = reactor.getThreadPool()
        self.addCleanup(threads.adjustPoolsize, threads.min, threads.max)
        threads.adjustPoolsize(threads.min, 60)
        hanging = [ask(daemon.url, model="hanging") for _ in range(25)]
        upstream.standing = answers.openai()
        for answer in await gatherResults([ask(daemon.url, model="fine") for _ in range(5)]):
            self.assertEqual(answer.status, 200)
        self.assertIn("reloaded", await self.reload(daemon))
        for answer in await gatherResults(hanging):
            self.assertEqual(orjson.loads(answer.body)["error"]["code"], "connect_timeout")
        self.assertEqual((await ask(daemon.url, model="fine")).status, 200)
        daemon.signal("TERM")
        self.assertEqual((await daemon.end()).status, 0)


class NameOfWorkersTests(NameTests):
    workers = 2


class PoolTests(GatewayTestCase):
    """More streams than a backend may have connections, of one worker."""

    workers = 1

    async def test_waiting_for_a_connection_is_told_as_that(self) -> None:
        """With the key that says how many there may be."""
        text = CONFIG.replace("max_connections = 2000", "max_connections = 1").replace('connect = "60s"', 'connect = "1s"')
        daemon, upstream = await self.serve(text)
        stream = upstream.standing = Held()
        first = ask(daemon.url, stream=True)
        await self.until(lambda: upstream.requests)
        answer = await ask(daemon.url, stream=True)
        error = orjson.loads(answer.body)["error"]
        self.assertEqual((answer.status, error["code"]), (503, "backend_busy"))
        self.assertIn("backends.provider.pool.max_connections", error["message"])
        self.assertIn("retry-after", answer.headers)
        stream.let_go = True
        self.assertEqual((await first).status, 200)
