"""The daemon with two workers: everything that the single process promises, and what is new between several."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import stat
import tempfile

import orjson
from twisted.internet import defer
from twisted.internet.defer import gatherResults

from aigw.testing import ScriptedUpstream, answers
from tests.dist import test_gateway as single
from tests.dist import test_systemd_units as units
from tests.dist.daemon import CHECKOUT, Daemon, fetch, free_port
from tests.dist.raw import RawClient, chat, connect, post
from tests.dist.test_gateway import CONFIG, GatewayTestCase, Held, workers

MODELS = b"GET /v1/models HTTP/1.1\r\nhost: x\r\napikey: consumer-key\r\n\r\n"


class ReloadTests(single.ReloadTests):
    workers = 2


class DrainTests(single.DrainTests):
    workers = 2


class LeavingTests(single.LeavingTests):
    workers = 2


class UpstreamFaultTests(single.UpstreamFaultTests):
    workers = 2


class AccountTests(single.AccountTests):
    workers = 2


class RefusalTests(single.RefusalTests):
    workers = 2


class ListenerTests(single.ListenerTests):
    workers = 2


class ManyStreamsTests(single.ManyStreamsTests):
    workers = 2


class SystemdTests(units.DaemonTests):
    """One service for systemd, whatever is behind it."""

    def configuration(self, listen: str, admin_port: int) -> str:
        return super().configuration(listen, admin_port).replace("[server]\n", "[server]\nworkers = 2\n", 1)


def served_by(client: RawClient) -> bytes:
    """Which worker answered: each begins its request ids with letters of its own."""
    head = bytes(client.received).lower()
    return head.partition(b"x-request-id: ")[2][:20]


class WorkersTestCase(GatewayTestCase):
    """Two workers, and clients at each of them."""

    workers = 2

    async def connected(self, daemon: Daemon, count: int) -> list[RawClient]:
        """So many connections, which are closed when the test ends."""
        clients = await gatherResults([defer.ensureDeferred(connect(daemon.port)) for _ in range(count)])
        for client in clients:
            self.addCleanup(self._close, client)
        return clients

    def _close(self, client: RawClient) -> defer.Deferred[bytes]:
        if not client.lost:
            client.leave()
        return client.closed()

    async def clients(self, daemon: Daemon, count: int) -> list[RawClient]:
        """So many connections that have been answered once."""
        clients = await self.connected(daemon, count)
        for client in clients:
            client.send(MODELS)
        await gatherResults([client.until(b'"list"') for client in clients])
        return clients

    async def streams(self, daemon: Daemon, upstream: ScriptedUpstream, count: int) -> list[RawClient]:
        """So many streams that have begun, at both workers; they go on when ``self.held`` lets them."""
        self.held, whole = Held(), answers.openai()
        upstream.standing = lambda request: (self.held if b'"stream":true' in request.body else whole)(request)
        clients = await self.connected(daemon, count)
        for client in clients:
            client.send(post("/v1/chat/completions", chat(True), connection="close"))
        await gatherResults([client.until(b"data: ") for client in clients])
        self.assertEqual(len({served_by(client) for client in clients}), 2)
        return clients

    async def settled(self, daemon: Daemon, count: int = 2) -> None:
        """Wait until so many workers serve."""

        async def there() -> bool:
            return await self.metric(daemon, "aigw_workers") == count

        await self.until(there)


class TogetherTests(WorkersTestCase):
    """Several processes look like one gateway."""

    async def test_both_serve(self) -> None:
        """There are as many processes as were asked for, and connections spread over them."""
        daemon, _ = await self.serve()
        self.assertEqual(len(workers(daemon)), 2)
        clients = await self.clients(daemon, 40)
        self.assertEqual(len({served_by(client) for client in clients}), 2)

    async def test_auto_is_one_for_each_core(self) -> None:
        """Of those that the daemon may use. With one core there is no parent: the daemon itself serves."""
        daemon, _ = await self.serve(CONFIG.replace("[server]", '[server]\nworkers = "auto"', 1))
        cores = len(os.sched_getaffinity(0))
        self.assertEqual(len(workers(daemon)), cores if cores > 1 else 0)

    async def test_reload_during_the_start(self) -> None:
        """Is taken when the start is over."""
        text = CONFIG.format(url="http://127.0.0.1:1", log="off")
        daemon = await self.start_daemon(text, {"PROVIDER_KEY": "x"}, wait=False)

        async def parent_is_there() -> bool:
            with contextlib.suppress(OSError):
                return bool(await fetch(f"{daemon.admin_url}/healthz"))
            return False

        await self.until(parent_is_there)
        daemon.signal("HUP")
        await daemon.says(r"(?s)aigw \S+ serves .*reloaded /")
        await daemon.ready()

    async def test_signals_to_the_group_during_the_start(self) -> None:
        """What a terminal sends to all processes is the parent's business, also before a worker is ready."""
        text = CONFIG.format(url="http://127.0.0.1:1", log="off")
        daemon = await self.start_daemon(text, {"PROVIDER_KEY": "x"}, wait=False)

        def started() -> list[int]:
            with contextlib.suppress(OSError):
                return workers(daemon)
            return []

        await self.until(lambda: len(started()) == 2)
        children = started()
        for child in children:
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
                os.kill(child, number)
        await daemon.ready()
        self.assertEqual(workers(daemon), children)

    async def test_metrics_are_the_sum(self) -> None:
        """Counters, gauges and histograms; what is the gateway's as a whole is there once."""
        daemon, upstream = await self.serve()
        clients = await self.clients(daemon, 20)
        self.assertEqual(len({served_by(client) for client in clients}), 2)
        self.assertEqual(await self.metric(daemon, r'aigw_requests_total\{[^}]*code="200"[^}]*\}'), 20)
        self.assertEqual(await self.metric(daemon, r'aigw_overhead_seconds_count\{route="chat"\}'), 20)
        infinite = r'aigw_overhead_seconds_bucket\{le="\+Inf",route="chat"\}'
        self.assertEqual(await self.metric(daemon, infinite), 20)
        self.assertEqual(await self.metric(daemon, r'aigw_connections\{side="downstream"\}'), 20)
        await self.streams(daemon, upstream, 20)
        self.assertEqual(await self.metric(daemon, r'aigw_requests_in_flight\{route="chat"\}'), 20)
        text = (await fetch(f"{daemon.admin_url}/metrics")).text
        for once in ("aigw_config_info{", "aigw_config_last_reload_timestamp_seconds ", "process_start_time_seconds "):
            self.assertEqual(text.count(f"\n{once}"), 1, once)
        self.assertEqual(await self.metric(daemon, r'aigw_config_reloads_total\{result="success"\}'), 1)
        for number in "12":
            memory = await self.metric(daemon, rf'aigw_worker_resident_memory_bytes\{{worker="{number}"\}}')
            self.assertGreater(memory, 10 << 20)

    async def test_status_page_shows_each(self) -> None:
        """And what they have under way, together."""
        daemon, _ = await self.serve()
        await self.clients(daemon, 12)
        page = (await fetch(f"{daemon.admin_url}/")).text
        for number, pid in enumerate(sorted(workers(daemon)), 1):
            self.assertIn(f"process {pid}", page, number)
        self.assertIn("<th>connections</th><td>12</td>", page)

    async def test_nothing_secret_in_sight(self) -> None:
        """Secrets reach workers, and are neither on a command line nor in an environment that had none."""
        keys = self.fresh_directory("keys") / "provider"
        keys.write_text("sk-from-a-file-value")
        daemon, upstream = await self.serve(CONFIG.replace('env = "PROVIDER_KEY"', f'file = "{keys}"'))
        body = orjson.dumps(chat())
        answer = await fetch(f"{daemon.url}/v1/chat/completions", body, {"apikey": "consumer-key"})
        self.assertEqual(answer.status, 200)
        self.assertEqual(upstream.requests[0].header(b"authorization"), b"Bearer sk-from-a-file-value")
        for pid in workers(daemon):
            process = pathlib.Path(f"/proc/{pid}")
            seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            self.assertIn(b"aigw.tap", seen)
            self.assertNotIn(b"sk-from-a-file-value", seen)
            self.assertNotIn(b"consumer-key", seen)

    async def test_lines_of_two_workers_never_mix(self) -> None:
        """On standard output, a pipe here, which takes a few of them in one piece."""
        self.options = ["--logger=aigw.logs.json"]  # which writes to standard error
        daemon, _ = await self.serve(CONFIG.replace('"{log}"', '"-"'))
        clients = await self.clients(daemon, 20)
        long = MODELS.replace(b"/v1/models", b"/v1/models/" + b"x" * 9000)
        for client in clients:
            client.send(long * 10)

        def lines() -> list[bytes]:
            return bytes(daemon.out).split(b"\n")[:-1]

        await self.until(lambda: len(lines()) >= 220)
        paths = [json.loads(line)["path"] for line in lines()]
        self.assertEqual(sum(len(path) > 1000 for path in paths), 200)

    async def test_listening_socket_of_a_unix_path(self) -> None:
        """All accept on one; its mode is the configuration's; a worker that dies does not take the file along."""
        sockets = tempfile.TemporaryDirectory()
        self.addCleanup(sockets.cleanup)
        path = pathlib.Path(sockets.name) / "s"
        daemon, _ = await self.serve()
        listen = f'listen = ["unix:{path}:mode=640", '
        daemon.config.write_text(daemon.config.read_text().replace("listen = [", listen))
        daemon.signal("HUP")
        await daemon.says("reloaded")
        os.kill(workers(daemon)[0], signal.SIGTERM)
        await daemon.says(r"worker \d ended")
        await self.settled(daemon)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o640)
        ask = ["curl", "-sS", "-H", "apikey: consumer-key", "--unix-socket", str(path), "http://localhost/v1/models"]
        for _ in range(4):
            finished = await self.run_program(ask)
            self.assertIn('"list"', finished.stdout, finished)
        daemon.signal("TERM")
        self.assertEqual((await daemon.end()).status, 0)
        self.assertFalse(path.exists())


class AccessLogTests(WorkersTestCase):
    """One file, or one pipe, that the parent alone writes."""

    async def test_reload_to_another_file(self) -> None:
        """From then on all lines go there."""
        daemon, _ = await self.serve()
        clients = await self.clients(daemon, 20)
        await self.lines(20)
        other = self.directory / "other.log"
        daemon.config.write_text(self.listeners.replace(str(self.log), str(other)))
        daemon.signal("HUP")
        await daemon.says("reloaded")
        for client in clients:
            client.send(MODELS)
        await self.until(lambda: other.exists() and other.read_bytes().count(b"\n") >= 20)
        self.assertEqual(self.log.read_bytes().count(b"\n"), 20)

    async def test_file_that_cannot_be_opened(self) -> None:
        """Is found out last of all, when all workers are prepared; still nobody swaps."""
        daemon, _ = await self.serve()
        broken = self.listeners.replace(str(self.log), str(self.directory / "none" / "x"))
        daemon.config.write_text(broken.replace('"consumer-key"', '"another-key"'))
        daemon.signal("HUP")
        await daemon.says("reload refused")
        self.assertEqual(await self.metric(daemon, r'aigw_config_reloads_total\{result="failure"\}'), 1)
        await self.clients(daemon, 20)
        await self.lines(20)

    async def test_turned_on_by_a_reload(self) -> None:
        """Workers that wrote nothing begin to."""
        daemon, _ = await self.serve(CONFIG.replace('"{log}"', '"off"'))
        daemon.config.write_text(self.listeners.replace('access_log = "off"', f'access_log = "{self.log}"'))
        await self.clients(daemon, 20)
        daemon.signal("HUP")
        await daemon.says("reloaded")
        await self.clients(daemon, 20)
        await self.lines(20)

    async def test_no_line_is_lost_at_the_end(self) -> None:
        """What workers have written when they end is in the file."""
        daemon, _ = await self.serve()
        clients = await self.clients(daemon, 20)
        for client in clients:
            client.send(MODELS.replace(b"/v1/models", b"/v1/models/" + b"x" * 2000) * 100)
        await gatherResults([client.until(b"x-request-id") for client in clients])
        daemon.signal("TERM")
        self.assertEqual((await daemon.end()).status, 0)
        answered = sum(bytes(client.received).count(b"x-request-id: ") for client in clients)
        booked = sum(json.loads(line)["status"] != 499 for line in self.log.read_text().splitlines())
        self.assertGreaterEqual(booked, answered)


class LimitTests(WorkersTestCase):
    """Limits are the gateway's, not each worker's."""

    async def statuses(self, config: str, count: int) -> list[int]:
        """What so many streams at a time are answered."""
        daemon, upstream = await self.serve(config.replace('drain_timeout = "60s"', 'drain_timeout = "0s"'))
        upstream.standing = answers.stall_after(3)
        clients = []
        for _ in range(count):
            client = await connect(daemon.port)
            client.send(post("/v1/chat/completions", chat(True)))
            await client.until(b"\r\n\r\n")
            clients.append(client)
        self.assertEqual(len({served_by(client) for client in clients}), 2)
        return [int(client.received[9:12]) for client in clients]

    async def test_requests_of_a_consumer(self) -> None:
        statuses = await self.statuses(CONFIG + "max_in_flight = 7\n", 30)
        self.assertEqual(statuses, [200] * 7 + [429] * 23)

    async def test_requests_of_all(self) -> None:
        statuses = await self.statuses(CONFIG.replace("[server]", "[server]\nmax_in_flight = 7", 1), 30)
        self.assertEqual(statuses, [200] * 7 + [503] * 23)

    async def test_connections(self) -> None:
        daemon, _ = await self.serve(CONFIG.replace("[server]", "[server]\nmax_connections = 7", 1))
        clients = []
        for _ in range(12):
            client = await connect(daemon.port)
            client.send(MODELS)
            await client.until(b"\r\n\r\n")
            clients.append(client)
        self.assertEqual([int(client.received[9:12]) for client in clients], [200] * 7 + [503] * 5)

    async def test_what_a_dead_worker_had_counts_no_more(self) -> None:
        """Else each crash would take a part of the limit away."""
        daemon, upstream = await self.serve(CONFIG + "max_in_flight = 20\n")
        await self.streams(daemon, upstream, 20)
        upstream.standing = answers.openai()
        for pid in workers(daemon):
            os.kill(pid, signal.SIGKILL)
        await daemon.says("(?s)was killed.*was killed")
        await self.settled(daemon)
        answer = await fetch(f"{daemon.url}/v1/chat/completions", orjson.dumps(chat()), {"apikey": "consumer-key"})
        self.assertEqual(answer.status, 200)


class ReplacementTests(WorkersTestCase):
    """Workers that end."""

    async def test_killed_worker_is_replaced_while_the_other_serves(self) -> None:
        """The other's streams go on, connections that come meanwhile are answered, and it is counted."""
        daemon, upstream = await self.serve()
        clients = await self.streams(daemon, upstream, 20)
        requests = r'aigw_requests_total\{[^}]*operation="models"[^}]*\}'
        for client in await self.clients(daemon, 10):
            client.leave()
        self.assertEqual(await self.metric(daemon, requests), 10)
        victim = workers(daemon)[0]
        os.kill(victim, signal.SIGKILL)
        await daemon.says("was killed by SIGKILL")
        # Half of these are queued for the dead one.
        await self.clients(daemon, 20)
        self.held.let_go = True
        ends = await gatherResults([client.closed() for client in clients])
        by_worker = {served_by(client): end.endswith(b"0\r\n\r\n") for client, end in zip(clients, ends, strict=True)}
        self.assertEqual(sorted(by_worker.values()), [False, True])
        await self.settled(daemon)
        self.assertNotIn(victim, workers(daemon))
        self.assertEqual(await self.metric(daemon, r'aigw_worker_restarts_total\{reason="signal"\}'), 1)
        self.assertEqual(await self.metric(daemon, requests), 30)
        self.assertEqual(len({served_by(client) for client in await self.clients(daemon, 20)}), 2)

    async def test_replacement_serves_what_is_served(self) -> None:
        """Not what the file says that a reload has refused."""
        daemon, _ = await self.serve()
        daemon.config.write_text("nothing = 'good'")
        daemon.signal("HUP")
        await daemon.says("reload refused")
        os.kill(workers(daemon)[0], signal.SIGKILL)
        await daemon.says("was killed by SIGKILL")
        await self.settled(daemon)
        clients = await self.clients(daemon, 20)
        self.assertEqual(len({served_by(client) for client in clients}), 2)

    async def test_replacement_serves_what_a_reload_has_brought(self) -> None:
        daemon, _ = await self.serve()
        daemon.config.write_text(self.listeners.replace('"consumer-key"', '"consumer-key", "another-key"'))
        daemon.signal("HUP")
        await daemon.says("reloaded")
        for pid in workers(daemon):
            os.kill(pid, signal.SIGTERM)
        await daemon.says("(?s)ended with status 0.*ended with status 0")
        await self.settled(daemon)
        for _ in range(6):
            answer = await fetch(f"{daemon.url}/v1/models", None, {"apikey": "another-key"})
            self.assertEqual(answer.status, 200)
        self.assertEqual(await self.metric(daemon, r'aigw_worker_restarts_total\{reason="exit"\}'), 2)

    async def test_worker_that_drains_is_covered(self) -> None:
        """Sent SIGTERM by itself it ends its streams first, and nobody who connects meanwhile waits for that."""
        daemon, upstream = await self.serve()
        await self.streams(daemon, upstream, 20)
        os.kill(workers(daemon)[0], signal.SIGTERM)
        await daemon.says("draining: ")
        fresh = await self.clients(daemon, 20)
        self.assertEqual(len({served_by(client) for client in fresh}), 1)
        self.assertEqual(len(workers(daemon)), 2)

    async def test_hung_worker_is_replaced(self) -> None:
        """Others accept for it after a few seconds; it is ended when it stays silent."""
        daemon, _ = await self.serve()
        os.kill(workers(daemon)[0], signal.SIGSTOP)

        async def covered() -> bool:
            page = (await fetch(f"{daemon.admin_url}/")).text
            return "silent" in page

        await self.until(covered)
        clients = await self.clients(daemon, 20)
        self.assertEqual(len({served_by(client) for client in clients}), 1)
        self.assertEqual((await fetch(f"{daemon.admin_url}/readyz")).status, 200)
        await daemon.says("gives no sign of life")
        await daemon.says("was killed by SIGKILL")
        await self.settled(daemon)
        self.assertEqual(await self.metric(daemon, r'aigw_worker_restarts_total\{reason="hung"\}'), 1)

    async def test_nobody_serves(self) -> None:
        """The site says so, to those who send traffic and to those who would start the daemon anew; until it is over."""
        daemon, _ = await self.serve()

        async def verdicts() -> list[tuple[int, str]]:
            pages = [await fetch(f"{daemon.admin_url}/{name}") for name in ("readyz", "healthz")]
            return [(page.status, page.text) for page in pages]

        async def all_are_silent() -> bool:
            return await verdicts() == [(503, "no worker\n")] * 2

        async def all_are_well() -> bool:
            return await verdicts() == [(200, "ready\n"), (200, "ok\n")]

        self.assertTrue(await all_are_well())
        for pid in workers(daemon):
            os.kill(pid, signal.SIGSTOP)
        await self.until(all_are_silent)
        for pid in workers(daemon):
            os.kill(pid, signal.SIGCONT)
        await self.until(all_are_well)

    async def test_workers_that_cannot_start(self) -> None:
        """The daemon's start has failed: what they say is in its log, and its status is 1."""
        broken = self.fresh_directory("broken")
        code = (
            "import os, sys\nif 'aigw.tap' in sys.orig_argv:\n    os.write(2, b'no such library\\n')\n    os._exit(3)\n"
        )
        (broken / "sitecustomize.py").write_text(code)
        text = CONFIG.format(url="http://127.0.0.1:1", log="off")
        path = f"{broken}{os.pathsep}{CHECKOUT}"
        daemon = await self.start_daemon(text, {"PROVIDER_KEY": "x", "PYTHONPATH": path}, wait=False)
        finished = await daemon.end()
        self.assertEqual(finished.status, 1, finished)
        for words in ("worker 1: no such library", "worker 1 ended with status 3", "the workers do not start"):
            self.assertIn(words, finished.stdout + finished.stderr)
        with self.assertRaises(OSError):
            await fetch(f"{daemon.url}/v1/models")

    async def test_workers_of_a_dead_parent_drain_and_end(self) -> None:
        """Streams end as they should; nobody holds the port afterwards."""
        daemon, upstream = await self.serve()
        children = workers(daemon)
        clients = await self.streams(daemon, upstream, 20)
        daemon.signal("KILL")
        await daemon.end()
        self.held.let_go = True
        await gatherResults([client.closed() for client in clients])
        self.assertTrue(all(client.body().endswith(b"data: [DONE]\n\n") for client in clients))

        def gone() -> bool:
            return not any(self.runs(pid) for pid in children)

        await self.until(gone)
        with self.assertRaises(OSError):
            await fetch(f"{daemon.url}/v1/models")

    def runs(self, pid: int) -> bool:
        """Whether the process is there, and not only its entry, which its new parent has not looked at yet."""
        with contextlib.suppress(OSError):
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return False

    async def test_two_daemons_do_not_share_a_port(self) -> None:
        """SO_REUSEPORT would let them."""
        daemon, _ = await self.serve()
        other = self.directory / "other.toml"
        other.write_text(daemon.config.read_text().replace(str(daemon.admin_port), str(free_port())))
        command = ["twistd", "--nodaemon", "--pidfile=", "aigw", "-c", str(other)]
        finished = await self.run_program(command, {"PROVIDER_KEY": "x"})
        self.assertEqual(finished.status, 1)
        self.assertIn("cannot listen", finished.stderr)
