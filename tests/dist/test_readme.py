"""What the README tells a stranger to do, done."""

from __future__ import annotations

import json
import re
import shutil

from twisted.internet import reactor

from aigw.testing import ScriptedUpstream
from aigw.testing.openai import TEXT
from tests.dist.daemon import CHECKOUT, Daemon, DaemonTestCase, environment, fetch, free_port, moved

README = (CHECKOUT / "README.md").read_text()


def block(language: str, containing: str) -> str:
    """The README's code block of this language that contains the words."""
    (found,) = (text for text in re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S) if containing in text)
    return found


class ReadmeTests(DaemonTestCase):
    """Each command as printed, with nothing changed but the port."""

    async def demo(self) -> Daemon:
        """What ``make run`` starts."""
        return await self.start_daemon((CHECKOUT / "etc" / "demo.toml").read_text())

    async def curl(self, text: str, daemon: Daemon) -> dict:
        if not shutil.which("curl"):
            self.skipTest("curl is not installed")
        text = text.replace("127.0.0.1:8000", f"127.0.0.1:{daemon.port}")
        finished = await self.run_program(["bash", "-c", text])
        self.assertEqual(finished.status, 0, finished)
        return json.loads(finished.stdout)

    async def test_curl(self) -> None:
        """The first thing that a stranger sees work, and the 401 without the key as it is printed."""
        daemon = await self.demo()
        command = block("sh", "demo-key")
        answer = await self.curl(command, daemon)
        self.assertEqual(answer["choices"][0]["message"]["content"], "Say hello.")
        refusal = await self.curl(command.replace("-H 'apikey: demo-key'", ""), daemon)
        self.assertTrue(refusal["request_id"])
        self.assertEqual({**refusal, "request_id": "…"}, json.loads(block("json", "No API key found")))

    def test_links_lead_somewhere(self) -> None:
        """Every relative link of the pages at the top of the checkout has a file or a directory behind it."""
        broken = [
            f"{page.name}: {target}"
            for page in CHECKOUT.glob("*.md")
            for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
            if not (CHECKOUT / target).exists()
        ]
        self.assertEqual(broken, [])

    async def test_make_run_prints_the_same_command(self) -> None:
        """The line in the Makefile is the README's."""
        printed = await self.run_program(["make", "--no-print-directory", "--dry-run", "run"], directory=CHECKOUT)
        spoken = printed.stdout.replace('\\"', '"').replace("\\\\\n", "\\\n").replace("\\\\", "\\")
        for line in block("sh", "demo-key").splitlines():
            self.assertIn(line.strip().rstrip("\\").strip(), spoken)

    async def test_sdk(self) -> None:
        """The script prints the text, streamed."""
        daemon = await self.demo()
        script = block("python", "from openai").replace("127.0.0.1:8000", f"127.0.0.1:{daemon.port}")
        finished = await self.run_program(["python", "-c", script])
        self.assertEqual((finished.status, finished.stdout), (0, "Say hello."), finished)

    async def test_metrics_are_where_it_says(self) -> None:
        """The admin listener of the demo, after one refused request."""
        daemon = await self.demo()
        await fetch(f"{daemon.url}/v1/models")
        answer = await fetch(f"{daemon.admin_url}/metrics")
        self.assertRegex(answer.text, r"aigw_requests_total\{[^}]*code=\"401\"[^}]*\} 1\.0")

    def test_the_installation_comes_first(self) -> None:
        """In the order in which somebody reads it; test_packaging does what it says."""
        places = [README.index(words) for words in ("pip install .", "[backends.openai]", "aigw key my-app", "aigw run g")]
        self.assertEqual(places, sorted(places))

    async def test_own_configuration(self) -> None:
        """Line by line, as it stands: the file, the key that is appended, the variable, the check, the gateway, a call."""
        upstream = ScriptedUpstream(reactor)
        upstream.listen()
        self.addCleanup(upstream.stop)
        daemon = Daemon(self.directory, free_port(), free_port())
        text = moved(block("toml", "[backends.openai]"), daemon.port, daemon.admin_port)
        daemon.config.write_text(text.replace('provider = "openai"\n', f'provider = "openai"\nurl = "{upstream.url}"\n'))
        commands = block("sh", "aigw run gateway.toml").replace("aigw run", "exec aigw run").replace("sk-…", "sk-own")
        # Any of them that fails ends the shell, and with it the test.
        shell = ["bash", "-ec", commands]
        reactor.spawnProcess(daemon, shutil.which("bash"), shell, environment(), str(self.directory))
        self.addCleanup(daemon.stop)
        await daemon.ready()
        self.assertEqual(daemon.stdout.splitlines()[0], "OK")
        (key,) = re.findall(r"(?m)^aigw_[\w-]{32}$", daemon.stderr)
        self.assertNotIn("warning", daemon.stderr)
        call = block("sh", "export AIGW_KEY").replace("aigw_…", key)
        answer = await self.curl(call, daemon)
        self.assertEqual(answer["choices"][0]["message"]["content"], TEXT)
        sent = upstream.requests[0].json()
        self.assertEqual((sent["model"], sent["max_tokens"]), ("gpt-4o", 512))
        self.assertEqual(upstream.requests[0].header(b"authorization"), b"Bearer sk-own")

    async def test_a_mistake_is_named(self) -> None:
        """The mistake that the README shows is found where it says."""
        config = self.directory / "gateway.toml"
        text = block("toml", "[backends.openai]").replace("provider =", "providr =")
        config.write_text(text)
        checked = await self.run_program(
            ["python", "-m", "aigw.cli", "check", "gateway.toml"], {"OPENAI_API_KEY": "x"}, self.directory
        )
        self.assertEqual(checked.status, 1)
        self.assertEqual(f"$ aigw check gateway.toml\n{checked.stdout}{checked.stderr}", block("console", "aigw check"))
