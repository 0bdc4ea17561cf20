"""nginx as a gateway: a map of keys, proxy_pass to a kept-alive upstream. The usual ruler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import traffic
from bench.nginx import nginx, obstacle
from bench.peers.peer import Target
from bench.plan import GATEWAY_CORE
from bench.processes import free_port
from bench.programs import find, first_line

_HTTP = """\
    map $http_apikey $consumer {{
        default "";
        "{consumer_key}" "bench";
    }}
    upstream provider {{
        server 127.0.0.1:{upstream};
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout 300s;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = {client_path} {{
            if ($consumer = "") {{ return 401; }}
            proxy_pass http://provider{provider_path};
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_set_header Connection "";
            proxy_set_header apikey "";
            proxy_set_header Authorization "Bearer {provider_key}";
        }}
    }}"""


class Nginx:
    """One worker, no access log."""

    name = "nginx"

    def obstacle(self) -> str | None:
        return obstacle()

    def version(self) -> str:
        return first_line(str(find("nginx")), "-v").removeprefix("nginx version: ")

    @contextmanager
    def running(self, directory: Path, upstream: int) -> Iterator[Target]:
        port = free_port()
        http = _HTTP.format(
            port=port,
            upstream=upstream,
            consumer_key=traffic.CONSUMER_KEY,
            provider_key=traffic.PROVIDER_KEY,
            client_path=traffic.CLIENT_PATH,
            provider_path=traffic.PROVIDER_PATH,
        )
        with nginx(directory, port, http, GATEWAY_CORE) as child:
            yield Target(self.name, port, child.pid)
