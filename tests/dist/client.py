"""Other people's clients, set up as ``docs/clients.md`` says, in front of the real daemon and scripted providers.

Theory of operation. The page is what is tested: its ``gateway.toml`` is what the daemon serves, and each client gets
the environment and the files of its section, word for word but for the port. :class:`Page` reads them;
:class:`ClientTestCase` gives a client an empty home, and has each provider answer in its own dialect. The clients
themselves, in the versions that ``tests/dist/clients`` pins, are where ``make clients`` puts them: ``.clients`` in the
checkout.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

import attrs
from twisted.internet import reactor

from aigw.testing import Answer, ReceivedRequest, ScriptedUpstream, Step, anthropic, chat, cohere, gemini, mistral
from aigw.testing.said import Called, Said
from tests.dist.daemon import CHECKOUT, Daemon, DaemonTestCase, Finished

CLIENTS = CHECKOUT / ".clients"
PYTHON = CLIENTS / "python" / "bin"
NPM = CLIENTS / "node_modules" / ".bin"
#: What the page calls the gateway and its consumer's key.
ADDRESS, KEY = "127.0.0.1:8000", "aigw-key"
PROVIDERS: Mapping[str, ModuleType] = {
    "openai": chat,
    "anthropic": anthropic,
    "gemini": gemini,
    "mistral": mistral,
    "cohere": cohere,
}
SECRETS = {"openai": "OPENAI", "anthropic": "ANTHROPIC", "gemini": "GEMINI", "mistral": "MISTRAL", "cohere": "CO"}
#: What providers expect behind their host, where it is not part of the path of each call.
_VERSIONED = ("openai", "anthropic", "mistral")


@attrs.frozen
class Page:
    """One section of ``docs/clients.md``.

    :ivar text: its Markdown, without the heading.
    """

    text: str

    @classmethod
    def of(cls, heading: str) -> Page:
        """The section under ``## heading``; what stands above the first one under the title of the page."""
        page = (CHECKOUT / "docs" / "clients.md").read_text()
        sections = dict(re.findall(r"^##? ([^\n]+)\n(.*?)(?=^## |\Z)", page, re.M | re.S))
        return cls(sections[heading])

    def blocks(self, language: str) -> list[str]:
        """Its code blocks of one language, those at the left margin: indented ones are for some readers only."""
        return re.findall(rf"^```{language}\n(.*?)^```$", self.text, re.M | re.S)

    def exports(self) -> dict[str, str]:
        """The environment that its shell blocks make."""
        return dict(re.findall(r"^export (\w+)=(.*)$", "".join(self.blocks("sh")), re.M))

    def files(self) -> dict[str, str]:
        """Each block that a paragraph beginning "In `NAME`" introduces, by that name."""
        introduced = r"^In `([^`]+)`[^\n]*(?:\n[^\n]+)*:\n\n```\w+\n(.*?)^```$"
        return dict(re.findall(introduced, self.text, re.M | re.S))


def gateway(urls: Mapping[str, str]) -> str:
    """The page's ``gateway.toml``, each provider at the URL of this name."""
    (text,) = Page.of("Clients").blocks("toml")
    return re.sub(r'provider = "(\w+)"\n', lambda match: f'{match[0]}url = "{urls[match[1]]}"\n', text)


def agent(provider: ModuleType, call: Called, result: str, text: str) -> Answer:
    """A model that calls a tool, and says ``text`` when the result has come: when a request contains ``result``.

    Requests without tools (for a title, for a summary) are answered in words at once. Where the tool has run
    and its result is another, the answer says so instead of calling again for ever.
    """

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        if result.encode() in request.body:
            said = Said(text=text)
        elif call.id.encode() in request.body:
            said = Said(text="That was not what the tool was to say.")
        elif not request.fields().get("tools"):
            said = Said(text="A title")
        else:
            said = Said(text="", calls=(call,))
        steps: Iterable[Step] = provider.answer(said)(request)
        return steps

    return answered


class ClientTestCase(DaemonTestCase):
    """A daemon on the page's own configuration, scripted providers behind it, and a home for the client."""

    timeout = 300

    def setUp(self) -> None:
        super().setUp()
        if not (CLIENTS / ".installed").exists():
            self.fail("the clients are not installed: `make clients` does it")

    async def start(self, more: str = "") -> Daemon:
        """The gateway of the page. Every provider says :data:`~aigw.testing.openai.TEXT` until told otherwise.

        :param more: tables of ``gateway.toml`` in addition to the page's.
        """
        self.upstreams: dict[str, ScriptedUpstream] = {}
        urls: dict[str, str] = {}
        for name, provider in PROVIDERS.items():
            upstream = self.upstreams[name] = ScriptedUpstream(reactor)
            upstream.standing = provider.answer(Said())
            upstream.listen()
            self.addCleanup(upstream.stop)
            urls[name] = upstream.url if name in _VERSIONED else upstream.url.removesuffix("/v1")
        keys = {f"{prefix}_API_KEY": f"{name}-secret" for name, prefix in SECRETS.items()}
        self.daemon = await self.start_daemon(gateway(urls) + more, keys)
        return self.daemon

    def here(self, text: str, key: str = KEY) -> str:
        """Some text of the page with this daemon's address, and perhaps another key."""
        return text.replace(ADDRESS, f"127.0.0.1:{self.daemon.port}").replace(KEY, key)

    async def run_client(
        self,
        heading: str,
        command: list[str],
        *,
        key: str = KEY,
        more: Mapping[str, str] = {},
        folder: pathlib.Path | None = None,
    ) -> Finished:
        """Run a client that is set up as its section says.

        :param command: the program, which is looked for among the installed clients first, and its arguments.
        :param more: variables of the environment in addition to the section's.
        :param folder: where it works; :attr:`workspace` unless told otherwise.
        """
        page = Page.of(heading)
        home = self.fresh_directory("home")
        for name, text in page.files().items():
            file = home / name.removeprefix("~/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.here(text, key))
        env = {name: self.here(value, key) for name, value in page.exports().items()}
        path = os.pathsep.join((str(NPM), str(PYTHON), os.environ.get("PATH", os.defpath)))
        return await self.run_program(
            command, {"HOME": str(home), "PATH": path, **env, **more}, folder or self.workspace
        )

    @property
    def workspace(self) -> pathlib.Path:
        """Where the client works: a folder with one file, ``note.txt``."""
        folder = self.directory / "workspace"
        if not folder.exists():
            folder.mkdir()
            (folder / "note.txt").write_text(NOTE + "\n")
        return folder

    def asked(self, provider: str) -> list[dict[str, Any]]:
        """The bodies that a provider got; of the consumer's key it has nothing."""
        requests = self.upstreams[provider].requests
        for request in requests:
            self.assertNotIn(KEY, repr((request.target, request.headers, request.body)))
        return [request.fields() for request in requests]


#: What a tool is to find in ``note.txt``.
NOTE = "The password is swordfish."
