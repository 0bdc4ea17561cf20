"""The access log's line: every field of the contract, as JSON, whatever clients and providers put into them."""

from __future__ import annotations

import json
import re
from typing import Any

import hypothesis.strategies as st
from hypothesis import given
from twisted.trial import unittest

from aigw.config.tables import Name
from aigw.http.request import Request
from aigw.llm.usage import Usage
from aigw.proxy import access_line as lines
from aigw.proxy.access_line import access_line, server_timing
from aigw.proxy.account import Account
from tests.unit.proxy.fakes import make_plan

FIELDS = [
    "time", "request_id", "client", "consumer", "route", "operation", "method", "path", "status", "backend",
    "provider", "model", "response_model", "stream", "attempts", "input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens",
    "bytes_in", "bytes_out", "duration_ms", "upstream_ms", "overhead_ms", "ttft_ms", "error",
]  # fmt: skip

#: What a client or a provider may send where it is free to.
ANY_TEXT = st.text(max_size=40) | st.text('"\\\n\x00\x7fé\u2028\U0001f600{}', max_size=200)
COUNTS = st.integers(0, 999) | st.integers(0, 1 << 70)


def account_of(path: bytes = b"/v1/chat/completions", client: str = "192.0.2.1") -> Account:
    """One of a request that came at 100.0 and has an id."""
    channel: Any = None
    request = Request(channel, b"POST", path, [], 100.0)
    request.path = path
    request.request_id = "id-1"
    return Account(request, client)


def read(account: Account, consumer: str = "ann", status: int = 200, now: float = 101.5, own: float = 0.0001) -> Any:
    """The line, parsed strictly: no constants that JSON has not, no name twice."""
    line = access_line(account, consumer, status, now, own)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs), pairs
        return dict(pairs)

    assert line.endswith(b"\n") and line.count(b"\n") == 1, line
    return json.loads(line, object_pairs_hook=once)


class AccessLineTests(unittest.TestCase):
    """access_line"""

    def test_all_fields_in_order(self) -> None:
        """Also of a request that went nowhere; what did not happen is null or empty."""
        line = read(account_of(), consumer="", status=404)
        self.assertEqual(list(line), FIELDS)
        known = [name for name, value in line.items() if value is not None and value != ""]
        numbers = ["status", "stream", "attempts", "bytes_in", "bytes_out", "duration_ms", "overhead_ms"]
        self.assertEqual(known, ["time", "request_id", "client", "method", "path", *numbers])
        self.assertRegex(line["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ$")
        self.assertEqual((line["status"], line["stream"], line["attempts"]), (404, False, 0))

    def test_a_call(self) -> None:
        """Everything that can be known of one."""
        account = account_of()
        account.route, account.operation, account.stream, account.attempts = "all", "chat", True, 1
        account.plan = make_plan(None, backend="b-1", provider="mistral")
        account.asked_model, account.sent_model, account.response_model = "smart", b"m-2", "m-2-2026"
        account.usage = Usage(1000, 20, 4, 0, 5)
        account.request.bytes_in, account.request.bytes_out = 274, 12345
        account.started_at, account.first_token_at, account.upstream_done_at = 100.25, 100.5, 101.25
        line = read(account, own=0.000123)
        del line["time"]
        self.assertEqual(
            line,
            {
                "request_id": "id-1", "client": "192.0.2.1", "consumer": "ann", "route": "all", "operation": "chat",
                "method": "POST", "path": "/v1/chat/completions", "status": 200, "backend": "b-1",
                "provider": "mistral", "model": "smart", "upstream_model": "m-2", "response_model": "m-2-2026", "stream": True, "attempts": 1,
                "input_tokens": 1000, "output_tokens": 20, "cached_input_tokens": 4, "reasoning_tokens": 5,
                "bytes_in": 274, "bytes_out": 12345, "duration_ms": 1500.0, "upstream_ms": 1000.0,
                "overhead_ms": 0.123, "ttft_ms": 500.0, "error": "",
            },
        )  # fmt: skip

    def test_upstream_still_at_work(self) -> None:
        """Its time is counted up to now."""
        account = account_of()
        account.started_at = 100.5
        self.assertEqual(read(account)["upstream_ms"], 1000.0)

    def test_what_few_calls_have(self) -> None:
        """Attempts where there were several, a stream taken up, an estimate."""
        account = account_of()
        account.tell("a", b"m-1", "timeout", 30.0, "first_byte")
        self.assertNotIn("tried", read(account))
        account.tell("b", b"", "ok", 0.0625, "")
        account.continued = True
        account.usage = Usage(1, 2, partial=True)
        line = read(account)
        self.assertEqual(
            line["tried"],
            [
                {"backend": "a", "model": "m-1", "outcome": "timeout", "ms": 30000.0, "error": "first_byte"},
                {"backend": "b", "model": "", "outcome": "ok", "ms": 62.5, "error": ""},
            ],
        )
        self.assertEqual((line["continued"], line["usage_partial"]), (True, True))
        self.assertEqual(list(line), [*FIELDS, "tried", "continued", "usage_partial"])

    def test_bounded_length(self) -> None:
        """Whatever is sent: a pipe, journald and whoever reads lines have a longest one. What is cut says so."""
        for text in ("Z" * (3 << 20), "\x00" * 10_000, "\U0001f600" * 10_000, "\ud800" * 10_000):
            account = account_of(b"/" + b"a" * 60_000, text)
            account.request.method = b"M" * 10_000
            account.asked_model = account.response_model = account.error = text
            for _ in range(1000):
                account.tell("b", b"m" * 10_000, "cut", 1.0, text)
            line = read(account)
            for field in ("client", "model", "response_model", "error"):
                self.assertEqual(len(line[field]), 257, field)
                self.assertEqual(line[field][-1], "…")
            self.assertEqual((len(line["path"]), line["path"][-1], len(line["method"])), (1025, "…", 32))
            self.assertEqual(len(line["tried"]), 16)
            self.assertLess(len(access_line(account, "ann", 200, 101.5, 0.1)), 48 * 1024, "journald breaks longer ones")
        account = account_of(b"/" + b"a" * 1023, "c" * 256)
        self.assertEqual([read(account)[field] for field in ("path", "client")], ["/" + "a" * 1023, "c" * 256])

    @given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT, st.binary(max_size=60))
    def test_any_text(self, client: str, asked: str, answered: str, error: str, path: bytes) -> None:
        """Comes out as it went in, and nothing gets out of its quotes."""
        account = account_of(path, client)
        account.asked_model, account.response_model, account.error = asked, answered, error
        for _ in range(2):  # written, and as it is remembered
            line = read(account)
            found = line["client"], line["model"], line["response_model"], line["error"], line["path"]
            self.assertEqual(found, (client, asked, answered, error, path.decode("latin-1")))

    def test_half_a_surrogate_pair(self) -> None:
        """Is no Unicode: it costs its character, not the line."""
        account = account_of()
        account.asked_model = "a\udcffb"
        self.assertEqual(read(account)["model"], "a?b")

    @given(st.lists(COUNTS, min_size=4, max_size=4), COUNTS, COUNTS)
    def test_any_number(self, tokens: list[int], bytes_in: int, bytes_out: int) -> None:
        """None is too large."""
        account = account_of()
        account.usage = Usage(tokens[0], tokens[1], tokens[2], 0, tokens[3])
        account.request.bytes_in, account.request.bytes_out = bytes_in, bytes_out
        line = read(account)
        names = ("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens", "bytes_in", "bytes_out")
        self.assertEqual([line[name] for name in names], [*tokens, bytes_in, bytes_out])

    @given(st.floats(-1, 1e6), st.floats(-1, 1e6))
    def test_any_time(self, took: float, own: float) -> None:
        """To a microsecond; a clock that went back is no negative time."""
        account = account_of()
        line = read(account, now=100.0 + took, own=own)
        self.assertLess(abs(line["duration_ms"] - max(0.0, (100.0 + took - 100.0) * 1000)), 0.0011)
        self.assertLess(abs(line["overhead_ms"] - max(0.0, own * 1000)), 0.0011)

    def test_memory_is_bounded(self) -> None:
        """Of what clients make up, so much is remembered and no more."""
        account = account_of()
        for number in range(10_000):
            account.asked_model = f"made-up-{number}"
            self.assertEqual(read(account)["model"], f"made-up-{number}")
        account.asked_model = "x" * 10_000
        read(account)
        self.assertLessEqual(len(lines._remembered), 4096)
        self.assertLessEqual(max(map(len, lines._remembered)), 128)

    def test_names_need_no_escape(self) -> None:
        """The configuration's names go into the line as they are: none can hold what JSON writes otherwise."""
        (field,) = Name.__metadata__  # type: ignore[attr-defined]
        (pattern,) = (each.pattern for each in field.metadata if getattr(each, "pattern", None))
        fit = [chr(code) for code in range(0x300) if re.match(pattern, chr(code))]
        self.assertGreater(len(fit), 26)
        for letter in fit:
            self.assertEqual(json.dumps(letter), f'"{letter}"')


class ServerTimingTests(unittest.TestCase):
    """server_timing"""

    def test_in_milliseconds(self) -> None:
        """Ours, then the upstream's."""
        self.assertEqual(server_timing(0.000081, 1.5), b"gw;dur=0.081, upstream;dur=1500.000")
        self.assertEqual(server_timing(-0.1, 0.0), b"gw;dur=0.000, upstream;dur=0.000")
