"""The admin site: metrics, health, and a page that tells what is served. For a loopback listener, read-only."""

from __future__ import annotations

from html import escape
from typing import Any, Protocol

from twisted.web.resource import Resource

from aigw.metrics import Metrics

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>aigw</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222 }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #ddd }}
th {{ width: 14rem; font-weight: 600 }}
.bad {{ color: #b00 }}
</style></head>
<body><h1>aigw</h1>
<p>{state} · <a href="/metrics">metrics</a> · <a href="/healthz">healthz</a> · <a href="/readyz">readyz</a></p>
<table>{rows}</table></body></html>
"""


class State(Protocol):
    """What the site shows, provided by the gateway."""

    def ready(self) -> tuple[bool, str]:
        """Whether traffic should come, and why not."""

    def overview(self) -> dict[str, Any]:
        """Facts for the page, by title; no secrets."""


class _Page(Resource):
    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        status, kind, body = self.answer()
        request.setResponseCode(status)
        request.setHeader(b"content-type", kind)
        request.setHeader(b"cache-control", b"no-store")
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
        return 200, b"text/plain; charset=utf-8", b"ok\n"


class ReadyPage(_Page):
    """``/readyz``: 503 while draining, or with nothing to serve."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state

    def answer(self) -> tuple[int, bytes, bytes]:
        """See the class."""
        ready, reason = self._state.ready()
        return (200 if ready else 503), b"text/plain; charset=utf-8", reason.encode() + b"\n"


class StatusPage(_Page):
    """``/``: what is served, for a person."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state

    def answer(self) -> tuple[int, bytes, bytes]:
        """See the class."""
        ready, reason = self._state.ready()
        state = escape(reason) if ready else f'<strong class="bad">{escape(reason)}</strong>'
        rows = "".join(f"<tr><th>{escape(name)}</th><td>{_cell(v)}</td></tr>" for name, v in self._facts())
        return 200, b"text/html; charset=utf-8", _PAGE.format(state=state, rows=rows).encode()

    def _facts(self) -> list[tuple[str, Any]]:
        return list(self._state.overview().items())


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "<br>".join(f"{escape(str(key))}: {escape(str(one))}" for key, one in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(escape(str(one)) for one in value) or "none"
    return escape(str(value)) or "none"


class AdminRoot(Resource):
    """The admin site's root."""

    def __init__(self, metrics: Metrics, state: State) -> None:
        super().__init__()
        self.putChild(b"", StatusPage(state))
        self.putChild(b"metrics", MetricsPage(metrics))
        self.putChild(b"healthz", HealthPage())
        self.putChild(b"readyz", ReadyPage(state))
