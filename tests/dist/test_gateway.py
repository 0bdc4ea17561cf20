"""The running daemon: reload, drain, clients that leave, faults of the upstream, and what must never be told."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import tempfile
from collections.abc import Iterator
from typing import Any

import orjson
import trustme
from twisted.internet import defer, reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ConnectError
from twisted.internet.task import deferLater

from aigw.daemon import SAME_SIGNAL
from aigw.testing import Act, Answer, ReceivedRequest, ScriptedUpstream, Step, answers
from tests.dist.daemon import Daemon, DaemonTestCase, fetch, free_port
from tests.dist.raw import RawClient, chat, connect, post

CONFIG = """
[server]
access_log = "{log}"
drain_timeout = "60s"

[secrets]
provider = {{ env = "PROVIDER_KEY" }}

[backends.provider]
provider = "openai"
url = "{url}"
auth = {{ secret = "provider" }}
timeouts = {{ connect = "60s", first_byte = "60s", first_token = "60s", idle = "60s", total = "5m" }}
pool = {{ max_connections = 2000 }}

[routes.chat]
paths = ["/v1"]
backend = "provider"

[consumers.one]
keys = ["consumer-key"]
"""
PROVIDER_KEY = "sk-provider-secret-value"


class Held:
    """Answers with streams that begin, wait until they are let go on, and end as usual.

    :param steps: of each stream are said before that: its head, and so many events that a token is among them.
    :ivar let_go: whether they may go on.
    """

    def __init__(self, answer: Answer | None = None, steps: int = 3) -> None:
        self._answer = answer or answers.stream()
        self._steps = steps
        self.let_go = False

    def __call__(self, request: ReceivedRequest) -> Iterator[Step]:
        """The steps of one stream."""
        steps = iter(self._answer(request))
        said = 0
        while said < self._steps:
            step = next(steps)
            said += isinstance(step, bytes)
            yield step
        while not self.let_go:
            yield 0.1
        yield from steps


class GatewayTestCase(DaemonTestCase):
    """A daemon in front of a scripted provider."""

    async def serve(self, config: str = CONFIG, **env: str) -> tuple[Daemon, ScriptedUpstream]:
        upstream = ScriptedUpstream(reactor)
        upstream.listen()
        self.addCleanup(upstream.stop)
        self.log = self.directory / "access.log"
        self.text = config.format(url=upstream.url, log=self.log)
        daemon = await self.start_daemon(self.text, {"PROVIDER_KEY": PROVIDER_KEY, **env})
        self.listeners = daemon.config.read_text()
        return daemon, upstream

    async def metric(self, daemon: Daemon, pattern: str) -> float:
        """The value of the one series whose line matches."""
        text = (await fetch(f"{daemon.admin_url}/metrics")).text
        found = re.findall(rf"(?m)^{pattern} (\S+)$", text)
        return float(found[0]) if found else 0.0

    async def until(self, condition: Any, seconds: float = 40.0) -> None:
        """Wait until ``condition()``, awaited if need be, is true."""
        deadline = reactor.seconds() + seconds
        while True:
            result = condition()
            if isinstance(result, Deferred) or hasattr(result, "__await__"):
                result = await result
            if result:
                return
            self.assertLess(reactor.seconds(), deadline, "it did not come to that in time")
            await deferLater(reactor, 0.02)

    async def lines(self, count: int = 1) -> list[dict[str, Any]]:
        """The access log's lines, once there are as many."""
        await self.until(lambda: self.log.exists() and self.log.read_bytes().count(b"\n") >= count)
        return [json.loads(line) for line in self.log.read_text().splitlines()]


class ReloadTests(GatewayTestCase):
    """SIGHUP."""

    async def test_new_settings_hold_for_new_requests(self) -> None:
        """And requests in flight keep what they started with."""
        daemon, upstream = await self.serve()
        stream = Held()
        upstream.script(stream)
        client = await connect(daemon.port)
        client.send(post("/v1/chat/completions", chat(True)))
        await client.until(b"data: ")
        daemon.config.write_text(self.listeners.replace('"consumer-key"', '"other-key"'))
        daemon.signal("HUP")
        await daemon.says("reloaded")
        stream.let_go = True
        await client.until(b"[DONE]")
        refused = await fetch(f"{daemon.url}/v1/models", None, {"apikey": "consumer-key"})
        self.assertEqual(refused.status, 401)
        allowed = await fetch(f"{daemon.url}/v1/models", None, {"apikey": "other-key"})
        self.assertEqual(allowed.status, 200)

    async def test_unchanged_backend_keeps_its_connections(self) -> None:
        """A reload costs no handshake."""
        daemon, upstream = await self.serve()
        # One connection: with several workers both requests come to the same one.
        client = await connect(daemon.port)
        client.send(post("/v1/chat/completions", chat()))
        await client.until(b'"usage"')
        daemon.signal("HUP")
        await daemon.says("reloaded")
        client.send(post("/v1/chat/completions", chat(), connection="close"))
        await client.closed()
        self.assertEqual(upstream.connections_made, 1)
        self.assertEqual(len(upstream.requests), 2)

    async def test_broken_file_changes_nothing_and_says_why(self) -> None:
        """With the line; and the failure is a metric."""
        daemon, _ = await self.serve()
        daemon.config.write_text(self.listeners + '\n[routes.bad]\npath = ["/x"]\nbackend = "provider"\n')
        line = daemon.config.read_text().splitlines().index('path = ["/x"]') + 1
        daemon.signal("HUP")
        said = await daemon.says(rf"gateway.toml:{line}: routes.bad.path: unknown key.*paths")
        self.assertIn("did you mean paths", said)
        answer = await fetch(f"{daemon.url}/v1/models", None, {"apikey": "consumer-key"})
        self.assertEqual(answer.status, 200)
        self.assertEqual(await self.metric(daemon, r'aigw_config_reloads_total\{result="failure"\}'), 1)

    async def test_port_that_is_taken_changes_nothing(self) -> None:
        """Listeners are opened before the swap."""
        daemon, upstream = await self.serve()
        taken = self.listeners.replace("listen = [", f'listen = ["tcp:{upstream.port}:interface=127.0.0.1", ')
        daemon.config.write_text(taken)
        daemon.signal("HUP")
        await daemon.says("reload refused")
        answer = await fetch(f"{daemon.url}/v1/models", None, {"apikey": "consumer-key"})
        self.assertEqual(answer.status, 200)

    async def test_listeners_come_and_go(self) -> None:
        """A new listener opens; one that is no longer wanted closes; the admin site stays."""
        daemon, _ = await self.serve()
        moved = daemon.port
        port = free_port()
        daemon.config.write_text(self.listeners.replace(f"tcp:{moved}:", f"tcp:{port}:"))
        daemon.signal("HUP")
        await daemon.says("reloaded")
        answer = await fetch(f"http://127.0.0.1:{port}/v1/models", None, {"apikey": "consumer-key"})
        self.assertEqual(answer.status, 200)
        with self.assertRaises(OSError):
            await fetch(f"{daemon.url}/v1/models")

    async def test_storm_of_signals_loses_no_request(self) -> None:
        """Reloads are taken one after the other, and what comes meanwhile makes one more."""
        daemon, upstream = await self.serve()
        body = orjson.dumps(chat())
        answers_: list[Deferred[Any]] = []
        for _ in range(40):
            daemon.signal("HUP")
            answers_.append(fetch(f"{daemon.url}/v1/chat/completions", body, {"apikey": "consumer-key"}))
            await deferLater(reactor, 0.01)
        statuses = [answer.status for answer in await gatherResults(answers_)]
        self.assertEqual(set(statuses), {200})
        self.assertEqual(len(upstream.requests), 40)


class DrainTests(GatewayTestCase):
    """SIGTERM."""

    async def test_open_streams_complete_and_status_is_zero(self) -> None:
        """100 streams end as they would have; new connections are refused."""
        daemon, upstream = await self.serve()
        stream = upstream.standing = Held()
        clients = [await connect(daemon.port) for _ in range(100)]
        idle = await connect(daemon.port)
        for client in clients:
            client.send(post("/v1/chat/completions", chat(True)))
        await gatherResults([client.until(b"data: ") for client in clients])
        daemon.signal("TERM")
        await idle.closed()
        # With several workers the one that has closed this connection may be ahead of the others.
        await self.until(lambda: self.refuses(daemon))
        stream.let_go = True
        await gatherResults([client.closed() for client in clients])
        bodies = {client.body() for client in clients}
        self.assertTrue(all(body.endswith(b"data: [DONE]\n\n") for body in bodies))
        finished = await daemon.end()
        self.assertEqual(finished.status, 0, finished)

    async def refuses(self, daemon: Daemon) -> bool:
        """Whether a new connection is refused."""
        try:
            client = await connect(daemon.port)
        except ConnectError:
            return True
        client.leave()
        await client.closed()
        return False

    async def test_second_signal_ends_the_drain(self) -> None:
        """As after ``drain_timeout``, and it is said; the first one says that this is possible."""
        for first, second in (("INT", "INT"), ("TERM", "INT"), ("INT", "TERM")):
            daemon, upstream = await self.serve(CONFIG.replace('drain_timeout = "60s"', 'drain_timeout = "1h"'))
            upstream.standing = answers.stall_after(2)
            client = await connect(daemon.port)
            client.send(post("/v1/chat/completions", chat(True)))
            await client.until(b"data: ")
            daemon.signal(first)
            await daemon.says("a second Ctrl-C or SIGTERM ends the drain at once")
            await daemon.says(r"draining: [1-9]\d* connections")
            await deferLater(reactor, 2 * SAME_SIGNAL)  # sooner it counts as the same one, passed on by another program
            daemon.signal(second)
            received = await client.closed()
            self.assertIn(b'"code":"draining"', received)
            finished = await daemon.end()
            self.assertEqual(finished.status, 0, finished)
            self.assertIn("a second signal to end: the drain ends now", finished.stdout)
            self.assertNotIn("Traceback", finished.stdout + finished.stderr)

    async def test_not_ready_while_draining(self) -> None:
        """The admin site stays until the end, and says so."""
        daemon, upstream = await self.serve()
        stream = upstream.standing = Held()
        client = await connect(daemon.port)
        client.send(post("/v1/chat/completions", chat(True)))
        await client.until(b"data: ")
        daemon.signal("TERM")
        await daemon.says("draining")
        answer = await fetch(f"{daemon.admin_url}/readyz")
        self.assertEqual((answer.status, answer.text), (503, "draining\n"))
        stream.let_go = True
        await client.until(b"[DONE]")
        finished = await daemon.end()
        self.assertEqual(finished.status, 0)
        self.assertNotIn("Traceback", finished.stdout + finished.stderr)

    async def test_what_does_not_end_is_ended(self) -> None:
        """After drain_timeout, by an error event, so that it does not look complete."""
        daemon, upstream = await self.serve(CONFIG.replace('drain_timeout = "60s"', 'drain_timeout = "500ms"'))
        upstream.standing = answers.stall_after(2)
        client = await connect(daemon.port)
        client.send(post("/v1/chat/completions", chat(True)))
        await client.until(b"data: ")
        daemon.signal("TERM")
        received = await client.closed()
        self.assertTrue(received.endswith(b"0\r\n\r\n"))
        self.assertIn(b'"code":"draining"', received)
        self.assertNotIn(b"[DONE]", received)
        self.assertEqual((await daemon.end()).status, 0)
        (line,) = await self.lines()
        self.assertEqual(line["error"], "draining")


class LeavingTests(GatewayTestCase):
    """A client that leaves takes its upstream call along."""

    async def leave_in(self, answer: Any, stream: bool, seen: bytes | None) -> None:
        daemon, upstream = await self.serve()
        upstream.script(answer)
        client = await connect(daemon.port)
        client.send(post("/v1/chat/completions", chat(stream)))
        request = await upstream.request()
        if seen is not None:
            await client.until(seen)
        client.leave()
        await request.client_gone().addTimeout(60, reactor)
        self.assertTrue(request.cancelled)
        (line,) = await self.lines()
        self.assertEqual(line["error"], "client_gone")
        self.assertEqual(await self.metric(daemon, r'aigw_requests_in_flight\{route="chat"\}'), 0)
        outcome = r'aigw_upstream_attempts_total\{backend="provider",outcome="cancelled"\}'
        self.assertEqual(await self.metric(daemon, outcome), 1)

    async def test_before_headers(self) -> None:
        await self.leave_in(answers.raw(Act.HANG), True, None)

    async def test_before_headers_of_a_whole_answer(self) -> None:
        await self.leave_in(answers.raw(Act.HANG), False, None)

    async def test_before_the_first_token(self) -> None:
        await self.leave_in(answers.stall_after(0), True, None)

    async def test_in_a_stream(self) -> None:
        await self.leave_in(answers.stall_after(2), True, b"data: ")

    async def test_while_connecting(self) -> None:
        """Nothing answers the SYN; the call is given up with its client."""
        config = CONFIG.replace('"{url}"', '"http://127.0.0.1:{port}/v1"')
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        self.addCleanup(listener.close)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            self.addCleanup(filler.close)
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(("127.0.0.1", port))
        self.log = self.directory / "access.log"
        text = config.replace("{port}", str(port)).format(url="", log=self.log)
        daemon = await self.start_daemon(text, {"PROVIDER_KEY": PROVIDER_KEY})
        client = await connect(daemon.port)
        client.send(post("/v1/chat/completions", chat()))
        in_flight = r'aigw_requests_in_flight\{route="chat"\}'
        await self.until(lambda: self.flying(daemon, in_flight))
        client.leave()
        (line,) = await self.lines()
        self.assertEqual((line["error"], line["attempts"]), ("client_gone", 1))

    async def flying(self, daemon: Daemon, pattern: str) -> bool:
        return await self.metric(daemon, pattern) == 1


class UpstreamFaultTests(GatewayTestCase):
    """What a client gets when the provider fails."""

    async def ask(self, fault: Any, stream: bool = False, config: str = CONFIG) -> tuple[int, bytes, dict[str, Any]]:
        daemon, upstream = await self.serve(config)
        upstream.script(fault)
        client = await connect(daemon.port)
        client.send(post("/v1/chat/completions", chat(stream), connection="close"))
        received = await client.closed()
        (line,) = await self.lines()
        return int(received[9:12]), received, line

    async def test_reset_before_headers(self) -> None:
        status, received, line = await self.ask("reset before headers")
        self.assertEqual((status, line["error"]), (502, "upstream_reset"))
        self.assertIn(b"backend provider", received)

    async def test_no_answer(self) -> None:
        config = CONFIG.replace('first_byte = "60s"', 'first_byte = "300ms"')
        status, received, line = await self.ask("no answer", config=config)
        self.assertEqual((status, line["error"]), (504, "first_byte_timeout"))
        self.assertIn(b"first_byte timeout", received)

    async def test_stall_in_a_stream(self) -> None:
        config = CONFIG.replace('idle = "60s"', 'idle = "300ms"')
        status, received, line = await self.ask(answers.stall_after(2), True, config)
        self.assertEqual((status, line["error"]), (200, "idle_timeout"))
        self.assertIn(b'"error"', received)
        self.assertNotIn(b"[DONE]", received)
        self.assertTrue(received.endswith(b"0\r\n\r\n"))

    async def test_cut_stream(self) -> None:
        status, received, line = await self.ask(answers.cut_after(2), True)
        self.assertEqual((status, line["error"]), (200, "upstream_cut"))
        self.assertIn(b'"error"', received)
        self.assertTrue(received.endswith(b"0\r\n\r\n"))

    async def test_short_answer(self) -> None:
        status, _, line = await self.ask(answers.lying_content_length())
        self.assertEqual((status, line["error"]), (502, "upstream_cut"))

    async def test_garbage(self) -> None:
        status, _, line = await self.ask("garbage")
        self.assertEqual((status, line["error"]), (502, "upstream_protocol"))

    async def test_oversized_headers(self) -> None:
        status, _, line = await self.ask(answers.oversized_headers())
        self.assertEqual((status, line["error"]), (502, "upstream_protocol"))

    async def test_connection_closed_while_idle_costs_nothing(self) -> None:
        """The next request goes over a fresh connection, and succeeds."""
        daemon, upstream = await self.serve()
        body = orjson.dumps(chat())
        for turn in range(5):
            answer = await fetch(f"{daemon.url}/v1/chat/completions", body, {"apikey": "consumer-key"})
            self.assertEqual(answer.status, 200, turn)
            upstream.close_idle()
        self.assertEqual(len(upstream.requests), 5)

    async def test_unasked_bytes_spoil_a_connection(self) -> None:
        """Nobody gets an answer that was not his."""
        daemon, upstream = await self.serve()
        body = orjson.dumps(chat())
        poison = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"
        for _ in range(3):
            answer = await fetch(f"{daemon.url}/v1/chat/completions", body, {"apikey": "consumer-key"})
            self.assertNotIn(b"poison", answer.body)
            upstream.close_idle(poison)


class AccountTests(GatewayTestCase):
    """What is booked, and what is not told."""

    async def test_line_has_every_field_of_the_contract(self) -> None:
        """And no other."""
        daemon, _ = await self.serve()
        body = orjson.dumps(chat())
        await fetch(f"{daemon.url}/v1/chat/completions?a=query-text", body, {"apikey": "consumer-key"})
        (line,) = await self.lines()
        wanted = """time request_id client consumer route operation method path status backend provider model
            upstream_model response_model stream attempts input_tokens output_tokens cached_input_tokens reasoning_tokens bytes_in
            bytes_out duration_ms upstream_ms overhead_ms ttft_ms error"""
        self.assertEqual(list(line), wanted.split())
        facts = (line["consumer"], line["route"], line["operation"], line["status"], line["backend"], line["attempts"])
        self.assertEqual(facts, ("one", "chat", "chat", 200, "provider", 1))
        self.assertGreater(line["input_tokens"], 0)

    async def test_stream_usage_is_booked_and_hidden(self) -> None:
        """The client did not ask for usage, so it sees none."""
        daemon, upstream = await self.serve()
        client = await connect(daemon.port)
        client.send(post("/v1/chat/completions", chat(True), connection="close"))
        await client.closed()
        self.assertTrue(upstream.requests[0].json()["stream_options"]["include_usage"])
        self.assertNotIn(b'"prompt_tokens"', client.body())
        (line,) = await self.lines()
        self.assertGreater(line["output_tokens"], 0)
        self.assertIsNotNone(line["ttft_ms"])
        tokens = await self.metric(daemon, r'gen_ai_client_token_usage_total\{consumer="one",[^}]*="output"[^}]*\}')
        self.assertEqual(tokens, line["output_tokens"])

    async def test_log_is_reopened_after_rotation(self) -> None:
        """SIGUSR1, as logrotate sends it."""
        daemon, _ = await self.serve()
        body = orjson.dumps(chat())
        await fetch(f"{daemon.url}/v1/chat/completions", body, {"apikey": "consumer-key"})
        await self.lines()
        rotated = self.log.rename(self.log.with_suffix(".1"))
        daemon.transport.signalProcess(signal.SIGUSR1)
        await self.until(self.log.exists)
        await fetch(f"{daemon.url}/v1/chat/completions", body, {"apikey": "consumer-key"})
        await self.lines()
        self.assertEqual(rotated.read_bytes().count(b"\n"), 1)

    async def test_nothing_secret_is_told_anywhere(self) -> None:
        """No key and no prompt in logs, metrics, errors, the status page, or `aigw show`."""
        daemon, upstream = await self.serve()
        echo = orjson.dumps({"error": {"message": f"bad key {PROVIDER_KEY}", "type": "x", "code": None}})
        seen = b""
        for fault in (None, answers.raw(b"garbage"), answers.reply(json.loads(echo), 401), answers.cut_after(1)):
            if fault is not None:
                upstream.script(fault)
            client = await connect(daemon.port)
            client.send(post("/v1/chat/completions", chat(fault is not None), connection="close"))
            seen += await client.closed()
        for key in ("wrong-key-value", "consumer-key"):
            answer = await fetch(f"{daemon.url}/nowhere", b"{", {"apikey": key})
            seen += answer.body + repr(answer.headers).encode()
        for path in ("/metrics", "/", "/readyz"):
            seen += (await fetch(daemon.admin_url + path)).body
        await self.lines(6)
        shown = await self.run_program(
            ["python", "-m", "aigw.cli", "show", str(daemon.config)], {"PROVIDER_KEY": PROVIDER_KEY}
        )
        self.assertEqual(shown.status, 0, shown)
        seen += self.log.read_bytes() + daemon.output.encode() + shown.stdout.encode()
        for secret in (PROVIDER_KEY, "consumer-key", "wrong-key-value", "the-prompt-text"):
            self.assertNotIn(secret.encode(), seen)


class RefusalTests(GatewayTestCase):
    """Starting with a bad file."""

    async def test_bad_file_ends_the_start(self) -> None:
        """Every error, a line each; exit status 1; nothing listens."""
        text = '[routes.a]\npaths = ["/x"]\nbackend = "nope"\nauht = "none"\n'
        daemon = await self.start_daemon(text, wait=False)
        finished = await daemon.end()
        self.assertEqual(finished.status, 1)
        self.assertRegex(finished.stderr, r"gateway.toml:\d+: routes.a.auht: unknown key \(did you mean auth\?\)")
        self.assertNotIn("Traceback", finished.stderr)
        with self.assertRaises(OSError):
            await fetch(daemon.url)

    async def test_taken_port_ends_the_start(self) -> None:
        """As any daemon's would."""
        upstream = ScriptedUpstream(reactor)
        upstream.listen()
        self.addCleanup(upstream.stop)
        text = (pathlib.Path(__file__).parents[2] / "etc" / "demo.toml").read_text()
        daemon = await self.start_daemon(text, wait=False)
        await daemon.ready()
        second = pathlib.Path(daemon.config)
        finished = await self.run_program(["twistd", "--nodaemon", "--pidfile=", "aigw", "-c", str(second)])
        self.assertEqual(finished.status, 1)
        self.assertIn("cannot listen", finished.stderr)
        self.assertNotIn("Traceback", finished.stdout + finished.stderr)


class ListenerTests(GatewayTestCase):
    """Other ways in than plain TCP."""

    async def test_tls_and_unix_sockets(self) -> None:
        """curl, with its ALPN, through a certificate of its own; and through a socket in the file system."""
        pems = self.fresh_directory("pems")
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.directory / "ca.pem"))
        issued = authority.issue_cert("localhost").private_key_and_cert_chain_pem
        issued.write_to_path(str(pems / "localhost.pem"))
        # A socket's path has at most 107 bytes, fewer than the test's own directory.
        sockets = tempfile.TemporaryDirectory()
        self.addCleanup(sockets.cleanup)
        port, path = free_port(), pathlib.Path(sockets.name) / "s"
        text = """
            [backends.echo]
            provider = "echo"
            [models."*"]
            targets = [{ backend = "echo" }]
            [routes.all]
            paths = ["/v1"]
            [consumers.one]
            keys = ["consumer-key"]
            """
        daemon = await self.start_daemon(text)
        also = f'listen = ["tls:{pems}:{port}:interface=127.0.0.1", "unix:{path}", '
        daemon.config.write_text(daemon.config.read_text().replace("listen = [", also))
        daemon.signal("HUP")
        await daemon.says("reloaded")
        ask = ["curl", "-sS", "-H", "apikey: consumer-key", "-H", "content-type: application/json", "-d"]
        ask.append(json.dumps(chat(True)))
        secure = [*ask, "--cacert", str(self.directory / "ca.pem"), f"https://localhost:{port}/v1/chat/completions"]
        local = [*ask, "--unix-socket", str(path), "http://localhost/v1/chat/completions"]
        for command in (secure, local):
            finished = await self.run_program(command)
            self.assertEqual((finished.status, finished.stderr), (0, ""))
            self.assertTrue(finished.stdout.endswith("data: [DONE]\n\n"), finished)


class ManyStreamsTests(GatewayTestCase):
    """A thousand streams on one worker."""

    timeout = 180

    async def test_thousand_streams_survive_ten_reloads(self) -> None:
        """All complete, byte for byte; each costs at most 20 kB."""
        daemon, upstream = await self.serve()
        events = [b'data: {"choices":[{"index":0,"delta":{"content":"%d"}}]}\n\n' % n for n in range(8)]
        events += [b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n', b"data: [DONE]\n\n"]
        # Head and eight events, and a pause before each of these.
        stream = upstream.standing = Held(answers.stream(events, delay=0.8), steps=9)
        before = memory(daemon)
        clients: list[RawClient] = []
        for _ in range(10):
            clients += await gatherResults([defer.ensureDeferred(connect(daemon.port)) for _ in range(100)])
        for client in clients:
            client.send(post("/v1/chat/completions", chat(True), connection="close"))
        await gatherResults([client.until(b"data: ") for client in clients])
        each = (memory(daemon) - before) / len(clients)
        for turn in range(10):
            daemon.config.write_text(self.listeners + f"\n# {turn}\n")
            daemon.signal("HUP")
            await self.until(lambda turn=turn: len(re.findall("reloaded /", daemon.output)) > turn)
        stream.let_go = True
        await gatherResults([client.closed() for client in clients])
        self.assertEqual({client.body() for client in clients}, {b"".join(events)})
        self.assertLessEqual(each, 20_000, "bytes a stream")


def memory(daemon: Daemon) -> int:
    """The resident bytes of the daemon and its workers."""
    pages = [
        pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in (daemon.transport.pid, *workers(daemon))
    ]
    return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE")


def workers(daemon: Daemon) -> list[int]:
    """The process ids of the daemon's workers."""
    pid = daemon.transport.pid
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
