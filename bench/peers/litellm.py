"""LiteLLM's proxy: the gateway in Python that most people have.

What it does: looks at the key (its master key; without a database it has no other), finds the model in its list,
rewrites the body with the provider's key and model, reads the usage and works out what the answer cost, writes the
answer anew. What it does not do here: an access log beyond uvicorn's line, metrics, overriding a field (the
client's temperature wins). A wrong key is 400 and no key 500 instead of 401, as it looks for the database that it
does not have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import traffic
from bench.peers.peer import PLAIN, Setup, Target
from bench.processes import await_port, free_port, started
from bench.programs import first_line, private

# Pinned, so that two machines compare with the same peer.
VERSION = "1.106.2"
PACKAGE = f"litellm[proxy]=={VERSION}"
_SECRET_VARIABLE = "AIGW_BENCH_PROVIDER_KEY"
_KEY = f"sk-{traffic.CONSUMER_KEY}"  # it wants its keys to begin so
_PLAIN = {"content-type": "application/json"}
# Without these it fetches its list of prices, looks for updates and reports its use.
_ENVIRON = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "NO_DOCS": "True",
    _SECRET_VARIABLE: traffic.PROVIDER_KEY,
}


class LiteLLM:
    """One worker of uvicorn, as ``litellm --config`` starts it, installed by itself from PyPI."""

    name = "litellm"
    works = frozenset({"chat", "stream", "memory", "body"})
    slow = True

    def __init__(self) -> None:
        self._program = ""

    def obstacle(self) -> str | None:
        self._program = private("litellm", PACKAGE, "litellm") or ""
        return None if self._program else f"pip cannot install {PACKAGE}"

    def version(self) -> str:
        python = str(Path(self._program).parent / "python")
        code = "import importlib.metadata as m; print(m.version('litellm'), 'uvicorn', m.version('uvicorn'))"
        return first_line(python, "-I", "-c", code)

    @contextmanager
    def running(self, directory: Path, upstream: int, setup: Setup = PLAIN) -> Iterator[Target]:
        port = free_port()
        config, log = directory / "litellm.json", directory / "litellm.log"
        config.write_text(json.dumps(_config(upstream)))  # JSON is YAML, too
        options = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1", "--telemetry", "False"]
        options += ["--keepalive_timeout", "75"]  # 5 seconds otherwise, too few for connections that are to stay
        command = [self._program, "--config", str(config), *options]
        with started(command, cores=setup.cores, log=log, environ=_ENVIRON) as child:
            await_port(child, port, log)
            yield Target(
                self.name,
                port,
                child.pid,
                path=traffic.PROVIDER_PATH,
                headers=_PLAIN | {"authorization": f"Bearer {_KEY}"},
                strangers=(_PLAIN, _PLAIN | {"authorization": "Bearer sk-not-a-key"}),
                refusals=(400, 401, 500),
                reading="rewritten",
                begun=child.begun,
            )


def _config(upstream: int) -> dict[str, object]:
    provider = {
        "model": "openai/gpt-4o",
        "api_base": f"http://127.0.0.1:{upstream}/v1",
        "api_key": f"os.environ/{_SECRET_VARIABLE}",
    }
    return {
        "model_list": [{"model_name": "gpt-4o", "litellm_params": provider}],
        "general_settings": {"master_key": _KEY},
    }
