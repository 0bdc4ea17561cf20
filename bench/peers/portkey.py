"""Portkey's open gateway, on Node.

What it does: reads a configuration out of a header of each request (provider, provider's key, address, a field to
override), checks its shape, rewrites the body and sends it on; the answer's body goes on as it came. What it does
not do: check keys. It has no consumers, each client has the provider's key and sends it, and a wrong key is refused by
the provider alone. It keeps no access log and no metrics and reads no usage.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import traffic
from bench.peers.peer import PLAIN, Setup, Target
from bench.processes import await_port, free_port, started
from bench.programs import CACHE, find, first_line

PACKAGE = "@portkey-ai/gateway"
VERSION = "1.15.2"
# It answers every stream with 500 ("TypeError: immutable") with newer versions of this dependency, which it asks
# for as ^1.3.3: https://github.com/Portkey-AI/gateway/issues/1389
PINNED = {"@hono/node-server": "1.13.8"}
REMEDY = "apt-get install nodejs npm"
_PLAIN = {"content-type": "application/json"}


class Portkey:
    """One process, as ``npx @portkey-ai/gateway`` starts it, installed by itself from npm."""

    name = "portkey"
    works = frozenset({"chat", "stream", "memory", "body"})
    slow = True

    def __init__(self) -> None:
        self._program = ""

    def obstacle(self) -> str | None:
        if not find("node") or not find("npm"):
            return f"node and npm are not installed: {REMEDY}"
        self._program = _private() or ""
        return None if self._program else f"npm cannot install {PACKAGE}@{VERSION}"

    def version(self) -> str:
        return f"{VERSION}, node {first_line(str(find('node')), '--version')}"

    @contextmanager
    def running(self, directory: Path, upstream: int, setup: Setup = PLAIN) -> Iterator[Target]:
        port = free_port()
        log = directory / "portkey.log"
        command = [str(find("node")), self._program, f"--port={port}", "--headless"]
        with started(command, cores=setup.cores, log=log, environ={"NODE_ENV": "production"}) as child:
            await_port(child, port, log)
            yield Target(
                self.name,
                port,
                child.pid,
                path=traffic.PROVIDER_PATH,
                headers=_PLAIN | _config(upstream, traffic.PROVIDER_KEY),
                strangers=(_PLAIN, _PLAIN | _config(upstream, "not-a-key")),
                refusals=(400, 401),
                temperature=traffic.OVERRIDDEN_TEMPERATURE,
                begun=child.begun,
            )


def _config(upstream: int, key: str) -> dict[str, str]:
    fields = {
        "provider": "openai",
        "api_key": key,
        "custom_host": f"http://127.0.0.1:{upstream}/v1",
        "override_params": {"temperature": float(traffic.OVERRIDDEN_TEMPERATURE)},
    }
    return {"x-portkey-config": json.dumps(fields)}


def _private() -> str | None:
    """The program under bench/.cache; None if it cannot be installed."""
    home = CACHE / "portkey"
    program, mark = home / "node_modules" / PACKAGE / "build" / "start-server.js", home / "installed"
    manifest = json.dumps({"private": True, "dependencies": {PACKAGE: VERSION}, "overrides": PINNED})
    if not mark.exists() or mark.read_text() != manifest:
        print(f"installing {PACKAGE}@{VERSION} into {home}", file=sys.stderr)
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text(manifest)
        # No package's own scripts: nothing here has to be built.
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
        try:
            subprocess.run([str(find("npm")), "install", "--prefix", str(home), *options], check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        mark.write_text(manifest)
    return str(program) if program.exists() else None
