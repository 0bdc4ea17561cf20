"""The admin site: metrics, health, and a page that tells what is served. Read-only, without secrets, without keys to
get in: it belongs on loopback or on a network of its own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from html import escape
from typing import Any, Protocol

from twisted.web.resource import Resource
from twisted.web.server import Site

from aigw.metrics import Metrics

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>aigw: {title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #8884 }}
th {{ width: 14rem; font-weight: 600 }}
td {{ overflow-wrap: anywhere; white-space: pre-line }}
.bad {{ color: #d33 }}
</style></head>
<body><h1>aigw</h1>
<p><strong{mark}>{title}</strong> ·
<a href="/metrics">metrics</a> · <a href="/healthz">healthz</a> · <a href="/readyz">readyz</a></p>
<table>
{rows}
</table></body></html>
"""

_TEXT = b"text/plain; charset=utf-8"

#: The page shows names from the configuration; should one ever get past the escaping, it still runs nothing.
_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
)

#: Facts that are points in time (Unix time), and the one that should be empty.
_TIMES = frozenset(("loaded", "started"))
_TROUBLE = frozenset(("last reload error",))


class State(Protocol):
    """What the site shows, provided by the gateway."""

    def ready(self) -> tuple[bool, str]:
        """Whether traffic should come, and one line that says so or says why not."""

    def overview(self) -> Mapping[str, Any]:
        """Facts for the page, by title: text, numbers, lists, or tables of one level. No secrets."""


class _Page(Resource):
    def render_GET(self, request: Any) -> bytes:
        status, kind, body = self.answer()
        request.setResponseCode(status)
        request.setHeader(b"content-type", kind)
        for name, value in _HEADERS:
            request.setHeader(name, value)
        return body

    def answer(self) -> tuple[int, bytes, bytes]:
        """Status, content type, body."""
        raise AssertionError("each page has its own answer")


class MetricsPage(_Page):
    """``/metrics`` in Prometheus' text format."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def answer(self) -> tuple[int, bytes, bytes]:
        """See the class."""
        return 200, b"text/plain; version=0.0.4; charset=utf-8", self._metrics.render()


class HealthPage(_Page):
    """``/healthz``: the event loop turns, since it answers."""

    def answer(self) -> tuple[int, bytes, bytes]:
        """See the class."""
        return 200, _TEXT, b"ok\n"


class ReadyPage(_Page):
    """``/readyz``: 503 while draining, or with nothing to serve."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state

    def answer(self) -> tuple[int, bytes, bytes]:
        """See the class."""
        ready, reason = self._state.ready()
        return (200 if ready else 503), _TEXT, reason.encode() + b"\n"


class StatusPage(_Page):
    """``/``: what is served, for a person."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state

    def answer(self) -> tuple[int, bytes, bytes]:
        """See the class."""
        ready, reason = self._state.ready()
        rows = "\n".join(_row(title, fact) for title, fact in self._state.overview().items())
        page = _PAGE.format(title=escape(reason), mark="" if ready else ' class="bad"', rows=rows)
        return 200, b"text/html; charset=utf-8", page.encode("utf-8", "backslashreplace")


def _row(title: str, fact: Any) -> str:
    mark = ' class="bad"' if title in _TROUBLE and fact else ""
    if title in _TIMES:
        fact = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(fact))
    return f"<tr><th>{escape(title)}</th><td{mark}>{_cell(fact)}</td></tr>"


def _cell(fact: Any) -> str:
    if isinstance(fact, Mapping):
        return "<br>".join(f"{escape(str(name))}: {escape(str(one))}" for name, one in fact.items()) or "none"
    if isinstance(fact, list | tuple):
        return ", ".join(escape(str(one)) for one in fact) or "none"
    return escape(str(fact)) or "none"


class AdminRoot(Resource):
    """The admin site's root, for an :class:`AdminSite`."""

    def __init__(self, metrics: Metrics, state: State) -> None:
        super().__init__()
        self.putChild(b"", StatusPage(state))
        self.putChild(b"metrics", MetricsPage(metrics))
        self.putChild(b"healthz", HealthPage())
        self.putChild(b"readyz", ReadyPage(state))


class AdminSite(Site):
    """Twisted's site without its access log: a line for each scrape and each probe would be all that is ever in it."""

    def log(self, request: object) -> None:
        """Not a word."""
