"""Starting nginx in the foreground: as the upstream of the chat work and as a peer."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import await_port, started
from bench.programs import find, need

REMEDY = "apt-get install nginx-light"

_FRAME = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {directory}/nginx.pid;
error_log stderr warn;
{user}
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    tcp_nodelay on;
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


@contextmanager
def nginx(directory: Path, port: int, http: str, core: int) -> Iterator[subprocess.Popen[bytes]]:
    """One nginx worker with this ``http`` block, listening on ``port``.

    :raises BenchError: nginx is not there or does not start.
    """
    # A worker that root starts becomes "nobody" otherwise, who may not enter our temporary directory.
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    config = directory / "nginx.conf"
    config.write_text(_FRAME.format(directory=directory, user=user, http=http))
    log = directory / "nginx.log"
    command = [need("nginx", REMEDY), "-p", str(directory), "-e", str(log), "-c", str(config)]
    with started(command, core=core, log=log) as child:
        await_port(child, port, log)
        yield child
