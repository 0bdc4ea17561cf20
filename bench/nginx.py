"""Starting nginx in the foreground: as the upstream of the chat work and as a peer."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.processes import Child, await_port, started
from bench.programs import find, need

REMEDY = "apt-get install nginx-light"

_FRAME = """\
daemon off;
worker_processes {workers};
worker_rlimit_nofile 20000;
pid {directory}/nginx.pid;
error_log stderr warn;
{user}
events {{ worker_connections 19000; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    tcp_nodelay on;
    client_max_body_size 32m;
    client_body_buffer_size 2m;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{http}
}}
"""


def obstacle() -> str | None:
    """Why nginx cannot run here."""
    return None if find("nginx") else f"nginx is not installed: {REMEDY}"


def configuration(directory: Path, http: str, workers: int = 1) -> None:
    """Write ``nginx.conf`` with this ``http`` block."""
    # A worker that root starts becomes "nobody" otherwise, who may not enter our temporary directory.
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    text = _FRAME.format(directory=directory, user=user, http=http, workers=workers)
    (directory / "nginx.conf").write_text(text)


@contextmanager
def nginx(directory: Path, port: int, http: str, cores: Sequence[int], workers: int = 1) -> Iterator[Child]:
    """nginx with this ``http`` block, listening on ``port``.

    :raises BenchError: nginx is not there or does not start.
    """
    configuration(directory, http, workers)
    log = directory / "nginx.log"
    command = [need("nginx", REMEDY), "-p", str(directory), "-e", str(log), "-c", str(directory / "nginx.conf")]
    with started(command, cores=cores, log=log) as child:
        await_port(child, port, log)
        yield child
