"""Which header fields go on, up and down: the lists, their documentation, what is made of names with underscores."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

import aigw
from aigw.consumers.key_filter import KeyFilter
from aigw.http.headers import Header
from aigw.http.request_head import SINGLETONS
from aigw.llm.providers import PROVIDERS
from aigw.proxy import forwarding
from aigw.proxy.forwarding import NEVER_DOWNSTREAM, NEVER_UPSTREAM, PLAIN, PLAIN_DOWN, stays_here
from aigw.proxy.relay import ResponseHead
from tests.unit.proxy.fakes import FakeUpstream, make_plan

#: What clients of the SDKs, of Codex and Claude Code, of Bedrock, Gemini and Azure send, and providers want.
WANTED = (
    *(
        b"content-type",
        b"accept",
        b"user-agent",
        b"anthropic-version",
        b"anthropic-beta",
        b"openai-beta",
        b"session_id",
    ),
    *(b"session-id", b"thread_id", b"originator", b"x-app", b"x-claude-code-session-id", b"idempotency-key", b"range"),
    *(b"traceparent", b"baggage", b"x-b3-traceid", b"x-amzn-trace-id", b"x-title", b"http-referer", b"x-my-app"),
    *(b"x-amzn-bedrock-guardrailidentifier", b"x-amzn-bedrock-trace", b"amz-sdk-request", b"x-amz-user-agent"),
    *(
        b"x-goog-api-client",
        b"x-goog-fieldmask",
        b"x-goog-upload-protocol",
        b"x-goog-upload-command",
        b"x-server-timeout",
    ),
    *(b"x-ms-client-request-id", b"if-none-match", b"mcp-session-id", b"x-user-id", b"x-realm", b"cfx", b"security"),
)


def sent(*headers: Header, **plan: object) -> dict[bytes, bytes]:
    """What of a client's headers the upstream gets."""
    made = make_plan(FakeUpstream(), **plan).payload(b"POST", b"/", headers, b"{}", "id", None)
    lines = made.data.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return {name: value for name, _, value in (line.partition(b": ") for line in lines)}


def words(lists: object) -> list[str]:
    """The names of some lists, as they are written there."""
    assert isinstance(lists, dict)
    return " ".join(lists.values()).split()


class UpTests(unittest.TestCase):
    """Requests."""

    def assert_stays(self, *names: bytes) -> None:
        for name in names:
            self.assertNotIn(name, sent((name, b"evil")), name)

    def test_each_of_the_list(self) -> None:
        """By name, and by how it begins."""
        for word in words(forwarding.UP):
            name = word.replace("*", "anything").encode()
            self.assertNotEqual(sent((name, b"evil")).get(name), b"evil", name)

    def test_what_changes_method_path_account_or_model(self) -> None:
        self.assert_stays(
            *(b"x-http-method-override", b"x-http-method", b"x-method-override", b"x-original-url", b"x-rewrite-url"),
            *(
                b"x-original-uri",
                b"x-forwarded-uri",
                b"x-forwarded-user",
                b"x-envoy-original-path",
                b"x-host",
                b"x-amz-target",
            ),
            *(
                b"x-goog-user-project",
                b"x-goog-request-reason",
                b"x-goog-iam-authorization-token",
                b"x-goog-request-params",
            ),
            *(b"x-ms-spillover-deployment", b"x-ms-oai-image-generation-deployment", b"azureml-model-deployment"),
            *(b"x-policy-id", b"x-amz-security-token", b"x-amz-source-account", b"ocp-apim-subscription-key", b"proxy"),
            *(b"x-sendfile-type", b"x-accel-mapping", b"surrogate-capability", b"true-client-ip", b"cf-connecting-ip"),
        )

    def test_what_clients_need_passes(self) -> None:
        for name in WANTED:
            self.assertEqual(sent((name, b"value")).get(name), b"value", name)

    def test_names_that_some_servers_take_for_others(self) -> None:
        """With underscores, or whatever else becomes one (CGI)."""
        self.assert_stays(
            *(b"transfer_encoding", b"content_length", b"content_type", b"content.type", b"x_api_key"),
            *(
                b"x_forwarded_for",
                b"x_http_method_override",
                b"x_original_url",
                b"http2_settings",
                b"x_goog_user_project",
            ),
            *(b"api_key", b"content_encoding", b"if_range", b"x_stainless_lang"),
        )

    def test_every_providers_own_header_for_keys(self) -> None:
        """Also where a backend sends its key in another one."""
        for kind in PROVIDERS.values():
            self.assertLessEqual({kind.key_header, *kind.passthrough_headers}, NEVER_UPSTREAM)

    def test_also_for_what_the_configuration_adds(self) -> None:
        """Names of keys, of the credential, of headers that are set."""
        drop = NEVER_UPSTREAM | {b"x-my-key"}
        self.assertFalse(
            {b"x-my-key", b"x_my_key", b"x_my-key"} & set(sent((b"x-my-key", b"1"), (b"x_my_key", b"2"), drop=drop))
        )

    @given(st.sampled_from(sorted(NEVER_UPSTREAM | SINGLETONS)), st.data())
    def test_no_spelling_of_a_name_gets_through(self, name: bytes, data: st.DataObject) -> None:
        """Any character that is no letter or digit in the place of a dash."""
        other = bytes(data.draw(st.sampled_from(b"_.!~|")) if byte == 0x2D else byte for byte in name)
        if other != name:
            self.assertTrue(stays_here(other, NEVER_UPSTREAM), other)

    def test_consumers_keys_under_any_name(self) -> None:
        keys = KeyFilter(lambda token: token == b"mine")
        headers = [(b"x-foo", b"mine"), (b"x-bar", b"Bearer mine"), (b"user-agent", b"mine"), (b"x-baz", b"theirs")]
        self.assertEqual(set(sent(*headers, keys=keys)) & {name for name, _ in headers}, {b"x-baz"})

    def test_what_usual_clients_send_is_found_at_one_look(self) -> None:
        """Beginnings of names are only compared for what is neither plain nor dropped."""
        usual = {
            b"x-stainless-lang",
            b"x-stainless-runtime",
            b"authorization",
            b"accept-encoding",
            b"connection",
            b"host",
        }
        self.assertLessEqual(usual, NEVER_UPSTREAM)
        self.assertFalse(PLAIN & NEVER_UPSTREAM)
        self.assertFalse([name for name in PLAIN if stays_here(name, NEVER_UPSTREAM)])


class DownTests(unittest.TestCase):
    """Responses."""

    def passed(self, *names: bytes) -> list[bytes]:
        return [name for name, _ in ResponseHead(200, [(name, b"1") for name in names]).headers]

    def test_each_of_the_list(self) -> None:
        for word in words(forwarding.DOWN):
            self.assertEqual(self.passed(word.replace("*", "anything").encode()), [], word)

    def test_what_steers_a_server_in_front(self) -> None:
        names = (
            *(b"x-accel-redirect", b"x-accel-expires", b"x-sendfile", b"x-lighttpd-send-file", b"x-reproxy-url"),
            *(
                b"x-litespeed-location",
                b"x-envoy-immediate-health-check-fail",
                b"surrogate-control",
                b"cdn-cache-control",
            ),
            *(b"clear-site-data", b"refresh", b"set-cookie", b"strict-transport-security", b"service-worker-allowed"),
            *(b"public-key-pins", b"alt-svc", b"nel", b"report-to", b"sourcemap", b"content-location"),
        )
        self.assertEqual(self.passed(*names), [])

    def test_what_clients_need_passes(self) -> None:
        names = (
            *(b"content-type", b"content-encoding", b"cache-control", b"etag", b"vary", b"via", b"www-authenticate"),
            *(b"retry-after", b"x-ratelimit-remaining-tokens", b"anthropic-ratelimit-tokens-reset", b"openai-version"),
            *(b"x-amzn-requestid", b"x-amzn-bedrock-input-token-count", b"apim-request-id", b"content-disposition"),
            *(b"access-control-allow-origin", b"content-range", b"accept-ranges", b"link", b"mcp-session-id"),
        )
        self.assertEqual(self.passed(*names), list(names))
        self.assertFalse(PLAIN_DOWN & NEVER_DOWNSTREAM)
        self.assertFalse([name for name in PLAIN_DOWN if name.startswith(forwarding.NEVER_DOWN_PREFIXES)])


class DocumentedTests(unittest.TestCase):
    """docs/providers/headers.md has the same lists, with the same reasons."""

    def test_the_tables(self) -> None:
        page = Path(aigw.__file__).parent.parent / "docs" / "providers" / "headers.md"
        if not page.exists():
            raise unittest.SkipTest("an installation has no docs")
        text = page.read_text()
        for title, lists in (
            ("## Headers that never go up", forwarding.UP),
            ("## Exceptions from these", forwarding.UP_ALLOWED),
            ("## Fields of a query that never go up", forwarding.QUERY),
            ("## Headers that never go down", forwarding.DOWN),
        ):
            section = text.partition(title + "\n")[2].partition("\n### ")[0].partition("\n## ")[0]
            rows = {
                row[0]: re.findall(r"`([^`]+)`", row[1]) for row in re.findall(r"^\| (.+?) \| (.+) \|$", section, re.M)
            }
            wanted = {reason: names.split() for reason, names in lists.items()}
            self.assertEqual({reason: names for reason, names in rows.items() if names}, wanted, title)
