"""Work on untrusted bytes, counted at n, 2n and 4n: it grows as they do, not with their square."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from types import FrameType, SimpleNamespace
from typing import Any, SupportsIndex
from unittest import mock

from twisted.trial import unittest

from aigw.config.errors import ConfigError
from aigw.config.file import Lines
from aigw.config.importers import Imported, import_texts
from aigw.config.importers.loading import documents
from aigw.config.importers.source import read
from aigw.consumers.forms import body_form, urlencoded
from aigw.http.headers import connection_tokens
from aigw.http.reader import RequestReader
from aigw.http.target import normalise_path
from aigw.llm import lenient
from aigw.llm.providers.openai_chat.errors import provider_error
from aigw.llm.taps import JsonTap
from aigw.routing.retry_after import retry_after
from aigw.upstream.target import PathRule
from aigw.web.clients import Clients
from tests.unit.http.connection import Connection


class Looked(bytes):
    """Bytes that count how many of them searches look at."""

    seen = 0

    def __add__(self, other: Any) -> Looked:
        return Looked(bytes(self) + other)

    def find(self, sub: Any, start: Any = 0, end: SupportsIndex | None = None) -> int:
        found = bytes(self).find(sub, start)
        Looked.seen += (found if found >= 0 else len(self)) - start
        return found

    def count(self, sub: Any, start: Any = 0, end: SupportsIndex | None = None) -> int:
        Looked.seen += len(self) - start
        return bytes(self).count(sub, start)


def calls(function: Callable[[int], Any], n: int) -> int:
    """How many functions ``function`` calls for ``n``, of Python and of C."""
    count = 0

    def note(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        function(n)
    except ConfigError:
        pass
    finally:
        sys.setprofile(None)
    return count


def path_rule() -> PathRule:
    return PathRule(b"/v1", None, None, {"api-version": "1"})


def clients(value: str) -> str:
    request: Any = SimpleNamespace(client="10.0.0.1", header_values=lambda name: [value.encode()])
    return Clients([ip_network("10.0.0.0/8")]).client_of(request)


def kubernetes(n: int) -> Imported:
    """Routes, each with a backend, a secret and a policy of its own."""
    kinds = {
        "gateway.networking.k8s.io/v1\nkind: HTTPRoute": "{rules: [{backendRefs: [{name: b%d, group: agentgateway.dev,"
        " kind: AgentgatewayBackend}], matches: [{path: {value: /p%d}}]}]}",
        "agentgateway.dev/v1alpha1\nkind: AgentgatewayBackend": "{ai: {provider: {openai: {model: m}}}, policies:"
        " {auth: {secretRef: {name: b%d}}}, x%d: 1}",
        "agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy": "{targetRefs: [{kind: HTTPRoute, name: b%d}],"
        " traffic: {apiKeyAuthentication: {secretRef: {name: b%d}}}}",
    }
    resources = [
        f"apiVersion: {kind}\nmetadata: {{name: b{k}}}\nspec: {spec % (k, k)}\n"
        for kind, spec in kinds.items()
        for k in range(n)
    ]
    secrets = [f"apiVersion: v1\nkind: Secret\nmetadata: {{name: b{k}}}\nstringData: {{key: k{k}}}\n" for k in range(n)]
    return import_texts([("f", "---\n".join(resources + secrets))], {})


def one_gateway(n: int) -> Imported:
    """Routes and policies, all of them of one Gateway, selected by one label, with Secrets of one label."""
    backend = "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayBackend\nmetadata: {name: b}\n"
    route = (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r%d, labels: {a: b}}\n"
        "spec: {parentRefs: [{name: g}], rules: [{backendRefs: [{name: b, kind: AgentgatewayBackend}],"
        " matches: [{path: {value: /p%d}}]}, {backendRefs: [{name: gone%d, kind: AgentgatewayBackend}]}]}\n"
    )
    policy = (
        "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {name: p%d}\n"
        "spec: {targetRefs: [{kind: Gateway, name: g}], targetSelectors: [{kind: HTTPRoute, matchLabels: {a: b}}],"
        " traffic: {apiKeyAuthentication: {secretSelector: {matchLabels: {c: d}}}}}\n"
    )
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s%d, labels: {c: d}}\nstringData: {key: k%d}\n"
    resources = [backend + "spec: {ai: {provider: {openai: {model: m}}}}\n"]
    for k in range(n):
        resources += [route % (k, k, k), policy % k, secret % (k, k)]
    return import_texts([("f", "---\n".join(resources))], {})


def kong(n: int) -> Imported:
    """Services with routes, plugins and consumers of their own, nested and by name; the same names in two documents."""
    flat = "\n".join(
        f"- {{name: ai-proxy, route: r{k}, consumer: c{k}, config: {{route_type: llm/v1/chat,"
        f" model: {{provider: openai, name: m{k}}}, auth: {{header_name: x, header_value: $K{k}}}}}}}\n"
        f"- {{name: key-auth, route: r{k}, config: {{key_names: [k{k}]}}}}\n- {{name: acl, service: s{k},"
        f" config: {{allow: [g]}}}}"
        for k in range(n)
    )
    services = "\n".join(
        f"- {{name: s{k}, routes: [{{name: r{k}, paths: [/p{k}]}}, {{paths: [/q{k}]}}], plugins: [{{name: ai-proxy,"
        f" config: {{route_type: llm/v1/chat, model: {{provider: openai}}, auth: {{header_name: x, header_value: $K}}}}}}]}}"
        for k in range(n)
    )
    consumers = "\n".join(f"- {{username: c{k}, keyauth_credentials: [{{key: k{k}}}]}}" for k in range(n))
    document = f"services:\n{services}\nconsumers:\n{consumers}\nplugins:\n{flat}\n"
    return import_texts([("f", f"{document}---\n{document}")], {})


def broken_kong(n: int) -> Imported:
    """References to nothing, where there are many."""
    plugins = "\n".join(f"- {{name: key-auth, consumer: gone{k}}}" for k in range(n))
    consumers = "\n".join(f"- {{username: c{k}}}" for k in range(n))
    return import_texts([("f", f"consumers:\n{consumers}\nplugins:\n{plugins}\n")], {})


#: What reads untrusted text, with one of any length.
READERS: dict[str, Callable[[int], Any]] = {
    "paths": lambda n: normalise_path(b"/a%2f/./b//..%41" * n),
    "raw paths": lambda n: path_rule().target(b"/v" + b"1" * n + b"-", b"/", b"a=%41&" * n),
    "forwarded": lambda n: clients("10.0.0.2," * n + "x"),
    "connection": lambda n: connection_tokens([(b"connection", b"a, b%d" % k) for k in range(n)]),
    "queries": lambda n: urlencoded(b"a=b&%41+&=" * n).without({b"apikey"}),
    "JSON": lambda n: body_form(b'{"a": [1, 2], ' + b'"b": "c", ' * n + b'"d": 1}', b"application/json"),
    "multipart": lambda n: body_form(
        b"--x" + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x' * n + b"--",
        b"multipart/form-data; boundary=x",
    ),
    "error pages": lambda n: provider_error(502, [], b"<title>" + b" <h1>" * n),
    "errors": lambda n: provider_error(400, [], b'{"detail": [' + b'{"loc": ["a"], "msg": "b"},' * n + b"1]}"),
    "retry-after": lambda n: retry_after([(b"retry-after", b"1s" * n)], None, 0.0),
    "TOML keys": lambda n: Lines(".".join("a" * n) + " = 1\n"),
    "TOML arrays": lambda n: Lines("a = [" + "[1, {b = 2}]," * n + "]\n"),
    "YAML": lambda n: documents("f", "- &a {b: c}\n" + "- {<<: *a, d: e}\n" * n),
    "merged keys": lambda n: documents("f", "a: &a {b: c}\nd: {<<: [" + "*a, " * n + "]}\n"),
    "fences": lambda n: read("f", "```yaml\nkind: a\n```\n" * n),
    "open fences": lambda n: read("f", "```\n````\n" * n),
    "here-documents": lambda n: read("f", "```\n" + "".join(f"<<A{k}\n" for k in range(n)) + "```\n"),
    "echo": lambda n: read("f", "```\n" + "echo '\n" * n + "```\n"),
    "echoed": lambda n: read("f", "```\n" + "echo '\nkind: a\n' | x\n" * n + "```\n"),
    "shortcodes": lambda n: read("f", "kind: a\nb: '" + "{{< c >}} " * n + "'\n"),
    "commands": lambda n: read("f", "kubectl create secret generic a --from-literal=b=c\n" * n),
    "broken documents": lambda n: read(
        "f", "```\nkind: a\n" + "---\nkind: [\n" * n + "---\n- {{ a }}\n- b: c: d\n```\n"
    ),
    "here-documents without an end": lambda n: read("f", "```\n" + "<<A\nkind: a\n<<B\nkind: b\n" * n + "```\n"),
    "quoted fences": lambda n: read("f", "> ```yaml\n> kind: a\n> ```yaml\n" * n),
    "variables": lambda n: read("f", "kind: a\n" + "# a\n\n" * n + "$A\nb: c\n"),
    "kubernetes": lambda n: kubernetes(n // 5),
    "one gateway": lambda n: one_gateway(n // 5),
    "kong": lambda n: kong(n // 5),
    "broken kong": broken_kong,
    "flattened": lambda n: read("f", "kind: a # <<A b " * n),
}


class ReaderTests(unittest.TestCase):
    """Functions that read a text whole."""

    def test_calls_grow_with_the_length(self) -> None:
        for name, function in READERS.items():
            calls(function, 10)  # imports, and what is remembered
            counts = [calls(function, n) for n in (150, 300, 600)]
            self.assertLess(counts[2], 5 * counts[0] + 500, (name, counts))


class TailTests(unittest.TestCase):
    """The end of a large answer."""

    def test_few_places_are_tried_for_its_usage(self) -> None:
        """However many look as if they were it."""
        read: list[int] = []
        with mock.patch.object(lenient, "peek", lambda text: read.append(len(text))):
            JsonTap().read_tail(b'"usage":{"a":1,' * 500)
        self.assertLess(len(read), 20)


class ForwardedTests(unittest.TestCase):
    """``X-Forwarded-For``."""

    def test_zones_of_any_length_are_no_addresses(self) -> None:
        """They would be a client's name in logs and limits."""
        self.assertEqual(clients("fe80::1%eth0"), "fe80::1")
        self.assertEqual(clients("fe80::1%" + "x" * 5000), "10.0.0.1")


class ByteByByteTests(unittest.TestCase):
    """A head that comes so slowly is not searched as often as it has bytes."""

    def looked_at(self, head: bytes) -> int:
        Looked.seen = 0
        reader = RequestReader(Connection().channel)
        for at in range(len(head)):
            self.assertIsNone(reader.feed(Looked(head[at : at + 1]), 0.0))
            reader.waiting = Looked(reader.waiting)
        return Looked.seen

    def heads(self, n: int) -> Iterator[bytes]:
        yield b"GET /" + b"a" * n
        yield b"GET / HTTP/1.1\r\nx: " + b"a" * n
        yield b"GET / HTTP/1.1\r\n" + b"x: a\r\n" * (n // 6)
        yield b"\r\nGET /" + b"a" * n

    def test_heads(self) -> None:
        for few, many in zip(self.heads(300), self.heads(1200), strict=True):
            self.assertLess(self.looked_at(many), 5 * self.looked_at(few) + 200, few[:20])

    def test_what_is_refused_is_refused_at_the_same_byte(self) -> None:
        """However it came: a bare line feed, a request line that is none."""
        for head in (
            b"GET / HTTP/1.1\r\nHost: h\nx",
            b"GET /\r\n",
            b"\r\nGET  / HTTP/1.1\r\n",
            b"GET / HTTP/1.1\r\na: b\n",
        ):
            whole = Connection().send(head)
            slow = Connection().trickle(head)
            for found in (whole, slow):
                self.assertIn(b" 400 ", found.transport.value(), head)
