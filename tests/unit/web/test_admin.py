"""The admin site: what probes, Prometheus and a person get from it."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from treq.client import HTTPClient
from treq.testing import RequestTraversalAgent
from twisted.trial import unittest
from twisted.web.iweb import IResponse

from aigw.metrics import Metrics
from aigw.web.admin import AdminRoot

HOSTILE = "<script>alert('x')</script>&"


class FakeState:
    """A gateway as the site sees it."""

    def __init__(self) -> None:
        self.health = (True, "ok")
        self.readiness = (True, "ready")
        self.facts: Any = {}

    def healthy(self) -> tuple[bool, str]:
        return self.health

    def ready(self) -> tuple[bool, str]:
        return self.readiness

    def overview(self) -> Any:
        return self.facts


class AdminTests(unittest.TestCase):
    """Requests through a stock Site, in memory."""

    def setUp(self) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.state = FakeState()
        self.agent = RequestTraversalAgent(AdminRoot(self.metrics, self.state))
        self.client = HTTPClient(self.agent)

    def ask(self, path: str, method: str = "GET") -> tuple[IResponse, str]:
        response = self.successResultOf(self.client.request(method, f"http://127.0.0.1:9100{path}"))
        return response, self.successResultOf(response.text())

    def page(self, **facts: Any) -> str:
        self.state.facts = {title.replace("_", " "): fact for title, fact in facts.items()}
        response, body = self.ask("/")
        self.assertEqual(response.code, 200)
        return body

    def test_alive(self) -> None:
        """/healthz says so whatever /readyz says: a draining process must not be killed."""
        self.state.readiness = (False, "draining")
        response, body = self.ask("/healthz")
        self.assertEqual((response.code, body), (200, "ok\n"))

    def test_ready(self) -> None:
        """/readyz is 200 while traffic should come."""
        response, body = self.ask("/readyz")
        self.assertEqual((response.code, body), (200, "ready\n"))

    def test_not_ready(self) -> None:
        """503 with the reason when it should not, and again 200 afterwards: nothing is remembered."""
        self.state.readiness = (False, "draining")
        response, body = self.ask("/readyz")
        self.assertEqual((response.code, body), (503, "draining\n"))
        self.state.readiness = (True, "ready")
        self.assertEqual(self.ask("/readyz")[0].code, 200)

    def test_metrics(self) -> None:
        """/metrics is what Prometheus' own parser reads, under the content type that names the format."""
        self.metrics.route("chat").done("ann", "chat", 200, 0.001)
        response, body = self.ask("/metrics")
        self.assertEqual(response.headers.getRawHeaders("content-type"), ["text/plain; version=0.0.4; charset=utf-8"])
        samples = {
            sample.name: (sample.labels, sample.value)
            for family in text_string_to_metric_families(body)
            for sample in family.samples
        }
        labels = {"route": "chat", "consumer": "ann", "operation": "chat", "code": "200"}
        self.assertEqual(samples["aigw_requests_total"], (labels, 1.0))

    def test_query_makes_no_difference(self) -> None:
        """Prometheus may add parameters to what it scrapes."""
        self.assertEqual(self.ask("/metrics?name=x")[0].code, 200)

    def test_nothing_is_kept_by_caches(self) -> None:
        """An old readiness would be a wrong one."""
        for path in ("/", "/metrics", "/healthz", "/readyz"):
            self.assertEqual(self.ask(path)[0].headers.getRawHeaders("cache-control"), ["no-store"], path)

    def test_head(self) -> None:
        """Probes that ask with HEAD get the status without the body."""
        self.state.readiness = (False, "draining")
        response, body = self.ask("/readyz", "HEAD")
        self.assertEqual((response.code, body), (503, ""))

    def test_read_only(self) -> None:
        """Nothing can be changed here: other methods are refused everywhere."""
        for path in ("/", "/metrics", "/healthz", "/readyz"):
            for method in ("POST", "PUT", "DELETE"):
                # Twisted's word for a method that the resource lacks, and for one that it does not know at all.
                self.assertIn(self.ask(path, method)[0].code, (405, 501), f"{method} {path}")

    def test_unknown_paths(self) -> None:
        """404, below the known ones too."""
        for path in ("/metrics/x", "/healthz/", "/config", "/readyz/../metrics/x"):
            self.assertEqual(self.ask(path)[0].code, 404, path)

    def test_facts_on_the_page(self) -> None:
        """Text, numbers, lists and tables are shown; what is empty says none."""
        body = self.page(
            version="1.2", connections=7, models=["a", "b"], backends={"openai": "openai"}, consumers=[], routes={}
        )
        for row in (
            "<th>version</th><td>1.2</td>",
            "<th>connections</th><td>7</td>",
            "<th>models</th><td>a, b</td>",
            "<th>backends</th><td>openai: openai</td>",
            "<th>consumers</th><td>none</td>",
            "<th>routes</th><td>none</td>",
        ):
            self.assertIn(row, body)

    def test_zero_is_shown(self) -> None:
        """No connection is a fact, not a missing one."""
        self.assertIn("<td>0</td>", self.page(connections=0))

    def test_times_can_be_read(self) -> None:
        """Points in time are dates, not seconds since 1970."""
        self.assertIn("<td>2026-11-21 09:00:00 UTC</td>", self.page(loaded=1795251600.25))

    def test_reload_error_stands_out(self) -> None:
        """A configuration that was refused is marked; none is not."""
        self.assertIn('<td class="bad">gateway.toml:3: x</td>', self.page(last_reload_error="gateway.toml:3: x"))
        self.assertIn("<td>none</td>", self.page(last_reload_error=""))

    def test_state_on_the_page(self) -> None:
        """The page says whether it is ready, and marks it when it is not."""
        self.assertIn("<strong>ready</strong>", self.page())
        self.state.readiness = (False, "draining")
        self.assertIn('<strong class="bad">draining</strong>', self.page())

    def test_everything_is_escaped(self) -> None:
        """Whatever a name holds, it is text on the page."""
        self.state.readiness = (False, HOSTILE)
        body = self.page(**{HOSTILE: HOSTILE}, models=[HOSTILE], backends={HOSTILE: HOSTILE}, last_reload_error=HOSTILE)
        self.assertNotIn("<script", body)
        self.assertNotIn("alert('x')", body)
        self.assertEqual(body.count("&lt;script&gt;"), 8)

    def test_nothing_on_the_page_runs(self) -> None:
        """The second net under the escaping."""
        policy = self.ask("/")[0].headers.getRawHeaders("content-security-policy")
        self.assertEqual(policy, ["default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"])

    def test_braces_and_odd_text(self) -> None:
        """Braces are no placeholders of the page's template, and text that is not Unicode does not break it."""
        self.assertIn("<td>{title} \\udcff</td>", self.page(configuration="{title} \udcff"))
