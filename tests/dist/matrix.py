"""Every pair of a client's operation and a provider: what holds for it, the daemon that serves all, the page's table.

One daemon serves all pairs, since starting it takes longer than what is tested with it. It is started for the first
test that needs it and ended with the process; each test plays the provider on the one port that all backends name.

``python -m tests.dist.matrix`` puts the table into the page.
"""

from __future__ import annotations

import atexit
import functools
import pathlib
import subprocess
import tempfile
import time
import urllib.request
from typing import Any

import anthropic as anthropic_sdk
import attrs
import openai

from aigw.llm.providers import PROVIDERS
from aigw.testing import anthropic, bedrock, chat, cohere, gemini, mistral, ollama
from tests.dist.daemon import CHECKOUT, SCRIPTS, DaemonTestCase, environment, free_port, moved

PAGE = CHECKOUT / "docs" / "providers" / "README.md"
BEGIN, END = "<!-- matrix: checked by tests/dist/test_matrix.py -->\n", "<!-- matrix ends -->\n"

#: The fronts, as the page's columns have them, with what each pair's tests show.
FRONTS: dict[str, tuple[str, ...]] = {
    "chat": ("text", "stream", "tools", "structured", "thoughts", "errors", "failing", "cut"),
    "responses": ("text", "stream", "tools", "structured", "thoughts", "errors", "failing", "cut"),
    "completions": ("text", "stream", "errors"),
    "embeddings": ("vectors", "errors"),
    "messages": ("text", "stream", "tools", "thoughts", "errors", "failing", "cut"),
    "count_tokens": ("count",),
}


@attrs.frozen
class Backend:
    """A provider of the matrix.

    :ivar plays: what answers as it does; a module of :mod:`aigw.testing`.
    :ivar settings: of its table in the configuration; ``{port}`` is the scripted upstream's.
    :ivar model: what it is asked for; one that thinks.
    :ivar native: the operations that pass byte for byte.
    :ivar provider: its name in the configuration, where the row has another.
    :ivar estimated: it cannot be asked for a count of tokens.
    :ivar lacks: operations that it has nothing for, and what of the others cannot hold (``FRONT.FEATURE``).
    """

    plays: Any
    settings: str
    model: str
    native: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    embedding_model: str = "embed"
    estimated: bool = True
    provider: str | None = None

    def lacks_feature(self, front: str, feature: str) -> bool:
        return f"{front}.{feature}" in self.lacks


_OPENAI = frozenset(("chat", "responses", "completions", "embeddings"))
#: Chats tell no thoughts at OpenAI itself, responses do.
_NO_THOUGHTS = frozenset(("chat.thoughts", "messages.thoughts"))

BACKENDS: dict[str, Backend] = {
    "openai": Backend(chat, 'url = "http://127.0.0.1:{port}/v1"', "gpt-5.1", _OPENAI, _NO_THOUGHTS),
    "azure": Backend(chat, 'url = "http://127.0.0.1:{port}/openai/v1"', "gpt-5.1", _OPENAI, _NO_THOUGHTS),
    "openai-compatible": Backend(
        chat,
        'url = "http://127.0.0.1:{port}/v1"\noperations = ["chat", "embeddings"]',
        "qwen3",
        frozenset(("chat", "embeddings")),
    ),
    "anthropic": Backend(
        anthropic,
        'url = "http://127.0.0.1:{port}"',
        "claude-sonnet-4-5",
        frozenset(("messages", "count_tokens")),
        frozenset(("embeddings",)),
        estimated=False,
    ),
    "gemini": Backend(gemini, 'url = "http://127.0.0.1:{port}"', "gemini-2.5-flash", estimated=False),
    "vertex": Backend(
        gemini,
        'url = "http://127.0.0.1:{port}"\nproject = "project-1"\nlocation = "europe-west4"',
        "gemini-2.5-flash",
        embedding_model="text-embedding-005",
        estimated=False,
    ),
    "vertex-claude": Backend(
        anthropic,
        'url = "http://127.0.0.1:{port}"\nproject = "project-1"\nlocation = "europe-west4"',
        "claude-sonnet-4-5@20250929",
        native=frozenset(("messages",)),
        lacks=frozenset(("embeddings",)),
        estimated=False,
        provider="vertex",
    ),
    "mistral": Backend(mistral, 'url = "http://127.0.0.1:{port}/v1"', "magistral-medium-latest"),
    "bedrock": Backend(
        bedrock,
        'url = "http://127.0.0.1:{port}"\nregion = "eu-central-1"',
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        embedding_model="cohere.embed-multilingual-v3",
        estimated=False,
    ),
    "cohere": Backend(cohere, 'url = "http://127.0.0.1:{port}"', "command-a-reasoning-08-2025"),
    "ollama": Backend(ollama, 'url = "http://127.0.0.1:{port}"', "qwen3"),
}

#: Those that this version can call.
AVAILABLE = {name: backend for name, backend in BACKENDS.items() if PROVIDERS[backend.provider or name].available}


# -- the page


def table() -> str:
    """The page's table, from the data that the tests are made of."""
    lines = ["| backend | " + " | ".join(f"`{front}`" for front in FRONTS) + " |", "|---" * (len(FRONTS) + 1) + "|"]
    for name, backend in AVAILABLE.items():
        row = f"`{backend.provider or name}`" + (f", {backend.model}" if backend.provider else "")
        lines.append(f"| {row} | " + " | ".join(_cell(backend, front) for front in FRONTS) + " |")
    return "\n".join(lines) + "\n"


def _cell(backend: Backend, front: str) -> str:
    if front in backend.lacks:
        return "—"
    without = [feature for feature in FRONTS[front] if backend.lacks_feature(front, feature)]
    said = "native" if front in backend.native else "translated"
    if front == "count_tokens" and backend.estimated:
        said = "estimated"
    return said + (f", no {', '.join(without)}" if without else "")


def table_on_the_page() -> str:
    """What stands there."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0].strip() + "\n"


# -- the daemon


@attrs.frozen
class Served:
    """The daemon that serves the matrix, and the port on which it expects its providers."""

    url: str
    upstream_port: int


def served() -> Served:
    """The daemon, started with the first call, which blocks until it is ready.

    :raises AssertionError: it would not start; that is tried once.
    """
    started = _started()
    if isinstance(started, AssertionError):
        raise started
    return started


@functools.cache
def _started() -> Served | AssertionError:
    directory = pathlib.Path(tempfile.mkdtemp(prefix="aigw-matrix-"))
    port, admin, upstream = free_port(), free_port(), free_port()
    config = directory / "gateway.toml"
    config.write_text(_configuration(port, admin, upstream))
    log = (directory / "log").open("wb")
    command = [str(SCRIPTS / "twistd"), "--nodaemon", "--pidfile=", "aigw", "-c", str(config)]
    daemon = subprocess.Popen(command, cwd=directory, env=environment(), stdout=log, stderr=log)
    log.close()
    atexit.register(_stop, daemon)
    if not _is_ready(daemon, f"http://127.0.0.1:{admin}/readyz"):
        return AssertionError(f"the daemon is not ready:\n{(directory / 'log').read_text()}")
    return Served(f"http://127.0.0.1:{port}", upstream)


def _configuration(port: int, admin: int, upstream: int) -> str:
    parts = [
        moved("", port, admin, DaemonTestCase.workers),
        '[consumers.tester]\nkeys = ["tester-key"]\n',
    ]
    for name, backend in AVAILABLE.items():
        settings = backend.settings.format(port=upstream)
        for route, model in ((name, backend.model), (f"{name}-embed", backend.embedding_model)):
            parts.append(f'[backends.{route}]\nprovider = "{backend.provider or name}"\n{settings}\nmodel = "{model}"')
            parts.append('auth = { inline = "sk-provider" }\nretry_budget = 0.0\n')
            parts.append(f'[routes.{route}]\npaths = ["/{route}"]\nbackend = "{route}"\n')
    return "\n".join(parts)


def _is_ready(daemon: subprocess.Popen[bytes], url: str) -> bool:
    """Wait for it."""
    deadline = time.monotonic() + 60
    while daemon.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status == 200
        except OSError:
            time.sleep(0.05)
    return False


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(10)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


# -- its clients


@functools.cache
def openai_client(route: str) -> openai.OpenAI:
    """OpenAI's SDK at a route."""
    client = openai.OpenAI(base_url=f"{served().url}/{route}/v1", api_key="tester-key", max_retries=0, timeout=30)
    atexit.register(client.close)
    return client


@functools.cache
def anthropic_client(route: str) -> anthropic_sdk.Anthropic:
    """Anthropic's SDK at a route."""
    url = f"{served().url}/{route}"
    client = anthropic_sdk.Anthropic(base_url=url, api_key="tester-key", max_retries=0, timeout=30)
    atexit.register(client.close)
    return client


def write_table() -> None:
    """Put the table where it belongs on the page, at its end if it has no place there yet."""
    page = PAGE.read_text()
    if BEGIN not in page:
        page += f"\n{BEGIN}{END}"
    before, begin, rest = page.partition(BEGIN)
    PAGE.write_text(f"{before}{begin}\n{table()}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    write_table()
