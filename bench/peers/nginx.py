"""nginx as a gateway: a map of keys, proxy_pass to a kept-alive upstream. The usual ruler."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import certificates, traffic
from bench.nginx import configuration, nginx, obstacle
from bench.peers.peer import PLAIN, Setup, Target
from bench.processes import free_port
from bench.programs import find, first_line

_HTTP = """\
    map_hash_max_size 65536;
    map_hash_bucket_size 128;
    map $http_apikey $consumer {{
        default "";
{keys}
    }}
    upstream provider {{
        server 127.0.0.1:{upstream};
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout 300s;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096{tls};
        proxy_http_version 1.1;
        proxy_buffering off;
        proxy_set_header Connection "";
        proxy_set_header apikey "";
        proxy_set_header Authorization "Bearer {provider_key}";
{secured}
{locations}
    }}"""
_KEY = '        "{key}" "{name}";'
_LOCATION = """\
        location = {path} {{
            if ($consumer = "") {{ return 401; }}
            proxy_pass {scheme}://provider{provider_path};
        }}"""
_SECURED = """\
        ssl_certificate {chain};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        proxy_ssl_protocols TLSv1.2 TLSv1.3;
        proxy_ssl_trusted_certificate {authority};
        proxy_ssl_verify on;
        proxy_ssl_name {host};"""


class Nginx:
    """No access log."""

    name = "nginx"
    works = frozenset({"chat", "stream", "memory", "body", "tls", "growth", "start", "workers"})
    slow = False

    def obstacle(self) -> str | None:
        return obstacle()

    def version(self) -> str:
        return first_line(str(find("nginx")), "-v").removeprefix("nginx version: ")

    @contextmanager
    def running(self, directory: Path, upstream: int, setup: Setup = PLAIN) -> Iterator[Target]:
        port = free_port()
        with nginx(directory, port, _http(port, upstream, setup), setup.cores, setup.workers) as child:

            def reconfigure(changed: Setup) -> None:
                configuration(directory, _http(port, upstream, changed), changed.workers)
                os.kill(child.pid, signal.SIGHUP)

            yield Target(
                self.name,
                port,
                child.pid,
                certificates=setup.certificates,
                begun=child.begun,
                reconfigure=reconfigure,
            )


def _http(port: int, upstream: int, setup: Setup) -> str:
    names = [(traffic.consumer_key(number), f"consumer-{number}") for number in range(setup.consumers)]
    paths = [traffic.client_path(number) for number in range(setup.routes)]
    scheme = "https" if setup.certificates else "http"
    return _HTTP.format(
        port=port,
        upstream=upstream,
        keys="\n".join(_KEY.format(key=key, name=name) for key, name in names),
        tls=" ssl" if setup.certificates else "",
        secured=_secured(setup.certificates) if setup.certificates else "",
        provider_key=traffic.PROVIDER_KEY,
        locations="\n".join(
            _LOCATION.format(path=path, scheme=scheme, provider_path=traffic.PROVIDER_PATH) for path in paths
        ),
    )


def _secured(files: certificates.Certificates) -> str:
    return _SECURED.format(chain=files.chain, key=files.key, authority=files.authority, host=certificates.HOST)
