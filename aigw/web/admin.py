"""The admin site: metrics, health, and a page that tells what is served. Read-only, without secrets, without keys to
get in: it belongs on loopback or on a network of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from html import escape
from typing import Any, Protocol

from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

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
_EXPOSITION = b"text/plain; version=0.0.4; charset=utf-8"

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

    def healthy(self) -> tuple[bool, str]:
        """Whether all is well enough not to start anew, and one line that says so or says why not."""

    def ready(self) -> tuple[bool, str]:
        """Whether traffic should come, and one line that says so or says why not."""

    def overview(self) -> Mapping[str, Any] | Deferred[Mapping[str, Any]]:
        """Facts for the page, by title: text, numbers, lists, or tables of one level. No secrets."""


class Exposition(Protocol):
    """Where the metrics come from."""

    def render(self) -> bytes | Deferred[bytes]:
        """All of them, in Prometheus' text format."""


#: Status, content type, body.
Answer = tuple[int, bytes, bytes]


class _Page(Resource):
    _log = Logger()

    def render_GET(self, request: Any) -> int:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        answering: Deferred[Any] = maybeDeferred(self.answer)
        answering.addErrback(self._failed)
        answering.addCallback(self._send, request, gone)
        return NOT_DONE_YET

    def _failed(self, failure: Failure) -> Answer:
        self._log.failure("a page of the admin site failed", failure)
        return 500, _TEXT, b"this page failed; the daemon's log says why\n"

    def _send(self, answer: Answer, request: Any, gone: list[object]) -> None:
        if gone:
            return
        status, kind, body = answer
        request.setResponseCode(status)
        request.setHeader(b"content-type", kind)
        request.setHeader(b"content-length", b"%d" % len(body))
        for name, value in _HEADERS:
            request.setHeader(name, value)
        if request.method != b"HEAD":
            request.write(body)
        request.finish()

    def answer(self) -> Answer | Deferred[Answer]:
        """What is answered."""
        raise AssertionError("each page has its own answer")


class MetricsPage(_Page):
    """``/metrics`` in Prometheus' text format."""

    def __init__(self, metrics: Exposition) -> None:
        super().__init__()
        self._metrics = metrics

    @inlineCallbacks
    def answer(self) -> Any:
        """See the class."""
        text = yield maybeDeferred(self._metrics.render)
        return 200, _EXPOSITION, text


class _VerdictPage(_Page):
    """A line that says whether all is well, as a status."""

    def __init__(self, verdict: Callable[[], tuple[bool, str]]) -> None:
        super().__init__()
        self._verdict = verdict

    def answer(self) -> Answer:
        """See the class."""
        good, words = self._verdict()
        return (200 if good else 503), _TEXT, words.encode() + b"\n"


class StatusPage(_Page):
    """``/``: what is served, for a person."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state

    @inlineCallbacks
    def answer(self) -> Any:
        """See the class."""
        facts = yield maybeDeferred(self._state.overview)
        ready, reason = self._state.ready()
        rows = "\n".join(_row(title, fact) for title, fact in facts.items())
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
    """The admin site's root, for an :class:`~aigw.web.admin_site.AdminSite`."""

    def __init__(self, metrics: Exposition, state: State) -> None:
        super().__init__()
        self.putChild(b"", StatusPage(state))
        self.putChild(b"metrics", MetricsPage(metrics))
        # Alive, since it answers, unless the gateway itself thinks otherwise.
        self.putChild(b"healthz", _VerdictPage(state.healthy))
        # 503 while draining, or with nothing to serve.
        self.putChild(b"readyz", _VerdictPage(state.ready))
